//! Where a feeder puts what is to be sent: a queue bounded in number and in bytes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, SendTimeoutError, Sender};

use super::{Budget, Charge};
use crate::error::RunError;
use crate::report::{Account, Receipt};
use crate::schedule::{Handful, Inlet, Scheduled, Slot};
use crate::stop::Stop;
use crate::target::{ShadowRequest, Shot};

/// The feeding end of a lane.
pub struct Outlet<R: Receipt> {
    way: Way<R>,
    budget: Arc<Budget>,
    /// Not in the queue yet.
    pending: Handful<Shot<R, Charge>>,
}

/// Where an outlet's requests go.
enum Way<R: Receipt> {
    Sender(Inlet<Shot<R, Charge>>),
    Relay(Sender<Handful<Shot<R, Charge>>>),
}

impl<R: Receipt> Way<R> {
    fn put(&self, handful: Requests<R>, wait: Duration) -> Result<(), SendTimeoutError<Requests<R>>> {
        match self {
            Self::Sender(queue) => queue.put(handful, wait),
            Self::Relay(queue) => queue.send_timeout(handful, wait),
        }
    }
}

/// Some of a lane's requests.
pub(super) type Requests<R> = Handful<Shot<R, Charge>>;

/// Requests in one handful at most.
pub(super) const HANDFUL: usize = 64;

/// One request on its way into the lane.
pub struct Outgoing<R: Receipt> {
    /// When it may leave.
    pub slot: Slot,
    /// Not sent any more after this.
    pub expires: Option<Instant>,
    /// What to send.
    pub shadow: ShadowRequest,
    /// Its place in the ledger.
    pub account: Account<R>,
}

/// While there is no room, the feeder's other duties are seen to this often.
const TICK: Duration = Duration::from_millis(100);
impl<R: Receipt> Outgoing<R> {
    /// What it takes in memory, here and in the queue.
    pub(super) fn footprint(&self) -> usize {
        size_of::<Scheduled<Shot<R, Charge>>>() + self.shadow.size
    }
}

impl<R: Receipt> Outlet<R> {
    /// Into a queue, under a budget.
    pub fn new(queue: Inlet<Shot<R, Charge>>, budget: Arc<Budget>) -> Self {
        Self { way: Way::Sender(queue), budget, pending: Vec::new() }
    }

    /// With somebody between it and the queue, who takes what is put and hands it on.
    pub(super) fn relayed(self) -> (Self, Relay<R>) {
        let (queue, taken) = crossbeam_channel::bounded(RELAYED);
        (Self { way: Way::Relay(queue), budget: self.budget, pending: self.pending }, Relay { taken, way: self.way })
    }

    /// Takes a request, waiting for room, and calling `tick` meanwhile: it says whether to go on. [`flush`](Self::flush)
    /// what was put before waiting for anything else.
    ///
    /// `false` where the lane has ended: the request's account is then closed as interrupted.
    pub fn put(&mut self, next: Outgoing<R>, tick: &mut Tick<'_>) -> Result<bool, RunError> {
        let size = next.footprint();
        let Outgoing { slot, expires, shadow, account } = next;
        let mut charge = self.budget.charge(size, Duration::ZERO);
        while charge.is_none() {
            // What is pending holds a part of the budget.
            if !self.flush(tick)? || !tick()? {
                return Ok(false);
            }
            charge = self.budget.charge(size, TICK);
        }
        if let Some(charge) = charge {
            self.pending.push(Scheduled { slot, item: Shot { shadow, account, charge, expires } });
        }
        if self.pending.len() < HANDFUL { Ok(true) } else { self.flush(tick) }
    }

    /// Whether something has not been handed on.
    pub fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Hands on what was put. `false` where the lane has ended.
    pub fn flush(&mut self, tick: &mut Tick<'_>) -> Result<bool, RunError> {
        if self.pending.is_empty() {
            return Ok(true);
        }
        let mut handful = std::mem::take(&mut self.pending);
        loop {
            match self.way.put(handful, TICK) {
                Ok(()) => return Ok(true),
                Err(SendTimeoutError::Disconnected(_)) => return Ok(false),
                Err(SendTimeoutError::Timeout(back)) => handful = back,
            }
            if !tick()? {
                return Ok(false);
            }
        }
    }
}

/// Handfuls that wait between an outlet and a relay.
const RELAYED: usize = 64;

/// Between an outlet and the queue.
pub(crate) struct Relay<R: Receipt> {
    /// What was put.
    pub(super) taken: Receiver<Requests<R>>,
    way: Way<R>,
}

impl<R: Receipt> Relay<R> {
    /// Hands on, waiting for room. False where the lane has ended.
    pub(super) fn hand_on(&self, mut handful: Requests<R>, stop: &Stop) -> bool {
        while !stop.is_stopped() {
            match self.way.put(handful, TICK) {
                Ok(()) => return true,
                Err(SendTimeoutError::Disconnected(_)) => return false,
                Err(SendTimeoutError::Timeout(back)) => handful = back,
            }
        }
        false
    }
}

/// What a feeder sees to while it waits; says whether to go on.
pub(super) type Tick<'a> = dyn FnMut() -> Result<bool, RunError> + 'a;
