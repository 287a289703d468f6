//! Sending less to a target that breaks its goals, and more again when it keeps them: `--pace-with`.
//!
//! Additive increase, multiplicative decrease, as TCP does it: a break takes the rate down by a third at once, each second
//! without one brings a twentieth of the first rate back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Answers, Cap, Goals, Strain};

/// One target's goals, and the limit that follows from how it answers. It is told the time.
#[derive(Debug)]
pub struct Throttle {
    target: Arc<str>,
    goals: Goals,
    answers: Answers,
    limit: Option<Limited>,
    judged: Option<Instant>,
    /// What has left since then.
    left: u32,
    /// Answers to what left before this say nothing about the rate now.
    lowered: Option<Instant>,
    strain: Arc<Strain>,
}

#[derive(Debug)]
struct Limited {
    cap: Cap,
    per_second: f64,
    /// The rate at which the target first broke a goal.
    first: f64,
}

/// How often a target is judged.
const JUDGE_EVERY: Duration = Duration::from_secs(1);
/// Fewer answers are judged only when they are all that a window brings.
const ENOUGH: u64 = 20;
const FULL_WINDOW: Duration = Duration::from_secs(4);
const DECREASE: f64 = 0.7;
/// Of the first rate, each time.
const INCREASE: f64 = 0.05;
/// Of the first rate: less would not show when the target is well again.
const FLOOR: f64 = 0.01;
/// Of the first rate: a target that keeps its goals this far above it is spared no longer.
const LIFTED: f64 = 1.5;

impl Throttle {
    /// For a target whose answers have to keep to `goals`. What is done is written to `strain`.
    pub fn new(target: Arc<str>, goals: Goals, strain: Arc<Strain>) -> Self {
        let answers = Answers::default();
        Self { target, goals, answers, limit: None, judged: None, left: 0, lowered: None, strain }
    }

    /// A request that left at `sent` has ended.
    pub fn note(&mut self, sent: Instant, now: Instant, latency: Option<Duration>, error: bool) {
        if self.lowered.is_none_or(|lowered| sent >= lowered) {
            self.answers.note(now, latency, error);
        }
    }

    /// The first moment at `wish` or after it at which one may leave.
    pub fn earliest(&mut self, wish: Instant, now: Instant) -> Instant {
        self.judge(now);
        self.limit.as_ref().map_or(wish, |limit| limit.cap.earliest(wish))
    }

    /// One leaves.
    pub fn take(&mut self, at: Instant) {
        self.left += 1;
        if let Some(limit) = &mut self.limit {
            limit.cap.take(at);
        }
    }

    fn judge(&mut self, now: Instant) {
        let since = *self.judged.get_or_insert(now);
        let passed = now.saturating_duration_since(since);
        if passed < JUDGE_EVERY {
            return;
        }
        let rate = f64::from(std::mem::take(&mut self.left)) / passed.as_secs_f64();
        self.judged = Some(now);
        if self.limit.is_some() {
            self.strain.add(passed);
        }
        self.answers.forget(now);
        let full = self.answers.since().is_some_and(|since| now.saturating_duration_since(since) >= FULL_WINDOW);
        if self.answers.count() < ENOUGH && !full {
            return;
        }
        match self.goals.broken(&self.answers) {
            Some(why) => self.lower(rate, now, &why),
            None => self.raise(),
        }
    }

    fn lower(&mut self, rate: f64, now: Instant, why: &str) {
        let before = self.limit.as_ref().map_or(f64::INFINITY, |limit| limit.per_second);
        // Nothing may have left lately: what was answered says how much did before.
        let rate = if rate > 0.0 { rate } else { self.answers.count() as f64 / FULL_WINDOW.as_secs_f64() };
        let first = self.limit.as_ref().map_or(rate, |limit| limit.first);
        let per_second = (before.min(rate) * DECREASE).max(first * FLOOR);
        match &mut self.limit {
            Some(limit) => {
                limit.cap.set_rate(per_second);
                limit.per_second = per_second;
            }
            None => self.limit = Some(Limited { cap: Cap::new(per_second), per_second, first }),
        }
        self.answers.clear();
        self.lowered = Some(now);
        self.strain.lower();
        self.strain.set_limit(Some(per_second));
        let to = format!("{per_second:.1}/s");
        tracing::warn!(target = %self.target, %why, %to, "the target breaks a goal of --pace-with: sending less");
    }

    fn raise(&mut self) {
        let Some(limit) = &mut self.limit else { return };
        limit.per_second += limit.first * INCREASE;
        if limit.per_second < limit.first * LIFTED {
            limit.cap.set_rate(limit.per_second);
            self.strain.set_limit(Some(limit.per_second));
        } else {
            self.limit = None;
            self.strain.set_limit(None);
            tracing::info!(target = %self.target, "the target keeps the goals of --pace-with at the full pace again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A target in virtual time that answers in 10 ms up to a rate, and in a second above it; everybody wants to send at
    /// 1000/s. What was sent in each second.
    fn seconds(throttle: &mut Throttle, start: Instant, count: u64, good_up_to: impl Fn(u64) -> u32) -> Vec<u32> {
        let mut sent = Vec::new();
        let mut at = start;
        for second in 0..count {
            let (end, mut now) = (start + Duration::from_secs(second + 1), 0);
            while at < end {
                let leaves = throttle.earliest(at, at);
                if leaves >= end {
                    at = leaves;
                    break;
                }
                throttle.take(leaves);
                now += 1;
                let slow = now > good_up_to(second);
                let latency = if slow { Duration::from_secs(1) } else { Duration::from_millis(10) };
                throttle.note(leaves, leaves, Some(latency), false);
                at = leaves + Duration::from_millis(1);
            }
            sent.push(now);
        }
        sent
    }

    fn throttle() -> (Throttle, Arc<Strain>) {
        let strain = Arc::new(Strain::default());
        (Throttle::new("a".into(), "p90<300ms".parse().unwrap(), strain.clone()), strain)
    }

    #[test]
    fn a_target_that_is_well_is_never_slowed() {
        let (mut throttle, strain) = throttle();
        let sent = seconds(&mut throttle, Instant::now(), 20, |_| u32::MAX);
        assert!(sent.iter().all(|count| *count >= 999), "{sent:?}");
        assert_eq!((strain.lowered(), strain.limit(), strain.spared().lowest_rate), (0, None, None));
    }

    #[test]
    fn the_rate_goes_down_until_the_goals_hold_and_comes_back() {
        let (mut throttle, strain) = throttle();
        // For a minute the target is good for 300/s; then for everything.
        let sent = seconds(&mut throttle, Instant::now(), 120, |s| if s < 60 { 300 } else { u32::MAX });
        let middle = &sent[20..60];
        let mean = f64::from(middle.iter().sum::<u32>()) / middle.len() as f64;
        assert!((150.0..450.0).contains(&mean), "{mean}: {sent:?}");
        assert!(strain.lowered() >= 3, "{}", strain.lowered());
        assert!(sent[110..].iter().all(|count| *count >= 999), "{sent:?}");
        assert_eq!(strain.limit(), None);
        let spared = strain.spared();
        assert!(spared.lowest_rate.unwrap() < 310.0 && spared.seconds > 50.0 && spared.seconds < 100.0, "{spared:?}");
    }

    #[test]
    fn a_target_that_is_down_still_gets_a_little() {
        let (mut throttle, strain) = throttle();
        let sent = seconds(&mut throttle, Instant::now(), 200, |_| 0);
        assert!(sent[190..].iter().sum::<u32>() >= 10, "{sent:?}");
        assert!((strain.limit().unwrap() - 10.0).abs() < 0.5, "{:?}", strain.limit());
    }

    #[test]
    fn answers_to_what_left_before_do_not_lower_it_again() {
        let (mut throttle, strain) = throttle();
        let start = Instant::now();
        let second = Duration::from_secs(1);
        throttle.earliest(start, start);
        (0..100).for_each(|_| throttle.take(start));
        (0..50).for_each(|_| throttle.note(start, start + second, Some(second), false));
        throttle.earliest(start + second, start + second);
        assert_eq!(strain.lowered(), 1);
        (0..50).for_each(|_| throttle.note(start, start + 2 * second, Some(2 * second), false));
        throttle.earliest(start + 2 * second, start + 2 * second);
        assert_eq!(strain.lowered(), 1);
    }
}
