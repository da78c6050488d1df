//! Claims on runs and scopes: what keeps two workers from writing one thing (design D10).

use muster_core::clock::Instant;
use muster_core::run::RunResult;

use crate::sql::Conn;
use crate::{ConnectorRow, RunClose, Store, StoreError};

/// A worker's claim on a run: whatever moves the run as a whole checks it (design D10).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunClaim {
    /// The run.
    pub run: i64,
    /// The attempt that made the claim.
    pub attempt: i64,
}

/// A writer's claim on a scope: every write checks it (design D10).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fence {
    /// The run.
    pub run: i64,
    /// The scope.
    pub scope: i64,
    /// The attempt that made the claim.
    pub attempt: i64,
}

impl Store {
    /// The run of a job that has not ended.
    pub async fn open_run_of(&self, job: i64) -> Result<Option<i64>, StoreError> {
        let mut reader = self.reader().await?;
        let sql = "SELECT id FROM run WHERE job = $1 AND state <> 'ended' ORDER BY id DESC LIMIT 1";
        let row = reader.conn().fetch_one("finding a job's run", sql, vec![job.into()]).await?;
        row.map(|row| row.int(0)).transpose()
    }

    /// Ends a run that nobody goes on with: cancelled, and its scopes are read anew next time.
    pub async fn abandon_run(&self, connector: &ConnectorRow, run: i64, now: Instant) -> Result<(), StoreError> {
        let Some(row) = self.run(connector, run).await? else { return Ok(()) };
        let mut notes = row.notes;
        notes.push("it was given up before its end".to_owned());
        let claim = self.claim_run(run, None).await?;
        let close = RunClose { result: RunResult::Cancelled, now, notes: &notes, before_its_time: true };
        self.end_run(claim, close).await
    }

    /// Claims a run that was interrupted: from now on whoever had it, and the writers of its scopes, fail.
    pub async fn claim_run(&self, run: i64, job: Option<i64>) -> Result<RunClaim, StoreError> {
        let mut transaction = self.begin().await?;
        let mut conn = transaction.conn()?;
        let sql = "UPDATE run SET attempt = attempt + 1, job = COALESCE($2, job) WHERE id = $1 AND state <> 'ended' \
                   RETURNING attempt";
        let row = conn.fetch_one("claiming the run", sql, vec![run.into(), job.into()]).await?;
        let attempt = row.ok_or(StoreError::Fenced("the run has ended"))?.int(0)?;
        let sql = "UPDATE scope SET attempt = attempt + 1 WHERE id IN (SELECT scope FROM run_scope WHERE run = $1)";
        conn.execute("claiming the run's scopes", sql, vec![run.into()]).await?;
        transaction.commit().await?;
        Ok(RunClaim { run, attempt })
    }

    /// Claims a scope for an attempt of a run: writers of earlier attempts fail from now on. What an earlier attempt
    /// parked or staged is forgotten, since the scope is read again from its start.
    pub async fn claim_scope(&self, claim: RunClaim, scope: i64) -> Result<Fence, StoreError> {
        let mut transaction = self.begin().await?;
        let mut conn = transaction.conn()?;
        let fence = raise_attempt(&mut conn, claim, scope).await?;
        let sql = "DELETE FROM parked WHERE run = $1 AND scope = $2";
        conn.execute("dropping parked records", sql, vec![claim.run.into(), scope.into()]).await?;
        transaction.commit().await?;
        Ok(fence)
    }
}

/// Whether a worker still has the run. The row stays locked until the transaction's end, so that two take turns.
pub(crate) async fn check_claim(conn: &mut Conn<'_>, claim: RunClaim) -> Result<(), StoreError> {
    let lock = if conn.dialect() == crate::dialect::Dialect::Postgres { " FOR UPDATE" } else { "" };
    let sql = format!("SELECT attempt, state FROM run WHERE id = $1{lock}");
    let row = conn.fetch_one("checking the claim", sql, vec![claim.run.into()]).await?;
    let row = row.ok_or(StoreError::Fenced("the run is gone"))?;
    if row.int(0)? != claim.attempt {
        return Err(StoreError::Fenced("another attempt has the run"));
    }
    if row.text(1)? == "ended" {
        return Err(StoreError::Fenced("the run has ended"));
    }
    Ok(())
}

pub(crate) async fn check_fence(conn: &mut Conn<'_>, fence: Fence) -> Result<(), StoreError> {
    let lock = if conn.dialect() == crate::dialect::Dialect::Postgres { " FOR UPDATE OF s" } else { "" };
    let sql =
        format!("SELECT s.attempt, r.state, r.cancelled FROM scope s JOIN run r ON r.id = $1 WHERE s.id = $2{lock}");
    let row = conn.fetch_one("checking the claim", sql, vec![fence.run.into(), fence.scope.into()]).await?;
    let row = row.ok_or(StoreError::Fenced("the run or the scope is gone"))?;
    if row.int(0)? != fence.attempt {
        return Err(StoreError::Fenced("another attempt has it"));
    }
    if row.text(1)? == "ended" || row.int(2)? != 0 {
        return Err(StoreError::Fenced("the run was cancelled"));
    }
    Ok(())
}

/// Makes writers of earlier attempts at a scope fail, and forgets the links that they staged.
pub(crate) async fn raise_attempt(conn: &mut Conn<'_>, claim: RunClaim, scope: i64) -> Result<Fence, StoreError> {
    check_claim(conn, claim).await?;
    let sql = "UPDATE scope SET attempt = attempt + 1 WHERE id = $1 RETURNING attempt";
    let row = conn.fetch_one("claiming the scope", sql, vec![scope.into()]).await?;
    let attempt = row.ok_or(StoreError::Fenced("there is no such scope"))?.int(0)?;
    let sql = "DELETE FROM edge_stage WHERE run = $1";
    conn.execute("dropping staged links", sql, vec![claim.run.into()]).await?;
    Ok(Fence { run: claim.run, scope, attempt })
}
