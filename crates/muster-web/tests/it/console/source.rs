//! A directory on paper: what the console's pages are filled with.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use muster_core::connector::{
    Batch, BatchSink, Connector, ConnectorError, CountRange, Mode, Plan, ReadRequest, ScopeEnd, ScopePlan, StepSink,
    Traffic, Verdict,
};
use muster_core::link::{LinkPage, Member};
use muster_core::map::record_from_json;
use muster_core::model::DataModel;
use muster_core::record::RecordBatch;
use serde_json::{Value, json};

/// An object: its stream, its attributes, its members by key.
#[derive(Debug, Clone)]
pub(crate) struct Object {
    pub(crate) stream: &'static str,
    pub(crate) values: Value,
    pub(crate) members: Vec<String>,
}

pub(crate) fn guid(number: u32) -> String {
    format!("00000000-0000-0000-0000-{number:012x}")
}

/// A user of that number; `more` is laid over the usual attributes.
pub(crate) fn user(number: u32, name: &str, more: Value) -> Object {
    let mut values = json!({
        "objectGUID": guid(number), "objectSid": format!("S-1-5-21-1-2-3-{number}"), "name": name,
        "sAMAccountName": format!("account{number}"), "userAccountControl": "512", "primaryGroupID": "513",
        "whenCreated": "20250101000000.0Z", "parent": guid(1), "rdn": format!("CN={name}"),
    });
    lay(&mut values, more);
    Object { stream: "users", values, members: Vec::new() }
}

/// A group of that number (its last number, too) with those members.
pub(crate) fn group(number: u32, name: &str, members: &[u32], more: Value) -> Object {
    let mut values = json!({
        "objectGUID": guid(number), "objectSid": format!("S-1-5-21-1-2-3-{number}"), "name": name,
        "sAMAccountName": name, "groupType": "-2147483646", "parent": guid(1), "rdn": format!("CN={name}"),
    });
    lay(&mut values, more);
    Object { stream: "groups", values, members: members.iter().map(|&member| guid(member)).collect() }
}

fn lay(values: &mut Value, more: Value) {
    for (key, value) in more.as_object().unwrap() {
        values[key] = value.clone();
    }
}

/// The directory.
#[derive(Debug)]
pub(crate) struct Paper {
    model: Arc<DataModel>,
    pub(crate) objects: Mutex<Vec<Object>>,
    /// A stream that is cut short, as the source says.
    pub(crate) cut: Mutex<Option<&'static str>>,
}

impl Paper {
    pub(crate) fn new(model: &Arc<DataModel>, objects: Vec<Object>) -> Self {
        let mut all = vec![Object {
            stream: "containers",
            values: json!({ "objectGUID": guid(1), "name": "example", "rdn": "DC=example" }),
            members: Vec::new(),
        }];
        all.extend(objects);
        Self { model: Arc::clone(model), objects: Mutex::new(all), cut: Mutex::new(None) }
    }

    fn batch(&self, stream: &str, scope: &Arc<str>) -> Batch {
        let model = self.model.stream(stream).unwrap();
        let mut batch = Batch::new(Arc::from(stream), Arc::clone(scope));
        let mut records = RecordBatch::default();
        for object in self.objects.lock().unwrap().iter().filter(|object| object.stream == stream) {
            let key = object.values["objectGUID"].as_str().unwrap();
            let values = object.values.as_object().unwrap().clone().into_iter().collect();
            let one = record_from_json(&values, model).unwrap();
            for (attribute, value) in one.get(0).unwrap().all() {
                records.push(attribute, value);
            }
            records.finish(model, key);
            if stream == "groups" {
                let members = object.members.iter().cloned().map(Member::Key).collect();
                let (owner, kind) = (key.to_owned(), "member".to_owned());
                batch.links.push(LinkPage { owner, kind, first: true, last: true, members });
            }
        }
        batch.records = records;
        batch
    }
}

#[async_trait]
impl Connector for Paper {
    fn model(&self) -> &Arc<DataModel> {
        &self.model
    }

    fn can_confirm(&self) -> bool {
        true
    }

    async fn plan(&self) -> Result<Plan, ConnectorError> {
        let scope = |stream: &Arc<muster_core::model::StreamModel>| ScopePlan {
            stream: stream.name.clone(),
            name: Arc::from("DC=example"),
        };
        let scopes = self.model.streams.iter().map(scope).collect();
        Ok(Plan { scopes, notes: vec!["the paper answers".to_owned()], origin: Some("paper.example".to_owned()) })
    }

    async fn read(&self, request: ReadRequest<'_>, sink: &dyn BatchSink) -> Result<ScopeEnd, ConnectorError> {
        let batch = self.batch(&request.scope.stream, &request.scope.name);
        let count = batch.records.len() as u64;
        let _ = sink.send(batch).await;
        let cut = *self.cut.lock().unwrap() == Some(request.scope.stream.as_str());
        Ok(ScopeEnd {
            mode: Mode::Full,
            open: cut.then(|| "the listing ended early".to_owned()),
            counted: Some(CountRange { low: count, high: count }),
            cursor: None,
            notes: Vec::new(),
            traffic: Traffic { calls: 2, throttled_ms: 40, bytes: 4096 },
        })
    }

    async fn confirm(&self, _: &str, keys: &[String], _: &dyn BatchSink) -> Result<Vec<Verdict>, ConnectorError> {
        Ok(vec![Verdict::Deleted; keys.len()])
    }

    async fn check(&self, _: &dyn StepSink) -> bool {
        true
    }
}
