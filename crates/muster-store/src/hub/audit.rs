//! Who did what: written in the transaction of what was done, before the answer.

use muster_core::clock::Instant;
use serde_json::Value;

use super::{Page, value};
use crate::runs::{json, next_id};
use crate::sql::{Conn, Row};
use crate::{Store, StoreError};

/// What is to be noted. It never holds a secret.
#[derive(Debug, Clone)]
pub struct AuditLine {
    /// The tenant.
    pub tenant: i64,
    /// When.
    pub at: Instant,
    /// `user`, `client`, `agent` or `operator`.
    pub actor_kind: &'static str,
    /// Who.
    pub actor: String,
    /// What was done, such as `connector.create`.
    pub action: &'static str,
    /// To what kind of thing.
    pub object_kind: &'static str,
    /// To which.
    pub object: String,
    /// What changed, without secrets.
    pub detail: Value,
    /// The request.
    pub request: String,
}

/// A line of the audit.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditRow {
    /// Its id.
    pub id: i64,
    /// When.
    pub at: Instant,
    /// The kind of actor.
    pub actor_kind: String,
    /// Who.
    pub actor: String,
    /// What.
    pub action: String,
    /// To what kind of thing.
    pub object_kind: String,
    /// To which.
    pub object: String,
    /// What changed.
    pub detail: Value,
    /// The request.
    pub request: String,
}

pub(crate) async fn note(conn: &mut Conn<'_>, line: &AuditLine) -> Result<(), StoreError> {
    let id = next_id(conn, 1).await?;
    let sql = "INSERT INTO audit (id, tenant, at, actor_kind, actor, action, object_kind, object, detail, request) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    let values = params![
        id,
        line.tenant,
        line.at.0,
        line.actor_kind,
        line.actor.clone(),
        line.action,
        line.object_kind,
        line.object.clone(),
        json(&line.detail)?,
        line.request.clone(),
    ];
    conn.execute("writing the audit", sql, values).await?;
    Ok(())
}

fn row(row: &Row) -> Result<AuditRow, StoreError> {
    Ok(AuditRow {
        id: row.int(0)?,
        at: Instant(row.int(1)?),
        actor_kind: row.text(2)?,
        actor: row.text(3)?,
        action: row.text(4)?,
        object_kind: row.text(5)?,
        object: row.text(6)?,
        detail: value(&row.text(7)?)?,
        request: row.text(8)?,
    })
}

impl Store {
    /// Notes something that changes no row of its own, such as a refused sign-in.
    pub async fn audit(&self, line: &AuditLine) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        note(&mut transaction.conn()?, line).await?;
        transaction.commit().await
    }

    /// The audit, newest first: what lies before `page.after`.
    pub async fn audit_lines(&self, tenant: i64, page: Page) -> Result<Vec<AuditRow>, StoreError> {
        let mut reader = self.reader().await?;
        let sql = "SELECT id, at, actor_kind, actor, action, object_kind, object, detail, request FROM audit \
                   WHERE tenant = $1 AND id < $2 ORDER BY id DESC LIMIT $3";
        let rows = reader.conn().fetch("reading the audit", sql, params![tenant, page.after, page.limit]).await?;
        rows.iter().map(row).collect()
    }
}
