//! Which records of a window go on.

use std::sync::Arc;

use umbra_common::exchange::Exchange;
use umbra_common::ledger::{Ledger, ReplayOutcome, ReplaySkip};
use umbra_common::store::Stored;
use umbra_common::time::Window;

use crate::merge::Admitted;
use crate::read::Filter;
use crate::report::Account;
use crate::schedule::Shard;

/// Decides about each record as it is read: it ends here, or waits for its turn.
pub(crate) struct Admit {
    /// Which arrivals are meant.
    pub(crate) window: Window,
    /// Which exchanges are meant.
    pub(crate) filter: Filter,
    /// This process's part.
    pub(crate) shard: Option<Shard>,
    /// Whether recorded response bodies are needed.
    pub(crate) keeps_bodies: bool,
    /// Where each record is opened.
    pub(crate) ledger: Arc<Ledger<ReplayOutcome>>,
}

/// An exchange of the window, waiting for its turn.
pub(crate) enum Candidate {
    /// To be sent here.
    Here(Box<Exchange>, Account),
    /// Another shard sends it: it only takes its place in the timetable.
    Elsewhere(Account),
}

impl Admit {
    /// What becomes of a record.
    pub(crate) fn admit(&self, stored: Stored) -> Admitted<Candidate> {
        let account = Account::new(self.ledger.open(), ());
        let mut exchange = match stored.exchange {
            Ok(exchange) => exchange,
            Err(error) => {
                let at = stored.position;
                tracing::warn!(partition = at.partition, offset = at.offset, %error, "a record cannot be read; skipped");
                account.end(ReplayOutcome::Skipped(ReplaySkip::Undecodable));
                return Admitted::Unwanted(None);
            }
        };
        let arrival = exchange.arrival;
        let unwanted = if !self.window.contains(arrival) {
            ReplayOutcome::Skipped(ReplaySkip::OutsideWindow)
        } else if let Some(left_out) = self.filter.leaves_out(&exchange) {
            left_out
        } else if exchange.request.body.truncated {
            ReplayOutcome::Skipped(ReplaySkip::Truncated)
        } else if self.shard.is_some_and(|shard| !shard.holds(exchange.id)) {
            return Admitted::Wanted(arrival, Candidate::Elsewhere(account));
        } else {
            // What waits for its turn needs the recorded answer's head only, but for carry rules.
            if let Some(response) = exchange.response.as_mut().filter(|_| !self.keeps_bodies) {
                response.body.bytes = bytes::Bytes::new();
            }
            return Admitted::Wanted(arrival, Candidate::Here(Box::new(exchange), account));
        };
        account.end(unwanted);
        Admitted::Unwanted(Some(arrival))
    }
}
