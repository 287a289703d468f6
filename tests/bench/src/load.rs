//! The load: wrk for HTTP/1.1, h2load for HTTP/2, on keep-alive connections, as fast as the proxy answers.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};

use crate::running::{find, output};
use crate::stop::Stop;

/// How many requests are under way at once, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Requests under way: connections in HTTP/1.1, streams in HTTP/2.
    pub concurrency: u32,
    /// For so long.
    pub seconds: u32,
}

/// What came of a load.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Result {
    /// Requests that were answered, whatever the status.
    pub requests: u64,
    /// Those with another status than 2xx or 3xx, and those that a broken connection or a timeout took.
    pub failed: u64,
    /// Half of the requests took at most so long.
    pub p50: Duration,
    /// 99 of 100 took at most so long.
    pub p99: Duration,
}

/// A program that makes a load.
#[derive(Clone, Debug)]
pub enum Loader {
    /// HTTP/1.1.
    Wrk(PathBuf),
    /// HTTP/2 with prior knowledge.
    H2load(PathBuf),
}

impl Loader {
    /// The loader for HTTP/1.1, without which there is nothing to measure.
    pub fn wrk() -> anyhow::Result<Self> {
        find("wrk").map(Self::Wrk).context("wrk makes the load and is not installed: apt-get install wrk")
    }

    /// The loader for HTTP/2, if it is installed.
    pub fn h2load() -> Option<Self> {
        find("h2load").map(Self::H2load)
    }

    /// Whether it speaks HTTP/2.
    pub fn is_http2(&self) -> bool {
        matches!(self, Self::H2load(_))
    }

    /// Loads a proxy as much as it takes, and waits for the end.
    pub fn run(&self, at: SocketAddr, path: &str, load: Load, dir: &Path, stop: &Stop) -> anyhow::Result<Result> {
        let Load { concurrency, seconds } = load;
        let url = format!("http://{at}{path}");
        match self {
            Self::Wrk(wrk) => {
                let arguments = ["-t1", &format!("-c{concurrency}"), &format!("-d{seconds}s"), "--latency", &url];
                let said = output(Command::new(wrk).args(arguments), dir, stop)?;
                parse_wrk(&said).ok_or_else(|| anyhow!("wrk said something else than its figures:\n{said}"))
            }
            Self::H2load(h2load) => {
                let clients = (concurrency / STREAMS).max(1);
                let shape = [format!("-c{clients}"), format!("-m{STREAMS}"), format!("-D{seconds}")];
                logged(h2load, &shape, &url, dir, stop)
            }
        }
    }

    /// Sends `rate` requests in a second by either version, in bursts of what ten milliseconds bring; how many were
    /// answered.
    pub fn run_paced(
        &self,
        rate: u32,
        http2: bool,
        at: SocketAddr,
        load: Load,
        dir: &Path,
        stop: &Stop,
    ) -> anyhow::Result<u64> {
        let Self::H2load(h2load) = self else { bail!("wrk has no fixed rate") };
        let Load { concurrency, seconds } = load;
        let each = f64::from(rate) / f64::from(concurrency);
        let mut command = Command::new(h2load);
        if !http2 {
            command.arg("--h1");
        }
        command.args([format!("-c{concurrency}"), format!("--rps={each:.1}"), format!("-D{seconds}"), "-t1".into()]);
        let said = output(command.arg(format!("http://{at}/")), dir, stop)?;
        answered(&said).ok_or_else(|| anyhow!("h2load said something else than its figures:\n{said}"))
    }
}

/// Streams on each HTTP/2 connection.
pub const STREAMS: u32 = 32;

/// Runs h2load with a log of each request, from which the latencies are read.
fn logged(h2load: &Path, shape: &[String], url: &str, dir: &Path, stop: &Stop) -> anyhow::Result<Result> {
    let log = dir.join("h2load.tsv");
    // It appends.
    let _ = std::fs::remove_file(&log);
    let mut command = Command::new(h2load);
    command.args(shape).arg("-t1").arg(format!("--log-file={}", log.display())).arg(url);
    let said = output(&mut command, dir, stop)?;
    let log = std::fs::read_to_string(&log).context("h2load wrote no log")?;
    parse_h2load(&said, &log).ok_or_else(|| anyhow!("h2load said something else than its figures:\n{said}"))
}

fn parse_wrk(said: &str) -> Option<Result> {
    let line = |what: &str| said.lines().map(str::trim).find_map(|l| l.strip_prefix(what));
    let requests = said.lines().find_map(|l| l.trim().split_once(" requests in ")?.0.parse().ok())?;
    let statuses = line("Non-2xx or 3xx responses: ").map_or(Some(0), |n| n.parse::<u64>().ok())?;
    let sockets = line("Socket errors: ").map_or(Some(0), |all| {
        all.split(", ").map(|one| one.rsplit_once(' ')?.1.parse::<u64>().ok()).sum::<Option<u64>>()
    })?;
    Some(Result {
        requests,
        failed: statuses + sockets,
        p50: wrk_duration(line("50%")?)?,
        p99: wrk_duration(line("99%")?)?,
    })
}

fn wrk_duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let (unit, seconds) = [("us", 1e-6), ("ms", 1e-3), ("s", 1.0), ("m", 60.0)]
        .into_iter()
        .find(|(unit, _)| text.strip_suffix(unit).is_some_and(|n| n.ends_with(|c: char| c.is_ascii_digit())))?;
    Some(Duration::from_secs_f64(text.strip_suffix(unit)?.parse::<f64>().ok()? * seconds))
}

fn answered(said: &str) -> Option<u64> {
    let counts = said.lines().find_map(|l| l.strip_prefix("requests: "))?;
    counts.split(", ").find_map(|c| c.strip_suffix(" succeeded")?.trim().parse().ok())
}

/// `said` has the counts; `log` has a line for each request: when it began, its status, its microseconds.
fn parse_h2load(said: &str, log: &str) -> Option<Result> {
    let counts = said.lines().find_map(|l| l.strip_prefix("requests: "))?;
    let count = |what: &str| counts.split(", ").find_map(|c| c.strip_suffix(what)?.trim().parse::<u64>().ok());
    let mut times: Vec<u64> = log.lines().filter_map(|l| l.split('\t').nth(2)?.parse().ok()).collect();
    times.sort_unstable();
    let quantile = |percent: usize| times.get(times.len() * percent / 100).copied().map(Duration::from_micros);
    Some(Result { requests: count(" done")?, failed: count(" failed")?, p50: quantile(50)?, p99: quantile(99)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRK: &str = "Running 5s test @ http://127.0.0.1:9010/
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.53ms  620.37us  22.00ms   95.20%
  Latency Distribution
     50%  980.00us
     75%    1.70ms
     90%    1.96ms
     99%    2.51ms
  209213 requests in 5.03s, 41.90MB read
";

    #[test]
    fn wrks_figures_are_read() {
        let figures = |failed| Result {
            requests: 209_213,
            failed,
            p50: Duration::from_micros(980),
            p99: Duration::from_micros(2510),
        };
        assert_eq!(parse_wrk(WRK), Some(figures(0)));
        let bad =
            format!("{WRK}  Socket errors: connect 1, read 2, write 0, timeout 3\n  Non-2xx or 3xx responses: 10\n");
        assert_eq!(parse_wrk(&bad), Some(figures(16)));
        assert_eq!(parse_wrk("unable to connect to 127.0.0.1:1"), None);
    }

    #[test]
    fn h2loads_figures_are_read() {
        let said = "finished in 5.00s, 2.00 req/s\n\
                    requests: 4 total, 4 started, 3 done, 2 succeeded, 1 failed, 1 errored, 0 timeout\n";
        let log = "1\t200\t300\n2\t200\t100\n3\t500\t200\n";
        let read = parse_h2load(said, log);
        let (p50, p99) = (Duration::from_micros(200), Duration::from_micros(300));
        assert_eq!(read, Some(Result { requests: 3, failed: 1, p50, p99 }));
        assert_eq!(parse_h2load(said, ""), None);
    }
}
