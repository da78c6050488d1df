//! A little directory, read by the engine: what the inventory's tests look at.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use muster_core::connector::{
    Batch, BatchSink, Connector, ConnectorError, CountRange, ErrorKind, Mode, Plan, ReadRequest, ScopeEnd, ScopePlan,
    StepSink, Traffic, Verdict,
};
use muster_core::link::{LinkPage, Member};
use muster_core::map;
use muster_core::model::DataModel;
use muster_engine::{Options, Report, Subject};
use muster_store::{ConnectorRow, Order};
use serde_json::{Value, json};

use crate::app::TestApp;

/// The domain's SID.
pub(crate) const DOMAIN: &str = "S-1-5-21-1-2-3";

/// One object: stream, values, members by key.
#[derive(Debug, Clone)]
pub(crate) struct Object {
    stream: &'static str,
    values: BTreeMap<String, Value>,
    members: Vec<String>,
}

#[derive(Debug)]
pub(crate) struct Directory {
    model: Arc<DataModel>,
    objects: Mutex<Vec<Object>>,
}

/// The key of the object with that last number.
pub(crate) fn key(rid: u32) -> String {
    format!("00000000-0000-0000-0000-{rid:012}")
}

impl Directory {
    /// Users 1001 to 1000 + `users`, in the group of users 513 by primary group; `Tier` (2001) in `Domain Admins` (512),
    /// which is in `Tier`: a cycle. User 1001 is in `Tier`.
    pub(crate) fn new(app: &TestApp, users: u32) -> Self {
        Self::named(app, users, "")
    }

    /// The same, with every name and title marked, and a user (3001) that cannot be taken over: it has no identity.
    pub(crate) fn of(app: &TestApp, users: u32, mark: &str) -> Self {
        let directory = Self::named(app, users, &format!("{mark} "));
        directory.put("users", (3001, &format!("{mark} nobody")), json!({}), &[]);
        directory.objects.lock().unwrap().last_mut().unwrap().values.remove("objectSid");
        directory
    }

    fn named(app: &TestApp, users: u32, mark: &str) -> Self {
        let model = Arc::clone(&app.hub.offer("active_directory").unwrap().model);
        let directory = Self { model, objects: Mutex::default() };
        for rid in 1001..1001 + users {
            let title = format!("{mark}{}", if rid % 2 == 0 { "Even" } else { "Odd" });
            let more = json!({ "title": title, "primaryGroupID": "513", "userAccountControl": "512" });
            directory.put("users", (rid, &format!("{mark}User {rid}")), more, &[]);
        }
        directory.group(513, &format!("{mark}Domain Users"), &[]);
        directory.group(512, &format!("{mark}Domain Admins"), &[key(2001)]);
        directory.group(2001, &format!("{mark}Tier"), &[key(512), key(1001), key(9999)]);
        directory
    }

    fn put(&self, stream: &'static str, (rid, name): (u32, &str), more: Value, members: &[String]) {
        let mut values: BTreeMap<String, Value> = serde_json::from_value(more).unwrap();
        let own = [("objectGUID", key(rid)), ("objectSid", format!("{DOMAIN}-{rid}")), ("name", name.to_owned())];
        values.extend(own.map(|(name, value)| (name.to_owned(), value.into())));
        values.insert("sAMAccountName".to_owned(), format!("account{rid}").into());
        let object = Object { stream, values, members: members.to_vec() };
        let mut objects = self.objects.lock().unwrap();
        objects.retain(|known| known.values["objectGUID"] != object.values["objectGUID"]);
        objects.push(object);
    }

    fn group(&self, rid: u32, name: &str, members: &[String]) {
        self.put("groups", (rid, name), json!({ "groupType": "-2147483646" }), members);
    }

    /// Gives a user another title.
    pub(crate) fn title(&self, rid: u32, title: &str) {
        self.set(rid, "title", title);
    }

    /// Gives an object another value of an attribute.
    pub(crate) fn set(&self, rid: u32, attribute: &str, value: &str) {
        let mut objects = self.objects.lock().unwrap();
        let object = objects.iter_mut().find(|object| object.values["objectGUID"] == key(rid).as_str()).unwrap();
        object.values.insert(attribute.to_owned(), value.into());
    }

    /// Forgets the users from that number on.
    pub(crate) fn forget_from(&self, rid: u32) {
        let key = key(rid);
        let mut objects = self.objects.lock().unwrap();
        objects
            .retain(|object| object.stream != "users" || object.values["objectGUID"].as_str().unwrap() < key.as_str());
    }

    /// Reads it into a connector of the store.
    pub(crate) async fn read(&self, app: &TestApp, connector: &ConnectorRow, order: Order) -> Report {
        let offer = app.hub.offer("active_directory").unwrap();
        let compile = |(stream, text): &(&str, &str)| {
            ((*stream).to_owned(), Arc::new(map::compile(text, self.model.stream(stream).unwrap()).unwrap()))
        };
        let maps = offer.default_maps.iter().map(compile).collect();
        let subject = Subject { row: connector, connector: self, maps: &maps, order };
        let options = Options { mode: Mode::Full, release: false, cancel: Arc::default(), progress: Arc::new(Silent) };
        muster_engine::run(&app.hub.store, subject, &*app.clock, options).await.unwrap()
    }
}

/// Nobody watches.
pub(crate) struct Silent;

impl muster_engine::Progress for Silent {
    fn scope(&self, _: &str, _: &str, _: u64, _: bool) {}
    fn phase(&self, _: &str) {}
}

#[async_trait]
impl Connector for Directory {
    fn model(&self) -> &Arc<DataModel> {
        &self.model
    }

    fn can_confirm(&self) -> bool {
        true
    }

    async fn plan(&self) -> Result<Plan, ConnectorError> {
        let scope = |stream: &str| ScopePlan { stream: stream.to_owned(), name: Arc::from("all") };
        Ok(Plan { scopes: ["containers", "users", "groups"].map(scope).to_vec(), ..Plan::default() })
    }

    async fn read(&self, request: ReadRequest<'_>, sink: &dyn BatchSink) -> Result<ScopeEnd, ConnectorError> {
        let model = self.model.stream(&request.scope.stream).unwrap();
        let mut batch = Batch::new(Arc::from(request.scope.stream.as_str()), Arc::clone(&request.scope.name));
        let objects = self.objects.lock().unwrap().clone();
        let listed: Vec<&Object> = objects.iter().filter(|object| object.stream == request.scope.stream).collect();
        for object in &listed {
            let record = map::record_from_json(&object.values, model).unwrap();
            for (attribute, value) in record.get(0).unwrap().all() {
                batch.records.push(attribute, value);
            }
            let key = object.values["objectGUID"].as_str().unwrap();
            batch.records.finish(model, key);
            let members = object.members.iter().cloned().map(Member::Key).collect();
            let (owner, kind) = (key.to_owned(), "member".to_owned());
            batch.links.push(LinkPage { owner, kind, first: true, last: true, members });
        }
        let count = u64::try_from(listed.len()).unwrap();
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
