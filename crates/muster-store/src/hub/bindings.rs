//! Who may read a connector as its agent: users and clients that an administrator bound to it, and enrolled agents, which
//! are bound from birth (design D12, docs/adr/0013).

use muster_core::clock::Instant;

use super::audit::note;
use super::clients::{self, NewClient};
use super::{AuditLine, Changed, Refusal};
use crate::runs::next_id;
use crate::sql::{Conn, Row};
use crate::{Store, StoreError};

/// Somebody who signs in.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// `user`, `client` or `agent`.
    pub kind: &'a str,
    /// Its public id.
    pub id: &'a str,
    /// Its name, for people.
    pub name: &'a str,
}

/// That somebody may read a connector as its agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BindingRow {
    /// Its id.
    pub id: i64,
    /// Its public id.
    pub uuid: String,
    /// The connector.
    pub connector: i64,
    /// `user`, `client` or `agent`.
    pub subject_kind: String,
    /// The public id of whoever it is.
    pub subject: String,
    /// Its name.
    pub subject_name: String,
    /// Since when.
    pub created_at: Instant,
    /// When that was taken back.
    pub revoked_at: Option<Instant>,
}

/// A token that makes one agent a credential of its own.
#[derive(Debug, Clone, Copy)]
pub struct Enrolment<'a> {
    /// Its tenant.
    pub tenant: i64,
    /// The connector it is for.
    pub connector: i64,
    /// The token's hash.
    pub hash: &'a str,
    /// When.
    pub now: Instant,
    /// Until when it may be used.
    pub expires_at: Instant,
}

const COLUMNS: &str = "SELECT id, uuid, connector, subject_kind, subject, subject_name, created_at, revoked_at \
                       FROM agent_binding WHERE tenant = $1";

fn row(row: &Row) -> Result<BindingRow, StoreError> {
    Ok(BindingRow {
        id: row.int(0)?,
        uuid: row.text(1)?,
        connector: row.int(2)?,
        subject_kind: row.text(3)?,
        subject: row.text(4)?,
        subject_name: row.text(5)?,
        created_at: Instant(row.int(6)?),
        revoked_at: row.maybe_int(7)?.map(Instant),
    })
}

async fn bind(
    conn: &mut Conn<'_>,
    (tenant, connector): (i64, i64),
    (uuid, subject): (&str, Subject<'_>),
    now: Instant,
) -> Result<(), StoreError> {
    let id = next_id(conn, 1).await?;
    let sql = "INSERT INTO agent_binding (id, tenant, uuid, connector, subject_kind, subject, subject_name, created_at) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (tenant, connector, subject_kind, subject) \
               DO UPDATE SET revoked_at = NULL, subject_name = excluded.subject_name, created_at = excluded.created_at";
    let values = params![id, tenant, uuid, connector, subject.kind, subject.id, subject.name, now.0];
    conn.execute("binding an agent", sql, values).await?;
    Ok(())
}

impl Store {
    /// Binds somebody to a connector; whoever was, and had it taken back, is again: (tenant, connector).
    pub async fn bind_agent(
        &self,
        (tenant, connector): (i64, i64),
        (uuid, subject): (&str, Subject<'_>),
        audit: &AuditLine,
    ) -> Result<BindingRow, StoreError> {
        let mut transaction = self.begin().await?;
        let mut conn = transaction.conn()?;
        bind(&mut conn, (tenant, connector), (uuid, subject), audit.at).await?;
        note(&mut conn, audit).await?;
        transaction.commit().await?;
        let bound = self.binding_of((tenant, connector), (subject.kind, subject.id)).await?;
        bound.ok_or_else(|| StoreError::Corrupt("a binding is not there that was just made".to_owned()))
    }

    /// Whether somebody is or was bound to a connector: (kind, public id).
    pub async fn binding_of(
        &self,
        (tenant, connector): (i64, i64),
        (kind, subject): (&str, &str),
    ) -> Result<Option<BindingRow>, StoreError> {
        let mut reader = self.reader().await?;
        let sql = format!("{COLUMNS} AND connector = $2 AND subject_kind = $3 AND subject = $4");
        let values = params![tenant, connector, kind, subject];
        let found = reader.conn().fetch_one("looking at bindings", sql, values).await?;
        found.as_ref().map(row).transpose()
    }

    /// Everybody who is or was bound to a connector.
    pub async fn bindings(&self, tenant: i64, connector: i64) -> Result<Vec<BindingRow>, StoreError> {
        let mut reader = self.reader().await?;
        let sql = format!("{COLUMNS} AND connector = $2 ORDER BY id LIMIT 1000");
        let rows = reader.conn().fetch("reading bindings", sql, params![tenant, connector]).await?;
        rows.iter().map(row).collect()
    }

    /// The binding of that public id.
    pub async fn binding(&self, tenant: i64, uuid: &str) -> Result<Option<BindingRow>, StoreError> {
        let mut reader = self.reader().await?;
        let sql = format!("{COLUMNS} AND uuid = $2");
        let found = reader.conn().fetch_one("reading a binding", sql, params![tenant, uuid]).await?;
        found.as_ref().map(row).transpose()
    }

    /// Takes a binding back. It stays, so that whoever comes with it is told.
    pub async fn revoke_binding(&self, tenant: i64, uuid: &str, audit: &AuditLine) -> Changed<()> {
        let mut transaction = self.begin().await?;
        let mut conn = transaction.conn()?;
        let sql = "UPDATE agent_binding SET revoked_at = COALESCE(revoked_at, $3) WHERE tenant = $1 AND uuid = $2";
        if conn.execute("revoking an agent", sql, params![tenant, uuid, audit.at.0]).await? == 0 {
            transaction.rollback().await;
            return Ok(Err(Refusal::Missing));
        }
        note(&mut conn, audit).await?;
        transaction.commit().await?;
        self.hints.orders_changed();
        Ok(Ok(()))
    }

    /// Keeps an enrolment token; those that ended long ago go.
    pub async fn add_enrolment(&self, new: Enrolment<'_>, audit: &AuditLine) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        let mut conn = transaction.conn()?;
        let sql = "DELETE FROM agent_enrolment WHERE tenant = $1 AND expires_at < $2";
        conn.execute("forgetting old enrolments", sql, params![new.tenant, new.now.0]).await?;
        let sql =
            "INSERT INTO agent_enrolment (tenant, hash, connector, created_at, expires_at) VALUES ($1, $2, $3, $4, $5)";
        let values = params![new.tenant, new.hash, new.connector, new.now.0, new.expires_at.0];
        conn.execute("keeping an enrolment", sql, values).await?;
        note(&mut conn, audit).await?;
        transaction.commit().await
    }

    /// The tenant and connector of an enrolment token that can be used, in whichever tenant.
    pub async fn enrolment(&self, hash: &str, now: Instant) -> Result<Option<(i64, i64)>, StoreError> {
        let mut reader = self.reader().await?;
        let sql =
            "SELECT tenant, connector FROM agent_enrolment WHERE hash = $1 AND used_at IS NULL AND expires_at > $2";
        let found = reader.conn().fetch_one("looking at enrolments", sql, params![hash, now.0]).await?;
        found.map(|row| Ok((row.int(0)?, row.int(1)?))).transpose()
    }

    /// Uses an enrolment token up: its agent gets a client of its own, bound to the connector. False where somebody else
    /// used it first.
    pub async fn enrol(
        &self,
        (hash, binding): (&str, &str),
        connector: i64,
        client: NewClient<'_>,
        audit: &AuditLine,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        let mut conn = transaction.conn()?;
        let sql = "UPDATE agent_enrolment SET used_at = $3 WHERE tenant = $1 AND hash = $2 AND used_at IS NULL";
        let used = conn.execute("using an enrolment", sql, params![client.tenant, hash, client.now.0]).await? == 1;
        if !used || clients::add(&mut conn, &client).await?.is_none() {
            transaction.rollback().await;
            return Ok(false);
        }
        let subject = Subject { kind: "agent", id: client.uuid, name: client.name };
        bind(&mut conn, (client.tenant, connector), (binding, subject), client.now).await?;
        note(&mut conn, audit).await?;
        transaction.commit().await?;
        Ok(true)
    }
}
