//! Every operation of `/openapi.json`: nobody, a viewer, another tenant, nonsense.

use axum::body::Body;
use axum::http::{Method, Request, header};
use muster_store::{ConnectorRow, Order};
use serde_json::{Value, json};

use crate::app::{Answer, TestApp, both};
use crate::configure::{connector, profile};
use crate::directory::Directory;

struct Operation {
    method: Method,
    path: String,
    takes_body: bool,
    open: bool,
    live: bool,
}

async fn operations(app: &TestApp) -> Vec<Operation> {
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
                live: operation["responses"]["200"]["content"]["text/event-stream"].is_object(),
            });
        }
    }
    assert!(found.len() > 50, "{} operations", found.len());
    found
}

/// Real ids of the first tenant, by the thing that the path names before its parameter.
async fn ids(app: &TestApp) -> Vec<(&'static str, String)> {
    let made = connector(app, "Head office").await;
    let kept =
        profile(app, &made, json!({ "name": "all", "parameters": { "assets": "identities_with_posture" } })).await;
    let text = |value: &Value| value["id"].as_str().unwrap().to_owned();
    let row = app.hub.store.connection(1, &text(&made)).await.unwrap().unwrap();
    let row = ConnectorRow { id: row.id, tenant: 1, name: row.name };
    let profile_row = app.hub.store.profile(1, &text(&kept)).await.unwrap().unwrap();
    let order = Order { profile: Some(profile_row.id), job: None };
    let directory = Directory::new(app, 3);
    directory.broken(1900);
    let report = directory.read(app, &row, order).await;
    let job = app.post(&format!("/api/v1/profiles/{}/run", text(&kept)), json!({})).await.expect(202);
    let clone = "/api/v1/transform-maps/default:active_directory:users/clone";
    let map = app.post(clone, json!({ "name": "mine" })).await.expect(201);
    let client = app.post("/api/v1/clients", json!({ "name": "c", "role": "viewer" })).await.expect(201);
    let user = app.get("/api/v1/users").await.expect(200)["items"][0].clone();
    let first = async |path: &str| app.get(path).await.expect(200)["items"][0]["id"].to_string();
    vec![
        ("connectors", text(&made)),
        ("profiles", text(&kept)),
        ("jobs", text(&job)),
        ("transform-maps", text(&map)),
        ("clients", text(&client)),
        ("inventory/users", first("/api/v1/inventory/users").await),
        ("inventory/groups", first("/api/v1/inventory/groups").await),
        ("inventory/roles", first("/api/v1/inventory/roles").await),
        ("users", text(&user)),
        ("dead-letters", first("/api/v1/dead-letters").await),
        ("runs", report.run.id.to_string()),
    ]
}

/// The path with an id in the place of its parameter; none where it takes none, or one that belongs to nobody.
fn with_ids(path: &str, ids: &[(&str, String)]) -> Option<String> {
    let open = path.find("/{")?;
    let thing = ids.iter().find(|(thing, _)| path[..open].ends_with(&format!("/{thing}")))?;
    Some(filled(path, &thing.1))
}

fn filled(path: &str, value: &str) -> String {
    let (Some(open), Some(close)) = (path.find('{'), path.find('}')) else { return path.to_owned() };
    format!("{}{value}{}", &path[..open], &path[close + 1..])
}

/// A body that the operation takes, as far as its shape goes.
fn body(path: &str, method: &Method) -> Option<Value> {
    let text = "map: x";
    Some(match (path, method.as_str()) {
        ("/api/v1/connectors", _) => json!({ "name": "n", "type": "active_directory", "settings": {} }),
        ("/api/v1/connectors/{id}", _) => json!({ "name": "n", "settings": {} }),
        ("/api/v1/connectors/{id}/profiles" | "/api/v1/profiles/{id}", _) => json!({ "name": "n" }),
        ("/api/v1/profiles/preview-schedule", _) => json!({ "schedule": {} }),
        ("/api/v1/profiles/{id}/run", _) => json!({}),
        ("/api/v1/dead-letters/replay", _) => json!({ "letters": [1] }),
        ("/api/v1/transform-maps", _) => {
            json!({ "name": "n", "type": "active_directory", "stream": "users", "text": text })
        }
        ("/api/v1/transform-maps/lint", _) => json!({ "type": "active_directory", "stream": "users", "text": text }),
        ("/api/v1/transform-maps/preview", _) => json!({ "assetId": 1, "text": text }),
        ("/api/v1/transform-maps/{id}/clone", _) => json!({ "name": "n" }),
        ("/api/v1/transform-maps/{id}", _) => json!({ "text": text }),
        ("/api/v1/users", _) => json!({ "username": "n", "password": "canary-password", "role": "viewer" }),
        ("/api/v1/users/{id}", _) => json!({ "role": "manager" }),
        ("/api/v1/clients", _) => json!({ "name": "n", "role": "viewer" }),
        _ => return None,
    })
}

async fn raw(app: &TestApp, operation: &Operation, path: &str, body: &str) -> Answer {
    let request = Request::builder()
        .method(operation.method.clone())
        .uri(path)
        .header(header::AUTHORIZATION, format!("Bearer {}", app.token))
        .header(header::CONTENT_TYPE, "application/json");
    app.send(request.body(Body::from(body.to_owned())).unwrap()).await
}

fn is_problem(answer: &Answer, what: &str) {
    let (status, code) = answer.said();
    assert!((400..500).contains(&status) && !code.is_empty(), "{what}: {status} {}", answer.text);
    assert!(!answer.text.contains("canary"), "{what}: {}", answer.text);
}

#[tokio::test]
async fn nobody_gets_in() {
    both(async |app| {
        for operation in operations(&app).await.iter().filter(|operation| !operation.open) {
            let path = filled(&operation.path, "x");
            let what = format!("{} {path}", operation.method);
            for (token, code) in [("", "not_signed_in"), ("x.y.z", "session_ended")] {
                let answer = app
                    .call_as(token, (operation.method.clone(), &path), body(&operation.path, &operation.method))
                    .await;
                assert_eq!(answer.said(), (401, code.to_owned()), "{what}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_viewer_changes_nothing() {
    both(async |app| {
        let known = ids(&app).await;
        let viewer = app.somebody(&app.first_tenant().await, "viewer", "viewer").await;
        let harmless =
            ["/api/v1/profiles/preview-schedule", "/api/v1/transform-maps/lint", "/api/v1/transform-maps/preview"];
        for operation in operations(&app).await.iter().filter(|operation| !operation.open) {
            if operation.method == Method::GET
                || operation.path == "/api/v1/session"
                || harmless.contains(&operation.path.as_str())
            {
                continue;
            }
            let path = with_ids(&operation.path, &known).unwrap_or_else(|| operation.path.clone());
            let body = body(&operation.path, &operation.method);
            let answer = app.call_as(&viewer, (operation.method.clone(), &path), body).await;
            assert_eq!(answer.said(), (403, "forbidden".to_owned()), "{} {path}", operation.method);
        }
    })
    .await;
}

#[tokio::test]
async fn another_tenant_finds_nothing() {
    both(async |app| {
        let known = ids(&app).await;
        let other = app.other_tenant().await;
        let token = app.somebody(&other, "manager", "manager").await;
        let mut asked = 0;
        for operation in operations(&app).await {
            let Some(path) = with_ids(&operation.path, &known) else { continue };
            let body = body(&operation.path, &operation.method);
            let answer = app.call_as(&token, (operation.method.clone(), &path), body).await;
            assert_eq!(answer.said(), (404, "not_found".to_owned()), "{} {path}", operation.method);
            asked += 1;
        }
        assert!(asked > 25, "{asked}");
        for list in [
            "connectors",
            "jobs",
            "runs",
            "clients",
            "inventory/users",
            "inventory/groups",
            "inventory/roles",
            "sources",
            "dead-letters",
            "held",
        ] {
            let page = app.call_as(&token, (Method::GET, &format!("/api/v1/{list}")), None).await.expect(200);
            assert_eq!(page["items"], json!([]), "{list}");
        }
        let connector = &known[0].1;
        for list in ["jobs", "runs", "dead-letters"] {
            let path = format!("/api/v1/{list}?connector={connector}");
            assert_eq!(app.call_as(&token, (Method::GET, &path), None).await.status, 404, "{list}");
        }
    })
    .await;
}

#[tokio::test]
async fn nonsense_is_a_problem_and_never_a_fault() {
    both(async |app| {
        let known = ids(&app).await;
        let ids = [
            "x",
            "-1",
            "0",
            "9223372036854775807",
            "99999999999999999999",
            "%00",
            "%ff",
            "..%2f..",
            "'",
            "default:a:b",
            "😀",
        ];
        let bodies = [
            "",
            "{",
            "[]",
            "null",
            "0",
            "\"canary\"",
            "{\"unknown\":\"canary\"}",
            "{\"name\":{}}",
            "{\"name\":\"\\u0000\"}",
        ];
        for operation in operations(&app).await.iter().filter(|operation| !operation.open) {
            if operation.path.contains('{') {
                for id in ids {
                    let path = filled(&operation.path, &id.replace('😀', "%F0%9F%98%80"));
                    let answer =
                        app.call(operation.method.clone(), &path, body(&operation.path, &operation.method)).await;
                    is_problem(&answer, &format!("{} {path}", operation.method));
                }
            }
            if operation.takes_body {
                let path = with_ids(&operation.path, &known).unwrap_or_else(|| operation.path.clone());
                for body in bodies.iter().copied().chain([deep().as_str()]) {
                    if body.is_empty() && operation.path.ends_with("/run")
                        || operation.method == Method::PATCH && body == "{}"
                    {
                        continue;
                    }
                    let answer = raw(&app, operation, &path, body).await;
                    is_problem(&answer, &format!("{} {path} {:.40}", operation.method, body));
                }
            }
            if operation.method == Method::GET && !operation.live {
                let path =
                    with_ids(&operation.path, &known).unwrap_or_else(|| filled(&operation.path, "active_directory"));
                for query in [
                    "cursor=%ff",
                    "limit=-1",
                    "cursor=x&limit=1",
                    "filter=%00&cursor=%00",
                    "version=x&limit=x&nested=7&count=7",
                ] {
                    let answer = app.get(&format!("{path}?{query}")).await;
                    let status = answer.status.as_u16();
                    assert!(status < 500, "{path}?{query}: {}", answer.text);
                    assert!(status < 400 || !answer.said().1.is_empty(), "{path}?{query}: {}", answer.text);
                }
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
        DELETE /api/v1/clients/{id}
        DELETE /api/v1/connectors/{id}
        DELETE /api/v1/profiles/{id}
        DELETE /api/v1/session
        DELETE /api/v1/transform-maps/{id}
        GET /api/v1/audit
        GET /api/v1/clients
        GET /api/v1/clients/{id}
        GET /api/v1/connector-types
        GET /api/v1/connector-types/{type}
        GET /api/v1/connectors
        GET /api/v1/connectors/{id}
        GET /api/v1/connectors/{id}/profiles
        GET /api/v1/data-models
        GET /api/v1/data-models/{name}
        GET /api/v1/dead-letters
        GET /api/v1/dead-letters/{id}
        GET /api/v1/held
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
        POST /api/v1/clients
        POST /api/v1/connectors
        POST /api/v1/connectors/{id}/profiles
        POST /api/v1/connectors/{id}/test
        POST /api/v1/dead-letters/replay
        POST /api/v1/dead-letters/{id}/replay
        POST /api/v1/jobs/{id}/cancel
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
        PUT /api/v1/connectors/{id}
        PUT /api/v1/profiles/{id}
        PUT /api/v1/transform-maps/{id}
        "));
    })
    .await;
}

fn deep() -> String {
    "[".repeat(50_000)
}
