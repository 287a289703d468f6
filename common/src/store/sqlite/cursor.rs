//! A group's position, and the lease that lets one process at a time read for it.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use crate::time::Timestamp;

/// A process that has not renewed its lease for this long has lost it.
pub(super) const LEASE: Duration = Duration::from_secs(10);

/// One process's hold on a group's position.
pub(super) struct Cursor {
    name: String,
    /// Tells this follower from every other, also in the same process.
    owner: i64,
}

impl Cursor {
    /// The cursor of a group. Where the group has no position that anybody keeps, it begins behind `start`.
    pub(super) fn new(connection: &Connection, name: &str, start: i64) -> rusqlite::Result<Self> {
        let cursor = Self { name: name.to_owned(), owner: fastrand::i64(..) };
        cursor.begin(connection, start)?;
        Ok(cursor)
    }

    fn begin(&self, connection: &Connection, start: i64) -> rusqlite::Result<()> {
        let sql = "INSERT INTO cursors (name, seq, kept, owner, expires) VALUES (?1, ?2, 0, NULL, 0)
            ON CONFLICT (name) DO UPDATE SET seq = ?2 WHERE kept = 0 AND expires <= ?3";
        connection.execute(sql, (&self.name, start, Timestamp::now().as_millis()))?;
        Ok(())
    }

    /// Takes or renews the lease: the position behind which to read, or `None` while another process has it.
    ///
    /// A group whose cursor has gone (its last reader left without keeping a position) begins behind `start`.
    pub(super) fn hold(&self, connection: &mut Connection, start: i64) -> rusqlite::Result<Option<i64>> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let known: bool = transaction
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM cursors WHERE name = ?1)")?
            .query_row([&self.name], |row| row.get(0))?;
        if !known {
            self.begin(&transaction, start)?;
        }
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
        let sql = "UPDATE cursors SET seq = max(seq, ?3), kept = 1 WHERE name = ?1 AND owner IS ?2";
        connection.prepare_cached(sql)?.execute((&self.name, self.owner, seq))?;
        Ok(())
    }

    /// Gives the lease back, so that another process goes on at once; forgets a group that never kept a position.
    pub(super) fn release(&self, connection: &Connection) -> rusqlite::Result<()> {
        let forget = "DELETE FROM cursors WHERE name = ?1 AND owner IS ?2 AND kept = 0";
        connection.execute(forget, (&self.name, self.owner))?;
        let release = "UPDATE cursors SET owner = NULL, expires = 0 WHERE name = ?1 AND owner IS ?2";
        connection.execute(release, (&self.name, self.owner))?;
        Ok(())
    }
}
