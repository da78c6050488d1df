//! Asking the inventory: the narrow search tables, and queries compiled to SQL over them (design D13).
//!
//! ```text
//! schema   search_<class>(asset_id, tenant, a column per field), their indexes, one substring index per class,
//!          search_<class>_<list>(asset_id, place, a column per field of an element)
//! compile  Query + View ─→ a condition over a (asset), s (search_<class>), c (connector), and its binds
//! list     condition ─→ a page by key, a capped count, a facet
//! ```
//!
//! What a query means is `muster_core::query`'s to say; this module says the same in SQL. Text in the search tables is
//! folded by the writer and the needle by the query, so databases only compare bytes. No text of a query ever becomes
//! part of a statement.

mod candidates;
mod compile;
mod list;
mod schema;
#[cfg(test)]
mod tests;

use muster_core::asset::Class;
use muster_core::clock::Instant;
use sqlx::error::BoxDynError;

pub use crate::dialect::Dialect;
pub use compile::{Compiled, Substring, compile};
pub use list::{Count, Counting, FACET_VALUES, Page, PageKey, SearchError, Sort, count, facet, page};
pub use schema::{
    create_statements, indexes, list_table, substring_delete, substring_insert, substring_statements, table, text_table,
};

/// Who asks, what, where and when.
#[derive(Debug, Clone, Copy)]
pub struct View {
    /// The database.
    pub dialect: Dialect,
    /// The tenant; nothing of another one's is seen or counted (P11).
    pub tenant: i64,
    /// The class that is listed.
    pub class: Class,
    /// What `now` means.
    pub now: Instant,
}

/// A value that goes beside a statement, never into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bind {
    /// Text.
    Text(String),
    /// An integer.
    Number(i64),
}

/// A statement and its binds, `$1` first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The text; of the query it holds nothing.
    pub sql: String,
    /// What its placeholders stand for.
    pub binds: Vec<Bind>,
}

impl Statement {
    /// The binds as a database takes them.
    pub fn arguments<A>(&self) -> Result<A, BoxDynError>
    where
        A: sqlx::Arguments,
        for<'t> &'t str: sqlx::Encode<'t, A::Database> + sqlx::Type<A::Database>,
        for<'t> i64: sqlx::Encode<'t, A::Database> + sqlx::Type<A::Database>,
    {
        let mut arguments = A::default();
        for bind in &self.binds {
            match bind {
                Bind::Text(text) => arguments.add(text.as_str())?,
                Bind::Number(number) => arguments.add(*number)?,
            }
        }
        Ok(arguments)
    }
}
