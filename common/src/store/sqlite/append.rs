//! The writing side: a batch is one transaction.

use std::marker::PhantomData;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::{Connection, TransactionBehavior};

use super::retention::Limits;
use super::retry::Retry;
use super::schema;
use crate::codec::MAX_RECORD;
use crate::store::{Append, Loss, Receipt, Record, SqliteUrl, StoreError, StoreHealth, StoreState};
use crate::time::Timestamp;

/// For a lock that has already been waited for.
const SHORT: Duration = Duration::from_millis(20);

const INSERT: &str = "INSERT INTO exchanges (id, arrival, value) VALUES (?1, ?2, ?3)";

/// Appends to one file. After an error it opens the file anew, so recording resumes by itself.
pub(in crate::store) struct Appender<R> {
    path: PathBuf,
    limits: Limits,
    health: Arc<StoreHealth>,
    /// Absent after an error.
    connection: Option<Connection>,
    retry: Retry,
    receipts: PhantomData<fn(R)>,
}

impl<R: Receipt> Appender<R> {
    pub(in crate::store) fn open(url: &SqliteUrl, health: Arc<StoreHealth>) -> Result<Self, StoreError> {
        let connection = schema::open_or_make(&url.path)?;
        Ok(Self {
            path: url.path.clone(),
            limits: Limits::new(url),
            health,
            connection: Some(connection),
            retry: Retry::default(),
            receipts: PhantomData,
        })
    }

    /// The open connection; a new one where there is none or its file is gone.
    pub(super) fn connect(&mut self) -> Result<&mut Connection, StoreError> {
        if self.connection.as_ref().is_some_and(schema::has_moved) {
            // Closed before the new file is made: closing removes the old one's write-ahead log by its name.
            self.connection = None;
            tracing::warn!(path = %self.path.display(), "the store's file was removed; making it anew");
        }
        match &mut self.connection {
            Some(connection) => Ok(connection),
            absent => Ok(absent.insert(schema::open_or_make(&self.path)?)),
        }
    }

    fn write(&mut self, batch: &[Record<R>]) -> Result<(), StoreError> {
        let limits = self.limits;
        let path = self.path.clone();
        let connection = self.connect()?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        limits.make_room(&transaction, batch.iter().map(|r| r.value.len() as u64).sum())?;
        let mut insert = transaction.prepare_cached(INSERT)?;
        for record in batch {
            let arrival = record.arrival.as_nanos() as i64;
            insert.execute((record.id.to_bytes().as_slice(), arrival, record.value.as_slice()))?;
        }
        drop(insert);
        transaction.commit()?;
        if schema::has_moved(connection) {
            return Err(StoreError::Path { path, why: "the file was removed while it was written".into() });
        }
        Ok(())
    }

    /// What an error means for the records it hit, and for the connection.
    fn failed(&mut self, error: &StoreError) -> Loss {
        if let StoreError::Sqlite(e) = error
            && schema::is_busy(e)
        {
            self.health.away(format!("another process keeps {} locked: {error}", self.path.display()));
            // The first wait was long enough for every lock that passes; the queue must not fill up behind the others.
            if let Some(connection) = &self.connection {
                let _ = connection.busy_timeout(SHORT);
            }
            return Loss::Timeout;
        }
        self.health.down(match error {
            StoreError::Sqlite(e) => format!("cannot write {}: {e}", self.path.display()),
            other => other.to_string(),
        });
        self.connection = None;
        self.retry.failed(Instant::now());
        Loss::Rejected
    }

    /// The file takes writes again: locks are waited for again.
    fn recovered(&mut self) {
        if self.health.get().0 == StoreState::Down
            && let Some(connection) = &self.connection
        {
            let _ = connection.busy_timeout(schema::BUSY);
        }
    }
}

impl<R: Receipt> Append<R> for Appender<R> {
    fn append(&mut self, batch: &mut Vec<Record<R>>) {
        for record in batch.extract_if(.., |r| r.value.len() > MAX_RECORD) {
            record.receipt.lost(Loss::TooLarge);
        }
        if batch.is_empty() {
            return;
        }
        if !self.retry.is_due(Instant::now()) {
            batch.drain(..).for_each(|record| record.receipt.lost(Loss::Rejected));
            return;
        }
        match self.write(batch) {
            Ok(()) => {
                self.recovered();
                self.retry = Retry::default();
                self.health.up();
                batch.drain(..).for_each(|record| record.receipt.stored());
            }
            Err(error) => {
                let loss = self.failed(&error);
                batch.drain(..).for_each(|record| record.receipt.lost(loss));
            }
        }
    }

    fn tend(&mut self) {
        let (limits, down) = (self.limits, self.health.get().0 == StoreState::Down);
        let tended = self.connect().and_then(|connection| {
            if down {
                // Without traffic no write shows that a lock is gone.
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?.rollback()?;
            }
            Ok(limits.apply(connection, Timestamp::now())?)
        });
        match tended {
            Ok(()) => {
                self.recovered();
                self.health.reachable();
            }
            // The next time will do.
            Err(StoreError::Sqlite(e)) if schema::is_busy(&e) => {}
            Err(error) => {
                self.failed(&error);
            }
        }
    }

    fn close(self: Box<Self>, _deadline: Duration) {
        // Every batch was confirmed or given up when `append` returned.
    }
}
