//! The narrow, typed search tables (placeholder until the query compiler lands).

use muster_core::asset::Class;
use muster_core::asset::schema::{FieldType, Search, fields};

use crate::dialect::Dialect;

/// The statements that create the search tables.
pub fn create_statements(dialect: Dialect) -> Vec<String> {
    let mut statements = Vec::new();
    for class in Class::ALL {
        if fields(class).next().is_none() {
            continue;
        }
        let columns: Vec<_> = fields(class)
            .map(|field| match (field.value, dialect) {
                (FieldType::Text, Dialect::Sqlite) => format!("{} TEXT", field.column),
                (FieldType::Text, Dialect::Postgres) => format!("{} TEXT COLLATE \"C\"", field.column),
                _ => format!("{} BIGINT", field.column),
            })
            .collect();
        let key = if dialect == Dialect::Sqlite { "INTEGER PRIMARY KEY" } else { "BIGINT PRIMARY KEY" };
        let word = class.word();
        statements.push(format!(
            "CREATE TABLE IF NOT EXISTS search_{word} (asset_id {key}, tenant BIGINT NOT NULL, {})",
            columns.join(", ")
        ));
        for field in fields(class).filter(|field| field.search != Search::Scanned) {
            let column = field.column;
            statements.push(format!(
                "CREATE INDEX IF NOT EXISTS search_{word}_{column} ON search_{word} (tenant, {column}, asset_id)"
            ));
        }
    }
    statements
}
