//! Where tests keep what they have fetched.

use std::path::{Path, PathBuf};

/// Cargo marks its target folder; a program built there lies somewhere below it.
pub(crate) fn target_folder() -> PathBuf {
    let program = std::env::current_exe().unwrap();
    let marked = program.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file());
    marked.map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"), Path::to_owned)
}
