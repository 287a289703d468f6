//! The reading side: a file that exists.

use std::path::PathBuf;

use rusqlite::Connection;

use super::PARTITION;
use super::follow::Follower;
use super::read::Reader;
use super::schema;
use crate::store::{PartitionPlan, Plan, SLACK, SqliteUrl, Start, StoreError};
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

    pub(in crate::store) fn read(&self, plan: &Plan) -> Result<Reader, StoreError> {
        Ok(Reader::new(schema::open_for_read(&self.path)?, plan))
    }

    pub(in crate::store) fn follow(&self, group: &str, start: Start) -> Result<Follower, StoreError> {
        Follower::new(self.path.clone(), group, start)
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
        Start::Earliest => Ok(0),
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
