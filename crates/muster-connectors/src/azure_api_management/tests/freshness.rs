//! When a definition is exported: with a clock of the test's own.

use async_trait::async_trait;
use muster_core::clock::{FixedClock, Instant};
use muster_core::connector::{
    Batch, BatchSink, Connector as _, Cursor, Mode, ReadRequest, ScopeEnd, ScopePlan, SinkClosed,
};

use super::*;
use crate::azure_api_management::ApiManagement;

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

pub(super) const SERVICE: &str = "/subscriptions/s-1/resourceGroups/g/providers/Microsoft.ApiManagement/service/n";

pub(super) fn list(items: serde_json::Value) -> (u16, serde_json::Value) {
    (200, json!({ "value": items }))
}

fn api_of(title: &str) -> serde_json::Value {
    json!({ "id": format!("{SERVICE}/apis/a"), "name": "a", "properties": {
        "displayName": title, "path": "a", "isCurrent": true, "subscriptionRequired": true,
    }})
}

/// What a plan asks for.
pub(super) fn plan_of(title: &str) -> Vec<(u16, serde_json::Value)> {
    vec![
        list(json!([{ "subscriptionId": "s-1" }])),
        list(json!([{ "id": SERVICE, "properties": { "gatewayUrl": "https://g.example" } }])),
        (400, json!({ "error": { "code": "MethodNotAllowedInPricingTier", "message": "no workspaces here" } })),
        (200, json!({ "value": [api_of(title)], "count": 1 })),
    ]
}

/// What reading the service's one API asks for, up to its lists.
pub(super) fn reading_of(title: &str) -> Vec<(u16, serde_json::Value)> {
    vec![
        (200, json!({ "value": [api_of(title)], "count": 1 })),
        list(json!([{ "name": "o", "properties": { "method": "GET", "urlTemplate": "/x" } }])),
        list(json!([])),
        list(json!([])),
    ]
}

/// What a run asks for: the plan, then the one API's lists, then its definition where it is exported.
fn run_of(port: u16, title: &str, exported: bool) -> Vec<(u16, serde_json::Value)> {
    let product = json!({ "id": format!("{SERVICE}/products/p"), "name": "p", "properties": {
        "displayName": "P", "subscriptionRequired": false, "state": "published",
    }});
    let held = json!([{ "id": format!("{SERVICE}/products/p/apis/a"), "name": "A", "properties": {} }]);
    let mut answers = [plan_of(title), vec![list(json!([product])), list(held)], reading_of(title)].concat();
    if exported {
        let document = json!({ "openapi": "3.0.1", "info": { "title": title }, "paths": { "/x": { "get": {} } } });
        answers.push((200, json!({ "link": format!("http://127.0.0.1:{port}/api-export/The a.json?sig=1") })));
        answers.push((200, document));
    }
    answers
}

#[tokio::test]
async fn a_definition_is_exported_afresh_when_it_is_old_enough() {
    let azure = Azure::start(|port| {
        let runs = [true, false, true, true].map(|exported| run_of(port, "A", exported)).concat();
        std::iter::once(token()).chain(runs).collect()
    });
    let mut config = azure.config("v1");
    config.export_after_days = 7;
    let day = 86_400_000_000;
    let clock = Arc::new(FixedClock::at(Instant(20_000 * day)));
    let source = ApiManagement::new(config, Arc::<FixedClock>::clone(&clock)).unwrap();
    let scope = ScopePlan { stream: "apis".to_owned(), name: Arc::from(SERVICE.to_lowercase()) };
    let mut cursor: Option<Cursor> = None;
    // Read at first; the sixth day after it is as it was; on the seventh it is asked for whatever the lists say, and when
    // a full run is asked for.
    for (days, mode, records) in [(0, Mode::Delta, 1), (6, Mode::Delta, 0), (1, Mode::Delta, 1), (0, Mode::Full, 1)] {
        clock.advance(days * day);
        let plan = source.plan().await.unwrap();
        assert_eq!(plan.scopes, std::slice::from_ref(&scope));
        let sink = Keeping(Mutex::default());
        let request = ReadRequest { scope: &scope, mode, cursor: cursor.as_ref() };
        let end: ScopeEnd = source.read(request, &sink).await.unwrap();
        assert_eq!(end.open, None);
        let batches = sink.0.into_inner().unwrap();
        let read = |keys_only: bool| {
            let of_kind = batches.iter().filter(|batch| batch.keys_only == keys_only);
            of_kind.map(|batch| batch.records.len()).sum::<usize>()
        };
        assert_eq!((read(false), read(true)), (records, 1 - records), "{days} days on, {mode:?}");
        cursor = end.cursor;
    }
    assert!(azure.asked().last().unwrap().starts_with("GET /api-export/The%20a.json"), "{:?}", azure.asked());
}
