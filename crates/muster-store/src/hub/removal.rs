//! What becomes of a removed connector's assets, and of a run whose worker is silent.

use muster_core::asset::GoneCause;
use muster_core::clock::Instant;
use muster_core::connector::Mode;
use muster_core::run::RunResult;

use crate::retire::state_history;
use crate::{ConnectorRow, RunClose, Store, StoreError};

impl Store {
    /// Marks some assets of a removed connector gone: (tenant, connector). Gives how many; 0 when none is left.
    pub async fn retire_removed(
        &self,
        (tenant, connector): (i64, i64),
        now: Instant,
        limit: i64,
    ) -> Result<usize, StoreError> {
        let mut transaction = self.begin().await?;
        let mut conn = transaction.conn()?;
        let sql = "UPDATE asset SET state = 'gone', gone_cause = $3, gone_at = $4, missing_since = NULL, \
                   recheck_at = NULL, changed_at = $4 WHERE id IN (SELECT a.id FROM asset a \
                   JOIN connector c ON c.id = a.connector WHERE a.tenant = $1 AND a.connector = $2 \
                   AND a.state = 'present' AND c.removed_at IS NOT NULL LIMIT $5) RETURNING id";
        let values = params![tenant, connector, GoneCause::ConnectorRemoved.word(), now.0, limit];
        let rows = conn.fetch("retiring a connector's assets", sql, values).await?;
        let mut ids = rows.iter().map(|row| row.int(0)).collect::<Result<Vec<_>, _>>()?;
        ids.sort_unstable();
        // No run of the engine's did it: history names run 0.
        state_history(&mut conn, (0, now), &ids, "present").await?;
        transaction.commit().await?;
        Ok(ids.len())
    }

    /// The run of a job that has not ended.
    pub async fn open_run_of(&self, job: i64) -> Result<Option<i64>, StoreError> {
        let mut reader = self.reader().await?;
        let sql = "SELECT id FROM run WHERE job = $1 AND state <> 'ended' ORDER BY id DESC LIMIT 1";
        let row = reader.conn().fetch_one("finding a job's run", sql, params![job]).await?;
        row.map(|row| row.int(0)).transpose()
    }

    /// Ends a run that nobody goes on with: cancelled, and its scopes are read anew next time.
    pub async fn abandon_run(&self, connector: &ConnectorRow, run: i64, now: Instant) -> Result<(), StoreError> {
        let Some(row) = self.run(connector, run).await? else { return Ok(()) };
        let scopes = self.run_scopes(connector, run).await?;
        let in_full = scopes.iter().filter(|(_, line, ended)| *ended && line.mode == Mode::Full);
        let read_in_full: Vec<i64> = in_full.map(|(scope, _, _)| scope.id).collect();
        let mut notes = row.notes;
        notes.push("it was given up before its end".to_owned());
        let claim = self.claim_run(run, None).await?;
        let result = RunResult::Cancelled;
        let close = RunClose { result, now, notes: &notes, before_its_time: true, read_in_full: &read_in_full };
        self.end_run(claim, close).await
    }
}
