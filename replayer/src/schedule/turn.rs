//! Whose turn it is: waiting until the next request may leave.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use umbra_common::rate::Rate;

use super::StartLine;
use crate::stop::Stop;

/// Waits for the moment at which one request may leave.
pub trait Turn: Send {
    /// Blocks until it may. Gives the instant it was due at, where there is a schedule; the outer nothing says that the
    /// run was stopped first.
    fn wait(&mut self, due: Option<Duration>, stop: &Stop) -> Option<Option<Instant>>;

    /// The same without waiting: nothing where it is not its turn yet.
    fn now(&mut self, due: Option<Duration>) -> Option<Option<Instant>>;
}

/// The longest sleep without a look at the wish to stop.
const SLICE: Duration = Duration::from_millis(50);

/// Sleeps until an instant; `false` where the run was stopped first.
fn sleep_until(until: Instant, stop: &Stop) -> bool {
    loop {
        if stop.is_stopped() {
            return false;
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        thread::sleep(left.min(SLICE));
    }
}

/// By the schedule: the due time after the common start. **Invariant**: a late turn moves no other one.
pub struct OnSchedule {
    line: Arc<StartLine>,
    is_ready: bool,
    start: Option<Instant>,
}

impl OnSchedule {
    /// From the common start, of which this is one of the lanes.
    pub fn new(line: Arc<StartLine>) -> Self {
        Self { line, is_ready: false, start: None }
    }

    fn get_ready(&mut self) {
        if !std::mem::replace(&mut self.is_ready, true) {
            self.line.ready();
        }
    }
}

/// A lane that has nothing to send keeps nobody waiting.
impl Drop for OnSchedule {
    fn drop(&mut self) {
        self.get_ready();
    }
}

impl Turn for OnSchedule {
    fn wait(&mut self, due: Option<Duration>, stop: &Stop) -> Option<Option<Instant>> {
        self.get_ready();
        let start = match self.start {
            Some(start) => start,
            None => *self.start.insert(self.line.wait(stop)?),
        };
        let due = due.map(|due| start + due);
        sleep_until(due.unwrap_or(start), stop).then_some(due)
    }

    fn now(&mut self, due: Option<Duration>) -> Option<Option<Instant>> {
        let due = due.map(|due| self.start.map(|start| start + due));
        match due {
            None => self.start.map(|_| None),
            Some(at) => at.filter(|at| *at <= Instant::now()).map(Some),
        }
    }
}

/// At most at a rate, of which this replica has a share.
pub struct Capped {
    rate: Option<Rate>,
    share: Arc<RateShare>,
    /// The limiter and the share it was made for.
    limiter: Option<(DefaultDirectRateLimiter, u32)>,
    clock: DefaultClock,
}

/// A part of a fleet-wide rate, in millionths; written by whoever knows, read by the dispatcher.
#[derive(Debug)]
pub struct RateShare(AtomicU32);

const MILLION: f64 = 1e6;

impl RateShare {
    /// Nothing held yet.
    pub fn none() -> Arc<Self> {
        Arc::new(Self(AtomicU32::new(0)))
    }

    /// The part from 0 to 1.
    pub fn set(&self, part: f64) {
        self.0.store((part.clamp(0.0, 1.0) * MILLION) as u32, Ordering::Relaxed);
    }

    fn get(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What may leave at once after a pause: so much time's worth. A whole second's, governor's default, would be a burst
/// that no staging cluster asked for; a single request would lose half of a high rate to the timer.
const BURST: Duration = Duration::from_millis(10);

impl Capped {
    /// No more than this part of the rate, or no cap.
    pub fn new(rate: Option<Rate>, share: Arc<RateShare>) -> Self {
        Self { rate, share, limiter: None, clock: DefaultClock::default() }
    }

    fn limiter(rate: Rate, share: u32) -> Option<DefaultDirectRateLimiter> {
        let per_second = rate.as_per_second() * f64::from(share) / MILLION;
        let period = Duration::try_from_secs_f64(1.0 / per_second).ok()?;
        let burst = NonZeroU32::new((per_second * BURST.as_secs_f64()) as u32).unwrap_or(NonZeroU32::MIN);
        Some(RateLimiter::direct(Quota::with_period(period)?.allow_burst(burst)))
    }
}

impl Turn for Capped {
    fn wait(&mut self, _: Option<Duration>, stop: &Stop) -> Option<Option<Instant>> {
        let Some(rate) = self.rate else { return (!stop.is_stopped()).then_some(None) };
        loop {
            let share = self.share.get();
            if self.limiter.as_ref().is_none_or(|(_, made_for)| *made_for != share) {
                self.limiter = Self::limiter(rate, share).map(|limiter| (limiter, share));
            }
            let wait = match &self.limiter {
                // Nothing is held, so nothing may leave until something is.
                None => SLICE,
                Some((limiter, _)) => match limiter.check() {
                    Ok(()) => return (!stop.is_stopped()).then_some(None),
                    // In slices, so that a share that changes meanwhile counts at once.
                    Err(not_yet) => not_yet.wait_time_from(self.clock.now()).min(SLICE),
                },
            };
            if !sleep_until(Instant::now() + wait, stop) {
                return None;
            }
        }
    }

    fn now(&mut self, _: Option<Duration>) -> Option<Option<Instant>> {
        match (self.rate, &self.limiter) {
            (None, _) => Some(None),
            (_, Some((limiter, share))) if *share == self.share.get() => limiter.check().ok().map(|()| None),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_turn_moves_no_other_one() {
        let line = Arc::new(StartLine::new(2, None));
        drop(OnSchedule::new(line.clone()));
        let (mut turn, stop) = (OnSchedule::new(line), Stop::new());
        let first = turn.wait(Some(Duration::ZERO), &stop).unwrap().unwrap();
        let late = turn.wait(Some(Duration::from_millis(20)), &stop).unwrap().unwrap();
        assert!(Instant::now() >= late);
        let past = turn.wait(Some(Duration::from_millis(1)), &stop).unwrap().unwrap();
        assert_eq!((late - first, past - first), (Duration::from_millis(20), Duration::from_millis(1)));
        assert_eq!(turn.now(Some(Duration::from_millis(2))), Some(Some(first + Duration::from_millis(2))));
        assert_eq!(turn.now(Some(Duration::from_secs(3600))), None);
    }

    #[test]
    fn a_cap_of_a_share_holds_over_time() {
        let share = RateShare::none();
        share.set(0.5);
        let (mut turn, stop) = (Capped::new("2000/s".parse().ok(), share), Stop::new());
        let began = Instant::now();
        (0..100).for_each(|_| assert_eq!(turn.wait(None, &stop), Some(None)));
        let took = began.elapsed();
        // 100 at 1,000/s, of which 10 may go at once.
        assert!(took >= Duration::from_millis(85), "{took:?}");
    }

    #[test]
    fn stopping_ends_every_wait() {
        let stop = Stop::new();
        stop.stop();
        assert_eq!(Capped::new("1/h".parse().ok(), RateShare::none()).wait(None, &stop), None);
        assert_eq!(OnSchedule::new(Arc::new(StartLine::new(1, None))).wait(None, &stop), None);
    }
}
