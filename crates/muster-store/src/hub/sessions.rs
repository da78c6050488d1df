//! Sessions: what a token names, and what every request looks up.

use muster_core::clock::Instant;

use crate::{Store, StoreError};

/// A session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    /// Its id: the token's `jti`.
    pub id: String,
    /// Its tenant.
    pub tenant: i64,
    /// `user`, `client` or `agent`.
    pub kind: String,
    /// The public id of whoever signed in.
    pub subject: String,
    /// Their name, for the audit.
    pub name: String,
    /// `manager` or `viewer`.
    pub role: String,
    /// When it began.
    pub created_at: Instant,
    /// When it ends by itself.
    pub expires_at: Instant,
}

impl Store {
    /// Begins a session, and forgets those that ended long ago.
    pub async fn begin_session(&self, session: &SessionRow) -> Result<(), StoreError> {
        let mut writer = self.writer().await?;
        let mut conn = writer.conn();
        let sql = "DELETE FROM session WHERE expires_at < $1";
        conn.execute("forgetting old sessions", sql, params![session.created_at.0]).await?;
        let sql = "INSERT INTO session (tenant, id, kind, subject, name, role, created_at, expires_at) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
        let values = params![
            session.tenant,
            session.id.clone(),
            session.kind.clone(),
            session.subject.clone(),
            session.name.clone(),
            session.role.clone(),
            session.created_at.0,
            session.expires_at.0,
        ];
        conn.execute("beginning a session", sql, values).await?;
        Ok(())
    }

    /// The session of that id, while it lasts.
    pub async fn session(&self, tenant: i64, id: &str, now: Instant) -> Result<Option<SessionRow>, StoreError> {
        let mut reader = self.reader().await?;
        let sql = "SELECT id, tenant, kind, subject, name, role, created_at, expires_at FROM session \
                   WHERE tenant = $1 AND id = $2 AND ended_at IS NULL AND expires_at > $3";
        let found = reader.conn().fetch_one("reading a session", sql, params![tenant, id, now.0]).await?;
        let Some(row) = found else { return Ok(None) };
        Ok(Some(SessionRow {
            id: row.text(0)?,
            tenant: row.int(1)?,
            kind: row.text(2)?,
            subject: row.text(3)?,
            name: row.text(4)?,
            role: row.text(5)?,
            created_at: Instant(row.int(6)?),
            expires_at: Instant(row.int(7)?),
        }))
    }

    /// Ends a session.
    pub async fn end_session(&self, tenant: i64, id: &str, now: Instant) -> Result<(), StoreError> {
        let mut writer = self.writer().await?;
        let sql = "UPDATE session SET ended_at = $3 WHERE tenant = $1 AND id = $2 AND ended_at IS NULL";
        writer.conn().execute("ending a session", sql, params![tenant, id, now.0]).await?;
        Ok(())
    }
}
