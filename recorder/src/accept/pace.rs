//! How slow an HTTP/1 client may be between and within heads.

use std::cell::Cell;
use std::rc::Rc;
use std::task::Context;

use super::connection::{HEAD_TIMEOUT, IDLE_TIMEOUT};
use crate::deadlines::Deadline;
use crate::edge::Watch;
use crate::serve::Client;

/// Why a connection is ended before its client ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// The guard refuses what came.
    Refused,
    /// A head has begun and does not end.
    SlowHead,
    /// No request comes.
    Idle,
}

/// The limit that one connection is under.
#[derive(Debug)]
pub(super) struct Pace<'a> {
    client: &'a Rc<Client>,
    watch: &'a Watch,
    deadline: Deadline,
    now: Cell<Doing>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    /// A request is being answered; it takes as long as it takes.
    Answering,
    /// A head has begun.
    Sending,
    /// Nothing.
    Nothing,
}

impl<'a> Pace<'a> {
    pub(super) fn new(client: &'a Rc<Client>, watch: &'a Watch) -> Self {
        let deadline = client.worker().deadlines.limit();
        deadline.set(Some(IDLE_TIMEOUT));
        Self { client, watch, deadline, now: Cell::new(Doing::Nothing) }
    }

    /// To be asked whenever the connection has been polled.
    pub(super) fn is_too_slow(&self, cx: &Context<'_>) -> Option<Cut> {
        let doing = if self.client.answers() > 0 || self.watch.has_head() {
            Doing::Answering
        } else if self.watch.is_in_head() {
            Doing::Sending
        } else {
            Doing::Nothing
        };
        if self.now.replace(doing) != doing {
            self.deadline.set(match doing {
                Doing::Answering => None,
                Doing::Sending => Some(HEAD_TIMEOUT),
                Doing::Nothing => Some(IDLE_TIMEOUT),
            });
        }
        match doing {
            Doing::Answering => None,
            _ if !self.deadline.has_passed(cx) => None,
            Doing::Sending => Some(Cut::SlowHead),
            Doing::Nothing => Some(Cut::Idle),
        }
    }
}
