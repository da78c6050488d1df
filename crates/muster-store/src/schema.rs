//! Bringing a database to the schema this version knows.

use std::borrow::Cow;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{AssertSqlSafe, SqlSafeStr};

use crate::dialect::Dialect;

/// The migrations, oldest first: (version, description, SQLite, PostgreSQL). Twins, never edited once released.
const MIGRATIONS: &[(i64, &str, &str, &str)] = &[
    (
        1,
        "inventory",
        include_str!("../migrations/sqlite/0001_inventory.sql"),
        include_str!("../migrations/postgres/0001_inventory.sql"),
    ),
    (2, "hub", include_str!("../migrations/sqlite/0002_hub.sql"), include_str!("../migrations/postgres/0002_hub.sql")),
];

pub(crate) fn migrator(dialect: Dialect) -> Migrator {
    let migrations = MIGRATIONS.iter().map(|&(version, description, sqlite, postgres)| {
        let text = match dialect {
            Dialect::Sqlite => sqlite,
            Dialect::Postgres => postgres,
        };
        let sql = AssertSqlSafe(text).into_sql_str();
        Migration::new(version, Cow::Borrowed(description), MigrationType::Simple, sql, false)
    });
    Migrator::with_migrations(migrations.collect())
}

/// The statement by which SQLite's migrations make an index.
pub(crate) fn index_statement(name: &str) -> Option<String> {
    let opening = format!("CREATE INDEX {name} ");
    let mut statements = MIGRATIONS.iter().flat_map(|(_, _, sqlite, _)| sqlite.split(';'));
    statements.find_map(|text| text.find(&opening).map(|at| text[at..].to_owned()))
}
