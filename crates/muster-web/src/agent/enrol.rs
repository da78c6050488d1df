//! `POST /agent/v1/enrol`: a one-time token becomes a credential of the agent's own.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use data_encoding::HEXLOWER;
use muster_core::agent::{Enrol, Enrolled};
use muster_core::fold::fingerprint;
use muster_core::secret::Secret;
use muster_store::hub::{AuditLine, NewClient};
use serde_json::json;

use crate::client::Address;
use crate::error::{Code, Problem};
use crate::extract::Body;
use crate::hub::Hub;
use crate::layers::RequestId;

/// The name that failures are counted for: tokens are not names.
const ATTEMPTED: &str = "enrolment";
/// The longest token that is looked at, and the longest name of a machine.
const LONGEST: usize = 256;

/// What is kept of an enrolment token: 256 random bits need no slow hash.
pub(crate) fn hash(token: &str) -> String {
    HEXLOWER.encode(&fingerprint(format!("agent enrolment {token}").as_bytes()))
}

/// Makes an agent its own credential, for `POST /auth/oidc`: shown in this answer only. The token is used up.
#[utoipa::path(
    post, path = "/agent/v1/enrol", tag = "agents", operation_id = "enrolAgent", security(()), request_body = Enrol,
    responses((status = 201, description = "The credential.", body = Enrolled))
)]
pub(super) async fn enrol(
    State(hub): State<Arc<Hub>>,
    (address, request): (Address, RequestId),
    Body(given): Body<Enrol>,
) -> Result<Response, Problem> {
    let now = hub.now();
    if let Some(seconds) = hub.attempts.wait(ATTEMPTED, &address.0, now) {
        let problem = Problem::new(Code::TooManyAttempts).detail(format!("try again in {seconds} seconds"));
        return Err(Problem { retry_after: Some(seconds), ..problem });
    }
    if given.host.chars().count() > LONGEST {
        return Err(Problem::value("host", format!("it has at most {LONGEST} characters")));
    }
    let refused = || {
        hub.attempts.failed(ATTEMPTED, &address.0, now);
        Problem::new(Code::EnrolmentRefused).field("token")
    };
    if given.token.len() > LONGEST {
        return Err(refused());
    }
    let token = hash(&given.token);
    let (tenant, connector) = hub.store.enrolment(&token, now).await?.ok_or_else(refused)?;
    let connection = hub.store.connection_of(tenant, connector).await?.ok_or_else(refused)?;
    let (id, binding, secret) = (hub.random.uuid(), hub.random.uuid(), hub.random.secret());
    let secret_hash = hub.passwords.hash(Secret::new(secret.clone()), &hub.random).await?;
    let name = format!("agent {}", id.split('-').next().unwrap_or_default());
    let client = NewClient {
        tenant,
        uuid: &id,
        name: &name,
        level: "agent",
        role: "viewer",
        account: None,
        secret_hash: &secret_hash,
        now,
    };
    let audit = AuditLine {
        tenant,
        at: now,
        actor_kind: "agent",
        actor: name.clone(),
        action: "agent.enrol",
        object_kind: "connector",
        object: connection.uuid,
        detail: json!({ "client": id, "host": given.host }),
        request: request.0,
    };
    if !hub.store.enrol((&token, &binding), connector, client, &audit).await? {
        return Err(refused());
    }
    Ok((StatusCode::CREATED, Json(Enrolled { client_id: id, client_secret: secret })).into_response())
}
