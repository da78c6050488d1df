//! Writing a batch: inventory, search, raw, edges, history, seen and ledger in one transaction.
//!
//! `pack` makes the statements that need nothing of the database, parameters and all; `write_packed` runs them between
//! the fence and the ledger line. So a batch can be packed while the one before it is written.

mod batch;

use std::collections::BTreeSet;

use muster_core::ledger::LedgerLine;

use crate::claims::{Fence, check_fence};
use crate::dialect::Dialect;
use crate::ids::{SeenKind, encode_ids};
use crate::runs::{next_id, save_line};
use crate::sql::{Bulk, Cell, ColumnKind, Command, Conn};
use crate::{Store, StoreError};
pub use batch::{AssetWrite, BatchWrite, ChangeWrite, DeadLetterWrite, Parked, RefreshWrite};

/// A batch whose statements are made.
#[derive(Debug)]
pub struct PackedBatch {
    commands: Vec<Command>,
    /// Assets made, rewritten or refreshed.
    pub(crate) written: Vec<i64>,
    /// Those of them that are new.
    pub(crate) created: BTreeSet<i64>,
    /// The rest: its assets and refreshes are packed.
    pub(crate) batch: BatchWrite,
}

impl Store {
    /// Makes the statements of a batch.
    pub fn pack(&self, mut batch: BatchWrite) -> Result<PackedBatch, StoreError> {
        let dialect = self.dialect();
        let mut commands = Vec::new();
        commands.extend(crate::blobs::pack(dialect, (batch.connector.tenant, batch.as_of), &batch.blobs)?);
        batch.blobs.clear();
        commands.extend(pack_assets(dialect, &batch));
        commands.extend(pack_documents(dialect, &batch)?);
        commands.extend(pack_search(dialect, &batch));
        commands.extend(pack_refreshes(dialect, &batch)?);
        commands.extend(pack_touches(dialect, &batch.touches));
        let created = batch.assets.iter().filter(|asset| asset.created).map(|asset| asset.id).collect();
        let refreshed = batch.refreshes.drain(..).map(|refresh| refresh.id);
        let written = batch.assets.drain(..).map(|asset| asset.id).chain(refreshed).collect();
        Ok(PackedBatch { commands, written, created, batch })
    }

    /// Packs and writes a batch, as [`Store::write_packed`] does.
    pub async fn write(&self, fence: Fence, batch: BatchWrite, line: &mut LedgerLine) -> Result<(), StoreError> {
        self.write_packed(fence, self.pack(batch)?, line).await
    }

    /// Writes a batch and its ledger line, unless the fence says that the writer's claim is gone. What the links
    /// changed is counted into the line.
    pub async fn write_packed(
        &self,
        fence: Fence,
        batch: PackedBatch,
        line: &mut LedgerLine,
    ) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        match write_all(&mut transaction.conn()?, fence, batch, line).await {
            Ok(()) => transaction.commit().await,
            Err(error) => {
                transaction.rollback().await;
                Err(error)
            }
        }
    }
}

async fn write_all(
    conn: &mut Conn<'_>,
    fence: Fence,
    mut packed: PackedBatch,
    line: &mut LedgerLine,
) -> Result<(), StoreError> {
    check_fence(conn, fence).await?;
    for command in packed.commands.drain(..) {
        conn.run(command).await?;
    }
    crate::letters::write(conn, fence, &packed).await?;
    write_parked(conn, fence, &packed.batch.parked).await?;
    crate::links::write(conn, fence.run, &mut packed, line).await?;
    let mut batch = packed.batch;
    write_changes(conn, fence.run, &batch).await?;
    for (kind, ids) in [
        (SeenKind::Seen, &mut batch.seen),
        (SeenKind::Changed, &mut batch.changed),
        (SeenKind::Deleted, &mut batch.deleted),
        (SeenKind::Counted, &mut batch.counted),
    ] {
        write_ids(conn, fence, (kind, batch.number), ids).await?;
    }
    save_line(conn, fence.run, fence.scope, line, false).await
}

fn pack_assets(dialect: Dialect, batch: &BatchWrite) -> Option<Command> {
    if batch.assets.is_empty() {
        return None;
    }
    use ColumnKind::{Blob, Int, Text};
    let columns = [
        ("id", Int),
        ("source_key", Text),
        ("scope", Int),
        ("record_hash", Blob),
        ("volatile_hash", Blob),
        ("attributes", Int),
        ("map", Int),
        ("first_seen", Int),
        ("changed_at", Int),
        ("recheck_at", Int),
        ("external_id", Text),
        ("vendor_id", Text),
        ("container", Text),
        ("relative_name", Text),
        ("locator", Int),
    ];
    let mut bulk = Bulk::new(dialect, &columns, batch.assets.len());
    for asset in &batch.assets {
        let place = asset.container.as_deref().zip(asset.relative_name.as_deref());
        let locator = place.map(|(container, name)| muster_core::link::locator(container, name));
        bulk.push(&[
            Cell::Int(asset.id),
            Cell::Text(&asset.source_key),
            Cell::Int(asset.scope),
            Cell::Blob(&asset.record_hash.0),
            Cell::Blob(&asset.volatile_hash.0),
            Cell::Int(asset.attributes.cast_signed()),
            Cell::Int(asset.map),
            Cell::Int(asset.first_seen.0),
            Cell::Int(asset.changed_at.0),
            asset.recheck_at.map(|at| at.0).into(),
            asset.external_id.as_deref().into(),
            asset.vendor_id.as_deref().into(),
            asset.container.as_deref().into(),
            asset.relative_name.as_deref().into(),
            locator.into(),
        ]);
    }
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    let list = names.join(", ");
    let updates: Vec<String> = names[2..].iter().map(|name| format!("{name} = excluded.{name}")).collect();
    let presence = if batch.replayed {
        ""
    } else {
        ", origin = excluded.origin, state = 'present', gone_cause = NULL, gone_at = NULL, missing_since = NULL, missed = 0"
    };
    let (source, params) = bulk.source(dialect, "b", 6);
    let sql = format!(
        "INSERT INTO asset (tenant, connector, stream, class, origin, state, {list}) \
         SELECT $1, $2, $3, $4, $5, 'present', {list} FROM {source} WHERE true ON CONFLICT (id) DO UPDATE SET \
         {}{presence}",
        updates.join(", ")
    );
    let mut all = vec![
        batch.connector.tenant.into(),
        batch.connector.id.into(),
        batch.stream.clone().into(),
        batch.class.word().into(),
        batch.origin.clone().into(),
    ];
    all.extend(params);
    Some(Command { operation: "writing assets", sql: cast_params(dialect, sql), params: all })
}

/// PostgreSQL cannot guess the types of bare parameters in a select list.
fn cast_params(dialect: Dialect, sql: String) -> String {
    if dialect == Dialect::Postgres {
        sql.replace("SELECT $1, $2, $3, $4, $5,", "SELECT $1::bigint, $2::bigint, $3::text, $4::text, $5::text,")
    } else {
        sql
    }
}

fn pack_documents(dialect: Dialect, batch: &BatchWrite) -> Result<Option<Command>, StoreError> {
    if batch.assets.is_empty() {
        return Ok(None);
    }
    let columns = [
        ("asset", ColumnKind::Int),
        ("detail", ColumnKind::Text),
        ("volatile", ColumnKind::Blob),
        ("raw", ColumnKind::Blob),
    ];
    let mut bulk = Bulk::wide(dialect, &columns, batch.assets.len());
    let mut packer =
        zstd::bulk::Compressor::new(1).map_err(|error| StoreError::Corrupt(format!("packing records: {error}")))?;
    for asset in &batch.assets {
        let packed =
            packer.compress(&asset.raw).map_err(|error| StoreError::Corrupt(format!("packing a record: {error}")))?;
        let detail = crate::runs::json(&asset.detail)?;
        bulk.push(&[Cell::Int(asset.id), Cell::Text(&detail), Cell::Blob(&asset.volatile), Cell::Blob(&packed)]);
    }
    let (source, params) = bulk.source(dialect, "b", 1);
    let sql = format!(
        "INSERT INTO document (asset, detail, volatile, raw) SELECT asset, detail, volatile, raw FROM {source} WHERE true \
         ON CONFLICT (asset) DO UPDATE SET detail = excluded.detail, volatile = excluded.volatile, raw = excluded.raw"
    );
    Ok(Some(Command { operation: "writing documents", sql, params }))
}

fn pack_search(dialect: Dialect, batch: &BatchWrite) -> Vec<Command> {
    let written = batch.assets.iter().map(|asset| (asset.id, &asset.detail));
    let rows: Vec<_> = written.chain(batch.refreshes.iter().map(|refresh| (refresh.id, &refresh.detail))).collect();
    let known = batch.assets.iter().filter(|asset| !asset.created).map(|asset| asset.id);
    let known: Vec<i64> = known.chain(batch.refreshes.iter().map(|refresh| refresh.id)).collect();
    crate::query::pack_rows(dialect, (batch.connector.tenant, batch.class), &rows, &known)
}

fn pack_refreshes(dialect: Dialect, batch: &BatchWrite) -> Result<Vec<Command>, StoreError> {
    if batch.refreshes.is_empty() {
        return Ok(Vec::new());
    }
    let columns = [("id", ColumnKind::Int), ("hash", ColumnKind::Blob), ("recheck_at", ColumnKind::Int)];
    let mut narrow = Bulk::new(dialect, &columns, batch.refreshes.len());
    let columns = [("id", ColumnKind::Int), ("detail", ColumnKind::Text), ("volatile", ColumnKind::Blob)];
    let mut wide = Bulk::wide(dialect, &columns, batch.refreshes.len());
    for refresh in &batch.refreshes {
        let hash = refresh.volatile_hash.as_ref().map(|hash| hash.0.as_slice());
        narrow.push(&[Cell::Int(refresh.id), hash.into(), refresh.recheck_at.map(|at| at.0).into()]);
        let detail = crate::runs::json(&refresh.detail)?;
        wide.push(&[Cell::Int(refresh.id), Cell::Text(&detail), Cell::Blob(&refresh.volatile)]);
    }
    let (source, params) = narrow.source(dialect, "b", 2);
    let sql = format!(
        "UPDATE asset SET volatile_hash = COALESCE(b.hash, asset.volatile_hash), recheck_at = b.recheck_at, missing_since = NULL, missed = 0, \
         origin = CASE WHEN b.hash IS NULL THEN asset.origin ELSE $1 END FROM {source} WHERE asset.id = b.id"
    );
    let mut all = vec![batch.origin.clone().into()];
    all.extend(params);
    let narrow = Command { operation: "refreshing assets", sql, params: all };
    let (source, params) = wide.source(dialect, "b", 1);
    let sql = format!(
        "UPDATE document SET detail = b.detail, volatile = b.volatile FROM {source} WHERE document.asset = b.id"
    );
    Ok(vec![narrow, Command { operation: "refreshing documents", sql, params }])
}

fn pack_touches(dialect: Dialect, touches: &[(i64, i64)]) -> Option<Command> {
    if touches.is_empty() {
        return None;
    }
    let columns = [("id", ColumnKind::Int), ("scope", ColumnKind::Int)];
    let mut bulk = Bulk::new(dialect, &columns, touches.len());
    touches.iter().for_each(|&(id, scope)| bulk.push(&[Cell::Int(id), Cell::Int(scope)]));
    let (source, params) = bulk.source(dialect, "b", 1);
    let sql = format!(
        "UPDATE asset SET scope = b.scope, missing_since = NULL, missed = 0 FROM {source} WHERE asset.id = b.id"
    );
    Some(Command { operation: "noting where assets lie", sql, params })
}

async fn write_changes(conn: &mut Conn<'_>, run: i64, batch: &BatchWrite) -> Result<(), StoreError> {
    let changes: Vec<_> = batch.changes.iter().filter(|change| !change.before.is_empty()).collect();
    if changes.is_empty() {
        return Ok(());
    }
    let mut id = next_id(conn, i64::try_from(changes.len()).unwrap_or(i64::MAX)).await?;
    let columns = [
        ("id", ColumnKind::Int),
        ("asset", ColumnKind::Int),
        ("cause", ColumnKind::Text),
        ("before", ColumnKind::Text),
        ("definition", ColumnKind::Text),
    ];
    let mut bulk = Bulk::new(conn.dialect(), &columns, changes.len());
    for change in changes {
        let before = crate::runs::json(&change.before)?;
        let definition = change.definition.as_ref().map(crate::runs::json).transpose()?;
        let cause = Cell::Text(change.cause.word());
        let definition = definition.as_deref().into();
        bulk.push(&[Cell::Int(id), Cell::Int(change.asset), cause, Cell::Text(&before), definition]);
        id += 1;
    }
    let (source, params) = bulk.source(conn.dialect(), "b", 3);
    let cast = conn.dialect().cast_int();
    let sql = format!(
        "INSERT INTO change (id, asset, run, at, cause, before, definition) \
         SELECT b.id, b.asset, $1{cast}, $2{cast}, b.cause, b.before, b.definition FROM {source}"
    );
    let mut all = vec![run.into(), batch.as_of.0.into()];
    all.extend(params);
    conn.execute("writing history", sql, all).await?;
    Ok(())
}

async fn write_parked(conn: &mut Conn<'_>, fence: Fence, parked: &[Parked]) -> Result<(), StoreError> {
    if parked.is_empty() {
        return Ok(());
    }
    let columns = [("asset", ColumnKind::Int), ("lost", ColumnKind::Int), ("record", ColumnKind::Blob)];
    let mut bulk = Bulk::new(conn.dialect(), &columns, parked.len());
    for record in parked {
        bulk.push(&[Cell::Int(record.asset), Cell::Int(record.lost.cast_signed()), Cell::Blob(&record.record)]);
    }
    let (source, params) = bulk.source(conn.dialect(), "b", 3);
    let cast = conn.dialect().cast_int();
    let sql = format!(
        "INSERT INTO parked (run, asset, scope, lost, record) SELECT $1{cast}, b.asset, $2{cast}, b.lost, b.record FROM {source} \
         WHERE true ON CONFLICT (run, asset) DO UPDATE SET lost = excluded.lost, record = excluded.record, scope = excluded.scope"
    );
    let mut all = vec![fence.run.into(), fence.scope.into()];
    all.extend(params);
    conn.execute("parking records", sql, all).await?;
    Ok(())
}

async fn write_ids(
    conn: &mut Conn<'_>,
    fence: Fence,
    (kind, number): (SeenKind, i64),
    ids: &mut Vec<i64>,
) -> Result<(), StoreError> {
    if ids.is_empty() {
        return Ok(());
    }
    ids.sort_unstable();
    ids.dedup();
    let sql = "INSERT INTO seen (run, scope, kind, batch, ids) VALUES ($1, $2, $3, $4, $5)";
    // A scope that is read again keeps what its earlier attempts saw: seen is seen.
    let batch = (fence.attempt << 32) + number;
    let params = vec![fence.run.into(), fence.scope.into(), kind.number().into(), batch.into(), encode_ids(ids).into()];
    conn.execute("noting what was seen", sql, params).await?;
    Ok(())
}
