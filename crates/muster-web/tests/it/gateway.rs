//! A little gateway, read by the engine: APIs and their definitions.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::http::Method;
use muster_core::connector::{
    Batch, BatchSink, Blob, Connector, ConnectorError, CountRange, ErrorKind, Mode, Plan, ReadRequest, ScopeEnd,
    ScopePlan, StepSink, Traffic, Verdict,
};
use muster_core::map;
use muster_core::model::DataModel;
use muster_engine::{Options, Report, Subject};
use muster_store::{ConnectorRow, Order};
use serde_json::{Value, json};

use crate::app::TestApp;
use crate::directory::Silent;

/// The connector type that brings APIs.
pub(crate) const TYPE: &str = "azure_api_management";

/// What a connector of that type is given to sign in with.
pub(crate) fn settings() -> Value {
    let secret = "canary-client-secret";
    json!({ "authentication": { "tenantId": "contoso.example", "clientId": "reader", "clientSecret": secret } })
}

#[derive(Debug)]
pub(crate) struct Gateway {
    model: Arc<DataModel>,
    /// The part before the name of an API in its key: another connector reads others.
    place: &'static str,
    apis: Mutex<BTreeMap<String, BTreeMap<String, Value>>>,
    documents: Mutex<Vec<Blob>>,
}

/// An OpenAPI document with these operations, `GET /a`.
pub(crate) fn document(title: &str, operations: &[&str]) -> String {
    let mut paths = json!({});
    for operation in operations {
        let (method, path) = operation.split_once(' ').unwrap();
        paths[path][method.to_lowercase()] = json!({ "responses": { "200": { "description": "done" } } });
    }
    json!({ "openapi": "3.0.1", "info": { "title": title, "version": "1" }, "paths": paths }).to_string()
}

impl Gateway {
    pub(crate) fn new(app: &TestApp, place: &'static str) -> Self {
        let model = Arc::clone(&app.hub.offer(TYPE).unwrap().model);
        Self { model, place, apis: Mutex::default(), documents: Mutex::default() }
    }

    /// An API of that name; `more` is laid over what every one has.
    pub(crate) fn put(&self, name: &str, more: Value) {
        let key = format!("/{}/{}", self.place, name.to_lowercase());
        let usual = json!({
            "id": key, "armId": key, "subscriptionId": "S-1", "resourceGroups": "Shop", "service": self.place,
            "api": name, "displayName": name, "type": "http", "apiRevision": "1", "subscriptionRequired": "TRUE",
            "definitionState": "none", "scanReady": "FALSE", "scanReadyReasons": "[\"no_definition\"]",
            "endpoints": "[]", "endpointCount": "0", "urls": "[]",
        });
        let mut values: BTreeMap<String, Value> = serde_json::from_value(usual).unwrap();
        values.extend(more.as_object().unwrap().clone());
        self.apis.lock().unwrap().insert(key, values);
    }

    /// An API of that name with a definition of these bytes; gives their hash.
    pub(crate) fn define(&self, name: &str, (ending, bytes): (&str, &[u8]), more: Value) -> String {
        let hash = data_encoding::HEXLOWER.encode(ring::digest::digest(&ring::digest::SHA256, bytes).as_ref());
        let blob = format!("{hash}.{ending}");
        let mut all = json!({ "masifLocation": blob, "definitionState": "stored" });
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.put(name, all);
        self.documents.lock().unwrap().push(Blob { name: Arc::from(blob), bytes: bytes.to_vec() });
        hash
    }

    /// An API of that name that can be scanned, with a definition of these operations; gives the hash.
    pub(crate) fn serve(&self, name: &str, operations: &[&str]) -> String {
        let security = json!([[{ "scheme": "key", "scopes": [] }]]);
        let endpoint = |operation: &&str| {
            let (method, path) = operation.split_once(' ').unwrap();
            json!({ "method": method, "path": path, "operationId": format!("{method}-id"), "security": security, "deprecated": method == "DELETE" })
        };
        let endpoints = Value::from(operations.iter().map(endpoint).collect::<Vec<_>>());
        let url = format!("https://gate.example.test/{}", name.to_lowercase().replace(' ', "-"));
        let urls =
            json!([{ "kind": "public", "url": url }, { "kind": "backend", "url": "https://10.0.0.1/secret-backend" }]);
        let more = json!({
            "url": url, "urls": urls.to_string(), "endpoints": endpoints.to_string(), "apiVersion": "v1",
            "endpointCount": operations.len().to_string(), "specFormat": "openapi 3.0.1", "scanReady": "TRUE",
            "scanReadyReasons": "[]",
        });
        self.define(name, ("json", document(name, operations).as_bytes()), more)
    }

    /// Takes an API away.
    pub(crate) fn remove(&self, name: &str) {
        self.apis.lock().unwrap().remove(&format!("/{}/{}", self.place, name.to_lowercase()));
    }

    /// Reads it into a connector of the store.
    pub(crate) async fn read(&self, app: &TestApp, (connector, order): (&ConnectorRow, Order)) -> Report {
        let text = app.hub.offer(TYPE).unwrap().default_map("apis").unwrap();
        let map = map::compile(text, self.model.stream("apis").unwrap()).unwrap();
        let maps = BTreeMap::from([("apis".to_owned(), Arc::new(map))]);
        let subject = Subject { row: connector, connector: self, maps: &maps, order };
        let options = Options { mode: Mode::Full, release: false, cancel: Arc::default(), progress: Arc::new(Silent) };
        muster_engine::run(&app.hub.store, subject, &*app.clock, options).await.unwrap()
    }
}

/// A connector of that type and a profile of it, made by whoever has that token.
pub(crate) async fn connector(app: &TestApp, token: &str, (tenant, name): (i64, &str)) -> (ConnectorRow, Order) {
    let made = async |path: &str, body: Value| {
        let made = app.call_as(token, (Method::POST, path), Some(body)).await.expect(201);
        made["id"].as_str().unwrap().to_owned()
    };
    let connector = made("/api/v1/connectors", json!({ "name": name, "type": TYPE, "settings": settings() })).await;
    let profile = made(&format!("/api/v1/connectors/{connector}/profiles"), json!({ "name": name })).await;
    let row = app.hub.store.connection(tenant, &connector).await.unwrap().unwrap();
    let profile = app.hub.store.profile(tenant, &profile).await.unwrap().unwrap();
    let row = ConnectorRow { id: row.id, tenant, name: row.name };
    (row, Order { profile: Some(profile.id), job: None })
}

#[async_trait]
impl Connector for Gateway {
    fn model(&self) -> &Arc<DataModel> {
        &self.model
    }

    fn can_confirm(&self) -> bool {
        true
    }

    async fn plan(&self) -> Result<Plan, ConnectorError> {
        let scope = ScopePlan { stream: "apis".to_owned(), name: Arc::from(self.place) };
        Ok(Plan { scopes: vec![scope], ..Plan::default() })
    }

    async fn read(&self, request: ReadRequest<'_>, sink: &dyn BatchSink) -> Result<ScopeEnd, ConnectorError> {
        let model = self.model.stream("apis").unwrap();
        let mut batch = Batch::new(Arc::from("apis"), Arc::clone(&request.scope.name));
        let apis = self.apis.lock().unwrap().clone();
        for (key, values) in &apis {
            let record = map::record_from_json(values, model).unwrap();
            for (attribute, value) in record.get(0).unwrap().all() {
                batch.records.push(attribute, value);
            }
            batch.records.finish(model, key);
        }
        let is_named = |blob: &Blob| apis.values().any(|values| values.get("masifLocation") == Some(&json!(blob.name)));
        batch.blobs = self.documents.lock().unwrap().iter().filter(|blob| is_named(blob)).cloned().collect();
        let count = u64::try_from(apis.len()).unwrap();
        let closed = |_| ConnectorError::new(ErrorKind::Cancelled, "handing over", "closed");
        sink.send(batch).await.map_err(closed)?;
        Ok(ScopeEnd {
            mode: Mode::Full,
            open: None,
            counted: Some(CountRange { low: count, high: count }),
            cursor: None,
            notes: Vec::new(),
            traffic: Traffic::default(),
        })
    }

    async fn confirm(&self, _: &str, keys: &[String], _: &dyn BatchSink) -> Result<Vec<Verdict>, ConnectorError> {
        Ok(vec![Verdict::Deleted; keys.len()])
    }

    async fn check(&self, _: &dyn StepSink) -> bool {
        true
    }
}
