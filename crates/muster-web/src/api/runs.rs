//! Asking for runs, and what they came to.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use muster_core::clock::Instant;
use muster_core::ledger::{Counters, Evidence, Expected, LedgerLine};
use muster_store::hub::{JobRow, NewJob, ProfileRow, RunFilter};
use muster_store::{ConnectorRow, RunRow};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::jobs::{self, Job};
use super::names::Names;
use super::page::{PageParameters, Paged, Paging};
use super::{profiles, text};
use crate::auth::{Manager, Principal, Viewer};
use crate::error::{Code, Problem};
use crate::extract::{OptionalBody, Path, Query};
use crate::hub::Hub;

pub(super) fn router() -> OpenApiRouter<Arc<Hub>> {
    OpenApiRouter::new().routes(routes!(run)).routes(routes!(list)).routes(routes!(get))
}

#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct RunBody {
    /// `full`, `delta` (where absent) or `sweep`. A delta that cannot be read is read in full, and the ledger says so.
    mode: Option<String>,
}

/// Runs a profile. A run that is open already stands for it.
#[utoipa::path(
    post, path = "/api/v1/profiles/{id}/run", tag = "runs", operation_id = "runProfile", request_body = RunBody,
    params(("id" = String, Path, description = "The profile's id.")),
    responses(
        (status = 202, description = "The job.", body = Job),
        (status = 200, description = "The job that is open already.", body = Job)
    )
)]
async fn run(
    State(hub): State<Arc<Hub>>,
    (Manager(who), Path(id)): (Manager, Path<String>),
    OptionalBody(given): OptionalBody<RunBody>,
) -> Result<Response, Problem> {
    let profile = profiles::find(&hub, who.tenant, &id).await?;
    let asked = start((&hub, &who), &profile, given.mode.as_deref().unwrap_or("delta")).await?;
    jobs::answer(&hub, asked).await
}

/// Asks for a run of a profile, whoever asks: REST or console.
pub(crate) async fn start(
    (hub, who): (&Hub, &Principal),
    profile: &ProfileRow,
    mode: &str,
) -> Result<(StatusCode, JobRow), Problem> {
    let mode = text::one_of("mode", mode, &["full", "delta", "sweep"])?;
    enqueue((hub, who), profile, &json!({ "mode": mode, "release": false })).await
}

pub(super) async fn enqueue(
    (hub, who): (&Hub, &Principal),
    profile: &ProfileRow,
    payload: &Value,
) -> Result<(StatusCode, JobRow), Problem> {
    if !profile.active {
        return Err(Problem::new(Code::Inactive).remedy("make the profile active first"));
    }
    let uuid = hub.random.uuid();
    let job = NewJob::run_of(profile, &uuid, payload, &who.name, hub.now());
    let audit = who.audit(hub, "profile.run", ("profile", &profile.uuid), payload.clone());
    jobs::enqueue((hub, who), &job, &audit).await
}

/// A run.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Run {
    id: i64,
    connector_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile_id: Option<String>,
    mode: &'static str,
    /// `running` or `ended`.
    state: &'static str,
    /// Where it is: `plan`, `read`, `retire`, `resolve`, `remap` or `finish`.
    phase: String,
    /// `complete`, `partial`, `held`, `failed` or `cancelled`.
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'static str>,
    as_of: String,
    started_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<String>,
    /// Which server its records came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<String>,
    /// What an operator should know.
    notes: Vec<String>,
}

/// A run with its ledger.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct RunWithLedger {
    #[serde(flatten)]
    run: Run,
    /// A line per stream and scope.
    ledger: Vec<Line>,
    /// The lines' sum: `received`, `rejected`, `created`, `updated`, `unchanged`, `gone`, `held`, ….
    #[schema(value_type = Object)]
    totals: Counters,
}

/// A line of the ledger: one scope of one stream.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Line {
    stream: String,
    scope: String,
    mode: &'static str,
    ended: bool,
    /// `pending`, `counted`, `closed`, `kept` (nothing was read) or `open`.
    evidence: &'static str,
    /// What is missing, where it is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// The source's own count: `unknown`, `notApplicable` (a delta), or `between`.
    expected: Value,
    #[schema(value_type = Object)]
    counters: Counters,
    notes: Vec<String>,
    /// When absence was last proven, by a full reading or a sweep.
    #[serde(skip_serializing_if = "Option::is_none")]
    presence_proven_at: Option<String>,
}

fn line_of(line: LedgerLine, ended: bool, proven: Option<Instant>) -> Line {
    let expected = match line.expected {
        Expected::Unknown => json!("unknown"),
        Expected::NotApplicable => json!("notApplicable"),
        Expected::Between { low, high } => json!({ "between": { "low": low, "high": high } }),
    };
    Line {
        evidence: line.evidence.word(),
        reason: match line.evidence {
            Evidence::Open { reason } => Some(reason),
            _ => None,
        },
        stream: line.stream,
        scope: line.scope,
        mode: line.mode.word(),
        ended,
        expected,
        counters: line.counters,
        notes: line.notes,
        presence_proven_at: proven.map(Instant::to_rfc3339),
    }
}

async fn show(hub: &Hub, names: &mut Names, row: RunRow) -> Result<Run, Problem> {
    let phase = serde_json::to_value(&row.machine).unwrap_or_default();
    Ok(Run {
        profile_id: names.profile_id(hub, row.order.profile).await?,
        connector_id: names.connector_id(row.connector),
        id: row.id,
        mode: row.mode.word(),
        state: if row.ended_at.is_some() { "ended" } else { "running" },
        phase: phase["phase"].as_str().unwrap_or_default().to_owned(),
        result: row.result.map(|result| result.word()),
        as_of: row.as_of.to_rfc3339(),
        started_at: row.started_at.to_rfc3339(),
        ended_at: row.ended_at.map(Instant::to_rfc3339),
        origin: row.origin,
        notes: row.notes,
    })
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Filter {
    /// Only those of a connector.
    connector: Option<String>,
    /// Only those of a profile.
    profile: Option<String>,
}

/// The runs of the tenant, newest first.
#[utoipa::path(
    get, path = "/api/v1/runs", tag = "runs", operation_id = "listRuns", params(PageParameters, Filter),
    responses((status = 200, description = "A page of them.", body = Paged<Run>))
)]
async fn list(
    State(hub): State<Arc<Hub>>,
    Viewer(who): Viewer,
    paging: Paging,
    Query(given): Query<Filter>,
) -> Result<Json<Paged<Run>>, Problem> {
    let page = paging.backwards("runs")?;
    let (connector, profile) = jobs::about(&hub, who.tenant, (given.connector, given.profile)).await?;
    let filter = RunFilter { before: Some(page.after), connector, profile, ..RunFilter::default() };
    let rows = hub.store.runs_of(who.tenant, filter, page.limit).await?;
    let page = paging.answer("runs", rows, |row| row.id, |row| row);
    let mut names = Names::of(&hub, who.tenant).await?;
    let mut items = Vec::with_capacity(page.items.len());
    for row in page.items {
        items.push(show(&hub, &mut names, row).await?);
    }
    Ok(Json(Paged { items, next_cursor: page.next_cursor }))
}

/// A run with its ledger.
#[utoipa::path(
    get, path = "/api/v1/runs/{id}", tag = "runs", operation_id = "getRun",
    params(("id" = i64, Path, description = "Its id.")), responses((status = 200, description = "It.", body = RunWithLedger))
)]
async fn get(
    State(hub): State<Arc<Hub>>,
    Viewer(who): Viewer,
    Path(id): Path<i64>,
) -> Result<Json<RunWithLedger>, Problem> {
    let filter = RunFilter { run: Some(id), ..RunFilter::default() };
    let row = hub.store.runs_of(who.tenant, filter, 1).await?.into_iter().next();
    let row = row.ok_or_else(|| Problem::new(Code::NotFound))?;
    let connector = ConnectorRow { id: row.connector, tenant: who.tenant, name: String::new() };
    let lines = hub.store.run_scopes(&connector, row.id).await?;
    let mut totals = Counters::default();
    lines.iter().for_each(|(_, line, _)| totals.add(&line.counters));
    let ledger = lines.into_iter().map(|(scope, line, ended)| line_of(line, ended, scope.presence_proven_at)).collect();
    let run = show(&hub, &mut Names::of(&hub, who.tenant).await?, row).await?;
    Ok(Json(RunWithLedger { run, ledger, totals }))
}
