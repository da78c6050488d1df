//! Signing in and out, light and dark.

use std::sync::Arc;

use askama::Template;
use axum::extract::{FromRequestParts as _, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use muster_core::secret::Secret;
use serde::Deserialize;

use super::frame::{Frame, THEME_COOKIE, Theme, html, to};
use crate::auth::{COOKIE, Principal, clear_cookie, session_cookie, sign_in_user};
use crate::client::Address;
use crate::error::{Code, Problem};
use crate::extract::{Form, Query};
use crate::hub::Hub;
use crate::layers::RequestId;

const HOME: &str = "/console/sources";

#[derive(Template)]
#[template(path = "console/sign_in.html")]
struct SignInPage {
    frame: Frame,
    username: String,
    next: String,
    problem: Option<String>,
    remedy: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Wanted {
    #[serde(default)]
    next: String,
}

/// An address within the console, else its first page.
fn within(next: &str) -> &str {
    let is_within = next.starts_with("/console/") && !next.starts_with("/console/sign-") && !next.contains('\\');
    if is_within { next } else { HOME }
}

pub(super) async fn form(State(hub): State<Arc<Hub>>, mut parts: Parts) -> Result<Response, Problem> {
    let Query(wanted) = Query::<Wanted>::from_request_parts(&mut parts, &()).await?;
    if Principal::from_request_parts(&mut parts, &hub).await.is_ok() {
        return Ok(to(within(&wanted.next)));
    }
    let frame = Frame::open(&hub, &parts);
    let has_old_cookie = super::frame::cookie(&parts.headers, COOKIE).is_some();
    let page = SignInPage { frame, username: String::new(), next: wanted.next, problem: None, remedy: None };
    let mut response = html(StatusCode::OK, &page)?;
    if has_old_cookie {
        // A form sent with it would be held to a session that has ended.
        let (name, value) = clear_cookie();
        response.headers_mut().append(name, value);
    }
    Ok(response)
}

#[derive(Deserialize)]
pub(super) struct Credentials {
    username: String,
    password: Secret,
    #[serde(default)]
    next: String,
}

pub(super) async fn sign_in(
    State(hub): State<Arc<Hub>>,
    (address, request): (Address, RequestId),
    parts: Parts,
    Form(given): Form<Credentials>,
) -> Result<Response, Problem> {
    let tried = sign_in_user(&hub, given.username.trim(), given.password, (&address.0, &request.0)).await;
    match tried {
        Ok(signed) => {
            let mut response = to(within(&given.next));
            response.headers_mut().append(header::SET_COOKIE, session_cookie(&hub, &signed));
            Ok(response)
        }
        Err(problem) if matches!(problem.code, Code::WrongCredentials | Code::TooManyAttempts) => {
            let wrong = problem.code == Code::WrongCredentials;
            let remedy = if wrong {
                "Check name and password. For another tenant than the first, write name@tenant.".to_owned()
            } else {
                problem.detail.clone().map(capitalized).unwrap_or_default()
            };
            let title = if wrong { "Name or password is not right." } else { problem.code.title() };
            let page = SignInPage {
                frame: Frame::open(&hub, &parts),
                username: given.username,
                next: given.next,
                problem: Some(title.to_owned()),
                remedy: Some(remedy),
            };
            html(problem.code.status(), &page)
        }
        Err(problem) => Err(problem),
    }
}

/// A sentence from a detail that begins small.
pub(super) fn capitalized(text: String) -> String {
    let mut rest = text.chars();
    match rest.next() {
        Some(first) => {
            first.to_uppercase().chain(rest).collect::<String>() + if text.ends_with('.') { "" } else { "." }
        }
        None => text,
    }
}

pub(super) async fn sign_out(State(hub): State<Arc<Hub>>, principal: Principal) -> Result<Response, Problem> {
    hub.store.end_session(principal.tenant, &principal.session, hub.now()).await?;
    let mut response = to("/console/sign-in");
    let (name, value) = clear_cookie();
    response.headers_mut().append(name, value);
    Ok(response)
}

#[derive(Deserialize)]
pub(super) struct Chosen {
    theme: String,
    #[serde(default)]
    next: String,
}

/// Keeps the choice of light or dark for a year.
pub(super) async fn theme(State(hub): State<Arc<Hub>>, Form(chosen): Form<Chosen>) -> Response {
    let word = Theme::from_word(&chosen.theme).word();
    let secure = if hub.settings.secure_cookies { "; Secure" } else { "" };
    let text = format!("{THEME_COOKIE}={word}; HttpOnly; SameSite=Strict; Path=/; Max-Age=31536000{secure}");
    let back = if chosen.next.starts_with("/console/sign-in") { "/console/sign-in" } else { within(&chosen.next) };
    let mut response = to(back);
    if let Ok(cookie) = HeaderValue::from_str(&text) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}
