//! Every operation of `/openapi.json`, and nobody. Nonsense is in `nonsense.rs`, viewers and other tenants in `tenants.rs`.

use axum::http::Method;
use serde_json::{Value, json};

use crate::app::{TestApp, both};
use crate::full::Full;

pub(crate) struct Operation {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) takes_body: bool,
    pub(crate) open: bool,
    /// Name, place and schema of what it takes beside a body.
    pub(crate) parameters: Vec<(String, String, Value)>,
    /// Media type and schema of its body.
    pub(crate) body: Option<(String, Value)>,
    /// Where it takes the id of a tenant's thing.
    pub(crate) places: Vec<Place>,
}

/// Where an operation takes an id, and of what.
#[derive(Debug)]
pub(crate) enum Place {
    Path { thing: String },
    Query { name: String, thing: &'static str },
    Field { name: String, thing: &'static str },
}

impl Place {
    pub(crate) fn thing(&self) -> &str {
        match self {
            Self::Path { thing } => thing,
            Self::Query { thing, .. } | Self::Field { thing, .. } => thing,
        }
    }
}

/// Parameters and fields of bodies that are ids of things, and of which things.
const IDS: [(&str, &str); 10] = [
    ("connector", "connectors"),
    ("profile", "profiles"),
    ("userId", "users"),
    ("client", "clients"),
    ("assetId", "inventory/users"),
    ("mapId", "transform-maps"),
    ("transformMaps", "transform-maps"),
    ("connectorId", "connectors"),
    ("letters", "dead-letters"),
    ("run", "runs"),
];
/// Those that are no ids. What is in neither list has to be put into one of them.
const PLAIN: [&str; 30] = [
    "current",
    "new",
    "cursor",
    "limit",
    "filter",
    "sort",
    "count",
    "facets",
    "nested",
    "type",
    "stream",
    "version",
    "Last-Event-ID",
    "If-None-Match",
    "clientId",
    "clientSecret",
    "level",
    "name",
    "role",
    "description",
    "execution",
    "settings",
    "username",
    "password",
    "token",
    "text",
    "active",
    "parameters",
    "schedule",
    "mode",
];

/// Which thing a parameter or field is an id of.
fn id_of(name: &str, operation: &str) -> Option<&'static str> {
    let found = IDS.iter().find(|(id, _)| *id == name).map(|(_, thing)| *thing);
    assert!(found.is_some() || PLAIN.contains(&name), "{operation} takes `{name}`: say in IDS or PLAIN what it is");
    found
}

/// Where an operation takes ids, by its description. What agents call names things by their session: see `agent/`.
fn places(document: &Value, path: &str, operation: &Value) -> Vec<Place> {
    let mut places = Vec::new();
    if path.starts_with("/agent/") {
        return places;
    }
    let is_of_a_type = path.starts_with("/api/v1/connector-types/") || path.starts_with("/api/v1/data-models/");
    if let Some(open) = path.find("/{").filter(|_| !is_of_a_type) {
        assert_eq!(path.matches('{').count(), 1, "{path}");
        places.push(Place::Path { thing: path[..open].trim_start_matches("/api/v1/").to_owned() });
    }
    for parameter in operation["parameters"].as_array().into_iter().flatten().filter(|one| one["in"] != "path") {
        let name = parameter["name"].as_str().unwrap();
        if let Some(thing) = id_of(name, path) {
            places.push(Place::Query { name: name.to_owned(), thing });
        }
    }
    for body in operation["requestBody"]["content"].as_object().into_iter().flat_map(serde_json::Map::values) {
        let schema = body["schema"]["$ref"].as_str().expect("a body has a name");
        let schema = document.pointer(schema.trim_start_matches('#')).unwrap();
        for name in schema["properties"].as_object().expect("a body is an object").keys() {
            if let Some(thing) = id_of(name, path) {
                places.push(Place::Field { name: name.clone(), thing });
            }
        }
    }
    places
}

fn parameters(operation: &Value) -> Vec<(String, String, Value)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let all = operation["parameters"].as_array().into_iter().flatten();
    all.map(|one| (text(&one["name"]), text(&one["in"]), one["schema"].clone())).collect()
}

fn body(document: &Value, operation: &Value) -> Option<(String, Value)> {
    let (kind, body) = operation["requestBody"]["content"].as_object()?.iter().next()?;
    let name = body["schema"]["$ref"].as_str()?;
    Some((kind.clone(), document.pointer(name.trim_start_matches('#'))?.clone()))
}

pub(crate) async fn operations(app: &TestApp) -> Vec<Operation> {
    let document = app.call_as("", (Method::GET, "/openapi.json"), None).await.expect(200);
    assert_eq!(document["openapi"], "3.1.0");
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            assert!(
                operation["responses"]["default"]["content"]["application/problem+json"].is_object(),
                "{method} {path}"
            );
            found.push(Operation {
                method: method.to_uppercase().parse().unwrap(),
                path: path.clone(),
                takes_body: operation["requestBody"].is_object(),
                open: operation["security"] == json!([{}]),
                parameters: parameters(operation),
                body: body(&document, operation),
                places: places(&document, path, operation),
            });
        }
    }
    assert!(found.len() > 50, "{} operations", found.len());
    found
}

impl Operation {
    /// Whether it is called in an agent's session.
    pub(crate) fn in_session(&self) -> bool {
        self.parameters.iter().any(|(name, _, _)| name == "Muster-Agent-Session")
    }
}

pub(crate) fn filled(path: &str, value: &str) -> String {
    let (Some(open), Some(close)) = (path.find('{'), path.find('}')) else { return path.to_owned() };
    filled(&format!("{}{value}{}", &path[..open], &path[close + 1..]), value)
}

#[tokio::test]
async fn nobody_gets_in() {
    both(async |app| {
        let full = Full::new(&app, app.first_tenant().await, "full", 80).await;
        for operation in operations(&app).await.iter().filter(|operation| !operation.open) {
            let (path, body) = full.request(operation, None);
            let what = format!("{} {path}", operation.method);
            for (token, code) in [("", "not_signed_in"), ("x.y.z", "session_ended")] {
                let answer = app.call_as(token, (operation.method.clone(), &path), body.clone()).await;
                assert_eq!(answer.said(), (401, code.to_owned()), "{what}");
            }
        }
    })
    .await;
}

/// Every name that the document refers to is in it.
fn refers(document: &Value, value: &Value) {
    match value {
        Value::Object(fields) => {
            if let Some(name) = fields.get("$ref").and_then(Value::as_str) {
                assert!(document.pointer(name.trim_start_matches('#')).is_some(), "{name}");
            }
            fields.values().for_each(|value| refers(document, value));
        }
        Value::Array(values) => values.iter().for_each(|value| refers(document, value)),
        _ => {}
    }
}

#[tokio::test]
async fn the_document_is_whole() {
    both(async |app| {
        let document = app.get("/openapi.json").await.expect(200);
        refers(&document, &document);
        let mut lines = Vec::new();
        for operation in operations(&app).await {
            lines.push(format!("{} {}", operation.method, operation.path));
        }
        lines.sort();
        insta::allow_duplicates!(insta::assert_snapshot!(lines.join("\n"), @r"
        DELETE /api/v1/agent-bindings/{id}
        DELETE /api/v1/agents/{id}
        DELETE /api/v1/clients/{id}
        DELETE /api/v1/connectors/{id}
        DELETE /api/v1/profiles/{id}
        DELETE /api/v1/session
        DELETE /api/v1/transform-maps/{id}
        GET /agent/v1/runs/{job}
        GET /api/v1/agents
        GET /api/v1/agents/{id}
        GET /api/v1/audit
        GET /api/v1/clients
        GET /api/v1/clients/{id}
        GET /api/v1/connector-types
        GET /api/v1/connector-types/{type}
        GET /api/v1/connectors
        GET /api/v1/connectors/{id}
        GET /api/v1/connectors/{id}/agent-bindings
        GET /api/v1/connectors/{id}/profiles
        GET /api/v1/data-models
        GET /api/v1/data-models/{name}
        GET /api/v1/dead-letters
        GET /api/v1/dead-letters/{id}
        GET /api/v1/held
        GET /api/v1/inventory/apis
        GET /api/v1/inventory/apis/{id}
        GET /api/v1/inventory/apis/{id}/definition
        GET /api/v1/inventory/apis/{id}/history
        GET /api/v1/inventory/groups
        GET /api/v1/inventory/groups/{id}
        GET /api/v1/inventory/groups/{id}/history
        GET /api/v1/inventory/groups/{id}/members
        GET /api/v1/inventory/groups/{id}/memberships
        GET /api/v1/inventory/roles
        GET /api/v1/inventory/roles/{id}
        GET /api/v1/inventory/roles/{id}/members
        GET /api/v1/inventory/users
        GET /api/v1/inventory/users/{id}
        GET /api/v1/inventory/users/{id}/history
        GET /api/v1/inventory/users/{id}/memberships
        GET /api/v1/jobs
        GET /api/v1/jobs/{id}
        GET /api/v1/jobs/{id}/events
        GET /api/v1/profiles/{id}
        GET /api/v1/profiles/{id}/agent-env
        GET /api/v1/profiles/{id}/held
        GET /api/v1/runs
        GET /api/v1/runs/{id}
        GET /api/v1/session
        GET /api/v1/sources
        GET /api/v1/tenant
        GET /api/v1/transform-maps
        GET /api/v1/transform-maps/{id}
        GET /api/v1/users
        GET /api/v1/users/{id}
        PATCH /api/v1/users/{id}
        POST /agent/v1/enrol
        POST /agent/v1/orders/{id}/lost
        POST /agent/v1/orders/{id}/wanted
        POST /agent/v1/poll
        POST /agent/v1/runs
        POST /agent/v1/sessions
        POST /api/v1/clients
        POST /api/v1/connectors
        POST /api/v1/connectors/{id}/agent-bindings
        POST /api/v1/connectors/{id}/agent-enrolments
        POST /api/v1/connectors/{id}/profiles
        POST /api/v1/connectors/{id}/test
        POST /api/v1/dead-letters/replay
        POST /api/v1/dead-letters/{id}/replay
        POST /api/v1/jobs/{id}/cancel
        POST /api/v1/me/password
        POST /api/v1/profiles/preview-schedule
        POST /api/v1/profiles/{id}/refuse
        POST /api/v1/profiles/{id}/release
        POST /api/v1/profiles/{id}/replay
        POST /api/v1/profiles/{id}/run
        POST /api/v1/transform-maps
        POST /api/v1/transform-maps/lint
        POST /api/v1/transform-maps/preview
        POST /api/v1/transform-maps/{id}/clone
        POST /api/v1/users
        POST /auth
        POST /auth/oidc
        PUT /agent/v1/orders/{id}/parcels/{sequence}
        PUT /api/v1/connectors/{id}
        PUT /api/v1/profiles/{id}
        PUT /api/v1/transform-maps/{id}
        "));
    })
    .await;
}
