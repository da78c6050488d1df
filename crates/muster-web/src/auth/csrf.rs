//! Changes that browsers send: only from Muster's own pages, and with the session's form token.
//!
//! A token in `Authorization` cannot be sent by another site; a cookie can. So an unsafe request without that header
//! must not come from elsewhere, and one with the session's cookie must prove that it does not.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::Principal;
use super::principal;
use crate::error::{Code, Problem};
use crate::extract;
use crate::hub::Hub;

/// The header in which scripts send the form token.
const HEADER: &str = "x-csrf-token";
/// The field in which forms send it.
const FIELD: &str = "csrf";

/// The form token of a session: the field `csrf` of forms, the header `X-CSRF-Token` of scripts.
pub fn form_token(hub: &Hub, principal: &Principal) -> String {
    hub.signing.form_token(&principal.session)
}

pub(crate) async fn guard(State(hub): State<Arc<Hub>>, request: Request, next: Next) -> Response {
    let safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE);
    if safe || request.headers().contains_key(header::AUTHORIZATION) {
        return next.run(request).await;
    }
    match check(&hub, request).await {
        Ok(request) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

async fn check(hub: &Hub, request: Request) -> Result<Request, Problem> {
    let foreign = |detail: &str| Problem::new(Code::ForeignRequest).detail(detail.to_owned());
    let origin = same_origin(request.headers(), request.uri().authority().map(|authority| authority.as_str()));
    if origin == Some(false) {
        return Err(foreign("another site sent it"));
    }
    let is_form = extract::is_of_type(&request, "application/x-www-form-urlencoded");
    let (parts, body) = request.into_parts();
    let Some(session) = session(hub, &parts) else { return Ok(Request::from_parts(parts, body)) };
    if origin.is_none() {
        return Err(foreign("it has neither `Sec-Fetch-Site` nor `Origin`"));
    }
    if let Some(given) = parts.headers.get(HEADER).and_then(|value| value.to_str().ok()) {
        return match hub.signing.is_form_token(&session, given) {
            true => Ok(Request::from_parts(parts, body)),
            false => Err(foreign("its `X-CSRF-Token` is not of this session")),
        };
    }
    if !is_form {
        return Err(foreign("it has no `X-CSRF-Token`"));
    }
    let bytes = extract::read(Request::from_parts(parts.clone(), body), &()).await?;
    let given = field(&bytes, FIELD);
    if !given.is_some_and(|given| hub.signing.is_form_token(&session, &given)) {
        return Err(foreign("its form has no token of this session; load the page again"));
    }
    Ok(Request::from_parts(parts, axum::body::Body::from(bytes)))
}

/// The session that the cookie names, whether or not it still lasts.
fn session(hub: &Hub, parts: &Parts) -> Option<String> {
    let token = principal::cookie(parts)?;
    hub.signing.verify(&token, hub.now()).map(|claims| claims.jti)
}

/// Whether a browser says that a page of this host sent it; none where no browser says anything.
fn same_origin(headers: &HeaderMap, authority: Option<&str>) -> Option<bool> {
    let text = |name| headers.get(name).map(|value: &header::HeaderValue| value.to_str().unwrap_or_default());
    if let Some(site) = text(header::HeaderName::from_static("sec-fetch-site")) {
        return Some(site == "same-origin");
    }
    let origin = text(header::ORIGIN)?;
    let host = text(header::HOST).or(authority);
    let sender = origin.split_once("://").map(|(_, sender)| sender);
    Some(sender.is_some() && sender == host)
}

/// A field of a form whose value is of the form token's alphabet.
fn field(form: &[u8], name: &str) -> Option<String> {
    let text = std::str::from_utf8(form).ok()?;
    let mut pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
}
