//! A tenant that has some of everything, and requests that its manager may make.

use axum::body::Body;
use axum::http::{Method, Request, header};
use muster_core::clock::Instant;
use muster_store::hub::{AgentRow, NewEvent, TenantRow};
use muster_store::{ConnectorRow, Order};
use serde_json::{Value, json};

use crate::app::{Answer, PASSWORD, TestApp};
use crate::bodies::{Owner, Things};
use crate::directory::Directory;
use crate::gateway::{self, Gateway, document};
use crate::walk::{Operation, Place, filled};

/// A tenant that has some of everything. All that it named holds its mark.
pub(crate) struct Full {
    pub(crate) row: TenantRow,
    pub(crate) mark: &'static str,
    pub(crate) token: String,
    pub(crate) things: Things,
}

impl Full {
    /// Fills a tenant: its directory has so many users, of which all but a few are held.
    pub(crate) async fn new(app: &TestApp, row: TenantRow, mark: &'static str, users: u32) -> Self {
        let token = app.somebody(&row, &format!("{mark}-manager"), "manager").await;
        let mut full = Self { row, mark, token, things: Things::new() };
        let text = |value: &Value| value["id"].as_str().unwrap().to_owned();
        let connector = full.made(app, "/api/v1/connectors", full.owned(|owner| owner.connector("office"))).await;
        let parameters = json!({ "assets": "identities_with_posture" });
        let path = format!("/api/v1/connectors/{}/profiles", text(&connector));
        let profile = full.made(app, &path, json!({ "name": format!("{mark} all"), "parameters": parameters })).await;
        full.read(app, (&connector, &profile), users).await;
        full.read_apis(app).await;
        let clone = "/api/v1/transform-maps/default:active_directory:users/clone";
        let map = full.made(app, clone, json!({ "name": format!("{mark} map") })).await;
        let client =
            full.made(app, "/api/v1/clients", json!({ "name": format!("{mark} client"), "role": "viewer" })).await;
        let user = full.made(app, "/api/v1/users", full.owned(|owner| owner.user("second"))).await;
        let job =
            full.call(app, Method::POST, &format!("/api/v1/profiles/{}/run", text(&profile)), Some(json!({}))).await;
        let job = job.expect(202);
        let kept = app.hub.store.job(full.row.id, &text(&job)).await.unwrap().unwrap();
        let event = |at: Instant| NewEvent {
            at,
            level: "info",
            kind: "log",
            message: format!("{mark} event"),
            data: Some(json!({ "of": mark })),
        };
        app.hub.store.tell(full.row.id, kept.id, &[event(app.hub.now()), event(app.hub.now())]).await.unwrap();
        for (thing, made) in [
            ("connectors", connector),
            ("profiles", profile),
            ("transform-maps", map),
            ("clients", client),
            ("users", user),
            ("jobs", job),
        ] {
            full.things.insert(thing, text(&made));
        }
        full.agent(app).await;
        for (thing, path) in [
            ("runs", "/api/v1/runs"),
            ("inventory/users", "/api/v1/inventory/users?sort=id"),
            ("inventory/groups", "/api/v1/inventory/groups?filter=name:Tier"),
            ("inventory/roles", "/api/v1/inventory/roles"),
            ("inventory/apis", "/api/v1/inventory/apis?filter=definitionState:stored&sort=displayName"),
            ("dead-letters", "/api/v1/dead-letters"),
        ] {
            let found = full.call(app, Method::GET, path, None).await.expect(200);
            full.things.insert(thing, found["items"][0]["id"].to_string());
        }
        full
    }

    /// Reads the directory twice: the second time a title is another, and most users are missing.
    async fn read(&self, app: &TestApp, (connector, profile): (&Value, &Value), users: u32) {
        let id = |value: &Value| value["id"].as_str().unwrap().to_owned();
        let row = app.hub.store.connection(self.row.id, &id(connector)).await.unwrap().unwrap();
        let row = ConnectorRow { id: row.id, tenant: self.row.id, name: row.name };
        let profile = app.hub.store.profile(self.row.id, &id(profile)).await.unwrap().unwrap();
        let order = || Order { profile: Some(profile.id), job: None };
        let directory = Directory::of(app, users, self.mark);
        directory.read(app, &row, order()).await;
        directory.title(1001, &format!("{} title", self.mark));
        directory.set(2001, "description", self.mark);
        directory.forget_from(1011);
        directory.read(app, &row, order()).await;
    }

    /// The directory's agent, as it last called, and who may be it.
    async fn agent(&mut self, app: &TestApp) {
        let (tenant, now) = (self.row.id, app.hub.now());
        let profile = app.hub.store.profile(tenant, &self.things["profiles"]).await.unwrap().unwrap();
        let path = format!("/api/v1/connectors/{}/agent-bindings", self.things["connectors"]);
        let bound = self.made(app, &path, json!({ "userId": self.things["users"] })).await;
        let line = json!({ "at": "2026-03-01T12:00:00Z", "level": "info", "message": self.mark });
        let row = AgentRow {
            tenant,
            profile: profile.id,
            connector: profile.connector,
            session: format!("{} session", self.mark),
            subject_kind: "user".to_owned(),
            subject: self.things["users"].clone(),
            subject_name: self.mark.to_owned(),
            host: format!("{} machine", self.mark),
            version: "0.1.0".to_owned(),
            cron: None,
            time_zone: "UTC".to_owned(),
            began_at: now,
            seen_at: now,
            revision: String::new(),
            report: json!({}),
            lines: vec![line],
        };
        app.hub.store.begin_agent(&row, &app.audit(tenant)).await.unwrap();
        self.things.insert("agents", self.things["profiles"].clone());
        self.things.insert("agent-bindings", bound["id"].as_str().unwrap().to_owned());
    }

    /// Reads a gateway twice: the second time an API has another definition, and both tenants have one that is the same.
    async fn read_apis(&self, app: &TestApp) {
        let made = gateway::connector(app, &self.token, (self.row.id, &format!("{} gate", self.mark))).await;
        let gateway = Gateway::new(app, "gate");
        let name = format!("{} orders", self.mark);
        for operations in [["GET /orders", "GET /before"], ["GET /orders", "GET /after"]] {
            gateway.serve(&name, &operations);
            let both = document("both have it", &["GET /both"]);
            gateway.define(&format!("{} shared", self.mark), ("json", both.as_bytes()), json!({}));
            gateway.put(&format!("{} chat", self.mark), json!({ "description": self.mark }));
            gateway.read(app, (&made.0, made.1)).await;
        }
    }

    pub(crate) async fn call(&self, app: &TestApp, method: Method, path: &str, body: Option<Value>) -> Answer {
        self.ask(app, &self.token, (method, path, body)).await
    }

    /// A request by whoever has that token. Live events are asked for as a page: their stream would wait for the job.
    pub(crate) async fn ask(
        &self,
        app: &TestApp,
        token: &str,
        (method, path, body): (Method, &str, Option<Value>),
    ) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/json");
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        app.send(request.body(body).unwrap()).await
    }

    async fn made(&self, app: &TestApp, path: &str, body: Value) -> Value {
        self.call(app, Method::POST, path, Some(body)).await.expect(201)
    }

    /// Something with its bodies: whose they are.
    fn owned<T>(&self, make: impl FnOnce(Owner<'_>) -> T) -> T {
        let authentication =
            json!({ "host": "dc1.example.com", "bindDn": format!("CN={}", self.mark), "password": "canary" });
        let (mark, things) = (self.mark, &self.things);
        make(Owner { mark, things, authentication: &authentication, password: PASSWORD })
    }

    /// Path and body of a request with this tenant's things, but with `id` in the given place.
    pub(crate) fn request(&self, operation: &Operation, place: Option<(&Place, &str)>) -> (String, Option<Value>) {
        let own = operation.places.iter().find(|place| matches!(place, Place::Path { .. }));
        let mut path = match own {
            Some(place) => filled(&operation.path, &self.things[place.thing()]),
            None => filled(&operation.path, "active_directory"),
        };
        let mut body =
            operation.takes_body.then(|| self.owned(|owner| owner.body(&operation.path, operation.method.as_str())));
        match place {
            None => {}
            Some((Place::Path { .. }, id)) => path = filled(&operation.path, id),
            Some((Place::Query { name, .. }, id)) => path = format!("{path}?{name}={id}"),
            // Letters, or a connector's: either or.
            Some((Place::Field { name, .. }, id)) if name == "connectorId" => body = Some(json!({ "connectorId": id })),
            // A user, or a client: either or.
            Some((Place::Field { name, .. }, id)) if name == "client" => body = Some(json!({ "client": id })),
            Some((Place::Field { name, .. }, id)) => {
                let body = body.as_mut().unwrap();
                body[name] = match name.as_str() {
                    "assetId" => id.parse::<i64>().unwrap().into(),
                    "letters" => json!([id.parse::<i64>().unwrap()]),
                    "transformMaps" => json!({ "users": id }),
                    _ => id.into(),
                };
            }
        }
        (path, body)
    }
}
