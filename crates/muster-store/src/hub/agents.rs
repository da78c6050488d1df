//! Agents as the hub sees them: of each profile the process whose session is the newest (docs/adr/0013).

use muster_core::clock::Instant;
use serde_json::Value;

use super::audit::note;
use super::{AuditLine, value};
use crate::runs::json;
use crate::sql::Row;
use crate::{Store, StoreError};

/// The agent of a profile.
#[derive(Debug, Clone, PartialEq)]
pub struct AgentRow {
    /// Its tenant.
    pub tenant: i64,
    /// The profile it runs.
    pub profile: i64,
    /// The profile's connector.
    pub connector: i64,
    /// Its session.
    pub session: String,
    /// `user`, `client` or `agent`: whose token it has.
    pub subject_kind: String,
    /// The public id of that.
    pub subject: String,
    /// Its name, for people.
    pub subject_name: String,
    /// Its machine.
    pub host: String,
    /// Its version.
    pub version: String,
    /// When it runs by itself.
    pub cron: Option<String>,
    /// The zone of that.
    pub time_zone: String,
    /// When the session began.
    pub began_at: Instant,
    /// When it last called.
    pub seen_at: Instant,
    /// The revision of the configuration that it was given.
    pub revision: String,
    /// What it last reported.
    pub report: Value,
    /// The last lines of its log, oldest first.
    pub lines: Vec<Value>,
}

/// An agent of a profile that is there, with what people ask of it beside.
#[derive(Debug, Clone, PartialEq)]
pub struct AgentStanding {
    /// The agent.
    pub agent: AgentRow,
    /// The profile's public id and name.
    pub profile: (String, String),
    /// The connector's public id and name.
    pub connector: (String, String),
    /// The public id of the binding by which it reads, and when that was taken back; none where it has none.
    pub binding: Option<(String, Option<Instant>)>,
}

/// What an agent tells in a call.
#[derive(Debug, Clone)]
pub struct AgentTold<'a> {
    /// Its report, without lines.
    pub report: &'a Value,
    /// What it adds to its log.
    pub lines: &'a [Value],
    /// How many lines are kept.
    pub keep: usize,
}

const COLUMNS: &str = "a.tenant, a.profile, a.connector, a.session, a.subject_kind, a.subject, a.subject_name, a.host, \
                       a.version, a.cron, a.time_zone, a.began_at, a.seen_at, a.revision, a.report, a.lines";
fn row(row: &Row) -> Result<AgentRow, StoreError> {
    Ok(AgentRow {
        tenant: row.int(0)?,
        profile: row.int(1)?,
        connector: row.int(2)?,
        session: row.text(3)?,
        subject_kind: row.text(4)?,
        subject: row.text(5)?,
        subject_name: row.text(6)?,
        host: row.text(7)?,
        version: row.text(8)?,
        cron: row.maybe_text(9)?,
        time_zone: row.text(10)?,
        began_at: Instant(row.int(11)?),
        seen_at: Instant(row.int(12)?),
        revision: row.text(13)?,
        report: value(&row.text(14)?)?,
        lines: lines(&row.text(15)?)?,
    })
}

fn standing(found: &Row) -> Result<AgentStanding, StoreError> {
    let revoked_at = found.maybe_int(21)?.map(Instant);
    Ok(AgentStanding {
        agent: row(found)?,
        profile: (found.text(16)?, found.text(17)?),
        connector: (found.text(18)?, found.text(19)?),
        binding: found.maybe_text(20)?.map(|uuid| (uuid, revoked_at)),
    })
}

fn lines(text: &str) -> Result<Vec<Value>, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Corrupt(error.to_string()))
}

impl Store {
    /// Begins an agent's session: from now on it is the agent of its profile. The log of the one before goes on.
    pub async fn begin_agent(&self, agent: &AgentRow, audit: &AuditLine) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        let mut conn = transaction.conn()?;
        let sql = "INSERT INTO agent (tenant, profile, connector, session, subject_kind, subject, subject_name, host, \
                   version, cron, time_zone, began_at, seen_at, revision, report, lines) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) \
                   ON CONFLICT (tenant, profile) DO UPDATE SET connector = excluded.connector, \
                   session = excluded.session, subject_kind = excluded.subject_kind, subject = excluded.subject, \
                   subject_name = excluded.subject_name, host = excluded.host, version = excluded.version, \
                   cron = excluded.cron, time_zone = excluded.time_zone, began_at = excluded.began_at, \
                   seen_at = excluded.seen_at, revision = excluded.revision, report = excluded.report";
        let values = params![
            agent.tenant,
            agent.profile,
            agent.connector,
            agent.session.clone(),
            agent.subject_kind.clone(),
            agent.subject.clone(),
            agent.subject_name.clone(),
            agent.host.clone(),
            agent.version.clone(),
            agent.cron.clone(),
            agent.time_zone.clone(),
            agent.began_at.0,
            agent.seen_at.0,
            agent.revision.clone(),
            json(&agent.report)?,
            json(&agent.lines)?,
        ];
        conn.execute("beginning an agent's session", sql, values).await?;
        note(&mut conn, audit).await?;
        transaction.commit().await?;
        // Whoever waits in the session before is told at once.
        self.hints.orders_changed();
        Ok(())
    }

    /// The agent whose session that is; none where a newer one took its place.
    pub async fn agent_of_session(&self, tenant: i64, session: &str) -> Result<Option<AgentRow>, StoreError> {
        let mut reader = self.reader().await?;
        let sql = format!("SELECT {COLUMNS} FROM agent a WHERE a.tenant = $1 AND a.session = $2");
        let found = reader.conn().fetch_one("finding an agent", sql, params![tenant, session]).await?;
        found.as_ref().map(row).transpose()
    }

    /// The agents of a tenant, or the one of a profile, by their profiles.
    pub async fn agents(
        &self,
        tenant: i64,
        profile: Option<i64>,
        page: super::Page,
    ) -> Result<Vec<AgentStanding>, StoreError> {
        let mut reader = self.reader().await?;
        let cast = self.dialect().cast_int();
        let sql = format!(
            "SELECT {COLUMNS}, p.uuid, p.name, c.uuid, c.name, b.uuid, b.revoked_at FROM agent a \
             JOIN profile p ON p.tenant = a.tenant AND p.id = a.profile \
             JOIN connector c ON c.tenant = a.tenant AND c.id = a.connector \
             LEFT JOIN agent_binding b ON b.tenant = a.tenant AND b.connector = a.connector \
             AND b.subject_kind = a.subject_kind AND b.subject = a.subject \
             WHERE a.tenant = $1 AND a.profile > $2 AND ($4{cast} IS NULL OR a.profile = $4{cast}) \
             ORDER BY a.profile LIMIT $3"
        );
        let values = params![tenant, page.after, page.limit, profile];
        let rows = reader.conn().fetch("reading agents", sql, values).await?;
        rows.iter().map(standing).collect()
    }

    /// When the agent of a profile last called, or without one any of the connector's.
    pub async fn agent_seen(
        &self,
        (tenant, connector): (i64, i64),
        profile: Option<i64>,
    ) -> Result<Option<Instant>, StoreError> {
        let mut reader = self.reader().await?;
        let cast = self.dialect().cast_int();
        let sql = format!(
            "SELECT MAX(seen_at) FROM agent WHERE tenant = $1 AND connector = $2 AND ($3{cast} IS NULL OR profile = $3{cast})"
        );
        let found =
            reader.conn().fetch_one("asking when an agent called", sql, params![tenant, connector, profile]).await?;
        Ok(found.map(|row| row.maybe_int(0)).transpose()?.flatten().map(Instant))
    }

    /// Notes that an agent called, and what it told: (tenant, session).
    pub async fn agent_called(
        &self,
        (tenant, session): (i64, &str),
        told: Option<AgentTold<'_>>,
        now: Instant,
    ) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        let mut conn = transaction.conn()?;
        let sql = "UPDATE agent SET seen_at = CASE WHEN seen_at > $3 THEN seen_at ELSE $3 END \
                   WHERE tenant = $1 AND session = $2 RETURNING lines";
        let found = conn.fetch_one("noting an agent's call", sql, params![tenant, session, now.0]).await?;
        if let (Some(found), Some(told)) = (found, told) {
            let mut kept = lines(&found.text(0)?)?;
            kept.extend(told.lines.iter().cloned());
            let kept = kept.split_off(kept.len().saturating_sub(told.keep));
            let sql = "UPDATE agent SET report = $3, lines = $4 WHERE tenant = $1 AND session = $2";
            let values = params![tenant, session, json(told.report)?, json(&kept)?];
            conn.execute("keeping an agent's report", sql, values).await?;
        }
        transaction.commit().await
    }
}
