//! Rules: what is recorded of which requests, and what is taken out of the records. They change while the recorder runs.
//!
//! [`RulesText`] is the grammar, [`Live`](live::Live) what it compiles to: a snapshot that each worker looks at through a
//! [`RulesView`]. [`Rules`] puts others in its place, by the rules file ([`watch()`]) or the admin listener; rules that
//! cannot be used change nothing.

mod counts;
mod error;
mod floor;
mod glob;
mod live;
mod rule;
mod source;
mod text;
mod view;
mod watch;

pub(crate) use error::RulesError;
pub(crate) use floor::{Floor, RulesSetting};
pub(crate) use glob::pattern;
pub(crate) use rule::{Choice, Head};
pub(crate) use source::{LARGEST_RULES, Origin, Rules};
pub(crate) use text::RulesText;
pub use text::{Action, ClientAction, RedactText, RuleText, Words};
pub(crate) use view::{Decision, RulesView};
pub(crate) use watch::{ReadNow, watch};

#[cfg(test)]
mod tests;
