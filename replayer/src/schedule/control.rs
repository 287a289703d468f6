//! What an operator has asked for while the run goes on: a pause, another pace.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::Pace;

/// The commands given so far. Every lane reads them for itself; none waits for another.
#[derive(Debug, Default)]
pub struct Control {
    /// Grows with each command, so that a lane sees without a lock that there is none.
    version: AtomicU32,
    orders: Mutex<Orders>,
}

/// What holds now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Orders {
    /// Since when nothing may leave.
    pub paused: Option<Instant>,
    /// How long the pauses took that have ended.
    pub pauses: Duration,
    /// The pace that was asked for last, and the how-manieth it is.
    pub pace: Option<(u32, Pace)>,
}

impl Control {
    /// Lets nothing leave from now on; `false` where nothing could leave before.
    pub fn pause(&self, now: Instant) -> bool {
        self.command(|orders| orders.paused.is_none().then(|| orders.paused = Some(now)).is_some())
    }

    /// Goes on; `false` where it was not paused.
    pub fn resume(&self, now: Instant) -> bool {
        self.command(|orders| {
            let since = orders.paused.take();
            orders.pauses += since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
            since.is_some()
        })
    }

    /// Keeps another pace from now on.
    pub fn set_pace(&self, pace: Pace) {
        self.command(|orders| {
            let count = orders.pace.as_ref().map_or(0, |(count, _)| *count);
            orders.pace = Some((count.wrapping_add(1), pace));
        });
    }

    /// Another number where the orders may have changed.
    pub fn version(&self) -> u32 {
        self.version.load(Ordering::Acquire)
    }

    /// What holds now.
    pub fn orders(&self) -> Orders {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn command<T>(&self, change: impl FnOnce(&mut Orders) -> T) -> T {
        let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        let done = change(&mut orders);
        self.version.fetch_add(1, Ordering::Release);
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_add_up_and_the_last_pace_counts() {
        let (control, start) = (Control::default(), Instant::now());
        let second = Duration::from_secs(1);
        assert!(!control.resume(start));
        assert!(control.pause(start) && !control.pause(start + second));
        let before = control.version();
        assert!(control.resume(start + 3 * second));
        assert_ne!(control.version(), before);
        assert!(control.pause(start + 5 * second));
        assert_eq!(control.orders().paused, Some(start + 5 * second));
        control.resume(start + 6 * second);
        assert_eq!((control.orders().paused, control.orders().pauses), (None, 4 * second));
        control.set_pace(Pace::Max);
        control.set_pace(Pace::Constant("5/s".parse().unwrap()));
        assert_eq!(control.orders().pace, Some((2, Pace::Constant("5/s".parse().unwrap()))));
    }
}
