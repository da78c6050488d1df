//! The few places in which the two databases differ.

/// Which database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// SQLite, embedded.
    Sqlite,
    /// PostgreSQL.
    Postgres,
}

impl Dialect {
    /// Begins a transaction that will write.
    pub(crate) fn begin_write(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN IMMEDIATE",
            Self::Postgres => "BEGIN",
        }
    }

    /// What follows a bare integer parameter in a select list, where PostgreSQL cannot guess its type.
    pub(crate) fn cast_int(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::Postgres => "::bigint",
        }
    }

    /// The same for text.
    pub(crate) fn cast_text(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::Postgres => "::text",
        }
    }

    /// The digits behind the last hyphen of `u.external_id`: a security identifier's relative id.
    pub(crate) fn last_number(self) -> &'static str {
        match self {
            Self::Sqlite => "substr(u.external_id, length(rtrim(u.external_id, '0123456789')) + 1)",
            Self::Postgres => "substring(u.external_id from '[0-9]*$')",
        }
    }

    /// The time by which leases are reckoned. Hubs that share a PostgreSQL database have clocks of their own, which may
    /// differ: there it is the database's. SQLite has one process, whose clock the parameter brings.
    pub(crate) fn lease_time(self, parameter: &str) -> String {
        match self {
            Self::Sqlite => parameter.to_owned(),
            Self::Postgres => {
                format!("COALESCE({parameter}::bigint, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)")
            }
        }
    }

    /// What the parameter of [`Dialect::lease_time`] holds.
    pub(crate) fn lease_clock(self, now: muster_core::clock::Instant) -> Option<i64> {
        (self == Self::Sqlite).then_some(now.0)
    }

    /// The type of 64-bit integers in arrays and casts.
    pub(crate) fn array_type(self, kind: crate::sql::ColumnKind) -> &'static str {
        use crate::sql::ColumnKind::{Blob, Int, Text};
        match kind {
            Int => "bigint[]",
            Text => "text[]",
            Blob => "bytea[]",
        }
    }

    /// How a column of a bulk source is written in a select list.
    pub(crate) fn bulk_column(self, kind: crate::sql::ColumnKind, position: usize, name: &str) -> String {
        match (self, kind) {
            (Self::Sqlite, crate::sql::ColumnKind::Blob) => format!("unhex(value->>{position}) AS {name}"),
            (Self::Sqlite, _) => format!("value->>{position} AS {name}"),
            (Self::Postgres, _) => name.to_owned(),
        }
    }

    /// Keeps SQLite's planner from walking the table for each row of the bulk source: the plain join is thousands of
    /// times slower (design D5). PostgreSQL's planner needs no such word.
    pub(crate) fn bulk_join(self) -> &'static str {
        match self {
            Self::Sqlite => "CROSS JOIN",
            Self::Postgres => "JOIN",
        }
    }
}
