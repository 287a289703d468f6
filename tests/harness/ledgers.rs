//! The ledger's sum.

use umbra_common::ledger::Snapshot;

/// Fails unless everything that was seen has ended, in states that are known, and nothing was abandoned.
#[track_caller]
pub fn assert_balances(ledger: &Snapshot) {
    assert!(ledger.balances(), "the ledger does not add up: {ledger}");
    assert_eq!(ledger.reason("dropped", "abandoned"), 0, "an exchange was abandoned: {ledger}");
}
