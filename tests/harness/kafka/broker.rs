//! One broker on loopback: everyone's, or that of a test which stops and restarts it.

use umbra_common::store::StoreUrl;

use super::container::{self, Container};
use super::java::Java;
use super::{setting, topic_on};

/// Between choosing free ports and using them, somebody else may take them.
const TRIES: usize = 3;

/// A broker that was started. It ends when this is dropped or the process ends.
#[derive(Debug)]
pub struct Broker(Runs);

#[derive(Debug)]
enum Runs {
    InContainer(Container),
    ByJava(Java),
}

impl Broker {
    /// Starts one and waits until it answers: in a container where that can be done, else from the jars.
    /// Fails the test, saying what to install, where neither can be done.
    pub fn start() -> Self {
        let container = || several_times(container::start).map(Runs::InContainer);
        let java = || several_times(Java::start).map(Runs::ByJava);
        let runs = match setting("UMBRA_TEST_KAFKA_VIA").as_deref() {
            None if container::is_possible().is_ok() => container(),
            Some("docker") => container::is_possible().and_then(|()| container()),
            None | Some("jars") => java(),
            Some(other) => panic!("UMBRA_TEST_KAFKA_VIA is '{other}': give docker or jars"),
        };
        Self(runs.unwrap_or_else(|why| panic!("apache kafka does not start: {why}")))
    }

    /// How it runs, in words.
    pub fn way(&self) -> &'static str {
        match self.0 {
            Runs::InContainer(_) => "a container by testcontainers",
            Runs::ByJava(_) => "apache kafka's jars",
        }
    }

    /// `host:port`.
    pub fn brokers(&self) -> String {
        match &self.0 {
            Runs::InContainer(container) => container.brokers(),
            Runs::ByJava(java) => java.brokers(),
        }
    }

    /// The URL of a topic that does not exist yet.
    pub fn topic(&self, prefix: &str) -> StoreUrl {
        topic_on(&self.brokers(), prefix, None)
    }

    /// Ends the broker at once, as a crash would. Its data stays.
    pub fn stop(&mut self) {
        match &mut self.0 {
            Runs::InContainer(container) => container.stop(),
            Runs::ByJava(java) => java.stop(),
        }
    }

    /// Starts it again after [`stop`](Self::stop), on the same port with the same data.
    pub fn restart(&mut self) {
        let again = match &mut self.0 {
            Runs::InContainer(container) => container.restart(),
            Runs::ByJava(java) => java.restart(),
        };
        again.unwrap_or_else(|why| panic!("apache kafka does not start again: {why}"));
    }

    /// Freezes the broker: connections stay open, and nothing is answered.
    pub fn pause(&self) {
        match &self.0 {
            Runs::InContainer(container) => container.pause(),
            Runs::ByJava(java) => java.pause(),
        }
    }

    /// Lets a frozen broker go on.
    pub fn resume(&self) {
        match &self.0 {
            Runs::InContainer(container) => container.resume(),
            Runs::ByJava(java) => java.resume(),
        }
    }
}

fn several_times<T>(start: impl Fn() -> Result<T, String>) -> Result<T, String> {
    let mut tries = (1..=TRIES).map(|_| start());
    let mut last = Err("it was not tried".to_owned());
    while last.is_err()
        && let Some(next) = tries.next()
    {
        last = next;
    }
    last
}
