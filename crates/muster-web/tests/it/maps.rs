//! Maps: locked, cloned, changed, looked over.

use axum::http::Method;
use muster_core::connector::Mode;
use serde_json::json;

use crate::app::both;
use crate::configure::{connector, profile};
use crate::console::browser::{Browser, between, place, words};
use crate::console::world::{World, people};

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

#[tokio::test]
async fn the_console_clones_changes_tries_and_deletes_maps() {
    both(async |app| {
        let world = World::new(&app, 1, people()).await;
        let (manager, viewer) = (Browser::manager(&app), Browser::viewer(&app).await);
        let list = words(&viewer.page("/console/maps").await);
        assert!(list.contains("users active_directory Microsoft Active Directory user"), "{list}");
        assert!(list.contains("There is no map of your own yet. A manager clones a default map."), "{list}");
        let default = "/console/maps/default:active_directory:users";
        let page = words(&viewer.page(default).await);
        assert!(page.contains("objectSid asset.assetHeader.externalAssetId – required"), "{page}");
        assert!(!page.contains("Clone it"), "a viewer changes nothing");
        assert_eq!(viewer.submit(&format!("{default}/clone"), &[("name", "x")]).await.status, 403);
        assert_eq!(manager.get(&format!("{default}/edit")).await.status, 409, "a default is locked");
        let made = manager.submit(&format!("{default}/clone"), &[("name", "Karte für Łódź <b> 人")]).await;
        let mine = place(&made).to_owned();
        let list = manager.page("/console/maps").await;
        assert!(list.contains("<bdi>Karte für Łódź &#60;b&#62; 人</bdi>"), "{list}");
        let taken = manager.submit(&format!("{default}/clone"), &[("name", "karte für łódź <B> 人")]).await;
        assert!(taken.status == 422 && words(&taken.text).contains("Another one has that name"), "{}", taken.text);
        let edit = format!("{mine}/edit");
        let own = format!("/api/v1/transform-maps/{}", mine.rsplit('/').next().unwrap());
        let text = app.get(&own).await.expect(200)["text"].as_str().unwrap().to_owned();
        // What is wrong is told with its place, and what was written is kept.
        let broken = text.replacen("source: objectSid", "source: objectSit", 1);
        for button in [Some(("check", "1")), None] {
            let fields = [("version", "1"), ("text", broken.as_str())];
            let fields: Vec<_> = fields.into_iter().chain(button).collect();
            let answer = manager.submit(&edit, &fields).await;
            assert_eq!(answer.status, if button.is_some() { 200 } else { 422 });
            let line = 1 + text[..text.find("source: objectSid").unwrap()].matches('\n').count();
            let told = words(&answer.text);
            assert!(
                told.contains(&format!(" {line}:"))
                    && told.contains("error M002")
                    && answer.text.contains("source: objectSit"),
                "{}",
                answer.text
            );
        }
        let changed = text.replacen(
            "source: name, target: asset.assetDetail.name",
            "source: name, target: asset.assetDetail.name, functions: [upper]",
            1,
        );
        assert_ne!(changed, text);
        // What is far too long comes back, too.
        let endless = "x".repeat(70_000);
        let answer = manager.submit(&edit, &[("version", "1"), ("text", &endless)]).await;
        assert!(answer.status == 422 && answer.text.contains(&endless), "{:.2000}", answer.text);
        assert!(words(&answer.text).contains("A map has at most 65536 bytes"));
        let try_it = [("version", "1"), ("text", changed.as_str()), ("preview", "1")];
        assert!(words(&manager.submit(&edit, &try_it).await.text).contains("no stored record to try it on"));
        world.run(&app, Mode::Full).await;
        let tried = manager.submit(&edit, &try_it).await.text;
        assert!(tried.contains("Ada Lovelace") && tried.contains("ADA LOVELACE"), "{tried}");
        assert_eq!(app.get(&own).await.expect(200)["version"], 1, "nothing is saved by trying");
        let save = [("version", "1"), ("text", changed.as_str())];
        assert_eq!(place(&manager.submit(&edit, &save).await), mine);
        let stale = manager.submit(&edit, &save).await;
        assert!(stale.status == 422 && words(&stale.text).contains("somebody saved it"), "{}", stale.text);
        let page = manager.page(&mine).await;
        assert!(words(&page).contains("2 just now admin 1 just now admin"), "{}", words(&page));
        let first = between(&page, "<th scope=\"row\"><a href=\"/console/maps/", "\" aria-current").unwrap();
        assert!(first.ends_with("?version=2"), "{first}");
        assert!(words(&viewer.page(&format!("{mine}?version=1")).await).contains("version 1, your own"));
        // A profile's form offers it; while it is chosen, it stays.
        let chooser = profile(&app, &connector(&app, "d").await, json!({ "name": "Nightly" })).await;
        let form = format!("/console/profiles/{}/edit", chooser["id"].as_str().unwrap());
        assert!(manager.page(&form).await.contains("Karte für Łódź &#60;b&#62; 人, version 2"));
        let id = mine.rsplit('/').next().unwrap();
        let fields = [("name", "Nightly"), ("active", "true"), ("version", "1"), ("transformMaps.users", id)];
        place(&manager.submit(&form, &fields).await);
        let kept = manager.submit(&format!("{mine}/delete"), &[]).await;
        assert!(kept.status == 409 && words(&kept.text).contains("A profile chooses this map."), "{}", kept.text);
        let fields = [("name", "Nightly"), ("active", "true"), ("version", "2"), ("transformMaps.users", "default")];
        place(&manager.submit(&form, &fields).await);
        assert!(words(&manager.page(&format!("{mine}/delete")).await).contains("Delete Karte für Łódź"));
        assert_eq!(place(&manager.submit(&format!("{mine}/delete"), &[]).await), "/console/maps");
        assert_eq!(manager.get(&mine).await.status, 404);
    })
    .await;
}

#[tokio::test]
async fn maps_of_ones_own_have_a_second_page() {
    both(async |app| {
        for number in 0..51 {
            let body = json!({ "name": format!("map {number}") });
            app.post("/api/v1/transform-maps/default:active_directory:groups/clone", body).await.expect(201);
        }
        let browser = Browser::viewer(&app).await;
        let first = browser.page("/console/maps").await;
        assert!(first.contains("map 49</bdi>") && !first.contains("map 50</bdi>"));
        let next = between(&first, "rel=\"next\" href=\"", "\"").unwrap();
        let second = browser.page(next).await;
        assert!(
            second.contains("map 50</bdi>") && !second.contains("map 49</bdi>") && !second.contains("rel=\"next\"")
        );
        let stranger = app.somebody(&app.other_tenant().await, "stranger", "manager").await;
        assert!(!Browser::of(&app, &stranger).page("/console/maps").await.contains("map 1<"), "a tenant's own");
        let id =
            between(&second, "<a href=\"/console/maps/", "\"><bdi>map 50").map(|text| text.rsplit('/').next().unwrap());
        let foreign = Browser::of(&app, &stranger).get(&format!("/console/maps/{}", id.unwrap())).await;
        assert_eq!(foreign.status, 404);
    })
    .await;
}
