//! A broker in a container, by testcontainers.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use testcontainers_modules::kafka::apache;
use testcontainers_modules::testcontainers::runners::AsyncRunner;
use testcontainers_modules::testcontainers::{Image, ImageExt};

use super::{READY, wait_until_ready};
use crate::guard::Guard;
use crate::ports::free_port;

/// For the engine to answer.
const ANSWER: Duration = Duration::from_secs(10);
/// For the image to be pulled.
const PULL: Duration = Duration::from_secs(180);
/// For the container to be up.
const START: Duration = Duration::from_secs(120);

/// A running container. It is removed when this is dropped or the process ends.
#[derive(Debug)]
pub(super) struct Container {
    port: u16,
    id: String,
    _guard: Guard,
}

impl Container {
    pub(super) fn brokers(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(super) fn stop(&self) {
        self.docker("kill");
    }

    pub(super) fn restart(&self) -> Result<(), String> {
        self.docker("start");
        wait_until_ready(&self.brokers(), READY)
    }

    pub(super) fn pause(&self) {
        self.docker("pause");
    }

    pub(super) fn resume(&self) {
        self.docker("unpause");
    }

    fn docker(&self, what: &str) {
        docker(&[what, &self.id], ANSWER).unwrap();
    }
}

/// Whether a container can be started here, pulling the image where it is not there yet; else why not.
pub(super) fn is_possible() -> Result<(), String> {
    docker(&["version"], ANSWER).map_err(|why| format!("no docker engine answers: {why}"))?;
    let kafka = apache::Kafka::default();
    let image = format!("{}:{}", kafka.name(), kafka.tag());
    if docker(&["image", "inspect", &image], ANSWER).is_ok() {
        return Ok(());
    }
    eprintln!("pulling {image}");
    docker(&["pull", &image], PULL).map_err(|why| format!("cannot pull {image}: {why}"))
}

/// Starts one.
pub(super) fn start() -> Result<Container, String> {
    // On a thread of its own: the test may be inside of a runtime, where another cannot be waited for.
    std::thread::spawn(run).join().map_err(|_| "starting the container panicked".to_owned())?
}

fn run() -> Result<Container, String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.map_err(|e| e.to_string())?;
    // Chosen here and not by the engine, which would choose another one when the container is started again.
    let port = free_port();
    let request = apache::Kafka::default()
        .with_mapped_port(port, apache::KAFKA_PORT)
        .with_env_var("KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS", "0")
        // Tests record at fixed times of the past; the broker would remove them within its first half minute.
        .with_env_var("KAFKA_LOG_RETENTION_MS", "-1")
        .with_env_var("KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR", "1")
        .with_env_var("KAFKA_TRANSACTION_STATE_LOG_MIN_ISR", "1")
        .with_startup_timeout(START);
    let container = runtime.block_on(request.start()).map_err(|e| e.to_string())?;
    let id = container.id().to_owned();
    let guard = Guard::start("cat >/dev/null; docker rm -f -v \"$1\" >/dev/null 2>&1", [&id]);
    // The guard removes it. Its own way to go needs a runtime around whoever drops it.
    std::mem::forget(container);
    let started = Container { port, id, _guard: guard };
    wait_until_ready(&started.brokers(), READY)?;
    Ok(started)
}

/// Runs the docker client, at most for so long.
fn docker(arguments: &[&str], longest: Duration) -> Result<(), String> {
    let mut command = Command::new("docker");
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|e| format!("docker: {e}"))?;
    let until = Instant::now() + longest;
    loop {
        match child.try_wait().map_err(|e| e.to_string())? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => return Err(format!("docker {}: {status}", arguments.join(" "))),
            None if Instant::now() > until => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("docker {}: not done within {longest:?}", arguments.join(" ")));
            }
            None => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}
