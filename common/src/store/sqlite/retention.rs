//! `retention=` and `max_size=`: the oldest records make room, in steps that never hold appends up for long.

use std::time::{Duration, Instant};

use rusqlite::{Connection, Params, Transaction, TransactionBehavior};

use super::schema::WAL_BYTES;
use crate::store::SqliteUrl;
use crate::time::Timestamp;

/// SQLite's default, which the store is made with.
const PAGE: u64 = 4096;
/// A record's other columns, its index entry and its share of the tree, in bytes.
const OVERHEAD: u64 = 96;
/// The file is never asked to be smaller than this, in pages: the tables and one small batch.
const FEWEST_PAGES: u64 = 64;
/// Bytes of records removed in one transaction.
const STEP: u64 = 1 << 20;
/// Free pages given back to the file system in one step.
const VACUUM_STEP: u32 = 256;
/// How long one call may take: the thread that appends waits for it.
const BUDGET: Duration = Duration::from_millis(50);

/// A blob's length is read without the blob.
const OLDEST: &str = "SELECT seq, length(value) FROM exchanges ORDER BY seq";
const EXPIRED: &str = "SELECT seq, length(value) FROM exchanges WHERE arrival < ?1 ORDER BY arrival";

/// What the store may hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    retention: Option<Duration>,
    pages: Option<u64>,
}

impl Limits {
    pub(super) fn new(url: &SqliteUrl) -> Self {
        let pages = url.max_size.map(|size| {
            // The write-ahead log counts too.
            let wal = WAL_BYTES.min(size.bytes() / 8);
            ((size.bytes() - wal) / PAGE).max(FEWEST_PAGES)
        });
        Self { retention: url.retention, pages }
    }

    /// Removes about as much as is going to be appended, where the file is full. Part of the append's transaction.
    pub(super) fn make_room(&self, transaction: &Transaction<'_>, bytes: u64) -> rusqlite::Result<()> {
        let Some(limit) = self.pages else { return Ok(()) };
        let coming = pages_of(bytes);
        let over = (pages(transaction)?.used() + coming).saturating_sub(limit);
        // A file that is far over its limit is brought down by `apply`, a little with each call.
        remove(transaction, OLDEST, [], over.min(coming * 2) * PAGE)
    }

    /// Removes what is too old or too much, and gives free pages back.
    pub(super) fn apply(&self, connection: &mut Connection, now: Timestamp) -> rusqlite::Result<()> {
        let until = Instant::now() + BUDGET;
        while self.step(connection, now)? && Instant::now() < until {}
        Ok(())
    }

    /// One short transaction; true where there is more to do.
    fn step(&self, connection: &mut Connection, now: Timestamp) -> rusqlite::Result<bool> {
        let before = pages(connection)?;
        let over = self.pages.is_some_and(|limit| before.used() > limit);
        let expired = self.retention.map(|keep| now.before(keep));
        let expired = match expired {
            Some(before) if any_before(connection, before)? => Some(before),
            _ => None,
        };
        if over || expired.is_some() {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            if let Some(before) = expired {
                remove(&transaction, EXPIRED, [before.as_nanos() as i64], STEP)?;
            }
            if over {
                remove(&transaction, OLDEST, [], STEP)?;
            }
            transaction.commit()?;
        }
        let after = pages(connection)?;
        // Pages freed at a steady rate are used again; only what a peak or a new limit left over is given back.
        let surplus =
            self.pages.is_some_and(|limit| after.all > limit) || after.free > (after.all / 4).max(FEWEST_PAGES);
        if surplus && after.free > 0 {
            connection.pragma(None, "incremental_vacuum", VACUUM_STEP, |_| Ok(()))?;
        }
        Ok(expired.is_some() || over && after.used() < before.used() || surplus && after.free > 0)
    }
}

struct Pages {
    all: u64,
    free: u64,
}

impl Pages {
    fn used(&self) -> u64 {
        self.all.saturating_sub(self.free)
    }
}

fn pages(connection: &Connection) -> rusqlite::Result<Pages> {
    let count = |sql| -> rusqlite::Result<u64> {
        let pages: u32 = connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
        Ok(pages.into())
    };
    Ok(Pages { all: count("PRAGMA page_count")?, free: count("PRAGMA freelist_count")? })
}

fn pages_of(bytes: u64) -> u64 {
    bytes / PAGE + bytes / PAGE / 8 + 2
}

fn any_before(connection: &Connection, before: Timestamp) -> rusqlite::Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM exchanges WHERE arrival < ?1)";
    connection.prepare_cached(sql)?.query_row([before.as_nanos() as i64], |row| row.get(0))
}

/// Removes the first records of a query until about so many bytes are free.
fn remove(transaction: &Transaction<'_>, sql: &str, parameters: impl Params, bytes: u64) -> rusqlite::Result<()> {
    if bytes == 0 {
        return Ok(());
    }
    let mut freed = 0;
    let mut going: Vec<i64> = Vec::new();
    let mut query = transaction.prepare_cached(sql)?;
    let mut rows = query.query(parameters)?;
    while freed < bytes
        && let Some(row) = rows.next()?
    {
        going.push(row.get(0)?);
        freed += u64::from(row.get::<_, u32>(1)?) + OVERHEAD;
    }
    drop(rows);
    let mut delete = transaction.prepare_cached("DELETE FROM exchanges WHERE seq = ?1")?;
    for seq in going {
        delete.execute([seq])?;
    }
    Ok(())
}
