//! Asking the store: the search tables' upkeep, and lists by query.

use muster_core::asset::Class;
use muster_core::asset::schema::{self, Field, FieldType, List, SearchValue, fields};
use muster_core::fold::fingerprint;
use muster_core::query::Query;
use muster_core::query::tokens::Target;

use crate::dialect::Dialect;
use crate::inventory::parse_detail;
use crate::search::{self, Bind, Count, Counting, Page, PageKey, Statement, View};
use crate::sql::{Bulk, Cell, ColumnKind, Command, Conn, Param};
use crate::{Store, StoreError};

/// Rows that are refilled at once when the search tables are made anew.
const REFILL: i64 = 1000;

impl Store {
    /// Makes the search tables, or makes them anew when the registry of fields is another.
    pub(crate) async fn ensure_search(&self) -> Result<(), StoreError> {
        let dialect = self.dialect();
        let mut statements = search::create_statements(dialect);
        if dialect == Dialect::Sqlite {
            statements.extend(search::substring_statements(dialect));
        }
        let wanted = fingerprint(statements.join(";").as_bytes());
        let mut transaction = self.begin().await?;
        let mut conn = transaction.conn()?;
        if dialect == Dialect::Postgres {
            conn.execute("taking the schema lock", "SELECT pg_advisory_xact_lock(7305808869229538669)", Vec::new())
                .await?;
        }
        let found = conn
            .fetch_one("reading the search schema", "SELECT fingerprint FROM search_schema WHERE id = 1", Vec::new())
            .await?;
        let found = found.map(|row| row.blob(0)).transpose()?;
        if found.as_deref() == Some(&wanted[..]) {
            return transaction.commit().await;
        }
        for class in Class::ALL {
            let of_lists = schema::lists(class).map(search::list_table);
            for table in [search::text_table(class), search::table(class)].into_iter().chain(of_lists) {
                conn.execute("dropping a search table", format!("DROP TABLE IF EXISTS {table}"), Vec::new()).await?;
            }
        }
        for statement in statements {
            conn.execute("creating the search tables", statement, Vec::new()).await?;
        }
        refill(&mut conn).await?;
        let sql = "INSERT INTO search_schema (id, fingerprint) VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET fingerprint = excluded.fingerprint";
        conn.execute("keeping the search schema", sql, vec![wanted.to_vec().into()]).await?;
        transaction.commit().await?;
        if dialect == Dialect::Postgres {
            self.create_trigram_indexes().await;
        }
        Ok(())
    }

    /// PostgreSQL's substring indexes need an extension that an administrator may have to allow; without them lists
    /// are the same, and slower.
    async fn create_trigram_indexes(&self) {
        let Ok(mut writer) = self.writer().await else { return };
        for statement in search::substring_statements(Dialect::Postgres) {
            if let Err(error) = writer.conn().execute("creating a substring index", statement, Vec::new()).await {
                tracing::warn!(error = %error, "substring searches will scan: the extension pg_trgm is not available");
                return;
            }
        }
    }

    /// A page of ids in the list's order, and the key of the next page.
    pub async fn list(
        &self,
        query: &Query,
        view: &View,
        page: &Page,
    ) -> Result<(Vec<i64>, Option<PageKey>), StoreError> {
        let statement = search::page(query, view, page).map_err(|error| StoreError::Query(error.to_string()))?;
        let number = page.sort.by.is_none_or(|by| by.value() != FieldType::Text);
        let rows = self.ask("listing assets", statement).await?;
        let ids = rows.iter().map(|row| row.int(0)).collect::<Result<Vec<_>, _>>()?;
        let full = ids.len() >= usize::try_from(page.limit).unwrap_or(usize::MAX);
        let next = match rows.last() {
            Some(row) if full => {
                let value = if number {
                    row.maybe_int(1)?.map(SearchValue::Number)
                } else {
                    row.maybe_text(1)?.map(SearchValue::Text)
                };
                Some(PageKey { value, id: row.int(0)? })
            }
            _ => None,
        };
        Ok((ids, next))
    }

    /// How many assets a query finds.
    pub async fn count(&self, query: &Query, view: &View, counting: Counting) -> Result<Count, StoreError> {
        let rows = self.ask("counting assets", search::count(query, view, counting)).await?;
        Ok(counting.count(rows.first().map_or(Ok(0), |row| row.int(0))?))
    }

    /// The values of a keyword among what a query finds, with their counts, most first.
    pub async fn facet(
        &self,
        query: &Query,
        view: &View,
        target: Target,
    ) -> Result<Vec<(Option<String>, i64)>, StoreError> {
        let statement = search::facet(query, view, target).map_err(|error| StoreError::Query(error.to_string()))?;
        let rows = self.ask("counting values", statement).await?;
        rows.iter().map(|row| Ok((row.maybe_text(0)?, row.int(1)?))).collect()
    }

    async fn ask(&self, operation: &'static str, statement: Statement) -> Result<Vec<crate::sql::Row>, StoreError> {
        let mut reader = self.reader().await?;
        let params = statement.binds.into_iter().map(|bind| match bind {
            Bind::Text(text) => Param::from(text),
            Bind::Number(number) => Param::from(number),
        });
        reader.conn().fetch(operation, statement.sql, params.collect()).await
    }
}

/// Fills the search tables from the documents.
async fn refill(conn: &mut Conn<'_>) -> Result<(), StoreError> {
    let mut after = 0;
    loop {
        let sql = "SELECT a.id, a.tenant, a.class, d.detail FROM asset a JOIN document d ON d.asset = a.id WHERE a.id > $1 ORDER BY a.id LIMIT $2";
        let rows = conn.fetch("reading documents", sql, vec![after.into(), REFILL.into()]).await?;
        let Some(last) = rows.last() else { return Ok(()) };
        after = last.int(0)?;
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            let class = Class::from_word(&row.text(2)?)
                .ok_or_else(|| StoreError::Corrupt("an asset of no class".to_owned()))?;
            found.push((row.int(0)?, row.int(1)?, class, parse_detail(&row.text(3)?)?));
        }
        for class in Class::ALL {
            let mut tenants: Vec<i64> = found.iter().filter(|row| row.2 == class).map(|row| row.1).collect();
            tenants.sort_unstable();
            tenants.dedup();
            for tenant in tenants {
                let rows: Vec<_> =
                    found.iter().filter(|row| row.2 == class && row.1 == tenant).map(|row| (row.0, &row.3)).collect();
                for command in pack_rows(conn.dialect(), (tenant, class), &rows, &[]) {
                    conn.run(command).await?;
                }
            }
        }
    }
}

/// What writes the search rows of assets; `known` are the ids among them that have a row already.
pub(crate) fn pack_rows(
    dialect: Dialect,
    (tenant, class): (i64, Class),
    rows: &[(i64, &serde_json::Map<String, serde_json::Value>)],
    known: &[i64],
) -> Vec<Command> {
    let mut columns = vec![("asset_id", ColumnKind::Int)];
    columns.extend(fields(class).map(bulk_column));
    if rows.is_empty() || columns.len() == 1 {
        return Vec::new();
    }
    let keep =
        |sql: String, ids: String| Command { operation: "keeping the substring index", sql, params: vec![ids.into()] };
    let mut commands = Vec::new();
    if let (Some(sql), false) = (search::substring_delete(dialect, class), known.is_empty()) {
        commands.push(keep(sql, id_list(known.iter().copied())));
    }
    let mut bulk = Bulk::new(dialect, &columns, rows.len());
    for (id, detail) in rows {
        let values = schema::search_values(class, detail);
        let mut cells = vec![Cell::Int(*id)];
        cells.extend(values.iter().map(cell));
        bulk.push(&cells);
    }
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    let list = names.join(", ");
    let updates: Vec<String> = names[1..].iter().map(|name| format!("{name} = excluded.{name}")).collect();
    let (source, params) = bulk.source(dialect, "b", 2);
    let sql = format!(
        "INSERT INTO {} (tenant, {list}) SELECT $1{}, {list} FROM {source} WHERE true ON CONFLICT (asset_id) DO UPDATE SET {}",
        search::table(class),
        dialect.cast_int(),
        updates.join(", ")
    );
    let mut all = vec![tenant.into()];
    all.extend(params);
    commands.push(Command { operation: "writing search rows", sql, params: all });
    if let Some(sql) = search::substring_insert(dialect, class) {
        commands.push(keep(sql, id_list(rows.iter().map(|(id, _)| *id))));
    }
    commands.extend(schema::lists(class).flat_map(|list| pack_elements(dialect, list, rows, known)));
    commands
}

/// What writes the elements of one list: those of known assets go first.
fn pack_elements(
    dialect: Dialect,
    list: &List,
    rows: &[(i64, &serde_json::Map<String, serde_json::Value>)],
    known: &[i64],
) -> Vec<Command> {
    let table = search::list_table(list);
    let mut commands = Vec::new();
    if !known.is_empty() {
        let (source, params) = Bulk::ids(dialect, known).source(dialect, "b", 1);
        let sql = format!("DELETE FROM {table} WHERE asset_id IN (SELECT id FROM {source})");
        commands.push(Command { operation: "removing elements from search", sql, params });
    }
    let mut columns = vec![("asset_id", ColumnKind::Int), ("place", ColumnKind::Int)];
    columns.extend(list.elements.iter().map(bulk_column));
    let mut bulk = Bulk::new(dialect, &columns, rows.len());
    let mut some = false;
    for (id, detail) in rows {
        for (place, values) in (0_i64..).zip(schema::search_elements(list, detail)) {
            let mut cells = vec![Cell::Int(*id), Cell::Int(place)];
            cells.extend(values.iter().map(cell));
            bulk.push(&cells);
            some = true;
        }
    }
    if some {
        let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
        let names = names.join(", ");
        let (source, params) = bulk.source(dialect, "b", 1);
        let sql = format!("INSERT INTO {table} ({names}) SELECT {names} FROM {source}");
        commands.push(Command { operation: "writing elements to search", sql, params });
    }
    commands
}

fn bulk_column(field: &Field) -> (&'static str, ColumnKind) {
    let kind = if field.value == FieldType::Text { ColumnKind::Text } else { ColumnKind::Int };
    (field.column, kind)
}

fn cell(value: &Option<SearchValue>) -> Cell<'_> {
    match value {
        None => Cell::Null,
        Some(SearchValue::Text(text)) => Cell::Text(text),
        Some(SearchValue::Number(number)) => Cell::Int(*number),
    }
}

fn id_list(ids: impl Iterator<Item = i64>) -> String {
    let list: Vec<String> = ids.map(|id| id.to_string()).collect();
    format!("[{}]", list.join(","))
}
