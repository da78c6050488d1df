//! What Anypoint's refusals mean. Their bodies differ from product to product (`message`, `error`, `errors[]`, a page of
//! HTML, nothing): the status decides, the words are only shown.

use muster_core::connector::{ConnectorError, ErrorKind};
use serde_json::Value as Json;

use super::config::Credential;
use crate::Refusal;
use crate::kit::http::Answer;

/// Why a sign-in may be refused: status, meaning, what to do.
const SIGN_IN: [(u16, &str, &str); 4] = [
    (
        401,
        "client id and secret, or user name and password, are not accepted",
        "check both; a connected app must have the client credentials grant (`App acts on its own behalf`)",
    ),
    (403, "the user is disabled, or may not sign in here", "ask an administrator of Access Management"),
    (418, "the account belongs to another platform of the vendor", "use a connected app of Anypoint Platform"),
    (404, "nothing answers there", "check `endpoints.base`: the control plane of your region"),
];

pub(super) fn refusals() -> Vec<Refusal> {
    let one = |&(status, meaning, remedy): &(u16, &'static str, &'static str)| Refusal {
        code: status.to_string(),
        meaning,
        remedy,
    };
    SIGN_IN.iter().map(one).collect()
}

/// Why a sign-in was refused.
pub(super) fn sign_in(operation: &str, answer: &Answer, credential: &Credential) -> ConnectorError {
    let status = answer.status.as_u16();
    let who = match credential {
        Credential::App { .. } => "connected app",
        Credential::User { .. } => "user",
    };
    let kind = match status {
        408 | 429 | 500.. => ErrorKind::Unavailable,
        _ => ErrorKind::Auth,
    };
    let known = SIGN_IN.iter().find(|(code, ..)| *code == status);
    let meaning = known.map_or("the platform refuses it", |(_, meaning, _)| meaning);
    let error = ConnectorError::new(kind, operation, format!("{who}: {meaning} ({})", said(answer)));
    match known {
        Some((_, _, remedy)) => error.with_remedy(*remedy),
        None => error,
    }
}

/// Which scope opens a path (S2's names).
fn scope(operation: &str) -> &'static str {
    match operation {
        _ if operation.contains("business group") => "View Organization",
        _ if operation.contains("environments of") || operation.starts_with("reading environment") => {
            "View Environment"
        }
        _ if operation.contains("Exchange") => "Exchange Viewer",
        _ => "View APIs Configuration",
    }
}

/// Why a call failed.
pub(super) fn call(operation: &str, answer: &Answer) -> ConnectorError {
    let message = said(answer);
    match answer.status.as_u16() {
        401 => ConnectorError::new(ErrorKind::Auth, operation, message).with_remedy("check the connected app"),
        403 => {
            let permission = scope(operation);
            let remedy = format!(
                "give the connected app the scope `{permission}` for this business group and environment, in Access \
                 Management > Connected Apps"
            );
            let kind = ErrorKind::Forbidden { permission: permission.to_owned() };
            ConnectorError::new(kind, operation, message).with_remedy(remedy)
        }
        // 503 is what the load balancer says to who asks too much.
        429 | 503 => ConnectorError::new(ErrorKind::RateLimited { retry_after_ms: 60_000 }, operation, message),
        408 | 500.. => ConnectorError::new(ErrorKind::Unavailable, operation, message),
        _ => ConnectorError::new(ErrorKind::Protocol, operation, message),
    }
}

/// A resource of Exchange's that does not show: it was deleted, or may not be seen.
pub(super) fn hidden(operation: &str) -> ConnectorError {
    let message = "Exchange does not show it: it was deleted, or may not be seen";
    let remedy = "give the connected app the scope `Exchange Viewer` for the asset's business group; where the asset was \
                  deleted, let the API instance use another one";
    ConnectorError::new(ErrorKind::Protocol, operation, message).with_remedy(remedy)
}

/// The status, and what the body says of it.
fn said(answer: &Answer) -> String {
    let status = answer.status.as_u16();
    let Ok(body) = serde_json::from_slice::<Json>(&answer.body) else {
        let what = if answer.body.first() == Some(&b'<') { "a page of HTML" } else { "nothing that explains it" };
        return format!("status {status} with {what}");
    };
    let words = [&body["message"], &body["error_description"], &body["error"], &body["errors"][0]["message"]];
    let words = words.into_iter().find_map(Json::as_str).unwrap_or_default();
    let words = answer.shown(words, 200);
    if words.is_empty() { format!("status {status}") } else { format!("status {status}: {words}") }
}

/// Whether an answer is the platform's own word that something is not there: a proxy's page is not.
pub(super) fn is_not_found(answer: &Answer) -> bool {
    answer.status.as_u16() == 404 && serde_json::from_slice::<Json>(&answer.body).is_ok_and(|body| body.is_object())
}
