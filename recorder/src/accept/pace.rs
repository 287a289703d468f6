//! How slow an HTTP/1 client may be: between heads, within one, with a body, and in taking a response.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Context;
use std::time::Duration;

use super::metered::Meter;
use crate::deadlines::Deadline;
use crate::edge::{Standing, Watch};
use crate::serve::Client;

/// Why a connection is ended before its client ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// The guard refuses what came.
    Refused,
    /// A head has begun and does not end.
    SlowHead,
    /// A body has begun and does not go on.
    SlowBody,
    /// A response is not taken.
    SlowReader,
    /// Nothing passes in either direction.
    Silent,
    /// No request comes.
    Idle,
}

/// The limit that one connection is under.
#[derive(Debug)]
pub(super) struct Pace<'a> {
    client: &'a Rc<Client>,
    watch: &'a Watch,
    meter: Arc<Meter>,
    deadline: Deadline,
    now: Cell<Doing>,
    /// What had passed when the limit was set.
    moved: Cell<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    /// A request is being answered; the upstream's own time limit runs.
    Answering,
    /// A response has begun, or the origin does not take the request's body.
    Passing,
    /// The client is to send more of a body.
    Body,
    /// The client is to take more of a response.
    Taking,
    /// A head has begun.
    Head,
    /// Nothing.
    Nothing,
}

impl<'a> Pace<'a> {
    pub(super) fn new(client: &'a Rc<Client>, watch: &'a Watch, meter: Arc<Meter>) -> Self {
        let deadline = client.worker().deadlines.limit();
        deadline.set(Some(client.edge().idle_timeout));
        Self { client, watch, meter, deadline, now: Cell::new(Doing::Nothing), moved: Cell::new(0) }
    }

    fn doing(&self, standing: Standing) -> Doing {
        let is_answered = self.client.answers() > 0 || standing.has_head;
        if self.meter.is_blocked() {
            Doing::Taking
        } else if is_answered && standing.is_in_body {
            if self.meter.is_starved() { Doing::Body } else { Doing::Passing }
        } else if is_answered {
            if standing.is_answering { Doing::Passing } else { Doing::Answering }
        } else if standing.is_in_head {
            Doing::Head
        } else {
            Doing::Nothing
        }
    }

    fn limit(&self, doing: Doing) -> Option<Duration> {
        let edge = self.client.edge();
        match doing {
            Doing::Answering => None,
            Doing::Passing => Some(edge.stream_timeout),
            Doing::Body | Doing::Taking => Some(edge.body_timeout),
            Doing::Head => Some(edge.header_timeout),
            Doing::Nothing => Some(edge.idle_timeout),
        }
    }

    /// Why the connection is to end, if so. To be asked whenever it has been polled.
    pub(super) fn cut(&self, cx: &Context<'_>) -> Option<Cut> {
        let standing = self.watch.standing();
        if standing.is_refused {
            return Some(Cut::Refused);
        }
        let doing = self.doing(standing);
        if self.now.replace(doing) != doing {
            self.restart(doing);
        }
        let cut = match doing {
            Doing::Answering => return None,
            Doing::Passing => Cut::Silent,
            Doing::Body => Cut::SlowBody,
            Doing::Taking => Cut::SlowReader,
            Doing::Head => Cut::SlowHead,
            Doing::Nothing => Cut::Idle,
        };
        if !self.deadline.has_passed(cx) {
            return None;
        }
        // A head and a pause have so much time, whatever comes; the rest goes on for as long as anything passes.
        if !matches!(doing, Doing::Head | Doing::Nothing) && self.meter.moved() != self.moved.get() {
            self.restart(doing);
            // Asks to be woken; it has just been set to later.
            self.deadline.has_passed(cx);
            return None;
        }
        Some(cut)
    }

    fn restart(&self, doing: Doing) {
        self.moved.set(self.meter.moved());
        self.deadline.set(self.limit(doing));
    }
}
