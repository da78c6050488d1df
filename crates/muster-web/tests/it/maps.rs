//! Maps: locked, cloned, changed, looked over.

use axum::http::Method;
use serde_json::json;

use crate::app::both;
use crate::configure::{connector, profile};

#[tokio::test]
async fn a_default_is_locked_and_a_clone_is_ones_own() {
    both(async |app| {
        let base = "/api/v1/transform-maps";
        let default = format!("{base}/default:active_directory:users");
        let found = app.get(&default).await.expect(200);
        assert_eq!(found["locked"], true);
        let text = found["text"].as_str().unwrap();
        let locked = app.call(Method::PUT, &default, Some(json!({ "text": text }))).await;
        assert_eq!(locked.said(), (409, "locked".to_owned()));
        let mine = app.post(&format!("{default}/clone"), json!({ "name": "mine" })).await.expect(201);
        let path = format!("{base}/{}", mine["id"].as_str().unwrap());
        let changed = json!({ "text": format!("{text}\n# changed\n"), "version": 1 });
        assert_eq!(app.call(Method::PUT, &path, Some(changed.clone())).await.expect(200)["version"], 2);
        assert_eq!(app.call(Method::PUT, &path, Some(changed)).await.said(), (409, "version_conflict".to_owned()));
        assert_eq!(app.get(&format!("{path}?version=1")).await.expect(200)["text"], text);
        let broken = json!({ "text": "map: x" });
        assert_eq!(app.call(Method::PUT, &path, Some(broken)).await.said(), (422, "invalid_map".to_owned()));
        let made = connector(&app, "d").await;
        let body = json!({ "name": "all", "transformMaps": { "users": mine["id"], "groups": "default" } });
        profile(&app, &made, body).await;
        assert_eq!(app.call(Method::DELETE, &path, None).await.said(), (409, "busy".to_owned()));
        let listed = app.get(&format!("{base}?type=active_directory&stream=users")).await.expect(200);
        assert_eq!(listed["items"].as_array().unwrap().len(), 2);
        let wrong = json!({ "name": "x", "active": false, "transformMaps": { "groups": mine["id"] } });
        let wrong = app.post(&format!("/api/v1/connectors/{}/profiles", made["id"].as_str().unwrap()), wrong).await;
        assert_eq!(wrong.json()["field"], "transformMaps.groups");
    })
    .await;
}

#[tokio::test]
async fn lint_tells_code_line_and_column() {
    both(async |app| {
        let text = "map: x\nversion: 1\ndata_model: active_directory\nstream: users\nrows:\n  - { source: objectSit, target: asset.assetHeader.externalAssetId, required: true }\n";
        let body = json!({ "type": "active_directory", "stream": "users", "text": text });
        let found = app.post("/api/v1/transform-maps/lint", body).await.expect(200);
        assert_eq!(found["usable"], false);
        let lint = &found["lints"][0];
        assert_eq!((&lint["code"], &lint["severity"], &lint["line"]), (&json!("M002"), &json!("error"), &json!(6)));
        assert!(lint["column"].as_u64().unwrap() > 1);
        let body = json!({ "type": "active_directory", "stream": "users", "text": ": [" });
        assert!(app.post("/api/v1/transform-maps/lint", body).await.expect(200)["syntax"].is_string());
        let body = json!({ "type": "active_directory", "stream": "users", "text": " ".repeat(100_000) });
        assert_eq!(app.post("/api/v1/transform-maps/lint", body).await.said(), (422, "invalid_map".to_owned()));
    })
    .await;
}
