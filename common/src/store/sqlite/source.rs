//! The reading side: a file that exists.

use std::path::PathBuf;

use rusqlite::Connection;

use super::PARTITION;
use super::follow::Follower;
use super::keep::{self, Keeper};
use super::read::Reader;
use super::schema;
use crate::store::{Expired, Kept, Mark, PartitionPlan, Plan, SLACK, SqliteUrl, Start, StoreError};
use crate::time::{Timestamp, Window};

/// Index entries alone answer this.
const BOUNDS: &str = "SELECT min(seq), max(seq) FROM exchanges WHERE arrival >= ?1 AND arrival < ?2";

/// A SQLite store opened for reading. Every plan, read and follow has a connection of its own.
#[derive(Debug)]
pub struct Source {
    path: PathBuf,
}

impl Source {
    pub(in crate::store) fn open(url: &SqliteUrl) -> Result<Self, StoreError> {
        schema::open_for_read(&url.path)?;
        Ok(Self { path: url.path.clone() })
    }

    pub(in crate::store) fn plan(&self, window: Window) -> Result<Plan, StoreError> {
        let connection = schema::open_for_read(&self.path)?;
        let partition = match bounds(&connection, window.from(), window.to())? {
            Some((first, last)) => vec![PartitionPlan { partition: PARTITION, from: first, to: last + 1 }],
            None => Vec::new(),
        };
        Ok(Plan { window, partitions: partition })
    }

    pub(in crate::store) fn expired(&self, plan: &Plan) -> Result<Option<Expired>, StoreError> {
        let connection = schema::open_for_read(&self.path)?;
        let window = plan.window;
        let (from, to) = (window.from().as_nanos() as i64, window.to().as_nanos() as i64);
        // Sequence numbers begin at 1: where that one is gone, the oldest have been removed.
        let sql = "SELECT coalesce((SELECT min(seq) FROM exchanges), (SELECT seq + 1 FROM sqlite_sequence), 1) > 1
            AND NOT EXISTS (SELECT 1 FROM exchanges WHERE arrival < ?1)";
        if !connection.query_row(sql, [from], |row| row.get(0))? {
            return Ok(None);
        }
        let sql = "SELECT min(arrival) FROM exchanges WHERE arrival >= ?1 AND arrival < ?2";
        let first: Option<i64> = connection.query_row(sql, [from, to], |row| row.get(0))?;
        let left_from = first.and_then(|nanos| u64::try_from(nanos).ok()).map(Timestamp::from_nanos);
        Ok(Some(Expired { left_from }))
    }

    pub(in crate::store) fn read(&self, plan: &Plan) -> Result<Reader, StoreError> {
        Ok(Reader::new(schema::open_for_read(&self.path)?, plan))
    }

    pub(in crate::store) fn follow(&self, group: &str, start: Start) -> Result<Follower, StoreError> {
        Follower::new(self.path.clone(), group, start)
    }

    pub(in crate::store) fn keep(&self, name: &str) -> Result<Keeper, StoreError> {
        Keeper::take(&self.path, name)
    }

    pub(in crate::store) fn marks(&self, name: &str) -> Result<Vec<Mark>, StoreError> {
        keep::marks(&self.path, name)
    }

    pub(in crate::store) fn kept(&self, prefix: &str) -> Result<Vec<Kept>, StoreError> {
        keep::names(&self.path, prefix)
    }

    pub(in crate::store) fn forget(&self, name: &str) -> Result<(), StoreError> {
        keep::forget(&self.path, name)
    }
}

fn bounds(connection: &Connection, from: Timestamp, to: Timestamp) -> rusqlite::Result<Option<(i64, i64)>> {
    let (first, last): (Option<i64>, Option<i64>) = connection
        .prepare_cached(BOUNDS)?
        .query_row((from.as_nanos() as i64, to.as_nanos() as i64), |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(first.zip(last))
}

/// The sequence number before the first one that a start means.
pub(super) fn before_start(connection: &Connection, start: Start) -> rusqlite::Result<i64> {
    let last = || {
        let sql = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'exchanges'";
        connection.query_row(sql, [], |row| row.get(0))
    };
    match start {
        Start::Earliest => {
            let first: Option<i64> = connection.query_row("SELECT min(seq) FROM exchanges", [], |row| row.get(0))?;
            first.map_or_else(last, |seq| Ok(seq - 1))
        }
        Start::Latest => last(),
        Start::At(time) => {
            let sql = "SELECT min(arrival) FROM exchanges WHERE arrival >= ?1";
            let first: Option<i64> = connection.query_row(sql, [time.as_nanos() as i64], |row| row.get(0))?;
            let Some(first) = first.and_then(|nanos| u64::try_from(nanos).ok()).map(Timestamp::from_nanos) else {
                return last();
            };
            // What stands earlier in the log arrived at most the slack later.
            let found = bounds(connection, first, first.after(SLACK))?;
            found.map_or_else(last, |(seq, _)| Ok(seq - 1))
        }
    }
}
