//! `/agent/v1/runs`: the agent's hour has come (C39).

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use muster_core::agent::{RunRequest, RunState};
use muster_core::connector::Mode;
use muster_core::fold::fingerprint;
use muster_core::value::guid_text;
use muster_store::ConnectorRow;
use muster_store::hub::{Enqueued, JobRow, NewJob};
use serde_json::json;

use super::calling::Calling;
use super::configuration;
use crate::error::{Code, Problem};
use crate::extract::{Body, Path};
use crate::hub::Hub;

/// The longest request id and time, in characters.
const LONGEST: usize = 100;

/// Adds a run of the agent's profile, once for each request id. A run that is open already stands for it.
#[utoipa::path(
    post, path = "/agent/v1/runs", tag = "agents", operation_id = "runAsAgent", request_body = RunRequest,
    params(("Muster-Agent-Session" = String, Header, description = "The session.")),
    responses(
        (status = 202, description = "The run.", body = RunState),
        (status = 200, description = "The run that was asked for before, or is open already.", body = RunState)
    )
)]
pub(super) async fn start(
    State(hub): State<Arc<Hub>>,
    calling: Calling,
    Body(given): Body<RunRequest>,
) -> Result<Response, Problem> {
    for (field, text) in [("request", Some(&given.request)), ("readAt", given.read_at.as_ref())] {
        if text.is_some_and(|text| text.is_empty() || text.chars().count() > LONGEST) {
            return Err(Problem::value(field, format!("it has 1 to {LONGEST} characters")));
        }
    }
    let mode = given.mode.unwrap_or(Mode::Delta);
    if mode == Mode::Replay {
        return Err(Problem::value("mode", "it is one of full, delta, sweep"));
    }
    let (_, profile) = calling.reads(&hub).await?;
    if !profile.active {
        return Err(Problem::new(Code::Inactive));
    }
    let name = format!("agent run {} {}", profile.uuid, given.request);
    let uuid = guid_text(&fingerprint(name.as_bytes())).unwrap_or_default();
    let payload = json!({ "mode": mode, "release": false, "request": given.request, "readAt": given.read_at });
    let asker = format!("agent {}", calling.row.host);
    let job = NewJob::run_of(&profile, &uuid, &payload, &asker, hub.now());
    let audit = calling.who.audit(&hub, "profile.run", ("profile", &profile.uuid), payload.clone());
    let (status, job) = match hub.store.enqueue(&job, Some(&audit)).await? {
        Enqueued::Added(_) => (StatusCode::ACCEPTED, find(&hub, &calling, &uuid).await?),
        Enqueued::Open(open) => (StatusCode::OK, *open),
    };
    Ok((status, Json(state(&hub, &calling, job).await?)).into_response())
}

/// What became of a run.
#[utoipa::path(
    get, path = "/agent/v1/runs/{job}", tag = "agents", operation_id = "getRunAsAgent",
    params(
        ("job" = String, Path, description = "The run's job."),
        ("Muster-Agent-Session" = String, Header, description = "The session.")
    ),
    responses((status = 200, description = "The run.", body = RunState))
)]
pub(super) async fn get(
    State(hub): State<Arc<Hub>>,
    (calling, Path(job)): (Calling, Path<String>),
) -> Result<Json<RunState>, Problem> {
    let job = find(&hub, &calling, &job).await?;
    Ok(Json(state(&hub, &calling, job).await?))
}

/// A job of the agent's profile.
async fn find(hub: &Hub, calling: &Calling, uuid: &str) -> Result<JobRow, Problem> {
    let job = hub.store.job(calling.who.tenant, uuid).await?;
    let job = job.filter(|job| job.profile == Some(calling.row.profile));
    job.ok_or_else(|| Problem::new(Code::NotFound))
}

async fn state(hub: &Hub, calling: &Calling, job: JobRow) -> Result<RunState, Problem> {
    let reads = calling.reads(hub).await?;
    let row = ConnectorRow { id: calling.row.connector, tenant: calling.row.tenant, name: String::new() };
    let lines = match job.run {
        Some(run) => hub.store.run_scopes(&row, run).await?,
        None => Vec::new(),
    };
    Ok(RunState {
        job: job.uuid,
        state: job.state,
        result: job.result,
        message: job.message,
        ledger: lines.into_iter().map(|(_, line, _)| line).collect(),
        cursors: configuration::cursors(hub, (&reads.0, &reads.1)).await?,
    })
}
