//! A folder that is made once, whole or not at all, however many processes want it at once.

use std::fs::File;
use std::path::{Path, PathBuf};

use crate::target_folder::target_folder;

/// The folder `name` below cargo's target folder, made by `make` in another place and then renamed, unless it is there.
pub(super) fn made_once(name: &str, make: impl FnOnce(&Path)) -> PathBuf {
    let parent = target_folder();
    let folder = parent.join(name);
    let lock = File::create(parent.join(format!("{name}.lock"))).unwrap();
    lock.lock().unwrap();
    if !folder.is_dir() {
        let work = tempfile::Builder::new().prefix(&format!("{name}-")).tempdir_in(&parent).unwrap();
        make(work.path());
        std::fs::rename(work.keep(), &folder).unwrap();
    }
    folder
}
