//! A group's position, and the lease that lets one process at a time read for it.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use crate::time::Timestamp;

/// A process that has not renewed its lease for this long has lost it.
pub(super) const LEASE: Duration = Duration::from_secs(10);
/// A group that nobody has followed for this long is forgotten, as Kafka does by default.
const FORGET: Duration = Duration::from_secs(7 * 24 * 3600);

/// One process's hold on a group's position.
pub(super) struct Cursor {
    name: String,
    /// Tells this follower from every other, also in the same process.
    owner: i64,
}

impl Cursor {
    /// The cursor of a group. Where the group has no position yet, it is `start` from now on.
    pub(super) fn new(connection: &Connection, name: &str, start: i64) -> rusqlite::Result<Self> {
        let forgotten = Timestamp::now().before(FORGET).as_millis();
        connection.execute("DELETE FROM cursors WHERE expires < ?1", [forgotten])?;
        let cursor = Self { name: name.to_owned(), owner: fastrand::i64(..) };
        cursor.begin(connection, start)?;
        Ok(cursor)
    }

    fn begin(&self, connection: &Connection, start: i64) -> rusqlite::Result<()> {
        let sql = "INSERT INTO cursors (name, seq, owner, expires) VALUES (?1, ?2, NULL, ?3) ON CONFLICT DO NOTHING";
        connection.prepare_cached(sql)?.execute((&self.name, start, Timestamp::now().as_millis()))?;
        Ok(())
    }

    /// Takes or renews the lease: the position behind which to read, or `None` while another process has it.
    ///
    /// Where the cursor is gone (the file was replaced), it begins behind `start` again.
    pub(super) fn hold(&self, connection: &mut Connection, start: i64) -> rusqlite::Result<Option<i64>> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        self.begin(&transaction, start)?;
        let now = Timestamp::now();
        let seq = transaction
            .prepare_cached(
                "UPDATE cursors SET owner = ?2, expires = ?3
                WHERE name = ?1 AND (owner IS ?2 OR expires <= ?4) RETURNING seq",
            )?
            .query_row((&self.name, self.owner, now.after(LEASE).as_millis(), now.as_millis()), |row| row.get(0))
            .optional()?;
        transaction.commit()?;
        Ok(seq)
    }

    /// Keeps a position, if the lease is still this follower's. A position never goes back.
    pub(super) fn keep(&self, connection: &Connection, seq: i64) -> rusqlite::Result<()> {
        let sql = "UPDATE cursors SET seq = max(seq, ?3) WHERE name = ?1 AND owner IS ?2";
        connection.prepare_cached(sql)?.execute((&self.name, self.owner, seq))?;
        Ok(())
    }

    /// Gives the lease back, so that another process goes on at once.
    pub(super) fn release(&self, connection: &Connection) -> rusqlite::Result<()> {
        let sql = "UPDATE cursors SET owner = NULL, expires = ?3 WHERE name = ?1 AND owner IS ?2";
        connection.execute(sql, (&self.name, self.owner, Timestamp::now().as_millis()))?;
        Ok(())
    }
}
