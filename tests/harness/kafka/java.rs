//! A broker run by Java from the jars.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::{READY, jars, wait_until_ready};
use crate::guard::Guard;
use crate::ports::free_port;

/// A cluster's id is 16 bytes in base64; any will do.
const CLUSTER: &str = "dW1icmEtaW4tdGVzdHMtMQ";

/// Starts the broker, says its process id, and waits for the end of its input; ends the broker and, unless told to
/// keep it, removes its folder.
const RUN: &str = r#"folder=$1; shift
java "$@" >"$folder/log" 2>&1 &
broker=$!
echo $broker
word=$(cat)
kill -9 $broker 2>/dev/null
wait $broker 2>/dev/null
[ "$word" = keep ] || rm -rf "$folder""#;

/// What a broker has beside the listener without any security.
#[derive(Clone, Debug, Default)]
pub(super) struct Extra {
    /// Further listeners, by Kafka's names of protocols, each with its port.
    pub(super) listeners: Vec<(&'static str, u16)>,
    /// Further lines of its properties.
    pub(super) properties: String,
    /// Further arguments for formatting its storage.
    pub(super) format: Vec<String>,
    /// It is the second broker of the cluster whose controller listens on this port; the first of its own where absent.
    pub(super) joins: Option<u16>,
}

/// A broker on loopback. It ends, and its folder goes, when this is dropped or the process ends.
#[derive(Debug)]
pub(super) struct Java {
    /// For clients, and for the controller.
    ports: [u16; 2],
    folder: TempDir,
    jars: PathBuf,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    guard: Guard,
    process: u32,
}

impl Java {
    /// Starts one and waits until it answers.
    pub(super) fn start() -> Result<Self, String> {
        Self::start_with(&Extra::default())
    }

    /// The same, with more than the plain listener.
    pub(super) fn start_with(extra: &Extra) -> Result<Self, String> {
        let jars = jars::folder();
        let folder = tempfile::Builder::new().prefix("umbra-kafka-").tempdir().map_err(|e| e.to_string())?;
        let ports = [(); 2].map(|()| free_port());
        write_properties(folder.path(), ports, extra);
        format_storage(&jars, folder.path(), &extra.format);
        let mut broker = Self { ports, folder, jars, running: None };
        broker.run()?;
        Ok(broker)
    }

    pub(super) fn brokers(&self) -> String {
        format!("127.0.0.1:{}", self.ports[0])
    }

    /// Where its controller listens.
    pub(super) fn controller(&self) -> u16 {
        self.ports[1]
    }

    /// Starts it again with other settings.
    pub(super) fn restart_with(&mut self, extra: &Extra) -> Result<(), String> {
        write_properties(self.folder.path(), self.ports, extra);
        self.restart()
    }

    /// Ends the broker at once, as a crash would. Its data stays.
    pub(super) fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.guard.tell("keep");
        }
    }

    /// Starts it again after [`stop`](Self::stop), on the same port with the same data.
    pub(super) fn restart(&mut self) -> Result<(), String> {
        self.stop();
        self.run()
    }

    /// Freezes the broker: connections stay open, and nothing is answered.
    pub(super) fn pause(&self) {
        self.signal("STOP");
    }

    /// Lets a frozen broker go on.
    pub(super) fn resume(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let process = self.running.as_ref().expect("a broker that runs").process;
        let status = Command::new("sh").args(["-c", &format!("kill -{name} {process}")]).status().unwrap();
        assert!(status.success(), "kill -{name} {process}: {status}");
    }

    fn run(&mut self) -> Result<(), String> {
        let properties = self.folder.path().join("server.properties");
        let mut arguments = vec![self.folder.path().to_owned(), "-Xmx512m".into(), "-XX:+UseSerialGC".into()];
        arguments.extend(["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn".into(), "-cp".into(), self.jars.join("*")]);
        arguments.extend(["kafka.Kafka".into(), properties]);
        let mut guard = Guard::start(RUN, arguments);
        let process = guard.first_line().parse().map_err(|e| format!("its process id: {e}"))?;
        self.running = Some(Running { guard, process });
        wait_until_ready(&self.brokers(), READY).map_err(|why| {
            let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            let last: Vec<_> = log.lines().rev().take(20).collect();
            self.stop();
            format!("{why}\n{}", last.into_iter().rev().collect::<Vec<_>>().join("\n"))
        })
    }
}

/// Writes `server.properties`.
fn write_properties(folder: &Path, [clients, controller]: [u16; 2], extra: &Extra) {
    let more: String = extra.listeners.iter().map(|(name, port)| format!(",{name}://127.0.0.1:{port}")).collect();
    let more_properties = &extra.properties;
    let log = folder.join("data");
    let (roles, node, quorum) = match extra.joins {
        None => ("broker,controller", 1, controller),
        Some(controller) => ("broker", 2, controller),
    };
    let own = if extra.joins.is_none() { format!(",CONTROLLER://127.0.0.1:{controller}") } else { String::new() };
    let text = format!(
        "process.roles={roles}
node.id={node}
controller.quorum.voters=1@127.0.0.1:{quorum}
listeners=PLAINTEXT://127.0.0.1:{clients}{more}{own}
advertised.listeners=PLAINTEXT://127.0.0.1:{clients}{more}
controller.listener.names=CONTROLLER
log.dirs={}
offsets.topic.replication.factor=1
offsets.topic.num.partitions=8
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
log.retention.ms=-1
{more_properties}",
        log.display()
    );
    std::fs::write(folder.join("server.properties"), text).unwrap();
}

fn format_storage(jars: &Path, folder: &Path, more: &[String]) {
    let output = Command::new("java")
        .args(["-XX:TieredStopAtLevel=1", "-cp"])
        .arg(jars.join("*"))
        .args(["kafka.tools.StorageTool", "format", "-t", CLUSTER, "-c"])
        .arg(folder.join("server.properties"))
        .args(more)
        .output()
        .unwrap();
    let said = || String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "formatting kafka's storage: {}", said());
}

impl Drop for Java {
    fn drop(&mut self) {
        // Before the folder goes.
        self.stop();
    }
}
