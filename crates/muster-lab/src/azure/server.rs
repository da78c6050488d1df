//! What answers: sign-in, Resource Manager, storage and the lab's own port, on one address.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{Method, Request, Response, StatusCode, Uri};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::answers;
use super::faults::AzureFaults;
use super::world::{Api, AzureChange, CLIENT, SECRET, Service, TENANT, World};

const TOKEN: &str = "eyJ0eXAiOiJKV1QifQ.lab.";
const ELSEWHERE: &str = "https://storage.attacker.example";

/// What the handlers share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) address: SocketAddr,
    pub(super) page: usize,
    pub(super) world: Mutex<World>,
    pub(super) state: Mutex<Live>,
}

/// What changes from call to call.
#[derive(Debug, Default)]
pub(super) struct Live {
    faults: AzureFaults,
    calls: BTreeMap<String, u64>,
    managed: u64,
    mixed_up: u64,
    refused_links: u64,
    /// Exports by their signatures.
    links: BTreeMap<u64, Vec<u8>>,
    signatures: u64,
}

/// A status and a body.
type Answer = (StatusCode, Value);

impl Shared {
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where exports lie: another host than Resource Manager's, as in Azure.
    pub(super) fn storage(&self) -> String {
        format!("http://localhost:{}", self.address.port())
    }

    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn live(&self) -> MutexGuard<'_, Live> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_faults(&self, faults: AzureFaults) {
        let mut live = self.live();
        *live = Live { faults, links: std::mem::take(&mut live.links), signatures: live.signatures, ..Live::default() };
    }

    pub(super) fn calls(&self) -> BTreeMap<String, u64> {
        self.live().calls.clone()
    }

    fn count(&self, kind: &str) -> AzureFaults {
        let mut live = self.live();
        *live.calls.entry(kind.to_owned()).or_default() += 1;
        live.faults.clone()
    }
}

pub(super) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/_lab/banner", get(|State(shared): State<Arc<Shared>>| async move { Json(shared.world().banner()) }))
        .route("/_lab/truth", get(|State(shared): State<Arc<Shared>>| async move { Json(shared.world().truth()) }))
        .route("/_lab/calls", get(|State(shared): State<Arc<Shared>>| async move { Json(shared.calls()) }))
        .route("/_lab/change", post(change))
        .route("/_lab/faults", post(set_faults))
        .fallback(any)
        .with_state(shared)
}

async fn change(State(shared): State<Arc<Shared>>, Json(change): Json<AzureChange>) -> Json<Value> {
    Json(shared.world().change(&change))
}

async fn set_faults(State(shared): State<Arc<Shared>>, Json(faults): Json<AzureFaults>) -> Json<AzureFaults> {
    shared.set_faults(faults.clone());
    Json(faults)
}

/// A call of Azure's.
async fn any(State(shared): State<Arc<Shared>>, request: Request<Body>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let path = decoded(parts.uri.path());
    if parts.method == Method::POST && path.contains("/oauth2/") {
        let body = to_bytes(body, 64 << 10).await.unwrap_or_default();
        return sent(token(&shared, &path, &String::from_utf8_lossy(&body)));
    }
    let bearer = parts.headers.get("authorization").and_then(|value| value.to_str().ok());
    if path.starts_with("/api-export/") {
        return stored(&shared, &parts.uri, bearer.is_some());
    }
    if bearer != Some(&format!("Bearer {TOKEN}")) {
        let message = "The access token is missing or invalid.";
        return sent((StatusCode::UNAUTHORIZED, answers::error("InvalidAuthenticationToken", message)));
    }
    if asked(&parts.uri, "api-version").is_none() {
        let message = "The api-version query parameter (?api-version=) is required for all requests.";
        return sent((StatusCode::BAD_REQUEST, answers::error("MissingApiVersionParameter", message)));
    }
    let throttled = {
        let mut live = shared.live();
        live.managed += 1;
        live.faults.throttle_every > 0 && live.managed.is_multiple_of(live.faults.throttle_every)
    };
    if throttled {
        let body =
            answers::error("SubscriptionRequestsThrottled", "Number of 'read' requests exceeded. Please try again.");
        let mut response = sent((StatusCode::TOO_MANY_REQUESTS, body));
        response.headers_mut().insert("retry-after", axum::http::HeaderValue::from_static("1"));
        return response;
    }
    managed(&shared, &path, &parts.uri)
}

fn token(shared: &Shared, path: &str, form: &str) -> Answer {
    shared.count("token");
    let refused = |status, error: &str, code: i64, text: &str| {
        let told = format!("AADSTS{code}: {text}\r\nTrace ID: 0\r\nTimestamp: 2026-01-01 00:00:00Z");
        (status, json!({ "error": error, "error_description": told, "error_codes": [code] }))
    };
    if !path.to_lowercase().starts_with(&format!("/{TENANT}/")) {
        return refused(StatusCode::BAD_REQUEST, "invalid_request", 90_002, "Tenant not found.");
    }
    if !form.contains(&format!("client_id={CLIENT}")) {
        return refused(StatusCode::BAD_REQUEST, "unauthorized_client", 700_016, "Application not found.");
    }
    if !form.split('&').any(|field| field == format!("client_secret={}", SECRET.replace('~', "%7E"))) {
        return refused(StatusCode::UNAUTHORIZED, "invalid_client", 7_000_215, "Invalid client secret provided.");
    }
    // Version 1 writes numbers as text.
    let expires = if path.contains("/v2.0/") { json!(3599) } else { json!("3599") };
    (StatusCode::OK, json!({ "token_type": "Bearer", "expires_in": expires, "access_token": TOKEN }))
}

/// An export's document, by the signature of its link.
fn stored(shared: &Shared, uri: &Uri, has_bearer: bool) -> Response<Body> {
    let faults = shared.count("download");
    if has_bearer {
        let body = answers::error("InvalidAuthenticationInfo", "A link takes no Authorization header.");
        return sent((StatusCode::BAD_REQUEST, body));
    }
    if faults.redirect_link {
        let mut response = sent((StatusCode::FOUND, Value::Null));
        response.headers_mut().insert("location", axum::http::HeaderValue::from_static(ELSEWHERE));
        return response;
    }
    let mut live = shared.live();
    if live.refused_links < live.faults.expire_links {
        live.refused_links += 1;
        return sent((
            StatusCode::FORBIDDEN,
            answers::error("AuthenticationFailed", "Signature not valid in the time frame."),
        ));
    }
    let found = asked(uri, "sig").and_then(|sig| live.links.remove(&sig.parse().ok()?));
    match found {
        Some(document) => Response::new(Body::from(document)),
        None => sent((StatusCode::NOT_FOUND, answers::error("BlobNotFound", "The specified blob does not exist."))),
    }
}

fn managed(shared: &Shared, path: &str, uri: &Uri) -> Response<Body> {
    let lower = path.to_lowercase();
    if lower == "/subscriptions" {
        let faults = shared.count("list");
        let all = if faults.hide_subscriptions { Vec::new() } else { shared.world().subscriptions.clone() };
        let items = all.iter().map(|id| answers::subscription(id)).collect();
        return page(shared, uri, (items, false));
    }
    let world = shared.world();
    if let Some(subscription) = lower.strip_suffix("/providers/microsoft.apimanagement/service") {
        let faults = shared.count("list");
        let shown = |service: &&Service| {
            subscription == format!("/subscriptions/{}", service.subscription)
                && faults.hide_service.as_ref() != Some(&service.name)
        };
        let items = world.services.iter().filter(shown).map(answers::service).collect();
        drop(world);
        return page(shared, uri, (items, false));
    }
    let mut parts = path.splitn(10, '/');
    let id = parts.by_ref().take(9).collect::<Vec<_>>().join("/");
    let rest = parts.next().unwrap_or_default();
    let faults = shared.live().faults.clone();
    let name = id.rsplit('/').next().unwrap_or_default();
    if [&faults.forbid_service, &faults.hide_service]
        .into_iter()
        .flatten()
        .any(|other| other.eq_ignore_ascii_case(name))
    {
        let message = format!(
            "The client 'c' with object id 'o' does not have authorization to perform action \
             'Microsoft.ApiManagement/service/apis/read' over scope '{id}' or the scope is invalid."
        );
        return sent((StatusCode::FORBIDDEN, answers::error("AuthorizationFailed", &message)));
    }
    let Some(service) = world.service(&id) else { return missing(&id) };
    let mut rest = rest.split('/');
    match (rest.next().unwrap_or_default(), rest.next(), rest.next(), rest.next()) {
        ("apis", None, ..) => {
            let items = answers::apis(service);
            drop(world);
            shared.count("list");
            page(shared, uri, (items, true))
        }
        ("apiVersionSets", None, ..) => {
            let items = answers::version_sets(service);
            drop(world);
            shared.count("list");
            page(shared, uri, (items, false))
        }
        ("apis", Some(name), what, id) => {
            let found = service.apis.values().find(|api| api.name.eq_ignore_ascii_case(name));
            let Some(api) = found else { return missing(path) };
            let items = match (what, id) {
                (None, _) if asked(uri, "export").is_some() => return export(shared, &world, (service, api)),
                (None, _) => return sent((StatusCode::OK, answers::api(service, api))),
                (Some("operations"), None) => answers::operations(service, api),
                (Some("revisions"), None) => answers::revisions(service, api),
                (Some("schemas"), None) => answers::schemas(service, api),
                (Some("schemas"), Some("graphql")) => {
                    return sent((StatusCode::OK, answers::schema(service, api, true)));
                }
                _ => return missing(path),
            };
            drop(world);
            shared.count("detail");
            page(shared, uri, (items, false))
        }
        _ => missing(path),
    }
}

fn export(shared: &Shared, world: &World, (service, api): (&Service, &Api)) -> Response<Body> {
    let faults = shared.count("export");
    let is = |name: &Option<String>| name.as_ref() == Some(&api.name);
    if is(&faults.fail_export) {
        return sent((
            StatusCode::INTERNAL_SERVER_ERROR,
            answers::error("InternalServerError", "An error has occurred."),
        ));
    }
    if is(&faults.html_export) {
        let mut response = Response::new(Body::from("<html><body>Bad gateway</body></html>"));
        *response.status_mut() = StatusCode::OK;
        return response;
    }
    let mut live = shared.live();
    let mut document = answers::document(service, api);
    if is(&faults.mix_up) && live.mixed_up < faults.mix_up_times {
        live.mixed_up += 1;
        if let Some((service, other)) = answers::another(world, api) {
            document = answers::document(service, other);
        }
    }
    live.signatures += 1;
    let signature = live.signatures;
    live.links.insert(signature, document);
    drop(live);
    let host = if faults.foreign_link { ELSEWHERE.to_owned() } else { shared.storage() };
    // A blank in the path, as Azure leaves it.
    let link =
        format!("{host}/api-export/{}.json?sv=2017-04-17&sr=b&sig={signature}&se=2026-01-01T00:05:00Z&sp=r", api.title);
    let id = format!("{}/apis/{}", service.id(), api.name);
    let (kind, value) = ("Microsoft.ApiManagement/service/apis", json!({ "link": link }));
    sent((
        StatusCode::OK,
        match faults.envelope.as_deref() {
            Some("specified") => json!({ "id": id, "format": "openapi-link", "value": value }),
            Some("bare") => value,
            _ => {
                json!({ "id": id, "type": kind, "name": api.name, "properties": { "format": "openapi+json-link", "value": value } })
            }
        },
    ))
}

/// A page of a list; those of API Management's APIs say how many there are, and suffer the faults of pages.
fn page(shared: &Shared, uri: &Uri, (items, counted): (Vec<Value>, bool)) -> Response<Body> {
    let faults = if counted { shared.live().faults.clone() } else { AzureFaults::default() };
    let size = if counted { shared.page } else { items.len().max(1) };
    let skip: usize = asked(uri, "$skip").and_then(|skip| skip.parse().ok()).unwrap_or(0);
    let from = if faults.repeat_page && skip == size { 0 } else { skip };
    let shown: Vec<Value> = items.iter().skip(from).take(size).cloned().collect();
    let mut next = skip + size;
    if faults.lose_page && skip == 0 {
        next += size;
    }
    if faults.loop_pages && skip == size {
        next = skip;
    }
    let mut body = json!({ "value": shown });
    if counted {
        body["count"] = items.len().into();
    }
    if next < items.len() {
        let host = if faults.foreign_page { ELSEWHERE.to_owned() } else { shared.url() };
        let version = asked(uri, "api-version").unwrap_or_default();
        body["nextLink"] = format!("{host}{}?api-version={version}&%24skip={next}", uri.path()).into();
    } else if faults.empty_link {
        body["nextLink"] = "".into();
    }
    sent((StatusCode::OK, body))
}

fn missing(id: &str) -> Response<Body> {
    let body = answers::error("ResourceNotFound", &format!("The Resource '{id}' was not found."));
    sent((StatusCode::NOT_FOUND, body))
}

fn sent((status, body): Answer) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    let kind = axum::http::HeaderValue::from_static("application/json; charset=utf-8");
    response.headers_mut().insert("content-type", kind);
    response
}

/// A field of the query, decoded.
fn asked(uri: &Uri, name: &str) -> Option<String> {
    let fields = uri.query()?.split('&').filter_map(|field| field.split_once('='));
    fields.map(|(key, value)| (decoded(key), decoded(value))).find(|(key, _)| key == name).map(|(_, value)| value)
}

/// Text without `%41`.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let code = after.get(..2).filter(|_| byte == b'%').and_then(|two| std::str::from_utf8(two).ok());
        match code.and_then(|two| u8::from_str_radix(two, 16).ok()) {
            Some(code) => {
                bytes.push(code);
                rest = &after[2..];
            }
            None => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
