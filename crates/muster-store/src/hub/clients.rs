//! Programs that sign in: a public id and a secret that is shown once.

use muster_core::clock::Instant;
use muster_core::fold::fold;

use super::audit::note;
use super::{AuditLine, Changed, Page, Refusal};
use crate::runs::next_id;
use crate::sql::{Conn, Row};
use crate::{Store, StoreError};

/// An API client.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientRow {
    /// Its id.
    pub id: i64,
    /// Its tenant.
    pub tenant: i64,
    /// Its public id: the `clientId`.
    pub uuid: String,
    /// Its name.
    pub name: String,
    /// `user`, `subscription` or `agent`.
    pub level: String,
    /// `manager` or `viewer`.
    pub role: String,
    /// The public id of the account it stands for; none at the subscription's level.
    pub account: Option<String>,
    /// The secret's hash.
    pub secret_hash: String,
    /// Whether it may sign in.
    pub active: bool,
    /// When it was made.
    pub created_at: Instant,
    /// When it last signed in.
    pub used_at: Option<Instant>,
}

impl std::fmt::Debug for ClientRow {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("ClientRow").field("uuid", &self.uuid).field("role", &self.role).finish_non_exhaustive()
    }
}

/// What makes a client.
#[derive(Clone, Copy)]
pub struct NewClient<'a> {
    /// Its tenant.
    pub tenant: i64,
    /// Its public id.
    pub uuid: &'a str,
    /// Its name.
    pub name: &'a str,
    /// `user`, `subscription` or `agent`.
    pub level: &'a str,
    /// `manager` or `viewer`.
    pub role: &'a str,
    /// The public id of the account it stands for.
    pub account: Option<&'a str>,
    /// The secret's hash.
    pub secret_hash: &'a str,
    /// When.
    pub now: Instant,
}

impl std::fmt::Debug for NewClient<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("NewClient").field("uuid", &self.uuid).finish_non_exhaustive()
    }
}

const COLUMNS: &str =
    "SELECT id, tenant, uuid, name, level, role, account, secret_hash, active, created_at, used_at FROM client";

fn row(row: &Row) -> Result<ClientRow, StoreError> {
    Ok(ClientRow {
        id: row.int(0)?,
        tenant: row.int(1)?,
        uuid: row.text(2)?,
        name: row.text(3)?,
        level: row.text(4)?,
        role: row.text(5)?,
        account: row.maybe_text(6)?,
        secret_hash: row.text(7)?,
        active: row.int(8)? != 0,
        created_at: Instant(row.int(9)?),
        used_at: row.maybe_int(10)?.map(Instant),
    })
}

/// Adds a client, unless its name is taken; gives its id.
pub(super) async fn add(conn: &mut Conn<'_>, new: &NewClient<'_>) -> Result<Option<i64>, StoreError> {
    let id = next_id(conn, 1).await?;
    let sql = "INSERT INTO client (id, tenant, uuid, name, name_folded, level, role, account, secret_hash, active, \
               created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 1, $10) \
               ON CONFLICT (tenant, name_folded) DO NOTHING";
    let values = params![
        id,
        new.tenant,
        new.uuid,
        new.name,
        fold(new.name),
        new.level,
        new.role,
        new.account.map(str::to_owned),
        new.secret_hash,
        new.now.0,
    ];
    Ok((conn.execute("adding a client", sql, values).await? == 1).then_some(id))
}

impl Store {
    /// Adds a client.
    pub async fn add_client(&self, new: NewClient<'_>, audit: &AuditLine) -> Changed<ClientRow> {
        let mut transaction = self.begin().await?;
        let mut conn = transaction.conn()?;
        let Some(id) = add(&mut conn, &new).await? else {
            transaction.rollback().await;
            return Ok(Err(Refusal::Taken));
        };
        note(&mut conn, audit).await?;
        transaction.commit().await?;
        Ok(Ok(ClientRow {
            id,
            tenant: new.tenant,
            uuid: new.uuid.to_owned(),
            name: new.name.to_owned(),
            level: new.level.to_owned(),
            role: new.role.to_owned(),
            account: new.account.map(str::to_owned),
            secret_hash: new.secret_hash.to_owned(),
            active: true,
            created_at: new.now,
            used_at: None,
        }))
    }

    /// The client of that public id, in whichever tenant: it is how clients sign in.
    pub async fn client_signing_in(&self, uuid: &str) -> Result<Option<ClientRow>, StoreError> {
        let mut reader = self.reader().await?;
        let sql = format!("{COLUMNS} WHERE uuid = $1");
        let found = reader.conn().fetch_one("finding a client", sql, params![uuid]).await?;
        found.as_ref().map(row).transpose()
    }

    /// The client of that public id.
    pub async fn client(&self, tenant: i64, uuid: &str) -> Result<Option<ClientRow>, StoreError> {
        let mut reader = self.reader().await?;
        let sql = format!("{COLUMNS} WHERE tenant = $1 AND uuid = $2");
        let found = reader.conn().fetch_one("reading a client", sql, params![tenant, uuid]).await?;
        found.as_ref().map(row).transpose()
    }

    /// The clients of a tenant.
    pub async fn clients(&self, tenant: i64, page: Page) -> Result<Vec<ClientRow>, StoreError> {
        let mut reader = self.reader().await?;
        let sql = format!("{COLUMNS} WHERE tenant = $1 AND id > $2 ORDER BY id LIMIT $3");
        let rows = reader.conn().fetch("reading clients", sql, params![tenant, page.after, page.limit]).await?;
        rows.iter().map(row).collect()
    }

    /// Notes that a client signed in.
    pub async fn client_used(&self, client: &ClientRow, now: Instant) -> Result<(), StoreError> {
        let mut writer = self.writer().await?;
        let sql = "UPDATE client SET used_at = $3 WHERE tenant = $1 AND id = $2";
        writer.conn().execute("noting a client's use", sql, params![client.tenant, client.id, now.0]).await?;
        Ok(())
    }

    /// Revokes a client: it and its sessions end.
    pub async fn revoke_client(&self, tenant: i64, uuid: &str, now: Instant, audit: &AuditLine) -> Changed<()> {
        let mut transaction = self.begin().await?;
        let mut conn = transaction.conn()?;
        let sql = "UPDATE client SET active = 0 WHERE tenant = $1 AND uuid = $2";
        if conn.execute("revoking a client", sql, params![tenant, uuid]).await? == 0 {
            transaction.rollback().await;
            return Ok(Err(Refusal::Missing));
        }
        let sql = "UPDATE session SET ended_at = $3 WHERE tenant = $1 AND subject = $2 AND ended_at IS NULL";
        conn.execute("ending sessions", sql, params![tenant, uuid, now.0]).await?;
        note(&mut conn, audit).await?;
        transaction.commit().await?;
        Ok(Ok(()))
    }
}
