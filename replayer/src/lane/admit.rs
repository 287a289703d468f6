//! Which records of a window go on.

use std::sync::Arc;

use umbra_common::exchange::Exchange;
use umbra_common::ledger::{Ledger, ReplayOutcome, ReplaySkip};
use umbra_common::store::{Position, Stored};
use umbra_common::time::{Timestamp, Window};

use crate::job::{Delivery, Lengths, Progress, Saved, Spot, Standing};
use crate::merge::{Admitted, Footprint};
use crate::read::Filter;
use crate::report::Account;
use crate::schedule::Shard;
use crate::target::Portion;

/// Decides about each record as it is read: it ends here, or waits for its turn.
pub(crate) struct Admit {
    /// Which arrivals are meant.
    pub(crate) window: Window,
    /// Which exchanges are meant.
    pub(crate) filter: Filter,
    /// This process's part.
    pub(crate) shard: Option<Shard>,
    /// The target's part; everything where absent.
    pub(crate) portion: Option<Portion>,
    /// Whether recorded response bodies are needed.
    pub(crate) keeps_bodies: bool,
    /// Where each record is opened.
    pub(crate) ledger: Arc<Ledger<ReplayOutcome>>,
    /// What a job knows of the records.
    pub(crate) history: Option<History>,
}

/// What a job knows of the records of its window.
pub(crate) struct History {
    /// Where they are counted.
    pub(crate) progress: Arc<Progress>,
    /// What an earlier run has said of them.
    pub(crate) saved: Option<Arc<Saved>>,
    /// Where they stand.
    pub(crate) lengths: Lengths,
    /// What becomes of those in doubt.
    pub(crate) delivery: Delivery,
}

/// An exchange of the window, waiting for its turn.
pub(crate) enum Candidate {
    /// To be sent here.
    Here(Box<Exchange>, Account, Origin),
    /// Another shard sends it, or another target gets it: it only takes its place in the timetable, and ends like this.
    Elsewhere(Account, ReplaySkip),
    /// An earlier run has dealt with it: it only takes its place, and ends like this.
    Before(Account, ReplaySkip),
}

/// What a job has to know again when a request ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    /// Where it stands.
    pub(crate) spot: Spot,
    /// Whether an earlier run may have sent it.
    pub(crate) again: bool,
    /// What a job keeps of it until it has ended, in bytes.
    pub(crate) kept: usize,
}

impl Candidate {
    /// Ends it without being sent.
    pub(crate) fn skip(self, why: ReplaySkip) {
        let (Self::Here(_, account, _) | Self::Elsewhere(account, _) | Self::Before(account, _)) = self;
        account.end(ReplayOutcome::Skipped(why));
    }
}

impl Footprint for Candidate {
    fn footprint(&self) -> usize {
        match self {
            Self::Here(exchange, _, origin) => exchange.footprint() + origin.kept,
            Self::Elsewhere(..) | Self::Before(..) => 0,
        }
    }
}

impl Admit {
    /// What becomes of a record in a round.
    pub(crate) fn admit(&self, stored: Stored, round: u32) -> Admitted<Candidate> {
        let account = Account::new(self.ledger.open(), ());
        let at = stored.position;
        let mut exchange = match stored.exchange {
            Ok(exchange) => exchange,
            Err(error) => {
                tracing::warn!(partition = at.partition, offset = at.offset, %error, "a record cannot be read; skipped");
                self.pass(self.spot(at, Timestamp::ZERO, round));
                account.end(ReplayOutcome::Skipped(ReplaySkip::Undecodable));
                return Admitted::Unwanted(None);
            }
        };
        let arrival = exchange.arrival;
        let spot = self.spot(at, arrival, round);
        if let Some(unwanted) = self.leaves_out(&exchange) {
            self.pass(spot);
            account.end(unwanted);
            return Admitted::Unwanted(Some(arrival));
        }
        if let Some(elsewhere) = self.elsewhere(&exchange) {
            self.pass(spot);
            return Admitted::Wanted(arrival, Candidate::Elsewhere(account, elsewhere));
        }
        let origin = match self.history.as_ref().map(|history| history.admit(spot)) {
            Some(Err(before)) => return Admitted::Wanted(arrival, Candidate::Before(account, before)),
            Some(Ok(again)) => Origin { spot, again, kept: Progress::PER_RECORD },
            None => Origin { spot, again: false, kept: 0 },
        };
        // What waits for its turn needs the recorded answer's head only, but for carry rules.
        if let Some(response) = exchange.response.as_mut().filter(|_| !self.keeps_bodies) {
            response.body.bytes = bytes::Bytes::new();
        }
        Admitted::Wanted(arrival, Candidate::Here(Box::new(exchange), account, origin))
    }

    /// How an exchange ends that is not meant.
    pub(crate) fn leaves_out(&self, exchange: &Exchange) -> Option<ReplayOutcome> {
        if !self.window.contains(exchange.arrival) {
            return Some(ReplayOutcome::Skipped(ReplaySkip::OutsideWindow));
        }
        let truncated = exchange.request.body.truncated;
        self.filter.leaves_out(exchange).or(truncated.then_some(ReplayOutcome::Skipped(ReplaySkip::Truncated)))
    }

    /// Why it is not sent here, where it is sent elsewhere.
    pub(crate) fn elsewhere(&self, exchange: &Exchange) -> Option<ReplaySkip> {
        if self.portion.as_ref().is_some_and(|portion| !portion.holds(exchange)) {
            return Some(ReplaySkip::OtherTarget);
        }
        self.shard.is_some_and(|shard| !shard.holds(exchange.id)).then_some(ReplaySkip::OtherShard)
    }

    fn spot(&self, position: Position, arrival: Timestamp, round: u32) -> Spot {
        let at = self.history.as_ref().map_or(position.offset, |history| history.lengths.at(position, round));
        Spot { round, arrival, partition: position.partition, at }
    }

    fn pass(&self, spot: Spot) {
        if let Some(history) = &self.history {
            history.progress.pass(spot);
        }
    }
}

impl History {
    /// Whether a record may come a second time; an error where it is not to be sent any more.
    fn admit(&self, spot: Spot) -> Result<bool, ReplaySkip> {
        let standing = self.saved.as_ref().map_or(Standing::New, |saved| saved.standing(spot));
        match (standing, self.delivery) {
            (Standing::New, _) => self.progress.read(spot),
            (Standing::Doubt, Delivery::AtLeastOnce) => {
                self.progress.read(spot);
                return Ok(true);
            }
            (Standing::Doubt, Delivery::AtMostOnce) => {
                self.progress.leave_out(spot);
                return Err(ReplaySkip::InDoubt);
            }
            (Standing::Done, _) => {
                self.progress.pass(spot);
                return Err(ReplaySkip::DoneBefore);
            }
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use umbra_common::store::{PartitionPlan, Plan};

    use super::*;
    use crate::job::Order;
    use crate::testing::exchange;

    #[test]
    fn what_a_job_keeps_of_a_record_is_memory_like_the_record() {
        let window = Window::new(Timestamp::ZERO, Timestamp::LAST).unwrap();
        let lengths = Lengths::of(&Plan { window, partitions: vec![PartitionPlan { partition: 0, from: 0, to: 10 }] });
        let progress = Progress::new(Order::Offset, &lengths);
        let history = History { progress, saved: None, lengths, delivery: Delivery::default() };
        let footprint = |history| {
            let (filter, ledger) = (Filter::default(), Ledger::new());
            let admit = Admit { window, filter, shard: None, portion: None, keeps_bodies: false, ledger, history };
            let position = Position { partition: 0, offset: 3 };
            let admitted = admit.admit(Stored { position, size: 0, exchange: Ok(exchange("/", Duration::ZERO)) }, 0);
            let Admitted::Wanted(_, candidate) = admitted else { panic!("{:?} is not wanted", position) };
            candidate.footprint()
        };
        assert_eq!(footprint(Some(history)), footprint(None) + Progress::PER_RECORD);
    }
}
