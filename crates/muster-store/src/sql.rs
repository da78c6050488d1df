//! One shape for statements over both databases: shared text, typed parameters, rows by position.

use std::fmt::Write as _;

use sqlx::{AssertSqlSafe, Row as _};

use crate::StoreError;
use crate::dialect::Dialect;
use crate::space::Space;

/// A parameter.
#[derive(Debug, Clone, PartialEq)]
pub enum Param {
    /// An integer, or none.
    Int(Option<i64>),
    /// Text, or none.
    Text(Option<String>),
    /// Bytes, or none.
    Blob(Option<Vec<u8>>),
    /// A column of integers.
    Ints(Vec<Option<i64>>),
    /// A column of texts.
    Texts(Vec<Option<String>>),
    /// A column of bytes.
    Blobs(Vec<Option<Vec<u8>>>),
}

impl From<i64> for Param {
    fn from(value: i64) -> Self {
        Self::Int(Some(value))
    }
}

impl From<Option<i64>> for Param {
    fn from(value: Option<i64>) -> Self {
        Self::Int(value)
    }
}

impl From<&str> for Param {
    fn from(value: &str) -> Self {
        Self::Text(Some(value.to_owned()))
    }
}

impl From<String> for Param {
    fn from(value: String) -> Self {
        Self::Text(Some(value))
    }
}

impl From<Option<String>> for Param {
    fn from(value: Option<String>) -> Self {
        Self::Text(value)
    }
}

impl From<Vec<u8>> for Param {
    fn from(value: Vec<u8>) -> Self {
        Self::Blob(Some(value))
    }
}

/// What a column of a bulk source holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// 64-bit integers.
    Int,
    /// Texts.
    Text,
    /// Bytes.
    Blob,
}

/// The most parameters of a statement of wide rows: SQLite takes 32,766, and a statement has some beside them.
const SQLITE_PARAMETERS: usize = 32_000;

/// A statement that waits for its turn, with its parameters.
#[derive(Debug)]
pub(crate) struct Command {
    /// What it does, for errors.
    pub(crate) operation: &'static str,
    pub(crate) sql: String,
    pub(crate) params: Vec<Param>,
}

/// Rows that travel to the database in one parameter (SQLite: JSON) or one per column (PostgreSQL: arrays). Of wide
/// cells each is a parameter of its own on SQLite: as JSON they would be quoted, parsed and unpacked again.
#[derive(Debug)]
pub(crate) struct Bulk {
    columns: Vec<(&'static str, ColumnKind)>,
    rows: BulkRows,
    count: usize,
}

#[derive(Debug)]
enum BulkRows {
    Json(String),
    Cells(Vec<Param>),
    Columns(Vec<Param>),
}

/// One value of a bulk row.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cell<'a> {
    Int(i64),
    Text(&'a str),
    Blob(&'a [u8]),
    Null,
}

impl<'a, T: Into<Cell<'a>>> From<Option<T>> for Cell<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl From<i64> for Cell<'_> {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl<'a> From<&'a str> for Cell<'a> {
    fn from(value: &'a str) -> Self {
        Self::Text(value)
    }
}

impl<'a> From<&'a [u8]> for Cell<'a> {
    fn from(value: &'a [u8]) -> Self {
        Self::Blob(value)
    }
}

impl Bulk {
    pub(crate) fn new(dialect: Dialect, columns: &[(&'static str, ColumnKind)], rows: usize) -> Self {
        let rows = match dialect {
            Dialect::Sqlite => {
                let mut json = String::with_capacity(rows * columns.len() * 24 + 2);
                json.push('[');
                BulkRows::Json(json)
            }
            Dialect::Postgres => BulkRows::Columns(
                columns
                    .iter()
                    .map(|(_, kind)| match kind {
                        ColumnKind::Int => Param::Ints(Vec::with_capacity(rows)),
                        ColumnKind::Text => Param::Texts(Vec::with_capacity(rows)),
                        ColumnKind::Blob => Param::Blobs(Vec::with_capacity(rows)),
                    })
                    .collect(),
            ),
        };
        Self { columns: columns.to_vec(), rows, count: 0 }
    }

    /// Few columns of long texts and bytes.
    pub(crate) fn wide(dialect: Dialect, columns: &[(&'static str, ColumnKind)], rows: usize) -> Self {
        let mut bulk = Self::new(dialect, columns, rows.min(1));
        if dialect == Dialect::Sqlite && rows * columns.len() <= SQLITE_PARAMETERS {
            bulk.rows = BulkRows::Cells(Vec::with_capacity(rows * columns.len()));
        }
        bulk
    }

    /// A source of ids: one column, `id`.
    pub(crate) fn ids(dialect: Dialect, ids: &[i64]) -> Self {
        let mut bulk = Self::new(dialect, &[("id", ColumnKind::Int)], ids.len());
        ids.iter().for_each(|&id| bulk.push(&[Cell::Int(id)]));
        bulk
    }

    /// Adds a row; its cells stand in the order of the columns.
    pub(crate) fn push(&mut self, cells: &[Cell<'_>]) {
        debug_assert_eq!(cells.len(), self.columns.len());
        match &mut self.rows {
            BulkRows::Json(json) => {
                json.push_str(if self.count == 0 { "[" } else { ",[" });
                for (index, cell) in cells.iter().enumerate() {
                    if index > 0 {
                        json.push(',');
                    }
                    push_json(json, *cell);
                }
                json.push(']');
            }
            BulkRows::Cells(params) => params.extend(cells.iter().map(|cell| match *cell {
                Cell::Null => Param::Int(None),
                Cell::Int(number) => Param::Int(Some(number)),
                Cell::Text(text) => Param::Text(Some(text.to_owned())),
                Cell::Blob(bytes) => Param::Blob(Some(bytes.to_vec())),
            })),
            BulkRows::Columns(columns) => {
                for (column, cell) in columns.iter_mut().zip(cells) {
                    push_column(column, *cell);
                }
            }
        }
        self.count += 1;
    }

    /// The text of the source, a sub-select named `alias` whose columns have their names, and its parameters; the
    /// first of them is `$first`.
    pub(crate) fn source(self, dialect: Dialect, alias: &str, first: usize) -> (String, Vec<Param>) {
        match self.rows {
            BulkRows::Json(mut json) => {
                json.push(']');
                let columns = self.columns.iter().enumerate();
                let list: Vec<_> = columns.map(|(at, (name, kind))| dialect.bulk_column(*kind, at, name)).collect();
                (format!("(SELECT {} FROM jsonb_each(${first})) AS {alias}", list.join(", ")), vec![json.into()])
            }
            BulkRows::Cells(params) => {
                let names = self.columns.iter().enumerate();
                let names: Vec<_> = names.map(|(at, (name, _))| format!("column{} AS {name}", at + 1)).collect();
                let mut rows = String::with_capacity(params.len() * 8);
                for (row, at) in (0..params.len()).step_by(self.columns.len().max(1)).enumerate() {
                    rows.push_str(if row == 0 { "(" } else { "),(" });
                    for column in 0..self.columns.len() {
                        let comma = if column == 0 { "" } else { "," };
                        let _ = write!(rows, "{comma}${}", first + at + column);
                    }
                }
                (format!("(SELECT {} FROM (VALUES {rows}))) AS {alias}", names.join(", ")), params)
            }
            BulkRows::Columns(params) => {
                let mut list = String::new();
                for (at, (_, kind)) in self.columns.iter().enumerate() {
                    let comma = if at == 0 { "" } else { ", " };
                    let _ = write!(list, "{comma}${}::{}", first + at, dialect.array_type(*kind));
                }
                let names: Vec<_> = self.columns.iter().map(|(name, _)| *name).collect();
                (format!("UNNEST({list}) AS {alias}({})", names.join(", ")), params)
            }
        }
    }
}

fn push_json(json: &mut String, cell: Cell<'_>) {
    match cell {
        Cell::Null => json.push_str("null"),
        Cell::Int(number) => {
            let _ = write!(json, "{number}");
        }
        Cell::Blob(bytes) => {
            const HEX: &[u8; 16] = b"0123456789abcdef";
            json.push('"');
            for byte in bytes {
                json.push(char::from(HEX[usize::from(byte >> 4)]));
                json.push(char::from(HEX[usize::from(byte & 15)]));
            }
            json.push('"');
        }
        Cell::Text(text) => push_json_text(json, text),
    }
}

fn push_json_text(json: &mut String, text: &str) {
    json.push('"');
    let mut plain = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        json.push_str(&text[plain..at]);
        plain = at + 1;
        match byte {
            b'"' => json.push_str("\\\""),
            b'\\' => json.push_str("\\\\"),
            b'\n' => json.push_str("\\n"),
            b'\r' => json.push_str("\\r"),
            b'\t' => json.push_str("\\t"),
            other => {
                let _ = write!(json, "\\u{other:04x}");
            }
        }
    }
    json.push_str(&text[plain..]);
    json.push('"');
}

fn push_column(column: &mut Param, cell: Cell<'_>) {
    match (column, cell) {
        (Param::Ints(values), Cell::Int(number)) => values.push(Some(number)),
        (Param::Ints(values), _) => values.push(None),
        // PostgreSQL's text has no U+0000: the replacement character says that something stood there.
        (Param::Texts(values), Cell::Text(text)) => values.push(Some(text.replace('\0', "\u{fffd}"))),
        (Param::Texts(values), _) => values.push(None),
        (Param::Blobs(values), Cell::Blob(bytes)) => values.push(Some(bytes.to_vec())),
        (Param::Blobs(values), _) => values.push(None),
        _ => {}
    }
}

/// A row, read by position.
#[derive(Debug)]
pub enum Row {
    /// SQLite's.
    Sqlite(sqlx::sqlite::SqliteRow),
    /// PostgreSQL's.
    Postgres(sqlx::postgres::PgRow),
}

macro_rules! getter {
    ($name:ident, $type:ty, $doc:literal) => {
        #[doc = $doc]
        pub fn $name(&self, index: usize) -> Result<$type, StoreError> {
            let read = match self {
                Self::Sqlite(row) => row.try_get(index),
                Self::Postgres(row) => row.try_get(index),
            };
            read.map_err(StoreError::statement("reading a column"))
        }
    };
}

impl Row {
    getter!(int, i64, "An integer.");
    getter!(maybe_int, Option<i64>, "An integer, or none.");
    getter!(text, String, "A text.");
    getter!(maybe_text, Option<String>, "A text, or none.");
    getter!(blob, Vec<u8>, "Bytes.");
    getter!(maybe_blob, Option<Vec<u8>>, "Bytes, or none.");
}

/// A connection of either database. Whatever fails on it for want of space is noticed by all who hold the store.
#[derive(Debug)]
pub struct Conn<'a> {
    pub(crate) inner: Inner<'a>,
    pub(crate) space: &'a Space,
}

#[derive(Debug)]
pub(crate) enum Inner<'a> {
    Sqlite(&'a mut sqlx::SqliteConnection),
    Postgres(&'a mut sqlx::PgConnection),
}

macro_rules! bind_all {
    ($query:expr, $params:expr, arrays: $arrays:tt) => {{
        let mut query = $query;
        for param in $params {
            query = match param {
                Param::Int(value) => query.bind(value),
                Param::Text(value) => query.bind(value),
                Param::Blob(value) => query.bind(value),
                other => bind_all!(@array query, other, $arrays),
            };
        }
        query
    }};
    (@array $query:ident, $other:ident, true) => {
        match $other {
            Param::Ints(values) => $query.bind(values),
            Param::Texts(values) => $query.bind(values),
            Param::Blobs(values) => $query.bind(values),
            _ => $query,
        }
    };
    (@array $query:ident, $other:ident, false) => {{
        let _ = $other;
        $query
    }};
}

impl Conn<'_> {
    /// Which database.
    pub fn dialect(&self) -> Dialect {
        match &self.inner {
            Inner::Sqlite(_) => Dialect::Sqlite,
            Inner::Postgres(_) => Dialect::Postgres,
        }
    }

    /// Runs a statement that was made before; gives the number of rows it touched.
    pub(crate) async fn run(&mut self, command: Command) -> Result<u64, StoreError> {
        self.execute(command.operation, command.sql, command.params).await
    }

    /// Runs a statement; gives the number of rows it touched. `sql` never holds a user's text.
    pub async fn execute(
        &mut self,
        operation: &'static str,
        sql: impl Into<String>,
        params: Vec<Param>,
    ) -> Result<u64, StoreError> {
        tracing::trace!(operation, "a statement");
        let sql = AssertSqlSafe(sql.into());
        let done = match &mut self.inner {
            Inner::Sqlite(connection) => bind_all!(sqlx::query(sql), params, arrays: false)
                .execute(&mut **connection)
                .await
                .map(|done| done.rows_affected()),
            Inner::Postgres(connection) => bind_all!(sqlx::query(sql), params, arrays: true)
                .execute(&mut **connection)
                .await
                .map(|done| done.rows_affected()),
        };
        done.map_err(StoreError::statement(operation)).inspect_err(|error| self.space.notice(error))
    }

    /// Runs a query to its end; whoever asks bounds it.
    pub async fn fetch(
        &mut self,
        operation: &'static str,
        sql: impl Into<String>,
        params: Vec<Param>,
    ) -> Result<Vec<Row>, StoreError> {
        tracing::trace!(operation, "a query");
        let sql = AssertSqlSafe(sql.into());
        let rows = match &mut self.inner {
            Inner::Sqlite(connection) => bind_all!(sqlx::query(sql), params, arrays: false)
                .fetch_all(&mut **connection)
                .await
                .map(|rows| rows.into_iter().map(Row::Sqlite).collect()),
            Inner::Postgres(connection) => bind_all!(sqlx::query(sql), params, arrays: true)
                .fetch_all(&mut **connection)
                .await
                .map(|rows| rows.into_iter().map(Row::Postgres).collect()),
        };
        rows.map_err(StoreError::statement(operation)).inspect_err(|error| self.space.notice(error))
    }

    /// Runs a query that gives at most one row.
    pub async fn fetch_one(
        &mut self,
        operation: &'static str,
        sql: impl Into<String>,
        params: Vec<Param>,
    ) -> Result<Option<Row>, StoreError> {
        Ok(self.fetch(operation, sql, params).await?.into_iter().next())
    }
}
