//! Tenants: organizations that see nothing of each other (P11).

use muster_core::clock::Instant;

use crate::runs::{FIRST_TENANT, next_id};
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

    /// Adds a tenant; `None` when the name is taken.
    pub async fn add_tenant(&self, uuid: &str, name: &str, now: Instant) -> Result<Option<TenantRow>, StoreError> {
        let mut transaction = self.begin().await?;
        let mut conn = transaction.conn()?;
        let id = next_id(&mut conn, 1).await?;
        let sql =
            "INSERT INTO tenant (id, uuid, name, created_at) VALUES ($1, $2, $3, $4) ON CONFLICT (name) DO NOTHING";
        let added = conn.execute("adding a tenant", sql, params![id, uuid, name, now.0]).await?;
        transaction.commit().await?;
        let made = TenantRow { id, uuid: uuid.to_owned(), name: name.to_owned(), created_at: now };
        Ok((added == 1).then_some(made))
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
