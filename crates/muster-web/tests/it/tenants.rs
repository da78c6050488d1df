//! P11 over every operation of `/openapi.json`: what is another tenant's is not there, and does not show. A viewer
//! changes nothing.

use std::collections::BTreeMap;

use axum::http::Method;
use muster_core::query::tokens;
use serde_json::{Value, json};

use crate::app::{Answer, TestApp, both};
use crate::bodies::default_map;
use crate::console::browser::Browser;
use crate::full::Full;
use crate::gateway;
use crate::tables::everything;
use crate::walk::{Operation, Place, operations};

const OURS: &str = "zqalpha";
const THEIRS: &str = "zqbravo";

/// What an answer says, without the ids of the request and of what was asked for.
fn said(answer: &Answer, id: &str) -> (u16, BTreeMap<String, String>, String) {
    let headers = answer.headers.iter().filter(|(name, _)| *name != "x-request-id");
    let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    let request = answer.headers["x-request-id"].to_str().unwrap();
    (answer.status.as_u16(), headers, answer.text.replace(request, "{request}").replace(id, "{id}"))
}

/// An id of the same form that nothing has.
fn nobodys(id: &str) -> String {
    match id.parse::<i64>() {
        Ok(_) => "987654321".to_owned(),
        Err(_) => "00000000-0000-4000-8000-000000000000".to_owned(),
    }
}

/// All but those that sign in, which take no token, so no tenant; and those of agents: see `agent/`.
fn walked(operation: &Operation) -> bool {
    !operation.open && !operation.path.starts_with("/agent/")
}

#[tokio::test]
async fn what_is_another_tenants_is_not_there() {
    both(async |app| {
        let ours = Full::new(&app, app.first_tenant().await, OURS, 90).await;
        let theirs = Full::new(&app, app.other_tenant().await, THEIRS, 80).await;
        let before = everything(&app.hub.store).await;
        let mut asked = 0;
        for operation in operations(&app).await.iter().filter(|operation| walked(operation)) {
            for place in &operation.places {
                let foreign = &ours.things[place.thing()];
                let none = nobodys(foreign);
                let what = format!("{} {} with another's {place:?}", operation.method, operation.path);
                let mut answers = Vec::new();
                for id in [foreign, &none] {
                    let (path, body) = theirs.request(operation, Some((place, id)));
                    let answer = theirs.call(&app, operation.method.clone(), &path, body).await;
                    answers.push(said(&answer, id));
                }
                assert_eq!(answers[0], answers[1], "{what}: another's id and one that nothing has");
                // A body that names what is not there is a wrong value of that field.
                let expected: &[u16] = if matches!(place, Place::Field { .. }) { &[404, 422] } else { &[404] };
                assert!(expected.contains(&answers[0].0), "{what}: {:?}", answers[0]);
                asked += 1;
            }
        }
        assert!(asked > 40, "{asked}");
        assert_eq!(before, everything(&app.hub.store).await, "what was refused wrote something");
        allowed(&app, &theirs).await;
    })
    .await;
}

/// The same requests with ids of one's own: they are refused for whose the ids are, and for nothing else.
async fn allowed(app: &TestApp, full: &Full) {
    let order = |operation: &Operation| {
        let method = ["GET", "POST", "PATCH", "PUT", "DELETE"].iter().position(|one| *one == operation.method.as_str());
        // What is refused cannot be released any more.
        let last = operation.path == "/api/v1/session" || operation.path.ends_with("/refuse");
        (method.unwrap(), last, operation.path.starts_with("/api/v1/connectors"), operation.path.clone())
    };
    let mut all = operations(app).await;
    all.retain(walked);
    all.sort_by_key(order);
    for operation in &all {
        let places = operation.places.iter().map(Some);
        let places: Vec<_> = if operation.places.is_empty() { vec![None] } else { places.collect() };
        for (number, place) in places.into_iter().enumerate() {
            let is_delete = operation.method == Method::DELETE && operation.path != "/api/v1/session";
            if is_delete || operation.path.ends_with("/replay") {
                end_jobs(app, full).await;
            }
            let given = place.map(|place| (place, full.things[place.thing()].as_str()));
            let (path, mut body) = full.request(operation, given);
            if let Some(name) = body.as_mut().and_then(|body| body.get_mut("name")) {
                *name = format!("{} {number}", name.as_str().unwrap()).into();
            }
            let answer = full.call(app, operation.method.clone(), &path, body).await;
            assert!(answer.status.is_success(), "{} {path}: {}", operation.method, answer.text);
        }
    }
}

/// Ends all jobs, and takes the profile away that uses the map: what is in use cannot be deleted.
async fn end_jobs(app: &TestApp, full: &Full) {
    for job in full.call(app, Method::GET, "/api/v1/jobs", None).await.expect(200)["items"].as_array().unwrap() {
        let path = format!("/api/v1/jobs/{}/cancel", job["id"].as_str().unwrap());
        full.call(app, Method::POST, &path, None).await.expect(200);
    }
    let path = format!("/api/v1/connectors/{}/profiles", full.things["connectors"]);
    for profile in full.call(app, Method::GET, &path, None).await.expect(200)["items"].as_array().unwrap() {
        if profile["id"] != full.things["profiles"].as_str() {
            let path = format!("/api/v1/profiles/{}", profile["id"].as_str().unwrap());
            assert_eq!(full.call(app, Method::DELETE, &path, None).await.status, 204);
        }
    }
}

#[tokio::test]
async fn what_is_another_tenants_does_not_show() {
    both(async |app| {
        let theirs = Full::new(&app, app.other_tenant().await, THEIRS, 80).await;
        let before = seen(&app, &theirs).await;
        let ours = Full::new(&app, app.first_tenant().await, OURS, 90).await;
        let after = seen(&app, &theirs).await;
        for ((what, before), (_, after)) in before.iter().zip(&after) {
            assert_eq!(before, after, "{what} says something else when another tenant is there");
            assert!(!after.contains(OURS), "{what}: {after}");
        }
        // The marks do show where they may.
        let shown = seen(&app, &ours).await.iter().filter(|(_, answer)| answer.contains(OURS)).count();
        assert!(shown > 60, "{shown}");
        foreign_cursors(&app, &ours, &theirs).await;
        // Names, keys and usernames are the tenant's own: what the one has, the other may have.
        theirs.takes_the_names_of(&app, &ours).await;
    })
    .await;
}

impl Full {
    /// Makes what the other tenant has, under the very same names.
    async fn takes_the_names_of(&self, app: &TestApp, other: &Self) {
        let settings =
            json!({ "authentication": { "host": "dc1.example.com", "bindDn": "CN=x", "password": "canary" } });
        let own = format!("/api/v1/connectors/{}", self.things["connectors"]);
        let name = format!("{OURS} office");
        for name in [name.as_str(), "something else"] {
            let body = json!({ "name": name, "settings": settings });
            self.call(app, Method::PUT, &own, Some(body)).await.expect(200);
        }
        let of = async |list: &str| other.call(app, Method::GET, list, None).await.expect(200)["items"].clone();
        for list in ["/api/v1/connectors", "/api/v1/users", "/api/v1/clients", "/api/v1/transform-maps"] {
            for item in of(list).await.as_array().unwrap().iter().filter(|item| item["locked"] != json!(true)) {
                let body = match list {
                    "/api/v1/connectors" => {
                        let settings =
                            if item["type"] == gateway::TYPE { gateway::settings() } else { settings.clone() };
                        json!({ "name": item["name"], "type": item["type"], "settings": settings })
                    }
                    "/api/v1/users" => {
                        json!({ "username": item["username"], "password": "canary-password", "role": "viewer" })
                    }
                    "/api/v1/clients" => json!({ "name": item["name"], "role": "viewer" }),
                    _ => {
                        json!({ "name": item["name"], "type": item["type"], "stream": item["stream"], "text": default_map() })
                    }
                };
                let answer = self.call(app, Method::POST, list, Some(body)).await;
                assert!([201, 409].contains(&answer.status.as_u16()), "{list}: {}", answer.text);
                // `admin` is in every tenant that has one.
                assert!(answer.status == 201 || item["username"] == "admin", "{list}: {}", answer.text);
            }
        }
    }
}

/// Everything that a tenant's manager can look at: each list in many ways, each thing, the console's pages.
async fn seen(app: &TestApp, full: &Full) -> Vec<(String, String)> {
    let mut paths = Vec::new();
    for operation in
        operations(app).await.iter().filter(|operation| walked(operation) && operation.method == Method::GET)
    {
        let path = full.request(operation, None).0;
        if ["/api/v1/inventory/users", "/api/v1/inventory/groups", "/api/v1/inventory/apis"].contains(&path.as_str()) {
            paths.extend(ways_to_ask(&path));
        }
        if operation.path.ends_with("/members") || operation.path.ends_with("/memberships") {
            paths.push(format!("{path}?nested=true"));
        }
        for place in operation.places.iter().filter(|place| matches!(place, Place::Query { .. })) {
            paths.push(full.request(operation, Some((place, &full.things[place.thing()]))).0);
        }
        paths.push(path);
    }
    let mut all = Vec::new();
    for path in paths {
        let answer = full.call(app, Method::GET, &path, None).await;
        let is_list = answer.status == 200 && answer.json()["items"].is_array();
        assert!(!is_list || path.contains('?') || answer.json()["items"] != json!([]), "{path} has nothing to tell");
        let request = answer.headers["x-request-id"].to_str().unwrap();
        all.push((path, answer.text.replace(request, "{request}")));
    }
    let browser = Browser::of(app, &full.token);
    for page in [
        "users",
        "groups",
        "roles",
        "apis",
        "sources",
        "connectors",
        "agents",
        "runs",
        "dead-letters",
        "held",
        "accounts",
        "clients",
        "audit",
    ] {
        for more in ["", &format!("?filter={OURS}"), "?filter=inventory.status:held"] {
            let path = format!("/console/{page}{more}");
            let text = browser.get(&path).await.text;
            // What was asked is repeated in the field that it came from.
            let shown = if more.contains(OURS) { text.replace(OURS, "{asked}") } else { text };
            all.push((path, shown));
        }
    }
    for part in ["users/facets", "groups/facets", "apis/facets"] {
        let path = format!("/console/{part}");
        all.push((path.clone(), browser.part(&path).await.text));
    }
    all
}

/// Filters, facets and counts by every token there is.
fn ways_to_ask(list: &str) -> Vec<String> {
    let mut ways: Vec<String> =
        ["count=exact", "sort=-name&limit=3&count=exact", "filter=inventory.status:held&count=exact"]
            .iter()
            .map(|query| format!("{list}?{query}"))
            .collect();
    ways.extend(tokens::all().map(|target| format!("{list}?facets={}&limit=1", target.token())));
    for target in tokens::askable() {
        let token = target.token();
        ways.push(format!("{list}?filter={token}:*zq*&count=exact&limit=2"));
        ways.push(format!("{list}?filter=not%20{token}:nothing&count=exact&limit=2"));
    }
    ways
}

/// A place in another tenant's list leads nowhere in it.
async fn foreign_cursors(app: &TestApp, ours: &Full, theirs: &Full) {
    let mut asked = 0;
    for operation in
        operations(app).await.iter().filter(|operation| operation.method == Method::GET && walked(operation))
    {
        let path = |full: &Full| full.request(operation, None).0;
        let first = ours.call(app, Method::GET, &format!("{}?limit=1", path(ours)), None).await;
        let Some(next) = first.status.is_success().then(|| first.json()["nextCursor"].clone()).filter(Value::is_string)
        else {
            continue;
        };
        let path = format!("{}?cursor={}", path(theirs), next.as_str().unwrap());
        let answer = theirs.call(app, Method::GET, &path, None).await;
        assert!(!answer.text.contains(OURS), "{path}: {}", answer.text);
        assert!(answer.status == 200 || answer.said() == (400, "invalid_cursor".to_owned()), "{path}: {}", answer.text);
        asked += 1;
    }
    assert!(asked > 8, "{asked}");
}

#[tokio::test]
async fn a_viewer_changes_nothing() {
    both(async |app| {
        let full = Full::new(&app, app.first_tenant().await, OURS, 80).await;
        let viewer = app.somebody(&full.row, "viewer", "viewer").await;
        let before = everything(&app.hub.store).await;
        let harmless =
            ["/api/v1/profiles/preview-schedule", "/api/v1/transform-maps/lint", "/api/v1/transform-maps/preview"];
        for operation in operations(&app).await.iter().filter(|operation| walked(operation)) {
            // What is one's own, a viewer changes, too.
            let own = ["/api/v1/session", "/api/v1/me/password"].contains(&operation.path.as_str());
            if operation.method == Method::GET || own {
                continue;
            }
            let (path, body) = full.request(operation, None);
            let answer = full.ask(&app, &viewer, (operation.method.clone(), &path, body)).await;
            if harmless.contains(&operation.path.as_str()) {
                assert_eq!(answer.status, 200, "{path}: {}", answer.text);
            } else {
                assert_eq!(answer.said(), (403, "forbidden".to_owned()), "{} {path}", operation.method);
            }
        }
        assert_eq!(before, everything(&app.hub.store).await);
    })
    .await;
}
