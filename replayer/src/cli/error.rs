//! What can be wrong with a command line, each with what to do about it.

use std::path::PathBuf;

use umbra_common::config;
use umbra_common::dial::TlsError;
use umbra_common::time::{HumanDuration, WindowError};

use crate::change::ProfileError;

/// A command line that is refused, with exit status 2.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The configuration file.
    #[error(transparent)]
    File(#[from] config::ConfigError),
    /// The profile.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// A flag that the command needs.
    #[error("{0} is missing: {1}")]
    Missing(&'static str, &'static str),
    /// Two flags that contradict each other.
    #[error("{0} and {1} cannot both be given: each of them sets the pace")]
    TwoPaces(&'static str, &'static str),
    /// Carry rules whose values would come too late.
    #[error(
        "--order free and the profile's [[carry]] rules exclude each other: a session's answers have to come before its next request"
    )]
    CarryWithoutOrder,
    /// Two flags that contradict each other in another way.
    #[error("{0} and {1} cannot both be given: {2}")]
    Contradiction(&'static str, &'static str, &'static str),
    /// A window that ends before it begins.
    #[error(transparent)]
    Window(#[from] WindowError),
    /// Two targets that reports could not tell apart.
    #[error("two targets have the name '{0}': give each a name of its own")]
    SameTarget(String),
    /// A limit that would let nothing through.
    #[error("{0} is zero: nothing could be sent")]
    Zero(&'static str),
    /// A start that has passed.
    #[error("--start-at {0} has passed: give a moment in the future, as in +30s")]
    StartPassed(umbra_common::time::Timestamp),
    /// A weight for what is no target.
    #[error("--weight {0} is for no target: give it the name of a --target")]
    WeightOfNobody(String),
    /// A part that may take longer than the whole.
    #[error("{0} {1} is longer than --timeout {2}: give a longer --timeout, or a shorter {0}")]
    PhaseTooLong(&'static str, HumanDuration, HumanDuration),
    /// TLS to a target that cannot be set up.
    #[error("no TLS to the target '{0}': {1}")]
    Tls(String, #[source] TlsError),
    /// An output that the subcommand cannot print.
    #[error("--output {0} is not for this command: use {1}")]
    Output(String, &'static str),
    /// A flag that this subcommand has no use for.
    #[error("{0} has no meaning here: {1}")]
    Unused(&'static str, &'static str),
    /// A secret where everybody who lists processes reads it.
    #[error("--admin-token takes no token itself: give env:NAME or file:PATH")]
    PlainToken,
    /// A token that everybody has.
    #[error("the --admin-token '{0}' is empty: put a token there")]
    EmptyToken(String),
    /// An admin listener that strangers could stop the run at.
    #[error("--admin {0} is more than loopback: give an --admin-token, or listen on 127.0.0.1")]
    OpenAdmin(std::net::SocketAddr),
    /// The report could not be written at the end.
    #[error("cannot write the report {}: {why}", path.display())]
    Report {
        /// As given.
        path: PathBuf,
        /// Why.
        why: String,
    },
}
