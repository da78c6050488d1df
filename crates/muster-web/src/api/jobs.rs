//! Jobs: work that was asked for, and what it tells.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use muster_core::clock::Instant;
use muster_store::hub::{AuditLine, Enqueued, EventRow, JobFilter, JobRow, NewJob};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::names::Names;
use super::page::{PageParameters, Paged, Paging};
use super::{connectors, profiles};
use crate::auth::{Manager, Principal, Viewer};
use crate::error::{Code, Problem};
use crate::extract::{Path, Query};
use crate::hub::Hub;

pub(super) fn router() -> OpenApiRouter<Arc<Hub>> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(get)).routes(routes!(cancel)).merge(super::live::router())
}

/// Work that was asked for.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Job {
    id: String,
    /// `run`, `replay`, `check` or `remove`.
    kind: String,
    connector_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile_id: Option<String>,
    /// Of a run: `full`, `delta` or `sweep`.
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<String>,
    /// Of a run: whether it releases what is held.
    #[serde(skip_serializing_if = "Option::is_none")]
    release: Option<bool>,
    /// `queued`, `running` or `ended`.
    state: String,
    requested_by: String,
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<String>,
    attempt: i64,
    /// Whether somebody wants it to end.
    cancel_requested: bool,
    /// What it came to.
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<String>,
    /// Why, in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// Its run, in `/api/v1/runs`.
    #[serde(skip_serializing_if = "Option::is_none")]
    run_id: Option<i64>,
}

/// Something that a job told.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Event {
    /// Later ones are greater.
    id: i64,
    at: String,
    /// `info`, `warn` or `error`.
    level: String,
    /// `log`, `step`, `progress` or `state`.
    kind: String,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Value>,
}

impl From<EventRow> for Event {
    fn from(row: EventRow) -> Self {
        let EventRow { id, at, level, kind, message, data } = row;
        Self { id, at: at.to_rfc3339(), level, kind, message, data }
    }
}

/// The job of that public id.
pub(crate) async fn find(hub: &Hub, tenant: i64, id: &str) -> Result<JobRow, Problem> {
    hub.store.job(tenant, id).await?.ok_or_else(|| Problem::new(Code::NotFound))
}

pub(crate) async fn show(hub: &Hub, row: JobRow) -> Result<Job, Problem> {
    let mut names = Names::of(hub, row.tenant).await?;
    draw(hub, &mut names, row).await
}

async fn draw(hub: &Hub, names: &mut Names, row: JobRow) -> Result<Job, Problem> {
    let text = |at: Option<Instant>| at.map(Instant::to_rfc3339);
    Ok(Job {
        profile_id: names.profile_id(hub, row.profile).await?,
        connector_id: names.connector_id(row.connector),
        mode: row.payload["mode"].as_str().map(str::to_owned),
        release: row.payload["release"].as_bool(),
        id: row.uuid,
        kind: row.kind,
        state: row.state,
        requested_by: row.requested_by,
        created_at: row.created_at.to_rfc3339(),
        started_at: text(row.started_at),
        ended_at: text(row.ended_at),
        attempt: row.attempt,
        cancel_requested: row.cancelled,
        result: row.result,
        message: row.message,
        run_id: row.run,
    })
}

/// The connector and the profile that a list is narrowed down to.
pub(super) async fn about(
    hub: &Hub,
    tenant: i64,
    (connector, profile): (Option<String>, Option<String>),
) -> Result<(Option<i64>, Option<i64>), Problem> {
    let connector = match connector {
        Some(id) => Some(connectors::find(hub, tenant, &id).await?.id),
        None => None,
    };
    let profile = match profile {
        Some(id) => Some(profiles::find(hub, tenant, &id).await?.id),
        None => None,
    };
    Ok((connector, profile))
}

/// Answers with a job that was asked for.
pub(super) async fn answer(hub: &Hub, (status, job): (StatusCode, JobRow)) -> Result<Response, Problem> {
    Ok((status, Json(show(hub, job).await?)).into_response())
}

/// Adds a job: 202 with it, or 200 with the open one that stands for it.
pub(crate) async fn enqueue(
    (hub, who): (&Hub, &Principal),
    job: &NewJob<'_>,
    audit: &AuditLine,
) -> Result<(StatusCode, JobRow), Problem> {
    Ok(match hub.store.enqueue(job, Some(audit)).await? {
        Enqueued::Added(_) => (StatusCode::ACCEPTED, find(hub, who.tenant, job.uuid).await?),
        Enqueued::Open(open) => (StatusCode::OK, *open),
    })
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
struct Filter {
    /// Only those of a connector.
    connector: Option<String>,
    /// Only those of a profile.
    profile: Option<String>,
}

/// The jobs of the tenant, newest first.
#[utoipa::path(
    get, path = "/api/v1/jobs", tag = "jobs", operation_id = "listJobs", params(PageParameters, Filter),
    responses((status = 200, description = "A page of them.", body = Paged<Job>))
)]
async fn list(
    State(hub): State<Arc<Hub>>,
    Viewer(who): Viewer,
    paging: Paging,
    Query(given): Query<Filter>,
) -> Result<Json<Paged<Job>>, Problem> {
    let page = paging.backwards("jobs")?;
    let (connector, profile) = about(&hub, who.tenant, (given.connector, given.profile)).await?;
    let filter = JobFilter { before: Some(page.after), connector, profile };
    let rows = hub.store.jobs(who.tenant, filter, page.limit).await?;
    let page = paging.answer("jobs", rows, |row| row.id, |row| row);
    let mut names = Names::of(&hub, who.tenant).await?;
    let mut items = Vec::with_capacity(page.items.len());
    for row in page.items {
        items.push(draw(&hub, &mut names, row).await?);
    }
    Ok(Json(Paged { items, next_cursor: page.next_cursor }))
}

/// A job.
#[utoipa::path(
    get, path = "/api/v1/jobs/{id}", tag = "jobs", operation_id = "getJob",
    params(("id" = String, Path, description = "Its id.")), responses((status = 200, description = "It.", body = Job))
)]
async fn get(State(hub): State<Arc<Hub>>, Viewer(who): Viewer, Path(id): Path<String>) -> Result<Json<Job>, Problem> {
    let row = find(&hub, who.tenant, &id).await?;
    Ok(Json(show(&hub, row).await?))
}

/// Asks a job to end. One that nobody has begun ends at once, another soon; one that had ended stays as it is.
#[utoipa::path(
    post, path = "/api/v1/jobs/{id}/cancel", tag = "jobs", operation_id = "cancelJob",
    params(("id" = String, Path, description = "Its id.")), responses((status = 200, description = "It.", body = Job))
)]
async fn cancel(
    State(hub): State<Arc<Hub>>,
    Manager(who): Manager,
    Path(id): Path<String>,
) -> Result<Json<Job>, Problem> {
    let row = end((&hub, &who), &id).await?;
    Ok(Json(show(&hub, row).await?))
}

/// Asks a job to end, whoever asks: REST or console.
pub(crate) async fn end((hub, who): (&Hub, &Principal), id: &str) -> Result<JobRow, Problem> {
    let row = find(hub, who.tenant, id).await?;
    let audit = who.audit(hub, "job.cancel", ("job", &row.uuid), json!({ "kind": row.kind }));
    hub.store.cancel_job(&row, hub.now(), Some(&audit)).await?;
    find(hub, who.tenant, id).await
}

/// A page of what a job told, oldest first.
pub(super) async fn told(hub: &Hub, job: &JobRow, paging: &Paging) -> Result<Paged<Event>, Problem> {
    let list = format!("events {}", job.uuid);
    let page = paging.forwards(&list)?;
    let rows = hub.store.events(job.tenant, job.id, page.after, page.limit).await?;
    Ok(paging.answer(&list, rows, |row| row.id, Event::from))
}
