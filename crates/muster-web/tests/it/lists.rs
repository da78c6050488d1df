//! Lists ask the store as often for much as for little, and tell of each row what is its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::http::Method;
use muster_store::hub::{JobEnd, NewJob};
use serde_json::{Value, json};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::app::{TestApp, both};
use crate::configure::{connector, profile};
use crate::console::browser::{Browser, words};

/// Counts what the store says that it does.
#[derive(Default)]
struct Statements(Arc<AtomicUsize>);

impl Subscriber for Statements {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "muster_store::sql"
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, _: &Event<'_>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// How many statements a request makes.
async fn statements(app: &TestApp, path: &str) -> usize {
    let count = Arc::default();
    let guard = tracing::subscriber::set_default(Statements(Arc::clone(&count)));
    match path.starts_with("/console/") {
        true => drop(Browser::manager(app).page(path).await),
        false => drop(app.get(path).await.expect(200)),
    }
    drop(guard);
    count.load(Ordering::SeqCst)
}

#[tokio::test]
async fn no_list_asks_once_for_each_row() {
    both(async |app| {
        let first = connector(&app, "d0").await;
        profile(&app, &first, json!({ "name": "p0", "active": false })).await;
        let of_first = format!("/api/v1/connectors/{}/profiles", first["id"].as_str().unwrap());
        let detail = format!("/console/connectors/{}", first["id"].as_str().unwrap());
        let paths = ["/api/v1/connectors", &of_first, "/console/connectors", &detail];
        let mut before = Vec::new();
        for path in paths {
            before.push(statements(&app, path).await);
        }
        assert!(before.iter().all(|count| (2..20).contains(count)), "{before:?}");
        for number in 1..6 {
            connector(&app, &format!("d{number}")).await;
            profile(&app, &first, json!({ "name": format!("p{number}"), "active": false })).await;
        }
        for (path, before) in paths.into_iter().zip(before) {
            assert_eq!(statements(&app, path).await, before, "{path}");
        }
    })
    .await;
}

/// Does work of a kind for a connector's profile: it is claimed, and ended with a result.
async fn work(app: &TestApp, (connector, profile): (i64, Option<i64>), (kind, result): (&str, &str)) {
    let (uuid, payload, now) = (app.hub.random.uuid(), json!({}), app.hub.now());
    let exclusive = Some(format!("{kind}:{connector}:{profile:?}"));
    let job = NewJob {
        tenant: 1,
        uuid: &uuid,
        kind,
        connector,
        profile,
        payload: &payload,
        exclusive,
        requested_by: "test",
        now,
    };
    app.hub.store.enqueue(&job, None).await.unwrap();
    let (_, claim) = app.hub.store.claim_job("test", now, 60_000_000).await.unwrap().unwrap();
    if !result.is_empty() {
        let message = Some(result).filter(|result| *result == "failed");
        app.hub.store.end_job(&claim, JobEnd { result, message, now }).await.unwrap();
    }
}

#[tokio::test]
async fn states_are_each_rows_own_however_much_happened_since() {
    both(async |app| {
        let (calm, busy) = (connector(&app, "calm").await, connector(&app, "busy").await);
        let id = |value: &Value| value["id"].as_str().unwrap().to_owned();
        let of = |name: &str| json!({ "name": name, "active": false });
        let (first, second) = (profile(&app, &busy, of("first")).await, profile(&app, &busy, of("second")).await);
        let connector = app.hub.store.connection(1, &id(&busy)).await.unwrap().unwrap().id;
        let mut rows = Vec::new();
        for profile in [&first, &second] {
            rows.push(app.hub.store.profile(1, &id(profile)).await.unwrap().unwrap().id);
        }
        work(&app, (connector, Some(rows[0])), ("run", "failed")).await;
        // Tests of a connection are no runs: however many there are, the last run is the last run.
        for _ in 0..30 {
            work(&app, (connector, None), ("check", "passed")).await;
        }
        work(&app, (connector, Some(rows[1])), ("run", "")).await;
        let listed = app.get("/api/v1/connectors").await.expect(200);
        let told = |value: &Value| {
            let text = |name: &str| value[name].as_str().unwrap_or("-").to_owned();
            [text("name"), text("state"), text("lastResult"), text("lastError")].join(" ")
        };
        let items: Vec<String> = listed["items"].as_array().unwrap().iter().map(told).collect();
        assert_eq!(items, ["calm Registered - -", "busy Processing failed failed"]);
        assert_eq!(listed["items"][1]["settings"]["authentication"]["password"], json!({ "set": true }));
        assert_eq!(listed["items"][1], app.get(&format!("/api/v1/connectors/{}", id(&busy))).await.expect(200));
        let path = format!("/api/v1/connectors/{}/profiles", id(&busy));
        let listed = app.get(&path).await.expect(200);
        let items: Vec<String> = listed["items"].as_array().unwrap().iter().map(told).collect();
        assert_eq!(items, ["first Registered failed failed", "second Processing - -"]);
        assert_eq!(app.get(&format!("/api/v1/connectors/{}", id(&calm))).await.expect(200)["state"], "Registered");
        assert_eq!(listed["items"][0]["connectorId"], busy["id"]);
        // Another tenant's are not told, though they have the same numbers.
        let other = app.other_tenant().await;
        let stranger = app.somebody(&other, "stranger", "manager").await;
        let foreign = app.call_as(&stranger, (Method::GET, "/api/v1/connectors"), None).await.expect(200);
        assert_eq!(foreign["items"], json!([]));
        let page = words(&Browser::manager(&app).page("/console/connectors").await);
        assert!(page.contains("busy Microsoft Active Directory") && page.contains("Processing"), "{page}");
    })
    .await;
}
