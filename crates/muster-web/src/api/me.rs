//! What people change about themselves.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use muster_core::secret::Secret;
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::{Kind, Principal, Viewer, check_new_password, prove_password};
use crate::client::Address;
use crate::error::{Code, Problem};
use crate::extract::Body;
use crate::hub::Hub;

pub(super) fn router() -> OpenApiRouter<Arc<Hub>> {
    OpenApiRouter::new().routes(routes!(password))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasswordChange {
    /// The password there is.
    #[schema(value_type = String, format = Password)]
    pub(crate) current: Secret,
    /// The one there shall be.
    #[schema(value_type = String, format = Password)]
    pub(crate) new: Secret,
}

/// Gives whoever asks another password; all their other sessions end, and those of the clients that stand for them. A
/// client has a secret, and no password.
#[utoipa::path(
    post, path = "/api/v1/me/password", tag = "session", operation_id = "changeOwnPassword", request_body = PasswordChange,
    responses((status = 204, description = "It is changed."))
)]
async fn password(
    State(hub): State<Arc<Hub>>,
    (Viewer(who), address): (Viewer, Address),
    Body(given): Body<PasswordChange>,
) -> Result<StatusCode, Problem> {
    change((&hub, &who), given, &address.0).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Changes one's own password, whoever asks: REST or console.
pub(crate) async fn change(
    (hub, who): (&Hub, &Principal),
    given: PasswordChange,
    address: &str,
) -> Result<(), Problem> {
    if who.kind != Kind::User {
        return Err(Problem::new(Code::Forbidden).detail("a client has no password").remedy("sign in as a person"));
    }
    let account = hub.store.account(who.tenant, &who.subject).await?.ok_or_else(|| Problem::new(Code::SessionEnded))?;
    check_new_password("new", &given.new)?;
    prove_password((hub, who), &account, given.current, address).await?;
    let password = hub.passwords.hash(given.new, &hub.random).await?;
    let audit = who.audit(hub, "user.password", ("user", &account.uuid), json!({ "username": account.username }));
    Ok(hub.store.change_password(&account, &password, &who.session, &audit).await??)
}
