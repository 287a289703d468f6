//! What the target has issued, by session.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use http::Request;
use serde::Serialize;

use super::replace::{put, replace_everywhere};
use super::{Answered, Carried, CarryRules};
use crate::target::RecordedBody;

/// One lane's values. What does not fit is forgotten, oldest session first.
#[derive(Debug)]
pub struct Memory {
    rules: CarryRules,
    sessions: Mutex<Sessions>,
    counts: Vec<Counts>,
}

#[derive(Debug, Default)]
struct Sessions {
    by_key: HashMap<Bytes, Vec<Values>>,
    /// In the order in which they were first seen.
    oldest: VecDeque<Bytes>,
}

/// What one rule knows of one session.
#[derive(Clone, Debug, Default)]
struct Values {
    latest: Option<Bytes>,
    /// Production's values with those that take their place, oldest first.
    pairs: VecDeque<(Bytes, Bytes)>,
}

#[derive(Debug, Default)]
struct Counts {
    taken: AtomicU64,
    replaced: AtomicU64,
    unknown: AtomicU64,
}

/// As many sessions are remembered: with a few values of some hundred bytes each, some tens of megabytes.
const SESSIONS: usize = 100_000;
/// As many pairs of one rule and session: a token that changes with each page is used by the next few.
const PAIRS: usize = 32;
/// A longer value is none that an application issues: header fields end at some kilobytes.
const LONGEST: usize = 16 << 10;

/// What one rule did at one target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CarryReport {
    /// The rule's name.
    pub rule: String,
    /// Values that it took from answers.
    pub taken: u64,
    /// Requests that it put a value into.
    pub replaced: u64,
    /// Values that it took and could not use, since the record does not show what they take the place of: it was
    /// redacted, or the response was not recorded.
    pub unknown: u64,
}

impl Memory {
    /// Of nothing yet.
    pub fn new(rules: CarryRules) -> Self {
        let counts = rules.rules().iter().map(|_| Counts::default()).collect();
        Self { rules, sessions: Mutex::default(), counts }
    }

    /// Whether answers' bodies are looked at.
    pub fn needs_bodies(&self) -> bool {
        self.rules.needs_bodies()
    }

    /// Puts what the session was given into a request that is about to leave.
    pub fn fill(&self, session: &Bytes, request: &mut Request<RecordedBody>) {
        let known = {
            let sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(values) = sessions.by_key.get(session) else { return };
            values.clone()
        };
        for ((rule, values), counts) in self.rules.rules().iter().zip(known).zip(&self.counts) {
            let mut replaced = false;
            if let Some(latest) = &values.latest {
                for place in &rule.to {
                    replaced |= put(request, place, latest);
                }
            }
            if rule.to.is_empty() {
                for (recorded, shadow) in &values.pairs {
                    replaced |= replace_everywhere(request, recorded, shadow);
                }
            }
            counts.replaced.fetch_add(u64::from(replaced), Ordering::Relaxed);
        }
    }

    /// Takes what the target issued in its answer.
    pub fn learn(&self, session: &Bytes, carried: &Carried, answer: Answered<'_>) {
        let rules = self.rules.rules().iter().zip(&carried.wanted).zip(&self.counts).enumerate();
        for (at, ((rule, wanted), counts)) in rules {
            let Some(wanted) = wanted else { continue };
            let Some(value) = answer.value(&rule.from).filter(|value| value.len() <= LONGEST) else { continue };
            counts.taken.fetch_add(1, Ordering::Relaxed);
            if rule.to.is_empty() && wanted.recorded.is_none() {
                counts.unknown.fetch_add(1, Ordering::Relaxed);
            }
            let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
            let values = &mut sessions.of(session, self.counts.len())[at];
            values.latest = Some(value.clone());
            if let Some(recorded) = &wanted.recorded {
                values.pairs.retain(|(known, _)| known != recorded);
                values.pairs.push_back((recorded.clone(), value));
                if values.pairs.len() > PAIRS {
                    values.pairs.pop_front();
                }
            }
        }
    }

    /// What each rule did until now.
    pub fn report(&self) -> Vec<CarryReport> {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let rules = self.rules.rules().iter().zip(&self.counts);
        rules
            .map(|(rule, counts)| CarryReport {
                rule: rule.name.clone(),
                taken: of(&counts.taken),
                replaced: of(&counts.replaced),
                unknown: of(&counts.unknown),
            })
            .collect()
    }
}

impl Sessions {
    fn of(&mut self, session: &Bytes, rules: usize) -> &mut Vec<Values> {
        if !self.by_key.contains_key(session) {
            if self.by_key.len() >= SESSIONS
                && let Some(oldest) = self.oldest.pop_front()
            {
                self.by_key.remove(&oldest);
            }
            self.oldest.push_back(session.clone());
        }
        self.by_key.entry(session.clone()).or_insert_with(|| vec![Values::default(); rules])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::carry::{CarryRule, Wanted};
    use http::HeaderMap;

    fn rule(name: &str, from: &str, to: &[&str]) -> CarryRule {
        let to = to.iter().map(|place| place.parse().unwrap()).collect();
        CarryRule { name: name.into(), from: from.parse().unwrap(), to, condition: None }
    }

    fn request(cookie: &str, uri: &str) -> Request<RecordedBody> {
        let mut request = Request::new(RecordedBody::default());
        *request.uri_mut() = uri.parse().unwrap();
        request.headers_mut().insert("cookie", cookie.parse().unwrap());
        request
    }

    fn answer(cookie: &str) -> HeaderMap {
        [(http::header::SET_COOKIE, format!("sid={cookie}").parse().unwrap())].into_iter().collect()
    }

    #[test]
    fn a_session_gets_its_own_values_and_no_other() {
        let memory = Memory::new(CarryRules::new(vec![rule("sid", "cookie:sid", &["cookie:sid"])]));
        let (ann, bob) = (Bytes::from_static(b"ann"), Bytes::from_static(b"bob"));
        let carried = Carried { wanted: vec![Some(Wanted::default())] };
        memory.learn(&ann, &carried, Answered::Shadow(&answer("s1"), &Bytes::new()));
        memory.learn(&bob, &Carried { wanted: vec![None] }, Answered::Shadow(&answer("s2"), &Bytes::new()));
        let request_of = |session: &Bytes| {
            let mut request = request("a=1; sid=old", "/");
            memory.fill(session, &mut request);
            request.headers()["cookie"].to_str().unwrap().to_owned()
        };
        assert_eq!(request_of(&ann), "a=1; sid=s1");
        assert_eq!(request_of(&bob), "a=1; sid=old");
        assert_eq!(memory.report()[0], CarryReport { rule: "sid".into(), taken: 1, replaced: 1, unknown: 0 });
    }

    #[test]
    fn without_a_place_production_s_value_is_replaced_wherever_it_stands() {
        let memory = Memory::new(CarryRules::new(vec![rule("id", "json:/id", &[])]));
        let ann = Bytes::from_static(b"ann");
        for (recorded, shadow) in [(Some("41"), "901"), (Some("42"), "902"), (None, "903")] {
            let wanted = Wanted { recorded: recorded.map(Bytes::from_static_str) };
            let body = Bytes::from(format!("{{\"id\":{shadow}}}"));
            memory.learn(&ann, &Carried { wanted: vec![Some(wanted)] }, Answered::Shadow(&HeaderMap::new(), &body));
        }
        let mut request = request("last=42", "/orders/41?x=141&y=42");
        memory.fill(&ann, &mut request);
        assert_eq!(request.uri(), "/orders/901?x=141&y=902");
        assert_eq!(request.headers()["cookie"], "last=902");
        assert_eq!(memory.report()[0], CarryReport { rule: "id".into(), taken: 3, replaced: 1, unknown: 1 });
    }

    #[test]
    fn the_oldest_session_is_forgotten_first() {
        let mut sessions = Sessions::default();
        for n in 0..=SESSIONS {
            sessions.of(&Bytes::from(n.to_string()), 1);
        }
        assert_eq!((sessions.by_key.len(), sessions.oldest.len()), (SESSIONS, SESSIONS));
        assert!(!sessions.by_key.contains_key(&b"0"[..]) && sessions.by_key.contains_key(&b"1"[..]));
    }

    trait FromStaticStr {
        fn from_static_str(text: &'static str) -> Self;
    }

    impl FromStaticStr for Bytes {
        fn from_static_str(text: &'static str) -> Self {
            Self::from_static(text.as_bytes())
        }
    }
}
