//! The sender: one thread with a runtime of its own for each target, so that no target can slow another.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, mpsc};
use umbra_common::ledger::{ReplayOutcome, ReplaySkip};

use super::connect::Connections;
use super::send::{Keep, Reply, SendError, Sent, Unanswered, send};
use super::sessions::Sessions;
use super::{ShadowRequest, TargetUrl};
use crate::carry::{Answered, Memory};
use crate::report::{Account, Figures, Live, Receipt};
use crate::schedule::Due;
use crate::stop::{Stop, Urgency};

/// A shadow request with its place in the ledger.
pub struct Shot<R: Receipt, C> {
    /// What to send.
    pub shadow: ShadowRequest,
    /// Ends when the answer has been read, or there is none.
    pub account: Account<R>,
    /// Given back when the request has ended: its part of the lane's memory.
    pub charge: C,
    /// Not sent any more after this: it is too old then.
    pub expires: Option<Instant>,
}

/// What a target that cannot be connected to means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// The request has failed: the schedule goes on.
    None,
    /// The request waits: the log keeps what comes after it.
    UntilConnected,
}

/// How a target is sent to.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// The longest a request may take, the connection included.
    pub timeout: Duration,
    /// The most requests in flight.
    pub in_flight: usize,
    /// What a target that is away means.
    pub patience: Patience,
}

/// Sends to one target.
pub struct Sender {
    connections: Connections,
    manner: Manner,
    memory: Option<Arc<Memory>>,
    figures: Arc<Mutex<Figures>>,
    live: Arc<Live>,
    stop: Stop,
}

impl Sender {
    /// To a target, telling what comes of it.
    pub fn new(
        url: &TargetUrl,
        manner: Manner,
        memory: Option<Arc<Memory>>,
        figures: Arc<Mutex<Figures>>,
        live: Arc<Live>,
        stop: Stop,
    ) -> Arc<Self> {
        Arc::new(Self { connections: Connections::to(url), manner, memory, figures, live, stop })
    }

    /// Sends what comes until nothing more does, and waits for what is in flight. A stop drops what has not left.
    pub async fn run<R: Receipt, C: Send + 'static>(self: Arc<Self>, mut shots: mpsc::Receiver<Vec<Due<Shot<R, C>>>>) {
        // More permits than a semaphore can have are as good as no limit; as many have to fit into the wait below.
        let limit = u32::try_from(self.manner.in_flight.min(Semaphore::MAX_PERMITS)).unwrap_or(u32::MAX >> 4);
        let slots = Arc::new(Semaphore::new(limit as usize));
        let sessions = Arc::new(Sessions::new());
        let work = async {
            let drained = self.stop.wait(Urgency::Drain);
            tokio::pin!(drained);
            'all: loop {
                let shots = tokio::select! {
                    biased;
                    shots = shots.recv() => shots,
                    () = &mut drained => break,
                };
                let Some(shots) = shots else { break };
                for shot in shots {
                    let session = shot.item.shadow.session.clone();
                    let Some(shot) = sessions.enter(session.as_ref(), shot) else { continue };
                    // What waits for a slot holds up its own lane only.
                    let slot = tokio::select! {
                        biased;
                        slot = Arc::clone(&slots).acquire_owned() => slot,
                        () = &mut drained => break 'all,
                    };
                    let (sender, sessions) = (Arc::clone(&self), Arc::clone(&sessions));
                    let shooting = async move {
                        let mut next = Some(shot);
                        while let Some(shot) = next {
                            sender.shoot(shot).await;
                            next = session.as_ref().and_then(|session| sessions.next(session));
                        }
                        drop(slot);
                    };
                    tokio::spawn(shooting);
                }
            }
            // Dropping the channel ends what is in it as interrupted, and a dispatcher that waits for room in it.
            drop(shots);
            let idle = slots.acquire_many(limit);
            tokio::pin!(idle);
            tokio::select! {
                biased;
                _ = &mut idle => return,
                // What waits for its session's turn has not left.
                () = self.stop.wait(Urgency::Drain) => sessions.clear(),
            }
            drop(idle.await);
        };
        tokio::select! {
            () = work => {}
            () = self.stop.wait(Urgency::Now) => {}
        }
    }

    async fn shoot<R: Receipt, C>(&self, shot: Due<Shot<R, C>>) {
        let Due { at: due, item: Shot { shadow, account, charge, expires } } = shot;
        let ShadowRequest { mut request, protocol, recorded, session, carried, .. } = shadow;
        let memory = self.memory.as_deref().zip(session).zip(carried);
        if let Some(((memory, session), _)) = &memory {
            memory.fill(session, &mut request);
        }
        let keep = match &memory {
            None => Keep::Nothing,
            Some(((memory, _), _)) if memory.needs_bodies() => Keep::Body,
            Some(_) => Keep::Head,
        };
        let bytes = request.body().len();
        let _in_flight = self.live.enter();
        if expires.is_some_and(|at| at < Instant::now()) {
            return account.end(ReplayOutcome::Skipped(ReplaySkip::TooOld));
        }
        let mut sent = send(&self.connections, request, protocol, self.manner.timeout, keep).await;
        let mut pause = FIRST_PAUSE;
        while self.manner.patience == Patience::UntilConnected
            && let Err(Unanswered { error: SendError::Connect(error), unsent: Some(request) }) = sent.result
        {
            self.live.unconnected(&error);
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                // Its account is closed as interrupted, so that it is sent after the restart.
                () = self.stop.wait(Urgency::Drain) => return,
            }
            if expires.is_some_and(|at| at < Instant::now()) {
                return account.end(ReplayOutcome::Skipped(ReplaySkip::TooOld));
            }
            pause = LONGEST_PAUSE.min(2 * pause);
            sent = send(&self.connections, request, protocol, self.manner.timeout, keep).await;
        }
        let Sent { at, result } = sent;
        let lag = due.zip(at).map(|(due, at)| at.saturating_duration_since(due));
        self.live.sent(lag, result.as_ref().ok().map(|reply| reply.answer.latency));
        if let Some((((memory, session), carried), Ok(Reply { kept: Some((headers, body)), .. }))) =
            memory.zip(Some(&result))
        {
            memory.learn(&session, &carried, Answered::Shadow(headers, body));
        }
        let mut figures = self.figures.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = at {
            figures.sent(due, at, bytes);
        }
        let outcome = match result {
            Ok(reply) => {
                figures.answered(&recorded, reply.answer);
                ReplayOutcome::Answered
            }
            Err(Unanswered { error, .. }) => {
                figures.failed(|| error.to_string());
                ReplayOutcome::Failed(error.kind())
            }
        };
        drop(figures);
        account.end(outcome);
        drop(charge);
    }
}

/// Between two attempts to connect, doubled each time: a target that is restarted is found soon, one that is down for
/// hours is not hammered.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
