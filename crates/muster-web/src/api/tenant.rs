//! The tenant itself, whoever asks, and what was done in it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use muster_store::hub::AuditRow;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::page::{PageParameters, Paged, Paging};
use crate::auth::{Manager, Viewer};
use crate::error::{Code, Problem};
use crate::hub::Hub;

pub(super) fn router() -> OpenApiRouter<Arc<Hub>> {
    OpenApiRouter::new().routes(routes!(tenant)).routes(routes!(session)).routes(routes!(audit))
}

/// The organization.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Tenant {
    /// Its id: an agent's `qualys.customerUuid`.
    id: String,
    name: String,
    created_at: String,
}

/// The organization that whoever asks belongs to.
#[utoipa::path(
    get, path = "/api/v1/tenant", tag = "tenant", operation_id = "getTenant",
    responses((status = 200, description = "It.", body = Tenant))
)]
async fn tenant(State(hub): State<Arc<Hub>>, Viewer(who): Viewer) -> Result<Json<Tenant>, Problem> {
    let row = hub.store.tenant(who.tenant).await?.ok_or_else(|| Problem::new(Code::NotFound))?;
    Ok(Json(Tenant { id: row.uuid, name: row.name, created_at: row.created_at.to_rfc3339() }))
}

/// Whoever asks.
#[derive(Debug, Serialize, ToSchema)]
struct Session {
    /// `user` or `client`.
    kind: &'static str,
    /// The id of the user or client.
    id: String,
    name: String,
    role: &'static str,
}

/// Whoever asks.
#[utoipa::path(
    get, path = "/api/v1/session", tag = "session", operation_id = "getSession",
    responses((status = 200, description = "The session's owner.", body = Session))
)]
async fn session(Viewer(who): Viewer) -> Json<Session> {
    Json(Session { kind: who.kind.word(), role: who.role.word(), id: who.subject, name: who.name })
}

/// Something that was done.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct AuditEntry {
    id: i64,
    at: String,
    /// `user`, `client`, `agent` or `operator`.
    actor_kind: String,
    actor: String,
    /// Such as `connector.create`.
    action: String,
    object_kind: String,
    object_id: String,
    /// What changed; never a secret.
    detail: Value,
    request_id: String,
}

impl From<AuditRow> for AuditEntry {
    fn from(row: AuditRow) -> Self {
        Self {
            id: row.id,
            at: row.at.to_rfc3339(),
            actor_kind: row.actor_kind,
            actor: row.actor,
            action: row.action,
            object_kind: row.object_kind,
            object_id: row.object,
            detail: row.detail,
            request_id: row.request,
        }
    }
}

/// What was done in the tenant, newest first.
#[utoipa::path(
    get, path = "/api/v1/audit", tag = "audit", operation_id = "listAudit", params(PageParameters),
    responses((status = 200, description = "A page of it.", body = Paged<AuditEntry>))
)]
async fn audit(
    State(hub): State<Arc<Hub>>,
    Manager(who): Manager,
    paging: Paging,
) -> Result<Json<Paged<AuditEntry>>, Problem> {
    let rows = hub.store.audit_lines(who.tenant, paging.backwards("audit")?).await?;
    Ok(Json(paging.answer("audit", rows, |row| row.id, AuditEntry::from)))
}
