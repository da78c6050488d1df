//! People who sign in.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use muster_core::secret::Secret;
use muster_store::hub::{AccountRow, NewAccount, Refusal};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::page::{PageParameters, Paged, Paging};
use super::text;
use crate::auth::{Manager, Principal, check_new_password};
use crate::error::{Code, Problem};
use crate::extract::{Body, Path};
use crate::hub::Hub;

/// The words of roles.
pub(crate) const ROLES: [&str; 2] = ["manager", "viewer"];

pub(super) fn router() -> OpenApiRouter<Arc<Hub>> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(get, update))
}

/// A person who signs in.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct User {
    id: String,
    username: String,
    /// `manager` (everything) or `viewer` (looks).
    role: String,
    active: bool,
    created_at: String,
}

impl From<AccountRow> for User {
    fn from(row: AccountRow) -> Self {
        let AccountRow { uuid: id, username, role, active, created_at, .. } = row;
        Self { id, username, role, active, created_at: created_at.to_rfc3339() }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewUser {
    /// Without `@` and blanks.
    pub(crate) username: String,
    #[schema(value_type = String, format = Password)]
    pub(crate) password: Secret,
    pub(crate) role: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct UserUpdate {
    /// Kept where absent.
    #[schema(value_type = Option<String>, format = Password)]
    pub(crate) password: Option<Secret>,
    /// Kept where absent.
    pub(crate) role: Option<String>,
    /// Kept where absent.
    pub(crate) active: Option<bool>,
}

/// The users of the tenant.
#[utoipa::path(
    get, path = "/api/v1/users", tag = "users", operation_id = "listUsers", params(PageParameters),
    responses((status = 200, description = "A page of them.", body = Paged<User>))
)]
async fn list(
    State(hub): State<Arc<Hub>>,
    Manager(who): Manager,
    paging: Paging,
) -> Result<Json<Paged<User>>, Problem> {
    let rows = hub.store.accounts(who.tenant, paging.forwards("users")?).await?;
    Ok(Json(paging.answer("users", rows, |row| row.id, User::from)))
}

/// Adds a user.
#[utoipa::path(
    post, path = "/api/v1/users", tag = "users", operation_id = "createUser", request_body = NewUser,
    responses((status = 201, description = "It.", body = User))
)]
async fn create(
    State(hub): State<Arc<Hub>>,
    Manager(who): Manager,
    Body(given): Body<NewUser>,
) -> Result<Response, Problem> {
    let row = add((&hub, &who), given).await?;
    Ok((StatusCode::CREATED, Json(User::from(row))).into_response())
}

/// Adds a user, whoever asks: REST or console.
pub(crate) async fn add((hub, who): (&Hub, &Principal), given: NewUser) -> Result<AccountRow, Problem> {
    let username = text::name("username", &given.username)?;
    if username.contains('@') || username.contains(char::is_whitespace) {
        return Err(Problem::value("username", "it holds an `@` or a blank"));
    }
    let role = text::one_of("role", &given.role, &ROLES)?;
    check_new_password("password", &given.password)?;
    let password = hub.passwords.hash(given.password, &hub.random).await?;
    let uuid = hub.random.uuid();
    let new = NewAccount {
        tenant: who.tenant,
        uuid: &uuid,
        username: &username,
        role: &role,
        password: &password,
        now: hub.now(),
    };
    let audit = who.audit(hub, "user.create", ("user", &uuid), json!({ "username": username, "role": role }));
    Ok(hub.store.add_account(new, &audit).await??)
}

pub(crate) async fn find(hub: &Hub, tenant: i64, id: &str) -> Result<AccountRow, Problem> {
    hub.store.account(tenant, id).await?.ok_or_else(|| Problem::new(Code::NotFound))
}

/// A user.
#[utoipa::path(
    get, path = "/api/v1/users/{id}", tag = "users", operation_id = "getUser",
    params(("id" = String, Path, description = "Its id.")), responses((status = 200, description = "It.", body = User))
)]
async fn get(
    State(hub): State<Arc<Hub>>,
    Manager(who): Manager,
    Path(id): Path<String>,
) -> Result<Json<User>, Problem> {
    Ok(Json(find(&hub, who.tenant, &id).await?.into()))
}

/// Changes a user; all its sessions end, and those of the clients that stand for it. The last active manager stays one.
#[utoipa::path(
    patch, path = "/api/v1/users/{id}", tag = "users", operation_id = "updateUser", request_body = UserUpdate,
    params(("id" = String, Path, description = "Its id.")),
    responses((status = 200, description = "It, as it is now.", body = User))
)]
async fn update(
    State(hub): State<Arc<Hub>>,
    (Manager(who), Path(id)): (Manager, Path<String>),
    Body(given): Body<UserUpdate>,
) -> Result<Json<User>, Problem> {
    Ok(Json(change((&hub, &who), &id, given).await?.into()))
}

/// Changes a user, whoever asks: REST or console.
pub(crate) async fn change((hub, who): (&Hub, &Principal), id: &str, given: UserUpdate) -> Result<AccountRow, Problem> {
    let mut row = find(hub, who.tenant, id).await?;
    let with_password = given.password.is_some();
    if let Some(role) = &given.role {
        row.role = text::one_of("role", role, &ROLES)?;
    }
    if let Some(password) = given.password {
        check_new_password("password", &password)?;
        row.password = hub.passwords.hash(password, &hub.random).await?;
    }
    row.active = given.active.unwrap_or(row.active);
    let detail = json!({ "username": row.username, "role": row.role, "active": row.active, "password": with_password });
    let audit = who.audit(hub, "user.update", ("user", &row.uuid), detail);
    match hub.store.change_account(&row, hub.now(), &audit).await? {
        Ok(()) => Ok(row),
        Err(Refusal::Busy) => Err(Problem::new(Code::LastManager)),
        Err(refusal) => Err(refusal.into()),
    }
}
