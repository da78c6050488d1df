//! Configured connectors.

use muster_core::clock::Instant;
use muster_core::fold::fold;
use serde_json::Value;

use super::audit::note;
use super::secrets::put;
use super::{AuditLine, Changed, Page, Refusal, SealedSecret, value};
use crate::runs::{json, next_id};
use crate::sql::Row;
use crate::{Store, StoreError};

/// A configured connector.
#[derive(Debug, Clone, PartialEq)]
pub struct ConnectionRow {
    /// Its id.
    pub id: i64,
    /// Its tenant.
    pub tenant: i64,
    /// Its public id.
    pub uuid: String,
    /// Its type.
    pub type_name: String,
    /// Its name.
    pub name: String,
    /// The name of the kind of source.
    pub source_name: String,
    /// What it is for.
    pub description: String,
    /// Section → key → value, without secrets.
    pub settings: Value,
    /// `hub` or `agent`.
    pub execution: String,
    /// Counts its changes.
    pub version: i64,
    /// When it was made.
    pub created_at: Instant,
    /// When it was last changed.
    pub updated_at: Instant,
}

/// What a connector is made of, or changed to.
#[derive(Debug, Clone)]
pub struct ConnectionChange<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it is for.
    pub description: &'a str,
    /// Section → key → value, without secrets.
    pub settings: &'a Value,
    /// `hub` or `agent`.
    pub execution: &'a str,
    /// Secrets that are new; the others stay.
    pub secrets: &'a [SealedSecret],
    /// When.
    pub now: Instant,
}

const COLUMNS: &str = "SELECT id, tenant, uuid, type, name, source_name, description, settings, execution, version, \
                       created_at, updated_at FROM connector WHERE tenant = $1 AND removed_at IS NULL";

fn row(row: &Row) -> Result<ConnectionRow, StoreError> {
    Ok(ConnectionRow {
        id: row.int(0)?,
        tenant: row.int(1)?,
        uuid: row.text(2)?,
        type_name: row.text(3)?,
        name: row.text(4)?,
        source_name: row.text(5)?,
        description: row.text(6)?,
        settings: value(&row.text(7)?)?,
        execution: row.text(8)?,
        version: row.int(9)?,
        created_at: Instant(row.int(10)?),
        updated_at: Instant(row.int(11)?),
    })
}

impl Store {
    /// Adds a connector of a type: (type, source name), (tenant, public id).
    pub async fn add_connection(
        &self,
        (type_name, source_name): (&str, &str),
        (tenant, uuid): (i64, &str),
        change: &ConnectionChange<'_>,
        audit: &AuditLine,
    ) -> Changed<ConnectionRow> {
        let mut transaction = self.begin().await?;
        let mut conn = transaction.conn()?;
        let id = next_id(&mut conn, 1).await?;
        let sql = "INSERT INTO connector (id, tenant, uuid, type, name, name_folded, source_name, source_folded, \
                   description, settings, execution, created_at, updated_at) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12) \
                   ON CONFLICT (tenant, name_folded) WHERE removed_at IS NULL DO NOTHING";
        let values = params![
            id,
            tenant,
            uuid,
            type_name,
            change.name,
            fold(change.name),
            source_name,
            fold(source_name),
            change.description,
            json(change.settings)?,
            change.execution,
            change.now.0,
        ];
        if conn.execute("adding a connector", sql, values).await? == 0 {
            transaction.rollback().await;
            return Ok(Err(Refusal::Taken));
        }
        put(&mut conn, (tenant, uuid), change.secrets, change.now).await?;
        note(&mut conn, audit).await?;
        transaction.commit().await?;
        Ok(self.connection(tenant, uuid).await?.ok_or(Refusal::Missing))
    }

    /// Changes a connector, if it still has the version that the change was made from.
    pub async fn change_connection(
        &self,
        before: &ConnectionRow,
        change: &ConnectionChange<'_>,
        audit: &AuditLine,
    ) -> Changed<ConnectionRow> {
        let mut transaction = self.begin().await?;
        let mut conn = transaction.conn()?;
        let sql = "SELECT id FROM connector WHERE tenant = $1 AND name_folded = $2 AND removed_at IS NULL AND id <> $3";
        let taken =
            conn.fetch_one("looking at names", sql, params![before.tenant, fold(change.name), before.id]).await?;
        if taken.is_some() {
            transaction.rollback().await;
            return Ok(Err(Refusal::Taken));
        }
        let sql = "UPDATE connector SET name = $3, name_folded = $4, description = $5, settings = $6, execution = $7, \
                   version = version + 1, updated_at = $8 \
                   WHERE tenant = $1 AND id = $2 AND version = $9 AND removed_at IS NULL";
        let values = params![
            before.tenant,
            before.id,
            change.name,
            fold(change.name),
            change.description,
            json(change.settings)?,
            change.execution,
            change.now.0,
            before.version,
        ];
        if conn.execute("changing a connector", sql, values).await? == 0 {
            transaction.rollback().await;
            return Ok(Err(Refusal::Changed));
        }
        put(&mut conn, (before.tenant, &before.uuid), change.secrets, change.now).await?;
        note(&mut conn, audit).await?;
        transaction.commit().await?;
        Ok(self.connection(before.tenant, &before.uuid).await?.ok_or(Refusal::Missing))
    }

    /// Removes a connector: its secrets and profiles go at once, its open jobs are cancelled; what it brought is
    /// retired by the job `retiring`, which is added in the same transaction.
    pub async fn remove_connection(
        &self,
        connection: &ConnectionRow,
        retiring: &super::NewJob<'_>,
        audit: &AuditLine,
    ) -> Changed<()> {
        let mut transaction = self.begin().await?;
        let mut conn = transaction.conn()?;
        let (tenant, id, now) = (connection.tenant, connection.id, audit.at.0);
        let sql = "UPDATE connector SET removed_at = $3 WHERE tenant = $1 AND id = $2 AND removed_at IS NULL";
        if conn.execute("removing a connector", sql, params![tenant, id, now]).await? == 0 {
            transaction.rollback().await;
            return Ok(Err(Refusal::Missing));
        }
        let sql = "DELETE FROM secret WHERE tenant = $1 AND owner = $2";
        conn.execute("forgetting secrets", sql, params![tenant, connection.uuid.clone()]).await?;
        let sql = "DELETE FROM profile WHERE tenant = $1 AND connector = $2";
        conn.execute("removing profiles", sql, params![tenant, id]).await?;
        let sql = "DELETE FROM dead_letter WHERE tenant = $1 AND connector = $2";
        conn.execute("dropping dead letters", sql, params![tenant, id]).await?;
        let sql = "UPDATE job SET cancelled = 1 WHERE tenant = $1 AND connector = $2 AND state <> 'ended'";
        conn.execute("cancelling jobs", sql, params![tenant, id]).await?;
        let sql = "UPDATE run SET cancelled = 1 WHERE tenant = $1 AND connector = $2 AND state <> 'ended'";
        conn.execute("cancelling runs", sql, params![tenant, id]).await?;
        super::jobs::add(&mut conn, retiring).await?;
        note(&mut conn, audit).await?;
        transaction.commit().await?;
        Ok(Ok(()))
    }

    /// The connector of that public id.
    pub async fn connection(&self, tenant: i64, uuid: &str) -> Result<Option<ConnectionRow>, StoreError> {
        let mut reader = self.reader().await?;
        let sql = format!("{COLUMNS} AND uuid = $2");
        let found = reader.conn().fetch_one("reading a connector", sql, params![tenant, uuid]).await?;
        found.as_ref().map(row).transpose()
    }

    /// The connector of that id.
    pub async fn connection_of(&self, tenant: i64, id: i64) -> Result<Option<ConnectionRow>, StoreError> {
        let mut reader = self.reader().await?;
        let sql = format!("{COLUMNS} AND id = $2");
        let found = reader.conn().fetch_one("reading a connector", sql, params![tenant, id]).await?;
        found.as_ref().map(row).transpose()
    }

    /// The connectors of a tenant.
    pub async fn connections(&self, tenant: i64, page: Page) -> Result<Vec<ConnectionRow>, StoreError> {
        let mut reader = self.reader().await?;
        let sql = format!("{COLUMNS} AND id > $2 ORDER BY id LIMIT $3");
        let rows = reader.conn().fetch("reading connectors", sql, params![tenant, page.after, page.limit]).await?;
        rows.iter().map(row).collect()
    }
}
