//! Whose turn it is, and when.

use std::sync::Arc;
use std::time::{Duration, Instant};

use umbra_common::rate::Rate;

use super::{Behind, Control, Course, Limit, Pace, Place, RateShare, Slot, StartLine, Throttle};

/// Decides for one request after the other when it leaves. It is told the time and asks no clock.
///
/// In order: the schedule says when one is due, the cap and the target's goals when it may leave, and `--behind` whether it
/// still does. What the cap delays is late. What the goals delay moves the schedule, as a pause does, so that
/// a target that is well again is not sent what it was spared.
#[derive(Debug)]
pub struct Pacer {
    mode: Mode,
    behind: Behind,
    limit: Limit,
    throttle: Option<Throttle>,
    control: Arc<Control>,
    /// The version of the orders that have been read.
    heard: Option<u32>,
    paused: bool,
    /// The pauses that the schedule has been moved by, and the paces that have been taken up.
    pauses: Duration,
    paces: u32,
    /// The pace that is to be taken up with the next request.
    pace: Option<Pace>,
    /// Until when the goals delay the request that is looked at.
    spared: Option<Instant>,
}

#[derive(Debug)]
enum Mode {
    Window { line: Ready, pace: Pace, from: u64, course: Option<(Instant, Course)> },
    Tail,
}

/// A lane's word to the others that wait for it at the start. One that has nothing to send keeps nobody waiting.
#[derive(Debug)]
struct Ready {
    line: Arc<StartLine>,
    said: bool,
}

impl Ready {
    fn say(&mut self) {
        if !std::mem::replace(&mut self.said, true) {
            self.line.ready();
        }
    }
}

impl Drop for Ready {
    fn drop(&mut self) {
        self.say();
    }
}

/// What is to be done about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// It leaves now; it was due then, where there is a schedule.
    Go(Option<Instant>),
    /// Look again at this moment.
    Wait(Instant),
    /// It is behind by more than it may be.
    Behind,
}

/// How soon to look again where nothing says when: at a start that is not known yet, and at what somebody else decides.
const START: Duration = Duration::from_millis(2);
const ELSEWHERE: Duration = Duration::from_millis(50);

impl Pacer {
    /// For a window, at a pace from the common start, of which this is one of the lanes.
    pub fn for_window(pace: Pace, line: Arc<StartLine>, control: Arc<Control>) -> Self {
        let line = Ready { line, said: false };
        Self::new(Mode::Window { line, pace, from: 0, course: None }, Limit::default(), control)
    }

    /// For the live tail, at most at a part of the fleet's rate.
    pub fn for_tail(rate: Option<Rate>, share: Arc<RateShare>, control: Arc<Control>) -> Self {
        Self::new(Mode::Tail, Limit::shared(rate, share), control)
    }

    fn new(mode: Mode, limit: Limit, control: Arc<Control>) -> Self {
        Self {
            mode,
            behind: Behind::Keep,
            limit,
            throttle: None,
            control,
            heard: None,
            paused: false,
            pauses: Duration::ZERO,
            paces: 0,
            pace: None,
            spared: None,
        }
    }

    /// From the place of an index, which is due at the start.
    pub fn from(mut self, index: u64) -> Self {
        if let Mode::Window { from, .. } = &mut self.mode {
            *from = index;
        }
        self
    }

    /// With a cap of this lane's own.
    pub fn capped(self, rate: Option<Rate>) -> Self {
        Self { limit: Limit::own(rate), ..self }
    }

    /// With what becomes of what is behind.
    pub fn behind(self, behind: Behind) -> Self {
        Self { behind, ..self }
    }

    /// With goals that the target is to keep.
    pub fn with(self, throttle: Option<Throttle>) -> Self {
        Self { throttle, ..self }
    }

    /// A request that left at `sent` has ended.
    pub fn note(&mut self, sent: Instant, now: Instant, latency: Option<Duration>, error: bool) {
        if let Some(throttle) = &mut self.throttle {
            throttle.note(sent, now, latency, error);
        }
    }

    /// When the next request was due, where there is a schedule, once it is; until then, when to look again. No cap and no
    /// goal is asked.
    pub fn due(&mut self, slot: Slot, now: Instant) -> Result<Option<Instant>, Instant> {
        self.listen(now);
        if self.paused {
            return Err(now + ELSEWHERE);
        }
        let due = match slot {
            Slot::Free => None,
            Slot::At(at) => Some(at),
            Slot::InWindow(place) => self.scheduled(place, now)?,
        };
        due.filter(|due| *due > now).map_or(Ok(due), Err)
    }

    /// What is to be done about the next request. Asked again until it does not say to wait.
    pub fn look(&mut self, slot: Slot, now: Instant) -> Look {
        let due = match self.due(slot, now) {
            Ok(due) => due,
            Err(wait) => return Look::Wait(wait),
        };
        let Some(capped) = self.limit.earliest(now) else { return Look::Wait(now + ELSEWHERE) };
        let spared = self.throttle.as_mut().map_or(capped, |throttle| throttle.earliest(capped, now));
        if spared > capped {
            self.shift(spared - self.spared.map_or(capped, |before| before.clamp(capped, spared)));
            self.spared = Some(spared);
            return Look::Wait(spared);
        }
        if let (Behind::Drop(bound), Some(due)) = (self.behind, due)
            && capped.saturating_duration_since(due) > bound
        {
            self.spared = None;
            return Look::Behind;
        }
        if capped > now {
            return Look::Wait(capped);
        }
        self.limit.take(now);
        if let Some(throttle) = &mut self.throttle {
            throttle.take(now);
        }
        self.spared = None;
        Look::Go(due)
    }

    /// When a place of the window is due, or when to look again.
    fn scheduled(&mut self, place: Place, now: Instant) -> Result<Option<Instant>, Instant> {
        let Mode::Window { line, pace, from, course } = &mut self.mode else { return Ok(None) };
        let (start, course) = match course {
            Some(begun) => begun,
            None => {
                line.say();
                let start = line.line.start().ok_or(now + START)?;
                course.insert((start, Course::resumed(pace.clone(), start, *from)))
            }
        };
        match self.pace.take() {
            Some(pace) if now < *start => *course = Course::new(pace, *start),
            Some(pace) => course.change(pace, place, now),
            None => {}
        }
        if now < *start { Err(*start) } else { Ok(course.due(place)) }
    }

    /// Reads the orders, where there are new ones.
    fn listen(&mut self, now: Instant) {
        let version = self.control.version();
        if self.heard.replace(version) == Some(version) {
            return;
        }
        let orders = self.control.orders();
        self.paused = orders.paused.is_some();
        // A pause that ended before the start has delayed nothing.
        let begun = match &self.mode {
            Mode::Window { course: Some((start, _)), .. } => now.saturating_duration_since(*start),
            _ => Duration::ZERO,
        };
        self.shift((orders.pauses - self.pauses).min(begun));
        self.pauses = orders.pauses;
        if let Some((count, pace)) = orders.pace.filter(|(count, _)| *count != self.paces) {
            self.paces = count;
            match self.mode {
                Mode::Window { .. } => self.pace = Some(pace),
                Mode::Tail => self.limit.set(pace.rate()),
            }
        }
    }

    fn shift(&mut self, by: Duration) {
        if let Mode::Window { course: Some((_, course)), .. } = &mut self.mode {
            course.shift(by);
        }
    }
}

#[cfg(test)]
#[path = "pacer_tests.rs"]
mod tests;
