//! What answers: sign-in, Resource Manager, storage and the lab's own port, on one address.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use bytes::Bytes;
use futures_util::StreamExt as _;
use serde_json::{Value, json};

use super::answers;
use super::faults::AzureFaults;
use super::limits::Limits;
use super::sign_in::{TOKEN, token};
use super::world::{Api, AzureChange, Service, World};
use crate::query::{asked, decoded};
use crate::serving::{self, Lab};

/// How long an export takes where exports get in each other's way.
const EXPORT_TAKES: Duration = Duration::from_millis(20);
/// How often a drip comes, and how much is in it.
const DRIP_EVERY: Duration = Duration::from_millis(20);
const DRIP: usize = 100;
const ELSEWHERE: &str = "https://storage.attacker.example";

/// What the handlers share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) address: SocketAddr,
    pub(super) page: usize,
    pub(super) definition: usize,
    pub(super) limits: Option<Mutex<Limits>>,
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
    /// Which API of each family is being exported.
    exporting: BTreeMap<String, String>,
}

/// A status and a body.
pub(super) type Answer = (StatusCode, Value);

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

    fn count(&self, kind: &str) -> AzureFaults {
        let mut live = self.live();
        *live.calls.entry(kind.to_owned()).or_default() += 1;
        live.faults.clone()
    }
}

impl Lab for Shared {
    type Change = AzureChange;
    type Faults = AzureFaults;

    fn banner(&self) -> Value {
        self.world().banner()
    }

    fn truth(&self) -> Value {
        self.world().truth()
    }

    fn calls(&self) -> BTreeMap<String, u64> {
        self.live().calls.clone()
    }

    fn change(&self, change: &AzureChange) -> Value {
        self.world().change(change)
    }

    fn set_faults(&self, faults: AzureFaults) {
        let mut live = self.live();
        *live = Live { faults, links: std::mem::take(&mut live.links), signatures: live.signatures, ..Live::default() };
    }
}

pub(super) fn router(shared: Arc<Shared>) -> Router {
    serving::own().fallback(any).with_state(shared)
}

/// A call of Azure's.
async fn any(State(shared): State<Arc<Shared>>, request: Request<Body>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let path = decoded(parts.uri.path());
    if parts.method == Method::POST && path.contains("/oauth2/") {
        let body = to_bytes(body, 64 << 10).await.unwrap_or_default();
        shared.count("token");
        return sent(token(&shared.url(), &path, &String::from_utf8_lossy(&body)));
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
    let left = match read_allowed(&shared, &path) {
        Ok(left) => left,
        Err(wait) => {
            shared.count("throttled");
            let message = "Number of 'read' requests exceeded. Please try again.";
            let body = answers::error("SubscriptionRequestsThrottled", message);
            let mut response = sent((StatusCode::TOO_MANY_REQUESTS, body));
            response.headers_mut().insert("retry-after", HeaderValue::from_static(wait));
            return response;
        }
    };
    let export = asked(&parts.uri, "export").is_some();
    let mut response = match family(&shared, &path).filter(|_| export && shared.live().faults.mix_families) {
        Some((family, name)) => exported_in_turn(&shared, (&family, &name), (&path, &parts.uri)).await,
        None => managed(&shared, &path, &parts.uri),
    };
    if let Some(left) = left {
        response.headers_mut().insert("x-ms-ratelimit-remaining-subscription-reads", HeaderValue::from(left));
    }
    response
}

/// Whether a read may be answered: how many are left, where that is told; else how long to wait.
fn read_allowed(shared: &Shared, path: &str) -> Result<Option<u64>, &'static str> {
    let mut live = shared.live();
    live.managed += 1;
    if live.faults.throttle_every > 0 && live.managed.is_multiple_of(live.faults.throttle_every) {
        return Err("1");
    }
    if live.faults.storm.as_ref().is_some_and(|name| path.contains(&format!("/{name}/"))) {
        return Err("372");
    }
    let told = live.faults.reads_left;
    drop(live);
    let Some(limits) = &shared.limits else { return Ok(told) };
    let holder = path.split('/').nth(2).unwrap_or("tenant").to_lowercase();
    let left = limits.lock().unwrap_or_else(PoisonError::into_inner).take(&holder, Instant::now());
    left.map(Some).ok_or("1")
}

/// What an API must not be exported together with, and its name.
fn family(shared: &Shared, path: &str) -> Option<(String, String)> {
    let (place, name) = path.rsplit_once("/apis/")?;
    let world = shared.world();
    let api = world.service(place)?.api(name)?;
    Some((format!("{place}/{}", api.family()), api.name))
}

/// An export that takes its time: one that begins while another of its family is under way gives the other's document.
async fn exported_in_turn(shared: &Shared, (family, name): (&str, &str), (path, uri): (&str, &Uri)) -> Response<Body> {
    let other = shared.live().exporting.get(family).cloned();
    if let Some(other) = other {
        shared.count("mixed");
        let place = path.rsplit_once("/apis/").map_or("", |(place, _)| place);
        return managed(shared, &format!("{place}/apis/{other}"), uri);
    }
    shared.live().exporting.insert(family.to_owned(), name.to_owned());
    tokio::time::sleep(EXPORT_TAKES).await;
    shared.live().exporting.remove(family);
    managed(shared, path, uri)
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
        response.headers_mut().insert("location", HeaderValue::from_static(ELSEWHERE));
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
        Some(document) if faults.slow_drip => Response::new(drips(document)),
        Some(document) => Response::new(Body::from(document)),
        None => sent((StatusCode::NOT_FOUND, answers::error("BlobNotFound", "The specified blob does not exist."))),
    }
}

/// A body that comes little by little.
fn drips(document: Vec<u8>) -> Body {
    let drips: Vec<Bytes> = document.chunks(DRIP).map(Bytes::copy_from_slice).collect();
    let stream = futures_util::stream::iter(drips).then(async |drip| {
        tokio::time::sleep(DRIP_EVERY).await;
        Ok::<Bytes, std::convert::Infallible>(drip)
    });
    Body::from_stream(stream)
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
            service.workspace.is_none()
                && subscription == format!("/subscriptions/{}", service.subscription)
                && faults.hide_service.as_ref() != Some(&service.name)
                && faults.unlist_service.as_ref() != Some(&service.name)
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
    let (id, rest) = match rest.strip_prefix("workspaces/").map(|rest| rest.split_once('/').unwrap_or((rest, ""))) {
        Some((workspace, rest)) => (format!("{id}/workspaces/{workspace}"), rest),
        None => (id, rest),
    };
    let Some(service) = world.service(&id) else { return missing(&id) };
    let (items, kind, counted) = match items(shared, &world, (service, rest, uri)) {
        Ok(items) => items,
        Err(Some(response)) => return *response,
        Err(None) => return missing(path),
    };
    drop(world);
    shared.count(kind);
    if counted && faults.html_list {
        let mut response = Response::new(Body::from("<html><body>Access denied</body></html>"));
        *response.status_mut() = StatusCode::FORBIDDEN;
        return response;
    }
    page(shared, uri, (items, counted))
}

/// What a list holds, how its calls are counted, and whether it is one of APIs; else an answer of its own, or nothing.
type Items = Result<(Vec<Value>, &'static str, bool), Option<Box<Response<Body>>>>;

fn items(shared: &Shared, world: &World, (service, rest, uri): (&Service, &str, &Uri)) -> Items {
    let mut rest = rest.split('/');
    let one = |body: Value| Err(Some(Box::new(sent((StatusCode::OK, body)))));
    Ok(match (rest.next().unwrap_or_default(), rest.next(), rest.next(), rest.next()) {
        ("apis", None, ..) => (answers::apis(service), "list", true),
        ("apiVersionSets", None, ..) => (answers::version_sets(service), "list", false),
        ("products", None, ..) => (answers::products(service), "list", false),
        ("products", Some(product), Some("apis"), None) => {
            (answers::product_apis(service, product).ok_or(None)?, "list", false)
        }
        ("workspaces", None, ..) => {
            let same = |other: &&Service| (&other.subscription, &other.name) == (&service.subscription, &service.name);
            let all = world.services.iter().filter(same).filter(|place| place.workspace.is_some());
            (all.map(answers::workspace).collect(), "list", false)
        }
        ("apis", Some(name), what, id) => {
            let api = service.api(name).ok_or(None)?;
            let items = match (what, id) {
                (None, _) if asked(uri, "export").is_some() => {
                    return Err(Some(Box::new(export(shared, world, (service, &api)))));
                }
                (None, _) => return one(answers::api(service, &api)),
                (Some("operations"), None) => answers::operations(service, &api),
                (Some("revisions"), None) => answers::revisions(service, &api),
                (Some("schemas"), None) => answers::schemas(service, &api),
                (Some("schemas"), Some("graphql")) => return one(answers::schema(service, &api, true)),
                _ => return Err(None),
            };
            (items, "detail", false)
        }
        _ => return Err(None),
    })
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
    let mut document = answers::document(service, api, shared.definition);
    if is(&faults.mix_up) && live.mixed_up < faults.mix_up_times {
        live.mixed_up += 1;
        if let Some((service, other)) = answers::another(world, api) {
            document = answers::document(service, other, shared.definition);
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
    if faults.reorder_pages && items.len() > 2 * size {
        // First, third, second, and then as ever.
        next = match skip / size {
            0 => 2 * size,
            1 => 3 * size,
            2 => size,
            _ => next,
        };
    }
    let mut body = json!({ "value": shown });
    if counted {
        body["count"] = items.len().into();
    }
    let name = if faults.odd_link { "@nextLink" } else { "nextLink" };
    if next < items.len() {
        let host = if faults.foreign_page { ELSEWHERE.to_owned() } else { shared.url() };
        let version = asked(uri, "api-version").unwrap_or_default();
        body[name] = format!("{host}{}?api-version={version}&%24skip={next}", uri.path()).into();
    } else if faults.empty_link {
        body[name] = "".into();
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
    let kind = HeaderValue::from_static("application/json; charset=utf-8");
    response.headers_mut().insert("content-type", kind);
    response
}
