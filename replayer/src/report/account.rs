//! One exchange's place in the ledger, and the store's position that waits for it.

use umbra_common::ledger::{Entry, ReplayDrop, ReplayOutcome};

/// Ends exactly once: by [`end`](Self::end), or as interrupted where the run ends first.
#[derive(Debug)]
#[must_use = "every exchange ends in exactly one state of the ledger"]
pub struct Account<R: Receipt = ()> {
    open: Option<(Entry<ReplayOutcome>, R)>,
}

/// What is told that an exchange need not be read again.
pub trait Receipt: Send + 'static {
    /// It is about to be sent: from here on it may have arrived.
    fn sending(&mut self) {}

    /// It is done with, one way or another.
    fn done(self);
}

impl Receipt for () {
    fn done(self) {}
}

impl<R: Receipt> Receipt for Option<R> {
    fn sending(&mut self) {
        if let Some(receipt) = self {
            receipt.sending();
        }
    }

    fn done(self) {
        if let Some(receipt) = self {
            receipt.done();
        }
    }
}

impl<R: Receipt> Account<R> {
    /// Opens with the ledger's entry, and what is told at the end.
    pub fn new(entry: Entry<ReplayOutcome>, receipt: R) -> Self {
        Self { open: Some((entry, receipt)) }
    }

    /// It is about to be sent.
    pub fn sending(&mut self) {
        if let Some((_, receipt)) = &mut self.open {
            receipt.sending();
        }
    }

    /// What is told at the end.
    pub fn receipt(&self) -> Option<&R> {
        self.open.as_ref().map(|(_, receipt)| receipt)
    }

    /// The same, to be changed.
    pub fn receipt_mut(&mut self) -> Option<&mut R> {
        self.open.as_mut().map(|(_, receipt)| receipt)
    }

    /// The exchange ended so. What was dropped is to be read again by whoever goes on.
    pub fn end(mut self, outcome: ReplayOutcome) {
        if let Some((entry, receipt)) = self.open.take() {
            entry.end(outcome);
            if !matches!(outcome, ReplayOutcome::Dropped(_)) {
                receipt.done();
            }
        }
    }
}

impl Account {
    /// The same, with somebody who is told at the end.
    pub fn with<R: Receipt>(mut self, receipt: R) -> Account<R> {
        Account { open: self.open.take().map(|(entry, ())| (entry, receipt)) }
    }
}

impl<R: Receipt> Drop for Account<R> {
    fn drop(&mut self) {
        // In a panic the entry's own drop counts it as abandoned, which is what it is.
        if let Some((entry, _)) = self.open.take().filter(|_| !std::thread::panicking()) {
            entry.end(ReplayOutcome::Dropped(ReplayDrop::Interrupted));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use umbra_common::ledger::Ledger;

    struct Count(Arc<AtomicU32>);

    impl Receipt for Count {
        fn done(self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn what_is_dropped_is_interrupted_and_not_done() {
        let (ledger, done) = (Ledger::new(), Arc::new(AtomicU32::new(0)));
        Account::new(ledger.open(), Count(done.clone())).end(ReplayOutcome::Answered);
        drop(Account::new(ledger.open(), Count(done.clone())));
        assert_eq!(ledger.snapshot().to_string(), "seen 2 = answered 1 + dropped{interrupted} 1");
        assert_eq!(done.load(Ordering::Relaxed), 1);
    }
}
