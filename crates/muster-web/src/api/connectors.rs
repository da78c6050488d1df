//! Connectors.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use muster_core::connector::{Offer, Sections};
use muster_core::secret::Secret;
use muster_store::hub::{ConnectionChange, ConnectionRow, JobRow, NewJob, SealedSecret, Subject};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::jobs::{self, Job};
use super::page::{IfMatch, PageParameters, Paged, Paging, etag};
use super::state::{self, State as RunState};
use super::text;
use crate::auth::{Manager, Principal, Viewer};
use crate::error::{Code, Problem};
use crate::extract::{Body, Path};
use crate::hub::Hub;
use crate::settings;

pub(super) fn router() -> OpenApiRouter<Arc<Hub>> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(get, update, delete)).routes(routes!(test))
}

/// A configured connector.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Connector {
    id: String,
    name: String,
    description: String,
    r#type: String,
    source_name: String,
    data_model: Option<String>,
    /// `hub`, or `agent`: then an agent near the source reads, by its own schedule.
    execution: String,
    /// Section → key → value; a secret is `{"set": true}` or `{"set": false}`.
    settings: Value,
    #[serde(flatten)]
    state: RunState,
    version: i64,
    created_at: String,
    updated_at: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewConnector {
    pub(crate) name: String,
    pub(crate) r#type: String,
    pub(crate) description: Option<String>,
    /// `hub` (where absent) or `agent`.
    pub(crate) execution: Option<String>,
    /// `authentication` and `endpoints`, by the type's fields, secrets as text.
    #[schema(value_type = Object)]
    pub(crate) settings: Sections,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ConnectorUpdate {
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    /// Kept where absent.
    pub(crate) execution: Option<String>,
    /// Replaces what there is, but for secrets: those that are absent, or stand there as answers show them, stay.
    #[schema(value_type = Object)]
    pub(crate) settings: Sections,
    /// The version that the change was made from; `If-Match` says the same.
    pub(crate) version: Option<i64>,
}

/// The connector of that public id.
pub(crate) async fn find(hub: &Hub, tenant: i64, id: &str) -> Result<ConnectionRow, Problem> {
    hub.store.connection(tenant, id).await?.ok_or_else(|| Problem::new(Code::NotFound))
}

/// Connectors of a tenant as answers show them.
async fn show_all(hub: &Hub, tenant: i64, rows: Vec<ConnectionRow>) -> Result<Vec<Connector>, Problem> {
    let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
    let states = state::all(hub, tenant, (Subject::Connector, &ids)).await?;
    let mut set = hub.store.secrets_of(tenant, &ids).await?;
    let shown = rows.into_iter().map(|row| {
        let set = set.remove(&row.id).unwrap_or_default();
        let state = states.of(row.id);
        view(hub, row, (state, &set))
    });
    Ok(shown.collect())
}

async fn show(hub: &Hub, row: ConnectionRow) -> Result<Connector, Problem> {
    let shown = show_all(hub, row.tenant, vec![row]).await?.pop();
    shown.ok_or_else(|| Problem::new(Code::NotFound))
}

fn view(hub: &Hub, row: ConnectionRow, (state, set): (RunState, &[SealedSecret])) -> Connector {
    let offer = hub.offer(&row.type_name);
    Connector {
        state,
        settings: settings::shown(offer, &row.settings, set),
        data_model: offer.map(|offer| offer.model.name.clone()),
        id: row.uuid,
        name: row.name,
        description: row.description,
        r#type: row.type_name,
        source_name: row.source_name,
        execution: row.execution,
        version: row.version,
        created_at: row.created_at.to_rfc3339(),
        updated_at: row.updated_at.to_rfc3339(),
    }
}

/// Checks the connector's own sections. What a profile would say of `profile` is a profile's matter.
fn check((offer, execution): (&Offer, &str), open: &Sections, secrets: &[(String, Secret)]) -> Result<(), Problem> {
    match settings::check((offer, execution), settings::join(open, secrets, None)) {
        Err(error) if !error.field.starts_with("profile") => Err(settings::refused(error, "settings.")),
        _ => Ok(()),
    }
}

/// The connectors of the tenant.
#[utoipa::path(
    get, path = "/api/v1/connectors", tag = "connectors", operation_id = "listConnectors", params(PageParameters),
    responses((status = 200, description = "A page of them.", body = Paged<Connector>))
)]
async fn list(
    State(hub): State<Arc<Hub>>,
    Viewer(who): Viewer,
    paging: Paging,
) -> Result<Json<Paged<Connector>>, Problem> {
    let rows = hub.store.connections(who.tenant, paging.forwards("connectors")?).await?;
    let page = paging.answer("connectors", rows, |row| row.id, |row| row);
    let items = show_all(&hub, who.tenant, page.items).await?;
    Ok(Json(Paged { items, next_cursor: page.next_cursor }))
}

/// Adds a connector. Its settings are checked, nothing is sent.
#[utoipa::path(
    post, path = "/api/v1/connectors", tag = "connectors", operation_id = "createConnector", request_body = NewConnector,
    responses((status = 201, description = "It.", body = Connector))
)]
async fn create(
    State(hub): State<Arc<Hub>>,
    Manager(who): Manager,
    Body(given): Body<NewConnector>,
) -> Result<Response, Problem> {
    let row = add((&hub, &who), &given).await?;
    let version = row.version;
    Ok((StatusCode::CREATED, etag(version), Json(show(&hub, row).await?)).into_response())
}

/// Adds a connector, whoever asks: REST or console.
pub(crate) async fn add((hub, who): (&Hub, &Principal), given: &NewConnector) -> Result<ConnectionRow, Problem> {
    let offer = hub.offer(&given.r#type).ok_or_else(|| Problem::value("type", "there is no such connector type"))?;
    let name = text::name("name", &given.name)?;
    let description = text::description("description", given.description.as_deref())?;
    let execution = text::one_of("execution", given.execution.as_deref().unwrap_or("hub"), &["hub", "agent"])?;
    let split = settings::split(offer, &given.settings)?;
    check((offer, &execution), &split.open, &split.secrets)?;
    let uuid = hub.random.uuid();
    let secrets = settings::seal(hub, (who.tenant, &uuid), &split.secrets)?;
    let kept = Value::Object(split.open);
    let change = ConnectionChange {
        name: &name,
        description: &description,
        settings: &kept,
        execution: &execution,
        secrets: &secrets,
        now: hub.now(),
    };
    let audit = who.audit(hub, "connector.create", ("connector", &uuid), told(&change));
    let kind = (offer.spec.type_name, offer.spec.source_name);
    Ok(hub.store.add_connection(kind, (who.tenant, &uuid), &change, &audit).await??)
}

/// What the audit says of a connector: of secrets only which were given.
fn told(change: &ConnectionChange<'_>) -> Value {
    let given: Vec<&str> = change.secrets.iter().map(|secret: &SealedSecret| secret.field.as_str()).collect();
    json!({ "name": change.name, "settings": change.settings, "execution": change.execution, "secretsGiven": given })
}

/// A connector.
#[utoipa::path(
    get, path = "/api/v1/connectors/{id}", tag = "connectors", operation_id = "getConnector",
    params(("id" = String, Path, description = "Its id.")),
    responses((status = 200, description = "It.", body = Connector))
)]
async fn get(State(hub): State<Arc<Hub>>, Viewer(who): Viewer, Path(id): Path<String>) -> Result<Response, Problem> {
    let row = find(&hub, who.tenant, &id).await?;
    let version = row.version;
    Ok((etag(version), Json(show(&hub, row).await?)).into_response())
}

/// Changes a connector.
#[utoipa::path(
    put, path = "/api/v1/connectors/{id}", tag = "connectors", operation_id = "updateConnector", request_body = ConnectorUpdate,
    params(("id" = String, Path, description = "Its id.")),
    responses((status = 200, description = "It, as it is now.", body = Connector))
)]
async fn update(
    State(hub): State<Arc<Hub>>,
    (Manager(who), Path(id), matching): (Manager, Path<String>, IfMatch),
    Body(given): Body<ConnectorUpdate>,
) -> Result<Response, Problem> {
    let before = find(&hub, who.tenant, &id).await?;
    matching.check(given.version, before.version)?;
    let row = change((&hub, &who), &before, &given).await?;
    let version = row.version;
    Ok((etag(version), Json(show(&hub, row).await?)).into_response())
}

/// Changes a connector, whoever asks: REST or console.
pub(crate) async fn change(
    (hub, who): (&Hub, &Principal),
    before: &ConnectionRow,
    given: &ConnectorUpdate,
) -> Result<ConnectionRow, Problem> {
    let offer = hub.offer(&before.type_name).ok_or_else(|| Problem::new(Code::NotFound))?;
    let name = text::name("name", &given.name)?;
    let description = text::description("description", given.description.as_deref())?;
    let execution = given.execution.as_deref().unwrap_or(&before.execution);
    let execution = text::one_of("execution", execution, &["hub", "agent"])?;
    if execution == "agent" && before.execution != "agent" {
        without_schedules(hub, before).await?;
    }
    let split = settings::split(offer, &given.settings)?;
    let mut secrets = settings::open(hub, before).await?;
    stays(&before.settings, &split.open, (&secrets, &split.secrets))?;
    secrets.retain(|(field, _)| split.secrets.iter().all(|(new, _)| new != field));
    secrets.extend(split.secrets.iter().cloned());
    check((offer, &execution), &split.open, &secrets)?;
    let sealed = settings::seal(hub, (who.tenant, &before.uuid), &split.secrets)?;
    let kept = Value::Object(split.open);
    let change = ConnectionChange {
        name: &name,
        description: &description,
        settings: &kept,
        execution: &execution,
        secrets: &sealed,
        now: hub.now(),
    };
    let detail = json!({ "before": { "name": before.name, "settings": before.settings }, "after": told(&change) });
    let audit = who.audit(hub, "connector.update", ("connector", &before.uuid), detail);
    Ok(hub.store.change_connection(before, &change, &audit).await??)
}

/// An agent runs by the cron expression of its own settings (C39): a connector with schedules is not handed to one.
async fn without_schedules(hub: &Hub, connector: &ConnectionRow) -> Result<(), Problem> {
    let profiles = hub.store.profiles(connector.tenant, connector.id).await?;
    match profiles.into_iter().find(|profile| profile.schedule.is_some()) {
        None => Ok(()),
        Some(profile) => Err(Problem::value("execution", format!("the profile `{}` has a schedule", profile.name))
            .remedy("take the schedule away first: an agent runs by the cron expression of its own settings")),
    }
}

/// Secrets by their fields.
type Fields = [(String, Secret)];

/// A secret that is kept stays with the place it was given for: one who changes where or how it is sent gives it again.
fn stays(
    before: &Value,
    after: &serde_json::Map<String, Value>,
    (kept, given): (&Fields, &Fields),
) -> Result<(), Problem> {
    let moved = settings::SECTIONS.iter().any(|section| {
        let (before, after) = (before.get(section), after.get(*section));
        before.and_then(Value::as_object).filter(|keys| !keys.is_empty())
            != after.and_then(Value::as_object).filter(|keys| !keys.is_empty())
    });
    let missing = kept.iter().find(|(field, _)| given.iter().all(|(new, _)| new != field));
    match missing.filter(|_| moved) {
        None => Ok(()),
        Some((field, _)) => Err(Problem::value(&format!("settings.{field}"), "the connection is another one now")
            .remedy("give this secret again: a stored one is never sent to another place than it was given for")),
    }
}

/// Removes a connector: its secrets and profiles go at once; what it brought is retired by the job that is answered.
#[utoipa::path(
    delete, path = "/api/v1/connectors/{id}", tag = "connectors", operation_id = "deleteConnector",
    params(("id" = String, Path, description = "Its id.")),
    responses((status = 202, description = "The job that retires what it brought.", body = Job))
)]
async fn delete(
    State(hub): State<Arc<Hub>>,
    Manager(who): Manager,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let row = find(&hub, who.tenant, &id).await?;
    let job = remove((&hub, &who), &row).await?;
    jobs::answer(&hub, (StatusCode::ACCEPTED, job)).await
}

/// Removes a connector, whoever asks: REST or console. Gives the job that retires what it brought.
pub(crate) async fn remove((hub, who): (&Hub, &Principal), row: &ConnectionRow) -> Result<JobRow, Problem> {
    let (uuid, payload) = (hub.random.uuid(), json!({}));
    let job = new_job((hub, who), (&uuid, "remove"), row.id, &payload);
    let audit = who.audit(hub, "connector.delete", ("connector", &row.uuid), json!({ "name": row.name }));
    hub.store.remove_connection(row, &job, &audit).await??;
    jobs::find(hub, who.tenant, &uuid).await
}

/// Tests the connection: a job whose events are its steps. One that is open already stands for it.
#[utoipa::path(
    post, path = "/api/v1/connectors/{id}/test", tag = "connectors", operation_id = "testConnector",
    params(("id" = String, Path, description = "Its id.")),
    responses(
        (status = 202, description = "The job.", body = Job),
        (status = 200, description = "The job that is open already.", body = Job)
    )
)]
async fn test(State(hub): State<Arc<Hub>>, Manager(who): Manager, Path(id): Path<String>) -> Result<Response, Problem> {
    let row = find(&hub, who.tenant, &id).await?;
    let asked = ask_check((&hub, &who), &row).await?;
    jobs::answer(&hub, asked).await
}

/// Asks for a test of the connection, whoever asks: REST or console.
pub(crate) async fn ask_check(
    (hub, who): (&Hub, &Principal),
    row: &ConnectionRow,
) -> Result<(StatusCode, JobRow), Problem> {
    let (uuid, payload) = (hub.random.uuid(), json!({}));
    let job = new_job((hub, who), (&uuid, "check"), row.id, &payload);
    let audit = who.audit(hub, "connector.test", ("connector", &row.uuid), json!({}));
    jobs::enqueue((hub, who), &job, &audit).await
}

/// Work about a connector: (public id, kind), what it needs to know. One of a kind is open at a time.
fn new_job<'a>(
    (hub, who): (&Hub, &'a Principal),
    (uuid, kind): (&'a str, &'a str),
    connector: i64,
    payload: &'a Value,
) -> NewJob<'a> {
    NewJob {
        tenant: who.tenant,
        uuid,
        kind,
        connector,
        profile: None,
        payload,
        exclusive: Some(format!("{kind}:{connector}")),
        requested_by: &who.name,
        now: hub.now(),
    }
}
