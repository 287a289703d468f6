//! From the files to the store: one chunk at a time, oldest first, until the store has each of its records.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::SpoolFigures;
use super::disk::Disk;
use super::pace::Pace;
use super::receipt::{Ends, Via};
use super::segment::Kept;
use crate::store::{Append, Loss, Receipt, Record, SLACK};
use crate::time::Timestamp;

/// What is on its way to the store at once.
const CHUNK: usize = 4 << 20;
/// What arrived this long ago can still be written within [`SLACK`].
const IN_TIME: Duration = SLACK.saturating_sub(Duration::from_secs(20));
/// A chunk that the store did not take goes out again after this.
const RETRY: Duration = Duration::from_secs(1);
/// A record that was refused so often, while others of its chunk were taken, is refused for good.
const REFUSALS: u32 = 5;

/// The chunk under way.
pub(super) struct Drain {
    /// What the store has not confirmed, and how often it has refused it.
    chunk: Vec<(Kept, u32)>,
    ends: Option<Arc<Ends>>,
    /// Whether the store has taken a record of this chunk.
    some_taken: bool,
    retry: Option<Instant>,
    pub(super) pace: Pace,
    figures: Arc<SpoolFigures>,
}

impl Drain {
    pub(super) fn new(figures: Arc<SpoolFigures>) -> Self {
        let pace = Pace::new(Instant::now());
        Self { chunk: Vec::new(), ends: None, some_taken: false, retry: None, pace, figures }
    }

    /// Does what can be done now, and returns when it has to wait.
    pub(super) fn run<R: Receipt>(&mut self, disk: &mut Disk, store: &mut dyn Append<Via<R>>) -> io::Result<()> {
        loop {
            if !self.settle(disk)? {
                return Ok(());
            }
            let now = Instant::now();
            if self.chunk.is_empty() {
                if disk.is_empty() || !self.pace.is_due(now) {
                    return Ok(());
                }
                self.chunk = disk.read(CHUNK)?.into_iter().map(|kept| (kept, 0)).collect();
                if self.chunk.is_empty() {
                    // What was left could not be read.
                    return disk.delivered();
                }
                self.some_taken = false;
                self.pace.sent(self.chunk.iter().map(|(kept, _)| kept.frame_len()).sum(), now);
            } else if self.retry.is_some_and(|at| now < at) {
                return Ok(());
            }
            self.send(store);
        }
    }

    fn send<R: Receipt>(&mut self, store: &mut dyn Append<Via<R>>) {
        let ends = Ends::of(self.chunk.len());
        let record = |(at, (kept, _)): (usize, &(Kept, u32))| {
            let Kept { key, id, arrival, value } = kept.clone();
            Record { key, id, arrival, value, receipt: Via::Spooled(at, Arc::clone(&ends)) }
        };
        let mut batch = self.chunk.iter().enumerate().map(record).collect();
        self.ends = Some(Arc::clone(&ends));
        let late = Timestamp::now().before(IN_TIME);
        if self.chunk.iter().any(|(kept, _)| kept.arrival < late) {
            store.append_late(&mut batch);
        } else {
            store.append(&mut batch);
        }
    }

    /// Looks at what became of the chunk. False while that is not known.
    pub(super) fn settle(&mut self, disk: &mut Disk) -> io::Result<bool> {
        let Some(ends) = &self.ends else { return Ok(true) };
        let Some(mut lost) = ends.told() else { return Ok(false) };
        self.ends = None;
        lost.sort_unstable_by_key(|(at, _)| *at);
        let taken = self.chunk.len() - lost.len();
        self.some_taken |= taken > 0;
        SpoolFigures::add(&self.figures.delivered, taken as u64);
        let mut chunk: Vec<_> = std::mem::take(&mut self.chunk).into_iter().map(Some).collect();
        for (at, why) in lost {
            let Some((kept, refusals)) = chunk.get_mut(at).and_then(Option::take) else { continue };
            let refusals = refusals + u32::from(why == Loss::Rejected);
            if why == Loss::TooLarge || (self.some_taken && refusals >= REFUSALS) {
                tracing::warn!(id = %kept.id, ?why, "the store refuses a record of the spool for good; it is lost");
                SpoolFigures::add(&self.figures.undeliverable, 1);
            } else {
                self.chunk.push((kept, refusals));
            }
        }
        self.retry = (!self.chunk.is_empty()).then(|| Instant::now() + RETRY);
        if self.chunk.is_empty() {
            disk.delivered()?;
        }
        Ok(true)
    }

    /// Whether nothing is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.chunk.is_empty()
    }
}
