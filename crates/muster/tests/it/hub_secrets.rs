//! P7 in the hub: after every operation of `/openapi.json`, and runs that worked and that failed, no secret is found in
//! any answer, log line, table or file.

use std::path::Path;

use muster_lab::directory::{Faults, RunningDirectory};
use muster_store::{Location, Store};
use serde_json::{Value as Json, json};

use crate::bodies::{Owner, Things};
use crate::hub::{Hub, PASSWORD, Place, Schema};
use crate::simulated::{authentication, directory};
use crate::tables::everything;

const USERS_PASSWORD: &str = "zqusers-password-1";
const WRONG_PASSWORD: &str = "zqwrong-password-1";
const MARK: &str = "zqmark";

/// What may be found nowhere, each in the forms that it might be written in.
struct Canaries(Vec<(String, Vec<String>)>);

impl Canaries {
    fn add(&mut self, what: &str, secret: &str) {
        let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
        let forms = vec![secret.to_owned(), hex.to_uppercase(), hex, base64(secret.as_bytes())];
        self.0.push((what.to_owned(), forms));
    }

    /// A token: whole, and what only its owner can know of it.
    fn token(&mut self, what: &str, token: &str) {
        self.add(what, token);
        self.add(what, token.rsplit('.').next().unwrap());
    }

    /// Which of them the bytes hold.
    fn found(&self, bytes: &[u8]) -> Vec<&str> {
        // Each form is looked for from its first four bytes on: a plain look at every place would take minutes.
        let mut found = Vec::new();
        for (what, forms) in &self.0 {
            for form in forms.iter().map(String::as_bytes) {
                let mut from = 0;
                while let Some(at) = bytes[from..].iter().position(|byte| *byte == form[0]) {
                    if bytes[from + at..].starts_with(form) {
                        found.push(what.as_str());
                        break;
                    }
                    from += at + 1;
                }
            }
        }
        found
    }

    fn absent(&self, place: &str, bytes: &[u8]) {
        assert_eq!(self.found(bytes), Vec::<&str>::new(), "{place}");
    }
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let letters = |chunk: &[u8]| {
        let word = chunk.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        let letter = |place: usize| char::from(LETTERS[(word >> (18 - 6 * place)) as usize & 63]);
        (0..=chunk.len()).map(letter).collect::<String>()
    };
    bytes.chunks(3).map(letters).collect()
}

/// A hub that logs everything, whoever asks it, and what may not be found.
struct Watched<'a> {
    hub: Hub,
    canaries: Canaries,
    things: Things,
    lab: &'a RunningDirectory,
}

impl<'a> Watched<'a> {
    fn start(place: &Place, log: &Path, lab: &'a RunningDirectory) -> Self {
        let hub = Hub::loud(place, log);
        let mut canaries = Canaries(Vec::new());
        canaries.add("the administrator's password", PASSWORD);
        canaries.add("the directory's password", lab.banner()["password"].as_str().unwrap());
        canaries.add("a user's password", USERS_PASSWORD);
        canaries.add("a wrong password", WRONG_PASSWORD);
        canaries.token("the administrator's token", hub.token());
        Self { hub, canaries, things: Things::new(), lab }
    }

    /// Asks, and holds the answer to what it may say; gives its status and text.
    fn ask(&mut self, method: &str, path: &str, body: Option<&Json>) -> (u16, String) {
        let form = body.filter(|_| path == "/auth").and_then(form);
        let kind = form.as_ref().map(|_| ("Content-Type", "application/x-www-form-urlencoded"));
        let sent = form.or_else(|| body.map(Json::to_string));
        let (status, head, text) = self.hub.ask((method, path), kind.as_slice(), sent.as_deref());
        // These show what they made, once: from here on it is found nowhere else.
        let shown = match serde_json::from_str::<Json>(&text) {
            Ok(answer) if path == "/api/v1/clients" && method == "POST" => {
                answer["clientSecret"].as_str().map(str::to_owned)
            }
            _ if path == "/auth" && status < 300 => Some(text.clone()),
            _ => None,
        };
        let rest = shown.as_ref().map_or(text.clone(), |shown| text.replacen(shown, "", 1));
        self.canaries.absent(&format!("the answer to {method} {path}: {rest}"), format!("{head}{rest}").as_bytes());
        if let Some(shown) = shown {
            self.canaries.absent(&format!("the head of the answer to {method} {path}"), head.as_bytes());
            self.canaries.token(&format!("what {method} {path} showed"), &shown);
        }
        (status, text)
    }

    fn made(&mut self, path: &str, body: &Json) -> String {
        let (status, text) = self.ask("POST", path, Some(body));
        assert!((200..300).contains(&status), "{path}: {status} {text}");
        serde_json::from_str::<Json>(&text).unwrap()["id"].as_str().unwrap().to_owned()
    }

    /// Fills the hub: a connector that worked and failed, its runs, things of each kind.
    fn fill(&mut self) {
        let (connector, profile) = self.hub.configure(authentication(self.lab), None);
        let tested = self.hub.ended(&self.hub.post(&format!("/api/v1/connectors/{connector}/test"), &json!({})));
        assert_eq!(tested["result"], "passed", "{tested}");
        let run = self.hub.ended(&self.hub.run(&profile, "full"));
        assert_eq!(run["result"], "complete", "{run}");
        self.lab.set_faults(Faults { bind: Some("52e".to_owned()), ..Faults::default() });
        let failed = self.hub.ended(&self.hub.run(&profile, "delta"));
        assert_eq!(failed["result"], "failed", "{failed}");
        self.hub.ended(&self.hub.post(&format!("/api/v1/connectors/{connector}/test"), &json!({})));
        self.lab.set_faults(Faults::default());
        let first = |list: &str| self.hub.get(list)["items"][0]["id"].to_string();
        let assets = ["inventory/users", "inventory/groups"].map(|class| (class, first(&format!("/api/v1/{class}"))));
        self.things.extend(assets);
        let role = self.hub.get("/api/v1/inventory/groups?limit=1")["items"][0]["id"].to_string();
        let (job, ran) = (run["id"].as_str().unwrap().to_owned(), run["runId"].to_string());
        self.things.extend([("jobs", job), ("runs", ran), ("inventory/roles", role)]);
        self.things.extend([("connectors", connector), ("profiles", profile)]);
        let user = json!({ "username": "somebody", "password": USERS_PASSWORD, "role": "viewer" });
        let user = self.made("/api/v1/users", &user);
        let client = self.made("/api/v1/clients", &json!({ "name": "a client", "role": "viewer" }));
        let clone = "/api/v1/transform-maps/default:active_directory:users/clone";
        let map = self.made(clone, &json!({ "name": "a map" }));
        self.things.extend([("users", user), ("clients", client), ("transform-maps", map)]);
    }

    /// Every operation, with what it takes and with secrets where they do not belong; what ends things comes last.
    fn walk(&mut self) {
        let document: Json = serde_json::from_str(&self.ask("GET", "/openapi.json", None).1).unwrap();
        let mut operations = Vec::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let method = method.to_uppercase();
                let rank = ["GET", "POST", "PATCH", "PUT", "DELETE"].iter().position(|one| *one == method);
                let ends = (path == "/api/v1/session", path.starts_with("/api/v1/connectors"));
                operations.push((rank.unwrap(), ends, path.clone(), method, operation["requestBody"].is_object()));
            }
        }
        operations.sort();
        let (mut worked, mut refused) = (0, Vec::new());
        for (_, _, path, method, takes_body) in operations {
            let to = self.filled(&path);
            let body = takes_body.then(|| self.body(&path, &method));
            let (status, text) = self.ask(&method, &to, body.as_ref());
            assert!(status < 500, "{method} {to}: {text}");
            // What an agent sends within its session has a test of its own, with a canary in what it is sealed.
            match status {
                ..300 => worked += 1,
                _ if path.starts_with("/agent/v1") => {}
                _ => refused.push(format!("{status} {method} {to}")),
            }
            for wrong in body.iter().flat_map(misplaced) {
                let (status, text) = self.ask(&method, &to, Some(&wrong));
                assert!((400..500).contains(&status), "{method} {to}: {status} {text}");
            }
            if path.contains('{') {
                self.ask(&method, &path.replace("{id}", "%00"), body.as_ref());
            }
        }
        // Not `/auth/oidc` and `/auth` with what a walk gives, no role, no held set, and a few that are in use.
        assert!(refused.len() * 4 <= worked, "{worked} worked, not {refused:#?}");
    }

    fn filled(&self, path: &str) -> String {
        let Some((before, rest)) = path.split_once("/{") else { return path.to_owned() };
        let behind = rest.split_once('}').unwrap().1;
        let id = self.things.get(before.trim_start_matches("/api/v1/"));
        format!("{before}/{}{behind}", id.map_or("active_directory", String::as_str))
    }

    fn body(&self, path: &str, method: &str) -> Json {
        let authentication = authentication(self.lab);
        let owner =
            Owner { mark: MARK, things: &self.things, authentication: &authentication, password: USERS_PASSWORD };
        owner.body(path, method)
    }

    /// Signing in, rightly and wrongly, by each of the ways there are.
    fn sign_in(&mut self) {
        let right = json!({ "username": "admin", "password": PASSWORD });
        assert_eq!(self.ask("POST", "/auth", Some(&right)).0, 201);
        for (name, password) in [("admin", WRONG_PASSWORD), ("nobody", PASSWORD), (PASSWORD, "x")] {
            let (status, _) = self.ask("POST", "/auth", Some(&json!({ "username": name, "password": password })));
            assert_eq!(status, 401);
        }
        let client = json!({ "name": "signs in", "role": "viewer" });
        let made: Json = serde_json::from_str(&self.ask("POST", "/api/v1/clients", Some(&client)).1).unwrap();
        let (id, secret) = (made["id"].as_str().unwrap(), made["clientSecret"].as_str().unwrap());
        let (status, head, token) =
            self.hub.ask(("POST", "/auth/oidc"), &[("clientId", id), ("clientSecret", secret)], Some(""));
        assert_eq!(status, 201, "{token}");
        self.canaries.absent("the head of the answer to a client", head.as_bytes());
        self.canaries.token("the client's token", &token);
        let broken = format!("Bearer {token}x");
        let basic = format!("Basic {}", base64(format!("admin:{PASSWORD}").as_bytes()));
        let headers: [&[(&str, &str)]; 4] = [
            &[("clientId", id), ("clientSecret", WRONG_PASSWORD)],
            &[("clientId", secret), ("clientSecret", secret)],
            &[("Authorization", &broken)],
            &[("Authorization", &basic)],
        ];
        for headers in headers {
            let (_, head, text) = self.hub.ask(("POST", "/auth/oidc"), headers, Some(""));
            self.canaries.absent("a refused client's answer", format!("{head}{text}").as_bytes());
            let (_, head, text) = self.hub.ask(("GET", "/api/v1/session"), headers, None);
            self.canaries.absent("a session's answer", format!("{head}{text}").as_bytes());
        }
    }

    /// The console's pages, and what it keeps in a cookie.
    fn console(&mut self) {
        let form = format!("username=admin&password={PASSWORD}");
        let headers = [("Content-Type", "application/x-www-form-urlencoded"), ("Sec-Fetch-Site", "same-origin")];
        let (status, head, _) = self.hub.ask(("POST", "/console/sign-in"), &headers, Some(&form));
        assert_eq!(status, 303, "{head}");
        let cookie = head.split("muster_session=").nth(1).unwrap().split(';').next().unwrap().to_owned();
        let cookie_header = format!("muster_session={cookie}");
        self.canaries.token("the console's token", &cookie);
        let (_, _, page) = self.hub.ask(
            ("POST", "/console/sign-in"),
            &headers,
            Some(&format!("username=admin&password={WRONG_PASSWORD}")),
        );
        self.canaries.absent("the page of a wrong password", page.as_bytes());
        let connector = self.things["connectors"].clone();
        for page in [
            "users".to_owned(),
            "sources".to_owned(),
            "connectors".to_owned(),
            format!("connectors/{connector}"),
            format!("connectors/{connector}/edit"),
            "runs".to_owned(),
            format!("runs/{}", self.things["jobs"]),
            "accounts".to_owned(),
            "clients".to_owned(),
            "audit".to_owned(),
        ] {
            let (status, head, text) =
                self.hub.ask(("GET", &format!("/console/{page}")), &[("Cookie", &cookie_header)], None);
            assert_eq!(status, 200, "{page}");
            self.canaries.absent(&format!("the page {page}"), format!("{head}{text}").as_bytes());
        }
        for path in ["/healthz", "/metrics"] {
            self.ask("GET", path, None);
        }
    }
}

/// A body of nothing but texts as a form.
fn form(body: &Json) -> Option<String> {
    let mut pairs = vec!["token=true".to_owned()];
    for (name, value) in body.as_object()? {
        pairs.push(format!("{name}={}", value.as_str()?));
    }
    Some(pairs.join("&"))
}

/// The body with what is secret in it where it does not belong.
fn misplaced(body: &Json) -> Vec<Json> {
    let secret = body.get("password").or_else(|| body.pointer("/settings/authentication/password")).cloned();
    let Some(secret) = secret else { return Vec::new() };
    let place = |pointer: &str, value: Json| {
        let mut wrong = body.clone();
        let (object, key) = pointer.rsplit_once('/').unwrap();
        wrong.pointer_mut(object)?[key] = value;
        Some(wrong)
    };
    let mut wrong: Vec<Json> = [
        place("/pasword", secret.clone()),
        place("/role", json!({ "x": secret })),
        place("/settings", secret.clone()),
        place("/settings/authentication/pasword", secret.clone()),
        place("/settings/authentication/port", secret.clone()),
        place("/settings/authentication/host", json!(format!("ldap://{}", secret.as_str().unwrap()))),
        place("/settings/authentication/password", json!([secret.clone()])),
    ]
    .into_iter()
    .flatten()
    .collect();
    wrong.push(json!([body]));
    wrong.push(secret);
    wrong
}

/// Every file below a directory, but for the key's own.
fn files(directory: &Path, canaries: &Canaries) -> Vec<String> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        if name != "secret.key" {
            canaries.absent(&format!("the file `{name}`"), &std::fs::read(entry.path()).unwrap());
            names.push(name);
        }
    }
    names
}

async fn found_nowhere(place: &Place, location: &Location, key: impl Fn() -> String) {
    let lab = directory(40).await;
    let scratch = tempfile::tempdir().unwrap();
    let log = scratch.path().join("log");
    let mut canaries = tokio::task::block_in_place(|| {
        let mut watched = Watched::start(place, &log, &lab);
        watched.canaries.add("the secret key", key().trim());
        watched.fill();
        watched.sign_in();
        watched.console();
        watched.walk();
        let Watched { hub, canaries, .. } = watched;
        // As it lies there while the hub runs: with what has not come into the database's file yet.
        if let Place::Directory(data) = place {
            let names = files(data, &canaries);
            assert!(names.iter().any(|name| name == "muster.db-wal"), "{names:?}");
        }
        hub.signal("-TERM");
        drop(hub);
        canaries
    });
    let logged = std::fs::read(&log).unwrap();
    let text = String::from_utf8_lossy(&logged);
    assert!(text.contains("DEBUG"), "everything is logged");
    canaries.absent("the log", &logged);
    let store = Store::open(location).await.unwrap();
    assert!(!store.all_secrets().await.unwrap().is_empty(), "there is something sealed");
    for (table, rows) in everything(&store).await {
        canaries.absent(&format!("the table `{table}`"), rows.join("\n").as_bytes());
    }
    if let Place::Directory(data) = place {
        let copy = data.join("copy.db");
        let statement = format!("VACUUM INTO '{}'", copy.display());
        let mut reader = store.reader().await.unwrap();
        reader.conn().execute("copying", statement, Vec::new()).await.unwrap();
        assert!(files(data, &canaries).iter().any(|name| name == "copy.db"));
    }
    store.close().await;
    // What is looked for is found where it is.
    canaries.add("a name", MARK);
    let audit = everything(&Store::open(location).await.unwrap()).await["audit"].join("\n");
    assert_eq!(canaries.found(audit.as_bytes()), ["a name"]);
    lab.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_of_the_hub_is_found_nowhere() {
    let scratch = tempfile::tempdir().unwrap();
    let data = scratch.path().join("hub");
    let key = || std::fs::read_to_string(data.join("secret.key")).unwrap();
    found_nowhere(&Place::Directory(data.clone()), &Location::Directory(data.clone()), key).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_of_a_hub_on_postgres_is_found_nowhere() {
    let Some(schema) = Schema::make("secrets") else {
        eprintln!("SKIPPED: MUSTER_TEST_POSTGRES is not set, this test needs PostgreSQL");
        return;
    };
    let location = Location::Url(muster_core::secret::Secret::new(schema.url.clone()));
    found_nowhere(&Place::Database(schema.url.clone()), &location, || "ab".repeat(32)).await;
}
