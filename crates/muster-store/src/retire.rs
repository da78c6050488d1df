//! Marking assets gone, holding them, letting them go on; parked records.

use muster_core::asset::GoneCause;
use muster_core::clock::Instant;
use muster_core::ledger::LedgerLine;

use crate::claims::{Fence, RunClaim, check_fence, raise_attempt};
use crate::ids::{SeenKind, decode_ids, encode_ids};
use crate::runs::{ConnectorRow, next_id, save_line};
use crate::sql::{Bulk, Cell, ColumnKind, Conn};
use crate::{Store, StoreError};

/// A parked record.
#[derive(Debug, Clone)]
pub struct ParkedRow {
    /// The asset.
    pub asset: i64,
    /// The attributes it lost, a bit each.
    pub lost: u64,
    /// All its values, encoded.
    pub record: Vec<u8>,
}

impl Store {
    /// Marks assets of one scope gone, each with its cause, and counts them into the scope's ledger line.
    pub async fn retire(
        &self,
        fence: Fence,
        gone: &[(i64, GoneCause)],
        as_of: Instant,
        line: &mut LedgerLine,
    ) -> Result<(), StoreError> {
        if gone.is_empty() {
            return Ok(());
        }
        let mut transaction = self.begin().await?;
        let mut conn = transaction.conn()?;
        check_fence(&mut conn, fence).await?;
        let dialect = conn.dialect();
        let mut bulk = Bulk::new(dialect, &[("id", ColumnKind::Int), ("cause", ColumnKind::Text)], gone.len());
        gone.iter().for_each(|(id, cause)| bulk.push(&[Cell::Int(*id), Cell::Text(cause.word())]));
        let (source, params) = bulk.source(dialect, "b", 2);
        let sql = format!(
            "UPDATE asset SET state = 'gone', gone_cause = b.cause, gone_at = $1, missing_since = NULL, recheck_at = NULL, \
             changed_at = $1 FROM {source} WHERE asset.id = b.id AND asset.state = 'present' RETURNING asset.id"
        );
        let mut all = vec![as_of.0.into()];
        all.extend(params);
        let rows = conn.fetch("marking assets gone", sql, all).await?;
        let mut ids = rows.iter().map(|row| row.int(0)).collect::<Result<Vec<_>, _>>()?;
        ids.sort_unstable();
        state_history(&mut conn, (fence.run, as_of), &ids, "present").await?;
        note(&mut conn, fence, SeenKind::Changed, &ids).await?;
        crate::letters::drop_of(&mut conn, &ids).await?;
        line.counters.gone += crate::inventory::count(i64::try_from(ids.len()).unwrap_or(i64::MAX));
        save_line(&mut conn, fence.run, fence.scope, line, true).await?;
        transaction.commit().await
    }

    /// Holds assets: they stay present, and say since when they are missing (design D9).
    pub async fn hold(
        &self,
        fence: Fence,
        ids: &[i64],
        as_of: Instant,
        line: &mut LedgerLine,
    ) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        let mut conn = transaction.conn()?;
        check_fence(&mut conn, fence).await?;
        let fresh = not_noted(&mut conn, fence.run, SeenKind::Held, ids).await?;
        update_ids(&mut conn, "missing_since = $1", "asset.missing_since IS NULL", (ids, as_of.0)).await?;
        note(&mut conn, fence, SeenKind::Held, &fresh).await?;
        line.counters.held += crate::inventory::count(i64::try_from(fresh.len()).unwrap_or(i64::MAX));
        save_line(&mut conn, fence.run, fence.scope, line, true).await?;
        transaction.commit().await
    }

    /// Lets go of a hold: the assets are there after all.
    pub async fn unhold(&self, fence: Fence, ids: &[i64]) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        let mut conn = transaction.conn()?;
        check_fence(&mut conn, fence).await?;
        let missing = "(asset.missing_since IS NOT NULL OR asset.missed > 0)";
        update_ids(&mut conn, "missing_since = NULL, missed = $1", missing, (ids, 0)).await?;
        transaction.commit().await
    }

    /// Counts one more complete run in which these assets were not listed (D3): once per run, however often it is
    /// resumed, and no further than to the two that are asked for.
    pub async fn count_missed(&self, fence: Fence, ids: &[i64]) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        let mut conn = transaction.conn()?;
        check_fence(&mut conn, fence).await?;
        let fresh = not_noted(&mut conn, fence.run, SeenKind::Missed, ids).await?;
        update_ids(&mut conn, "missed = missed + $1", "asset.missed < 2", (&fresh, 1)).await?;
        note(&mut conn, fence, SeenKind::Missed, &fresh).await?;
        transaction.commit().await
    }

    /// Those of these assets that two complete runs in a row have missed.
    pub async fn missed_twice(&self, ids: &[i64]) -> Result<Vec<i64>, StoreError> {
        let mut reader = self.reader().await?;
        let mut conn = reader.conn();
        let mut twice = Vec::new();
        for chunk in ids.chunks(5000) {
            let dialect = conn.dialect();
            let bulk = Bulk::ids(dialect, chunk);
            let (source, params) = bulk.source(dialect, "b", 1);
            let join = dialect.bulk_join();
            let sql = format!("SELECT a.id FROM {source} {join} asset a ON a.id = b.id WHERE a.missed >= 2");
            for row in conn.fetch("reading missed runs", sql, params).await? {
                twice.push(row.int(0)?);
            }
        }
        Ok(twice)
    }

    /// Source keys and scopes of assets.
    pub async fn keys_of(&self, ids: &[i64]) -> Result<Vec<(i64, String, i64)>, StoreError> {
        let mut reader = self.reader().await?;
        let mut conn = reader.conn();
        let mut found = Vec::with_capacity(ids.len());
        for chunk in ids.chunks(1000) {
            let dialect = conn.dialect();
            let bulk = Bulk::ids(dialect, chunk);
            let (source, params) = bulk.source(dialect, "b", 1);
            let join = dialect.bulk_join();
            let sql = format!(
                "SELECT a.id, a.source_key, a.scope FROM {source} {join} asset a ON a.id = b.id WHERE a.state = 'present'"
            );
            for row in conn.fetch("reading keys", sql, params).await? {
                found.push((row.int(0)?, row.text(1)?, row.int(2)?));
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    /// Claims a scope whose reading has ended, for what follows: as [`Store::claim_scope`], but what is parked stays.
    pub async fn claim_read_scope(&self, claim: RunClaim, scope: i64) -> Result<Fence, StoreError> {
        let mut transaction = self.begin().await?;
        let fence = raise_attempt(&mut transaction.conn()?, claim, scope).await?;
        transaction.commit().await?;
        Ok(fence)
    }

    /// How many parked records of a run's scope lost the same attributes: pairs of their bits and a number.
    pub async fn losses(&self, run: i64, scope: i64) -> Result<Vec<(u64, u64)>, StoreError> {
        let mut reader = self.reader().await?;
        let sql = "SELECT lost, COUNT(*) FROM parked WHERE run = $1 AND scope = $2 GROUP BY lost ORDER BY lost";
        let rows = reader.conn().fetch("counting parked records", sql, vec![run.into(), scope.into()]).await?;
        rows.iter().map(|row| Ok((row.int(0)?.cast_unsigned(), crate::inventory::count(row.int(1)?)))).collect()
    }

    /// How many present assets of a stream have an attribute, or had it before this run.
    pub async fn having(
        &self,
        connector: &ConnectorRow,
        stream: &str,
        (run, bit): (i64, u64),
    ) -> Result<u64, StoreError> {
        let mut reader = self.reader().await?;
        let mut conn = reader.conn();
        let bit_of = |column: &str| format!("({column} & $3{}) <> 0", conn.dialect().cast_int());
        let sql = format!(
            "SELECT COUNT(*) FROM asset a WHERE a.connector = $1 AND a.stream = $2 AND a.state = 'present' AND ({} OR \
             EXISTS (SELECT 1 FROM parked p WHERE p.run = $4 AND p.asset = a.id AND {}))",
            bit_of("a.attributes"),
            bit_of("p.lost")
        );
        let params = vec![connector.id.into(), stream.into(), bit.cast_signed().into(), run.into()];
        let row = conn.fetch_one("counting who has an attribute", sql, params).await?;
        row.map_or(Ok(0), |row| Ok(crate::inventory::count(row.int(0)?)))
    }

    /// The parked records of a run's scope, by asset, after one.
    pub async fn parked(&self, run: i64, scope: i64, after: i64) -> Result<Vec<ParkedRow>, StoreError> {
        let mut reader = self.reader().await?;
        let sql = "SELECT asset, lost, record FROM parked WHERE run = $1 AND scope = $2 AND asset > $3 ORDER BY asset LIMIT 500";
        let rows =
            reader.conn().fetch("reading parked records", sql, vec![run.into(), scope.into(), after.into()]).await?;
        rows.iter()
            .map(|row| Ok(ParkedRow { asset: row.int(0)?, lost: row.int(1)?.cast_unsigned(), record: row.blob(2)? }))
            .collect()
    }
}

async fn update_ids(
    conn: &mut Conn<'_>,
    set: &str,
    condition: &str,
    (ids, value): (&[i64], i64),
) -> Result<(), StoreError> {
    for chunk in ids.chunks(5000) {
        let bulk = Bulk::ids(conn.dialect(), chunk);
        let (source, params) = bulk.source(conn.dialect(), "b", 2);
        let mut all = vec![value.into()];
        all.extend(params);
        let sql = format!("UPDATE asset SET {set} FROM {source} WHERE asset.id = b.id AND {condition}");
        conn.execute("holding assets", sql, all).await?;
    }
    Ok(())
}

/// One entry of history per asset: its state before.
pub(crate) async fn state_history(
    conn: &mut Conn<'_>,
    (run, as_of): (i64, Instant),
    ids: &[i64],
    before: &str,
) -> Result<(), StoreError> {
    if ids.is_empty() {
        return Ok(());
    }
    let mut id = next_id(conn, i64::try_from(ids.len()).unwrap_or(i64::MAX)).await?;
    let dialect = conn.dialect();
    let mut bulk = Bulk::new(dialect, &[("id", ColumnKind::Int), ("asset", ColumnKind::Int)], ids.len());
    for &asset in ids {
        bulk.push(&[Cell::Int(id), Cell::Int(asset)]);
        id += 1;
    }
    let (source, params) = bulk.source(dialect, "b", 4);
    let (int, text) = (dialect.cast_int(), dialect.cast_text());
    let sql = format!(
        "INSERT INTO change (id, asset, run, at, cause, before) SELECT b.id, b.asset, $1{int}, $2{int}, 'source', $3{text} FROM {source}"
    );
    let mut all = vec![run.into(), as_of.0.into(), format!("{{\"state\":\"{before}\"}}").into()];
    all.extend(params);
    conn.execute("writing history", sql, all).await?;
    Ok(())
}

/// Those of these assets that a run has not noted yet.
async fn not_noted(conn: &mut Conn<'_>, run: i64, kind: SeenKind, ids: &[i64]) -> Result<Vec<i64>, StoreError> {
    let sql = "SELECT ids FROM seen WHERE run = $1 AND kind = $2";
    let mut noted = roaring::RoaringTreemap::new();
    for row in conn.fetch("reading what was noted", sql, vec![run.into(), kind.number().into()]).await? {
        decode_ids(&row.blob(0)?, &mut noted);
    }
    let mut fresh: Vec<i64> = ids.iter().copied().filter(|id| !noted.contains(id.cast_unsigned())).collect();
    fresh.sort_unstable();
    Ok(fresh)
}

/// Notes assets for this run, under a number that no batch of an attempt takes.
async fn note(conn: &mut Conn<'_>, fence: Fence, kind: SeenKind, ids: &[i64]) -> Result<(), StoreError> {
    if ids.is_empty() {
        return Ok(());
    }
    let number = next_id(conn, 1).await?;
    let sql = "INSERT INTO seen (run, scope, kind, batch, ids) VALUES ($1, $2, $3, $4, $5)";
    let params =
        vec![fence.run.into(), fence.scope.into(), kind.number().into(), (-number).into(), encode_ids(ids).into()];
    conn.execute("noting what changed", sql, params).await?;
    Ok(())
}
