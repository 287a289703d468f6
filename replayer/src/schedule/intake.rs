//! From a thread that blocks to a task that does not: what is to be sent, by the handful, bounded.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, SendTimeoutError, Sender, TryRecvError};
use tokio::sync::Notify;

use super::Scheduled;

/// Requests in the order of their turns. Waking a task for each would cost more than reading it.
pub type Handful<T> = Vec<Scheduled<T>>;

/// The thread's end.
#[derive(Debug)]
pub struct Inlet<T> {
    /// Gone only while this is dropped.
    queue: Option<Sender<Handful<T>>>,
    came: Arc<Notify>,
}

/// The task's end. Dropping it drops what is inside.
#[derive(Debug)]
pub struct Intake<T> {
    queue: Receiver<Handful<T>>,
    came: Arc<Notify>,
}

/// With room for so many handfuls.
pub fn intake<T>(room: usize) -> (Inlet<T>, Intake<T>) {
    let (queue, taken) = crossbeam_channel::bounded(room);
    let came = Arc::new(Notify::new());
    (Inlet { queue: Some(queue), came: Arc::clone(&came) }, Intake { queue: taken, came })
}

impl<T> Inlet<T> {
    /// Waits for room for at most `wait`; gives the handful back where there was none, or where nobody takes it any more.
    pub fn put(&self, handful: Handful<T>, wait: Duration) -> Result<(), SendTimeoutError<Handful<T>>> {
        let Some(queue) = &self.queue else { return Err(SendTimeoutError::Disconnected(handful)) };
        queue.send_timeout(handful, wait)?;
        self.came.notify_one();
        Ok(())
    }
}

impl<T> Drop for Inlet<T> {
    fn drop(&mut self) {
        // In this order: whoever is woken sees that there will be no more.
        self.queue = None;
        self.came.notify_one();
    }
}

impl<T> Intake<T> {
    /// The next handful; nothing when there will be no more.
    pub async fn next(&mut self) -> Option<Handful<T>> {
        loop {
            match self.queue.try_recv() {
                Ok(handful) => return Some(handful),
                Err(TryRecvError::Disconnected) => return None,
                Err(TryRecvError::Empty) => self.came.notified().await,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::Slot;

    fn handful(items: impl IntoIterator<Item = u32>) -> Handful<u32> {
        items.into_iter().map(|item| Scheduled { slot: Slot::Free, item }).collect()
    }

    #[tokio::test]
    async fn everything_comes_in_order_and_then_the_end() {
        let (inlet, mut intake) = intake(2);
        let feeding = std::thread::spawn(move || {
            (0..100).for_each(|i| inlet.put(handful([i, i + 1000]), Duration::from_secs(60)).unwrap());
        });
        let mut taken = Vec::new();
        while let Some(handful) = intake.next().await {
            taken.push(handful.iter().map(|scheduled| scheduled.item).collect::<Vec<_>>());
        }
        assert_eq!(taken, (0..100).map(|i| vec![i, i + 1000]).collect::<Vec<_>>());
        feeding.join().unwrap();
    }

    #[test]
    fn what_has_no_room_or_no_taker_comes_back() {
        let (inlet, intake) = intake(1);
        inlet.put(handful([1]), Duration::ZERO).unwrap();
        assert!(matches!(inlet.put(handful([2]), Duration::from_millis(1)), Err(SendTimeoutError::Timeout(_))));
        drop(intake);
        assert!(matches!(inlet.put(handful([2]), Duration::ZERO), Err(SendTimeoutError::Disconnected(_))));
    }
}
