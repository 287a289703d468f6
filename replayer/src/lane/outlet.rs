//! Where a feeder puts what is to be sent: a queue bounded in number and in bytes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{SendTimeoutError, Sender};

use super::{Budget, Charge};
use crate::error::RunError;
use crate::report::{Account, Receipt};
use crate::schedule::Scheduled;
use crate::target::{ShadowRequest, Shot};

/// The feeding end of a lane.
pub struct Outlet<R: Receipt> {
    queue: Sender<Scheduled<Shot<R, Charge>>>,
    budget: Arc<Budget>,
}

/// One request on its way into the lane.
pub struct Outgoing<R: Receipt> {
    /// After the start; nothing where the pace has no schedule.
    pub due: Option<Duration>,
    /// Not sent any more after this.
    pub expires: Option<Instant>,
    /// What to send.
    pub shadow: ShadowRequest,
    /// Its place in the ledger.
    pub account: Account<R>,
}

/// While there is no room, the feeder's other duties are seen to this often.
const TICK: Duration = Duration::from_millis(100);
/// What a request costs beside its body and its fields.
const OVERHEAD: usize = 1024;

impl<R: Receipt> Outlet<R> {
    /// Into a queue, under a budget.
    pub fn new(queue: Sender<Scheduled<Shot<R, Charge>>>, budget: Arc<Budget>) -> Self {
        Self { queue, budget }
    }

    /// Puts a request into the queue, waiting for room, and calling `tick` meanwhile: it says whether to go on.
    ///
    /// `false` where the lane has ended: the request's account is then closed as interrupted.
    pub fn put(&self, next: Outgoing<R>, tick: &mut dyn FnMut() -> Result<bool, RunError>) -> Result<bool, RunError> {
        let Outgoing { due, expires, shadow, account } = next;
        let size = OVERHEAD + usize::try_from(shadow.request.body().len()).unwrap_or(usize::MAX / 2);
        let charge = loop {
            match self.budget.charge(size, TICK) {
                Some(charge) => break charge,
                None if tick()? => {}
                None => return Ok(false),
            }
        };
        let mut item = Scheduled { due, item: Shot { shadow, account, charge, expires } };
        loop {
            match self.queue.send_timeout(item, TICK) {
                Ok(()) => return Ok(true),
                Err(SendTimeoutError::Disconnected(_)) => return Ok(false),
                Err(SendTimeoutError::Timeout(back)) => item = back,
            }
            if !tick()? {
                return Ok(false);
            }
        }
    }
}
