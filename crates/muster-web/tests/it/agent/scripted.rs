//! A scripted agent: it calls as a real one does, and reads a little directory.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::body::Body;
use axum::http::{Method, Request, header};
use data_encoding::BASE64URL_NOPAD;
use http_body_util::BodyExt as _;
use muster_core::agent::{
    Answer as Told, BatchParcel, Configuration, Offer, Order, Parcel, Report, RunState, SESSION_HEADER, Task, Welcome,
    is_set, pack, session_keyring,
};
use muster_core::connector::{
    Batch, BatchSink, Connector, Mode, ReadRequest, ScopeEnd, ScopePlan, SinkClosed, Step, StepOutcome,
};
use muster_core::seal::Keyring;
use muster_engine::worker::Worker;
use ring::agreement::{EphemeralPrivateKey, UnparsedPublicKey, X25519, agree_ephemeral};
use ring::rand::SystemRandom;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tower::ServiceExt as _;

use crate::app::TestApp;
use crate::directory::Directory;

pub(crate) const CANARY: &str = "canary-of-the-directory";
pub(crate) const PARCEL: &str = "application/vnd.muster.parcel";

/// A connector that an agent runs, with a profile, and the administrator bound to it.
pub(crate) struct Site {
    pub(crate) customer: String,
    pub(crate) connector: String,
    pub(crate) profile: String,
}

impl Site {
    pub(crate) async fn new(app: &TestApp) -> Self {
        Self::new_named(app, "site").await
    }

    pub(crate) async fn new_named(app: &TestApp, name: &str) -> Self {
        let settings = json!({ "authentication": { "host": "dc1.example.com", "bindDn": "CN=x", "password": CANARY } });
        let body = json!({ "name": name, "type": "active_directory", "execution": "agent", "settings": settings });
        let connector = app.post("/api/v1/connectors", body).await.expect(201)["id"].as_str().unwrap().to_owned();
        let path = format!("/api/v1/connectors/{connector}/profiles");
        let profile = app.post(&path, json!({ "name": "all" })).await.expect(201)["id"].as_str().unwrap().to_owned();
        let customer = app.first_tenant().await.uuid;
        let site = Self { customer, connector, profile };
        site.bind(app, "admin").await;
        site
    }

    /// Binds an account to the connector.
    pub(crate) async fn bind(&self, app: &TestApp, name: &str) -> String {
        let users = app.get("/api/v1/users").await.expect(200);
        let user = users["items"].as_array().unwrap().iter().find(|user| user["username"] == name).unwrap();
        let path = format!("/api/v1/connectors/{}/agent-bindings", self.connector);
        let bound = app.post(&path, json!({ "userId": user["id"] })).await.expect(201);
        bound["id"].as_str().unwrap().to_owned()
    }

    pub(crate) fn hello(&self, public_key: &str) -> Value {
        json!({
            "customer": self.customer, "connection": self.connector, "profile": self.profile, "host": "machine",
            "version": "0.1.0", "cron": "*/10 * * * *", "timeZone": "UTC", "publicKey": public_key, "holds": [],
        })
    }
}

/// The engine's side, at work until its jobs are done.
pub(crate) fn worker(app: &TestApp, owner: &str) -> JoinHandle<usize> {
    let worker = Worker {
        store: app.hub.store.clone(),
        kinds: muster_connectors::REGISTRY,
        keyring: Arc::clone(&app.hub.keyring),
        clock: Arc::clone(&app.clock) as _,
        owner: owner.to_owned(),
        parallel: 2,
    };
    tokio::spawn(async move { worker.drain().await.unwrap() })
}

/// An agent in a session.
pub(crate) struct Agent<'a> {
    pub(crate) app: &'a TestApp,
    pub(crate) token: String,
    pub(crate) session: String,
    pub(crate) keyring: Keyring,
    pub(crate) configuration: Configuration,
    /// Of each offer: how many records, and how many of them the hub wanted.
    pub(crate) offered: Mutex<Vec<(usize, usize)>>,
}

impl<'a> Agent<'a> {
    pub(crate) async fn begin(app: &'a TestApp, site: &Site) -> Self {
        Self::begin_with(app, &app.token, |key| site.hello(key)).await
    }

    pub(crate) async fn begin_with(app: &'a TestApp, token: &str, hello: impl FnOnce(&str) -> Value) -> Self {
        let own = EphemeralPrivateKey::generate(&X25519, &SystemRandom::new()).unwrap();
        let public = own.compute_public_key().unwrap();
        let hello = hello(&BASE64URL_NOPAD.encode(public.as_ref()));
        let welcome = app.call_as(token, (Method::POST, "/agent/v1/sessions"), Some(hello)).await.expect(201);
        let welcome: Welcome = serde_json::from_value(welcome).unwrap();
        let theirs = BASE64URL_NOPAD.decode(welcome.public_key.as_bytes()).unwrap();
        let keyring = agree_ephemeral(own, &UnparsedPublicKey::new(&X25519, &theirs), |shared| {
            session_keyring(shared, public.as_ref(), &theirs)
        });
        let Welcome { session, configuration, .. } = welcome;
        Self {
            app,
            token: token.to_owned(),
            session,
            keyring: keyring.unwrap(),
            configuration,
            offered: Mutex::default(),
        }
    }

    pub(crate) async fn send(&self, (method, path): (Method, &str), kind: &str, body: Vec<u8>) -> (u16, Vec<u8>) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token))
            .header(SESSION_HEADER, &self.session)
            .header(header::CONTENT_TYPE, kind);
        let answer = self.app.router.clone().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.into_body().collect().await.unwrap().to_bytes().to_vec())
    }

    /// A request in JSON.
    pub(crate) async fn call(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        let (status, bytes) = self.send((method, path), "application/json", body.to_string().into_bytes()).await;
        (status, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    async fn good<T: DeserializeOwned>(&self, method: Method, path: &str, body: Value) -> T {
        let (status, told) = self.call(method, path, body).await;
        assert!(status < 300, "{path}: {told}");
        serde_json::from_value(told).unwrap()
    }

    pub(crate) async fn poll(&self, working: &[i64], wait_ms: u64) -> Told {
        let report = Report { wait_ms, working: working.to_vec(), ..Report::default() };
        self.good(Method::POST, "/agent/v1/poll", json!(report)).await
    }

    pub(crate) async fn run(&self, request: &str, mode: &str) -> RunState {
        self.good(Method::POST, "/agent/v1/runs", json!({ "request": request, "mode": mode })).await
    }

    pub(crate) async fn state(&self, job: &str) -> RunState {
        self.good(Method::GET, &format!("/agent/v1/runs/{job}"), Value::Null).await
    }

    /// Waits for an order that it does not know.
    pub(crate) async fn order(&self, known: &[i64]) -> Order {
        for _ in 0..100 {
            let told = self.poll(known, 2000).await;
            if let Some(order) = told.orders.into_iter().find(|order| !known.contains(&order.id)) {
                return order;
            }
        }
        panic!("no order came");
    }

    /// Waits until an order is over.
    pub(crate) async fn over(&self, order: i64) {
        for _ in 0..100 {
            if self.poll(&[order], 2000).await.orders.iter().all(|open| open.id != order) {
                return;
            }
        }
        panic!("the order stays");
    }

    /// Puts bytes; gives status and code.
    pub(crate) async fn put_bytes(&self, order: i64, sequence: u64, bytes: Vec<u8>) -> (u16, String) {
        let path = format!("/agent/v1/orders/{order}/parcels/{sequence}");
        let (status, told) = self.send((Method::PUT, &path), PARCEL, bytes).await;
        let told: Value = serde_json::from_slice(&told).unwrap_or_default();
        (status, told["code"].as_str().unwrap_or_default().to_owned())
    }

    pub(crate) async fn put(&self, order: i64, sequence: u64, parcel: &Parcel) {
        assert_eq!(self.put_bytes(order, sequence, pack(parcel).unwrap()).await.0, 204);
    }

    pub(crate) async fn lost(&self, order: i64) -> u16 {
        self.call(Method::POST, &format!("/agent/v1/orders/{order}/lost"), Value::Null).await.0
    }

    /// Which records of a batch the hub wants.
    pub(crate) async fn wanted(&self, order: i64, batch: &Batch) -> Vec<u8> {
        let path = format!("/agent/v1/orders/{order}/wanted");
        let (status, bits) = self.send((Method::POST, &path), PARCEL, pack(&Offer::of(batch)).unwrap()).await;
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&bits));
        let offered = batch.records.len();
        let wanted = (0..offered).filter(|at| is_set(&bits, *at)).count();
        self.offered.lock().unwrap().push((offered, wanted));
        bits
    }

    /// The parcels that answer an order, as a real agent makes them: what the hub has just so travels as hashes.
    pub(crate) async fn answers(&self, order: &Order, directory: &Directory) -> Vec<Parcel> {
        match &order.task {
            Task::Plan => vec![Parcel::Plan(directory.plan().await.unwrap().into())],
            Task::Check => {
                let message = "bound".to_owned();
                let step = Step { name: "bind".to_owned(), outcome: StepOutcome::Passed, message, remedy: None };
                vec![Parcel::Step(step.into()), Parcel::Checked(true)]
            }
            Task::Confirm { stream, keys } => {
                vec![Parcel::Verdicts(directory.confirm(stream, keys, &Kept::default()).await.unwrap())]
            }
            Task::Read { stream, scope, mode, cursor } => {
                let (batches, mut end) = read(directory, (stream, scope), cursor.as_ref()).await;
                let mut parcels = Vec::new();
                for mut batch in batches {
                    if *mode == Mode::Sweep {
                        batch = keys(&batch);
                        end.mode = Mode::Sweep;
                    }
                    let wanted = if order.known { Some(self.wanted(order.id, &batch).await) } else { None };
                    let model = directory.model().stream(stream).unwrap();
                    parcels.push(Parcel::Batch(BatchParcel::of(batch, model, wanted.as_deref())));
                }
                parcels.push(Parcel::End(end.into()));
                parcels
            }
        }
    }

    /// Answers orders until the run is over; gives it, and the orders there were.
    pub(crate) async fn follow(&self, job: &str, directory: &Directory) -> (RunState, Vec<Task>) {
        let (mut done, mut tasks) = (Vec::new(), Vec::new());
        for _ in 0..200 {
            let state = self.state(job).await;
            if state.state == "ended" {
                return (state, tasks);
            }
            let told = self.poll(&done, 200).await;
            done.retain(|id| told.orders.iter().any(|order| order.id == *id));
            for order in told.orders.iter().filter(|order| !done.contains(&order.id)).cloned().collect::<Vec<_>>() {
                for (sequence, parcel) in self.answers(&order, directory).await.iter().enumerate() {
                    self.put(order.id, u64::try_from(sequence).unwrap(), parcel).await;
                }
                done.push(order.id);
                tasks.push(order.task);
            }
        }
        panic!("the run does not end");
    }
}

/// Reads a scope of the directory.
pub(crate) async fn read(
    directory: &Directory,
    (stream, scope): (&str, &str),
    cursor: Option<&muster_core::connector::Cursor>,
) -> (Vec<Batch>, ScopeEnd) {
    let plan = ScopePlan { stream: stream.to_owned(), name: Arc::from(scope) };
    let kept = Kept::default();
    let request = ReadRequest { scope: &plan, mode: Mode::Full, cursor };
    let end = Connector::read(directory, request, &kept).await.unwrap();
    (kept.0.into_inner().unwrap(), end)
}

/// The keys of a batch alone, as a sweep reads them.
fn keys(batch: &Batch) -> Batch {
    let mut keys = Batch::new(Arc::clone(&batch.stream), Arc::clone(&batch.scope));
    keys.keys_only = true;
    batch.records.iter().for_each(|record| keys.records.push_key(record.key()));
    keys
}

/// Keeps batches.
#[derive(Default)]
pub(crate) struct Kept(Mutex<Vec<Batch>>);

#[async_trait]
impl BatchSink for Kept {
    async fn send(&self, batch: Batch) -> Result<(), SinkClosed> {
        self.0.lock().unwrap().push(batch);
        Ok(())
    }

    fn is_closed(&self) -> bool {
        false
    }
}
