//! The live tail of the file, polled.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::cursor::{Cursor, LEASE};
use super::read::{Fetched, PAGE_BYTES, PAGE_ROWS};
use super::source::before_start;
use super::{PARTITION, schema};
use crate::store::{Follow, Next, Position, Share, Start, StoreError};

/// Sequence numbers have few gaps, and counting rows would take as long as there are.
const LAST: &str = "SELECT COALESCE(MAX(seq), 0) FROM exchanges";
const PAGE: &str = "SELECT seq, value FROM exchanges WHERE seq > ?1 ORDER BY seq LIMIT ?2";
const FIRST: &str = "SELECT min(seq) FROM exchanges";
/// How often the file is looked at while nothing comes.
const POLL: Duration = Duration::from_millis(20);
/// How often the lease is renewed and what is done is written.
const KEEP_EVERY: Duration = Duration::from_secs(1);
/// A file that loses records again and again is spoken of this often.
const SAY_EVERY: Duration = Duration::from_secs(30);
/// A file that has just come may still be empty for this long: a recorder is making it.
const MAKING: Duration = Duration::from_secs(5);

/// Follows one file for a group. While another process follows for the same group, it stands by.
pub(in crate::store) struct Follower {
    path: PathBuf,
    group: String,
    connection: Connection,
    cursor: Cursor,
    /// Where a group without a position begins: behind this.
    start: i64,
    /// The last sequence number that was fetched.
    last: i64,
    page: VecDeque<Fetched>,
    /// When the lease was renewed; `None` while standing by.
    leased: Option<Instant>,
    /// When the lease was last asked for.
    asked: Option<Instant>,
    /// Done, and not yet written.
    done: Option<i64>,
    /// Up to here everything is done.
    upto: i64,
    /// How many sequence numbers were removed before they were fetched.
    gone: BTreeMap<i32, u64>,
    /// When that was last said.
    said_gone: Option<Instant>,
    /// When another file was first seen under the name.
    moved: Option<Instant>,
}

impl Follower {
    pub(super) fn new(path: PathBuf, group: &str, start: Start) -> Result<Self, StoreError> {
        let connection = schema::open_for_follow(&path)?;
        let start = before_start(&connection, start)?;
        let cursor = Cursor::new(&connection, group, start)?;
        let mut follower = Self {
            path,
            group: group.to_owned(),
            connection,
            cursor,
            start,
            last: start,
            page: VecDeque::new(),
            leased: None,
            asked: None,
            done: None,
            upto: start,
            gone: BTreeMap::new(),
            said_gone: None,
            moved: None,
        };
        follower.keep_hold()?;
        Ok(follower)
    }

    /// Writes what is done and renews or asks for the lease, when it is time to.
    fn keep_hold(&mut self) -> Result<(), StoreError> {
        if self.asked.is_some_and(|at| at.elapsed() < KEEP_EVERY) {
            return Ok(());
        }
        let now = Instant::now();
        self.asked = Some(now);
        match self.keep_and_hold() {
            Ok(Some(seq)) => {
                if self.leased.replace(now).is_none() {
                    self.last = seq;
                    self.upto = seq;
                    self.page.clear();
                }
            }
            Ok(None) => self.stand_by(),
            // Another process's lock: the lease holds on until it expires.
            Err(e) if schema::is_busy(&e) => {
                if self.leased.is_some_and(|at| at.elapsed() >= LEASE) {
                    self.stand_by();
                }
            }
            Err(e) => return Err(e.into()),
        }
        Ok(())
    }

    fn keep_and_hold(&mut self) -> rusqlite::Result<Option<i64>> {
        if let Some(seq) = self.done {
            self.cursor.keep(&self.connection, seq)?;
            self.done = None;
        }
        self.cursor.hold(&mut self.connection, self.start)
    }

    fn stand_by(&mut self) {
        self.leased = None;
        self.page.clear();
        self.done = None;
    }

    fn fetch(&mut self) -> Result<(), StoreError> {
        let behind = self.last;
        self.fetch_page()?;
        match self.page.front().map(|first| first.seq) {
            Some(first) if first > behind + 1 => self.count_gone(behind, first),
            _ => Ok(()),
        }
    }

    /// Retention removes from the beginning: what is missing behind the last that was fetched, and before the first that
    /// there is, went before it was fetched.
    fn count_gone(&mut self, behind: i64, fetched: i64) -> Result<(), StoreError> {
        let first: Option<i64> = self.connection.prepare_cached(FIRST)?.query_row((), |row| row.get(0))?;
        let gone = u64::try_from(first.map_or(fetched, |first| first.min(fetched)) - behind - 1).unwrap_or(0);
        if gone == 0 {
            return Ok(());
        }
        let all = self.gone.entry(PARTITION).or_default();
        *all += gone;
        if self.said_gone.is_none_or(|at| at.elapsed() >= SAY_EVERY) {
            self.said_gone = Some(Instant::now());
            tracing::warn!(
                gone = *all,
                "records were removed from the store before they were followed; going on behind them"
            );
        }
        Ok(())
    }

    fn fetch_page(&mut self) -> Result<(), StoreError> {
        let mut statement = self.connection.prepare_cached(PAGE)?;
        let mut rows = statement.query((self.last, PAGE_ROWS))?;
        let mut bytes = 0;
        while bytes < PAGE_BYTES
            && let Some(row) = rows.next()?
        {
            let fetched = Fetched::from_row(row)?;
            bytes += fetched.value.len();
            self.last = fetched.seq;
            self.page.push_back(fetched);
        }
        Ok(())
    }

    /// Goes over to the file that now has the name, if the followed one was deleted. All of it is new.
    fn reopen_if_moved(&mut self) -> Result<(), StoreError> {
        if !schema::has_moved(&self.connection) || !self.path.exists() {
            self.moved = None;
            return Ok(());
        }
        let moved = *self.moved.get_or_insert_with(Instant::now);
        self.connection = match schema::open_for_follow(&self.path) {
            Ok(connection) => connection,
            Err(_) if moved.elapsed() < MAKING => return Ok(()),
            Err(error) => return Err(error),
        };
        self.moved = None;
        self.start = 0;
        self.cursor = Cursor::new(&self.connection, &self.group, self.start)?;
        self.stand_by();
        self.asked = None;
        Ok(())
    }
}

impl Follow for Follower {
    fn next(&mut self, wait: Duration) -> Result<Next, StoreError> {
        let until = Instant::now() + wait;
        loop {
            self.keep_hold()?;
            if self.leased.is_some() {
                if self.page.is_empty() {
                    self.fetch()?;
                }
                if let Some(fetched) = self.page.pop_front() {
                    return Ok(Next::Record(fetched.stored()));
                }
            }
            self.reopen_if_moved()?;
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(Next::Idle);
            }
            thread::sleep(left.min(POLL));
        }
    }

    fn done(&mut self, upto: Position) -> Result<(), StoreError> {
        if self.leased.is_some() {
            self.done = self.done.max(Some(upto.offset));
            self.upto = self.upto.max(upto.offset);
        }
        self.keep_hold()
    }

    fn tend(&mut self) -> Result<(), StoreError> {
        self.keep_hold()
    }

    fn gone(&self) -> &BTreeMap<i32, u64> {
        &self.gone
    }

    fn behind(&self) -> Result<Option<u64>, StoreError> {
        if self.leased.is_none() {
            return Ok(Some(0));
        }
        let last: i64 = self.connection.prepare_cached(LAST)?.query_row((), |row| row.get(0))?;
        Ok(Some(u64::try_from(last - self.upto).unwrap_or(0)))
    }

    fn share(&self) -> Share {
        let held = if self.leased.is_some() { vec![PARTITION] } else { Vec::new() };
        Share { held, of: 1 }
    }

    fn close(self: Box<Self>) -> Result<(), StoreError> {
        if let Some(seq) = self.done {
            self.cursor.keep(&self.connection, seq)?;
        }
        Ok(self.cursor.release(&self.connection)?)
    }
}
