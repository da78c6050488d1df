//! The frame of every page, and whoever looks at it.

use std::sync::Arc;

use askama::Template;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use muster_core::clock::Instant;

use super::part::When;
use crate::auth::{Manager, Principal, Role, Viewer, form_token};
use crate::error::{Code, Problem};
use crate::hub::Hub;
use crate::layers::RequestId;

/// The cookie that keeps the choice of light or dark.
pub(super) const THEME_COOKIE: &str = "muster_theme";

/// Light or dark: as the reader's system says, unless they chose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Theme {
    System,
    Light,
    Dark,
}

impl Theme {
    const ALL: [Self; 3] = [Self::System, Self::Light, Self::Dark];

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    pub(super) fn from_word(word: &str) -> Self {
        Self::ALL.into_iter().find(|theme| theme.word() == word).unwrap_or(Self::System)
    }
}

/// What stands around a page.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    pub(super) theme: Theme,
    /// Whoever is signed in.
    pub(super) name: Option<String>,
    pub(super) is_manager: bool,
    /// What every form carries.
    pub(super) token: String,
    /// The page's path and parameters, to come back to.
    pub(super) path: String,
    /// Whether the store takes no writes at the moment.
    pub(super) is_read_only: bool,
}

impl Frame {
    fn of(hub: &Hub, path: &str, headers: &HeaderMap, principal: Option<&Principal>) -> Self {
        Self {
            theme: Theme::from_word(cookie(headers, THEME_COOKIE).unwrap_or_default()),
            name: principal.map(|principal| principal.name.clone()),
            is_manager: principal.is_some_and(|principal| principal.role == Role::Manager),
            token: principal.map(|principal| form_token(hub, principal)).unwrap_or_default(),
            path: path.to_owned(),
            is_read_only: hub.store.is_read_only(),
        }
    }

    /// A frame around something that anyone may see.
    pub(super) fn open(hub: &Hub, parts: &Parts) -> Self {
        Self::of(hub, &path_of(parts), &parts.headers, None)
    }

    pub(super) fn file(&self, name: &str) -> String {
        super::assets::url(name)
    }

    /// The navigation: groups of (label, address).
    pub(super) fn groups(&self) -> Vec<(&'static str, Vec<(&'static str, &'static str)>)> {
        let mut groups = vec![
            (
                "Inventory",
                vec![
                    ("Users", "/console/users"),
                    ("Groups", "/console/groups"),
                    ("Roles", "/console/roles"),
                    ("Discovered APIs", "/console/apis"),
                ],
            ),
            (
                "Collection",
                vec![
                    ("Sources", "/console/sources"),
                    ("Connectors", "/console/connectors"),
                    ("Agents", "/console/agents"),
                    ("Runs", "/console/runs"),
                    ("Transform maps", "/console/maps"),
                    ("Held drops", "/console/held"),
                    ("Dead letters", "/console/dead-letters"),
                ],
            ),
        ];
        if self.is_manager {
            groups.push((
                "Administration",
                vec![
                    ("Accounts", "/console/accounts"),
                    ("API clients", "/console/clients"),
                    ("Audit", "/console/audit"),
                ],
            ));
        }
        groups
    }

    /// Whether an entry of the navigation is where the page lies.
    pub(super) fn is_here(&self, entry: &&str) -> bool {
        self.path.strip_prefix(*entry).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
    }
}

/// Whoever looks at a page.
#[derive(Debug, Clone)]
pub(super) struct Visitor {
    pub(super) principal: Principal,
    pub(super) frame: Frame,
    /// Whether only the part that changes is asked for.
    pub(super) wants_part: bool,
    pub(super) now: Instant,
}

impl Visitor {
    pub(super) fn tenant(&self) -> i64 {
        self.principal.tenant
    }

    pub(super) fn when(&self, at: Instant) -> When {
        When { at, now: self.now }
    }

    fn of(hub: &Hub, parts: &Parts, principal: Principal) -> Self {
        let frame = Frame::of(hub, &path_of(parts), &parts.headers, Some(&principal));
        let told = |name: &str| parts.headers.get(name).is_some_and(|value| value == "true");
        let wants_part = told("hx-request") && !told("hx-boosted") && !told("hx-history-restore-request");
        Self { principal, frame, wants_part, now: hub.now() }
    }
}

impl FromRequestParts<Arc<Hub>> for Visitor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, hub: &Arc<Hub>) -> Result<Self, Problem> {
        let Viewer(principal) = Viewer::from_request_parts(parts, hub).await?;
        Ok(Self::of(hub, parts, principal))
    }
}

/// A visitor who may change things.
#[derive(Debug, Clone)]
pub(super) struct Steward(pub(super) Visitor);

impl FromRequestParts<Arc<Hub>> for Steward {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, hub: &Arc<Hub>) -> Result<Self, Problem> {
        let Manager(principal) = Manager::from_request_parts(parts, hub).await?;
        Ok(Self(Visitor::of(hub, parts, principal)))
    }
}

fn path_of(parts: &Parts) -> String {
    parts.uri.path_and_query().map_or_else(|| parts.uri.path().to_owned(), |whole| whole.as_str().to_owned())
}

/// A cookie of a request.
pub(super) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// A page, or a part of one.
pub(super) fn html(status: StatusCode, view: &impl Template) -> Result<Response, Problem> {
    let text = view.render().map_err(|error| {
        tracing::error!(error = %error, "a page cannot be drawn");
        Problem::new(Code::Internal)
    })?;
    Ok((status, Html(text)).into_response())
}

/// Somewhere else, after a change.
pub(super) fn to(place: &str) -> Response {
    let place = axum::http::HeaderValue::from_str(place).unwrap_or(axum::http::HeaderValue::from_static("/console/"));
    (StatusCode::SEE_OTHER, [(header::LOCATION, place)]).into_response()
}

/// What was asked of the console: enough to draw a page about what went wrong.
#[derive(Debug)]
pub(crate) struct Asked(Parts);

impl Asked {
    /// The console's share of all requests.
    pub(crate) fn of(request: &axum::extract::Request) -> Option<Self> {
        if !request.uri().path().starts_with("/console/") {
            return None;
        }
        let (mut parts, ()) = axum::http::Request::new(()).into_parts();
        parts.headers.clone_from(request.headers());
        parts.uri.clone_from(request.uri());
        parts.method.clone_from(request.method());
        if let Some(id) = request.extensions().get::<RequestId>() {
            parts.extensions.insert(id.clone());
        }
        Some(Self(parts))
    }

    /// The page about a problem; whoever has not signed in is asked to.
    pub(crate) async fn answer(mut self, hub: &Arc<Hub>, problem: &Problem, response: Response) -> Response {
        let is_get = self.0.method == axum::http::Method::GET;
        if matches!(problem.code, Code::NotSignedIn | Code::SessionEnded) {
            if is_get && comes_from_elsewhere(&self.0.headers) {
                let again = AgainPage { place: path_of(&self.0) };
                return html(StatusCode::OK, &again).unwrap_or_else(IntoResponse::into_response);
            }
            let next = if is_get { path_of(&self.0) } else { String::new() };
            return sign_in_first(&self.0.headers, &next);
        }
        let principal = Principal::from_request_parts(&mut self.0, hub).await.ok();
        let frame = Frame::of(hub, &path_of(&self.0), &self.0.headers, principal.as_ref());
        let id = self.0.extensions.get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
        let (parts, _) = response.into_parts();
        let page = ProblemPage {
            frame,
            status: parts.status.as_u16(),
            title: problem.code.title(),
            detail: problem.detail.clone(),
            remedy: problem.remedy.clone(),
            id,
        };
        match html(parts.status, &page) {
            Ok(mut page) => {
                let kept = [header::RETRY_AFTER, header::ALLOW];
                for name in kept {
                    if let Some(value) = parts.headers.get(&name) {
                        page.headers_mut().insert(name, value.clone());
                    }
                }
                page
            }
            Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        }
    }
}

/// Whether another site's link led here, so that the browser kept the session's cookie back (`SameSite=Strict`).
fn comes_from_elsewhere(headers: &HeaderMap) -> bool {
    let is_foreign = headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site");
    is_foreign && cookie(headers, crate::auth::COOKIE).is_none()
}

/// A page that asks for the same address once more, now from this site.
#[derive(Template)]
#[template(path = "console/again.html")]
struct AgainPage {
    place: String,
}

fn sign_in_first(headers: &HeaderMap, next: &str) -> Response {
    let place = super::part::address("/console/sign-in", &[("next", next)]);
    if headers.contains_key("hx-request") {
        return (StatusCode::UNAUTHORIZED, [("hx-redirect", "/console/sign-in")]).into_response();
    }
    to(&place)
}

#[derive(Template)]
#[template(path = "console/problem.html")]
struct ProblemPage {
    frame: Frame,
    status: u16,
    title: &'static str,
    detail: Option<String>,
    remedy: Option<String>,
    id: String,
}
