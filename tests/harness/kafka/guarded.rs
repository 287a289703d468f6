//! A broker that lets nobody do what an access rule does not allow.

use std::process::Command;

use serde_json::Value;
use tempfile::NamedTempFile;

use super::jars;
use super::java::{Extra, Java};
use crate::installed::output_of;
use crate::ports::free_port;

/// What every user shows.
const PASSWORD: &str = "a-password-of-the-tests";

/// One broker from the jars whose users can do only what Strimzi's `KafkaUser`s allow them.
#[derive(Debug)]
pub struct GuardedBroker {
    java: Java,
    port: u16,
}

impl GuardedBroker {
    /// Starts one that knows these users, `KafkaUser` documents, and does with their rules what Strimzi's operator does.
    pub fn start(users: &[Value]) -> Self {
        let (port, extra) = (free_port(), "SASL_PLAINTEXT");
        let names: String = users.iter().map(|user| format!(" user_{}=\"{PASSWORD}\"", name(user))).collect();
        let properties = format!(
            "listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,{extra}:{extra}\n\
             sasl.enabled.mechanisms=PLAIN\n\
             listener.name.sasl_plaintext.plain.sasl.jaas.config=\
             org.apache.kafka.common.security.plain.PlainLoginModule required{names};\n\
             authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n\
             super.users=User:ANONYMOUS\n"
        );
        let extra = Extra { listeners: vec![(extra, port)], properties, ..Extra::default() };
        let java = Java::start_with(&extra).unwrap_or_else(|why| panic!("apache kafka does not start: {why}"));
        let broker = Self { java, port };
        std::thread::scope(|scope| {
            for user in users {
                scope.spawn(|| broker.allow(user));
            }
        });
        broker
    }

    /// The listener without any security, where everything is allowed.
    pub fn open(&self) -> String {
        self.java.brokers()
    }

    /// A configuration file of either program that reaches `topic` as this user.
    pub fn config(&self, user: &Value, topic: &str) -> NamedTempFile {
        let file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
        let text = format!(
            "[store]\nurl = \"kafka://127.0.0.1:{}/{topic}\"\n[store.kafka]\n\"security.protocol\" = \"SASL_PLAINTEXT\"\n\
             \"sasl.mechanism\" = \"PLAIN\"\n\"sasl.username\" = \"{}\"\n\"sasl.password\" = \"{PASSWORD}\"\n",
            self.port,
            name(user)
        );
        std::fs::write(file.path(), text).unwrap();
        file
    }

    /// Ends the broker, as a crash would, until [`restart`](Self::restart).
    pub fn stop(&mut self) {
        self.java.stop();
    }

    /// Starts it again, with the same data.
    pub fn restart(&mut self) {
        self.java.restart().unwrap_or_else(|why| panic!("apache kafka does not start again: {why}"));
    }

    fn allow(&self, user: &Value) {
        for rule in user["spec"]["authorization"]["acls"].as_array().unwrap() {
            let text =
                |path: &str| rule.pointer(path).and_then(Value::as_str).unwrap_or_else(|| panic!("{rule}: {path}"));
            let pattern = text("/resource/patternType").replace("prefix", "prefixed");
            let mut acls = Command::new("java");
            acls.args(["-XX:TieredStopAtLevel=1", "-cp"])
                .arg(jars::folder().join("*"))
                .args(["kafka.admin.AclCommand", "--bootstrap-server"]);
            acls.args([&self.open(), "--add", "--force", "--allow-principal", &format!("User:{}", name(user))]);
            acls.args(["--allow-host", text("/host"), "--resource-pattern-type", &pattern]);
            acls.args([&format!("--{}", text("/resource/type")), text("/resource/name")]);
            for operation in rule["operations"].as_array().unwrap() {
                acls.args(["--operation", operation.as_str().unwrap()]);
            }
            output_of(&mut acls, "kafka takes the rule");
        }
    }
}

fn name(user: &Value) -> &str {
    user["metadata"]["name"].as_str().unwrap()
}
