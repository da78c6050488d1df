//! The contents of a store's tables, to be compared.

use std::collections::BTreeMap;

use muster_store::Store;
use muster_store::dialect::Dialect;

/// Tables that hold what is known, not how it came to be known.
pub(crate) const TRUTH: [&str; 10] = [
    "asset",
    "document",
    "change",
    "edge",
    "link_set",
    "dead_letter",
    "search_user",
    "search_group",
    "search_container",
    "transform_map",
];

/// All rows of the tables that hold the truth, as text and sorted.
pub(crate) async fn contents(store: &Store) -> BTreeMap<&'static str, Vec<String>> {
    let mut all = BTreeMap::new();
    for table in TRUTH {
        all.insert(table, rows(store, table).await);
    }
    all
}

pub(crate) async fn rows(store: &Store, table: &str) -> Vec<String> {
    let mut reader = store.reader().await.unwrap();
    let mut conn = reader.conn();
    let sql = match store.dialect() {
        _ if table == "edge_names" => {
            "SELECT o.source_key || '|' || e.kind || '|' || COALESCE(e.member_key, e.label) FROM edge e JOIN asset o ON o.id = e.owner".to_owned()
        }
        Dialect::Sqlite => {
            let columns = format!("SELECT name FROM pragma_table_info('{table}') ORDER BY name");
            let columns = conn.fetch("listing columns", columns, Vec::new()).await.unwrap();
            let quoted: Vec<_> = columns.iter().map(|row| format!("quote({})", row.text(0).unwrap())).collect();
            format!("SELECT {} FROM {table}", quoted.join(" || '|' || "))
        }
        Dialect::Postgres => format!("SELECT t::text FROM {table} t"),
    };
    let found = conn.fetch("reading a table", sql, Vec::new()).await.unwrap();
    let mut found: Vec<String> = found.iter().map(|row| row.text(0).unwrap()).collect();
    found.sort();
    found
}
