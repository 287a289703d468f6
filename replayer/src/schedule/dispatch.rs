//! The dispatcher: a thread of its own that wakes for each due time, because an asynchronous timer ticks at 1 ms.

use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::Turn;
use crate::stop::Stop;

/// Something to send, and when.
#[derive(Debug)]
pub struct Scheduled<T> {
    /// After the start; nothing where the pace has no schedule.
    pub due: Option<Duration>,
    /// What to send.
    pub item: T,
}

/// Something whose time has come.
#[derive(Debug)]
pub struct Due<T> {
    /// The instant it was due at.
    pub at: Option<Instant>,
    /// What to send.
    pub item: T,
}

/// Hands items on when they are due, until there are no more, the run is stopped, or nobody takes them any more. What is
/// due at the same time goes together: the receiver is woken once.
///
/// A receiver that is slow holds this up: what is then sent late is sent late, and nothing is lost.
pub fn dispatch<T>(
    items: &crossbeam_channel::Receiver<Vec<Scheduled<T>>>,
    turn: &mut dyn Turn,
    to: &mpsc::Sender<Vec<Due<T>>>,
    stop: &Stop,
) {
    for handful in items {
        let mut rest = handful.into_iter().peekable();
        while let Some(Scheduled { due, item }) = rest.next() {
            let Some(at) = turn.wait(due, stop) else { return };
            let mut together = vec![Due { at, item }];
            while let Some(at) = rest.peek().and_then(|next| turn.now(next.due)) {
                together.extend(rest.next().map(|next| Due { at, item: next.item }));
            }
            if to.blocking_send(together).is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::{OnSchedule, StartLine};
    use std::sync::Arc;

    #[test]
    fn everything_is_handed_on_in_order_and_what_is_due_together_goes_together() {
        let (queue, items) = crossbeam_channel::bounded(2);
        let (to, mut shots) = mpsc::channel(100);
        let scheduled = |(item, millis)| Scheduled { due: Some(Duration::from_millis(millis)), item };
        queue.send([(1, 0), (2, 0), (3, 0), (4, 30)].map(scheduled).into()).unwrap();
        queue.send([(5, 30), (6, 40)].map(scheduled).into()).unwrap();
        drop(queue);
        dispatch(&items, &mut OnSchedule::new(Arc::new(StartLine::new(1, None))), &to, &Stop::new());
        drop(to);
        let handed: Vec<Vec<_>> =
            std::iter::from_fn(|| shots.try_recv().ok()).map(|d| d.into_iter().map(|d| d.item).collect()).collect();
        assert_eq!(handed[0], [1, 2, 3]);
        assert_eq!(handed.concat(), [1, 2, 3, 4, 5, 6]);
    }
}
