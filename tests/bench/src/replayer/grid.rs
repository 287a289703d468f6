//! Traffic that arrived at exactly equal distances, and one run of the replayer over it.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use umbra_common::rate::Rate;
use umbra_common::time::{Timestamp, Window};
use umbra_tests::exchanges;
use umbra_tests::stores::TestStore;

use crate::receiver::{self, Arrival, Receiver};
use crate::stop::Stop;
use crate::{binary, running, usage};

/// What arrived, and what sending it took.
#[derive(Debug)]
pub(super) struct Run {
    /// In order of number.
    pub(super) received: Vec<Arrival>,
    /// User and system time: of the whole process, its start included, or of the thread that sent.
    pub(super) cpu: Duration,
}

impl Run {
    pub(super) fn cpu_per_request(&self) -> Duration {
        self.cpu.div_f64(self.received.len().max(1) as f64)
    }
}

/// A store with such traffic, written once and replayed as often as needed.
pub(super) struct Grid {
    /// The kind of store, in words.
    pub(super) from: &'static str,
    /// Requests in a second of recorded time.
    pub(super) rate: u32,
    /// Requests in all.
    pub(super) count: u32,
    store: TestStore,
    window: Window,
}

impl Grid {
    pub(super) fn write(from: &'static str, rate: u32, count: u32, store: TestStore) -> anyhow::Result<Self> {
        /// Exchanges in memory at a time.
        const CHUNK: usize = 20_000;
        let grid = Rate::per_second(rate).context("a rate of zero")?;
        let start = Timestamp::now().before(Duration::from_secs(3600));
        let numbers: Vec<u32> = (0..count).collect();
        for chunk in numbers.chunks(CHUNK) {
            let one = |n: &u32| exchanges::get(start.after(grid.due(u64::from(*n))), &receiver::path(*n));
            store.write(&chunk.iter().map(one).collect::<Vec<_>>());
        }
        let window = Window::new(start, start.after(grid.due(u64::from(count))))?;
        Ok(Self { from, rate, count, store, window })
    }

    /// Runs the replayer as its users run it, calling `watch` with its process id meanwhile.
    pub(super) fn replay(
        &self,
        pace: &[String],
        connections: u32,
        to: &Receiver,
        stop: &Stop,
        watch: &mut dyn FnMut(u32),
    ) -> anyhow::Result<Run> {
        let mut command = Command::new(binary::path("umbra-replayer")?);
        command
            .args(["replay", "--store", self.store.url(), "--target", &format!("bench=http://{}", to.addr())])
            .args(["--from", &self.window.from().to_string(), "--to", &self.window.to().to_string()])
            .args(["--connections", &connections.to_string()])
            .args(pace);
        let before = usage::cpu_of_ended_children();
        running::watched(&mut command, self.store.directory(), stop, watch)?;
        let run = Run { received: to.take(), cpu: usage::cpu_of_ended_children() - before };
        ensure!(!run.received.is_empty(), "the replayer ended well and sent nothing");
        Ok(run)
    }
}
