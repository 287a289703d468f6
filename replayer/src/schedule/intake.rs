//! From a thread that blocks to a task that does not: what is to be sent, by the handful, bounded.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, SendTimeoutError, Sender, TryRecvError};
use tokio::sync::Notify;

use super::Scheduled;

/// Requests in the order of their turns. Waking a task for each would cost more than reading it.
pub type Handful<T> = Vec<Scheduled<T>>;

/// A store that is read at full speed gives more within this time.
const MOMENT: Duration = Duration::from_millis(25);
/// A store that gives little at a time is not waited for any longer.
const LONGEST_FILL: Duration = Duration::from_secs(1);

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
    /// Waits until there is no room for more, or nothing more comes for a moment: reading on at full speed takes processors
    /// from what is due.
    pub async fn filled(&self) {
        let until = Instant::now() + LONGEST_FILL;
        let mut before = None;
        while !self.queue.is_full() && before != Some(self.queue.len()) && Instant::now() < until {
            before = Some(self.queue.len());
            tokio::time::sleep(MOMENT).await;
        }
    }

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

    #[tokio::test]
    async fn it_is_filled_when_there_is_no_room_or_nothing_comes() {
        let (inlet, mut intake) = intake(3);
        intake.filled().await;
        inlet.put(handful([1]), Duration::ZERO).unwrap();
        intake.filled().await;
        assert_eq!(intake.next().await.map(|handful| handful.len()), Some(1));
        let feeding = std::thread::spawn(move || while inlet.put(handful([2]), Duration::from_secs(60)).is_ok() {});
        intake.next().await.unwrap();
        intake.filled().await;
        assert!(intake.queue.is_full());
        drop(intake);
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
