//! Opening the file: what makes it an Umbra store, and how it is made.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, FileControl, OpenFlags, TransactionBehavior};

use crate::store::StoreError;

/// `UMBR`: marks the file as an Umbra store (<https://sqlite.org/pragma.html#pragma_application_id>).
const APPLICATION_ID: i32 = 0x554d_4252;
/// The layout below. A later one must be able to read this.
const LAYOUT: i32 = 1;

const TABLES: &str = "
    CREATE TABLE exchanges (
        seq     INTEGER PRIMARY KEY AUTOINCREMENT,
        id      BLOB NOT NULL,
        arrival INTEGER NOT NULL,
        value   BLOB NOT NULL
    ) STRICT;
    CREATE INDEX exchanges_arrival ON exchanges (arrival);
    CREATE TABLE cursors (
        name    TEXT PRIMARY KEY,
        seq     INTEGER NOT NULL,
        owner   INTEGER,
        expires INTEGER NOT NULL
    ) STRICT;";

/// How long a lock of another process is waited for. Umbra itself holds one for milliseconds.
pub(super) const BUSY: Duration = Duration::from_secs(5);
/// The write-ahead log is cut back to this after a checkpoint.
pub(super) const WAL_BYTES: u64 = 8 << 20;

/// Opens the store for appending, and makes it where there is nothing yet.
pub(super) fn open_or_make(path: &Path) -> Result<Connection, StoreError> {
    if path.as_os_str() == ":memory:" {
        return Err(unusable(path, "a store in memory ends with the process; give a file"));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
    let connection = open(path, flags, true)?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "journal_size_limit", WAL_BYTES as i64)?;
    Ok(connection)
}

/// Opens a store that exists, for reading and for the followers' positions.
pub(super) fn open_for_follow(path: &Path) -> Result<Connection, StoreError> {
    must_exist(path)?;
    open(path, OpenFlags::SQLITE_OPEN_READ_WRITE, true)
}

/// Opens a store that exists, for reading only.
pub(super) fn open_for_read(path: &Path) -> Result<Connection, StoreError> {
    must_exist(path)?;
    open(path, OpenFlags::SQLITE_OPEN_READ_ONLY, false)
}

/// Whether the file under an open connection was deleted or replaced: writes to it still succeed, and are lost.
pub(super) fn has_moved(connection: &Connection) -> bool {
    let mut moved = 0;
    connection.file_control(None::<&str>, FileControl::HasMoved(&mut moved)).is_err() || moved != 0
}

/// Whether an error is another process's lock, which passes by itself.
pub(super) fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

fn must_exist(path: &Path) -> Result<(), StoreError> {
    match std::fs::metadata(path) {
        Ok(_) => Ok(()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            Err(unusable(path, "there is no such file; start a recorder on it, or check the path"))
        }
        Err(e) => Err(unusable(path, &format!("{e}; check the path and its permissions"))),
    }
}

fn open(path: &Path, flags: OpenFlags, write: bool) -> Result<Connection, StoreError> {
    // Two processes that make the same store meet locks that SQLite does not wait for by itself.
    let give_up = Instant::now() + BUSY;
    loop {
        match try_open(path, flags, write) {
            Err(StoreError::Sqlite(e)) if is_busy(&e) && Instant::now() < give_up => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(StoreError::Sqlite(e)) => return Err(explain(path, e)),
            other => return other,
        }
    }
}

fn try_open(path: &Path, flags: OpenFlags, write: bool) -> Result<Connection, StoreError> {
    let mut connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY)?;
    if !is_store(&connection, path)? {
        if !flags.contains(OpenFlags::SQLITE_OPEN_CREATE) {
            return Err(not_a_store(path, "it is empty; start a recorder on it".into()));
        }
        make(&mut connection, path)?;
    }
    if write && connection.is_readonly("main")? {
        return Err(unusable(path, "it cannot be written; check the permissions of the file and its folder"));
    }
    Ok(connection)
}

/// One statement, so that a store which another process makes meanwhile is seen whole or not at all.
const WHAT_IS_IT: &str = "SELECT application_id, user_version, (SELECT count(*) FROM sqlite_schema)
    FROM pragma_application_id, pragma_user_version";

/// False where the database has nothing in it yet.
fn is_store(connection: &Connection, path: &Path) -> Result<bool, StoreError> {
    let all = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    let found: (i32, i32, i64) = connection.query_row(WHAT_IS_IT, [], all)?;
    match found {
        (APPLICATION_ID, LAYOUT, _) => Ok(true),
        (APPLICATION_ID, later, _) => Err(not_a_store(
            path,
            format!(
                "its layout {later} is not known to this release, which reads {LAYOUT}: upgrade, or give another file"
            ),
        )),
        (0, _, 0) => Ok(false),
        _ => Err(not_a_store(path, "it is another program's sqlite database; give another file".into())),
    }
}

fn make(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    // Both belong before the first page is written, and neither can be set inside of a transaction.
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    let mode: String = connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if !mode.eq_ignore_ascii_case("wal") {
        return Err(unusable(path, "its file system cannot hold a write-ahead log; give a path on a local disk"));
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if !is_store(&transaction, path)? {
        transaction.execute_batch(TABLES)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", LAYOUT)?;
    }
    Ok(transaction.commit()?)
}

fn explain(path: &Path, error: rusqlite::Error) -> StoreError {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => not_a_store(path, "it is no sqlite database; give another file".into()),
        Some(ErrorCode::DatabaseCorrupt) => {
            not_a_store(path, "it is damaged; move it away, or restore it from a copy".into())
        }
        Some(ErrorCode::CannotOpen) if path.is_dir() => unusable(path, "it is a folder; give a file"),
        Some(ErrorCode::CannotOpen) if !folder.is_dir() => {
            unusable(path, &format!("the folder {} does not exist; make it, or give another path", folder.display()))
        }
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            unusable(path, "it cannot be opened; check the permissions of the file and its folder")
        }
        Some(ErrorCode::DiskFull) => unusable(path, "the disk is full; make room, or give another path"),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            unusable(path, "another process keeps it locked; end that process, or give another path")
        }
        _ => error.into(),
    }
}

fn unusable(path: &Path, why: &str) -> StoreError {
    StoreError::Path { path: path.to_owned(), why: why.to_owned() }
}

fn not_a_store(path: &Path, why: String) -> StoreError {
    StoreError::NotAStore { path: path.to_owned(), why }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(result: Result<Connection, StoreError>) -> String {
        result.map(drop).unwrap_err().to_string()
    }

    #[test]
    fn what_is_no_store_is_said_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.db");
        assert!(error(open_for_read(&path)).contains("no such file"));
        assert!(error(open_or_make(folder.path())).contains("it is a folder"));
        assert!(error(open_or_make(&path.join("x"))).contains("does not exist; make it"));
        assert!(error(open_or_make(Path::new(":memory:"))).contains("give a file"));

        std::fs::write(&path, "just a text that is longer than a header of sqlite: ".repeat(9)).unwrap();
        assert!(error(open_or_make(&path)).contains("is no sqlite database"));
        assert!(error(open_for_read(&path)).contains("is no sqlite database"));

        std::fs::write(&path, "").unwrap();
        assert!(error(open_for_read(&path)).contains("it is empty"));

        Connection::open(&path).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
        assert!(error(open_or_make(&path)).contains("another program's"));
    }

    #[test]
    fn a_later_layout_asks_for_an_upgrade() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.db");
        open_or_make(&path).unwrap().pragma_update(None, "user_version", LAYOUT + 1).unwrap();
        assert!(error(open_or_make(&path)).contains("upgrade"));
    }

    #[test]
    fn several_processes_can_make_the_same_store() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.db");
        std::thread::scope(|s| {
            let all: Vec<_> = (0..8).map(|_| s.spawn(|| open_or_make(&path).map(drop))).collect();
            for one in all {
                one.join().unwrap().unwrap();
            }
        });
    }

    #[test]
    fn a_deleted_file_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.db");
        let connection = open_or_make(&path).unwrap();
        assert!(!has_moved(&connection));
        std::fs::remove_file(&path).unwrap();
        assert!(has_moved(&connection));
    }
}
