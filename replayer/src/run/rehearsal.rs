//! How long a window would take: its pace in virtual time.

use std::time::{Duration, Instant};

use umbra_common::time::HumanDuration;

use crate::command::Pacing;
use crate::schedule::{Behind, Course, Limit, Pace, Place};

/// Goes through a window as a lane would, against a target that takes everything at once.
pub(super) struct Rehearsal {
    pacing: Pacing,
    start: Instant,
    course: Course,
    limit: Limit,
    /// When the last one would leave.
    last: Option<Instant>,
    /// The latest that anything would be.
    late: Duration,
    behind: u64,
}

impl Rehearsal {
    pub(super) fn new(pacing: &Pacing) -> Self {
        let start = Instant::now();
        let course = Course::new(pacing.pace.clone(), start);
        let limit = Limit::own(pacing.max_rate);
        Self { pacing: pacing.clone(), start, course, limit, last: None, late: Duration::ZERO, behind: 0 }
    }

    /// The next one that this process would send.
    pub(super) fn add(&mut self, place: Place) {
        let due = self.course.due(place);
        let wish = due.unwrap_or(self.start).max(self.last.unwrap_or(self.start));
        let leaves = self.limit.earliest(wish).unwrap_or(wish);
        let late = due.map_or(Duration::ZERO, |due| leaves.saturating_duration_since(due));
        if let Behind::Drop(bound) = self.pacing.behind
            && late > bound
        {
            self.behind += 1;
            return;
        }
        self.limit.take(leaves);
        self.last = Some(leaves);
        self.late = self.late.max(late);
    }

    /// The result in words, where gaps were shortened by `cut`.
    pub(super) fn told(&self, cut: Duration) -> String {
        let Self { pacing, .. } = self;
        let mut told = Vec::new();
        if !cut.is_zero() {
            told.push(format!("gaps shortened by {}", rounded(cut)));
        }
        if self.behind > 0 {
            told.push(format!("{} would be skipped as behind, by the cap", self.behind));
        } else if self.late >= WORTH_SAYING {
            told.push(format!("the cap would make requests up to {} late", rounded(self.late)));
        }
        let took = self.last.map_or(Duration::ZERO, |last| last - self.start);
        told.push(match (&pacing.pace, pacing.max_rate) {
            (Pace::Max, None) => "it would take as long as the target needs".into(),
            (Pace::Max, Some(_)) => format!("it would take {} or longer at {pacing}", rounded(took)),
            _ => format!("it would take {} at {pacing}", rounded(took)),
        });
        told.push(String::new());
        told.join("\n")
    }
}

/// Less than this is the cap's evenness.
const WORTH_SAYING: Duration = Duration::from_millis(100);

fn rounded(time: Duration) -> HumanDuration {
    HumanDuration(Duration::from_millis(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::Timetable;
    use umbra_common::time::Timestamp;

    /// So many exchanges, 100 ms apart, but for one gap of an hour in the middle.
    fn told(pacing: impl Into<Pacing>, count: u64) -> String {
        let pacing = pacing.into();
        let mut timetable = Timetable::new(pacing.longest_gap);
        let mut rehearsal = Rehearsal::new(&pacing);
        for n in 0..count {
            let gap = if n < count / 2 { 0 } else { 3_600_000 };
            rehearsal.add(timetable.next(Timestamp::from_millis(n * 100 + gap)));
        }
        rehearsal.told(timetable.cut())
    }

    #[test]
    fn each_pace_takes_its_time() {
        assert_eq!(told(Pace::default(), 11), "it would take 1h1s at recorded x 1\n");
        assert_eq!(told(Pace::Recorded("10x".parse().unwrap()), 11), "it would take 6m100ms at recorded x 10\n");
        assert_eq!(told(Pace::Constant("6/m".parse().unwrap()), 11), "it would take 1m40s at 6/m\n");
        assert_eq!(told(Pace::Steps("1/s:5s,5/s".parse().unwrap()), 11), "it would take 6s at 1/s:5s,5/s\n");
        assert!(told(Pace::Ramp("1/s..3/s:5s".parse().unwrap()), 11).starts_with("it would take 5s at"));
        assert_eq!(told(Pace::Max, 11), "it would take as long as the target needs\n");
    }

    #[test]
    fn gaps_and_the_cap_change_it() {
        let gaps = Pacing { longest_gap: Some(Duration::from_secs(5)), ..Pacing::default() };
        let text = told(gaps, 11);
        assert!(text.starts_with("gaps shortened by 59m55s"), "{text}");
        assert!(text.contains("it would take 5s900ms at recorded x 1, no gap over 5s"), "{text}");
        let capped = Pacing { max_rate: "2/s".parse().ok(), ..Pacing::from(Pace::Constant("10/s".parse().unwrap())) };
        let text = told(capped.clone(), 21);
        assert!(text.contains("up to 8s") && text.contains("it would take 10s"), "{text}");
        let text = told(Pacing { behind: Behind::Drop(Duration::from_secs(1)), ..capped }, 21);
        assert!(text.contains("would be skipped as behind"), "{text}");
        let text = told(Pacing { max_rate: "2/s".parse().ok(), ..Pacing::from(Pace::Max) }, 21);
        assert!(text.contains("it would take 10s") && text.contains("or longer at max, at most 2/s"), "{text}");
    }
}
