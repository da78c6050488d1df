//! Sealed values. The store neither seals nor opens: it keeps text that names its key.

use std::collections::HashMap;

use muster_core::clock::Instant;

use crate::sql::{Bulk, Conn};
use crate::{Store, StoreError};

/// A sealed value of an owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedSecret {
    /// The field, with its section.
    pub field: String,
    /// The sealed text.
    pub sealed: String,
}

/// A sealed value with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretRow {
    /// The tenant.
    pub tenant: i64,
    /// The public id of what it belongs to.
    pub owner: String,
    /// The field, with its section.
    pub field: String,
    /// The sealed text.
    pub sealed: String,
}

pub(crate) async fn put(
    conn: &mut Conn<'_>,
    (tenant, owner): (i64, &str),
    secrets: &[SealedSecret],
    now: Instant,
) -> Result<(), StoreError> {
    for secret in secrets {
        let sql = "INSERT INTO secret (tenant, owner, field, sealed, updated_at) VALUES ($1, $2, $3, $4, $5) \
                   ON CONFLICT (tenant, owner, field) DO UPDATE SET sealed = excluded.sealed, updated_at = excluded.updated_at";
        let values = params![tenant, owner, secret.field.clone(), secret.sealed.clone(), now.0];
        conn.execute("keeping a secret", sql, values).await?;
    }
    Ok(())
}

impl Store {
    /// Keeps sealed values of an owner: (tenant, owner).
    pub async fn keep_secrets(
        &self,
        place: (i64, &str),
        secrets: &[SealedSecret],
        now: Instant,
    ) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        put(&mut transaction.conn()?, place, secrets, now).await?;
        transaction.commit().await
    }

    /// The sealed values of an owner.
    pub async fn secrets(&self, tenant: i64, owner: &str) -> Result<Vec<SealedSecret>, StoreError> {
        let mut reader = self.reader().await?;
        let sql = "SELECT field, sealed FROM secret WHERE tenant = $1 AND owner = $2 ORDER BY field";
        let rows = reader.conn().fetch("reading secrets", sql, params![tenant, owner]).await?;
        rows.iter().map(|row| Ok(SealedSecret { field: row.text(0)?, sealed: row.text(1)? })).collect()
    }

    /// The sealed values of connectors, by their ids.
    pub async fn secrets_of(
        &self,
        tenant: i64,
        connectors: &[i64],
    ) -> Result<HashMap<i64, Vec<SealedSecret>>, StoreError> {
        let mut reader = self.reader().await?;
        let (source, ids) = Bulk::ids(self.dialect(), connectors).source(self.dialect(), "b", 2);
        let join = self.dialect().bulk_join();
        let sql = format!(
            "SELECT c.id, s.field, s.sealed FROM {source} {join} connector c ON c.id = b.id \
             JOIN secret s ON s.tenant = c.tenant AND s.owner = c.uuid WHERE c.tenant = $1 ORDER BY c.id, s.field"
        );
        let mut values = params![tenant];
        values.extend(ids);
        let mut found: HashMap<i64, Vec<SealedSecret>> = HashMap::new();
        for row in reader.conn().fetch("reading secrets", sql, values).await? {
            found.entry(row.int(0)?).or_default().push(SealedSecret { field: row.text(1)?, sealed: row.text(2)? });
        }
        Ok(found)
    }

    /// All sealed values: to see at the start whether their keys are there, and to seal them anew under another.
    pub async fn all_secrets(&self) -> Result<Vec<SecretRow>, StoreError> {
        let mut reader = self.reader().await?;
        let sql = "SELECT tenant, owner, field, sealed FROM secret ORDER BY tenant, owner, field";
        let rows = reader.conn().fetch("reading secrets", sql, params![]).await?;
        rows.iter()
            .map(|row| {
                Ok(SecretRow { tenant: row.int(0)?, owner: row.text(1)?, field: row.text(2)?, sealed: row.text(3)? })
            })
            .collect()
    }

    /// Replaces a sealed value by the same value sealed under another key, unless it changed meanwhile.
    pub async fn reseal(&self, before: &SecretRow, sealed: &str, now: Instant) -> Result<bool, StoreError> {
        let mut writer = self.writer().await?;
        let sql = "UPDATE secret SET sealed = $5, updated_at = $6 WHERE tenant = $1 AND owner = $2 AND field = $3 AND sealed = $4";
        let values =
            params![before.tenant, before.owner.clone(), before.field.clone(), before.sealed.clone(), sealed, now.0,];
        Ok(writer.conn().execute("sealing anew", sql, values).await? == 1)
    }
}
