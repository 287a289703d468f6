//! Values that production issued and staging issues anew: session cookies, CSRF and bearer tokens, ids. A rule takes such a
//! value from what the target answered and puts it into later requests of the same session, in place of production's.
//!
//! What a rule takes is known only when an answer has come, so a lane keeps a [`Memory`] and its sender changes a request
//! just before it leaves. For a session's answers to be there in time, its requests go one after the other
//! ([`Order::Session`](crate::target::Order)).

mod answer;
mod memory;
mod place;
mod replace;
mod rule;
mod session;

pub use answer::Answered;
pub use memory::{CarryReport, Memory};
pub use place::{Place, PlaceParseError, Source};
pub use rule::{CarryRule, CarryRules};
pub use session::{SessionBy, SessionByParseError};

use bytes::Bytes;

/// What a request on its way knows for the rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    /// For each rule: whether it takes a value from the answer, and the value that production answered with, where that
    /// was recorded.
    pub wanted: Vec<Option<Wanted>>,
}

/// A value that a rule takes from the answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Production's value.
    pub recorded: Option<Bytes>,
}
