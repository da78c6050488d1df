//! A platform on loopback whose answers each test makes: what a run, and asking again, make of them.

use std::io::{Read as _, Write as _};

use muster_core::clock::FixedClock;
use muster_core::connector::{Batch, Cursor, Mode, ScopePlan, SinkClosed};
use serde_json::{Value as Json, json};

use super::*;
use crate::testkit::serve;

mod answers;
mod failures;

const ORGANIZATION: &str = "0a0a0a0a-0000-4000-8000-00000000000a";
const PLACE: &str = "0a0a0a0a-0000-4000-8000-00000000000a/e";
const DAY: i64 = 86_400_000_000;
const SECRET: &str = "Canary/Secret+Value";

/// Status, headers and body.
type Answered = (u16, &'static str, Vec<u8>);

fn ok(body: &Json) -> Answered {
    (200, "", body.to_string().into_bytes())
}

fn status(status: u16) -> Answered {
    (status, "Retry-After: 0\r\n", br#"{"message":"no"}"#.to_vec())
}

/// What a test's platform answers to a path, where it differs from the common one.
type Answering = dyn Fn(&str) -> Option<Answered> + Send + Sync;

struct Platform {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
    answering: Arc<Mutex<Box<Answering>>>,
    clock: Arc<FixedClock>,
    cursor: Mutex<Option<Cursor>>,
}

/// What a run handed over.
struct Run {
    end: ScopeEnd,
    records: usize,
    keys: usize,
}

impl Run {
    fn open(&self) -> &str {
        self.end.open.as_deref().unwrap_or_default()
    }
}

pub(super) struct Keeping(pub(super) Mutex<Vec<Batch>>);

#[async_trait]
impl BatchSink for Keeping {
    async fn send(&self, batch: Batch) -> Result<(), SinkClosed> {
        self.0.lock().unwrap().push(batch);
        Ok(())
    }

    fn is_closed(&self) -> bool {
        false
    }
}

fn entry(id: u64) -> Json {
    json!({ "id": id, "groupId": "g", "assetId": format!("a{id}"), "totalApis": 1, "apis": [instance(id)] })
}

fn instance(id: u64) -> Json {
    json!({ "id": id, "groupId": "g", "assetId": format!("a{id}"), "assetVersion": "1.0.0",
            "endpoint": { "uri": "https://backend.internal/x" } })
}

const FILE: &str = "openapi: 3.0.0\ninfo: {title: A, version: '1'}\npaths: {/x: {get: {responses: {}}}}\n";

impl Platform {
    /// One environment with one instance, of an asset with one file without checksum.
    fn start() -> Self {
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let answering: Arc<Mutex<Box<Answering>>> = Arc::new(Mutex::new(Box::new(|_: &str| None)));
        let (account, turns, own) = (Arc::clone(&asked), Arc::clone(&answering), Arc::new(Mutex::new(0)));
        let port_of = Arc::clone(&own);
        let port = serve(move |mut stream| {
            let mut request = [0; 8192];
            let length = stream.read(&mut request).unwrap_or(0);
            let request = String::from_utf8_lossy(&request[..length]).into_owned();
            let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
            account.lock().unwrap().push(path.clone());
            let port = *port_of.lock().unwrap();
            let given = turns.lock().unwrap()(&path);
            let (status, headers, body) = given.unwrap_or_else(|| usual(&path, port));
            let head =
                format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n", body.len());
            stream.write_all(&[head.as_bytes(), &body].concat()).unwrap_or_default();
        });
        *own.lock().unwrap() = port;
        let clock = Arc::new(FixedClock::at(muster_core::clock::Instant(20_000 * DAY)));
        Self { port, asked, answering, clock, cursor: Mutex::default() }
    }

    fn answers(&self, answering: impl Fn(&str) -> Option<Answered> + Send + Sync + 'static) {
        *self.answering.lock().unwrap() = Box::new(answering);
    }

    /// The source with a profile.
    fn source(&self, organization: &str, profile: &Json) -> Anypoint {
        let base = format!("http://127.0.0.1:{}", self.port);
        let mut profile = profile.clone();
        profile["callsPerSecond"] = 1000.into();
        let environment = if profile["allEnvironments"] == true { "" } else { "e" };
        let sections = json!({
            "authentication": { "organizationId": organization, "environmentId": environment, "clientId": "c",
                                "clientSecret": SECRET },
            "endpoints": { "base": base, "storage": base }, "profile": profile,
        });
        let sections = sections.as_object().unwrap().clone();
        let config = Arc::new(Config::read(&Settings { sections, base_directory: None }).unwrap());
        let client = Client::new(Arc::clone(&config)).unwrap();
        let clock = Arc::<FixedClock>::clone(&self.clock);
        Anypoint { config, client, clock, scopes: Mutex::default(), shared: Shared::default() }
    }

    /// Plans and reads the environment from the cursor that the run before left.
    async fn run(&self, source: &Anypoint) -> Run {
        self.asked.lock().unwrap().clear();
        source.plan().await.unwrap();
        let scope = ScopePlan { stream: "apis".to_owned(), name: Arc::from(PLACE) };
        let (sink, cursor) = (Keeping(Mutex::default()), self.cursor.lock().unwrap().clone());
        let request = ReadRequest { scope: &scope, mode: Mode::Delta, cursor: cursor.as_ref() };
        let end = source.read(request, &sink).await.unwrap();
        *self.cursor.lock().unwrap() = end.cursor.clone();
        let batches = sink.0.into_inner().unwrap();
        let count = |keys_only: bool| {
            batches.iter().filter(|batch| batch.keys_only == keys_only).map(|batch| batch.records.len()).sum()
        };
        Run { end, records: count(false), keys: count(true) }
    }

    /// Asks for keys again; the verdicts, and how many records came.
    async fn confirm(&self, source: &Anypoint, keys: &[&str]) -> (Vec<Verdict>, usize) {
        self.asked.lock().unwrap().clear();
        let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
        let sink = Keeping(Mutex::default());
        let verdicts = source.confirm("apis", &keys, &sink).await.unwrap();
        (verdicts, sink.0.into_inner().unwrap().iter().map(|batch| batch.records.len()).sum())
    }

    fn asked(&self, what: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|path| path.contains(what)).count()
    }
}

fn usual(path: &str, port: u16) -> Answered {
    let is_first = path.contains("offset=0");
    let page = |name: &str, items: Json| ok(&json!({ name: if is_first { items } else { json!([]) }, "total": 1 }));
    let (plain, _) = path.split_once('?').unwrap_or((path, ""));
    let parts: Vec<&str> = plain.trim_matches('/').split('/').collect();
    match parts.as_slice() {
        ["accounts", "api", "v2", ..] => ok(&json!({ "access_token": "tok-canary", "expires_in": 3600 })),
        ["accounts", "api", "organizations", _, "environments"] => page("data", json!([{ "id": "e", "name": "E" }])),
        ["accounts", "api", "organizations", id, ..] => ok(&json!({ "id": id, "name": "O", "subOrganizations": [] })),
        ["apimanager", .., "apis"] => page("assets", json!([entry(1)])),
        ["apimanager", .., id] => ok(&instance(id.parse().unwrap())),
        ["exchange", .., "search"] => ok(&json!([])),
        ["exchange", .., "assets", _, asset, _] => ok(&asset_of(asset, &json!([file(port)]))),
        ["file", ..] => (200, "", FILE.as_bytes().to_vec()),
        _ => status(404),
    }
}

fn asset_of(asset: &str, files: &Json) -> Json {
    json!({ "groupId": "g", "assetId": asset, "version": "1.0.0", "name": "A", "type": "rest-api", "files": files })
}

fn file(port: u16) -> Json {
    json!({ "classifier": "oas", "packaging": "yaml", "externalLink": format!("http://127.0.0.1:{port}/file/1") })
}
