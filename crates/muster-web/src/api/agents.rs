//! Agents, as people see them; who may be one, and what one is configured with (docs/adr/0013).

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use muster_core::agent::{Report, SILENCE, Spooled};
use muster_core::clock::Instant;
use muster_store::hub::{AgentStanding, AgentSubject, BindingRow, ConnectionRow, Enrolment, Page, ProfileRow};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::page::{PageParameters, Paged, Paging};
use super::{connectors, env_file, profiles};
use crate::agent::enrolment_hash;
use crate::auth::{Manager, Principal, Viewer};
use crate::error::{Code, Problem};
use crate::extract::{Body, Path};
use crate::hub::Hub;

/// How long an enrolment token may be used.
const ENROLMENT_SECONDS: i64 = 24 * 60 * 60;

pub(super) fn router() -> OpenApiRouter<Arc<Hub>> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(get, delete))
        .routes(routes!(bindings, bind))
        .routes(routes!(unbind))
        .routes(routes!(enrol))
        .routes(routes!(env))
}

/// The process that last began a session as a profile's agent.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Agent {
    /// Its profile's id: a profile has one agent.
    pub(crate) id: String,
    pub(crate) connector_id: String,
    pub(crate) host: String,
    pub(crate) version: String,
    /// When it runs by itself; none where it runs once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cron: Option<String>,
    pub(crate) time_zone: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_run: Option<String>,
    /// Whose credentials it has: `user`, `client` or `agent`.
    pub(crate) subject_kind: String,
    pub(crate) subject_name: String,
    pub(crate) began_at: String,
    /// When it last called.
    pub(crate) seen_at: String,
    /// `connected`, `silent` (for two minutes or longer), `revoked` or `unbound`.
    pub(crate) state: &'static str,
    /// What waits on its disk: parcels and bytes, and how many were quarantined or dropped.
    #[schema(value_type = Object)]
    pub(crate) spool: Spooled,
    /// The last lines of its log, oldest first.
    pub(crate) lines: Vec<Value>,
}

/// Somebody who may be a connector's agent.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Binding {
    pub(crate) id: String,
    /// `user`, `client`, or `agent` for one that was enrolled.
    pub(crate) kind: String,
    pub(crate) subject_id: String,
    pub(crate) name: String,
    pub(crate) created_at: String,
    /// When that was taken back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) revoked_at: Option<String>,
}

impl From<BindingRow> for Binding {
    fn from(row: BindingRow) -> Self {
        Self {
            id: row.uuid,
            kind: row.subject_kind,
            subject_id: row.subject,
            name: row.subject_name,
            created_at: row.created_at.to_rfc3339(),
            revoked_at: row.revoked_at.map(Instant::to_rfc3339),
        }
    }
}

/// Who is to be bound: a user or a client.
#[derive(Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct BindingBody {
    /// A user's id.
    pub(crate) user_id: Option<String>,
    /// A client's id.
    pub(crate) client: Option<String>,
}

/// A token that makes one agent a credential of its own. Shown this once.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EnrolmentToken {
    pub(crate) token: String,
    pub(crate) expires_at: String,
}

/// What an agent is configured with.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AgentEnv {
    /// The file's name.
    pub(crate) file: String,
    /// Its text: only what stands in `<…>` is to be filled in.
    pub(crate) text: String,
    /// The command that starts the agent's container.
    pub(crate) docker_run: String,
}

impl Agent {
    /// An agent as answers show it.
    pub(crate) fn of(standing: AgentStanding, now: Instant) -> Self {
        let AgentStanding { agent: row, profile, connector, binding } = standing;
        let state = match binding {
            None => "unbound",
            Some((_, Some(_))) => "revoked",
            Some(_) if now.0 - row.seen_at.0 > SILENCE => "silent",
            Some(_) => "connected",
        };
        let report: Report = serde_json::from_value(row.report).unwrap_or_default();
        Self {
            id: profile.0,
            connector_id: connector.0,
            host: row.host,
            version: row.version,
            cron: row.cron,
            time_zone: row.time_zone,
            next_run: report.next_run,
            subject_kind: row.subject_kind,
            subject_name: row.subject_name,
            began_at: row.began_at.to_rfc3339(),
            seen_at: row.seen_at.to_rfc3339(),
            state,
            spool: report.spool,
            lines: row.lines,
        }
    }
}

/// The agent of a profile, where one has called.
pub(crate) async fn agent_of(hub: &Hub, profile: &ProfileRow) -> Result<Option<AgentStanding>, Problem> {
    let one = Page { after: 0, limit: 1 };
    Ok(hub.store.agents(profile.tenant, Some(profile.id), one).await?.pop())
}

async fn find(hub: &Hub, tenant: i64, id: &str) -> Result<AgentStanding, Problem> {
    let profile = profiles::find(hub, tenant, id).await?;
    agent_of(hub, &profile).await?.ok_or_else(|| Problem::new(Code::NotFound))
}

/// The agents of the tenant: of each profile the newest.
#[utoipa::path(
    get, path = "/api/v1/agents", tag = "agents", operation_id = "listAgents", params(PageParameters),
    responses((status = 200, description = "A page of them.", body = Paged<Agent>))
)]
async fn list(State(hub): State<Arc<Hub>>, Viewer(who): Viewer, paging: Paging) -> Result<Json<Paged<Agent>>, Problem> {
    let rows = hub.store.agents(who.tenant, None, paging.forwards("agents")?).await?;
    let now = hub.now();
    Ok(Json(paging.answer("agents", rows, |row| row.agent.profile, |row| Agent::of(row, now))))
}

/// The agent of a profile.
#[utoipa::path(
    get, path = "/api/v1/agents/{id}", tag = "agents", operation_id = "getAgent",
    params(("id" = String, Path, description = "Its profile's id.")), responses((status = 200, description = "It.", body = Agent))
)]
async fn get(State(hub): State<Arc<Hub>>, Viewer(who): Viewer, Path(id): Path<String>) -> Result<Json<Agent>, Problem> {
    Ok(Json(Agent::of(find(&hub, who.tenant, &id).await?, hub.now())))
}

/// Revokes an agent: whoever it signs in as may not read the connector any more, from the next request on. It stays in
/// the list.
#[utoipa::path(
    delete, path = "/api/v1/agents/{id}", tag = "agents", operation_id = "revokeAgent",
    params(("id" = String, Path, description = "Its profile's id.")), responses((status = 204, description = "It is revoked."))
)]
async fn delete(
    State(hub): State<Arc<Hub>>,
    Manager(who): Manager,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    revoke((&hub, &who), &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Revokes the agent of a profile, whoever asks: REST or console.
pub(crate) async fn revoke((hub, who): (&Hub, &Principal), id: &str) -> Result<(), Problem> {
    match find(hub, who.tenant, id).await?.binding {
        Some((binding, _)) => unbind_from((hub, who), &binding).await,
        None => Ok(()),
    }
}

/// Who may be a connector's agent, and who might once.
#[utoipa::path(
    get, path = "/api/v1/connectors/{id}/agent-bindings", tag = "agents", operation_id = "listAgentBindings",
    params(("id" = String, Path, description = "The connector's id.")),
    responses((status = 200, description = "All of them.", body = Paged<Binding>))
)]
async fn bindings(
    State(hub): State<Arc<Hub>>,
    Viewer(who): Viewer,
    Path(id): Path<String>,
) -> Result<Json<Paged<Binding>>, Problem> {
    let connector = connectors::find(&hub, who.tenant, &id).await?;
    let rows = hub.store.bindings(who.tenant, connector.id).await?;
    Ok(Json(Paged { items: rows.into_iter().map(Binding::from).collect(), next_cursor: None }))
}

/// Binds a user or a client to a connector: whoever signs in as that may be its agent, and gets its secrets, sealed.
#[utoipa::path(
    post, path = "/api/v1/connectors/{id}/agent-bindings", tag = "agents", operation_id = "bindAgent", request_body = BindingBody,
    params(("id" = String, Path, description = "The connector's id.")),
    responses((status = 201, description = "The binding.", body = Binding))
)]
async fn bind(
    State(hub): State<Arc<Hub>>,
    (Manager(who), Path(id)): (Manager, Path<String>),
    Body(given): Body<BindingBody>,
) -> Result<Response, Problem> {
    let connector = connectors::find(&hub, who.tenant, &id).await?;
    let bound = bind_to((&hub, &who), &connector, given).await?;
    Ok((StatusCode::CREATED, Json(Binding::from(bound))).into_response())
}

/// Binds somebody to a connector, whoever asks: REST or console.
pub(crate) async fn bind_to(
    (hub, who): (&Hub, &Principal),
    connector: &ConnectionRow,
    given: BindingBody,
) -> Result<BindingRow, Problem> {
    let (kind, id, name) = match (given.user_id, given.client) {
        (Some(id), None) => {
            let user = hub.store.account(who.tenant, &id).await?.filter(|user| user.active);
            let user = user.ok_or_else(|| Problem::value("userId", "there is no such active user"))?;
            ("user", id, user.username)
        }
        (None, Some(id)) => {
            let client = hub.store.client(who.tenant, &id).await?.filter(|client| client.active);
            let client = client.ok_or_else(|| Problem::value("client", "there is no such active client"))?;
            let kind = if client.level == "agent" { "agent" } else { "client" };
            (kind, id, client.name)
        }
        (Some(_), Some(_)) => return Err(Problem::value("client", "give either `userId` or `client`")),
        (None, None) => return Err(Problem::value("userId", "give either `userId` or `client`")),
    };
    let uuid = hub.random.uuid();
    let audit = who.audit(hub, "agent.bind", ("connector", &connector.uuid), json!({ "kind": kind, "name": name }));
    let subject = AgentSubject { kind, id: &id, name: &name };
    Ok(hub.store.bind_agent((who.tenant, connector.id), (&uuid, subject), &audit).await?)
}

/// Takes a binding back, with effect from the agent's next request on. It stays in the list.
#[utoipa::path(
    delete, path = "/api/v1/agent-bindings/{id}", tag = "agents", operation_id = "unbindAgent",
    params(("id" = String, Path, description = "Its id.")), responses((status = 204, description = "It is taken back."))
)]
async fn unbind(
    State(hub): State<Arc<Hub>>,
    Manager(who): Manager,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    unbind_from((&hub, &who), &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes a binding back, whoever asks: REST or console.
pub(crate) async fn unbind_from((hub, who): (&Hub, &Principal), id: &str) -> Result<(), Problem> {
    let audit = who.audit(hub, "agent.revoke", ("binding", id), json!({}));
    Ok(hub.store.revoke_binding(who.tenant, id, &audit).await??)
}

/// Makes a token with which one agent gets a credential of its own, within a day. It is shown in this answer only.
#[utoipa::path(
    post, path = "/api/v1/connectors/{id}/agent-enrolments", tag = "agents", operation_id = "createAgentEnrolment",
    params(("id" = String, Path, description = "The connector's id.")),
    responses((status = 201, description = "The token.", body = EnrolmentToken))
)]
async fn enrol(
    State(hub): State<Arc<Hub>>,
    Manager(who): Manager,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let connector = connectors::find(&hub, who.tenant, &id).await?;
    Ok((StatusCode::CREATED, Json(token_for((&hub, &who), &connector).await?)).into_response())
}

/// Makes an enrolment token, whoever asks: REST or console.
pub(crate) async fn token_for(
    (hub, who): (&Hub, &Principal),
    connector: &ConnectionRow,
) -> Result<EnrolmentToken, Problem> {
    let token = hub.random.secret();
    let now = hub.now();
    let expires_at = now.plus(ENROLMENT_SECONDS * 1_000_000);
    let hash = enrolment_hash(&token);
    let new = Enrolment { tenant: who.tenant, connector: connector.id, hash: &hash, now, expires_at };
    let audit = who.audit(hub, "agent.enrolment", ("connector", &connector.uuid), json!({}));
    hub.store.add_enrolment(new, &audit).await?;
    Ok(EnrolmentToken { token, expires_at: expires_at.to_rfc3339() })
}

/// The env file of a profile's agent, and the command that starts it: what is secret is left to fill in.
#[utoipa::path(
    get, path = "/api/v1/profiles/{id}/agent-env", tag = "agents", operation_id = "getAgentEnv",
    params(("id" = String, Path, description = "The profile's id.")),
    responses((status = 200, description = "File and command.", body = AgentEnv))
)]
async fn env(
    State(hub): State<Arc<Hub>>,
    (Viewer(who), Path(id)): (Viewer, Path<String>),
    headers: HeaderMap,
) -> Result<Json<AgentEnv>, Problem> {
    let profile = profiles::find(&hub, who.tenant, &id).await?;
    let connector = profiles::connector_of(&hub, &profile).await?;
    Ok(Json(env_of(&hub, (&connector, &profile), &headers).await?))
}

/// What an agent of a profile is configured with, for whoever reached the hub by these headers.
pub(crate) async fn env_of(
    hub: &Hub,
    (connector, profile): (&ConnectionRow, &ProfileRow),
    headers: &HeaderMap,
) -> Result<AgentEnv, Problem> {
    let tenant = hub.store.tenant(connector.tenant).await?.ok_or_else(|| Problem::new(Code::NotFound))?;
    let bindings = hub.store.bindings(connector.tenant, connector.id).await?;
    let host = headers.get(header::HOST).and_then(|value| value.to_str().ok());
    let url = env_file::url(host, hub.settings.secure_cookies);
    let ids = env_file::Ids { customer: &tenant.uuid, connection: &connector.uuid, profile: &profile.uuid };
    Ok(env_file::make((&url, &connector.name), ids, &bindings))
}
