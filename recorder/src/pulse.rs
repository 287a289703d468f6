//! One HTTP/2 exchange's signs of life, and whose turn it is.
//!
//! Of an HTTP/1 connection the socket tells all that: one exchange at a time. Streams of one HTTP/2 connection are held
//! up each by itself, so their bodies tell.

use std::cell::Cell;
use std::rc::Rc;
use std::task::Context;
use std::time::{Duration, Instant};

use crate::config::EdgeConfig;
use crate::deadlines::{Deadline, Deadlines};

/// What a client must take of a connection's data within the limit of a stream that it holds up: with windows of one
/// byte it could hold a stream for ever.
const LEAST_TAKEN: u64 = 1 << 10;

/// One exchange.
#[derive(Debug)]
pub(crate) struct Pulse {
    deadlines: Rc<Deadlines>,
    deadline: Deadline,
    client: Duration,
    both: Duration,
    last: Cell<Instant>,
    request: Cell<Request>,
    response: Cell<Response>,
    /// Data sent on the whole connection.
    sent: Rc<Cell<u64>>,
    sent_then: Cell<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Request {
    /// It has no body, or all of it has come.
    Ended,
    /// The origin has not asked for more.
    Held,
    /// The client is to send more.
    Awaited,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Response {
    /// It has not begun.
    None,
    /// The origin is to send more.
    Awaited,
    /// The client is to take more.
    Offered,
}

/// What an exchange has come to a stop at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stopped {
    /// The client sends no more of its body, and the response has not begun.
    Body,
    /// The client does not take the response.
    Reader,
    /// Nobody sends anything.
    Both,
}

impl Pulse {
    /// An exchange that begins now, on a connection of which `sent` says how much data was sent.
    pub(crate) fn new(deadlines: &Rc<Deadlines>, edge: &EdgeConfig, sent: &Rc<Cell<u64>>) -> Rc<Self> {
        Self::with_limits(deadlines, edge.body_timeout, edge.stream_timeout, sent)
    }

    fn with_limits(deadlines: &Rc<Deadlines>, client: Duration, both: Duration, sent: &Rc<Cell<u64>>) -> Rc<Self> {
        let pulse = Self {
            deadline: deadlines.limit(),
            last: Cell::new(deadlines.now()),
            deadlines: Rc::clone(deadlines),
            client,
            both,
            request: Cell::new(Request::Ended),
            response: Cell::new(Response::None),
            sent: Rc::clone(sent),
            sent_then: Cell::new(sent.get()),
        };
        pulse.deadline.set(Some(pulse.shortest()));
        Rc::new(pulse)
    }

    /// Some of the request's body came, or it is about to.
    pub(crate) fn request_moves(&self) {
        self.request.set(Request::Held);
        self.beat();
    }

    /// More of the request's body is wanted.
    pub(crate) fn request_awaited(&self) {
        if self.request.replace(Request::Awaited) != Request::Awaited {
            self.beat();
        }
    }

    /// No more of the request's body is to come.
    pub(crate) fn request_ends(&self) {
        self.request.set(Request::Ended);
        self.beat();
    }

    /// Some of the response was given away.
    pub(crate) fn response_moves(&self) {
        self.response.set(Response::Offered);
        self.beat();
    }

    /// More of the response is wanted.
    pub(crate) fn response_awaited(&self) {
        if self.response.replace(Response::Awaited) != Response::Awaited {
            self.beat();
        }
    }

    fn shortest(&self) -> Duration {
        self.client.min(self.both)
    }

    fn beat(&self) {
        self.last.set(self.deadlines.now());
    }

    /// At what it has come to a stop, if so; else the task is woken to ask again in time.
    pub(crate) fn stopped(&self, cx: &Context<'_>) -> Option<Stopped> {
        if !self.deadline.has_passed(cx) {
            return None;
        }
        let (limit, stopped) = match (self.response.get(), self.request.get()) {
            (Response::None, Request::Awaited) => (Some(self.client), Stopped::Body),
            // The upstream's own time limit runs.
            (Response::None, Request::Ended) => (None, Stopped::Both),
            (Response::Offered, _) => (Some(self.client), Stopped::Reader),
            (Response::None | Response::Awaited, _) => (Some(self.both), Stopped::Both),
        };
        let sent = self.sent.get();
        if stopped == Stopped::Reader && sent.wrapping_sub(self.sent_then.get()) >= LEAST_TAKEN {
            self.beat();
        }
        self.sent_then.set(sent);
        let quiet = self.deadlines.now().saturating_duration_since(self.last.get());
        match limit {
            Some(limit) if quiet >= limit => return Some(stopped),
            // Whose turn it is may change before that, and with it the limit: so it is looked at again as soon as any
            // limit could pass.
            Some(limit) => self.deadline.set(Some(self.shortest().min(limit - quiet))),
            None => self.deadline.set(Some(self.shortest())),
        }
        // Asks to be woken; it has just been set to later.
        self.deadline.has_passed(cx);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    const LIMIT: Duration = Duration::from_secs(1);

    /// An exchange with limits of one second for its client and of a hundred for both, and what became of it after each of
    /// these steps, between which half a second passes.
    fn stopped_after(steps: &[fn(&Pulse)]) -> Vec<Option<Stopped>> {
        let deadlines = Deadlines::new();
        let sent = Rc::default();
        let pulse = Pulse::with_limits(&deadlines, LIMIT, 100 * LIMIT, &sent);
        let cx = Context::from_waker(Waker::noop());
        let look = |step: &fn(&Pulse)| {
            step(&pulse);
            deadlines.pass(LIMIT / 2);
            pulse.stopped(&cx)
        };
        steps.iter().map(look).collect()
    }

    fn nothing(_: &Pulse) {}

    #[test]
    fn a_client_whose_turn_it_is_has_its_limit() {
        let body: Vec<fn(&Pulse)> = vec![Pulse::request_awaited, nothing, nothing, nothing, nothing, nothing];
        assert!(stopped_after(&body).contains(&Some(Stopped::Body)));
        let reader: Vec<fn(&Pulse)> = vec![Pulse::response_moves, nothing, nothing, nothing, nothing, nothing];
        assert!(stopped_after(&reader).contains(&Some(Stopped::Reader)));
    }

    #[test]
    fn nobody_is_stopped_while_something_passes_or_the_upstream_is_waited_for() {
        assert_eq!(stopped_after(&[Pulse::request_moves, Pulse::request_awaited].repeat(20)), [None; 40]);
        assert_eq!(stopped_after(&[Pulse::response_moves as fn(&Pulse)].repeat(20)), [None; 20]);
        assert_eq!(stopped_after(&[nothing as fn(&Pulse)].repeat(20)), [None; 20]);
        assert_eq!(stopped_after(&[Pulse::response_awaited as fn(&Pulse)].repeat(20)), [None; 20]);
    }

    #[test]
    fn a_limit_that_shortens_counts_from_then() {
        let mut steps: Vec<fn(&Pulse)> = vec![Pulse::response_awaited; 5];
        steps.extend([Pulse::response_moves as fn(&Pulse), nothing, nothing, nothing, nothing, nothing, nothing]);
        let stopped = stopped_after(&steps);
        assert_eq!(stopped[..7], [None; 7]);
        assert!(stopped[7..].contains(&Some(Stopped::Reader)), "{stopped:?}");
    }
}
