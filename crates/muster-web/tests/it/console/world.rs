//! A hub that has something to show: a connector, a profile, runs made by the engine.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use muster_core::connector::Mode;
use muster_core::run::RunResult;
use muster_engine::{Options, Progress, Subject};
use muster_store::hub::{ConnectionChange, ConnectionRow, JobEnd, NewJob, ProfileChange, ProfileRow};
use muster_store::{ConnectorRow, Order};
use serde_json::{Value, json};

use super::source::{Object, Paper, group, user};
use crate::app::TestApp;

/// What no page may show.
pub(crate) const CANARY: &str = "canary-bind-password";

/// A connector, its profile and its source.
pub(crate) struct World {
    pub(crate) connection: ConnectionRow,
    pub(crate) profile: ProfileRow,
    pub(crate) paper: Paper,
}

struct Silent;

impl Progress for Silent {
    fn scope(&self, _: &str, _: &str, _: u64, _: bool) {}
    fn phase(&self, _: &str) {}
}

/// People and groups with names that are hard on pages.
pub(crate) fn people() -> Vec<Object> {
    vec![
        user(
            1001,
            "Ada Lovelace",
            json!({ "mail": "ada@example.test", "givenName": "Ada", "department": "Engines", "co": "United Kingdom", "lastLogon": "133500000000000000" }),
        ),
        user(1002, "<script>alert(1)</script>", json!({ "mail": "\"><img src=x onerror=alert(1)>" })),
        user(1003, "שלום עולם", json!({ "userAccountControl": "514", "title": "מנהלת" })),
        user(1004, "Grace Hopper", json!({ "department": "Navy" })),
        group(512, "Domain Admins", &[1001, 601], json!({ "description": "May do everything" })),
        group(513, "Domain Users", &[], json!({})),
        group(601, "Nested <b>team</b>", &[1002, 602], json!({})),
        group(602, "Circle", &[601, 1004], json!({ "groupType": "8" })),
    ]
}

impl World {
    /// The connector and its profile; nothing has run yet.
    pub(crate) async fn new(app: &TestApp, tenant: i64, objects: Vec<Object>) -> Self {
        let offer = app.hub.offer("active_directory").unwrap().clone();
        let settings = json!({ "authentication": { "host": "dc.example.test", "bindDn": "CN=reader", "port": 389 } });
        let change = ConnectionChange {
            name: "Head office",
            description: "The <directory> of the head office",
            settings: &settings,
            execution: "hub",
            secrets: &[],
            now: app.hub.now(),
        };
        let uuid = app.hub.random.uuid();
        let types = (offer.spec.type_name, offer.spec.source_name);
        let store = &app.hub.store;
        let connection = store.add_connection(types, (tenant, &uuid), &change, &app.audit(tenant)).await;
        let connection = connection.unwrap().unwrap();
        let (maps, parameters) = (json!({}), json!({ "baseContext": "DC=example" }));
        let change = ProfileChange {
            name: "Nightly",
            active: true,
            maps: &maps,
            parameters: &parameters,
            schedule: None,
            next_at: None,
            now: app.hub.now(),
        };
        let uuid = app.hub.random.uuid();
        let profile = store.add_profile((tenant, connection.id), &uuid, &change, &app.audit(tenant)).await;
        let profile = profile.unwrap().unwrap();
        Self { connection, profile, paper: Paper::new(&offer.model, objects) }
    }

    /// Asks for a run, without making it; gives the job's public id.
    pub(crate) async fn ask(&self, app: &TestApp, mode: Mode) -> String {
        let uuid = app.hub.random.uuid();
        let payload: Value = json!({ "mode": mode.word() });
        let job = NewJob {
            tenant: self.connection.tenant,
            uuid: &uuid,
            kind: "run",
            connector: self.connection.id,
            profile: Some(self.profile.id),
            payload: &payload,
            exclusive: Some(format!("profile:{}", self.profile.id)),
            requested_by: "admin",
            now: app.hub.now(),
        };
        app.hub.store.enqueue(&job, None).await.unwrap();
        uuid
    }

    /// Makes a run as a worker does; gives its result.
    pub(crate) async fn run(&self, app: &TestApp, mode: Mode) -> RunResult {
        self.ask(app, mode).await;
        self.work(app, mode).await
    }

    /// Maps again what is kept, as a worker does.
    pub(crate) async fn replay(&self, app: &TestApp) -> RunResult {
        app.post(&format!("/api/v1/profiles/{}/replay", self.profile.uuid), json!({})).await.expect(202);
        self.work(app, Mode::Replay).await
    }

    async fn work(&self, app: &TestApp, mode: Mode) -> RunResult {
        let now = app.hub.now();
        let (job, claim) = app.hub.store.claim_job("test", now, 60_000_000).await.unwrap().unwrap();
        let offer = app.hub.offer("active_directory").unwrap();
        let mut maps = BTreeMap::new();
        for stream in &offer.model.streams {
            let text = offer.default_map(&stream.name).unwrap();
            maps.insert(stream.name.clone(), Arc::new(muster_core::map::compile(text, stream).unwrap()));
        }
        let row =
            ConnectorRow { id: self.connection.id, tenant: self.connection.tenant, name: self.connection.name.clone() };
        let order = Order { profile: Some(self.profile.id), job: Some(job.id) };
        let subject = Subject { row: &row, connector: &self.paper, maps: &maps, order };
        let cancel = Arc::new(AtomicBool::new(false));
        let options = Options { mode, release: false, cancel, progress: Arc::new(Silent) };
        let (store, clock) = (&app.hub.store, app.clock.as_ref());
        let report = match mode {
            Mode::Replay => muster_engine::replay(store, subject, clock, (options, None)).await.unwrap(),
            _ => muster_engine::run(store, subject, clock, options).await.unwrap(),
        };
        let end = JobEnd { result: report.result.word(), message: None, now: app.hub.now() };
        app.hub.store.end_job(&claim, end).await.unwrap();
        report.result
    }
}
