//! What can go wrong in the store.

use thiserror::Error;

/// A failure of the store.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The database cannot be opened.
    #[error("opening the store at `{location}`")]
    Open {
        /// Where.
        location: String,
        /// Why.
        #[source]
        source: sqlx::Error,
    },
    /// The database is of a newer Muster.
    #[error("the store at `{location}` was written by a newer version (schema {found}, this one knows {known})")]
    Newer {
        /// Where.
        location: String,
        /// The schema found.
        found: i64,
        /// The newest schema known.
        known: i64,
    },
    /// A statement failed.
    #[error("{operation}")]
    Statement {
        /// What was being done.
        operation: &'static str,
        /// Why it failed.
        #[source]
        source: sqlx::Error,
    },
    /// The writer's claim on its scope is gone: another has it, or the run was cancelled (design D10).
    #[error("the claim on the scope is gone: {0}")]
    Fenced(&'static str),
    /// The store is read-only at the moment: a write before this one failed for want of space.
    #[error("the store takes no writes: its disk is full, or it is read-only")]
    ReadOnly,
    /// A list that cannot be asked for.
    #[error("{0}")]
    Query(String),
    /// What was read is not what was written.
    #[error("the store holds something unreadable: {0}")]
    Corrupt(String),
}

impl StoreError {
    /// Whether the database takes no writes: its disk is full, or it is read-only.
    pub fn is_read_only(&self) -> bool {
        let error = match self.database() {
            Some(sqlx::Error::Database(error)) => error,
            _ => return matches!(self, Self::ReadOnly),
        };
        let code = error.code().unwrap_or_default();
        match code.parse::<i64>() {
            // SQLite's extended codes: READONLY is 8, IOERR_WRITE, FSYNC, SHMSIZE and their like are 10, FULL is 13.
            Ok(number) if code.len() <= 5 && !code.starts_with("53") && !code.starts_with("25") => {
                matches!(number & 0xff, 8 | 13) || matches!(number, 778 | 1034 | 4874)
            }
            // PostgreSQL: disk_full, read_only_sql_transaction.
            _ => matches!(code.as_ref(), "53100" | "25006"),
        }
    }

    /// Whether the database cannot be reached at the moment.
    pub fn is_unavailable(&self) -> bool {
        match self.database() {
            Some(sqlx::Error::PoolTimedOut | sqlx::Error::Io(_) | sqlx::Error::PoolClosed) => true,
            // SQLite's BUSY; PostgreSQL's connection exceptions, insufficient resources and shutdowns.
            Some(sqlx::Error::Database(error)) => error.code().is_some_and(|code| {
                code == "5" || ["08", "53", "57P"].iter().any(|class| code.len() == 5 && code.starts_with(class))
            }),
            _ => false,
        }
    }

    /// What an operator can do about it, where that is known.
    pub fn remedy(&self) -> Option<&'static str> {
        if self.is_read_only() {
            return Some("free space where the store lies, or give one that this user may write to; then try again");
        }
        let Self::Open { source, .. } = self else { return None };
        match source {
            sqlx::Error::Configuration(_) => Some("write it as `postgres://user:password@host:5432/database`"),
            sqlx::Error::Io(_) => Some("check the host and the port, and whether the database runs"),
            sqlx::Error::Tls(_) => Some("check the database's certificate, and `sslmode` in the URL"),
            sqlx::Error::Database(error) => match error.code().as_deref() {
                Some("28P01" | "28000") => Some("check the user and the password in the URL"),
                Some("3D000") => Some("make the database first: `CREATE DATABASE`"),
                Some("42501") => Some("the user needs the right to make tables in the database's schema"),
                Some("14") => Some("give a directory that this user may write to"),
                _ => None,
            },
            _ => None,
        }
    }

    fn database(&self) -> Option<&sqlx::Error> {
        match self {
            Self::Open { source, .. } | Self::Statement { source, .. } => Some(source),
            _ => None,
        }
    }

    pub(crate) fn statement(operation: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| Self::Statement { operation, source }
    }
}
