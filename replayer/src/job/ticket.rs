//! One request's part in a lane's progress.

use std::sync::Arc;

use super::{Progress, Spot};
use crate::report::Receipt;

/// Goes with a request from its place in the timetable to its end.
#[derive(Debug)]
pub(crate) struct Ticket {
    progress: Arc<Progress>,
    spot: Spot,
    index: u64,
    /// The run before left it in doubt.
    again: bool,
    stage: Stage,
}

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Waiting,
    Claimed,
    Sent,
    Ended,
}

impl Ticket {
    pub(super) fn new(progress: Arc<Progress>, spot: Spot, index: u64, again: bool) -> Self {
        Self { progress, spot, index, again, stage: Stage::Waiting }
    }

    /// Whether claiming it leaves one more in doubt.
    pub(crate) fn needs_room(&self) -> bool {
        !self.again
    }

    /// It may be sent once a checkpoint that was taken after this is kept.
    pub(crate) fn claim(&mut self) {
        if self.stage == Stage::Waiting {
            self.stage = Stage::Claimed;
            self.progress.claim(self.spot);
        }
    }
}

impl Receipt for Ticket {
    fn sending(&mut self) {
        self.stage = Stage::Sent;
    }

    fn done(mut self) {
        let was = std::mem::replace(&mut self.stage, Stage::Ended);
        self.progress.finish(self.spot, self.index, was);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        match self.stage {
            Stage::Claimed => self.progress.let_go(self.spot, self.again),
            Stage::Sent => self.progress.let_go(self.spot, true),
            Stage::Waiting | Stage::Ended => {}
        }
    }
}
