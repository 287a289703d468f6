//! A broker that wants to know who comes, and shows who it is.

use std::collections::BTreeMap;

use super::java::{Extra, Java};
use super::topic_on;
use crate::certificates::Authority;
use crate::ports::free_port;

/// The one user that it knows.
pub const USER: &str = "umbra";

/// A user's password, told apart from other texts.
#[derive(Clone, Debug)]
pub struct Password(pub String);

impl Password {
    /// One that stands nowhere else.
    pub fn new() -> Self {
        Self(format!("secret-{:016x}", fastrand::u64(..)))
    }
}

impl Default for Password {
    fn default() -> Self {
        Self::new()
    }
}

/// One broker from the jars, with listeners for SASL (PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER), for TLS with
/// certificates of both sides, and for SASL over TLS.
pub struct SecuredBroker {
    java: Java,
    extra: Extra,
    ports: BTreeMap<&'static str, u16>,
}

const LISTENERS: [&str; 3] = ["SASL_PLAINTEXT", "SASL_SSL", "SSL"];
const MECHANISMS: [&str; 4] = ["plain", "scram-sha-256", "scram-sha-512", "oauthbearer"];

impl SecuredBroker {
    /// Starts one whose certificate `authority` has signed and whose user has this password.
    pub fn start(authority: &Authority, password: &Password) -> Self {
        let ports: BTreeMap<_, _> = LISTENERS.into_iter().map(|name| (name, free_port())).collect();
        let scram = ["SCRAM-SHA-256", "SCRAM-SHA-512"]
            .map(|mechanism| format!("{mechanism}=[name={USER},password={}]", password.0));
        let extra = Extra {
            listeners: ports.iter().map(|(name, port)| (*name, *port)).collect(),
            properties: properties(authority, password),
            format: scram.into_iter().flat_map(|one| ["--add-scram".into(), one]).collect(),
            ..Extra::default()
        };
        let java = Java::start_with(&extra).unwrap_or_else(|why| panic!("apache kafka does not start: {why}"));
        Self { java, extra, ports }
    }

    /// A topic that does not exist yet, on the listener of this protocol.
    pub fn topic(&self, protocol: &str, prefix: &str) -> String {
        topic_on(&format!("127.0.0.1:{}", self.ports[protocol]), prefix, None).to_string()
    }

    /// Starts it again with another certificate, and another password for PLAIN.
    pub fn change(&mut self, authority: &Authority, password: &Password) {
        self.extra.properties = properties(authority, password);
        self.java.restart_with(&self.extra).unwrap_or_else(|why| panic!("apache kafka does not start again: {why}"));
    }
}

fn properties(authority: &Authority, password: &Password) -> String {
    let identity = authority.issue("broker", &["127.0.0.1", "localhost"]);
    let keystore = identity.cert.with_file_name("broker-keystore.pem");
    let both = [&identity.key, &identity.cert].map(|file| std::fs::read_to_string(file).unwrap()).concat();
    std::fs::write(&keystore, both).unwrap();
    let modules = |listener: &str| -> String {
        let login = |mechanism: &str| match mechanism {
            "plain" => format!("plain.PlainLoginModule required user_{USER}=\"{}\"", password.0),
            "oauthbearer" => {
                "oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub=\"broker\"".into()
            }
            _ => "scram.ScramLoginModule required".into(),
        };
        let line = |mechanism: &&str| {
            let login = login(mechanism);
            format!("listener.name.{listener}.{mechanism}.sasl.jaas.config=org.apache.kafka.common.security.{login};\n")
        };
        MECHANISMS.iter().map(line).collect()
    };
    format!(
        "listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL\n\
         sasl.enabled.mechanisms={}\n{}{}ssl.keystore.type=PEM\nssl.keystore.location={}\n\
         ssl.truststore.type=PEM\nssl.truststore.location={}\nlistener.name.ssl.ssl.client.auth=required\n",
        MECHANISMS.map(str::to_uppercase).join(","),
        modules("sasl_plaintext"),
        modules("sasl_ssl"),
        keystore.display(),
        authority.file().display(),
    )
}
