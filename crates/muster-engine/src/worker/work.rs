//! What each kind of job does.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use muster_core::clock::Instant;
use muster_core::connector::Mode;
use muster_core::schedule::Schedule;
use muster_store::hub::{ConnectionRow, JobRow, ProfileRow};
use muster_store::{ConnectorRow, Letters, Order, StoreError};
use serde_json::Value;

use super::open::{NotOpened, Opened, open};
use super::tell::Teller;
use super::{Outcome, Worker};
use crate::{EngineError, Options, Subject};

/// The longest that a connection test may take.
const CHECK_SECONDS: i64 = 45;
/// Assets that go in one statement when a connector is removed.
const REMOVED_AT_ONCE: i64 = 2000;

/// Does a job. An error is the store's; whatever an operator can mend is an outcome.
pub(super) async fn work(
    worker: Worker,
    job: JobRow,
    teller: Arc<Teller>,
    cancel: Arc<AtomicBool>,
) -> Result<Outcome, StoreError> {
    if job.kind == "remove" {
        return remove(&worker, &job).await;
    }
    let Some(connection) = worker.store.connection_of(job.tenant, job.connector).await? else {
        return Ok(Outcome::failed("the connector is not there any more"));
    };
    let profile = match job.profile {
        None => None,
        Some(id) => worker.store.profile_of(job.tenant, id).await?,
    };
    let opened = match open(&worker, &job, (&connection, profile.as_ref())).await {
        Ok(opened) => opened,
        Err(NotOpened::Store(error)) => return Err(error),
        Err(NotOpened::Settings(problem)) => return Ok(Outcome::failed(problem)),
    };
    match (job.kind.as_str(), profile) {
        ("check", _) => Ok(check(opened, &teller).await),
        ("run" | "replay", Some(profile)) => {
            run(&worker, (&job, &connection, &profile), opened, (teller, cancel)).await
        }
        ("run" | "replay", None) => Ok(Outcome::failed("the profile is not there any more")),
        (kind, _) => Ok(Outcome::failed(format!("this version knows no job `{kind}`"))),
    }
}

async fn check(opened: Opened, teller: &Teller) -> Outcome {
    match opened.connector.check(teller).await {
        true => Outcome::of("passed"),
        false => Outcome::failed("a step failed; each says what to do"),
    }
}

async fn run(
    worker: &Worker,
    (job, connection, profile): (&JobRow, &ConnectionRow, &ProfileRow),
    opened: Opened,
    (teller, cancel): (Arc<Teller>, Arc<AtomicBool>),
) -> Result<Outcome, StoreError> {
    let row = ConnectorRow { id: connection.id, tenant: connection.tenant, name: connection.name.clone() };
    // Claimed again: the worker before may have ended the run, and not the job.
    if let Some(id) = job.run
        && let Some(result) = worker.store.run(&row, id).await?.and_then(|run| run.result)
    {
        return Ok(Outcome::of(result.word()));
    }
    let over = ends_at(worker, job).await?.is_some_and(|end| worker.clock.now() >= end);
    let is_replay = job.kind == "replay";
    if connection.execution == "agent" && job.requested_by == "schedule" {
        let message = "an agent runs this connector, by the cron expression of its own settings".to_owned();
        return Ok(Outcome { result: "cancelled", message: Some(message) });
    }
    if let Some(read_at) = job.payload.get("readAt").and_then(Value::as_str) {
        teller.event("info", "log", format!("the agent read while the hub was away, until {read_at}"), None);
    }
    if over || !profile.active && !is_replay {
        return Ok(Outcome { result: "cancelled", message: Some("the profile does not run any more".to_owned()) });
    }
    let mode = match job.payload.get("mode").and_then(Value::as_str) {
        Some("full") => Mode::Full,
        Some("sweep") => Mode::Sweep,
        _ => Mode::Delta,
    };
    let release = job.payload.get("release").and_then(Value::as_bool).unwrap_or(false);
    let options = Options { mode, release, cancel, progress: teller };
    let order = Order { profile: Some(profile.id), job: Some(job.id) };
    let subject = Subject { row: &row, connector: opened.connector.as_ref(), maps: &opened.maps, order };
    let clock = worker.clock.as_ref();
    let done = match is_replay {
        true => crate::replay(&worker.store, subject, clock, (options, letters(&job.payload))).await,
        false => crate::run(&worker.store, subject, clock, options).await,
    };
    match done {
        Ok(report) if is_replay => Ok(Outcome { result: report.result.word(), message: Some(replayed(&report)) }),
        Ok(report) => Ok(Outcome { result: report.result.word(), message: first_gap(&report) }),
        Err(EngineError::Store(error)) => Err(error),
        Err(EngineError::Connector(error)) => {
            let remedy = error.remedy.as_ref().map(|remedy| format!("; {remedy}")).unwrap_or_default();
            Ok(Outcome::failed(format!("{error}{remedy}")))
        }
        Err(error) => Ok(Outcome::failed(error.to_string())),
    }
}

/// When a job has to end: a connection test soon, so that a silent host does not hold a worker; a scheduled one at its
/// schedule's end, after which nothing runs.
pub(super) async fn ends_at(worker: &Worker, job: &JobRow) -> Result<Option<Instant>, StoreError> {
    if job.kind == "check" {
        return Ok(Some(worker.clock.now().plus(CHECK_SECONDS * 1_000_000)));
    }
    let Some(profile) = job.profile.filter(|_| job.requested_by == "schedule") else { return Ok(None) };
    let profile = worker.store.profile_of(job.tenant, profile).await?;
    let schedule = profile.and_then(|profile| profile.schedule);
    let schedule = schedule.and_then(|schedule| Schedule::from_json(&schedule).ok());
    Ok(schedule.and_then(|schedule| schedule.end()))
}

/// The dead letters that a replay is about; none where it maps again all that is kept.
fn letters(payload: &Value) -> Option<Letters> {
    let letters = payload.get("letters")?.as_object()?;
    let ids = letters.get("ids").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_i64).collect();
    Some(Letters { stream: letters.get("stream").and_then(Value::as_str).map(str::to_owned), ids })
}

/// What a replay came to, in a sentence.
fn replayed(report: &crate::Report) -> String {
    let mut all = muster_core::ledger::Counters::default();
    report.ledger.iter().for_each(|line| all.add(&line.counters));
    let held = if all.held > 0 { format!(", {} held", all.held) } else { String::new() };
    format!("{} created, {} changed, {} rejected still{held}", all.created, all.updated, all.rejected)
}

/// The first thing that is missing, in a sentence; the ledger has all.
fn first_gap(report: &crate::Report) -> Option<String> {
    use muster_core::ledger::Evidence;
    let open = report.ledger.iter().find_map(|line| match &line.evidence {
        Evidence::Open { reason } => Some(format!("{} of {}: {reason}", line.stream, line.scope)),
        _ => None,
    });
    let held: u64 = report.ledger.iter().map(|line| line.counters.held).sum();
    let held = (held > 0).then(|| format!("{held} assets are held: release or refuse them"));
    open.or(held)
}

/// Retires what a removed connector brought.
async fn remove(worker: &Worker, job: &JobRow) -> Result<Outcome, StoreError> {
    let mut gone = 0;
    loop {
        let now = worker.clock.now();
        match worker.store.retire_removed((job.tenant, job.connector), now, REMOVED_AT_ONCE).await? {
            0 => break,
            more => gone += more,
        }
    }
    Ok(Outcome { result: "complete", message: Some(format!("{gone} assets are gone with their connector")) })
}

/// Ends the run of a job that is over or given up: its claim is taken, so that a worker that is still at it writes
/// nothing more.
pub(super) async fn close_run(worker: &Worker, job: &JobRow) -> Result<(), StoreError> {
    let Some(run) = worker.store.open_run_of(job.id).await? else { return Ok(()) };
    let row = ConnectorRow { id: job.connector, tenant: job.tenant, name: String::new() };
    worker.store.abandon_run(&row, run, worker.clock.now()).await
}
