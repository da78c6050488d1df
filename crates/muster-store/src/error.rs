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
    /// A list that cannot be asked for.
    #[error("{0}")]
    Query(String),
    /// What was read is not what was written.
    #[error("the store holds something unreadable: {0}")]
    Corrupt(String),
}

impl StoreError {
    pub(crate) fn statement(operation: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| Self::Statement { operation, source }
    }
}
