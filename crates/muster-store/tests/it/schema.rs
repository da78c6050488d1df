//! Both migrations make the same tables, and no two tenants share a key (P11).

use std::collections::BTreeMap;

const SQLITE: &str = concat!(
    include_str!("../../migrations/sqlite/0001_inventory.sql"),
    include_str!("../../migrations/sqlite/0002_hub.sql"),
);
const POSTGRES: &str = concat!(
    include_str!("../../migrations/postgres/0001_inventory.sql"),
    include_str!("../../migrations/postgres/0002_hub.sql"),
);

/// Tables with one row per thing, whose other keys are ids of tenants' things, or that belong to no tenant.
const WITHOUT_TENANT: [&str; 3] = ["tenant", "sequence", "search_schema"];

#[derive(Debug, Default, PartialEq)]
struct Table {
    /// Name, kind and what else is said, in their order.
    columns: Vec<(String, String)>,
    /// Primary and unique keys, and unique indexes: their columns.
    keys: Vec<Vec<String>>,
}

/// Cuts at commas that no bracket holds.
fn parts(text: &str) -> Vec<String> {
    let (mut parts, mut depth) = (vec![String::new()], 0);
    for sign in text.chars() {
        depth += i32::from(sign == '(') - i32::from(sign == ')');
        match (sign, depth) {
            (',', 0) => parts.push(String::new()),
            _ => parts.last_mut().unwrap().push(sign),
        }
    }
    parts.into_iter().map(|part| part.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

fn listed(text: &str) -> Vec<String> {
    let (_, inner) = text.split_once('(').unwrap();
    inner.split(')').next().unwrap().split(',').map(|name| name.trim().to_owned()).collect()
}

/// What a dialect calls a kind, in the other's words.
fn kind(text: &str) -> String {
    let text = text.replace(" COLLATE \"C\"", "").replace("BIGINT", "INTEGER").replace("BYTEA", "BLOB");
    text.replace("INTEGER PRIMARY KEY", "INTEGER PRIMARY KEY NOT NULL")
}

fn tables(schema: &str) -> BTreeMap<String, Table> {
    let lines: Vec<&str> = schema.lines().filter(|line| !line.trim_start().starts_with("--")).collect();
    let text = lines.join(" ");
    let mut tables: BTreeMap<String, Table> = BTreeMap::new();
    for statement in text.split(';').map(str::trim) {
        if let Some(rest) = statement.strip_prefix("CREATE TABLE ") {
            let (name, rest) = rest.split_once('(').unwrap();
            let (body, _) = rest.rsplit_once(')').unwrap();
            let table = tables.entry(name.trim().to_owned()).or_default();
            for part in parts(body) {
                if part.starts_with("PRIMARY KEY") || part.starts_with("UNIQUE") {
                    table.keys.push(listed(&part));
                } else {
                    let (column, said) = part.split_once(' ').unwrap();
                    if said.contains("PRIMARY KEY") || said.contains("UNIQUE") {
                        table.keys.push(vec![column.to_owned()]);
                    }
                    table.columns.push((column.to_owned(), kind(said)));
                }
            }
        } else if let Some(rest) = statement.strip_prefix("CREATE UNIQUE INDEX ") {
            let (_, rest) = rest.split_once(" ON ").unwrap();
            let (name, _) = rest.split_once(' ').unwrap();
            tables.get_mut(name).unwrap().keys.push(listed(rest));
        }
    }
    tables
}

fn indexes(schema: &str) -> Vec<&str> {
    schema.lines().filter(|line| line.contains("INDEX ")).collect()
}

#[test]
fn the_migrations_are_twins() {
    let (sqlite, postgres) = (tables(SQLITE), tables(POSTGRES));
    assert!(sqlite.len() > 12, "{:?}", sqlite.keys());
    assert_eq!(sqlite, postgres);
    assert_eq!(indexes(SQLITE), indexes(POSTGRES));
}

#[test]
fn every_unique_key_begins_with_the_tenant() {
    // Ids come from one sequence: a key that begins with one is some tenant's already.
    let ids = ["id", "run", "asset", "owner", "scope", "map"];
    for (name, table) in tables(SQLITE) {
        if WITHOUT_TENANT.contains(&name.as_str()) {
            continue;
        }
        for key in &table.keys {
            let first = key.first().map(String::as_str).unwrap_or_default();
            assert!(first == "tenant" || ids.contains(&first), "{name}: {key:?}");
        }
        let named = table.columns.iter().any(|(column, _)| column == "source_key" || column == "name");
        let apart = table.keys.iter().any(|key| key[0] == "tenant");
        assert!(!named || apart || name == "transform_map", "{name} names things without its tenant");
    }
}
