//! A worker's view of the rules: asked for each request, without a lock.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::{ArcSwap, Cache};
use bytes::Bytes;
use umbra_common::fraction::Fraction;

use super::live::Live;
use super::rule::{Choice, Head};
use super::source::Rules;
use crate::tap::Limits;

/// The rules as one worker sees them: one load of a pointer tells whether they are still those in force.
#[derive(Debug)]
pub(crate) struct RulesView {
    live: RefCell<Cache<Arc<ArcSwap<Live>>, Arc<Live>>>,
    paused: Arc<AtomicBool>,
}

/// What becomes of one request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// It is recorded.
    Take {
        /// What groups it with others; empty where nothing does.
        session: Bytes,
        /// The fraction it was taken at.
        fraction: Fraction,
        /// How much of it is kept.
        limits: Limits,
    },
    /// Sampling leaves it out.
    LeaveOut,
    /// Nothing is recorded now.
    Paused,
}

impl RulesView {
    pub(crate) fn new(rules: &Rules) -> Self {
        let (live, paused) = rules.shared();
        Self { live: RefCell::new(Cache::new(live)), paused }
    }

    /// Decides by the head of a request; `take` says whether a fraction takes it, and its session.
    pub(crate) fn decide(&self, head: &Head<'_>, take: impl FnOnce(Fraction) -> Option<Bytes>) -> Decision {
        let mut live = self.live.borrow_mut();
        let live = live.load();
        if !live.is_recording() || self.paused.load(Ordering::Relaxed) {
            return Decision::Paused;
        }
        let (Choice { fraction, limits }, counts) = live.choose(head);
        let session = take(fraction);
        counts.count(session.is_some());
        match session {
            Some(session) => Decision::Take { session, fraction, limits },
            None => Decision::LeaveOut,
        }
    }
}
