//! The recorder, as the process a user runs.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::Value;

use super::{Contender, Kind};
use crate::running::{Running, free_address, get};

/// A store of its own for each recorder.
pub(super) fn sqlite(dir: &Path, name: &str) -> String {
    format!("sqlite:{}", dir.join(format!("{name}.db")).display())
}

pub(super) fn start(
    kind: Kind,
    (sample, store): (&str, &str),
    program: &Path,
    upstream: SocketAddr,
    dir: &Path,
) -> anyhow::Result<Contender> {
    start_as(kind, (sample, store), Command::new(program), upstream, dir)
}

/// The same, which sends Kafka what it has without gathering it.
pub(super) fn start_hasty(store: &str, program: &Path, upstream: SocketAddr, dir: &Path) -> anyhow::Result<Contender> {
    let config = dir.join("hasty.toml");
    std::fs::write(&config, "[store.kafka]\n\"linger.ms\" = \"0\"\n\"sticky.partitioning.linger.ms\" = \"0\"\n")?;
    let mut command = Command::new(program);
    command.arg("--config").arg(config);
    start_as(Kind::UmbraKafka, ("100%", store), command, upstream, dir)
}

fn start_as(
    kind: Kind,
    (sample, store): (&str, &str),
    mut command: Command,
    upstream: SocketAddr,
    dir: &Path,
) -> anyhow::Result<Contender> {
    let (at, admin) = (free_address()?, free_address()?);
    command.args(["--workers", "1", "--sample", sample, "--store", store, "--max-connections", "20000"]).args([
        "--listen",
        &at.to_string(),
        "--admin",
        &admin.to_string(),
        "--upstream",
        &format!("http://{upstream}"),
    ]);
    let name = format!("umbra-{}", if kind == Kind::UmbraKafka { "kafka".into() } else { sample.replace('%', "") });
    let running = Running::start(&name, &mut command, dir)?;
    Ok(Contender { kind, running, http1: at, http2: at, admin: Some(admin) })
}

/// The part of the recorder's ledger that a measurement must not hide.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records that the store has confirmed.
    pub recorded: u64,
    /// Records that should be there and are not.
    pub dropped: u64,
}

impl Counts {
    /// The ledger once every request has ended in it: a store confirms later than the client has its answer.
    pub(super) fn settled(admin: SocketAddr) -> anyhow::Result<Self> {
        /// Longer than a producer tries.
        const LONGEST: Duration = Duration::from_secs(30);
        const LOOK: Duration = Duration::from_millis(50);
        let end = Instant::now() + LONGEST;
        loop {
            let text = get(admin, "/status").context("the recorder's /status does not answer")?;
            let (counts, open) =
                parse(&text).with_context(|| format!("the recorder's /status has no ledger: {text}"))?;
            // One that was cut off at the end of a load may stay open for as long as the recorder waits for it.
            if open == 0 || Instant::now() > end {
                return Ok(counts);
            }
            sleep(LOOK);
        }
    }
}

/// The counts, and how many requests are open.
fn parse(status: &str) -> Option<(Counts, u64)> {
    let status: Value = serde_json::from_str(status).ok()?;
    let ended = &status["ledger"]["ended"];
    let dropped = ended["dropped"].as_object()?.values().map(Value::as_u64).sum::<Option<u64>>()?;
    let counts = Counts { recorded: ended["recorded"].as_u64()?, dropped };
    Some((counts, status["ledger"]["open"].as_u64()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ledger_is_read_and_every_reason_for_a_drop_counts() {
        let status = r#"{"ledger": {"seen": 10, "open": 1,
            "ended": {"recorded": 4, "sampled_out": 0, "dropped": {"queue_full": 2, "memory": 3}}}}"#;
        assert_eq!(parse(status), Some((Counts { recorded: 4, dropped: 5 }, 1)));
        assert_eq!(parse(r#"{"ledger": {"seen": 10}}"#), None);
    }
}
