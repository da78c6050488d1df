//! `POST /auth`, `POST /auth/oidc`, `DELETE /api/v1/session`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use muster_core::secret::Secret;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Principal, clear_cookie, sign_in_client, sign_in_user};
use crate::client::Address;
use crate::error::{Code, Problem};
use crate::extract::Form;
use crate::hub::Hub;
use crate::layers::RequestId;

pub(crate) fn router() -> OpenApiRouter<Arc<Hub>> {
    OpenApiRouter::new().routes(routes!(sign_in)).routes(routes!(sign_in_oidc)).routes(routes!(sign_out))
}

/// Who signs in.
#[derive(Deserialize, ToSchema)]
struct Credentials {
    /// A name, or `name@tenant`.
    username: Option<String>,
    /// Its password.
    #[schema(value_type = Option<String>, format = Password)]
    password: Option<Secret>,
    /// `true`: the answer is the token.
    #[expect(dead_code, reason = "callers of the vendor's API send it; the answer is the token either way")]
    token: Option<String>,
}

/// Signs a person in; the answer is the token, bare. It lasts four hours.
#[utoipa::path(
    post, path = "/auth", tag = "session", operation_id = "signIn", security(()),
    request_body(content = Credentials, content_type = "application/x-www-form-urlencoded"),
    responses((status = 201, description = "The token.", body = String, content_type = "text/plain"))
)]
async fn sign_in(
    State(hub): State<Arc<Hub>>,
    (address, request): (Address, RequestId),
    Form(given): Form<Credentials>,
) -> Result<Response, Problem> {
    let missing = |field: &str| Problem::new(Code::MissingField).field(field).detail(format!("`{field}` is missing"));
    let username = given.username.filter(|name| !name.is_empty()).ok_or_else(|| missing("username"))?;
    let password = given.password.filter(|password| !password.is_empty()).ok_or_else(|| missing("password"))?;
    let signed = sign_in_user(&hub, &username, password, (&address.0, &request.0)).await?;
    Ok((StatusCode::CREATED, signed.token.reveal().to_owned()).into_response())
}

/// Signs a client in by the headers `clientId` and `clientSecret`; the answer is the token, bare.
#[utoipa::path(
    post, path = "/auth/oidc", tag = "session", operation_id = "signInClient", security(()),
    params(
        ("clientId" = String, Header, description = "The client's id."),
        ("clientSecret" = String, Header, description = "The client's secret.")
    ),
    responses((status = 201, description = "The token.", body = String, content_type = "text/plain"))
)]
async fn sign_in_oidc(
    State(hub): State<Arc<Hub>>,
    (address, request): (Address, RequestId),
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let header = |name: &str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok()).filter(|value| !value.is_empty());
        let missing = || Problem::new(Code::MissingField).field(name).detail(format!("the header `{name}` is missing"));
        value.map(str::to_owned).ok_or_else(missing)
    };
    let (id, secret) = (header("clientId")?, Secret::new(header("clientSecret")?));
    let signed = sign_in_client(&hub, &id, secret, (&address.0, &request.0)).await?;
    Ok((StatusCode::CREATED, signed.token.reveal().to_owned()).into_response())
}

/// Ends the session of the token that is sent.
#[utoipa::path(
    delete, path = "/api/v1/session", tag = "session", operation_id = "signOut",
    responses((status = 204, description = "It has ended."))
)]
async fn sign_out(State(hub): State<Arc<Hub>>, principal: Principal) -> Result<Response, Problem> {
    hub.store.end_session(principal.tenant, &principal.session, hub.now()).await?;
    Ok((StatusCode::NO_CONTENT, [clear_cookie()]).into_response())
}
