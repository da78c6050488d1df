//! A small inventory in memory and in a database, asked the same.

use muster_core::asset::Class;
use muster_core::asset::schema::{SearchValue, fields, lists, search_elements, search_values};
use muster_core::clock::Instant;
use muster_core::fold::fold;
use muster_core::query::{Inventory, Presence, Query, Row, eval};
use serde_json::{Map, Value};
use sqlx::postgres::PgArguments;
use sqlx::sqlite::SqliteArguments;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row as _, SqliteConnection};
use tokio::runtime::Runtime;

use super::super::*;

/// An asset as the tests write it down.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    pub(super) id: i64,
    pub(super) tenant: i64,
    pub(super) class: Class,
    pub(super) detail: Map<String, Value>,
    pub(super) source: String,
    pub(super) connector: String,
    pub(super) presence: Presence,
    pub(super) created: Instant,
    pub(super) changed: Instant,
}

impl Sample {
    pub(super) fn values(&self) -> Vec<Option<SearchValue>> {
        search_values(self.class, &self.detail)
    }

    pub(super) fn selected_by(&self, query: &Query, now: Instant) -> bool {
        let inventory = Inventory::new(&self.source, &self.connector, self.presence, self.created, self.changed);
        let elements: Vec<_> = lists(self.class).map(|list| search_elements(list, &self.detail)).collect();
        let row = Row { class: self.class, values: &self.values(), lists: &elements, inventory: &inventory };
        eval(query, &row, now)
    }
}

pub(super) fn at(text: &str) -> Instant {
    Instant::from_rfc3339(text).unwrap()
}

/// What the case table is asked over, in tenant 1.
pub(super) fn samples() -> Vec<Sample> {
    let sample = |line: &str| {
        let value: Value = serde_json::from_str(line).unwrap();
        let text = |key: &str| value[key].as_str().unwrap().to_owned();
        let class = Class::from_word(&text("class")).unwrap();
        let mut detail = Map::new();
        detail.insert(class.detail_key().to_owned(), value["detail"].clone());
        let status = text("status");
        Sample {
            id: value["id"].as_i64().unwrap(),
            tenant: 1,
            class,
            detail,
            source: text("source"),
            connector: text("connector"),
            presence: Presence::ALL.into_iter().find(|presence| presence.word() == status).unwrap(),
            created: at(&text("created")),
            changed: at(&text("changed")),
        }
    };
    include_str!("rows.jsonl").lines().map(sample).collect()
}

enum Connected {
    Sqlite(SqliteConnection),
    Postgres(PgConnection, String),
}

pub(super) struct Store {
    runtime: Runtime,
    connected: Connected,
}

/// The databases at hand: SQLite, and PostgreSQL where `MUSTER_TEST_POSTGRES` says where one is.
pub(super) fn stores() -> Vec<Store> {
    let mut stores = vec![Store::sqlite()];
    if let Ok(url) = std::env::var("MUSTER_TEST_POSTGRES") {
        stores.push(Store::postgres(&url));
    }
    stores
}

const TABLES: [&str; 3] = [
    "CREATE TABLE asset (id BIGINT PRIMARY KEY, tenant BIGINT NOT NULL, connector BIGINT NOT NULL, state TEXT NOT NULL, \
     missing_since BIGINT, first_seen BIGINT NOT NULL, changed_at BIGINT NOT NULL)",
    "CREATE TABLE connector (id BIGINT PRIMARY KEY, name_folded TEXT NOT NULL, source_folded TEXT NOT NULL)",
    "CREATE INDEX asset_of_tenant ON asset (tenant, connector)",
];

impl Store {
    pub(super) fn sqlite() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let connection = runtime.block_on(SqliteConnection::connect("sqlite::memory:")).unwrap();
        let mut store = Self { runtime, connected: Connected::Sqlite(connection) };
        store.create();
        store
    }

    fn postgres(url: &str) -> Self {
        use std::sync::atomic::{AtomicU32, Ordering};
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let schema = format!("search_test_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let connection = runtime.block_on(PgConnection::connect(url)).unwrap();
        let mut store = Self { runtime, connected: Connected::Postgres(connection, schema.clone()) };
        store.run("SELECT pg_advisory_lock(7150)");
        store.run("CREATE EXTENSION IF NOT EXISTS pg_trgm SCHEMA public");
        store.run("SELECT pg_advisory_unlock(7150)");
        store.run(&format!("CREATE SCHEMA {schema}"));
        store.run(&format!("SET search_path = {schema}, public"));
        store.create();
        store
    }

    fn create(&mut self) {
        let dialect = self.dialect();
        for sql in TABLES {
            match dialect {
                Dialect::Sqlite => self.run(&sql.replace("BIGINT", "INTEGER")),
                Dialect::Postgres => self.run(sql),
            }
        }
        create_statements(dialect).iter().for_each(|sql| self.run(sql));
        substring_statements(dialect).iter().for_each(|sql| self.run(sql));
    }

    pub(super) fn dialect(&self) -> Dialect {
        match self.connected {
            Connected::Sqlite(_) => Dialect::Sqlite,
            Connected::Postgres(..) => Dialect::Postgres,
        }
    }

    pub(super) fn run(&mut self, sql: &str) {
        self.execute(&Statement { sql: sql.to_owned(), binds: Vec::new() });
    }

    pub(super) fn execute(&mut self, statement: &Statement) {
        let sql = AssertSqlSafe(statement.sql.clone());
        let result = match &mut self.connected {
            Connected::Sqlite(connection) => {
                let query = sqlx::query_with(sql, statement.arguments::<SqliteArguments>().unwrap());
                self.runtime.block_on(query.execute(connection)).map(|_| ())
            }
            Connected::Postgres(connection, _) => {
                let query = sqlx::query_with(sql, statement.arguments::<PgArguments>().unwrap());
                self.runtime.block_on(query.execute(connection)).map(|_| ())
            }
        };
        result.unwrap_or_else(|error| panic!("{error}: {statement:?}"));
    }

    /// What a statement answers.
    pub(super) fn cells(&mut self, statement: &Statement) -> Vec<Vec<Option<SearchValue>>> {
        macro_rules! read {
            ($connection:expr, $arguments:ty) => {{
                let arguments = statement.arguments::<$arguments>().unwrap();
                let query = sqlx::query_with(AssertSqlSafe(statement.sql.clone()), arguments);
                let rows = self.runtime.block_on(query.fetch_all($connection));
                let rows = rows.unwrap_or_else(|error| panic!("{error}: {statement:?}"));
                let cell = |row: &_, column| match row_text(row, column) {
                    Ok(text) => text.map(SearchValue::Text),
                    Err(_) => sqlx::Row::get::<Option<i64>, _>(row, column).map(SearchValue::Number),
                };
                fn row_text<R: sqlx::Row>(row: &R, column: usize) -> Result<Option<String>, sqlx::Error>
                where
                    usize: sqlx::ColumnIndex<R>,
                    for<'t> String: sqlx::Decode<'t, R::Database> + sqlx::Type<R::Database>,
                {
                    row.try_get(column)
                }
                rows.iter().map(|row| (0..row.len()).map(|column| cell(row, column)).collect()).collect()
            }};
        }
        match &mut self.connected {
            Connected::Sqlite(connection) => read!(connection, SqliteArguments),
            Connected::Postgres(connection, _) => read!(connection, PgArguments),
        }
    }

    /// The first column of what a statement answers, which holds integers.
    pub(super) fn numbers(&mut self, statement: &Statement) -> Vec<i64> {
        let first = |row: &Vec<Option<SearchValue>>| match row.first() {
            Some(Some(SearchValue::Number(number))) => *number,
            other => panic!("no integer: {other:?}"),
        };
        self.cells(statement).iter().map(first).collect()
    }

    pub(super) fn view(&self, class: Class, now: Instant) -> View {
        View { dialect: self.dialect(), tenant: 1, class, now }
    }

    /// The ids that a query selects from a class, in the order of ids.
    pub(super) fn selected(&mut self, query: &Query, view: &View) -> Vec<i64> {
        let all = Page { sort: Sort::default(), after: None, limit: u32::MAX };
        self.numbers(&page(query, view, &all).unwrap())
    }

    pub(super) fn clear(&mut self) {
        self.run("DELETE FROM asset");
        self.run("DELETE FROM connector");
        for class in Class::ALL.into_iter().filter(|&class| fields(class).next().is_some()) {
            if self.dialect() == Dialect::Sqlite && !super::super::schema::substring_columns(class).is_empty() {
                self.run(&format!("INSERT INTO {0}({0}) VALUES ('delete-all')", text_table(class)));
            }
            self.run(&format!("DELETE FROM {}", table(class)));
            lists(class).for_each(|list| self.run(&format!("DELETE FROM {}", list_table(list))));
        }
    }

    pub(super) fn insert(&mut self, samples: &[Sample]) {
        for sample in samples {
            self.insert_rows(sample);
            self.index(sample, substring_insert(self.dialect(), sample.class));
        }
    }

    /// Writes another detail over a sample's, as a writer does.
    pub(super) fn update(&mut self, sample: &Sample) {
        self.index(sample, substring_delete(self.dialect(), sample.class));
        self.run(&format!("DELETE FROM {} WHERE asset_id = {}", table(sample.class), sample.id));
        self.insert_search(sample);
        self.index(sample, substring_insert(self.dialect(), sample.class));
    }

    fn index(&mut self, sample: &Sample, sql: Option<String>) {
        if let Some(sql) = sql {
            self.execute(&Statement { sql, binds: vec![Bind::Text(format!("[{}]", sample.id))] });
        }
    }

    fn insert_rows(&mut self, sample: &Sample) {
        let Sample { id, tenant, presence, .. } = sample;
        let (created, changed) = (sample.created.0, sample.changed.0);
        let state = if *presence == Presence::Gone { "gone" } else { "present" };
        let missing = if *presence == Presence::Present { "NULL" } else { "1" };
        self.run(&format!(
            "INSERT INTO asset VALUES ({id}, {tenant}, {id}, '{state}', {missing}, {created}, {changed})"
        ));
        self.execute(&Statement {
            sql: format!("INSERT INTO connector VALUES ({id}, $1, $2)"),
            binds: vec![Bind::Text(fold(&sample.connector)), Bind::Text(fold(&sample.source))],
        });
        self.insert_search(sample);
    }

    fn insert_search(&mut self, sample: &Sample) {
        let mut binds = Vec::new();
        let mut columns = String::new();
        sample.values().into_iter().for_each(|value| add(value, &mut columns, &mut binds));
        let (table, id, tenant) = (table(sample.class), sample.id, sample.tenant);
        self.execute(&Statement { sql: format!("INSERT INTO {table} VALUES ({id}, {tenant}{columns})"), binds });
        for list in lists(sample.class) {
            for (place, values) in search_elements(list, &sample.detail).into_iter().enumerate() {
                let (mut columns, mut binds) = (String::new(), Vec::new());
                values.into_iter().for_each(|value| add(value, &mut columns, &mut binds));
                let sql = format!("INSERT INTO {} VALUES ({id}, {place}{columns})", list_table(list));
                self.execute(&Statement { sql, binds });
            }
        }
    }
}

/// Adds a value to the list of a row's values.
fn add(value: Option<SearchValue>, columns: &mut String, binds: &mut Vec<Bind>) {
    columns.push_str(", ");
    match value {
        None => columns.push_str("NULL"),
        Some(SearchValue::Number(number)) => columns.push_str(&number.to_string()),
        Some(SearchValue::Text(text)) => {
            binds.push(Bind::Text(text));
            columns.push_str(&format!("${}", binds.len()));
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if let Connected::Postgres(_, schema) = &self.connected {
            let sql = format!("DROP SCHEMA {schema} CASCADE");
            self.run(&sql);
        }
    }
}
