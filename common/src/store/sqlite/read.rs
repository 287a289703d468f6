//! A planned window, in arrival order, a page at a time.

use std::collections::VecDeque;
use std::thread;
use std::time::Duration;

use rusqlite::{Connection, Row};

use super::PARTITION;
use crate::codec;
use crate::store::{Next, PartitionPlan, Plan, Position, Read, StoreError, Stored};

/// Behind `(?1, ?2)`, before arrival ?3, of the sequence numbers from ?4 to before ?5. The `+` keeps SQLite from
/// walking the table by `seq`, which would have to be sorted.
const PAGE: &str = "SELECT seq, value, arrival FROM exchanges
    WHERE arrival >= ?1 AND arrival < ?3 AND (arrival > ?1 OR +seq > ?2) AND +seq >= ?4 AND +seq < ?5
    ORDER BY arrival, seq LIMIT ?6";

const FIRST: &str = "SELECT min(seq) FROM exchanges";

/// Rows of one page, and the bytes that end a page early: a read transaction stays short, memory bounded, and a processor
/// is not kept from others for long.
pub(super) const PAGE_ROWS: u32 = 128;
pub(super) const PAGE_BYTES: usize = 4 << 20;

/// Reads one plan.
pub(in crate::store) struct Reader {
    connection: Connection,
    plan: PartitionPlan,
    /// The window's end, in nanoseconds.
    to: i64,
    /// Arrival and sequence number of the last record that was fetched.
    last: (i64, i64),
    /// Behind the highest sequence number that was fetched, or is known to be gone.
    next: i64,
    /// Planned sequence numbers that were removed before they were fetched.
    gone: u64,
    page: VecDeque<Fetched>,
    held: bool,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Reading,
    /// Everything has been fetched; what is left is in the page.
    Fetched,
    Ended,
}

impl Reader {
    pub(super) fn new(connection: Connection, plan: &Plan) -> Self {
        let nothing = PartitionPlan { partition: PARTITION, from: 0, to: 0 };
        let part = plan.partitions.first().copied();
        let planned = part.unwrap_or(nothing);
        Self {
            connection,
            plan: planned,
            next: planned.from,
            gone: 0,
            to: plan.window.to().as_nanos() as i64,
            last: (plan.window.from().as_nanos() as i64, -1),
            page: VecDeque::new(),
            held: false,
            state: if part.is_some() { State::Reading } else { State::Ended },
        }
    }

    fn fetch(&mut self) -> Result<(), StoreError> {
        // Both look at the same moment.
        let snapshot = self.connection.unchecked_transaction()?;
        let first: Option<i64> = snapshot.prepare_cached(FIRST)?.query_row([], |row| row.get(0))?;
        let mut statement = snapshot.prepare_cached(PAGE)?;
        let (arrival, seq) = self.last;
        let mut rows = statement.query((arrival, seq, self.to, self.plan.from, self.plan.to, PAGE_ROWS))?;
        let mut bytes = 0;
        // Retention removes by sequence number, which is nearly the order of arrival: what is below the first that there
        // is, and above all that was fetched, went before it was fetched.
        let first = first.unwrap_or(self.plan.to).min(self.plan.to);
        let gone = u64::try_from(first - self.next).unwrap_or(0);
        self.next = self.next.max(first);
        while bytes < PAGE_BYTES
            && let Some(row) = rows.next()?
        {
            let fetched = Fetched::from_row(row)?;
            bytes += fetched.value.len();
            self.last = (row.get(2)?, fetched.seq);
            self.next = self.next.max(fetched.seq + 1);
            self.page.push_back(fetched);
        }
        if gone > 0 {
            self.gone += gone;
            tracing::warn!(gone, "records were removed from the store before they were read");
        }
        if self.page.is_empty() {
            self.state = State::Fetched;
        }
        Ok(())
    }
}

/// A row of (sequence number, value). It is decoded when its turn comes: a page at once would keep a processor from
/// others for milliseconds.
pub(super) struct Fetched {
    pub(super) seq: i64,
    pub(super) value: Vec<u8>,
}

impl Fetched {
    pub(super) fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self { seq: row.get(0)?, value: row.get_ref(1)?.as_blob()?.to_vec() })
    }

    pub(super) fn stored(&self) -> Stored {
        Stored {
            position: Position { partition: PARTITION, offset: self.seq },
            size: self.value.len(),
            exchange: codec::decode(&self.value),
        }
    }
}

impl Read for Reader {
    fn next(&mut self, wait: Duration) -> Result<Next, StoreError> {
        if self.held && self.state == State::Reading {
            thread::sleep(wait);
            return Ok(Next::Idle);
        }
        if self.page.is_empty() && self.state == State::Reading {
            self.fetch()?;
        }
        if let Some(fetched) = self.page.pop_front() {
            return Ok(Next::Record(fetched.stored()));
        }
        if self.state == State::Ended {
            return Ok(Next::End);
        }
        self.state = State::Ended;
        Ok(Next::PartitionEnd(PARTITION))
    }

    fn hold(&mut self, partition: i32, held: bool) -> Result<(), StoreError> {
        if partition == PARTITION {
            self.held = held;
        }
        Ok(())
    }

    fn restart(&mut self, upto: Position) -> i64 {
        upto.offset + 1
    }

    fn gone(&self) -> u64 {
        self.gone
    }
}
