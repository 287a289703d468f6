//! The rounds, interleaved: every row once, then every row again, so that what the machine does besides meets all alike. Every
//! other round goes backwards: what one row leaves behind, as a broker does, does not always meet the same next one.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};

use crate::contender::Contender;
use crate::load::{Load, Loader};
use crate::stop::Stop;
use crate::usage;
use crate::work::Work;

/// One line of the table: a contender and how it is loaded.
#[derive(Debug)]
pub struct Row<'a> {
    /// What is loaded.
    pub contender: &'a Contender,
    /// With what.
    pub work: Work,
    /// By what.
    pub loader: &'a Loader,
    /// One for each round so far.
    pub rounds: Vec<Round>,
}

/// What one round gave.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Round {
    /// Requests answered in a second.
    pub rate: f64,
    /// The median latency.
    pub p50: Duration,
    /// The 99th percentile.
    pub p99: Duration,
    /// CPU time of the proxy's processes, until they were at rest again, for each request.
    pub cpu: Duration,
    /// Their resident memory at the end, in bytes.
    pub resident: u64,
    /// Requests that failed.
    pub failed: u64,
    /// Records that the recorder lost; nothing for what does not record.
    pub dropped: u64,
}

/// Loads each row once, without counting: what starts cold does not do so in the figures. `tell` hears of each before it begins.
pub fn warm_up(rows: &[Row<'_>], load: Load, dir: &Path, stop: &Stop, tell: &dyn Fn(&Row<'_>)) -> anyhow::Result<()> {
    for row in rows {
        tell(row);
        one(row, load, dir, stop).with_context(|| format!("warm-up of {}", row.contender.kind))?;
    }
    Ok(())
}

/// Runs them all. `tell` hears of each before it begins.
pub fn run(
    rows: &mut [Row<'_>],
    rounds: u32,
    load: Load,
    dir: &Path,
    stop: &Stop,
    tell: &dyn Fn(u32, &Row<'_>),
) -> anyhow::Result<()> {
    for round in 1..=rounds {
        for at in order(round, rows.len()) {
            let row = &mut rows[at];
            tell(round, row);
            let one = one(row, load, dir, stop).with_context(|| format!("round {round} of {}", row.contender.kind))?;
            row.rounds.push(one);
        }
    }
    Ok(())
}

/// In which order a round takes so many rows.
fn order(round: u32, rows: usize) -> impl Iterator<Item = usize> {
    (0..rows).map(move |at| if round % 2 == 1 { at } else { rows - 1 - at })
}

fn one(row: &Row<'_>, load: Load, dir: &Path, stop: &Stop) -> anyhow::Result<Round> {
    let pid = row.contender.running.pid();
    let at = match row.loader {
        Loader::Wrk(_) => row.contender.http1,
        Loader::H2load(_) => row.contender.http2,
    };
    let (before, cpu) = (row.contender.counts()?.unwrap_or_default(), usage::cpu(pid));
    let result = row.loader.run(at, row.work.path(), load, dir, stop)?;
    let after = row.contender.counts()?.unwrap_or_default();
    let (recorded, dropped) = (after.recorded - before.recorded, after.dropped - before.dropped);
    ensure!(
        !row.contender.kind.records() || recorded + dropped >= result.requests,
        "{} requests were answered, and only {recorded} recorded and {dropped} dropped: this measured no recording",
        result.requests
    );
    let cpu = usage::cpu_at_rest(pid) - cpu;
    Ok(Round {
        rate: result.requests as f64 / f64::from(load.seconds),
        p50: result.p50,
        p99: result.p99,
        cpu: cpu.div_f64(result.requests.max(1) as f64),
        resident: usage::resident(pid),
        failed: result.failed,
        dropped,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_other_round_goes_backwards() {
        assert_eq!(order(1, 3).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(order(2, 3).collect::<Vec<_>>(), [2, 1, 0]);
    }
}
