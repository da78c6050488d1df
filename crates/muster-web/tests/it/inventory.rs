//! The inventory: lists, details, who is in what, roles, what is held.

use axum::http::Method;
use muster_store::{ConnectorRow, Order};
use serde_json::{Value, json};

use crate::app::{TestApp, both};
use crate::configure::{connector, profile};
use crate::directory::Directory;

/// A connector and a profile of it, and the directory behind them, read once.
async fn read(app: &TestApp, users: u32, parameters: Value) -> (Directory, ConnectorRow, Value) {
    let made = connector(app, "Head office").await;
    let kept = profile(app, &made, json!({ "name": "all", "parameters": parameters })).await;
    let row = app.hub.store.connection(1, made["id"].as_str().unwrap()).await.unwrap().unwrap();
    let row = ConnectorRow { id: row.id, tenant: 1, name: row.name };
    let directory = Directory::new(app, users);
    directory.read(app, &row, order(app, &kept).await).await;
    (directory, row, kept)
}

async fn order(app: &TestApp, profile: &Value) -> Order {
    let row = app.hub.store.profile(1, profile["id"].as_str().unwrap()).await.unwrap().unwrap();
    Order { profile: Some(row.id), job: None }
}

#[tokio::test]
async fn a_list_filters_sorts_pages_counts() {
    both(async |app| {
        read(&app, 25, json!({})).await;
        let base = "/api/v1/inventory/users";
        let page = app.get(&format!("{base}?limit=10&sort=-name&facets=jobTitle,status")).await.expect(200);
        assert_eq!(page["count"], json!({ "value": 25, "exact": true }));
        assert_eq!(page["items"][0]["asset"]["assetDetail"]["name"], "User 1025");
        assert_eq!(page["items"][0]["source"], "Microsoft Active Directory");
        assert_eq!(page["facets"][0]["values"][0], json!({ "value": "odd", "count": 13 }));
        let mut seen = page["items"].as_array().unwrap().len();
        let mut cursor = page["nextCursor"].as_str().map(str::to_owned);
        while let Some(next) = cursor {
            let page = app.get(&format!("{base}?limit=10&sort=-name&cursor={next}")).await.expect(200);
            seen += page["items"].as_array().unwrap().len();
            cursor = page["nextCursor"].as_str().map(str::to_owned);
        }
        assert_eq!(seen, 25);
        let some = app.get(&format!("{base}?filter=jobTitle:Even%20and%20name:1002&count=exact")).await.expect(200);
        assert_eq!(some["count"]["value"], 1);
        let none = app.get(&format!("{base}?filter=group.name:x")).await;
        assert_eq!(none.expect(200)["items"], json!([]));
        for (query, code) in [
            ("filter=name:(", "invalid_filter"),
            ("filter=nothing:x", "invalid_filter"),
            ("sort=nothing", "invalid_parameter"),
            ("facets=name", "invalid_parameter"),
            ("count=all", "invalid_parameter"),
            ("filter=a%00b", "invalid_parameter"),
        ] {
            assert_eq!(app.get(&format!("{base}?{query}")).await.said(), (400, code.to_owned()), "{query}");
        }
        let other = app.other_tenant().await;
        let token = app.somebody(&other, "viewer", "viewer").await;
        let theirs = app.call_as(&token, (Method::GET, base), None).await.expect(200);
        assert_eq!(theirs["count"]["value"], 0);
        let sources = app.get("/api/v1/sources").await.expect(200);
        let users = sources["items"][0]["streams"].as_array().unwrap().iter().find(|one| one["stream"] == "users");
        assert_eq!(users.unwrap()["present"], 25);
    })
    .await;
}

async fn named(app: &TestApp, class: &str, name: &str) -> i64 {
    let path = format!("/api/v1/inventory/{class}?filter=name='{}'", name.replace(' ', "%20"));
    app.get(&path).await.expect(200)["items"][0]["id"].as_i64().unwrap()
}

#[tokio::test]
async fn a_detail_says_where_each_value_came_from() {
    both(async |app| {
        let (directory, row, kept) = read(&app, 3, json!({})).await;
        let id = named(&app, "users", "User 1002").await;
        app.clock.advance(60_000_000);
        directory.title(1002, "Lead");
        directory.read(&app, &row, order(&app, &kept).await).await;
        let path = format!("/api/v1/inventory/users/{id}");
        let detail = app.get(&path).await.expect(200);
        let title = &detail["provenance"]["asset.assetDetail.userAssetClass.jobTitle"];
        assert_eq!((&title["map"], &title["sources"][0]), (&json!("active_directory/users"), &json!("title")));
        assert_eq!(detail["raw"]["title"], json!(["Lead"]));
        assert_eq!(detail["raw"]["objectSid"], json!(["S-1-5-21-1-2-3-1002"]));
        assert_eq!(detail["lastSeen"], "2026-03-01T12:01:00Z");
        let history = app.get(&format!("{path}/history")).await.expect(200);
        assert_eq!(history["items"][0]["cause"], "source");
        assert!(history["items"][0]["before"].to_string().contains("Even"));
        assert_eq!(app.get(&format!("/api/v1/inventory/groups/{id}")).await.status, 404);
        let before = json!({ "assetId": id, "mapId": "default:active_directory:users" });
        let preview = app.post("/api/v1/transform-maps/preview", before).await.expect(200);
        assert_eq!(preview["after"]["assetDetail"], preview["before"]["assetDetail"]);
        assert!(preview["values"].as_array().unwrap().iter().any(|value| value["attribute"] == "title"));
        let runs = app.get(&format!("/api/v1/runs?profile={}", kept["id"].as_str().unwrap())).await.expect(200);
        assert_eq!(runs["items"].as_array().unwrap().len(), 2);
        let run = app.get(&format!("/api/v1/runs/{}", runs["items"][0]["id"])).await.expect(200);
        assert_eq!((&run["result"], &run["totals"]["updated"]), (&json!("complete"), &json!(1)));
        assert_eq!(run["ledger"][1]["evidence"], "counted");
        let state = app.get(&format!("/api/v1/profiles/{}", kept["id"].as_str().unwrap())).await.expect(200);
        assert_eq!((&state["state"], &state["lastResult"]), (&json!("Processed"), &json!("complete")));
    })
    .await;
}

#[tokio::test]
async fn memberships_go_both_ways_and_a_cycle_is_walked_once() {
    both(async |app| {
        read(&app, 3, json!({})).await;
        let names = async |path: &str| {
            let page = app.get(path).await.expect(200);
            let items = page["items"].as_array().unwrap().iter();
            let mut names: Vec<String> = items.map(|item| item["name"].as_str().unwrap().to_owned()).collect();
            names.sort();
            names
        };
        let user = named(&app, "users", "User 1001").await;
        let (admins, tier) = (named(&app, "groups", "Domain Admins").await, named(&app, "groups", "Tier").await);
        let path = format!("/api/v1/inventory/users/{user}/memberships");
        assert_eq!(names(&path).await, ["Domain Users", "Tier"]);
        assert_eq!(names(&format!("{path}?nested=true")).await, ["Domain Admins", "Domain Users", "Tier"]);
        let path = format!("/api/v1/inventory/groups/{admins}/members");
        assert_eq!(names(&path).await, ["Tier"]);
        assert_eq!(names(&format!("{path}?nested=true")).await, ["Tier", "User 1001"]);
        let members = app.get(&format!("/api/v1/inventory/groups/{tier}/members")).await.expect(200);
        assert_eq!(members["unresolved"].as_array().unwrap().len(), 1);
        let all = named(&app, "groups", "Domain Users").await;
        assert_eq!(app.get(&format!("/api/v1/inventory/groups/{all}/members")).await.expect(200)["total"], 3);
    })
    .await;
}

#[tokio::test]
async fn roles_are_derived_where_posture_was_chosen() {
    both(async |app| {
        let (_, _, kept) = read(&app, 2, json!({ "assets": "identities" })).await;
        let none = app.get("/api/v1/inventory/roles").await.expect(200);
        assert_eq!(none["items"], json!([]));
        assert!(none["reason"].as_str().unwrap().contains("identities_with_posture"));
        let change = json!({ "name": "all", "parameters": { "assets": "identities_with_posture" } });
        let path = format!("/api/v1/profiles/{}", kept["id"].as_str().unwrap());
        app.call(Method::PUT, &path, Some(change)).await.expect(200);
        let roles = app.get("/api/v1/inventory/roles").await.expect(200);
        let roles = roles["items"].as_array().unwrap();
        assert_eq!(roles.len(), 1, "{roles:?}");
        assert_eq!((&roles[0]["name"], &roles[0]["derived"]), (&json!("Domain Admins"), &json!(true)));
        assert_eq!((&roles[0]["members"], &roles[0]["class"]), (&json!(2), &json!("role")));
        let members = app.get(&format!("/api/v1/inventory/roles/{}/members", roles[0]["id"])).await.expect(200);
        assert_eq!(members["total"], 2);
        let tier = named(&app, "groups", "Tier").await;
        assert_eq!(app.get(&format!("/api/v1/inventory/roles/{tier}")).await.status, 404);
    })
    .await;
}

#[tokio::test]
async fn a_held_drop_can_be_released() {
    both(async |app| {
        let (directory, row, kept) = read(&app, 200, json!({})).await;
        directory.forget_from(1101);
        app.clock.advance(60_000_000);
        directory.read(&app, &row, order(&app, &kept).await).await;
        let path = format!("/api/v1/profiles/{}", kept["id"].as_str().unwrap());
        let told = app.get(&format!("{path}/held")).await.expect(200);
        assert_eq!((&told["held"], &told["sets"][0]["stream"]), (&json!(100), &json!("users")));
        assert_eq!(told["sets"][0]["sample"].as_array().unwrap().len(), 5);
        let reason = told["sets"][0]["reason"].as_str().unwrap();
        assert!(reason.contains("more than the guard lets go at once"), "{reason}");
        assert_eq!(app.get("/api/v1/held").await.expect(200)["items"], told["sets"]);
        assert_eq!(app.get(&path).await.expect(200)["lastResult"], "held");
        let held = app.get("/api/v1/inventory/users?filter=inventory.status:held&limit=1").await.expect(200);
        assert_eq!((&held["count"]["value"], &held["items"][0]["status"]), (&json!(100), &json!("held")));
        let job = app.call(Method::POST, &format!("{path}/release"), None).await.expect(202);
        assert_eq!((&job["mode"], &job["release"]), (&json!("full"), &json!(true)));
    })
    .await;
}

#[tokio::test]
async fn a_refused_drop_is_present_until_it_is_missed_anew() {
    both(async |app| {
        let (directory, row, kept) = read(&app, 200, json!({})).await;
        let path = format!("/api/v1/profiles/{}", kept["id"].as_str().unwrap());
        let refuse = async || app.call(Method::POST, &format!("{path}/refuse"), None).await;
        assert_eq!(refuse().await.said(), (409, "nothing_held".to_owned()));
        directory.forget_from(1101);
        app.clock.advance(60_000_000);
        directory.read(&app, &row, order(&app, &kept).await).await;
        refuse().await.expect(204);
        let held = async || app.get("/api/v1/held").await.expect(200)["items"].as_array().unwrap().len();
        assert_eq!(held().await, 0);
        let users = app.get("/api/v1/inventory/users?limit=1").await.expect(200);
        assert_eq!((&users["count"]["value"], &users["items"][0]["status"]), (&json!(200), &json!("present")));
        let audit = app.get("/api/v1/audit?limit=1").await.expect(200);
        assert_eq!(
            (&audit["items"][0]["action"], &audit["items"][0]["detail"]["held"]),
            (&json!("profile.refuse"), &json!(100))
        );
        app.clock.advance(60_000_000);
        directory.read(&app, &row, order(&app, &kept).await).await;
        assert_eq!(held().await, 1, "missed anew");
    })
    .await;
}
