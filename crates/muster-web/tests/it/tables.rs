//! Every table of a store as it lies there: what is compared, and looked through.

use std::collections::BTreeMap;

use muster_store::Store;
use muster_store::dialect::Dialect;

/// All rows of all tables, every column of them as text.
pub(crate) async fn everything(store: &Store) -> BTreeMap<String, Vec<String>> {
    let mut reader = store.reader().await.unwrap();
    let mut conn = reader.conn();
    let tables = match store.dialect() {
        // The shadow tables of the search index are tables, too.
        Dialect::Sqlite => "SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%'",
        Dialect::Postgres => {
            "SELECT table_name::text FROM information_schema.tables WHERE table_schema = current_schema()"
        }
    };
    let mut all = BTreeMap::new();
    for table in conn.fetch("listing tables", tables, Vec::new()).await.unwrap() {
        let table = table.text(0).unwrap();
        let sql = match store.dialect() {
            Dialect::Sqlite => {
                let columns = format!("SELECT name FROM pragma_table_info('{table}')");
                let columns = conn.fetch("listing columns", columns, Vec::new()).await.unwrap();
                let columns: Vec<_> = columns.iter().map(|row| format!("quote({})", row.text(0).unwrap())).collect();
                format!("SELECT {} FROM {table}", columns.join(" || '|' || "))
            }
            Dialect::Postgres => format!("SELECT t::text FROM {table} t"),
        };
        let rows = conn.fetch("reading a table", sql, Vec::new()).await.unwrap();
        let mut rows: Vec<String> = rows.iter().map(|row| row.text(0).unwrap()).collect();
        rows.sort();
        all.insert(table, rows);
    }
    assert!(all.len() > 20, "{:?}", all.keys());
    all
}
