//! Checkpoints in the file, each under a lease.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use super::schema;
use crate::store::keep::HOLD_WITHIN;
use crate::store::{Keep, Kept, Mark, Position, StoreError};
use crate::time::Timestamp;

/// Made when the first job needs them: a store that has never seen one has no such tables.
const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS checkpoint_leases (
        name    TEXT PRIMARY KEY,
        owner   INTEGER,
        expires INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS checkpoints (
        name      TEXT NOT NULL,
        partition INTEGER NOT NULL,
        seq       INTEGER NOT NULL,
        note      TEXT NOT NULL,
        PRIMARY KEY (name, partition)
    ) STRICT, WITHOUT ROWID;";

/// A process that has said nothing for this long has lost the name. By the machine's clock, which all users of one file
/// share; where it jumps, a holder that lost the name to another is told so by its next write.
const LEASE: Duration = Duration::from_secs(3);
/// How often a lease is renewed.
const RENEW_EVERY: Duration = Duration::from_millis(500);
/// Between two looks at a name that another process holds.
const LOOK: Duration = Duration::from_millis(100);

/// Holds one name.
pub(in crate::store) struct Keeper {
    connection: Connection,
    name: String,
    /// Tells this holder from every other, also in the same process.
    owner: i64,
    renewed: Instant,
}

impl Keeper {
    pub(super) fn take(path: &Path, name: &str) -> Result<Self, StoreError> {
        let connection = schema::open_for_follow(path)?;
        connection.execute_batch(TABLES)?;
        let mut keeper = Self { connection, name: name.to_owned(), owner: fastrand::i64(..), renewed: Instant::now() };
        let until = Instant::now() + HOLD_WITHIN;
        let (mut said, first) = (false, keeper.expires()?);
        while !keeper.try_take()? {
            // One that renews its lease lives.
            if keeper.expires()? > first || Instant::now() >= until {
                return Err(StoreError::Held { name: name.to_owned() });
            }
            if !std::mem::replace(&mut said, true) {
                tracing::info!(name, within = ?HOLD_WITHIN, "another process holds the name; waiting for it to end");
            }
            thread::sleep(LOOK);
        }
        Ok(keeper)
    }

    fn try_take(&mut self) -> rusqlite::Result<bool> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let now = Timestamp::now();
        let taken = transaction.execute(
            "INSERT INTO checkpoint_leases (name, owner, expires) VALUES (?1, ?2, ?3)
            ON CONFLICT (name) DO UPDATE SET owner = ?2, expires = ?3 WHERE owner IS NULL OR expires <= ?4",
            (&self.name, self.owner, now.after(LEASE).as_millis(), now.as_millis()),
        )?;
        transaction.commit()?;
        self.renewed = Instant::now();
        Ok(taken > 0)
    }

    fn expires(&self) -> rusqlite::Result<Option<i64>> {
        let sql = "SELECT expires FROM checkpoint_leases WHERE name = ?1 AND owner IS NOT NULL";
        self.connection.query_row(sql, [&self.name], |row| row.get(0)).optional()
    }

    /// Renews the lease and writes marks, in one transaction. False where the name is another's by now.
    fn write(&mut self, marks: &[Mark]) -> rusqlite::Result<bool> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let expires = Timestamp::now().after(LEASE).as_millis();
        let renewed = transaction
            .prepare_cached("UPDATE checkpoint_leases SET expires = ?3 WHERE name = ?1 AND owner IS ?2")?
            .execute((&self.name, self.owner, expires))?;
        if renewed == 0 {
            return Ok(false);
        }
        for mark in marks {
            transaction
                .prepare_cached(
                    "INSERT OR REPLACE INTO checkpoints (name, partition, seq, note) VALUES (?1, ?2, ?3, ?4)",
                )?
                .execute((&self.name, mark.position.partition, mark.position.offset, &mark.note))?;
        }
        transaction.commit()?;
        self.renewed = Instant::now();
        Ok(true)
    }

    fn lost(&self) -> StoreError {
        StoreError::Taken { name: self.name.clone() }
    }
}

impl Keep for Keeper {
    fn keep(&mut self, marks: &[Mark], _: Duration) -> Result<bool, StoreError> {
        match self.write(marks) {
            Ok(true) => Ok(true),
            Ok(false) => Err(self.lost()),
            // Another process's lock, which passes.
            Err(error) if schema::is_busy(&error) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn tend(&mut self) -> Result<(), StoreError> {
        if self.renewed.elapsed() < RENEW_EVERY {
            return Ok(());
        }
        self.keep(&[], Duration::ZERO).map(drop)
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let sql = "UPDATE checkpoint_leases SET owner = NULL, expires = 0 WHERE name = ?1 AND owner IS ?2";
        // Where this fails, the lease ends by itself.
        let _ = self.connection.execute(sql, (&self.name, self.owner));
    }
}

/// The marks under a name.
pub(super) fn marks(path: &Path, name: &str) -> Result<Vec<Mark>, StoreError> {
    let connection = schema::open_for_read(path)?;
    if !has_tables(&connection)? {
        return Ok(Vec::new());
    }
    let sql = "SELECT partition, seq, note FROM checkpoints WHERE name = ?1 ORDER BY partition";
    let mut statement = connection.prepare(sql)?;
    let mark = |row: &rusqlite::Row<'_>| {
        Ok(Mark { position: Position { partition: row.get(0)?, offset: row.get(1)? }, note: row.get(2)? })
    };
    let marks = statement.query_map([name], mark)?.collect::<Result<_, _>>()?;
    Ok(marks)
}

/// The names that begin so and have a checkpoint.
pub(super) fn names(path: &Path, prefix: &str) -> Result<Vec<Kept>, StoreError> {
    let connection = schema::open_for_read(path)?;
    if !has_tables(&connection)? {
        return Ok(Vec::new());
    }
    let sql = "SELECT DISTINCT name, EXISTS (SELECT 1 FROM checkpoint_leases l
            WHERE l.name = c.name AND l.owner IS NOT NULL AND l.expires > ?2)
        FROM checkpoints c WHERE substr(name, 1, length(?1)) = ?1 ORDER BY name";
    let mut statement = connection.prepare(sql)?;
    let kept = |row: &rusqlite::Row<'_>| Ok(Kept { name: row.get(0)?, held: row.get(1)? });
    let names = statement.query_map((prefix, Timestamp::now().as_millis()), kept)?.collect::<Result<_, _>>()?;
    Ok(names)
}

/// Forgets a name that nobody holds.
pub(super) fn forget(path: &Path, name: &str) -> Result<(), StoreError> {
    let mut connection = schema::open_for_follow(path)?;
    connection.execute_batch(TABLES)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let sql = "SELECT 1 FROM checkpoint_leases WHERE name = ?1 AND owner IS NOT NULL AND expires > ?2";
    let held = transaction.query_row(sql, (name, Timestamp::now().as_millis()), |_| Ok(())).optional()?;
    if held.is_some() {
        return Err(StoreError::Held { name: name.to_owned() });
    }
    transaction.execute("DELETE FROM checkpoints WHERE name = ?1", [name])?;
    transaction.execute("DELETE FROM checkpoint_leases WHERE name = ?1", [name])?;
    Ok(transaction.commit()?)
}

fn has_tables(connection: &Connection) -> rusqlite::Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'checkpoints')";
    connection.query_row(sql, [], |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::PARTITION;

    fn mark(offset: i64, note: &str) -> Mark {
        Mark { position: Position { partition: PARTITION, offset }, note: note.to_owned() }
    }

    #[test]
    fn a_name_that_was_taken_by_another_keeps_nothing_of_its_last_holder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.db");
        schema::open_or_make(&path).unwrap();
        let mut slow = Keeper::take(&path, "job").unwrap();
        assert!(slow.keep(&[mark(1, "slow")], Duration::ZERO).unwrap());
        // Its lease ran out unseen, and another process took the name.
        slow.connection.execute("UPDATE checkpoint_leases SET expires = 0", []).unwrap();
        let mut next = Keeper::take(&path, "job").unwrap();
        assert!(next.keep(&[mark(2, "next")], Duration::ZERO).unwrap());
        assert!(matches!(slow.keep(&[mark(9, "slow")], Duration::ZERO), Err(StoreError::Taken { .. })));
        assert_eq!(marks(&path, "job").unwrap(), [mark(2, "next")]);
        drop(slow);
        assert!(names(&path, "j").unwrap()[0].held, "only its holder gives a name back");
    }
}
