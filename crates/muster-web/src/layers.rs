//! What every request passes: its id, the headers of every answer, the rendering of problems.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use tracing::field::Empty;
use tracing::{Instrument as _, Span};

use crate::auth::csrf;
use crate::client;
use crate::console;
use crate::error::Problem;
use crate::extract::BodyDeadline;
use crate::hub::Hub;

/// The most bytes of a body.
pub(crate) const MAXIMUM_BODY: usize = 1 << 20;

/// The id of a request.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);

static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Nothing is loaded from elsewhere, nothing inline runs, nobody frames.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
                      connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

pub(crate) fn around(routes: Router<Arc<Hub>>, hub: &Arc<Hub>) -> Router<Arc<Hub>> {
    routes
        .layer(axum::extract::DefaultBodyLimit::max(MAXIMUM_BODY))
        .layer(from_fn_with_state(Arc::clone(hub), csrf::guard))
        .layer(from_fn_with_state(Arc::clone(hub), outermost))
}

async fn outermost(State(hub): State<Arc<Hub>>, mut request: Request, next: Next) -> Response {
    let id = data_encoding::HEXLOWER.encode(&hub.random.bytes::<12>());
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    request.extensions_mut().insert(RequestId(id.clone()));
    if let Some(address) = client::address(&request, &hub.settings.trusted_proxies) {
        request.extensions_mut().insert(address);
    }
    request.extensions_mut().insert(BodyDeadline(hub.settings.body_deadline));
    let asked = console::Asked::of(&request);
    let span = span(&request, &id);
    let mut response = next.run(request).instrument(span.clone()).await;
    span.record("http.response.status_code", response.status().as_u16());
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        log(&problem, &id, (method.as_str(), &path));
        response = match asked {
            Some(asked) => asked.answer(&hub, &problem, response).await,
            None => render(&problem, &id, response),
        };
    }
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID.clone(), value);
    }
    let fixed = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in fixed {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    // Static files say otherwise themselves.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// A request's span. Of its address only the route: what stands in it is the users'.
fn span(request: &Request, id: &str) -> Span {
    let route = request.extensions().get::<MatchedPath>().map_or("unknown", MatchedPath::as_str);
    let method = request.method().as_str();
    tracing::info_span!(
        "request",
        otel.name = format_args!("{method} {route}"),
        otel.kind = "server",
        http.request.method = method,
        http.route = route,
        http.response.status_code = Empty,
        request.id = id,
    )
}

fn log(problem: &Problem, id: &str, (method, path): (&str, &str)) {
    let code = problem.code.word();
    match &problem.cause {
        Some(cause) => {
            let chain = chain(cause.as_ref());
            tracing::error!(request.id = id, http.method = method, http.path = path, code, error = %chain, "a request failed");
        }
        None => tracing::debug!(request.id = id, http.method = method, http.path = path, code, "a request was refused"),
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let sources = std::iter::successors(Some(error), |error| error.source());
    sources.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn render(problem: &Problem, id: &str, response: Response) -> Response {
    let (mut parts, _) = response.into_parts();
    let text = serde_json::to_string(&problem.document(id)).unwrap_or_default();
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(text))
}
