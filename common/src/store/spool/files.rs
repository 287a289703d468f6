//! Records into the files and out of them, and what happens when a disk fails.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::SpoolFigures;
use super::disk::Disk;
use super::drain::Drain;
use super::receipt::{Returned, Via};
use super::segment::Kept;
use crate::store::{Append, Loss, Receipt};

/// After a failure the files are left alone for this long.
const MEND: Duration = Duration::from_secs(5);

/// A record, its receipt, and why it is lost where the files do not take it.
pub(super) type Waiting<R> = (Kept, R, Loss);

/// The files and what drains them.
pub(super) struct Files {
    disk: Disk,
    drain: Drain,
    /// They failed, and are not used before this.
    mend: Option<Instant>,
    figures: Arc<SpoolFigures>,
}

impl Files {
    pub(super) fn new(disk: Disk, figures: Arc<SpoolFigures>) -> Self {
        Self { disk, drain: Drain::new(Arc::clone(&figures)), mend: None, figures }
    }

    /// Whether everything that went in has come out.
    pub(super) fn are_empty(&self) -> bool {
        self.disk.is_empty() && self.drain.is_idle()
    }

    pub(super) fn are_usable(&mut self) -> bool {
        self.mend = self.mend.filter(|at| Instant::now() < *at);
        self.mend.is_none()
    }

    /// Recording goes on without the files for a while.
    fn failed(&mut self, what: &str, error: &io::Error) {
        SpoolFigures::add(&self.figures.errors, 1);
        self.mend = Some(Instant::now() + MEND);
        tracing::warn!(%error, "cannot {what} the spool; recording goes on without it, and it is tried again");
    }

    /// Takes records, and confirms them. Gives back those that there is no room for, and all where the disk fails.
    pub(super) fn put<R: Receipt>(&mut self, mut records: Vec<Waiting<R>>) -> Vec<Waiting<R>> {
        let fit = self.disk.fits(records.iter().map(|(kept, ..)| kept));
        let mut over = records.split_off(fit);
        over.iter_mut().for_each(|(.., why)| *why = Loss::SpoolFull);
        if records.is_empty() {
            return over;
        }
        match self.disk.write(records.iter().map(|(kept, ..)| kept)) {
            Ok(bytes) => {
                self.drain.pace.wrote(bytes, Instant::now());
                SpoolFigures::add(&self.figures.written, records.len() as u64);
                records.into_iter().for_each(|(_, receipt, _)| receipt.stored());
                over
            }
            Err(error) => {
                self.failed("write", &error);
                records.append(&mut over);
                records
            }
        }
    }

    /// What the store has given back goes to the files, or is lost.
    pub(super) fn take_back<R: Receipt>(&mut self, returned: &Returned<R>) {
        let returned = returned.take();
        if returned.is_empty() {
            return;
        }
        let lost = if self.are_usable() { self.put(returned) } else { returned };
        lost.into_iter().for_each(|(_, receipt, why)| receipt.lost(why));
    }

    /// Sends on what can be sent on now.
    pub(super) fn drain<R: Receipt>(&mut self, store: &mut dyn Append<Via<R>>) {
        if self.are_usable()
            && let Err(error) = self.drain.run(&mut self.disk, store)
        {
            self.failed("read", &error);
        }
    }

    /// Looks once more at what became of what was sent on.
    pub(super) fn settle(&mut self) {
        if let Err(error) = self.drain.settle(&mut self.disk) {
            self.failed("keep the position of", &error);
        }
    }

    /// What was written is on the disk itself.
    pub(super) fn sync(&mut self) {
        if self.are_usable()
            && let Err(error) = self.disk.sync()
        {
            self.failed("sync", &error);
        }
    }
}
