//! Discovered APIs: lists, details, definitions, history.

use axum::body::Body;
use axum::http::{Method, Request, header};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::app::{Answer, TestApp, both};
use crate::gateway::{Gateway, connector, document};

const LIST: &str = "/api/v1/inventory/apis";

async fn id(app: &TestApp, name: &str) -> i64 {
    let path = format!("{LIST}?filter=displayName:'{}'", name.replace(' ', "%20"));
    app.get(&path).await.expect(200)["items"][0]["id"].as_i64().unwrap()
}

async fn with(app: &TestApp, path: &str, tag: &str) -> Answer {
    let token = format!("Bearer {}", app.token);
    let request = Request::get(path).header(header::AUTHORIZATION, token).header(header::IF_NONE_MATCH, tag);
    app.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn apis_are_listed_as_users_are() {
    both(async |app| {
        let made = connector(&app, &app.token, (1, "Contoso")).await;
        let gateway = Gateway::new(&app, "gate");
        for number in 0..7 {
            gateway.serve(&format!("Orders {number}"), &["GET /orders", "DELETE /orders/{id}"][..1 + number % 2]);
        }
        gateway.put("Chat", json!({ "type": "websocket" }));
        gateway.read(&app, (&made.0, made.1)).await;
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let path = format!("{LIST}?limit=3&sort=-displayName&facets=apiType,definitionState{cursor}");
            let page = app.get(&path).await.expect(200);
            assert_eq!(page["count"], json!({ "value": 8, "exact": true }));
            assert_eq!(page["facets"][0]["values"][0], json!({ "value": "http", "count": 7 }));
            for item in page["items"].as_array().unwrap() {
                assert_eq!((&item["class"], &item["status"]), (&json!("api"), &json!("present")));
                assert_eq!(item["lastSeen"], "2026-03-01T12:00:00Z");
                seen.push(item["asset"]["assetDetail"]["name"].as_str().unwrap().to_owned());
                let place = &item["asset"]["assetDetail"]["apiAssetClass"]["masifLocation"];
                let expected = json!(format!("{LIST}/{}/definition", item["id"]));
                assert_eq!(place, if seen.last().unwrap() == "Chat" { &Value::Null } else { &expected });
            }
            match page["nextCursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        let expected: Vec<String> =
            (0..7).rev().map(|number| format!("Orders {number}")).chain(["Chat".into()]).collect();
        assert_eq!(seen, expected);
        let some = app.get(&format!("{LIST}?filter=endpointCount%3E1%20and%20scanReady:true")).await.expect(200);
        assert_eq!(some["count"]["value"], 3);
        assert_eq!(app.get(&format!("{LIST}?filter=user.name:x")).await.expect(200)["items"], json!([]));
        let sources = app.get("/api/v1/sources").await.expect(200);
        assert_eq!(sources["items"][0]["streams"][0]["present"], 8);
    })
    .await;
}

#[tokio::test]
async fn a_definition_is_had_as_it_came_and_only_as_a_file() {
    both(async |app| {
        let made = connector(&app, &app.token, (1, "Contoso")).await;
        let gateway = Gateway::new(&app, "gate");
        let text = document("<script>alert(1)</script>", &["GET /a"]);
        let hash = gateway.define("../Ordérs \"x\"\r\n", ("json", text.as_bytes()), json!({ "apiVersion": "v 2" }));
        let others: [(&str, &[u8], &str); 4] = [
            ("wsdl", b"<a/>", "application/wsdl+xml"),
            ("zip", b"PK\x03\x04\xff\x00", "application/zip"),
            ("proto", b"syntax", "text/plain; charset=utf-8"),
            ("html", b"<script>", "application/octet-stream"),
        ];
        for (ending, bytes, _) in others {
            gateway.define(ending, (ending, bytes), json!({}));
        }
        gateway.read(&app, (&made.0, made.1)).await;
        let found = app.get(&format!("{LIST}?filter=definitionState:stored%20and%20apiVersion:*")).await.expect(200);
        let path = format!("{LIST}/{}/definition", found["items"][0]["id"]);
        let answer = app.get(&path).await;
        assert_eq!((answer.status.as_u16(), &answer.text), (200, &text));
        let said = |name: header::HeaderName| answer.headers[name].to_str().unwrap().to_owned();
        assert_eq!(said(header::CONTENT_TYPE), "application/json");
        assert_eq!(said(header::CONTENT_DISPOSITION), "attachment; filename=\"Ord-rs-x-v-2.json\"");
        assert_eq!(said(header::X_CONTENT_TYPE_OPTIONS), "nosniff");
        assert_eq!(said(header::ETAG), format!("\"{hash}\""));
        let known = with(&app, &path, &format!("W/\"{hash}\"")).await;
        assert_eq!((known.status.as_u16(), known.text.as_str()), (304, ""));
        assert_eq!(known.headers[header::ETAG], said(header::ETAG));
        assert_eq!(with(&app, &path, "\"another\"").await.text, text);
        for (ending, bytes, kind) in others {
            let path = format!("{LIST}/{}/definition", id(&app, ending).await);
            let token = format!("Bearer {}", app.token);
            let request = Request::get(&path).header(header::AUTHORIZATION, token).body(Body::empty()).unwrap();
            let (head, body) = app.router.clone().oneshot(request).await.unwrap().into_parts();
            assert_eq!(head.headers[header::CONTENT_TYPE], kind);
            let file = format!("attachment; filename=\"{ending}.{ending}\"");
            assert_eq!(head.headers[header::CONTENT_DISPOSITION], file.as_str());
            assert_eq!(&body.collect().await.unwrap().to_bytes()[..], bytes);
        }
    })
    .await;
}

#[tokio::test]
async fn where_no_definition_is_kept_the_problem_says_why() {
    both(async |app| {
        let made = connector(&app, &app.token, (1, "Contoso")).await;
        let gateway = Gateway::new(&app, "gate");
        gateway.put("Chat", json!({}));
        gateway.put("Broken", json!({ "definitionState": "failed" }));
        gateway.serve("Orders", &["GET /a"]);
        gateway.read(&app, (&made.0, made.1)).await;
        let orders = id(&app, "Orders").await;
        let place = async || {
            let detail = app.get(&format!("{LIST}/{orders}")).await.expect(200);
            detail["asset"]["assetDetail"]["apiAssetClass"]["masifLocation"].clone()
        };
        assert_eq!(place().await, json!(format!("{LIST}/{orders}/definition")));
        gateway.remove("Orders");
        app.clock.advance(60_000_000);
        gateway.read(&app, (&made.0, made.1)).await;
        assert_eq!(app.get(&format!("{LIST}/{orders}/definition")).await.status, 200, "gone, and kept");
        let later = app.hub.now().plus(60_000_000);
        let purged = app.hub.store.purge(1, (later, later), 100).await.unwrap();
        assert_eq!((purged.raw, purged.blobs), (1, 1));
        assert_eq!(place().await, Value::Null);
        let detail = app.get(&format!("{LIST}/{orders}")).await.expect(200);
        assert_eq!((&detail["status"], &detail["missingSince"]), (&json!("gone"), &json!("2026-03-01T12:01:00Z")));
        assert_eq!(detail["lastSeen"], Value::Null);
        for (id, why) in [
            (id(&app, "Chat").await, "the source has no definition of this API (`definitionState` is `none`)"),
            (id(&app, "Broken").await, "it could not be had from the source (`definitionState` is `failed`)"),
            (orders, "it was let go with the records of what is gone for long (`definitionState` is `stored`)"),
        ] {
            let answer = app.get(&format!("{LIST}/{id}/definition")).await;
            assert_eq!(answer.said(), (404, "no_definition".to_owned()));
            assert_eq!(answer.json()["detail"], why);
        }
    })
    .await;
}

#[tokio::test]
async fn history_tells_what_a_definitions_callers_notice() {
    both(async |app| {
        let made = connector(&app, &app.token, (1, "Contoso")).await;
        let gateway = Gateway::new(&app, "gate");
        gateway.serve("Orders", &["GET /orders", "DELETE /orders/{id}"]);
        gateway.read(&app, (&made.0, made.1)).await;
        app.clock.advance(60_000_000);
        gateway.serve("Orders", &["GET /orders", "POST /orders"]);
        gateway.read(&app, (&made.0, made.1)).await;
        let path = format!("{LIST}/{}", id(&app, "Orders").await);
        let history = app.get(&format!("{path}/history")).await.expect(200);
        let entry = &history["items"][0];
        assert_eq!((&entry["at"], &entry["cause"]), (&json!("2026-03-01T12:01:00Z"), &json!("source")));
        let told: Vec<_> = entry["definition"]
            .as_array()
            .unwrap()
            .iter()
            .map(|change| {
                let [method, path] = ["method", "path"].map(|key| change["subject"][key].as_str().unwrap());
                let [before, after] = ["before", "after"].map(|side| change[side].is_string());
                (format!("{method} {path}"), before, after, change["breaking"].as_bool().unwrap())
            })
            .collect();
        assert_eq!(
            told,
            [("POST /orders".to_owned(), false, true, false), ("DELETE /orders/{id}".to_owned(), true, false, true)]
        );
        let detail = app.get(&path).await.expect(200);
        let provenance = &detail["provenance"]["asset.assetDetail.apiAssetClass.endpoints"];
        assert_eq!(provenance["sources"], json!(["endpoints"]));
        assert_eq!(detail["raw"]["endpointCount"], json!([2]));
    })
    .await;
}

#[tokio::test]
async fn apis_with_the_very_same_definition_know_of_each_other() {
    both(async |app| {
        let text = document("Orders", &["GET /orders"]);
        let mut made = Vec::new();
        for (place, name) in [("gate", "Contoso"), ("other", "Fabrikam")] {
            let (row, order) = connector(&app, &app.token, (1, name)).await;
            let gateway = Gateway::new(&app, place);
            gateway.define(name, ("json", text.as_bytes()), json!({}));
            gateway.serve(&format!("{name} users"), &["GET /users"]);
            gateway.read(&app, (&row, order)).await;
            made.push((gateway, row, order));
        }
        let one = format!("{LIST}/{}", id(&app, "Contoso").await);
        let same = app.get(&one).await.expect(200)["sameDefinition"].clone();
        let other = json!({
            "id": id(&app, "Fabrikam").await, "name": "Fabrikam", "source": "Azure API Management",
            "connectorName": "Fabrikam",
        });
        assert_eq!(same, json!({ "total": 1, "items": [other] }));
        let tag = app.get(&format!("{one}/definition")).await.headers[header::ETAG].to_str().unwrap().replace('"', "");
        let both = app.get(&format!("{LIST}?filter=masifLocation:{tag}")).await.expect(200);
        assert_eq!(both["count"]["value"], 2, "its tag finds all that have it");
        let alone = app.get(&format!("{LIST}/{}", id(&app, "Contoso users").await)).await.expect(200);
        assert_eq!(alone["sameDefinition"], json!({ "total": 0, "items": [] }));
        // What is gone is no other place of it; what is gone itself still says where it is.
        let (gateway, row, order) = &made[0];
        gateway.remove("Contoso");
        gateway.read(&app, (row, *order)).await;
        let gone = app.get(&one).await.expect(200);
        assert_eq!((&gone["status"], &gone["sameDefinition"]["total"]), (&json!("gone"), &json!(1)));
        let left = app.get(&format!("{LIST}/{}", id(&app, "Fabrikam").await)).await.expect(200);
        assert_eq!(left["sameDefinition"]["total"], 0);
        // Another tenant's are none.
        let tenant = app.other_tenant().await;
        let token = app.somebody(&tenant, "manager", "manager").await;
        let theirs = connector(&app, &token, (tenant.id, "Theirs")).await;
        let gateway = Gateway::new(&app, "gate");
        gateway.define("Theirs", ("json", text.as_bytes()), json!({}));
        gateway.read(&app, (&theirs.0, theirs.1)).await;
        let list = app.call_as(&token, (Method::GET, LIST), None).await.expect(200);
        let path = format!("{LIST}/{}", list["items"][0]["id"]);
        let theirs = app.call_as(&token, (Method::GET, &path), None).await.expect(200);
        assert_eq!(theirs["sameDefinition"]["total"], 0);
        assert_eq!(app.call_as(&token, (Method::GET, &one), None).await.said(), (404, "not_found".to_owned()));
    })
    .await;
}

#[tokio::test]
async fn a_definition_is_let_go_when_no_api_has_needed_it_for_long() {
    both(async |app| {
        const DAY: i64 = 86_400_000_000;
        let tenant = app.other_tenant().await;
        let token = app.somebody(&tenant, "manager", "manager").await;
        let theirs = connector(&app, &token, (tenant.id, "Theirs")).await;
        let ours = connector(&app, &app.token, (1, "Contoso")).await;
        let read = async |gateway: &Gateway| {
            app.clock.advance(DAY);
            gateway.read(&app, (&ours.0, ours.1)).await;
        };
        let text = document("Shared", &["GET /a"]);
        let (gateway, other) = (Gateway::new(&app, "gate"), Gateway::new(&app, "gate"));
        let shared = format!("{}.json", gateway.define("One", ("json", text.as_bytes()), json!({})));
        gateway.define("Two", ("json", text.as_bytes()), json!({}));
        other.define("Theirs", ("json", text.as_bytes()), json!({}));
        other.read(&app, (&theirs.0, theirs.1)).await;
        let first = format!("{}.json", gateway.serve("Changing", &["GET /first"]));
        read(&gateway).await;
        let second = format!("{}.json", gateway.serve("Changing", &["GET /second"]));
        read(&gateway).await;
        let store = &app.hub.store;
        let kept = async |name: &str| store.blob(1, name).await.unwrap().is_some();
        let purge = async |before| store.purge(1, (before, before), 1).await.unwrap().blobs;
        let long_ago = app.hub.now().plus(-3 * DAY);
        assert_eq!(purge(long_ago).await, 0, "what nothing names is kept as long as all the rest");
        // A run that is open may have put aside a record that names one.
        let run = muster_store::RunRow {
            id: 0,
            connector: ours.0.id,
            order: ours.1,
            mode: muster_core::connector::Mode::Full,
            machine: muster_core::run::Machine::planned(1, 1),
            result: None,
            as_of: app.hub.now(),
            started_at: app.hub.now(),
            ended_at: None,
            origin: None,
            notes: Vec::new(),
        };
        store.begin_run(&ours.0, &run).await.unwrap();
        assert_eq!(purge(app.hub.now().plus(DAY)).await, 0, "a run is open");
        read(&gateway).await;
        assert_eq!((purge(app.hub.now().plus(DAY)).await, kept(&first).await), (1, false));
        gateway.remove("One");
        read(&gateway).await;
        assert_eq!(purge(app.hub.now().plus(DAY)).await, 0, "another API has it");
        gateway.remove("Two");
        read(&gateway).await;
        assert_eq!(purge(app.hub.now()).await, 0, "it was needed until now");
        assert_eq!((purge(app.hub.now().plus(DAY)).await, kept(&shared).await), (1, false));
        assert!(kept(&second).await, "an API is there that has it");
        assert!(store.blob(tenant.id, &shared).await.unwrap().is_some(), "another tenant's");
        // Whoever comes back brings it again.
        gateway.define("One", ("json", text.as_bytes()), json!({}));
        read(&gateway).await;
        assert!(kept(&shared).await);
    })
    .await;
}
