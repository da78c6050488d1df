//! Runs, and all other work that was asked for: the list, and one with its ledger, its steps and its log, live.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use muster_core::connector::{Mode, Step, StepOutcome};
use muster_core::ledger::{Counters, Evidence, Expected, LedgerLine};
use muster_core::run::Machine;
use muster_store::hub::{EventRow, JobFilter, JobRow, RunFilter};
use muster_store::{ConnectorRow, RunRow, ScopeRow};

use super::connectors::From;
use super::frame::{Frame, Steward, Visitor, html, to};
use super::part::{Badge, Number, Tone, When, address, bytes, duration};
use crate::api::jobs::{self, find};
use crate::api::names::Names;
use crate::error::Problem;
use crate::extract::{Path, Query};
use crate::hub::Hub;

const ROWS: i64 = 50;
/// How much of a log a page shows.
const EVENTS: i64 = 500;

/// Work in a list.
pub(super) struct Line {
    pub(super) href: String,
    pub(super) what: String,
    pub(super) connector: String,
    pub(super) connector_href: Option<String>,
    pub(super) badge: Badge,
    pub(super) message: Option<String>,
    pub(super) asked_by: String,
    pub(super) asked: When,
    pub(super) took: Option<String>,
}

/// What kind of work, in words.
fn what(job: &JobRow) -> String {
    match job.kind.as_str() {
        "run" if job.payload["release"] == true => "Release of what is held".to_owned(),
        "run" => match job.payload["mode"].as_str() {
            Some("full") => "Full run".to_owned(),
            Some("sweep") => "Sweep".to_owned(),
            _ => "Delta run".to_owned(),
        },
        "check" => "Connection test".to_owned(),
        "replay" if job.payload["letters"].is_object() => "Replay of dead letters".to_owned(),
        "replay" => "Mapping again".to_owned(),
        "remove" => "Removal".to_owned(),
        other => super::session::capitalized(other.to_owned()),
    }
}

/// Where a job is, or what it came to.
fn badge(job: &JobRow) -> Badge {
    match (job.state.as_str(), &job.result) {
        ("queued", _) if job.cancelled => Badge::new(Tone::Busy, "cancelling"),
        ("running", _) if job.cancelled => Badge::new(Tone::Busy, "cancelling"),
        ("queued", _) => Badge::new(Tone::Plain, "waiting"),
        ("running", _) => Badge::new(Tone::Busy, "running"),
        (_, Some(result)) => Badge::result(result),
        (state, None) => Badge::new(Tone::Plain, state),
    }
}

/// Jobs as lists show them.
pub(super) async fn lines(hub: &Hub, visitor: &Visitor, jobs: Vec<JobRow>) -> Result<Vec<Line>, Problem> {
    let names = Names::of(hub, visitor.tenant()).await?;
    let line = |job: JobRow| {
        let label = names.connector(job.connector);
        let took = job.started_at.zip(job.ended_at).map(|(from, to)| duration(to.0 - from.0));
        Line {
            href: format!("/console/runs/{}", job.uuid),
            what: what(&job),
            connector: label.map(|label| label.name.clone()).unwrap_or_default(),
            connector_href: label
                .filter(|label| !label.removed)
                .map(|label| format!("/console/connectors/{}", label.uuid)),
            badge: badge(&job),
            asked: visitor.when(job.created_at),
            asked_by: job.requested_by,
            message: job.message,
            took,
        }
    };
    Ok(jobs.into_iter().map(line).collect())
}

#[derive(Template)]
#[template(path = "console/runs/list.html")]
struct ListPage {
    frame: Frame,
    runs: Vec<Line>,
    next: Option<String>,
    first: bool,
}

pub(super) async fn list(
    State(hub): State<Arc<Hub>>,
    visitor: Visitor,
    Query(from): Query<From>,
) -> Result<Response, Problem> {
    let filter = JobFilter { before: (from.after > 0).then_some(from.after), ..JobFilter::default() };
    let mut rows = hub.store.jobs(visitor.tenant(), filter, ROWS + 1).await?;
    let more = i64::try_from(rows.len()).is_ok_and(|count| count > ROWS);
    rows.truncate(usize::try_from(ROWS).unwrap_or(usize::MAX));
    let next = rows.last().filter(|_| more).map(|row| address("/console/runs", &[("after", &row.id.to_string())]));
    let runs = lines(&hub, &visitor, rows).await?;
    html(StatusCode::OK, &ListPage { frame: visitor.frame, runs, next, first: from.after == 0 })
}

/// A line of the ledger.
struct Scope {
    stream: String,
    scope: String,
    mode: &'static str,
    evidence: Badge,
    /// What is missing.
    gap: Option<String>,
    expected: String,
    counters: Vec<Number>,
    /// Where its rejected records are.
    letters: String,
    throttled: String,
    bytes: String,
    notes: Vec<String>,
    proven: Option<When>,
}

/// The heads of the columns of counters, in their order.
const COUNTERS: [&str; 10] =
    ["Received", "Created", "Updated", "Refreshed", "Unchanged", "Reappeared", "Gone", "Held", "Rejected", "Calls"];

fn counters(counters: &Counters) -> Vec<Number> {
    let one = counters;
    [
        one.received,
        one.created,
        one.updated,
        one.refreshed,
        one.unchanged,
        one.reappeared,
        one.gone,
        one.held,
        one.rejected,
        one.calls,
    ]
    .map(Number)
    .into()
}

fn scope(visitor: &Visitor, connector: &str, (row, line, ended): (ScopeRow, LedgerLine, bool)) -> Scope {
    let (tone, word) = match (&line.evidence, ended) {
        (Evidence::Pending, false) => (Tone::Plain, "waiting"),
        (Evidence::Pending, true) => (Tone::Warn, "pending"),
        (Evidence::Kept, _) => (Tone::Plain, "kept"),
        (Evidence::Counted | Evidence::Closed, _) => (Tone::Good, line.evidence.word()),
        (Evidence::Open { .. }, _) => (Tone::Warn, "open"),
    };
    let expected = match line.expected {
        Expected::Unknown => "unknown".to_owned(),
        Expected::NotApplicable => "not applicable".to_owned(),
        Expected::Between { low, high } if low == high => Number(low).to_string(),
        Expected::Between { low, high } => format!("{} to {}", Number(low), Number(high)),
    };
    Scope {
        mode: line.mode.word(),
        evidence: Badge::new(tone, word),
        gap: match line.evidence {
            Evidence::Open { reason } => Some(reason),
            _ => None,
        },
        expected,
        counters: counters(&line.counters),
        letters: super::letters::place(connector, &line.stream),
        throttled: duration(i64::try_from(line.counters.throttled_ms).unwrap_or(i64::MAX).saturating_mul(1000)),
        bytes: bytes(line.counters.bytes),
        notes: line.notes,
        proven: row.presence_proven_at.map(|at| visitor.when(at)),
        stream: line.stream,
        scope: line.scope,
    }
}

/// A step of a connection test.
struct StepLine {
    badge: Badge,
    step: Step,
}

/// An entry of the log.
struct LogLine {
    at: When,
    badge: Badge,
    message: String,
}

/// The run behind a job: its phase, its ledger.
struct Ledger {
    phase: &'static str,
    done: usize,
    all: usize,
    received: Number,
    origin: Option<String>,
    notes: Vec<String>,
    scopes: Vec<Scope>,
    totals: Vec<Number>,
    /// Where the connector's rejected records are.
    letters: String,
    is_delta: bool,
}

#[derive(Template)]
#[template(path = "console/runs/detail.html", blocks = ["live"])]
struct DetailPage {
    frame: Frame,
    job: JobRow,
    place: String,
    what: String,
    badge: Badge,
    is_over: bool,
    connector: String,
    connector_href: Option<String>,
    profile: Option<(String, String)>,
    asked: When,
    started: Option<When>,
    took: Option<String>,
    progress: Option<String>,
    ledger: Option<Ledger>,
    steps: Vec<StepLine>,
    log: Vec<LogLine>,
    heads: [&'static str; 10],
}

impl DetailPage {
    fn gaps(&self) -> Vec<&Scope> {
        let scopes = self.ledger.iter().flat_map(|ledger| &ledger.scopes);
        scopes.filter(|scope| scope.gap.is_some()).collect()
    }

    /// The mode in which to run again what did not end well, and the profile's place.
    fn again(&self) -> Option<(&str, &str)> {
        let badly = ["partial", "failed", "cancelled"].into_iter().any(|word| self.came_to(word));
        let (_, place) = self.profile.as_ref().filter(|_| badly && self.job.kind == "run" && self.frame.is_manager)?;
        Some((self.job.payload["mode"].as_str().unwrap_or("delta"), place))
    }

    fn came_to(&self, word: &str) -> bool {
        self.job.result.as_deref() == Some(word)
    }
}

pub(super) async fn detail(
    State(hub): State<Arc<Hub>>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let page = page(&hub, &visitor, &id).await?;
    if visitor.wants_part { html(StatusCode::OK, &page.as_live()) } else { html(StatusCode::OK, &page) }
}

async fn page(hub: &Hub, visitor: &Visitor, id: &str) -> Result<DetailPage, Problem> {
    // The job is read before what it told: when it had ended by then, nothing comes later.
    let job = find(hub, visitor.tenant(), id).await?;
    let events = hub.store.events(visitor.tenant(), job.id, 0, EVENTS).await?;
    let names = Names::of(hub, visitor.tenant()).await?;
    let label = names.connector(job.connector);
    let profile = match job.profile {
        Some(id) => hub.store.profile_of(visitor.tenant(), id).await?,
        None => None,
    };
    let until = job.ended_at.unwrap_or(visitor.now);
    let steps: Vec<StepLine> = events.iter().filter_map(step).collect();
    Ok(DetailPage {
        frame: visitor.frame.clone(),
        place: format!("/console/runs/{}", job.uuid),
        what: what(&job),
        badge: badge(&job),
        is_over: job.state == "ended",
        connector: label.map(|label| label.name.clone()).unwrap_or_default(),
        connector_href: label.filter(|label| !label.removed).map(|label| format!("/console/connectors/{}", label.uuid)),
        profile: profile.map(|row| (row.name, format!("/console/profiles/{}", row.uuid))),
        asked: visitor.when(job.created_at),
        started: job.started_at.map(|at| visitor.when(at)),
        took: job.started_at.map(|from| duration(until.0 - from.0)),
        progress: events.iter().rev().find(|event| event.kind == "progress").map(|event| event.message.clone()),
        ledger: ledger((hub, visitor), label.map(|label| label.uuid.as_str()).unwrap_or_default(), &job).await?,
        steps,
        log: events.into_iter().filter(|event| event.kind != "progress").map(|event| log(visitor, event)).collect(),
        heads: COUNTERS,
        job,
    })
}

async fn ledger((hub, visitor): (&Hub, &Visitor), connector: &str, job: &JobRow) -> Result<Option<Ledger>, Problem> {
    let Some(run) = job.run else { return Ok(None) };
    let filter = RunFilter { run: Some(run), ..RunFilter::default() };
    let Some(run) = hub.store.runs_of(visitor.tenant(), filter, 1).await?.pop() else { return Ok(None) };
    let row = ConnectorRow { id: run.connector, tenant: visitor.tenant(), name: String::new() };
    let lines = hub.store.run_scopes(&row, run.id).await?;
    let mut totals = Counters::default();
    lines.iter().for_each(|(_, line, _)| totals.add(&line.counters));
    Ok(Some(Ledger {
        phase: phase(&run),
        done: lines.iter().filter(|(_, _, ended)| *ended).count(),
        all: lines.len(),
        received: Number(totals.received),
        is_delta: lines.iter().any(|(_, line, _)| line.mode == Mode::Delta),
        letters: super::letters::place(connector, ""),
        totals: counters(&totals),
        scopes: lines.into_iter().map(|line| scope(visitor, connector, line)).collect(),
        origin: run.origin,
        notes: run.notes,
    }))
}

fn phase(run: &RunRow) -> &'static str {
    match run.machine {
        Machine::Plan { .. } => "asking what there is to read",
        Machine::Read { .. } => "reading",
        Machine::Retire { .. } => "asking about what was not listed",
        Machine::Resolve => "resolving members",
        Machine::Remap => "mapping again what is due",
        Machine::Finish => "closing",
    }
}

fn step(event: &EventRow) -> Option<StepLine> {
    let step: Step = serde_json::from_value(event.data.clone().filter(|_| event.kind == "step")?).ok()?;
    let badge = match step.outcome {
        StepOutcome::Passed => Badge::new(Tone::Good, "passed"),
        StepOutcome::Failed => Badge::new(Tone::Bad, "failed"),
        StepOutcome::Skipped => Badge::new(Tone::Plain, "skipped"),
    };
    Some(StepLine { badge, step })
}

fn log(visitor: &Visitor, event: EventRow) -> LogLine {
    let tone = match event.level.as_str() {
        "error" => Tone::Bad,
        "warn" => Tone::Warn,
        _ => Tone::Plain,
    };
    LogLine { at: visitor.when(event.at), badge: Badge::new(tone, event.level), message: event.message }
}

/// Asks a job to end.
pub(super) async fn cancel(
    State(hub): State<Arc<Hub>>,
    Steward(visitor): Steward,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let job = jobs::end((&hub, &visitor.principal), &id).await?;
    Ok(to(&format!("/console/runs/{}", job.uuid)))
}
