//! What Azure Resource Manager's and the sign-in's answers look like, and what their errors mean.
//!
//! Sources: Microsoft's `azure-rest-api-specs` (lists, `nextLink`, the error envelope), recorded answers of the sign-in
//! service, and its documentation of AADSTS codes.

use muster_core::connector::{ConnectorError, ErrorKind};
use serde::Deserialize;

use crate::kit::http::Answer;

/// One page of a list.
#[derive(Debug, Deserialize)]
pub(super) struct Page {
    pub(super) value: Vec<serde_json::Value>,
    /// Absent, null or empty on the last one; `@nextLink` where management groups are listed.
    #[serde(default, rename = "nextLink", alias = "@nextLink")]
    pub(super) next: Option<String>,
    /// API Management's: how many there are on all pages.
    pub(super) count: Option<u64>,
}

/// A token, of either version: v1 writes numbers as text.
#[derive(Deserialize)]
pub(super) struct TokenAnswer {
    pub(super) access_token: muster_core::secret::Secret,
    expires_in: serde_json::Value,
}

/// No token is kept for longer, whatever an answer says.
const A_DAY: u64 = 86_400;

impl TokenAnswer {
    /// Seconds until the token ends.
    pub(super) fn lasts(&self) -> Option<u64> {
        let told = self.expires_in.as_u64().or_else(|| self.expires_in.as_str()?.parse().ok());
        told.map(|seconds| seconds.min(A_DAY))
    }
}

#[derive(Deserialize)]
struct SignInError {
    error: String,
    #[serde(default)]
    error_description: String,
    #[serde(default)]
    error_codes: Vec<i64>,
}

/// Codes of the sign-in service: what they mean, and what to do. The service's `error` decides; the code only advises.
pub(super) const SIGN_IN: [(i64, &str, &str); 12] = [
    (
        7_000_215,
        "the client secret is wrong",
        "give the secret's value, not its id; a value is shown only once, when the secret is made",
    ),
    (7_000_222, "the client secret has expired", "make a new one under the app's `Certificates & secrets`"),
    (
        700_016,
        "the app is not known in this tenant",
        "check client id and tenant id: one of them belongs to another tenant",
    ),
    (90_002, "the tenant is not known", "check the tenant id, and the cloud: a tenant lives in one of them"),
    (
        700_027,
        "the certificate is not the app's, or its key did not sign",
        "upload the certificate under the app's `Certificates & secrets`, and give that one with its key",
    ),
    (700_024, "the assertion is not valid at this time", "set this machine's clock"),
    (900_144, "a field of the request is missing", "check the settings; if they are whole, report this"),
    (7_000_218, "no secret was sent", "give the client secret"),
    (1_002_012, "the scope is not one that an app may ask for", "check `endpoints.management`"),
    (500_011, "the resource is not known in this tenant", "check the cloud and `endpoints.management`"),
    (50_034, "the account is not known in this tenant", "check client id and tenant id"),
    (53_003, "Conditional Access blocks the sign-in", "let the policy allow this app from the hub's address"),
];

/// A server's words are no longer than a line of a log.
const WORDS_SHOWN: usize = 400;

/// Why a sign-in was refused.
pub(super) fn sign_in_refused(operation: &str, answer: &Answer) -> ConnectorError {
    let Ok(error) = serde_json::from_slice::<SignInError>(&answer.body) else {
        return unexplained(operation, answer);
    };
    let known = SIGN_IN.iter().find(|(code, ..)| error.error_codes.contains(code));
    // The first line says what is wrong; trace ids and times follow.
    let said = error.error_description.lines().next().unwrap_or_default();
    let said = answer.shown(said.split(" Trace ID:").next().unwrap_or_default(), WORDS_SHOWN);
    let message = match known {
        Some((_, meaning, _)) => format!("{meaning} ({}: {said})", error.error),
        None => format!("{}: {said}", error.error),
    };
    let kind = match answer.status.as_u16() {
        408 | 429 | 500.. => ErrorKind::Unavailable,
        _ => ErrorKind::Auth,
    };
    let refused = ConnectorError::new(kind, operation, message);
    match known {
        Some((_, _, remedy)) => refused.with_remedy(*remedy),
        None => refused.with_remedy("check tenant id, client id and client secret"),
    }
}

#[derive(Deserialize)]
struct Envelope {
    error: ArmError,
}

#[derive(Deserialize)]
struct ArmError {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

/// The code of an ARM error; none where the answer is none of ARM's.
pub(super) fn code(answer: &Answer) -> Option<String> {
    serde_json::from_slice::<Envelope>(&answer.body).ok().map(|envelope| envelope.error.code)
}

/// Whether a subscription does not have the resource provider: then it has nothing of that kind.
pub(super) fn is_unregistered(error: &ConnectorError) -> bool {
    error.message.starts_with("MissingSubscriptionRegistration")
}

/// Whether a service's pricing tier does not have that kind of thing: then it has none.
pub(super) fn is_beyond_the_tier(error: &ConnectorError) -> bool {
    error.message.starts_with("MethodNotAllowedInPricingTier")
}

/// Why a call of ARM's failed.
pub(super) fn refused(operation: &str, answer: &Answer) -> ConnectorError {
    let Ok(Envelope { error }) = serde_json::from_slice::<Envelope>(&answer.body) else {
        return unexplained(operation, answer);
    };
    let message = format!("{}: {}", error.code, answer.shown(&error.message, WORDS_SHOWN));
    match answer.status.as_u16() {
        401 => {
            ConnectorError::new(ErrorKind::Auth, operation, message).with_remedy("check the app's secret and tenant")
        }
        403 => {
            let permission = between(&error.message, "perform action '", "'").unwrap_or("Reader").to_owned();
            let scope =
                between(&error.message, "over scope '", "'").unwrap_or("/subscriptions/SUBSCRIPTION").to_owned();
            let remedy = format!(
                "let an owner run: az role assignment create --assignee CLIENT_ID --role Reader --scope {scope}; \
                 a new assignment takes some minutes to act"
            );
            ConnectorError::new(ErrorKind::Forbidden { permission }, operation, message).with_remedy(remedy)
        }
        429 => ConnectorError::new(ErrorKind::RateLimited { retry_after_ms: 60_000 }, operation, message),
        408 | 500.. => ConnectorError::new(ErrorKind::Unavailable, operation, message),
        _ => ConnectorError::new(ErrorKind::Protocol, operation, message),
    }
}

/// An answer that is none of Azure's: a proxy's page, an empty body.
fn unexplained(operation: &str, answer: &Answer) -> ConnectorError {
    let status = answer.status.as_u16();
    let html = answer.body.first() == Some(&b'<');
    let what = if html { "a page of HTML, as proxies and gateways answer" } else { "nothing that explains it" };
    let kind = match status {
        401 => ErrorKind::Auth,
        403 => ErrorKind::Forbidden { permission: "unknown: the answer does not say".to_owned() },
        408 | 429 | 500.. => ErrorKind::Unavailable,
        _ => ErrorKind::Protocol,
    };
    ConnectorError::new(kind, operation, format!("status {status} with {what}"))
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    text.split_once(before)?.1.split_once(after).map(|(found, _)| found)
}
