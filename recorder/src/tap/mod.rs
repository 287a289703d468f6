//! The tap: keeps a copy of what passes, under one budget, and never holds anything up.
//!
//! A [`Tap`] is a share in one exchange under way. The request's body, the response's body and the code between them
//! hold one each; when the last is dropped the exchange has ended and its draft goes to the queue. So no path, not
//! even a cancelled one, can leave a record behind.

mod budget;
mod copy;
mod draft;
mod head;
mod mirrored;
mod packed;
mod sections;

pub(crate) use budget::{Budget, NoRoom, Permit, largest_record};
pub(crate) use copy::BodyCopy;
pub(crate) use draft::{DRAFT_BYTES, Draft, Limits};
pub(crate) use head::RequestHead;
pub(crate) use packed::{Packed, Unpacked};

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Instant;

use http::HeaderMap;
use http::response::Parts;
use slab::Slab;
use umbra_common::exchange::Ending;
use umbra_common::ledger::DropReason;
use umbra_common::store::EMIT_AFTER;

use crate::queue::Outbox;

/// The exchanges under way on one worker.
#[derive(Debug)]
pub(crate) struct Taps {
    open: RefCell<Slab<Slot>>,
    outbox: Rc<Outbox>,
}

#[derive(Debug)]
struct Slot {
    /// Gone once the record was given up or written unfinished.
    draft: Option<Box<Draft>>,
    holders: u32,
}

impl Taps {
    pub(crate) fn new(outbox: Rc<Outbox>) -> Rc<Self> {
        Rc::new(Self { open: RefCell::new(Slab::new()), outbox })
    }

    /// Puts an exchange under way.
    pub(crate) fn open(self: &Rc<Self>, draft: Draft) -> Tap {
        let draft = Some(Box::new(draft));
        let key = self.open.borrow_mut().insert(Slot { draft, holders: 1 });
        Tap { taps: Rc::clone(self), key }
    }

    /// Hands over, unfinished, what arrived [`EMIT_AFTER`] ago and still goes on: readers rely on that bound.
    pub(crate) fn emit_overdue(&self) {
        let now = Instant::now();
        self.emit_unfinished(|draft| now.saturating_duration_since(draft.started) >= EMIT_AFTER);
    }

    /// Hands over everything that still goes on.
    pub(crate) fn emit_all(&self) {
        self.emit_unfinished(|_| true);
    }

    fn emit_unfinished(&self, due: impl Fn(&Draft) -> bool) {
        let mut open = self.open.borrow_mut();
        for (_, slot) in open.iter_mut() {
            if let Some(mut draft) = slot.draft.take_if(|draft| due(draft)) {
                draft.end(Ending::Unfinished);
                self.outbox.push(draft);
            }
        }
    }
}

impl From<NoRoom> for DropReason {
    fn from(why: NoRoom) -> Self {
        match why {
            NoRoom::Full => Self::Memory,
            NoRoom::Share => Self::MemoryShare,
        }
    }
}

/// A share in one exchange under way.
#[derive(Debug)]
pub(crate) struct Tap {
    taps: Rc<Taps>,
    key: usize,
}

impl Tap {
    pub(crate) fn request_data(&self, chunk: &[u8]) {
        self.keep(|draft| draft.request_data(chunk));
    }

    pub(crate) fn request_trailers(&self, trailers: &HeaderMap) {
        self.keep(|draft| draft.request_trailers(trailers));
    }

    /// The request has come whole.
    pub(crate) fn request_end(&self) {
        self.keep(|draft| {
            draft.request_end();
            Ok(())
        });
    }

    /// The response's head was there at `at`. `wire`: the same as it came, where that was heard; else nothing.
    pub(crate) fn response_head(&self, head: &Parts, wire: &[u8], at: Instant) {
        self.keep(|draft| draft.response_head(head, wire, at));
    }

    pub(crate) fn response_data(&self, chunk: &[u8]) {
        self.keep(|draft| draft.response_data(chunk));
    }

    pub(crate) fn response_trailers(&self, trailers: &HeaderMap) {
        self.keep(|draft| draft.response_trailers(trailers));
    }

    /// Says how the exchange ended; who comes later is not heard.
    pub(crate) fn end(&self, ending: Ending) {
        self.keep(|draft| {
            draft.end(ending);
            Ok(())
        });
    }

    fn keep(&self, add: impl FnOnce(&mut Draft) -> Result<(), NoRoom>) {
        let mut open = self.taps.open.borrow_mut();
        let Some(slot) = open.get_mut(self.key) else { return };
        let Some(draft) = &mut slot.draft else { return };
        if let Err(why) = add(draft)
            && let Some(draft) = slot.draft.take()
        {
            draft.drop_for(why.into());
        }
    }
}

impl Clone for Tap {
    fn clone(&self) -> Self {
        if let Some(slot) = self.taps.open.borrow_mut().get_mut(self.key) {
            slot.holders += 1;
        }
        Self { taps: Rc::clone(&self.taps), key: self.key }
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        let mut open = self.taps.open.borrow_mut();
        let Some(slot) = open.get_mut(self.key) else { return };
        slot.holders -= 1;
        if slot.holders > 0 {
            return;
        }
        let slot = open.remove(self.key);
        drop(open);
        if let Some(draft) = slot.draft {
            self.taps.outbox.push(draft);
        }
    }
}

#[cfg(test)]
mod tests;
