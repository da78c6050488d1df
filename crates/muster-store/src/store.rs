//! Opening the store, and its transactions.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection as _, PgPool, SqlitePool};

use crate::StoreError;
use crate::dialect::Dialect;
use crate::hints::Hints;
use crate::runs::next_id;
use crate::schema;
use crate::space::Space;
use crate::sql::{Conn, Inner};

/// Where a store lies.
#[derive(Debug, Clone)]
pub enum Location {
    /// A directory that holds the embedded database.
    Directory(PathBuf),
    /// The URL of a PostgreSQL database. It may hold a password: it is never shown.
    Url(muster_core::secret::Secret),
}

impl Location {
    fn shown(&self) -> String {
        match self {
            Self::Directory(path) => path.display().to_string(),
            Self::Url(_) => "the PostgreSQL database".to_owned(),
        }
    }
}

/// The page cache of each SQLite connection, in KiB (design section 9: 32 MiB in all).
pub(crate) const SQLITE_WRITER_CACHE_KIB: u32 = 16 << 10;
/// The same while indexes are made: the sorter takes as much again.
pub(crate) const SQLITE_BUILD_CACHE_KIB: u32 = 8 << 10;
/// Readers are many and their caches small: who asks for one thing needs several statements, and with few connections
/// each of them waits for its turn behind everybody else's.
const SQLITE_READERS: u32 = 8;
const SQLITE_READER_CACHE_KIB: u32 = 1 << 10;

/// How long a database may take to answer at first.
const REACH: Duration = Duration::from_secs(5);

/// What PostgreSQL is told of each connection. A process that stops in the middle of a transaction, or whose machine is
/// gone, holds its locks no longer than a job's lease, and whoever takes its job over can write.
const POSTGRES_SESSION: [(&str, &str); 5] = [
    ("idle_in_transaction_session_timeout", "15s"),
    ("tcp_keepalives_idle", "10"),
    ("tcp_keepalives_interval", "5"),
    ("tcp_keepalives_count", "2"),
    ("tcp_user_timeout", "20s"),
];

/// An open store.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) pools: Pools,
    pub(crate) hints: Hints,
    space: Space,
}

#[derive(Debug, Clone)]
pub(crate) enum Pools {
    /// One writer, so that a batch never waits for a lock it would lose; readers beside it.
    Sqlite {
        writer: SqlitePool,
        reader: SqlitePool,
    },
    Postgres(PgPool),
}

impl Store {
    /// Opens the store, creating or migrating it; what a crash left undone is made good.
    pub async fn open(location: &Location) -> Result<Self, StoreError> {
        let store = Self::open_beside(location).await?;
        store.end_load().await?;
        Ok(store)
    }

    /// Opens the store beside a writer that may be at work: what it has left for later is left to it.
    pub async fn open_beside(location: &Location) -> Result<Self, StoreError> {
        let shown = location.shown();
        let failed = |source| StoreError::Open { location: shown.clone(), source };
        let pools = match location {
            Location::Directory(directory) => sqlite(directory).await.map_err(failed)?,
            Location::Url(url) => {
                let options = PgConnectOptions::from_str(url.reveal()).map_err(|_| {
                    failed(sqlx::Error::Configuration(
                        "it is not a `postgres://user:password@host/database` URL".into(),
                    ))
                })?;
                let options = options.options(POSTGRES_SESSION);
                reach(&options).await.map_err(failed)?;
                Pools::Postgres(PgPoolOptions::new().max_connections(8).connect_with(options).await.map_err(failed)?)
            }
        };
        let directory = match location {
            Location::Directory(directory) => Some(directory.clone()),
            Location::Url(_) => None,
        };
        let store = Self { pools, hints: Hints::default(), space: Space::new(directory) };
        let migrator = schema::migrator(store.dialect());
        let migrated = match &store.pools {
            Pools::Sqlite { writer, .. } => migrator.run(writer).await,
            Pools::Postgres(pool) => migrator.run(pool).await,
        };
        migrated.map_err(|error| match error {
            sqlx::migrate::MigrateError::VersionMissing(found) => {
                let known = migrator.iter().map(|known| known.version).max().unwrap_or(0);
                StoreError::Newer { location: shown.clone(), found, known }
            }
            other => StoreError::Open { location: shown.clone(), source: other.into() },
        })?;
        store.ensure_search().await?;
        Ok(store)
    }

    /// Which database it is.
    pub fn dialect(&self) -> Dialect {
        match &self.pools {
            Pools::Sqlite { .. } => Dialect::Sqlite,
            Pools::Postgres(_) => Dialect::Postgres,
        }
    }

    pub(crate) async fn writer(&self) -> Result<Held, StoreError> {
        if self.space.is_lacking() {
            return Err(StoreError::ReadOnly);
        }
        self.any_writer().await
    }

    async fn any_writer(&self) -> Result<Held, StoreError> {
        let pool = match &self.pools {
            Pools::Sqlite { writer, .. } => Pool::Sqlite(writer),
            Pools::Postgres(pool) => Pool::Postgres(pool),
        };
        self.take(pool).await
    }

    /// A connection for reading.
    pub async fn reader(&self) -> Result<Held, StoreError> {
        let pool = match &self.pools {
            Pools::Sqlite { reader, .. } => Pool::Sqlite(reader),
            Pools::Postgres(pool) => Pool::Postgres(pool),
        };
        self.take(pool).await
    }

    async fn take(&self, pool: Pool<'_>) -> Result<Held, StoreError> {
        let taken = match pool {
            Pool::Sqlite(pool) => pool.acquire().await.map(Taken::Sqlite),
            Pool::Postgres(pool) => pool.acquire().await.map(Taken::Postgres),
        };
        let taken = taken.map_err(StoreError::statement("taking a connection of the store"));
        let taken = taken.inspect_err(|error| self.space.notice(error))?;
        Ok(Held { taken, space: self.space.clone() })
    }

    /// Whether a write failed for want of space, or since the database takes none. Until [`Store::look_for_space`] finds
    /// some, every write is refused.
    pub fn is_read_only(&self) -> bool {
        self.space.is_lacking()
    }

    /// Tries whether a read-only store takes writes again; says whether it does.
    pub async fn look_for_space(&self) -> bool {
        if !self.space.is_lacking() {
            return true;
        }
        if !self.space.has_room().await {
            return false;
        }
        let written = match self.any_writer().await {
            Ok(mut writer) => next_id(&mut writer.conn(), 1).await.map(drop),
            Err(error) => Err(error),
        };
        if written.is_ok() {
            self.space.found();
        }
        written.is_ok()
    }

    /// Begins a transaction that writes.
    pub(crate) async fn begin(&self) -> Result<Transaction, StoreError> {
        // Held from the first statement on: whoever is dropped while it runs leaves a connection in an unknown state.
        let mut transaction = Transaction { held: Some(self.writer().await?) };
        let begin = self.dialect().begin_write();
        transaction.conn()?.execute("beginning a transaction", begin, Vec::new()).await?;
        Ok(transaction)
    }

    /// Closes all connections; what was committed is on disk.
    pub async fn close(&self) {
        match &self.pools {
            Pools::Sqlite { writer, reader } => {
                reader.close().await;
                writer.close().await;
            }
            Pools::Postgres(pool) => pool.close().await,
        }
    }
}

/// Tries once whether the database answers and lets us in: the pool would try again, in silence, until its patience ends.
async fn reach(options: &PgConnectOptions) -> Result<(), sqlx::Error> {
    let tried = tokio::time::timeout(REACH, sqlx::PgConnection::connect_with(options)).await;
    let silent = || {
        let words = format!("it did not answer within {} seconds", REACH.as_secs());
        sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, words))
    };
    tried.map_err(|_| silent())??.close().await
}

async fn sqlite(directory: &Path) -> Result<Pools, sqlx::Error> {
    std::fs::create_dir_all(directory).map_err(sqlx::Error::Io)?;
    let options = |cache: u32| {
        SqliteConnectOptions::new()
            .filename(directory.join("muster.db"))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(Duration::from_secs(30))
            .pragma("cache_size", format!("-{cache}"))
            .pragma("mmap_size", "0")
            .pragma("wal_autocheckpoint", "32000")
            .pragma("temp_store", "FILE")
            .statement_cache_capacity(64)
    };
    // A file needs no asking at each turn whether it is still there, as a server does.
    let pool = |most| SqlitePoolOptions::new().max_connections(most).test_before_acquire(false);
    let writer = pool(1).connect_with(options(SQLITE_WRITER_CACHE_KIB)).await?;
    let reader = pool(SQLITE_READERS).connect_lazy_with(options(SQLITE_READER_CACHE_KIB));
    Ok(Pools::Sqlite { writer, reader })
}

enum Pool<'a> {
    Sqlite(&'a SqlitePool),
    Postgres(&'a PgPool),
}

/// A connection taken from the store.
#[derive(Debug)]
pub struct Held {
    taken: Taken,
    space: Space,
}

#[derive(Debug)]
enum Taken {
    Sqlite(sqlx::pool::PoolConnection<sqlx::Sqlite>),
    Postgres(sqlx::pool::PoolConnection<sqlx::Postgres>),
}

impl Held {
    /// The connection, for statements.
    pub fn conn(&mut self) -> Conn<'_> {
        let inner = match &mut self.taken {
            Taken::Sqlite(connection) => Inner::Sqlite(connection),
            Taken::Postgres(connection) => Inner::Postgres(connection),
        };
        Conn { inner, space: &self.space }
    }
}

/// A transaction; what is not committed is rolled back.
#[derive(Debug)]
pub(crate) struct Transaction {
    held: Option<Held>,
}

impl Transaction {
    pub(crate) fn conn(&mut self) -> Result<Conn<'_>, StoreError> {
        self.held.as_mut().map(Held::conn).ok_or(StoreError::Fenced("the transaction has ended"))
    }

    pub(crate) async fn commit(mut self) -> Result<(), StoreError> {
        self.conn()?.execute("committing", "COMMIT", Vec::new()).await?;
        // The connection is in order again: it goes back to be lent.
        self.held = None;
        Ok(())
    }

    pub(crate) async fn rollback(mut self) {
        let Ok(mut conn) = self.conn() else { return };
        if conn.execute("rolling back", "ROLLBACK", Vec::new()).await.is_ok() {
            self.held = None;
        }
    }
}

impl core::ops::Drop for Transaction {
    fn drop(&mut self) {
        // A future that is dropped half-way cannot await a rollback: the connection is closed instead of lent again.
        match self.held.take().map(|held| held.taken) {
            Some(Taken::Sqlite(connection)) => drop(connection.detach()),
            Some(Taken::Postgres(connection)) => drop(connection.detach()),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests;
