//! The files under `deploy/`, as they are shipped.

use std::path::{Path, PathBuf};

/// A file or folder under `deploy/`.
pub fn path(of: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy").join(of)
}

/// The text of a file.
#[track_caller]
pub fn text(of: &str) -> String {
    let path = path(of);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The text of a file, with what it says of the world around it replaced; all of that must be in it.
#[track_caller]
pub fn text_with(of: &str, places: &[(&str, String)]) -> String {
    places.iter().fold(text(of), |text, (place, with)| {
        assert!(text.contains(place), "'{place}' is not in deploy/{of}");
        text.replace(place, with)
    })
}

/// Every file below a folder whose name ends in `extension`, by its path below `deploy/`, in order.
#[track_caller]
pub fn files(folder: &str, extension: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![path(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == extension) {
                let below = path.strip_prefix(self::path("")).unwrap();
                found.push(below.to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}
