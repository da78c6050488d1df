//! Connectors, maps, scopes, runs and their ledgers.

use muster_core::clock::Instant;
use muster_core::connector::{Cursor, Mode};
use muster_core::ledger::LedgerLine;
use muster_core::run::{MACHINE_VERSION, Machine, RunResult};
use roaring::RoaringTreemap;

use crate::claims::{Fence, RunClaim, check_claim, check_fence};
use crate::ids::{SeenKind, decode_ids};
use crate::sql::Conn;
use crate::{Store, StoreError};

/// The tenant of an installation that has only one.
pub const FIRST_TENANT: i64 = 1;

/// The map of a scope whose assets are made by more than one: no map has this id.
pub const SEVERAL_MAPS: i64 = 0;

/// A connector as the store knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectorRow {
    /// Its id.
    pub id: i64,
    /// Its tenant.
    pub tenant: i64,
    /// Its name.
    pub name: String,
}

/// A scope and what is remembered of it from run to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScopeRow {
    /// Its id.
    pub id: i64,
    /// Its stream.
    pub stream: String,
    /// Its name.
    pub name: String,
    /// Where the next delta starts.
    pub cursor: Option<Cursor>,
    /// The map that its last complete run used.
    pub map: Option<i64>,
    /// When it was last read to its end, as of that run.
    pub complete_at: Option<Instant>,
    /// When presence was last proven by a full reading or a sweep.
    pub presence_proven_at: Option<Instant>,
    /// The profile that read it last.
    pub profile: Option<i64>,
}

/// On whose behalf a run is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Order {
    /// The profile.
    pub profile: Option<i64>,
    /// The job.
    pub job: Option<i64>,
}

/// A run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRow {
    /// Its id.
    pub id: i64,
    /// Its connector.
    pub connector: i64,
    /// On whose behalf: none for a run without a hub.
    pub order: Order,
    /// How it reads.
    pub mode: Mode,
    /// How far it is.
    pub machine: Machine,
    /// Its result, once it ended.
    pub result: Option<RunResult>,
    /// The time its maps see.
    pub as_of: Instant,
    /// When it began.
    pub started_at: Instant,
    /// When it ended.
    pub ended_at: Option<Instant>,
    /// Which server its records came from.
    pub origin: Option<String>,
    /// What an operator should know.
    pub notes: Vec<String>,
}

/// What [`run_row`] reads.
pub(crate) const RUN_COLUMNS: &str = "id, connector, mode, machine, result, as_of, started_at, ended_at, origin, notes, \
                                      machine_version, profile, job";

fn state_of(text: &str) -> Result<RunResult, StoreError> {
    serde_json::from_value(serde_json::Value::String(text.to_owned()))
        .map_err(|_| StoreError::Corrupt(format!("run result `{text}`")))
}

impl Store {
    /// Reserves `count` ids and gives the first. A transaction of its own: nothing waits for the batch that uses them.
    pub async fn reserve_ids(&self, count: i64) -> Result<i64, StoreError> {
        let mut writer = self.writer().await?;
        next_id(&mut writer.conn(), count).await
    }

    /// The run of that connector and profile which has not ended: it is to be resumed. One whose machine another version
    /// of Muster stored is refused.
    pub async fn unfinished_run(
        &self,
        connector: &ConnectorRow,
        profile: Option<i64>,
    ) -> Result<Option<RunRow>, StoreError> {
        let tail = "AND profile IS NOT DISTINCT FROM $3 AND state <> 'ended' ORDER BY id DESC LIMIT 1";
        let Some(run) = self.runs(connector, tail, vec![profile]).await?.into_iter().next() else { return Ok(None) };
        let mut reader = self.reader().await?;
        let sql = "SELECT machine_version FROM run WHERE id = $1";
        let version = reader.conn().fetch_one("reading the run", sql, vec![run.id.into()]).await?;
        match version.map_or(Ok(0), |row| row.int(0))? {
            MACHINE_VERSION => Ok(Some(run)),
            other => Err(StoreError::Corrupt(format!(
                "run {} was begun by another version: its machine is of version {other}, this one knows {MACHINE_VERSION}",
                run.id
            ))),
        }
    }

    /// A run of a connector.
    pub async fn run(&self, connector: &ConnectorRow, run: i64) -> Result<Option<RunRow>, StoreError> {
        Ok(self.runs(connector, "AND id = $3", vec![Some(run)]).await?.into_iter().next())
    }

    /// The latest runs of a connector, newest first.
    pub async fn latest_runs(&self, connector: &ConnectorRow, limit: i64) -> Result<Vec<RunRow>, StoreError> {
        self.runs(connector, "ORDER BY id DESC LIMIT $3", vec![Some(limit)]).await
    }

    async fn runs(
        &self,
        connector: &ConnectorRow,
        tail: &str,
        more: Vec<Option<i64>>,
    ) -> Result<Vec<RunRow>, StoreError> {
        let mut reader = self.reader().await?;
        let sql = format!("SELECT {RUN_COLUMNS} FROM run WHERE tenant = $1 AND connector = $2 {tail}");
        let mut params = vec![connector.tenant.into(), connector.id.into()];
        params.extend(more.into_iter().map(Into::into));
        let rows = reader.conn().fetch("reading runs", sql, params).await?;
        rows.iter().map(run_row).collect()
    }

    /// Begins a run, claimed by whoever begins it. Its scopes are not known yet: see [`Store::plan_run`].
    pub async fn begin_run(&self, connector: &ConnectorRow, run: &RunRow) -> Result<RunClaim, StoreError> {
        let mut transaction = self.begin().await?;
        let mut conn = transaction.conn()?;
        let sql = "SELECT c.removed_at, j.cancelled FROM connector c LEFT JOIN job j ON j.id = $2 WHERE c.id = $1";
        let known = conn.fetch_one("beginning the run", sql, vec![connector.id.into(), run.order.job.into()]).await?;
        let known = known.ok_or(StoreError::Fenced("the connector is gone"))?;
        if known.maybe_int(0)?.is_some() || known.maybe_int(1)?.is_some_and(|cancelled| cancelled != 0) {
            return Err(StoreError::Fenced("the connector was removed, or the job cancelled"));
        }
        let id = next_id(&mut conn, 1).await?;
        let sql = "INSERT INTO run (id, tenant, connector, mode, machine_version, machine, state, as_of, started_at, \
                   origin, notes, attempt, profile, job) \
                   VALUES ($1, $2, $3, $4, $5, $6, 'running', $7, $8, $9, $10, 1, $11, $12)";
        let params = vec![
            id.into(),
            connector.tenant.into(),
            connector.id.into(),
            run.mode.word().into(),
            MACHINE_VERSION.into(),
            json(&run.machine)?.into(),
            run.as_of.0.into(),
            run.started_at.0.into(),
            run.origin.clone().into(),
            json(&run.notes)?.into(),
            run.order.profile.into(),
            run.order.job.into(),
        ];
        conn.execute("beginning the run", sql, params).await?;
        transaction.commit().await?;
        Ok(RunClaim { run: id, attempt: 1 })
    }

    /// Stores what the run found to read: scopes that are new are made, the ledger gets a line for each, and the run
    /// moves on to `run.machine`.
    pub async fn plan_run(
        &self,
        connector: &ConnectorRow,
        claim: RunClaim,
        run: &RunRow,
        lines: &[LedgerLine],
    ) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        let mut conn = transaction.conn()?;
        check_claim(&mut conn, claim).await?;
        let sql = "UPDATE run SET machine = $2, origin = $3, notes = $4 WHERE id = $1";
        let params =
            vec![claim.run.into(), json(&run.machine)?.into(), run.origin.clone().into(), json(&run.notes)?.into()];
        conn.execute("storing the run's plan", sql, params).await?;
        for (position, line) in (0_i64..).zip(lines) {
            let scope = ensure_scope(&mut conn, connector, &line.stream, &line.scope).await?;
            let sql = "INSERT INTO run_scope (run, scope, position, line) VALUES ($1, $2, $3, $4)";
            let params = vec![claim.run.into(), scope.into(), position.into(), json(line)?.into()];
            conn.execute("adding a ledger line", sql, params).await?;
        }
        let sql = "UPDATE scope SET profile = (SELECT profile FROM run WHERE id = $1) \
                   WHERE id IN (SELECT scope FROM run_scope WHERE run = $1)";
        conn.execute("noting whose scopes they are", sql, vec![claim.run.into()]).await?;
        transaction.commit().await
    }

    /// The scopes of a run in their order, with their ledger lines and whether they ended.
    pub async fn run_scopes(
        &self,
        connector: &ConnectorRow,
        run: i64,
    ) -> Result<Vec<(ScopeRow, LedgerLine, bool)>, StoreError> {
        let mut reader = self.reader().await?;
        let sql = "SELECT s.id, s.stream, s.name, s.cursor, s.map, s.complete_at, s.presence_proven_at, s.profile, r.line, r.ended \
                   FROM run_scope r JOIN scope s ON s.id = r.scope JOIN run u ON u.id = r.run \
                   WHERE r.run = $1 AND u.tenant = $2 AND u.connector = $3 ORDER BY r.position";
        let params = vec![run.into(), connector.tenant.into(), connector.id.into()];
        let rows = reader.conn().fetch("reading the ledger", sql, params).await?;
        rows.iter().map(|row| Ok((scope_row(row)?, ledger_line(&row.text(8)?)?, row.int(9)? != 0))).collect()
    }

    /// All scopes that a connector ever had.
    pub async fn scopes(&self, connector: &ConnectorRow) -> Result<Vec<ScopeRow>, StoreError> {
        let mut reader = self.reader().await?;
        let sql = "SELECT id, stream, name, cursor, map, complete_at, presence_proven_at, profile FROM scope \
                   WHERE tenant = $1 AND connector = $2 ORDER BY id";
        let rows =
            reader.conn().fetch("reading scopes", sql, vec![connector.tenant.into(), connector.id.into()]).await?;
        rows.iter().map(scope_row).collect()
    }

    /// Whether somebody asked a run to end.
    pub async fn run_is_cancelled(&self, run: i64) -> Result<bool, StoreError> {
        let mut reader = self.reader().await?;
        let sql = "SELECT cancelled FROM run WHERE id = $1";
        let row = reader.conn().fetch_one("reading the run", sql, vec![run.into()]).await?;
        row.map_or(Ok(false), |row| Ok(row.int(0)? != 0))
    }

    /// Stores how far the run is. Its job has moved on: what was lost of it before counts no more.
    pub async fn save_machine(&self, claim: RunClaim, machine: &Machine) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        let mut conn = transaction.conn()?;
        check_claim(&mut conn, claim).await?;
        let sql = "UPDATE run SET machine = $2 WHERE id = $1";
        conn.execute("storing the run's state", sql, vec![claim.run.into(), json(machine)?.into()]).await?;
        let sql = "UPDATE job SET lost = 0 WHERE id = (SELECT job FROM run WHERE id = $1) AND lost > 0";
        conn.execute("storing the run's state", sql, vec![claim.run.into()]).await?;
        transaction.commit().await
    }

    /// Ends a scope: its ledger line and its cursor, where there is one, in one transaction (design D1).
    pub async fn end_scope(&self, fence: Fence, line: &LedgerLine, end: ScopeClose) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        let mut conn = transaction.conn()?;
        check_fence(&mut conn, fence).await?;
        save_line(&mut conn, fence.run, fence.scope, line, true).await?;
        if line.evidence.is_complete() {
            let sql = "UPDATE scope SET cursor = COALESCE($2, cursor), complete_at = $3, map = COALESCE(map, $4), \
                       presence_proven_at = COALESCE($5, presence_proven_at) WHERE id = $1";
            let proven = line.mode.proves_absence().then_some(end.as_of.0);
            let params = vec![
                fence.scope.into(),
                end.cursor.map(|cursor| cursor.0).into(),
                end.as_of.0.into(),
                end.map.into(),
                proven.into(),
            ];
            conn.execute("moving the cursor", sql, params).await?;
        } else if let Some(cursor) = end.cursor {
            let sql = "UPDATE scope SET cursor = $2, map = COALESCE(map, $3) WHERE id = $1";
            conn.execute("keeping the cursor", sql, vec![fence.scope.into(), cursor.0.into(), end.map.into()]).await?;
        }
        transaction.commit().await
    }

    /// Writes down that a scope which had ended is open after all.
    pub async fn doubt_scope(&self, fence: Fence, line: &LedgerLine) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        let mut conn = transaction.conn()?;
        check_fence(&mut conn, fence).await?;
        save_line(&mut conn, fence.run, fence.scope, line, true).await?;
        transaction.commit().await
    }

    /// Makes the next run of these scopes read anew.
    pub async fn forget_cursors(&self, claim: RunClaim, scopes: &[i64]) -> Result<(), StoreError> {
        if scopes.is_empty() {
            return Ok(());
        }
        let mut transaction = self.begin().await?;
        let mut conn = transaction.conn()?;
        check_claim(&mut conn, claim).await?;
        forget_cursors(&mut conn, scopes).await?;
        transaction.commit().await
    }

    /// Notes the map that all assets of a run's scopes of a stream are made by; [`SEVERAL_MAPS`] while it changes.
    pub async fn keep_map(&self, claim: RunClaim, stream: &str, map: i64) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        let mut conn = transaction.conn()?;
        check_claim(&mut conn, claim).await?;
        let sql = "UPDATE scope SET map = $3 WHERE stream = $2 AND id IN (SELECT scope FROM run_scope WHERE run = $1)";
        conn.execute("noting the map", sql, vec![claim.run.into(), stream.into(), map.into()]).await?;
        transaction.commit().await
    }

    /// The ids that a run noted, over all its scopes of a stream.
    pub async fn noted(&self, run: i64, stream: Option<&str>, kind: SeenKind) -> Result<RoaringTreemap, StoreError> {
        let mut reader = self.reader().await?;
        let sql = "SELECT n.ids FROM seen n JOIN scope s ON s.id = n.scope \
                   WHERE n.run = $1 AND n.kind = $2 AND ($3 IS NULL OR s.stream = $3)";
        let params = vec![run.into(), kind.number().into(), stream.map(str::to_owned).into()];
        let mut ids = RoaringTreemap::new();
        for row in reader.conn().fetch("reading what was seen", sql, params).await? {
            decode_ids(&row.blob(0)?, &mut ids);
        }
        Ok(ids)
    }

    /// Ends a run: its result and the final notes; what it noted is dropped.
    ///
    /// A run that ends `before_its_time` makes the next run of its scopes read anew: what it would have retired at its
    /// end is in no delta from here on. These are the scopes that it read in full, and those that showed tombstones or
    /// records that lost attributes.
    pub async fn end_run(&self, claim: RunClaim, end: RunClose<'_>) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        let mut conn = transaction.conn()?;
        check_claim(&mut conn, claim).await?;
        let run = claim.run;
        if end.before_its_time {
            let sql = "UPDATE scope SET cursor = NULL WHERE id IN (SELECT scope FROM seen WHERE run = $1 AND kind = $2 \
                       UNION SELECT scope FROM parked WHERE run = $1)";
            let params = vec![run.into(), SeenKind::Deleted.number().into()];
            conn.execute("forgetting cursors", sql, params).await?;
            let full = read_in_full(&mut conn, run).await?;
            forget_cursors(&mut conn, &full).await?;
        }
        let sql = "UPDATE run SET state = 'ended', result = $2, ended_at = $3, machine = $4, notes = $5 WHERE id = $1";
        let params = vec![
            run.into(),
            end.result.word().into(),
            end.now.0.into(),
            json(&Machine::Finish)?.into(),
            json(&end.notes)?.into(),
        ];
        conn.execute("ending the run", sql, params).await?;
        for table in ["seen", "parked", "edge_stage"] {
            conn.execute("dropping the run's notes", format!("DELETE FROM {table} WHERE run = $1"), vec![run.into()])
                .await?;
        }
        transaction.commit().await
    }
}

/// How a run ends.
#[derive(Debug, Clone, Copy)]
pub struct RunClose<'a> {
    /// What it came to.
    pub result: RunResult,
    /// When.
    pub now: Instant,
    /// All that an operator should know of it.
    pub notes: &'a [String],
    /// Whether it was cancelled or failed before all its phases were through.
    pub before_its_time: bool,
}

/// What a scope's end moves besides its ledger line.
#[derive(Debug, Clone)]
pub struct ScopeClose {
    /// Where the next delta starts.
    pub cursor: Option<Cursor>,
    /// The map that was used.
    pub map: i64,
    /// The run's time.
    pub as_of: Instant,
}

pub(crate) async fn next_id(conn: &mut Conn<'_>, count: i64) -> Result<i64, StoreError> {
    let sql = "UPDATE sequence SET next = next + $1 WHERE name = 'id' RETURNING next";
    let row = conn.fetch_one("reserving ids", sql, vec![count.into()]).await?;
    Ok(row.ok_or_else(|| StoreError::Corrupt("there is no id sequence".to_owned()))?.int(0)? - count)
}

pub(crate) async fn save_line(
    conn: &mut Conn<'_>,
    run: i64,
    scope: i64,
    line: &LedgerLine,
    ended: bool,
) -> Result<(), StoreError> {
    let sql =
        "UPDATE run_scope SET line = $3, ended = CASE WHEN $4 = 1 THEN 1 ELSE ended END WHERE run = $1 AND scope = $2";
    conn.execute(
        "writing the ledger",
        sql,
        vec![run.into(), scope.into(), json(line)?.into(), i64::from(ended).into()],
    )
    .await?;
    Ok(())
}

async fn forget_cursors(conn: &mut Conn<'_>, scopes: &[i64]) -> Result<(), StoreError> {
    for &scope in scopes {
        let sql = "UPDATE scope SET cursor = NULL WHERE id = $1 AND cursor IS NOT NULL";
        conn.execute("forgetting cursors", sql, vec![scope.into()]).await?;
    }
    Ok(())
}

/// The scopes that a run has read in full, as its ledger says.
async fn read_in_full(conn: &mut Conn<'_>, run: i64) -> Result<Vec<i64>, StoreError> {
    let sql = "SELECT scope, line FROM run_scope WHERE run = $1 AND ended = 1";
    let mut scopes = Vec::new();
    for row in conn.fetch("reading the ledger", sql, vec![run.into()]).await? {
        if ledger_line(&row.text(1)?)?.mode == Mode::Full {
            scopes.push(row.int(0)?);
        }
    }
    Ok(scopes)
}

fn ledger_line(text: &str) -> Result<LedgerLine, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Corrupt(error.to_string()))
}

async fn ensure_scope(
    conn: &mut Conn<'_>,
    connector: &ConnectorRow,
    stream: &str,
    name: &str,
) -> Result<i64, StoreError> {
    let find = "SELECT id FROM scope WHERE tenant = $1 AND connector = $2 AND stream = $3 AND name = $4";
    let key = vec![connector.tenant.into(), connector.id.into(), stream.into(), name.into()];
    if let Some(row) = conn.fetch_one("finding a scope", find, key).await? {
        return row.int(0);
    }
    let id = next_id(conn, 1).await?;
    let sql = "INSERT INTO scope (id, tenant, connector, stream, name) VALUES ($1, $2, $3, $4, $5)";
    let params = vec![id.into(), connector.tenant.into(), connector.id.into(), stream.into(), name.into()];
    conn.execute("adding a scope", sql, params).await?;
    Ok(id)
}

fn scope_row(row: &crate::sql::Row) -> Result<ScopeRow, StoreError> {
    Ok(ScopeRow {
        id: row.int(0)?,
        stream: row.text(1)?,
        name: row.text(2)?,
        cursor: row.maybe_text(3)?.map(Cursor),
        map: row.maybe_int(4)?,
        complete_at: row.maybe_int(5)?.map(Instant),
        presence_proven_at: row.maybe_int(6)?.map(Instant),
        profile: row.maybe_int(7)?,
    })
}

pub(crate) fn run_row(row: &crate::sql::Row) -> Result<RunRow, StoreError> {
    let unreadable = |error: serde_json::Error| StoreError::Corrupt(format!("a run: {error}"));
    let known = row.int(10)? == MACHINE_VERSION;
    Ok(RunRow {
        id: row.int(0)?,
        connector: row.int(1)?,
        order: Order { profile: row.maybe_int(11)?, job: row.maybe_int(12)? },
        mode: serde_json::from_value(row.text(2)?.into()).map_err(unreadable)?,
        // Whoever lists runs needs no machine; whoever would go on with one asks `unfinished_run`.
        machine: if known { serde_json::from_str(&row.text(3)?).map_err(unreadable)? } else { Machine::Finish },
        result: row.maybe_text(4)?.as_deref().map(state_of).transpose()?,
        as_of: Instant(row.int(5)?),
        started_at: Instant(row.int(6)?),
        ended_at: row.maybe_int(7)?.map(Instant),
        origin: row.maybe_text(8)?,
        notes: serde_json::from_str(&row.text(9)?).map_err(unreadable)?,
    })
}

pub(crate) fn json<T: serde::Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Corrupt(error.to_string()))
}
