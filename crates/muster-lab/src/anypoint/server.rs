//! What answers: sign-in, the platform, its storage and the lab's own port, on one address.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use serde_json::{Value, json};

use super::faults::{AnypointFaults, WrongTotal};
use super::hostile::HostileFile;
use super::world::{AnypointChange, CLIENT, Group, PASSWORD, SECRET, USER, World};
use super::{answers, package};
use crate::query::{asked, decoded};
use crate::serving::{self, Lab};

const ELSEWHERE: &str = "https://storage.attacker.example";

/// How much of a list is shown to who does not say how much, and at most.
#[derive(Clone, Copy)]
struct Page {
    unasked: usize,
    most: usize,
}

const ENVIRONMENTS: Page = Page { unasked: 25, most: 500 };
const ASSETS: Page = Page { unasked: 20, most: 250 };
/// API Manager's, where `limit` is absent.
const INSTANCES: usize = 100;

/// What the handlers share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) address: SocketAddr,
    pub(super) page: usize,
    pub(super) world: Mutex<World>,
    pub(super) live: Mutex<Live>,
}

/// What changes from call to call.
#[derive(Debug, Default)]
pub(super) struct Live {
    faults: AnypointFaults,
    calls: BTreeMap<String, u64>,
    /// Calls beside sign-in.
    all: u64,
    /// The number of the last token, and what it was used for.
    token: u64,
    used: u64,
    /// What stands for the files of assets.
    hostile: BTreeMap<String, Vec<u8>>,
    refused_links: u64,
    refused_sign_ins: u64,
    /// Pages of lists of APIs.
    pages: u64,
    /// Files by the signatures of their links.
    links: BTreeMap<u64, Vec<u8>>,
    signatures: u64,
}

impl Live {
    /// Signing in again takes no token away, but where tokens end.
    fn knows(&self, bearer: &str) -> bool {
        let is = |token| bearer == format!("Bearer {}", named(token));
        match self.faults.token_lasts {
            0 => (1..=self.token).any(is),
            lasts => self.used <= lasts && is(self.token),
        }
    }
}

impl Shared {
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where files lie: another host than the platform's.
    pub(super) fn storage(&self) -> String {
        format!("http://localhost:{}", self.address.port())
    }

    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn live(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, kind: &str) {
        *self.live().calls.entry(kind.to_owned()).or_default() += 1;
    }
}

impl Lab for Shared {
    type Change = AnypointChange;
    type Faults = AnypointFaults;

    fn banner(&self) -> Value {
        self.world().banner()
    }

    fn truth(&self) -> Value {
        self.world().truth()
    }

    fn calls(&self) -> BTreeMap<String, u64> {
        self.live().calls.clone()
    }

    fn change(&self, change: &AnypointChange) -> Value {
        self.world().change(change)
    }

    fn set_faults(&self, faults: AnypointFaults) {
        let mut live = self.live();
        let (links, signatures, token) = (std::mem::take(&mut live.links), live.signatures, live.token);
        let made = faults.hostile_files.iter().filter_map(|(asset, kind)| Some((asset.clone(), kind.package()?)));
        let hostile = made.collect();
        *live = Live { faults, hostile, links, signatures, token, ..Live::default() };
    }
}

pub(super) fn router(shared: Arc<Shared>) -> Router {
    serving::own().fallback(any).with_state(shared)
}

/// A call of Anypoint's.
async fn any(State(shared): State<Arc<Shared>>, request: Request<Body>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let path = decoded(parts.uri.path());
    if parts.method == Method::POST {
        let body = to_bytes(body, 64 << 10).await.unwrap_or_default();
        return token(&shared, &path, &body);
    }
    let bearer = parts.headers.get("authorization").and_then(|value| value.to_str().ok());
    if path.starts_with("/exchange2-asset-manager/") {
        return stored(&shared, &parts.uri, bearer.is_some());
    }
    {
        let mut live = shared.live();
        live.used += 1;
        if !bearer.is_some_and(|bearer| live.knows(bearer)) {
            return refused(StatusCode::UNAUTHORIZED, "Unauthorized");
        }
        live.all += 1;
        let every = live.faults.throttle_every;
        if every > 0 && live.all.is_multiple_of(every) {
            let status = live.faults.throttle_status.and_then(|code| StatusCode::from_u16(code).ok());
            return throttled(status.unwrap_or(StatusCode::TOO_MANY_REQUESTS), &live.faults);
        }
    }
    let uri = parts.uri;
    let segments: Vec<String> = uri.path().trim_matches('/').split('/').map(decoded).collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    platform(&shared, &segments, &uri)
}

fn named(token: u64) -> String {
    format!("0b9c7a52-0000-4000-8000-{token:012x}")
}

/// A connected app with a form or JSON, or a user.
fn token(shared: &Shared, path: &str, body: &[u8]) -> Response<Body> {
    shared.count("token");
    let form = String::from_utf8_lossy(body);
    let json: Value = serde_json::from_slice(body).unwrap_or_default();
    let is =
        |key: &str, value: &str| json[key] == value || form.split('&').any(|field| field == format!("{key}={value}"));
    let lasts = match path {
        "/accounts/api/v2/oauth2/token" if is("client_id", CLIENT) && is("client_secret", SECRET) => Some(3600),
        "/accounts/login" | "/accounts/api/login" if is("username", USER) && is("password", PASSWORD) => None,
        "/accounts/api/v2/oauth2/token" | "/accounts/login" | "/accounts/api/login" => {
            return refused(StatusCode::UNAUTHORIZED, "Unauthorized");
        }
        _ => return refused(StatusCode::NOT_FOUND, "Not Found"),
    };
    let mut live = shared.live();
    if live.refused_sign_ins < live.faults.throttle_sign_in {
        live.refused_sign_ins += 1;
        return throttled(StatusCode::TOO_MANY_REQUESTS, &live.faults);
    }
    live.token += 1;
    live.used = 0;
    let mut answer = json!({ "access_token": named(live.token), "token_type": "bearer" });
    if let Some(lasts) = lasts {
        answer["expires_in"] = lasts.into();
    }
    sent(&answer)
}

/// A file, by the signature of its link.
fn stored(shared: &Shared, uri: &Uri, has_bearer: bool) -> Response<Body> {
    shared.count("file");
    if has_bearer {
        return refused(StatusCode::BAD_REQUEST, "Only one auth mechanism allowed");
    }
    let mut live = shared.live();
    if live.faults.redirect_link {
        let mut response = refused(StatusCode::FOUND, "");
        response.headers_mut().insert("location", HeaderValue::from_static(ELSEWHERE));
        return response;
    }
    if live.refused_links < live.faults.expire_links {
        live.refused_links += 1;
        return refused(StatusCode::FORBIDDEN, "Request has expired");
    }
    let found = asked(uri, "X-Amz-Signature").and_then(|signature| live.links.remove(&signature.parse().ok()?));
    match found {
        Some(bytes) if live.faults.drip => Response::new(Body::from_stream(dripping(bytes))),
        Some(bytes) => Response::new(Body::from(bytes)),
        None => refused(StatusCode::FORBIDDEN, "SignatureDoesNotMatch"),
    }
}

fn platform(shared: &Shared, path: &[&str], uri: &Uri) -> Response<Body> {
    let faults = shared.live().faults.clone();
    let world = shared.world();
    let group = |id: &str| -> Result<Group, (StatusCode, &'static str)> {
        let is = |name: &Option<String>| name.as_deref() == Some(id);
        if is(&faults.forbid_group) || is(&faults.hide_group) {
            return Err((StatusCode::FORBIDDEN, "Forbidden"));
        }
        let found = world.groups.iter().find(|group| group.id == id).cloned();
        found.ok_or((StatusCode::NOT_FOUND, "Organization not found"))
    };
    match path {
        ["accounts", "api", "me"] => {
            let token = named(shared.live().token);
            sent(&answers::me(&world, faults.hide_group.as_deref(), &token))
        }
        ["accounts", "api", "users", "me"] => sent(&answers::user(&world, faults.hide_group.as_deref())),
        ["accounts", "api", "organizations", id] => match group(id) {
            Ok(group) => sent(&answers::group(&world, &group)),
            Err((status, message)) => refused(status, message),
        },
        ["accounts", "api", "organizations", id, "hierarchy"] => match group(id) {
            Ok(group) => {
                let without = (faults.hide_group.as_deref(), faults.cut_group.as_deref());
                sent(&answers::hierarchy(&world, &group, without))
            }
            Err((status, message)) => refused(status, message),
        },
        ["accounts", "api", "organizations", id, "environments", rest @ ..] => {
            let group = match group(id) {
                Ok(group) => group,
                Err((status, message)) => return refused(status, message),
            };
            let own = world.environments.iter().filter(|one| one.group == group.id);
            if let [wanted] = rest {
                let found = own.into_iter().find(|one| one.id == *wanted);
                return found.map_or_else(
                    || refused(StatusCode::NOT_FOUND, "Environment not found"),
                    |one| sent(&answers::environment(one)),
                );
            }
            shared.count("list");
            let all: Vec<Value> =
                if faults.hide_environments { Vec::new() } else { own.map(answers::environment).collect() };
            let total = all.len();
            sent(&json!({ "data": paged(all, uri, ENVIRONMENTS), "total": total }))
        }
        ["apimanager", "api", "v1", "organizations", id, "environments", environment, "apis", rest @ ..] => {
            let group = match group(id) {
                Ok(group) => group,
                Err((status, message)) => return refused(status, message),
            };
            if faults.forbid_environment.as_deref() == Some(*environment) {
                return refused(StatusCode::FORBIDDEN, "Forbidden");
            }
            if !world.environments.iter().any(|one| one.id == *environment && one.group == group.id) {
                return refused(StatusCode::NOT_FOUND, "Environment not found");
            }
            match rest {
                [] => apis(shared, &world, (environment, uri)),
                [wanted] => instance(shared, &world, (environment, wanted)),
                _ => refused(StatusCode::NOT_FOUND, "Not Found"),
            }
        }
        ["exchange", "api", "v2", "assets", ..] if faults.forbid_exchange => {
            refused(StatusCode::FORBIDDEN, "Forbidden")
        }
        ["exchange", "api", "v2", "assets", "search"] => {
            shared.count("list");
            let wanted = asked(uri, "organizationId");
            let shown = |group: &String| {
                wanted.as_ref().is_none_or(|id| id == group) && faults.hide_group.as_ref() != Some(group)
            };
            let own = world.assets.values().filter(|asset| shown(&asset.group));
            sent(&Value::Array(paged(own.map(answers::found).collect(), uri, ASSETS)))
        }
        ["exchange", "api", "v2", "assets", group, id, version] => asset(shared, &world, (group, id, version)),
        _ => refused(StatusCode::NOT_FOUND, "Not Found"),
    }
}

fn apis(shared: &Shared, world: &World, (environment, uri): (&str, &Uri)) -> Response<Body> {
    shared.count("list");
    let faults = shared.live().faults.clone();
    let mut all = answers::assets(world, environment);
    if faults.empty_environment.as_deref() == Some(environment) {
        all.clear();
    }
    if faults.lose_instance {
        for entry in &mut all {
            if let Some(instances) = entry["apis"].as_array_mut() {
                instances.pop();
            }
        }
    }
    let page = {
        let mut live = shared.live();
        live.pages += 1;
        live.pages
    };
    let total = match faults.total {
        Some(WrongTotal::Smaller) => all.len().min(shared.page),
        Some(WrongTotal::Greater) => all.len() + 1,
        Some(WrongTotal::Changing) => all.len() + usize::from(page.is_multiple_of(2)),
        Some(WrongTotal::ChangedOnce) => all.len() + usize::from(page == 1),
        None => all.len(),
    };
    let offset = number(uri, "offset", 0);
    let mut from = if faults.ignore_offset { 0 } else { offset };
    if faults.lose_page && offset >= shared.page {
        from += shared.page;
    }
    let limit = number(uri, "limit", INSTANCES).clamp(1, shared.page);
    let shown: Vec<Value> = all.into_iter().skip(from).take(limit).collect();
    sent(&json!({ "total": total, "assets": shown }))
}

fn instance(shared: &Shared, world: &World, (environment, wanted): (&str, &str)) -> Response<Body> {
    shared.count("instance");
    let mut of_environment = world.instances.iter().filter(|one| one.environment == environment);
    let Some(one) = of_environment.find(|one| one.id.to_string() == wanted) else {
        return refused(StatusCode::NOT_FOUND, "Api not found");
    };
    let looks = shared.live().all;
    sent(&answers::detail(one, one.asset.as_ref().map(|key| &world.assets[key]), looks))
}

fn asset(shared: &Shared, world: &World, (group, id, version): (&str, &str, &str)) -> Response<Body> {
    shared.count("asset");
    let faults = shared.live().faults.clone();
    let is = |name: &Option<String>| name.as_deref() == Some(id);
    if is(&faults.fail_asset) {
        return throttled(StatusCode::INTERNAL_SERVER_ERROR, &faults);
    }
    if is(&faults.html_asset) {
        return Response::new(Body::from("<html><body>Bad gateway</body></html>"));
    }
    if is(&faults.hide_asset) {
        return refused(StatusCode::NOT_FOUND, "Asset not found");
    }
    if is(&faults.empty_asset) {
        return sent(&json!({ "status": "maintenance" }));
    }
    let found = world.assets.get(&(group.to_owned(), id.to_owned())).filter(|asset| asset.semver() == version);
    let Some(found) = found else { return refused(StatusCode::NOT_FOUND, "Asset not found") };
    let hostile = faults.hostile_files.get(id).copied();
    let made = shared.live().hostile.get(id).cloned();
    let mut files = Vec::new();
    for mut file in package::files(found) {
        if let Some(bytes) = &made {
            (file.bytes, file.main) = (bytes.clone(), Some("api.raml"));
        }
        if is(&faults.nonsense_file) || hostile == Some(HostileFile::Generated) && file.generated {
            (file.bytes, file.main) = (b"this is no package".to_vec(), None);
        }
        let mut stored = file.bytes.clone();
        if is(&faults.damage_file) {
            stored.truncate(stored.len() / 2);
        }
        let mut live = shared.live();
        live.signatures += 1;
        let signature = live.signatures;
        live.links.insert(signature, stored);
        let host = if faults.foreign_link { ELSEWHERE.to_owned() } else { shared.storage() };
        let at = files.len();
        let link =
            format!("{host}/exchange2-asset-manager/{group}/{at}.zip?X-Amz-Expires=86400&X-Amz-Signature={signature}");
        files.push((file, link));
    }
    let mut whole = answers::asset(world, found, &files);
    for file in whole["files"].as_array_mut().into_iter().flatten() {
        if is(&faults.no_link) {
            file["externalLink"] = Value::Null;
        }
        match hostile {
            Some(HostileFile::WrongSha1) => file["sha1"] = "da39a3ee5e6b4b0d3255bfef95601890afd80709".into(),
            Some(HostileFile::WrongMd5) => {
                (file["md5"], file["sha1"]) = ("d41d8cd98f00b204e9800998ecf8427e".into(), Value::Null);
            }
            _ => {}
        }
    }
    sent(&whole)
}

/// A refusal of who asks too much.
fn throttled(status: StatusCode, faults: &AnypointFaults) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    if let Some(seconds) = faults.retry_after {
        response.headers_mut().insert("retry-after", HeaderValue::from(seconds));
    }
    if let Some(seconds) = faults.reset_after {
        // Its own clock and no other: what it says is held against its own `Date`.
        response.headers_mut().insert("date", HeaderValue::from_static("Sun, 06 Nov 1994 08:49:37 GMT"));
        response.headers_mut().insert("x-ratelimit-reset", HeaderValue::from(784_111_777 + seconds));
    }
    response
}

/// A body in many small pieces.
fn dripping(bytes: Vec<u8>) -> impl futures_util::Stream<Item = Result<Vec<u8>, std::convert::Infallible>> {
    let pieces: Vec<Vec<u8>> = bytes.chunks(bytes.len() / 20 + 1).map(<[u8]>::to_vec).collect();
    futures_util::StreamExt::then(futures_util::stream::iter(pieces), async |piece| {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        Ok(piece)
    })
}

/// A page of a list by `offset` and `limit`.
fn paged(all: Vec<Value>, uri: &Uri, page: Page) -> Vec<Value> {
    let (offset, limit) = (number(uri, "offset", 0), number(uri, "limit", page.unasked));
    all.into_iter().skip(offset).take(limit.clamp(1, page.most)).collect()
}

fn number(uri: &Uri, name: &str, absent: usize) -> usize {
    asked(uri, name).and_then(|text| text.parse().ok()).unwrap_or(absent)
}

fn refused(status: StatusCode, message: &str) -> Response<Body> {
    let mut response = sent(&json!({ "name": message, "message": message }));
    *response.status_mut() = status;
    response
}

fn sent(body: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_string()));
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/json; charset=utf-8"));
    response
}
