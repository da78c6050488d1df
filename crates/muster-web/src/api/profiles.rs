//! Profiles: how a connector runs, and when.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use muster_core::clock::Instant;
use muster_core::schedule::Schedule;
use muster_store::hub::{ConnectionRow, ProfileChange, ProfileRow, Subject};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::page::{IfMatch, Paged, etag};
use super::state::{self, State as RunState};
use super::{connectors, plan, text};
use crate::auth::{Manager, Principal, Viewer};
use crate::error::{Code, Problem};
use crate::extract::{Body, Path};
use crate::hub::Hub;

pub(super) fn router() -> OpenApiRouter<Arc<Hub>> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(preview_schedule))
        .routes(routes!(get, update, delete))
}

/// How a connector runs.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Profile {
    id: String,
    connector_id: String,
    name: String,
    /// Whether it runs.
    active: bool,
    /// Stream → `default` or the id of a map.
    transform_maps: Value,
    /// The fields of section `profile` of the connector's type.
    parameters: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_run_at: Option<String>,
    #[serde(flatten)]
    state: RunState,
    version: i64,
    created_at: String,
    updated_at: String,
}

/// What a profile is made of, or changed to.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ProfileBody {
    pub(crate) name: String,
    /// `true`, where absent.
    pub(crate) active: Option<bool>,
    /// Stream → `default` or the id of a map; streams that are absent use their default.
    #[schema(value_type = Option<Object>)]
    pub(crate) transform_maps: Option<Map<String, Value>>,
    /// The fields of section `profile` of the connector's type.
    #[schema(value_type = Option<Object>)]
    pub(crate) parameters: Option<Map<String, Value>>,
    /// When it runs; without one, when asked.
    #[schema(value_type = Option<Object>)]
    pub(crate) schedule: Option<Value>,
    /// The version that the change was made from; `If-Match` says the same.
    pub(crate) version: Option<i64>,
}

/// The profile of that public id.
pub(crate) async fn find(hub: &Hub, tenant: i64, id: &str) -> Result<ProfileRow, Problem> {
    hub.store.profile(tenant, id).await?.ok_or_else(|| Problem::new(Code::NotFound))
}

/// The connector of a profile.
pub(crate) async fn connector_of(hub: &Hub, profile: &ProfileRow) -> Result<ConnectionRow, Problem> {
    let found = hub.store.connection_of(profile.tenant, profile.connector).await?;
    found.ok_or_else(|| Problem::new(Code::NotFound))
}

/// Profiles of a connector as answers show them.
async fn show_all(hub: &Hub, connector: &ConnectionRow, rows: Vec<ProfileRow>) -> Result<Vec<Profile>, Problem> {
    let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
    let states = state::all(hub, connector.tenant, (Subject::Profile, &ids)).await?;
    Ok(rows.into_iter().map(|row| view(connector, states.of(row.id), row)).collect())
}

async fn show(hub: &Hub, connector: &ConnectionRow, row: ProfileRow) -> Result<Profile, Problem> {
    let shown = show_all(hub, connector, vec![row]).await?.pop();
    shown.ok_or_else(|| Problem::new(Code::NotFound))
}

fn view(connector: &ConnectionRow, state: RunState, row: ProfileRow) -> Profile {
    Profile {
        state,
        id: row.uuid,
        connector_id: connector.uuid.clone(),
        name: row.name,
        active: row.active,
        transform_maps: row.maps,
        parameters: row.parameters,
        schedule: row.schedule,
        next_run_at: row.next_at.map(Instant::to_rfc3339),
        version: row.version,
        created_at: row.created_at.to_rfc3339(),
        updated_at: row.updated_at.to_rfc3339(),
    }
}

fn told(change: &ProfileChange<'_>) -> Value {
    json!({
        "name": change.name, "active": change.active, "transformMaps": change.maps,
        "parameters": change.parameters, "schedule": change.schedule,
    })
}

/// The profiles of a connector.
#[utoipa::path(
    get, path = "/api/v1/connectors/{id}/profiles", tag = "profiles", operation_id = "listProfiles",
    params(("id" = String, Path, description = "The connector's id.")),
    responses((status = 200, description = "All of them.", body = Paged<Profile>))
)]
async fn list(
    State(hub): State<Arc<Hub>>,
    Viewer(who): Viewer,
    Path(id): Path<String>,
) -> Result<Json<Paged<Profile>>, Problem> {
    let connector = connectors::find(&hub, who.tenant, &id).await?;
    let rows = hub.store.profiles(who.tenant, connector.id).await?;
    let items = show_all(&hub, &connector, rows).await?;
    Ok(Json(Paged { items, next_cursor: None }))
}

/// Adds a profile to a connector. What it would read may not overlap what another active one reads.
#[utoipa::path(
    post, path = "/api/v1/connectors/{id}/profiles", tag = "profiles", operation_id = "createProfile",
    params(("id" = String, Path, description = "The connector's id.")), request_body = ProfileBody,
    responses((status = 201, description = "It.", body = Profile))
)]
async fn create(
    State(hub): State<Arc<Hub>>,
    (Manager(who), Path(id)): (Manager, Path<String>),
    Body(given): Body<ProfileBody>,
) -> Result<Response, Problem> {
    let connector = connectors::find(&hub, who.tenant, &id).await?;
    let row = add((&hub, &who), &connector, &given).await?;
    let version = row.version;
    Ok((StatusCode::CREATED, etag(version), Json(show(&hub, &connector, row).await?)).into_response())
}

/// Adds a profile, whoever asks: REST or console.
pub(crate) async fn add(
    (hub, who): (&Hub, &Principal),
    connector: &ConnectionRow,
    given: &ProfileBody,
) -> Result<ProfileRow, Problem> {
    let name = text::name("name", &given.name)?;
    let _alone = hub.profiles.lock().await;
    let uuid = hub.random.uuid();
    let plan = plan::of(hub, connector, (&uuid, None), given).await?;
    let change = plan.change(&name, hub.now());
    let audit = who.audit(hub, "profile.create", ("profile", &uuid), told(&change));
    Ok(hub.store.add_profile((who.tenant, connector.id), &uuid, &change, &audit).await??)
}

/// A profile.
#[utoipa::path(
    get, path = "/api/v1/profiles/{id}", tag = "profiles", operation_id = "getProfile",
    params(("id" = String, Path, description = "Its id.")), responses((status = 200, description = "It.", body = Profile))
)]
async fn get(State(hub): State<Arc<Hub>>, Viewer(who): Viewer, Path(id): Path<String>) -> Result<Response, Problem> {
    let row = find(&hub, who.tenant, &id).await?;
    let (version, connector) = (row.version, connector_of(&hub, &row).await?);
    Ok((etag(version), Json(show(&hub, &connector, row).await?)).into_response())
}

/// Changes a profile: what is absent is as if it were new.
#[utoipa::path(
    put, path = "/api/v1/profiles/{id}", tag = "profiles", operation_id = "updateProfile", request_body = ProfileBody,
    params(("id" = String, Path, description = "Its id.")),
    responses((status = 200, description = "It, as it is now.", body = Profile))
)]
async fn update(
    State(hub): State<Arc<Hub>>,
    (Manager(who), Path(id), matching): (Manager, Path<String>, IfMatch),
    Body(given): Body<ProfileBody>,
) -> Result<Response, Problem> {
    let before = find(&hub, who.tenant, &id).await?;
    matching.check(given.version, before.version)?;
    let connector = connector_of(&hub, &before).await?;
    let row = change((&hub, &who), (&connector, &before), &given).await?;
    let version = row.version;
    Ok((etag(version), Json(show(&hub, &connector, row).await?)).into_response())
}

/// Changes a profile of a connector, whoever asks: REST or console.
pub(crate) async fn change(
    (hub, who): (&Hub, &Principal),
    (connector, before): (&ConnectionRow, &ProfileRow),
    given: &ProfileBody,
) -> Result<ProfileRow, Problem> {
    let name = text::name("name", &given.name)?;
    let _alone = hub.profiles.lock().await;
    let plan = plan::of(hub, connector, (&before.uuid, Some(before)), given).await?;
    let change = plan.change(&name, hub.now());
    let detail = json!({ "before": { "name": before.name, "active": before.active, "parameters": before.parameters }, "after": told(&change) });
    let audit = who.audit(hub, "profile.update", ("profile", &before.uuid), detail);
    Ok(hub.store.change_profile(before, &change, &audit).await??)
}

/// Removes a profile. What it brought stays until another full reading retires it.
#[utoipa::path(
    delete, path = "/api/v1/profiles/{id}", tag = "profiles", operation_id = "deleteProfile",
    params(("id" = String, Path, description = "Its id.")), responses((status = 204, description = "It is gone."))
)]
async fn delete(
    State(hub): State<Arc<Hub>>,
    Manager(who): Manager,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let row = find(&hub, who.tenant, &id).await?;
    remove((&hub, &who), &row).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Removes a profile, whoever asks: REST or console.
pub(crate) async fn remove((hub, who): (&Hub, &Principal), row: &ProfileRow) -> Result<(), Problem> {
    let audit = who.audit(hub, "profile.delete", ("profile", &row.uuid), json!({ "name": row.name }));
    Ok(hub.store.remove_profile(row, &audit).await??)
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ScheduleBody {
    #[schema(value_type = Object)]
    schedule: Value,
}

/// The next times of a schedule.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Upcoming {
    /// The next five, in UTC; none for a schedule that never runs again.
    upcoming: Vec<String>,
    zone: String,
}

/// Shows when a schedule would run, before it is saved.
#[utoipa::path(
    post, path = "/api/v1/profiles/preview-schedule", tag = "profiles", operation_id = "previewSchedule",
    request_body = ScheduleBody, responses((status = 200, description = "Its next times.", body = Upcoming))
)]
async fn preview_schedule(
    State(hub): State<Arc<Hub>>,
    _: Viewer,
    Body(given): Body<ScheduleBody>,
) -> Result<Json<Upcoming>, Problem> {
    let schedule = plan::schedule(&given.schedule)?;
    let upcoming = schedule.upcoming(hub.now(), 5).into_iter().map(Instant::to_rfc3339).collect();
    Ok(Json(Upcoming { upcoming, zone: zone(&schedule) }))
}

fn zone(schedule: &Schedule) -> String {
    schedule.to_json()["zone"].as_str().unwrap_or("UTC").to_owned()
}
