//! Programs that sign in.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use muster_core::clock::Instant;
use muster_core::secret::Secret;
use muster_store::hub::{ClientRow, NewClient};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::page::{PageParameters, Paged, Paging};
use super::text;
use super::users::ROLES;
use crate::auth::{Kind, Manager, Principal};
use crate::error::{Code, Problem};
use crate::extract::{Body, Path};
use crate::hub::Hub;

pub(super) fn router() -> OpenApiRouter<Arc<Hub>> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(get, delete))
}

/// A program that signs in.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Client {
    /// Its id: the `clientId`.
    id: String,
    name: String,
    /// `user` (stands for a person, and ends with the account), `subscription`, or `agent` (was made by an enrolment).
    level: String,
    role: String,
    /// The account it stands for.
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<String>,
    active: bool,
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    used_at: Option<String>,
}

impl From<ClientRow> for Client {
    fn from(row: ClientRow) -> Self {
        let ClientRow { uuid: id, name, level, role, account: user_id, active, created_at, used_at, .. } = row;
        let (created_at, used_at) = (created_at.to_rfc3339(), used_at.map(Instant::to_rfc3339));
        Self { id, name, level, role, user_id, active, created_at, used_at }
    }
}

/// A client that was just made.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct MadeClient {
    #[serde(flatten)]
    client: Client,
    /// Its secret: shown this once, kept only as a hash.
    client_secret: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ClientBody {
    pub(crate) name: String,
    /// `user` or `subscription` (where absent).
    pub(crate) level: Option<String>,
    pub(crate) role: String,
    /// At level `user`: the account it stands for; whoever makes it, where absent.
    pub(crate) user_id: Option<String>,
}

/// The clients of the tenant.
#[utoipa::path(
    get, path = "/api/v1/clients", tag = "clients", operation_id = "listClients", params(PageParameters),
    responses((status = 200, description = "A page of them.", body = Paged<Client>))
)]
async fn list(
    State(hub): State<Arc<Hub>>,
    Manager(who): Manager,
    paging: Paging,
) -> Result<Json<Paged<Client>>, Problem> {
    let rows = hub.store.clients(who.tenant, paging.forwards("clients")?).await?;
    Ok(Json(paging.answer("clients", rows, |row| row.id, Client::from)))
}

/// The account that a client of that level and role stands for.
async fn stands_for(
    (hub, who): (&Hub, &Principal),
    (level, role): (&str, &str),
    given: Option<String>,
) -> Result<Option<String>, Problem> {
    let account = match (level, given) {
        ("user", Some(id)) => id,
        ("user", None) if who.kind == Kind::User => who.subject.clone(),
        ("user", None) => return Err(Problem::value("userId", "a client of level `user` stands for somebody")),
        (_, Some(_)) => return Err(Problem::value("userId", "a client of level `subscription` stands for nobody")),
        (_, None) => return Ok(None),
    };
    let known = hub.store.account(who.tenant, &account).await?;
    let known = known.ok_or_else(|| Problem::value("userId", "there is no such user"))?;
    if known.role == "viewer" && role == "manager" {
        return Err(Problem::value("role", "the user it stands for is a viewer"));
    }
    Ok(Some(account))
}

/// Adds a client; its secret is shown in this answer only.
#[utoipa::path(
    post, path = "/api/v1/clients", tag = "clients", operation_id = "createClient", request_body = ClientBody,
    responses((status = 201, description = "It, with its secret.", body = MadeClient))
)]
async fn create(
    State(hub): State<Arc<Hub>>,
    Manager(who): Manager,
    Body(given): Body<ClientBody>,
) -> Result<Response, Problem> {
    let (row, secret) = add((&hub, &who), given).await?;
    Ok((StatusCode::CREATED, Json(MadeClient { client: row.into(), client_secret: secret })).into_response())
}

/// Adds a client, whoever asks: REST or console. Its secret is told here, and never again.
pub(crate) async fn add((hub, who): (&Hub, &Principal), given: ClientBody) -> Result<(ClientRow, String), Problem> {
    let name = text::name("name", &given.name)?;
    let level = text::one_of("level", given.level.as_deref().unwrap_or("subscription"), &["user", "subscription"])?;
    let role = text::one_of("role", &given.role, &ROLES)?;
    let account = stands_for((hub, who), (&level, &role), given.user_id).await?;
    let secret = hub.random.secret();
    let secret_hash = hub.passwords.hash(Secret::new(secret.clone()), &hub.random).await?;
    let uuid = hub.random.uuid();
    let new = NewClient {
        tenant: who.tenant,
        uuid: &uuid,
        name: &name,
        level: &level,
        role: &role,
        account: account.as_deref(),
        secret_hash: &secret_hash,
        now: hub.now(),
    };
    let audit =
        who.audit(hub, "client.create", ("client", &uuid), json!({ "name": name, "level": level, "role": role }));
    let row = hub.store.add_client(new, &audit).await??;
    Ok((row, secret))
}

/// A client.
#[utoipa::path(
    get, path = "/api/v1/clients/{id}", tag = "clients", operation_id = "getClient",
    params(("id" = String, Path, description = "Its id.")), responses((status = 200, description = "It.", body = Client))
)]
async fn get(
    State(hub): State<Arc<Hub>>,
    Manager(who): Manager,
    Path(id): Path<String>,
) -> Result<Json<Client>, Problem> {
    let row = hub.store.client(who.tenant, &id).await?;
    Ok(Json(row.ok_or_else(|| Problem::new(Code::NotFound))?.into()))
}

/// Revokes a client: it and its sessions end at once. It stays in the list.
#[utoipa::path(
    delete, path = "/api/v1/clients/{id}", tag = "clients", operation_id = "revokeClient",
    params(("id" = String, Path, description = "Its id.")), responses((status = 204, description = "It is revoked."))
)]
async fn delete(
    State(hub): State<Arc<Hub>>,
    Manager(who): Manager,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    revoke((&hub, &who), &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Revokes a client, whoever asks: REST or console.
pub(crate) async fn revoke((hub, who): (&Hub, &Principal), id: &str) -> Result<(), Problem> {
    let audit = who.audit(hub, "client.revoke", ("client", id), json!({}));
    Ok(hub.store.revoke_client(who.tenant, id, hub.now(), &audit).await??)
}
