//! Documents beside assets, kept once for each content.

use muster_core::connector::Blob;

use crate::dialect::Dialect;
use crate::sql::{Bulk, Cell, ColumnKind, Command};
use crate::{Store, StoreError};

/// Writes documents; a name that is kept already means the same bytes.
pub(crate) fn pack(dialect: Dialect, (tenant, blobs): (i64, &[Blob])) -> Result<Option<Command>, StoreError> {
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
    let (source, params) = bulk.source(dialect, "b", 2);
    let cast = dialect.cast_int();
    let sql = format!(
        "INSERT INTO blob (tenant, name, bytes) SELECT $1{cast}, b.name, b.bytes FROM {source} WHERE true \
         ON CONFLICT (tenant, name) DO NOTHING"
    );
    let mut all = vec![tenant.into()];
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
}
