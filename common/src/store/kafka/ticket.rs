//! What travels with a message and comes back in its delivery report.
//!
//! librdkafka's threads need `Sync`, which a mutex gives to any receipt; nobody ever waits for it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::store::{Loss, Receipt};

/// What belongs to one message.
pub(super) struct Ticket<R> {
    /// It is later in the log than windows expect.
    pub(super) late: bool,
    of: Of<R>,
}

/// The receipt of a record, or a share in that of a record in several messages.
enum Of<R> {
    /// The record is this message.
    Whole(Mutex<R>),
    /// The record is this message and others.
    Part(Arc<Shared<R>>),
}

/// The receipt of a record in several messages: consumed when each has been reported.
struct Shared<R> {
    left: AtomicUsize,
    end: Mutex<End<R>>,
}

struct End<R> {
    receipt: Option<R>,
    /// Why the first of them was lost.
    loss: Option<Loss>,
}

impl<R: Receipt> Ticket<R> {
    /// For a record in one message.
    pub(super) fn whole(receipt: R, late: bool) -> Self {
        Self { late, of: Of::Whole(Mutex::new(receipt)) }
    }

    /// One for each message of a record in `parts` of them.
    pub(super) fn parts(receipt: R, parts: usize, late: bool) -> impl Iterator<Item = Self> {
        let end = Mutex::new(End { receipt: Some(receipt), loss: None });
        let shared = Arc::new(Shared { left: AtomicUsize::new(parts), end });
        std::iter::repeat_n(shared, parts).map(move |shared| Self { late, of: Of::Part(shared) })
    }

    /// The message is in the log.
    pub(super) fn stored(self) {
        match self.of {
            Of::Whole(receipt) => receipt.into_inner().unwrap_or_else(PoisonError::into_inner).stored(),
            Of::Part(shared) => shared.end(None),
        }
    }

    /// The message is not in the log.
    pub(super) fn lost(self, why: Loss) {
        match self.of {
            Of::Whole(receipt) => receipt.into_inner().unwrap_or_else(PoisonError::into_inner).lost(why),
            Of::Part(shared) => shared.end(Some(why)),
        }
    }
}

impl<R: Receipt> Shared<R> {
    fn end(&self, loss: Option<Loss>) {
        let mut end = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        end.loss = end.loss.or(loss);
        if self.left.fetch_sub(1, Ordering::Relaxed) > 1 {
            return;
        }
        let (receipt, loss) = (end.receipt.take(), end.loss);
        drop(end);
        match (receipt, loss) {
            (Some(receipt), None) => receipt.stored(),
            (Some(receipt), Some(why)) => receipt.lost(why),
            (None, _) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossbeam_channel::{Sender, bounded};

    struct Told(Sender<Option<Loss>>);

    impl Receipt for Told {
        fn stored(self) {
            self.0.send(None).unwrap();
        }

        fn lost(self, why: Loss) {
            self.0.send(Some(why)).unwrap();
        }
    }

    #[test]
    fn a_record_in_parts_ends_once_when_the_last_has_been_reported() {
        for (lost, expected) in [(None, None), (Some(1), Some(Loss::Timeout)), (Some(2), Some(Loss::Timeout))] {
            let (tell, told) = bounded(4);
            for (i, ticket) in Ticket::parts(Told(tell), 3, false).enumerate() {
                assert!(told.is_empty());
                if lost == Some(i) { ticket.lost(Loss::Timeout) } else { ticket.stored() }
            }
            assert_eq!(told.iter().collect::<Vec<_>>(), [expected]);
        }
    }
}
