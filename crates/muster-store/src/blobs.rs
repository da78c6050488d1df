//! Documents beside assets, kept once for each content.

use std::collections::BTreeSet;

use muster_core::clock::Instant;
use muster_core::connector::Blob;

use crate::dialect::Dialect;
use crate::sql::{Bulk, Cell, ColumnKind, Command};
use crate::{Store, StoreError};

/// Writes documents; a name that is kept already means the same bytes.
pub(crate) fn pack(
    dialect: Dialect,
    (tenant, at): (i64, Instant),
    blobs: &[Blob],
) -> Result<Option<Command>, StoreError> {
    if blobs.is_empty() {
        return Ok(None);
    }
    let mut bulk = Bulk::wide(dialect, &[("name", ColumnKind::Text), ("bytes", ColumnKind::Blob)], blobs.len());
    let mut names: Vec<&str> = Vec::new();
    for blob in blobs {
        // One statement may not write a row twice.
        if names.contains(&&*blob.name) {
            continue;
        }
        names.push(&blob.name);
        let packed = zstd::bulk::compress(&blob.bytes, 3)
            .map_err(|error| StoreError::Corrupt(format!("packing a document: {error}")))?;
        bulk.push(&[Cell::Text(&blob.name), Cell::Blob(&packed)]);
    }
    let (source, params) = bulk.source(dialect, "b", 3);
    let cast = dialect.cast_int();
    let sql = format!(
        "INSERT INTO blob (tenant, name, bytes, at) SELECT $1{cast}, b.name, b.bytes, $2{cast} FROM {source} WHERE true \
         ON CONFLICT (tenant, name) DO NOTHING"
    );
    let mut all = vec![tenant.into(), at.0.into()];
    all.extend(params);
    Ok(Some(Command { operation: "writing documents beside assets", sql, params: all }))
}

impl Store {
    /// A document beside an asset, as it came.
    pub async fn blob(&self, tenant: i64, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let mut reader = self.reader().await?;
        let sql = "SELECT bytes FROM blob WHERE tenant = $1 AND name = $2";
        let row = reader
            .conn()
            .fetch_one("reading a document beside an asset", sql, vec![tenant.into(), name.into()])
            .await?;
        row.map(|row| crate::inventory::unpack(&row.blob(0)?)).transpose()
    }

    /// Which of these documents are kept.
    pub async fn kept_blobs(&self, tenant: i64, names: &[&str]) -> Result<BTreeSet<String>, StoreError> {
        if names.is_empty() {
            return Ok(BTreeSet::new());
        }
        let mut reader = self.reader().await?;
        let mut conn = reader.conn();
        let dialect = conn.dialect();
        let mut bulk = Bulk::new(dialect, &[("k", ColumnKind::Text)], names.len());
        names.iter().for_each(|name| bulk.push(&[Cell::Text(name)]));
        let (source, params) = bulk.source(dialect, "b", 2);
        let join = dialect.bulk_join();
        let sql = format!("SELECT o.name FROM {source} {join} blob o ON o.tenant = $1 AND o.name = b.k");
        let mut all = vec![tenant.into()];
        all.extend(params);
        let rows = conn.fetch("looking for documents beside assets", sql, all).await?;
        rows.iter().map(|row| row.text(0)).collect()
    }
}
