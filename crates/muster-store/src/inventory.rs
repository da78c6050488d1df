//! Reading the inventory: before a batch, for candidates, for people.

use muster_core::clock::Instant;
use muster_core::link::Member;
use muster_core::reconcile::Known;
use muster_core::record::RecordHash;
use roaring::RoaringTreemap;

use crate::dialect::Dialect;
use crate::runs::ConnectorRow;
use crate::sql::{Bulk, Cell, ColumnKind, Row};
use crate::{Store, StoreError};

/// What the store knows of a record's asset before a batch is decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prior {
    /// The asset.
    pub id: i64,
    /// Nothing at all has changed: the rest was not looked up.
    pub same: bool,
    /// What is known of it, unless nothing changed.
    pub known: Option<Known>,
}

/// A record as the prefilter asks for it.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The source key.
    pub key: &'a str,
    /// Hash of the content attributes; none for a sweep.
    pub hash: Option<RecordHash>,
    /// Hash of the volatile attributes.
    pub volatile: RecordHash,
}

/// The wide part of an asset.
#[derive(Debug, Clone, PartialEq)]
pub struct DocumentRow {
    /// The asset.
    pub id: i64,
    /// Its source key.
    pub source_key: String,
    /// Its external id.
    pub external_id: Option<String>,
    /// Its vendor id.
    pub vendor_id: Option<String>,
    /// The `assetDetail` document.
    pub detail: serde_json::Map<String, serde_json::Value>,
    /// Its volatile values as the record encodes them.
    pub volatile: Vec<u8>,
    /// Its content and identity values as the record encodes them; none after a purge.
    pub raw: Option<Vec<u8>>,
    /// When it was first seen.
    pub first_seen: Instant,
    /// The map that made it.
    pub map: i64,
    /// The scope it lies in.
    pub scope: i64,
    /// Hash of the volatile attributes as they were read.
    pub volatile_hash: RecordHash,
    /// When its content last changed.
    pub changed_at: Instant,
}

/// How many assets of a stream there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Present, held ones included.
    pub present: u64,
    /// Held.
    pub held: u64,
    /// Gone.
    pub gone: u64,
}

pub(crate) fn hash_of(bytes: &[u8]) -> RecordHash {
    <[u8; 16]>::try_from(bytes).map(RecordHash).unwrap_or_default()
}

pub(crate) fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

impl Store {
    /// Looks up a batch of records: one statement finds those of which nothing changed, a second one the others.
    pub async fn prefilter(
        &self,
        connector: &ConnectorRow,
        stream: &str,
        (scope, map): (i64, i64),
        asked: &[Asked<'_>],
    ) -> Result<Vec<Option<Prior>>, StoreError> {
        let mut priors = vec![None; asked.len()];
        if asked.is_empty() {
            return Ok(priors);
        }
        let mut reader = self.reader().await?;
        let mut conn = reader.conn();
        let dialect = conn.dialect();
        let columns =
            [("n", ColumnKind::Int), ("k", ColumnKind::Text), ("h", ColumnKind::Blob), ("v", ColumnKind::Blob)];
        let mut bulk = Bulk::new(dialect, &columns, asked.len());
        for (n, record) in asked.iter().enumerate() {
            let hash = record.hash.as_ref().map(|hash| hash.0.as_slice());
            bulk.push(&[Cell::Int(index(n)), record.key.into(), hash.into(), Cell::Blob(&record.volatile.0)]);
        }
        let (source, params) = bulk.source(dialect, "b", 6);
        let join = dialect.bulk_join();
        let sql = together(dialect, &same_sql(&source, join));
        let mut all = vec![connector.tenant.into(), connector.id.into(), stream.into(), scope.into(), map.into()];
        all.extend(params);
        if let Some(row) = conn.fetch_one("looking up records", sql, all).await? {
            for (n, id) in pairs(&row.maybe_text(0)?.unwrap_or_default())? {
                if let Some(slot) = usize::try_from(n).ok().and_then(|n| priors.get_mut(n)) {
                    *slot = Some(Prior { id, same: true, known: None });
                }
            }
        }
        let rest: Vec<usize> = (0..asked.len()).filter(|&n| priors[n].is_none()).collect();
        if rest.is_empty() {
            return Ok(priors);
        }
        let mut bulk = Bulk::new(dialect, &columns[..2], rest.len());
        for n in rest {
            bulk.push(&[Cell::Int(index(n)), asked[n].key.into()]);
        }
        let (source, params) = bulk.source(dialect, "b", 4);
        let sql = format!(
            "SELECT b.n, a.id, a.record_hash, a.volatile_hash, a.map, a.attributes, a.state, a.missing_since, a.scope, a.missed \
             FROM {source} {join} asset a ON a.tenant = $1 AND a.connector = $2 AND a.stream = $3 AND a.source_key = b.k"
        );
        let mut all = vec![connector.tenant.into(), connector.id.into(), stream.into()];
        all.extend(params);
        for row in conn.fetch("looking up changed records", sql, all).await? {
            let known = Known {
                record_hash: hash_of(&row.blob(2)?),
                volatile_hash: hash_of(&row.blob(3)?),
                map: row.int(4)?,
                attributes: row.int(5)?.cast_unsigned(),
                gone: row.text(6)? == "gone",
                missing: row.maybe_int(7)?.is_some() || row.int(9)? > 0,
                scope: row.int(8)?,
            };
            let prior = Prior { id: row.int(1)?, same: false, known: Some(known) };
            if let Some(slot) = position(&row, &mut priors)? {
                *slot = Some(prior);
            }
        }
        Ok(priors)
    }

    /// The wide parts of assets, in no order.
    pub async fn documents(&self, ids: &[i64]) -> Result<Vec<DocumentRow>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut reader = self.reader().await?;
        let mut conn = reader.conn();
        let dialect = conn.dialect();
        let bulk = Bulk::ids(dialect, ids);
        let (source, params) = bulk.source(dialect, "b", 1);
        let join = dialect.bulk_join();
        let sql = format!(
            "SELECT a.id, a.source_key, a.external_id, a.vendor_id, d.detail, d.volatile, d.raw, a.first_seen, a.map, a.scope, \
             a.volatile_hash, a.changed_at \
             FROM {source} {join} asset a ON a.id = b.id {join} document d ON d.asset = b.id"
        );
        let rows = conn.fetch("reading documents", sql, params).await?;
        rows.iter()
            .map(|row| {
                let raw = row.maybe_blob(6)?.map(|packed| unpack(&packed)).transpose()?;
                Ok(DocumentRow {
                    id: row.int(0)?,
                    source_key: row.text(1)?,
                    external_id: row.maybe_text(2)?,
                    vendor_id: row.maybe_text(3)?,
                    detail: parse_detail(&row.text(4)?)?,
                    volatile: row.blob(5)?,
                    raw,
                    first_seen: Instant(row.int(7)?),
                    map: row.int(8)?,
                    scope: row.int(9)?,
                    volatile_hash: hash_of(&row.blob(10)?),
                    changed_at: Instant(row.int(11)?),
                })
            })
            .collect()
    }

    /// Present assets of these scopes (none: of all scopes of the stream) that are not among `seen`: ids and keys.
    pub async fn unseen(
        &self,
        connector: &ConnectorRow,
        stream: &str,
        scopes: &[i64],
        seen: &RoaringTreemap,
    ) -> Result<Vec<i64>, StoreError> {
        let mut reader = self.reader().await?;
        let mut conn = reader.conn();
        let mut found = Vec::new();
        for &scope in scopes {
            let mut after = 0;
            loop {
                let sql = "SELECT id FROM asset WHERE connector = $1 AND stream = $2 AND state = 'present' \
                           AND scope = $3 AND id > $4 ORDER BY id LIMIT 20000";
                let params = vec![connector.id.into(), stream.into(), scope.into(), after.into()];
                let rows = conn.fetch("looking for what was not seen", sql, params).await?;
                let Some(last) = rows.last() else { break };
                after = last.int(0)?;
                for row in &rows {
                    let id = row.int(0)?;
                    if !seen.contains(id.cast_unsigned()) {
                        found.push(id);
                    }
                }
            }
        }
        Ok(found)
    }

    /// How many present assets each scope of a stream holds.
    pub async fn present_by_scope(
        &self,
        connector: &ConnectorRow,
        stream: &str,
    ) -> Result<Vec<(i64, u64)>, StoreError> {
        let mut reader = self.reader().await?;
        let sql = "SELECT scope, COUNT(*) FROM asset WHERE connector = $1 AND stream = $2 AND state = 'present' GROUP BY scope";
        let rows = reader.conn().fetch("counting scopes", sql, vec![connector.id.into(), stream.into()]).await?;
        rows.iter().map(|row| Ok((row.int(0)?, count(row.int(1)?)))).collect()
    }

    /// How many assets of a stream are present, and the sum of their ids: whether they are those of a set can be told
    /// without reading them.
    pub async fn present_tally(&self, connector: &ConnectorRow, stream: &str) -> Result<(u64, u64), StoreError> {
        let mut reader = self.reader().await?;
        let sql = "SELECT COUNT(*), CAST(COALESCE(SUM(id), 0) AS BIGINT) FROM asset \
                   WHERE connector = $1 AND stream = $2 AND state = 'present'";
        let row = reader.conn().fetch_one("tallying a stream", sql, vec![connector.id.into(), stream.into()]).await?;
        row.map_or(Ok((0, 0)), |row| Ok((count(row.int(0)?), row.int(1)?.cast_unsigned())))
    }

    /// How many assets of a stream went since then.
    pub async fn gone_since(&self, connector: &ConnectorRow, stream: &str, since: Instant) -> Result<u64, StoreError> {
        let mut reader = self.reader().await?;
        let sql = "SELECT COUNT(*) FROM asset WHERE connector = $1 AND stream = $2 AND gone_at > $3";
        let params = vec![connector.id.into(), stream.into(), since.0.into()];
        let row = reader.conn().fetch_one("counting what went lately", sql, params).await?;
        row.map_or(Ok(0), |row| Ok(count(row.int(0)?)))
    }

    /// Totals of a stream.
    pub async fn totals(&self, connector: &ConnectorRow, stream: &str) -> Result<Totals, StoreError> {
        let mut reader = self.reader().await?;
        let sql = "SELECT state, COUNT(*), COUNT(missing_since) FROM asset WHERE connector = $1 AND stream = $2 GROUP BY state";
        let mut totals = Totals::default();
        for row in reader.conn().fetch("counting assets", sql, vec![connector.id.into(), stream.into()]).await? {
            let number = count(row.int(1)?);
            if row.text(0)? == "gone" {
                totals.gone = number;
            } else {
                totals.present = number;
                totals.held = count(row.int(2)?);
            }
        }
        Ok(totals)
    }

    /// The held assets of a stream.
    pub async fn held(&self, connector: &ConnectorRow, stream: &str) -> Result<Vec<i64>, StoreError> {
        let mut reader = self.reader().await?;
        let sql = "SELECT id FROM asset WHERE connector = $1 AND stream = $2 AND missing_since IS NOT NULL AND state = 'present' ORDER BY id";
        let rows = reader.conn().fetch("reading what is held", sql, vec![connector.id.into(), stream.into()]).await?;
        rows.iter().map(|row| row.int(0)).collect()
    }

    /// Assets of a stream to be mapped again: due by time, or (with a map) made by another map than that. Paged by id.
    /// Only those that lie in a scope of that profile: another one's are mapped as it says.
    pub async fn to_remap(
        &self,
        connector: &ConnectorRow,
        (stream, profile): (&str, Option<i64>),
        (as_of, other_than, after): (Instant, Option<i64>, i64),
    ) -> Result<Vec<i64>, StoreError> {
        let mut reader = self.reader().await?;
        let (condition, extra) = match other_than {
            None => ("recheck_at IS NOT NULL AND recheck_at <= $4", as_of.0),
            Some(map) => ("map <> $4", map),
        };
        let sql = format!(
            "SELECT id FROM asset WHERE connector = $1 AND stream = $2 AND id > $3 AND state = 'present' AND {condition} \
             AND EXISTS (SELECT 1 FROM scope s WHERE s.id = asset.scope AND s.profile IS NOT DISTINCT FROM $5) \
             ORDER BY id LIMIT 500"
        );
        let params = vec![connector.id.into(), stream.into(), after.into(), extra.into(), profile.into()];
        let rows = reader.conn().fetch("looking for what is due", sql, params).await?;
        rows.iter().map(|row| row.int(0)).collect()
    }

    /// The ids of these keys of any stream of a connector.
    pub async fn ids_of_keys(
        &self,
        connector: &ConnectorRow,
        stream: &str,
        keys: &[String],
    ) -> Result<Vec<(String, i64)>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let mut reader = self.reader().await?;
        let mut conn = reader.conn();
        let dialect = conn.dialect();
        let mut bulk = Bulk::new(dialect, &[("k", ColumnKind::Text)], keys.len());
        keys.iter().for_each(|key| bulk.push(&[Cell::Text(key)]));
        let (source, params) = bulk.source(dialect, "b", 4);
        let join = dialect.bulk_join();
        let sql = format!(
            "SELECT a.source_key, a.id FROM {source} {join} asset a ON a.tenant = $1 AND a.connector = $2 \
             AND a.stream = $3 AND a.source_key = b.k WHERE a.state = 'present'"
        );
        let mut all = vec![connector.tenant.into(), connector.id.into(), stream.into()];
        all.extend(params);
        let rows = conn.fetch("looking up keys", sql, all).await?;
        rows.iter().map(|row| Ok((row.text(0)?, row.int(1)?))).collect()
    }
}

/// Finds the records of which nothing changed.
fn same_sql(source: &str, join: &str) -> String {
    format!(
        "SELECT b.n, a.id FROM {source} {join} asset a ON a.tenant = $1 AND a.connector = $2 AND a.stream = $3 \
         AND a.source_key = b.k WHERE a.state = 'present' AND a.missing_since IS NULL AND a.missed = 0 AND a.scope = $4 \
         AND (b.h IS NULL OR (a.record_hash = b.h AND a.volatile_hash = b.v AND a.map = $5))"
    )
}

/// The pairs of `same` as one row: handing over thousands of rows, one by one, takes longer than looking them up.
fn together(dialect: Dialect, same: &str) -> String {
    let concatenated = match dialect {
        Dialect::Sqlite => "group_concat(s.n || ' ' || s.id, ';')",
        Dialect::Postgres => "string_agg(s.n || ' ' || s.id, ';')",
    };
    format!("SELECT {concatenated} FROM ({same}) s")
}

fn pairs(text: &str) -> Result<Vec<(i64, i64)>, StoreError> {
    let pair = |pair: &str| {
        let (n, id) = pair.split_once(' ')?;
        Some((n.parse().ok()?, id.parse().ok()?))
    };
    let pairs = text.split(';').filter(|part| !part.is_empty()).map(pair);
    pairs.collect::<Option<_>>().ok_or_else(|| StoreError::Corrupt("looked-up records".to_owned()))
}

fn index(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn position<'a>(row: &Row, priors: &'a mut [Option<Prior>]) -> Result<Option<&'a mut Option<Prior>>, StoreError> {
    Ok(usize::try_from(row.int(0)?).ok().and_then(|n| priors.get_mut(n)))
}

pub(crate) fn parse_detail(text: &str) -> Result<serde_json::Map<String, serde_json::Value>, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Corrupt(format!("a document: {error}")))
}

/// The most bytes that a stored record unpacks to.
const MAXIMUM_RAW: usize = 64 << 20;

pub(crate) fn unpack(packed: &[u8]) -> Result<Vec<u8>, StoreError> {
    zstd::bulk::decompress(packed, MAXIMUM_RAW)
        .map_err(|error| StoreError::Corrupt(format!("a stored record: {error}")))
}

pub(crate) fn member_parts(member: &Member) -> (Option<&str>, Option<i64>, &str) {
    match member {
        Member::Key(key) => (Some(key), None, key),
        Member::Place { locator, text } => (None, Some(*locator), text),
        Member::Text(text) => (None, None, text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Location;
    use crate::dialect::Dialect;

    /// The plain join is thousands of times slower (design D5): the batch is walked, each key looked up.
    #[tokio::test]
    async fn prefilter_walks_the_batch_and_looks_each_key_up() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&Location::Directory(directory.path().to_owned())).await.unwrap();
        let columns =
            [("n", ColumnKind::Int), ("k", ColumnKind::Text), ("h", ColumnKind::Blob), ("v", ColumnKind::Blob)];
        let mut bulk = Bulk::new(Dialect::Sqlite, &columns, 1);
        bulk.push(&[Cell::Int(0), Cell::Text("k"), Cell::Null, Cell::Null]);
        let (source, params) = bulk.source(Dialect::Sqlite, "b", 6);
        let sql = format!("EXPLAIN QUERY PLAN {}", same_sql(&source, Dialect::Sqlite.bulk_join()));
        let mut all = vec![1.into(), 1.into(), "people".into(), 1.into(), 1.into()];
        all.extend(params);
        let mut reader = store.reader().await.unwrap();
        let rows = reader.conn().fetch("explaining", sql, all).await.unwrap();
        let plan: Vec<String> = rows.iter().map(|row| row.text(3).unwrap()).collect();
        let lookup = "SEARCH a USING INDEX asset_key (tenant=? AND connector=? AND stream=? AND source_key=?)";
        assert_eq!(plan, ["SCAN jsonb_each VIRTUAL TABLE INDEX 1:", lookup]);
    }
}
