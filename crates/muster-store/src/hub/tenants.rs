//! Tenants: organizations that see nothing of each other (P11).

use muster_core::clock::Instant;

use super::audit::note;
use super::{AuditLine, Changed, NewAccount, Refusal, accounts};
use crate::runs::FIRST_TENANT;
use crate::sql::Row;
use crate::{Store, StoreError};

/// A tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantRow {
    /// Its id.
    pub id: i64,
    /// Its public id: `qualys.customerUuid`.
    pub uuid: String,
    /// Its name, by which its people sign in.
    pub name: String,
    /// When it was made.
    pub created_at: Instant,
}

fn row(row: &Row) -> Result<TenantRow, StoreError> {
    Ok(TenantRow { id: row.int(0)?, uuid: row.text(1)?, name: row.text(2)?, created_at: Instant(row.int(3)?) })
}

const COLUMNS: &str = "SELECT id, uuid, name, created_at FROM tenant";

impl Store {
    /// The first tenant, made if it is not there.
    pub async fn first_tenant(&self, uuid: &str, now: Instant) -> Result<TenantRow, StoreError> {
        let mut writer = self.writer().await?;
        let mut conn = writer.conn();
        let sql = "INSERT INTO tenant (id, uuid, name, created_at) VALUES ($1, $2, 'default', $3) ON CONFLICT (id) DO NOTHING";
        conn.execute("making the first tenant", sql, params![FIRST_TENANT, uuid, now.0]).await?;
        let found = conn
            .fetch_one("reading the first tenant", format!("{COLUMNS} WHERE id = $1"), params![FIRST_TENANT])
            .await?;
        row(&found.ok_or_else(|| StoreError::Corrupt("there is no first tenant".to_owned()))?)
    }

    /// Adds a tenant with its first account, or neither: the name may be taken. Its id is one that
    /// [`Store::tenant_id`] gave.
    pub async fn add_tenant(&self, new: &TenantRow, first: NewAccount<'_>, audit: &AuditLine) -> Changed<()> {
        let mut transaction = self.begin().await?;
        let mut conn = transaction.conn()?;
        let sql =
            "INSERT INTO tenant (id, uuid, name, created_at) VALUES ($1, $2, $3, $4) ON CONFLICT (name) DO NOTHING";
        let values = params![new.id, new.uuid.clone(), new.name.clone(), new.created_at.0];
        if conn.execute("adding a tenant", sql, values).await? == 0 {
            transaction.rollback().await;
            return Ok(Err(Refusal::Taken));
        }
        accounts::add(&mut conn, &first).await?;
        note(&mut conn, audit).await?;
        transaction.commit().await?;
        Ok(Ok(()))
    }

    /// An id for another tenant. The first one's is not drawn from the sequence, which may stand before it.
    pub async fn tenant_id(&self) -> Result<i64, StoreError> {
        Ok(FIRST_TENANT + self.reserve_ids(1).await?)
    }

    /// The tenant of that name.
    pub async fn tenant_named(&self, name: &str) -> Result<Option<TenantRow>, StoreError> {
        let mut reader = self.reader().await?;
        let found =
            reader.conn().fetch_one("finding a tenant", format!("{COLUMNS} WHERE name = $1"), params![name]).await?;
        found.as_ref().map(row).transpose()
    }

    /// The tenant of that id.
    pub async fn tenant(&self, id: i64) -> Result<Option<TenantRow>, StoreError> {
        let mut reader = self.reader().await?;
        let found =
            reader.conn().fetch_one("reading a tenant", format!("{COLUMNS} WHERE id = $1"), params![id]).await?;
        found.as_ref().map(row).transpose()
    }

    /// All tenants, for the operator on the machine itself.
    pub async fn tenants(&self) -> Result<Vec<TenantRow>, StoreError> {
        let mut reader = self.reader().await?;
        let rows = reader.conn().fetch("reading tenants", format!("{COLUMNS} ORDER BY id"), params![]).await?;
        rows.iter().map(row).collect()
    }
}
