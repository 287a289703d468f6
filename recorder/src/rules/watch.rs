//! Looks at the rules file, on a thread of its own: a file system that hangs holds up nothing else.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};

use super::RulesError;
use super::source::{Origin, Rules, read};

/// Between two looks. A change is taken when two looks see the same, so within a second; half a file is not taken.
const LOOK: Duration = Duration::from_millis(500);

/// Somebody asked for the file to be read now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReadNow;

/// What a look saw: the text, or why there is none.
type Seen = Result<String, String>;

/// Looks until the other end of `asked` is gone. Kubernetes changes a mounted file by swapping a symbolic link above it, and
/// its time may be older than that of the one before: so the content is compared, nothing else.
pub(crate) fn watch(rules: &Arc<Rules>, file: &Path, asked: &Receiver<ReadNow>) {
    let mut taken: Seen = Ok(rules.live().text().to_owned());
    let mut last = taken.clone();
    loop {
        match asked.recv_timeout(LOOK) {
            Ok(ReadNow) => {
                last = take(rules, read(file));
                taken.clone_from(&last);
            }
            Err(RecvTimeoutError::Timeout) => {
                let look = read(file);
                let seen = look.as_ref().map(Clone::clone).map_err(ToString::to_string);
                if seen == last && seen != taken {
                    taken = take(rules, look);
                }
                last = seen;
            }
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// Puts what was read in force; whether it is taken is in the log and in the status.
fn take(rules: &Rules, read: Result<String, RulesError>) -> Seen {
    match read {
        Ok(text) => {
            let _ = rules.put(&text, Origin::File);
            Ok(text)
        }
        Err(error) => {
            rules.unreadable(&error);
            Err(error.to_string())
        }
    }
}
