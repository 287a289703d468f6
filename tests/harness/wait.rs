//! Waiting for a condition with a deadline: the only way a test waits.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a condition may take. Far more than anything here needs, so that a busy machine fails no test.
pub const DEADLINE: Duration = Duration::from_secs(120);

/// Between two looks at a condition.
pub(crate) const INTERVAL: Duration = Duration::from_millis(5);

/// Waits until `condition` holds; fails the test, naming `what`, when [`DEADLINE`] has passed.
#[track_caller]
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    eventually_some(what, || condition().then_some(()));
}

/// Waits until `value` gives something; fails the test, naming `what`, when [`DEADLINE`] has passed.
#[track_caller]
pub fn eventually_some<T>(what: &str, mut value: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + DEADLINE;
    loop {
        if let Some(value) = value() {
            return value;
        }
        assert!(Instant::now() < end, "{what}: not within {DEADLINE:?}");
        std::thread::sleep(INTERVAL);
    }
}

/// A gate that is closed until a test opens it: what stands behind it happens after what the test has seen before.
#[derive(Debug, Default)]
pub struct Gate {
    open: Mutex<bool>,
    changed: Condvar,
}

impl Gate {
    /// Lets everyone through, now and later.
    pub fn open(&self) {
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    /// Waits until the gate is open, or for [`DEADLINE`]; whether it is open.
    pub fn pass(&self) -> bool {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = self.changed.wait_timeout_while(open, DEADLINE, |open| !*open);
        *wait.unwrap_or_else(PoisonError::into_inner).0
    }
}
