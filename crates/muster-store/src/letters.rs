//! Dead letters: records that became no asset, kept until they are mended (design P9).

use crate::claims::{Fence, check_fence};
use crate::runs::{ConnectorRow, next_id};
use crate::sql::{Bulk, Cell, ColumnKind, Conn, Param};
use crate::write::{BatchWrite, PackedBatch};
use crate::{Store, StoreError};

/// How many letters are replayed in one batch.
const AT_ONCE: i64 = 500;

/// Which letters of a connector are replayed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Letters {
    /// Only those of a stream.
    pub stream: Option<String>,
    /// Only these; none stands for all.
    pub ids: Vec<i64>,
}

/// A letter with what is kept of its record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptLetter {
    /// Its id.
    pub id: i64,
    /// Its source key.
    pub source_key: String,
    /// Why it was rejected.
    pub reason: String,
    /// Its values, encoded.
    pub raw: Vec<u8>,
}

fn place(batch: &BatchWrite) -> Vec<Param> {
    vec![batch.connector.tenant.into(), batch.connector.id.into(), batch.stream.clone().into()]
}

/// Drops the letters that a batch mends, and keeps those that it brings.
pub(crate) async fn write(conn: &mut Conn<'_>, fence: Fence, packed: &PackedBatch) -> Result<(), StoreError> {
    let (dialect, batch) = (conn.dialect(), &packed.batch);
    let mended: Vec<i64> = packed.written.iter().chain(&batch.readable).copied().collect();
    if !mended.is_empty() {
        let some = "SELECT 1 FROM dead_letter WHERE tenant = $1 AND connector = $2 AND stream = $3 LIMIT 1";
        if conn.fetch_one("looking for dead letters", some, place(batch)).await?.is_some() {
            let bulk = Bulk::ids(dialect, &mended);
            let (source, params) = bulk.source(dialect, "b", 4);
            let join = dialect.bulk_join();
            let sql = format!(
                "DELETE FROM dead_letter WHERE tenant = $1 AND connector = $2 AND stream = $3 \
                 AND source_key IN (SELECT a.source_key FROM {source} {join} asset a ON a.id = b.id)"
            );
            let mut all = place(batch);
            all.extend(params);
            conn.execute("dropping mended dead letters", sql, all).await?;
        }
    }
    if batch.dead_letters.is_empty() { Ok(()) } else { keep(conn, fence, batch).await }
}

async fn keep(conn: &mut Conn<'_>, fence: Fence, batch: &BatchWrite) -> Result<(), StoreError> {
    let dialect = conn.dialect();
    let mut id = next_id(conn, i64::try_from(batch.dead_letters.len()).unwrap_or(i64::MAX)).await?;
    use ColumnKind::{Blob, Int, Text};
    let columns = [("id", Int), ("k", Text), ("reason", Text), ("raw", Blob), ("map", Int), ("target", Text)];
    let mut bulk = Bulk::new(dialect, &columns, batch.dead_letters.len());
    for letter in &batch.dead_letters {
        bulk.push(&[
            Cell::Int(id),
            Cell::Text(&letter.source_key),
            Cell::Text(&letter.reason),
            Cell::Blob(&letter.raw),
            letter.map.into(),
            letter.target.as_deref().into(),
        ]);
        id += 1;
    }
    let (source, params) = bulk.source(dialect, "b", 7);
    let (int, text) = (dialect.cast_int(), dialect.cast_text());
    let differs = "dead_letter.reason <> excluded.reason OR dead_letter.raw <> excluded.raw \
                   OR dead_letter.map IS DISTINCT FROM excluded.map";
    // A letter that is replayed and stays counts that; the run that met it is another's only when it says something else.
    let told =
        |column: &str| format!("{column} = CASE WHEN {differs} THEN excluded.{column} ELSE dead_letter.{column} END");
    let (counted, condition) = match batch.retried {
        true => (", replays = dead_letter.replays + 1", "true"),
        false => ("", differs),
    };
    let sql = format!(
        "INSERT INTO dead_letter (id, tenant, connector, stream, scope, source_key, run, at, reason, raw, map, target) \
         SELECT b.id, $1{int}, $2{int}, $3{text}, $4{int}, b.k, $5{int}, $6{int}, b.reason, b.raw, b.map, b.target FROM {source} \
         WHERE true ON CONFLICT (tenant, connector, stream, source_key) DO UPDATE SET reason = excluded.reason, \
         raw = excluded.raw, map = excluded.map, target = excluded.target, {}, {}{counted} WHERE {condition}",
        told("run"),
        told("at")
    );
    let mut all = place(batch);
    all.extend([fence.scope.into(), fence.run.into(), batch.as_of.0.into()]);
    all.extend(params);
    conn.execute("writing dead letters", sql, all).await?;
    Ok(())
}

/// Drops the letters of assets that are gone: their records are no longer the source's.
pub(crate) async fn drop_of(conn: &mut Conn<'_>, ids: &[i64]) -> Result<(), StoreError> {
    for chunk in ids.chunks(5000) {
        let (source, params) = Bulk::ids(conn.dialect(), chunk).source(conn.dialect(), "b", 1);
        let join = conn.dialect().bulk_join();
        let sql = format!(
            "DELETE FROM dead_letter WHERE id IN (SELECT d.id FROM {source} {join} asset a ON a.id = b.id \
             JOIN dead_letter d ON d.tenant = a.tenant AND d.connector = a.connector AND d.stream = a.stream \
             AND d.source_key = a.source_key)"
        );
        conn.execute("dropping letters of what is gone", sql, params).await?;
    }
    Ok(())
}

impl Store {
    /// The scopes that hold such letters of a connector.
    pub async fn scopes_of_letters(&self, connector: &ConnectorRow, which: &Letters) -> Result<Vec<i64>, StoreError> {
        let mut reader = self.reader().await?;
        let mut conn = reader.conn();
        let mut all = vec![connector.tenant.into(), connector.id.into(), which.stream.clone().into()];
        let mut sql = "SELECT DISTINCT d.scope FROM dead_letter d WHERE d.tenant = $1 AND d.connector = $2 \
                       AND ($3 IS NULL OR d.stream = $3)"
            .to_owned();
        sql.push_str(&among(&conn, &which.ids, &mut all));
        let rows = conn.fetch("looking for dead letters", sql, all).await?;
        rows.iter().map(|row| row.int(0)).collect()
    }

    /// Letters of a scope after an id, among these ids where there are any. None of an asset that is gone.
    pub async fn letters_of_scope(&self, scope: i64, ids: &[i64], after: i64) -> Result<Vec<KeptLetter>, StoreError> {
        let mut reader = self.reader().await?;
        let mut conn = reader.conn();
        let mut all = vec![scope.into(), after.into(), AT_ONCE.into()];
        let mut sql = "SELECT d.id, d.source_key, d.reason, d.raw FROM dead_letter d WHERE d.scope = $1 AND d.id > $2 \
                       AND NOT EXISTS (SELECT 1 FROM asset a WHERE a.tenant = d.tenant AND a.connector = d.connector \
                       AND a.stream = d.stream AND a.source_key = d.source_key AND a.state <> 'present')"
            .to_owned();
        sql.push_str(&among(&conn, ids, &mut all));
        sql.push_str(" ORDER BY d.id LIMIT $3");
        let rows = conn.fetch("reading dead letters", sql, all).await?;
        rows.iter()
            .map(|row| {
                Ok(KeptLetter { id: row.int(0)?, source_key: row.text(1)?, reason: row.text(2)?, raw: row.blob(3)? })
            })
            .collect()
    }

    /// Makes the next run of a scope read it anew.
    pub async fn forget_cursor(&self, fence: Fence) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        let mut conn = transaction.conn()?;
        check_fence(&mut conn, fence).await?;
        conn.execute("forgetting a cursor", "UPDATE scope SET cursor = NULL WHERE id = $1", vec![fence.scope.into()])
            .await?;
        transaction.commit().await
    }
}

/// Narrows letters to these ids; any where there are none.
fn among(conn: &Conn<'_>, ids: &[i64], all: &mut Vec<Param>) -> String {
    if ids.is_empty() {
        return String::new();
    }
    let (source, params) = Bulk::ids(conn.dialect(), ids).source(conn.dialect(), "b", all.len() + 1);
    all.extend(params);
    format!(" AND d.id IN (SELECT b.id FROM {source})")
}
