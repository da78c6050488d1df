//! The one queue of work (design D10).

use muster_core::clock::Instant;
use serde_json::Value;

use super::audit::note;
use super::{AuditLine, ProfileRow, value};
use crate::dialect::Dialect;
use crate::runs::{json, next_id};
use crate::sql::{Conn, Row};
use crate::{Store, StoreError};

/// Work to be done. It refers to secrets, it never holds them.
#[derive(Debug, Clone)]
pub struct NewJob<'a> {
    /// Its tenant.
    pub tenant: i64,
    /// Its public id.
    pub uuid: &'a str,
    /// `run`, `replay`, `check` or `remove`.
    pub kind: &'a str,
    /// The connector it is about.
    pub connector: i64,
    /// The profile it is about.
    pub profile: Option<i64>,
    /// What it needs to know.
    pub payload: &'a Value,
    /// What only one open job may name.
    pub exclusive: Option<String>,
    /// Who asked: a name, or `schedule`.
    pub requested_by: &'a str,
    /// When it was asked for.
    pub now: Instant,
}

impl<'a> NewJob<'a> {
    /// A run of a profile. One is open at a time, whoever asks: a profile never overlaps itself.
    pub fn run_of(
        profile: &ProfileRow,
        uuid: &'a str,
        payload: &'a Value,
        requested_by: &'a str,
        now: Instant,
    ) -> Self {
        Self {
            tenant: profile.tenant,
            uuid,
            kind: "run",
            connector: profile.connector,
            profile: Some(profile.id),
            payload,
            exclusive: Some(format!("run:{}", profile.id)),
            requested_by,
            now,
        }
    }

    /// A replay of what is kept, with a profile's maps. It goes while nothing else of the profile does.
    pub fn replay_of(
        profile: &ProfileRow,
        uuid: &'a str,
        payload: &'a Value,
        requested_by: &'a str,
        now: Instant,
    ) -> Self {
        Self { kind: "replay", ..Self::run_of(profile, uuid, payload, requested_by, now) }
    }
}

/// A job.
#[derive(Debug, Clone, PartialEq)]
pub struct JobRow {
    /// Its id.
    pub id: i64,
    /// Its tenant.
    pub tenant: i64,
    /// Its public id.
    pub uuid: String,
    /// `run`, `replay`, `check` or `remove`.
    pub kind: String,
    /// The connector it is about.
    pub connector: i64,
    /// The profile it is about.
    pub profile: Option<i64>,
    /// What it needs to know.
    pub payload: Value,
    /// `queued`, `running` or `ended`.
    pub state: String,
    /// Who asked.
    pub requested_by: String,
    /// When it was asked for.
    pub created_at: Instant,
    /// When it was first claimed.
    pub started_at: Option<Instant>,
    /// When it ended.
    pub ended_at: Option<Instant>,
    /// How often it was claimed.
    pub attempt: i64,
    /// How often whoever had claimed it went away without a word since it last moved on.
    pub lost: i64,
    /// Whether somebody wants it to end.
    pub cancelled: bool,
    /// What it came to.
    pub result: Option<String>,
    /// Why, in a sentence.
    pub message: Option<String>,
    /// Its run.
    pub run: Option<i64>,
}

/// A worker's claim on a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobClaim {
    /// The job.
    pub job: i64,
    /// The attempt that made the claim.
    pub attempt: i64,
}

/// How a job ends.
#[derive(Debug, Clone, Copy)]
pub struct JobEnd<'a> {
    /// What it came to.
    pub result: &'a str,
    /// Why, in a sentence.
    pub message: Option<&'a str>,
    /// When.
    pub now: Instant,
}

/// Whether a job was added.
#[derive(Debug, Clone, PartialEq)]
pub enum Enqueued {
    /// It was.
    Added(i64),
    /// An open one stands for it, or the one that has its public id already.
    Open(Box<JobRow>),
}

/// Where a job's source is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobPlace {
    /// By the hub, or nowhere.
    Hub,
    /// By an agent: whoever does the job waits for it.
    Agent,
}

impl JobPlace {
    /// Of the table `job`.
    fn condition(self) -> &'static str {
        match self {
            Self::Hub => {
                "AND (kind NOT IN ('run', 'check') OR connector NOT IN (SELECT id FROM connector WHERE execution = 'agent'))"
            }
            Self::Agent => {
                "AND kind IN ('run', 'check') AND connector IN (SELECT id FROM connector WHERE execution = 'agent')"
            }
        }
    }
}

/// Which jobs.
#[derive(Debug, Clone, Copy, Default)]
pub struct JobFilter {
    /// Of one connector.
    pub connector: Option<i64>,
    /// Of one profile.
    pub profile: Option<i64>,
    /// Only those before this id.
    pub before: Option<i64>,
}

const COLUMNS: &str = "id, tenant, uuid, kind, connector, profile, payload, state, requested_by, created_at, started_at, \
                       ended_at, attempt, cancelled, result, message, lost";
const RUN: &str = "(SELECT MAX(r.id) FROM run r WHERE r.job = job.id)";

fn row(row: &Row) -> Result<JobRow, StoreError> {
    Ok(JobRow {
        id: row.int(0)?,
        tenant: row.int(1)?,
        uuid: row.text(2)?,
        kind: row.text(3)?,
        connector: row.int(4)?,
        profile: row.maybe_int(5)?,
        payload: value(&row.text(6)?)?,
        state: row.text(7)?,
        requested_by: row.text(8)?,
        created_at: Instant(row.int(9)?),
        started_at: row.maybe_int(10)?.map(Instant),
        ended_at: row.maybe_int(11)?.map(Instant),
        attempt: row.int(12)?,
        cancelled: row.int(13)? != 0,
        result: row.maybe_text(14)?,
        message: row.maybe_text(15)?,
        lost: row.int(16)?,
        run: row.maybe_int(17)?,
    })
}

/// Adds a job, unless an open one excludes it.
pub(super) async fn add(conn: &mut Conn<'_>, job: &NewJob<'_>) -> Result<Option<i64>, StoreError> {
    let id = next_id(conn, 1).await?;
    let at = conn.dialect().lease_time("$11");
    let sql = format!(
        "INSERT INTO job (id, tenant, uuid, kind, connector, profile, payload, state, exclusive, available_at, \
         requested_by, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, 'queued', $8, {at}, $10, $9) \
         ON CONFLICT DO NOTHING"
    );
    let values = params![
        id,
        job.tenant,
        job.uuid,
        job.kind,
        job.connector,
        job.profile,
        json(job.payload)?,
        job.exclusive.clone(),
        job.now.0,
        job.requested_by,
        conn.dialect().lease_clock(job.now),
    ];
    Ok((conn.execute("adding a job", sql, values).await? == 1).then_some(id))
}

impl Store {
    /// Adds a job, unless an open one excludes it.
    pub async fn enqueue(&self, job: &NewJob<'_>, audit: Option<&AuditLine>) -> Result<Enqueued, StoreError> {
        let mut transaction = self.begin().await?;
        let mut conn = transaction.conn()?;
        let Some(id) = add(&mut conn, job).await? else {
            // One that was asked for by that very name comes before one that is open.
            let sql = format!(
                "SELECT {COLUMNS}, {RUN} FROM job WHERE tenant = $1 AND (uuid = $3 OR exclusive = $2 AND state <> 'ended') \
                 ORDER BY CASE WHEN uuid = $3 THEN 0 ELSE 1 END LIMIT 1"
            );
            let values = params![job.tenant, job.exclusive.clone(), job.uuid];
            let found = conn.fetch_one("finding the open job", sql, values).await?;
            let open = found.as_ref().map(row).transpose()?;
            transaction.rollback().await;
            return Ok(Enqueued::Open(Box::new(
                open.ok_or_else(|| StoreError::Corrupt("an open job excludes another and is not there".to_owned()))?,
            )));
        };
        if let Some(audit) = audit {
            note(&mut conn, audit).await?;
        }
        transaction.commit().await?;
        Ok(Enqueued::Added(id))
    }

    /// Claims for so many microseconds the job that has waited longest, or one whose worker let its lease run out; never
    /// one's own, which is under way whatever its lease says.
    pub async fn claim_job(
        &self,
        owner: &str,
        now: Instant,
        lease: i64,
    ) -> Result<Option<(JobRow, JobClaim)>, StoreError> {
        self.claim_job_of(None, owner, now, lease).await
    }

    /// The same of those whose source is read there.
    pub async fn claim_job_of(
        &self,
        place: Option<JobPlace>,
        owner: &str,
        now: Instant,
        lease: i64,
    ) -> Result<Option<(JobRow, JobClaim)>, StoreError> {
        let place = place.map_or("", JobPlace::condition);
        let mut transaction = self.begin().await?;
        let mut conn = transaction.conn()?;
        let lock = if conn.dialect() == Dialect::Postgres { " FOR UPDATE SKIP LOCKED" } else { "" };
        let time = conn.dialect().lease_time("$4");
        let sql = format!(
            "UPDATE job SET state = 'running', owner = $1, lease_until = {time} + $3, attempt = attempt + 1, \
             lost = lost + CASE WHEN state = 'running' THEN 1 ELSE 0 END, \
             started_at = COALESCE(started_at, $2) WHERE id = (SELECT id FROM job WHERE state <> 'ended' \
             AND available_at <= {time} AND (lease_until IS NULL OR lease_until < {time}) \
             AND (state = 'queued' OR owner IS NULL OR owner <> $1) {place} ORDER BY available_at, id LIMIT 1{lock}) \
             RETURNING {COLUMNS}, {RUN}"
        );
        let values = params![owner, now.0, lease, conn.dialect().lease_clock(now)];
        let found = conn.fetch_one("claiming a job", sql, values).await?;
        let found = found.as_ref().map(row).transpose()?;
        transaction.commit().await?;
        Ok(found.map(|job| {
            let claim = JobClaim { job: job.id, attempt: job.attempt };
            (job, claim)
        }))
    }

    /// Prolongs a claim to so many microseconds from now; says whether somebody wants the job to end. A claim that
    /// another took is an error.
    pub async fn renew_job(&self, claim: &JobClaim, now: Instant, lease: i64) -> Result<bool, StoreError> {
        let mut writer = self.writer().await?;
        let mut conn = writer.conn();
        let sql = format!(
            "UPDATE job SET lease_until = {} + $3 WHERE id = $1 AND attempt = $2 AND state = 'running' \
             RETURNING cancelled",
            conn.dialect().lease_time("$4")
        );
        let values = params![claim.job, claim.attempt, lease, conn.dialect().lease_clock(now)];
        let row = conn.fetch_one("prolonging a job's lease", sql, values).await?;
        Ok(row.ok_or(StoreError::Fenced("another worker has the job"))?.int(0)? != 0)
    }

    /// Frees the jobs that a hub before left under way. Only for a store that nobody else has open.
    pub async fn free_jobs(&self) -> Result<u64, StoreError> {
        let mut writer = self.writer().await?;
        let sql = "UPDATE job SET lease_until = NULL, owner = NULL WHERE state = 'running'";
        writer.conn().execute("freeing jobs", sql, params![]).await
    }

    /// Whether somebody wants a job to end.
    pub async fn job_is_cancelled(&self, job: i64) -> Result<bool, StoreError> {
        let mut reader = self.reader().await?;
        let row =
            reader.conn().fetch_one("reading a job", "SELECT cancelled FROM job WHERE id = $1", params![job]).await?;
        row.map_or(Ok(true), |row| Ok(row.int(0)? != 0))
    }

    /// Ends a job; what it ordered of an agent goes.
    pub async fn end_job(&self, claim: &JobClaim, end: JobEnd<'_>) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        let mut conn = transaction.conn()?;
        let sql = "UPDATE job SET state = 'ended', result = $3, message = $4, ended_at = $5, lease_until = NULL \
                   WHERE id = $1 AND attempt = $2 AND state = 'running' RETURNING tenant";
        let values = params![claim.job, claim.attempt, end.result, end.message.map(str::to_owned), end.now.0];
        let Some(ended) = conn.fetch_one("ending a job", sql, values).await? else {
            transaction.rollback().await;
            return Err(StoreError::Fenced("another worker has the job"));
        };
        let tenant = ended.int(0)?;
        let sql = "DELETE FROM agent_parcel WHERE tenant = $1 AND order_id IN \
                   (SELECT id FROM agent_order WHERE tenant = $1 AND job = $2)";
        conn.execute("forgetting parcels", sql, params![tenant, claim.job]).await?;
        let sql = "DELETE FROM agent_order WHERE tenant = $1 AND job = $2";
        let ordered = conn.execute("forgetting orders", sql, params![tenant, claim.job]).await?;
        transaction.commit().await?;
        if ordered > 0 {
            self.hints.orders_changed();
        }
        Ok(())
    }

    /// Gives a job back, to be claimed again in so many microseconds.
    pub async fn postpone_job(&self, claim: &JobClaim, now: Instant, delay: i64) -> Result<(), StoreError> {
        let mut writer = self.writer().await?;
        let mut conn = writer.conn();
        let sql = format!(
            "UPDATE job SET state = 'queued', owner = NULL, lease_until = NULL, available_at = {} + $3 \
             WHERE id = $1 AND attempt = $2 AND state = 'running'",
            conn.dialect().lease_time("$4")
        );
        let values = params![claim.job, claim.attempt, delay, conn.dialect().lease_clock(now)];
        conn.execute("postponing a job", sql, values).await?;
        Ok(())
    }

    /// Asks a job to end, with its run; one that nobody has begun ends at once. False when it had ended.
    pub async fn cancel_job(&self, job: &JobRow, now: Instant, audit: Option<&AuditLine>) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        let mut conn = transaction.conn()?;
        let sql = "UPDATE job SET cancelled = 1 WHERE tenant = $1 AND id = $2 AND state <> 'ended'";
        let cancelled = conn.execute("cancelling a job", sql, params![job.tenant, job.id]).await? == 1;
        if cancelled {
            let sql = "UPDATE run SET cancelled = 1 WHERE tenant = $1 AND job = $2 AND state <> 'ended'";
            conn.execute("cancelling a run", sql, params![job.tenant, job.id]).await?;
            let sql = "UPDATE job SET state = 'ended', result = 'cancelled', ended_at = $3 \
                       WHERE tenant = $1 AND id = $2 AND state = 'queued' AND attempt = 0";
            conn.execute("ending a job", sql, params![job.tenant, job.id, now.0]).await?;
            if let Some(audit) = audit {
                note(&mut conn, audit).await?;
            }
        }
        transaction.commit().await?;
        Ok(cancelled)
    }

    /// The job of that public id.
    pub async fn job(&self, tenant: i64, uuid: &str) -> Result<Option<JobRow>, StoreError> {
        let mut reader = self.reader().await?;
        let sql = format!("SELECT {COLUMNS}, {RUN} FROM job WHERE tenant = $1 AND uuid = $2");
        let found = reader.conn().fetch_one("reading a job", sql, params![tenant, uuid]).await?;
        found.as_ref().map(row).transpose()
    }

    /// Jobs of a tenant, newest first.
    pub async fn jobs(&self, tenant: i64, filter: JobFilter, limit: i64) -> Result<Vec<JobRow>, StoreError> {
        let mut reader = self.reader().await?;
        let mut values = params![tenant, limit];
        let mut sql = format!("SELECT {COLUMNS}, {RUN} FROM job WHERE tenant = $1");
        let narrow = [("connector =", filter.connector), ("profile =", filter.profile), ("id <", filter.before)];
        for (column, wanted) in narrow {
            if let Some(wanted) = wanted {
                values.push(wanted.into());
                sql.push_str(&format!(" AND {column} ${}", values.len()));
            }
        }
        sql.push_str(" ORDER BY id DESC LIMIT $2");
        let rows = reader.conn().fetch("reading jobs", sql, values).await?;
        rows.iter().map(row).collect()
    }

    /// How many jobs are open, by state, over all tenants: for metrics.
    pub async fn open_jobs(&self) -> Result<Vec<(String, i64)>, StoreError> {
        let mut reader = self.reader().await?;
        let sql = "SELECT state, COUNT(*) FROM job WHERE state <> 'ended' GROUP BY state ORDER BY state";
        let rows = reader.conn().fetch("counting jobs", sql, params![]).await?;
        rows.iter().map(|row| Ok((row.text(0)?, row.int(1)?))).collect()
    }
}
