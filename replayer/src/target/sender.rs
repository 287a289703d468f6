//! The sender: one thread with a runtime of its own for each target, so that no target can slow another.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use umbra_common::dial::TlsError;
use umbra_common::ledger::{ReplayOutcome, ReplaySkip, SendFailure};

use super::breaker::{Breaker, Pass};
use super::connect::Connections;
use super::send::{Keep, Limits, Reply, SendError, Sent, Unanswered, send};
use super::sessions::Sessions;
use super::{Protocol, Reach, ShadowRequest, TargetUrl};
use crate::carry::{Answered, Memory};
use crate::report::{Account, Figures, Live, Receipt};
use crate::schedule::{Dispatcher, Intake, Scheduled, Turn};
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

/// A shot whose turn it is, with the instant it was due at.
type Due<R, C> = (Option<Instant>, Shot<R, C>);

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
    /// The most HTTP/1.1 connections, and so the most HTTP/1.1 requests in flight.
    pub connections: usize,
    /// The most requests in flight, over whatever protocol.
    pub in_flight: usize,
    /// What a target that is away means.
    pub patience: Patience,
    /// What has no time of its own waits this long for a target whose breaker is open.
    pub open: Duration,
}

/// Sends to one target.
pub struct Sender {
    /// Where that is, in words.
    address: String,
    connections: Connections,
    manner: Manner,
    limits: Limits,
    dispatcher: Dispatcher,
    memory: Option<Arc<Memory>>,
    telling: Telling,
    stop: Stop,
}

/// Where a sender says what comes of what it sends.
pub struct Telling {
    /// The report's figures.
    pub figures: Arc<Mutex<Figures>>,
    /// What can be seen meanwhile.
    pub live: Arc<Live>,
    /// Whether the target is worth sending to.
    pub breaker: Arc<Breaker>,
}

/// Room for requests in flight. A request has its slot before its turn: one that waited for a slot afterwards would leave
/// when the schedule and the cap did not mean it to.
struct Slots {
    all: Arc<Semaphore>,
    all_count: u32,
    connections: Arc<Semaphore>,
}

/// One request's room; given back when dropped.
type Slot = (OwnedSemaphorePermit, Option<OwnedSemaphorePermit>);

impl Slots {
    fn new(manner: Manner) -> Self {
        // More permits than a semaphore can have are as good as no limit; as many have to fit into the wait for all.
        let count = |n: usize| u32::try_from(n.min(Semaphore::MAX_PERMITS)).unwrap_or(u32::MAX >> 4);
        let semaphore = |n: usize| Arc::new(Semaphore::new(count(n) as usize));
        let (all, connections) = (semaphore(manner.in_flight), semaphore(manner.connections));
        Self { all, all_count: count(manner.in_flight), connections }
    }

    /// Nothing where the semaphores were closed, which they never are.
    async fn take(&self, protocol: Protocol) -> Option<Slot> {
        let slot = Arc::clone(&self.all).acquire_owned().await.ok()?;
        let connection = match protocol {
            Protocol::H1 => Some(Arc::clone(&self.connections).acquire_owned().await.ok()?),
            Protocol::H2 => None,
        };
        Some((slot, connection))
    }

    async fn all_back(&self) {
        drop(self.all.acquire_many(self.all_count).await);
    }
}

impl Sender {
    /// To a target, telling what comes of it.
    pub fn new(
        (url, reach): (&TargetUrl, &Reach),
        manner: Manner,
        dispatcher: Dispatcher,
        memory: Option<Arc<Memory>>,
        telling: Telling,
        stop: Stop,
    ) -> Result<Arc<Self>, TlsError> {
        let limits = Limits { whole: manner.timeout, head: reach.response_timeout };
        let connections = Connections::to(url, reach)?;
        let address = url.to_string();
        Ok(Arc::new(Self { address, connections, manner, limits, dispatcher, memory, telling, stop }))
    }

    /// Sends what comes, each at its turn, until nothing more does, and waits for what is in flight. A stop drops what has
    /// not left.
    pub async fn run<R: Receipt, C: Send + 'static>(self: Arc<Self>, mut intake: Intake<Shot<R, C>>) {
        let slots = Slots::new(self.manner);
        let sessions = Arc::new(Sessions::new());
        let work = async {
            tokio::select! {
                biased;
                () = self.stop.wait(Urgency::Drain) => {}
                () = self.send_all(&mut intake, &slots, &sessions) => {}
            }
            // What is inside ends as interrupted, and a feeder that waits for room goes on.
            drop(intake);
            let idle = slots.all_back();
            tokio::pin!(idle);
            tokio::select! {
                biased;
                () = &mut idle => return,
                // What waits for its session's turn has not left.
                () = self.stop.wait(Urgency::Drain) => sessions.clear(),
            }
            idle.await;
        };
        tokio::select! {
            () = work => {}
            () = self.stop.wait(Urgency::Now) => {}
        }
    }

    async fn send_all<R: Receipt, C: Send + 'static>(
        self: &Arc<Self>,
        intake: &mut Intake<Shot<R, C>>,
        slots: &Slots,
        sessions: &Arc<Sessions<Due<R, C>>>,
    ) {
        let mut next = intake.next().await;
        if self.manner.patience == Patience::None {
            // Its clock starts with the first look at a schedule, and by then there is no haste in reading.
            intake.filled().await;
        }
        while let Some(handful) = next {
            for Scheduled { slot, item } in handful {
                let session = item.shadow.session.clone();
                if let Some(session) = session.as_ref().filter(|session| sessions.is_busy(session)) {
                    let due = self.dispatcher.due(slot).await;
                    if sessions.is_busy(session) {
                        // It leaves after the one before it, and asks the cap then.
                        let _ = sessions.enter(Some(session), (due, item));
                        continue;
                    }
                }
                // What waits here holds up its own lane only.
                let Some(room) = slots.take(item.shadow.protocol).await else { return };
                let due = match self.dispatcher.turn(slot).await {
                    Turn::Now(due) => due,
                    Turn::Passed => {
                        item.account.end(ReplayOutcome::Skipped(ReplaySkip::Behind));
                        continue;
                    }
                };
                // Nobody else enters, so no other of its session can be under way.
                let Some(first) = sessions.enter(session.as_ref(), (due, item)) else { continue };
                let (sender, sessions) = (Arc::clone(self), Arc::clone(sessions));
                let shooting = async move {
                    let mut next = Some(first);
                    while let Some((due, shot)) = next {
                        sender.shoot(due, shot).await;
                        next = session.as_ref().and_then(|session| sessions.next(session));
                        if next.is_some() && !sender.may_again().await {
                            break;
                        }
                    }
                    drop(room);
                };
                tokio::spawn(shooting);
            }
            next = intake.next().await;
        }
    }

    /// Waits for the cap to let one more leave whose turn has been; `false` where the run is stopped first.
    async fn may_again(&self) -> bool {
        tokio::select! {
            biased;
            () = self.stop.wait(Urgency::Drain) => false,
            () = self.dispatcher.again() => true,
        }
    }

    async fn shoot<R: Receipt, C>(&self, due: Option<Instant>, shot: Shot<R, C>) {
        let Shot { shadow, mut account, charge, expires } = shot;
        let ShadowRequest { mut request, protocol, recorded, session, carried, .. } = shadow;
        let Telling { figures, live, breaker } = &self.telling;
        let mut pass = match self.admit(due, expires, false).await {
            Ok(pass) => pass,
            Err(outcome) => {
                if let Some(ReplayOutcome::Failed(_)) = outcome {
                    figures.lock().unwrap_or_else(PoisonError::into_inner).unsent();
                }
                // Without an outcome it is closed as interrupted.
                return outcome.map_or((), |outcome| account.end(outcome));
            }
        };
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
        let _in_flight = live.enter();
        let begun = Instant::now();
        account.sending();
        let mut pause = FIRST_PAUSE;
        let Sent { at, result } = loop {
            let sent = send(&self.connections, request, protocol, self.limits, keep).await;
            let failure = sent.result.as_ref().err().map(|unanswered| &unanswered.error as &dyn std::fmt::Display);
            breaker.ended(pass, failure, Instant::now());
            let back = match sent.result {
                Err(Unanswered { error: SendError::Connect(error), unsent: Some(back) })
                    if self.manner.patience == Patience::UntilConnected =>
                {
                    live.unconnected(breaker.target(), &self.address, &error);
                    back
                }
                result => break Sent { at: sent.at, result },
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                // Its account is closed as interrupted, so that it is sent after the restart.
                () = self.stop.wait(Urgency::Drain) => return,
            }
            pause = LONGEST_PAUSE.min(2 * pause);
            pass = match self.admit(due, expires, true).await {
                Ok(pass) => pass,
                Err(outcome) => return outcome.map_or((), |outcome| account.end(outcome)),
            };
            request = back;
        };
        live.sent(due, at, result.as_ref().ok().map(|reply| reply.answer.latency));
        self.note(at.unwrap_or(begun), &result);
        if let Some((((memory, session), carried), Ok(Reply { kept: Some((headers, body)), .. }))) =
            memory.zip(Some(&result))
        {
            memory.learn(&session, &carried, Answered::Shadow(headers, body));
        }
        let mut figures = figures.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = at {
            figures.sent(due, at, bytes);
        }
        let outcome = match result {
            Ok(reply) => {
                figures.answered(&recorded, reply.answer);
                ReplayOutcome::Answered
            }
            Err(Unanswered { error, .. }) => {
                figures.failed(&recorded, || error.to_string());
                ReplayOutcome::Failed(error.kind())
            }
        };
        drop(figures);
        account.end(outcome);
        drop(charge);
    }

    /// Whether one may be sent now, `again` where its turn has been; or how it ends otherwise: nothing where the run does.
    /// While the breaker is open, what has its time has missed it, and the rest waits: of the tail for as long as it takes,
    /// of a window for a while.
    async fn admit(
        &self,
        due: Option<Instant>,
        expires: Option<Instant>,
        mut again: bool,
    ) -> Result<Pass, Option<ReplayOutcome>> {
        loop {
            let now = Instant::now();
            if expires.is_some_and(|at| at < now) {
                return Err(Some(ReplayOutcome::Skipped(ReplaySkip::TooOld)));
            }
            let refused = match self.telling.breaker.enter(now) {
                // All that waited for the target leave when it is back: under the cap, not at once.
                Ok(pass) if !again || self.may_again().await => return Ok(pass),
                Ok(_) => return Err(None),
                Err(refused) => refused,
            };
            let waits = match (self.manner.patience, due) {
                (Patience::UntilConnected, _) => true,
                (Patience::None, Some(_)) => false,
                (Patience::None, None) => now.saturating_duration_since(refused.since) < self.manner.open,
            };
            if !waits {
                return Err(Some(ReplayOutcome::Failed(SendFailure::BreakerOpen)));
            }
            tokio::select! {
                biased;
                () = self.stop.wait(Urgency::Drain) => return Err(None),
                () = tokio::time::sleep_until(refused.again.into()) => again = true,
            }
        }
    }

    /// Tells the pace what came of a request that left, or was tried, at `tried`.
    fn note(&self, tried: Instant, result: &Result<Reply, Unanswered>) {
        let (took, error) = match result {
            Ok(reply) => (Some(reply.answer.latency), reply.answer.is_error()),
            Err(Unanswered { error, .. }) if error.is_timeout() => (Some(tried.elapsed()), true),
            Err(_) => (None, true),
        };
        self.dispatcher.note(tried, took, error);
    }
}

/// Between two attempts to connect, doubled each time: a target that is restarted is found soon, one that is down for
/// hours is not hammered.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

#[cfg(test)]
#[path = "sender_tests.rs"]
mod tests;
