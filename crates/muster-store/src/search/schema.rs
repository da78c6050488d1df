//! The search tables, drawn from the registry of fields.

use muster_core::asset::Class;
use muster_core::asset::schema::{Field, FieldType, List, Search, fields, lists};

use super::Dialect;

/// The search table of a class.
pub fn table(class: Class) -> String {
    format!("search_{}", class.word())
}

/// SQLite's substring index of a class.
pub fn text_table(class: Class) -> String {
    format!("search_{}_text", class.word())
}

/// The search table of a list: a row for each element, in its order.
pub fn list_table(list: &List) -> String {
    format!("{}_{}", table(list.class), list.name)
}

/// The classes that have search tables: those with fields.
fn searched() -> impl Iterator<Item = Class> {
    Class::ALL.into_iter().filter(|&class| fields(class).next().is_some())
}

/// The columns of a class's substring index.
pub(super) fn substring_columns(class: Class) -> Vec<&'static str> {
    fields(class).filter(|field| field.search == Search::IndexedAndSubstring).map(|field| field.column).collect()
}

/// Creates the search tables and their indexes.
pub fn create_statements(dialect: Dialect) -> Vec<String> {
    let mut statements = Vec::new();
    for class in searched() {
        let table = table(class);
        let columns: Vec<String> = fields(class).map(|field| column(dialect, field)).collect();
        let columns = columns.join(", ");
        statements.push(match dialect {
            Dialect::Sqlite => format!(
                "CREATE TABLE {table} (asset_id INTEGER PRIMARY KEY, tenant INTEGER NOT NULL, {columns}) STRICT"
            ),
            Dialect::Postgres => {
                format!("CREATE TABLE {table} (asset_id BIGINT PRIMARY KEY, tenant BIGINT NOT NULL, {columns})")
            }
        });
        statements.extend(indexes(dialect, class).into_iter().map(|(_, statement)| statement));
        statements.extend(lists(class).map(|list| create_list(dialect, list)));
    }
    statements
}

/// Its key keeps an asset's elements together: they are only asked beside their asset.
fn create_list(dialect: Dialect, list: &List) -> String {
    let table = list_table(list);
    let columns: Vec<String> = list.elements.iter().map(|field| column(dialect, field)).collect();
    let columns = columns.join(", ");
    match dialect {
        Dialect::Sqlite => format!(
            "CREATE TABLE {table} (asset_id INTEGER NOT NULL, place INTEGER NOT NULL, {columns}, \
             PRIMARY KEY (asset_id, place)) STRICT, WITHOUT ROWID"
        ),
        Dialect::Postgres => format!(
            "CREATE TABLE {table} (asset_id BIGINT NOT NULL, place BIGINT NOT NULL, {columns}, \
             PRIMARY KEY (asset_id, place))"
        ),
    }
}

/// The indexes of a class's search table: names, and the statements that make them.
pub fn indexes(dialect: Dialect, class: Class) -> Vec<(String, String)> {
    if fields(class).next().is_none() {
        return Vec::new();
    }
    let table = table(class);
    // The way in where no other serves: a tenant's assets in the order of ids, which is the table's own.
    let key = if dialect == Dialect::Sqlite { "tenant" } else { "tenant, asset_id" };
    let own = fields(class).filter(|field| field.search != Search::Scanned).map(|field| field.column);
    let keys = own.map(|column| (column, format!("tenant, {column}, asset_id")));
    let all = std::iter::once(("tenant", key.to_owned())).chain(keys);
    all.map(|(column, key)| {
        let name = format!("{table}_{column}");
        let statement = format!("CREATE INDEX {name} ON {table} ({key})");
        (name, statement)
    })
    .collect()
}

fn column(dialect: Dialect, field: &Field) -> String {
    let kind = match (dialect, field.value) {
        (Dialect::Sqlite, FieldType::Text) => "TEXT",
        (Dialect::Sqlite, _) => "INTEGER",
        (Dialect::Postgres, FieldType::Text) => "TEXT COLLATE \"C\"",
        (Dialect::Postgres, _) => "BIGINT",
    };
    format!("{} {kind}", field.column)
}

/// Creates the substring indexes.
///
/// SQLite's must be there: an FTS5 trigram index over the search table itself (`detail=none`, no copy of the text),
/// which [`substring_delete`] and [`substring_insert`] keep in step. PostgreSQL's is a GIN index that the database keeps
/// itself; it needs the extension `pg_trgm`, so a database that refuses these statements only scans: results are the
/// same. Run them apart from [`create_statements`] there, and say so in the log when they fail.
pub fn substring_statements(dialect: Dialect) -> Vec<String> {
    let mut statements = Vec::new();
    if dialect == Dialect::Postgres {
        statements.push("CREATE EXTENSION IF NOT EXISTS pg_trgm".to_owned());
    }
    for class in searched() {
        let columns = substring_columns(class);
        if columns.is_empty() {
            continue;
        }
        let (table, text) = (table(class), text_table(class));
        statements.push(match dialect {
            Dialect::Sqlite => format!(
                "CREATE VIRTUAL TABLE {text} USING fts5({}, content='{table}', content_rowid='asset_id', \
                 tokenize='trigram', detail=none)",
                columns.join(", ")
            ),
            Dialect::Postgres => {
                let columns: Vec<String> = columns.iter().map(|column| format!("{column} gin_trgm_ops")).collect();
                format!("CREATE INDEX {text} ON {table} USING gin ({})", columns.join(", "))
            }
        });
    }
    statements
}

/// Takes rows of the search table out of SQLite's substring index, `$1` being a JSON array of asset ids.
///
/// The index has no text of its own, it takes away what it is told: run this before the search rows change, in the same
/// transaction, for ids that already have a search row, and [`substring_insert`] after. `None`: nothing to keep in step.
pub fn substring_delete(dialect: Dialect, class: Class) -> Option<String> {
    maintenance(dialect, class, "(TEXT, rowid, COLUMNS) SELECT 'delete', asset_id, COLUMNS")
}

/// Puts rows of the search table into SQLite's substring index, `$1` being a JSON array of asset ids.
///
/// Run it after the search rows changed, in the same transaction. `None`: nothing to keep in step.
pub fn substring_insert(dialect: Dialect, class: Class) -> Option<String> {
    maintenance(dialect, class, "(rowid, COLUMNS) SELECT asset_id, COLUMNS")
}

fn maintenance(dialect: Dialect, class: Class, shape: &str) -> Option<String> {
    let columns = substring_columns(class);
    if dialect != Dialect::Sqlite || columns.is_empty() {
        return None;
    }
    let (table, text) = (table(class), text_table(class));
    let middle = shape.replace("TEXT", &text).replace("COLUMNS", &columns.join(", "));
    Some(format!("INSERT INTO {text} {middle} FROM {table} WHERE asset_id IN (SELECT value FROM json_each($1))"))
}
