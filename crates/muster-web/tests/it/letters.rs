//! Dead letters: seen, looked at, replayed, by REST and on the console.

use axum::http::Method;
use muster_core::connector::Mode;
use muster_store::hub::JobFilter;
use serde_json::{Value, json};

use crate::app::{TestApp, both};
use crate::console::browser::{Browser, between, place, words};
use crate::console::source::{guid, user};
use crate::console::world::{CANARY, World};

/// A hub whose directory has `broken` users without a SID beside one that is well.
async fn world(app: &TestApp, broken: u32) -> World {
    let mut objects = vec![user(1, "Well", json!({}))];
    let title = "<b>no id</b>";
    objects
        .extend((0..broken).map(|n| user(100 + n, &format!("Broken {n}"), json!({ "objectSid": [], "title": title }))));
    let world = World::new(app, 1, objects).await;
    world.run(app, Mode::Full).await;
    world
}

async fn items(app: &TestApp, query: &str) -> Vec<Value> {
    app.get(&format!("/api/v1/dead-letters?{query}")).await.expect(200)["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn letters_are_listed_by_what_they_are_of_and_shown_as_they_came() {
    both(async |app| {
        let world = world(&app, 3).await;
        let (connector, profile) = (&world.connection.uuid, &world.profile.uuid);
        let all = items(&app, "").await;
        assert_eq!(all.len(), 3, "{all:?}");
        let run = all[0]["runId"].as_i64().unwrap();
        for (query, count) in [
            (format!("connector={connector}&stream=users"), 3),
            (format!("profile={profile}&run={run}"), 3),
            ("stream=groups".to_owned(), 0),
        ] {
            assert_eq!(items(&app, &query).await.len(), count, "{query}");
        }
        assert_eq!(app.get(&format!("/api/v1/dead-letters?run={}", run + 1)).await.said().0, 404);
        let page = app.get("/api/v1/dead-letters?limit=2").await.expect(200);
        let next = page["nextCursor"].as_str().unwrap();
        let rest = items(&app, &format!("limit=2&cursor={next}")).await;
        assert_eq!((page["items"].as_array().unwrap().len(), rest.len()), (2, 1));
        let one = app.get(&format!("/api/v1/dead-letters/{}", all[1]["id"])).await.expect(200);
        assert_eq!(one["target"], "asset.assetHeader.externalAssetId");
        assert_eq!((&one["map"]["version"], &one["replays"]), (&json!(1), &json!(0)));
        assert_eq!((&one["connectorId"], &one["profileId"]), (&json!(connector), &json!(profile)));
        assert_eq!(one["record"]["name"], json!(["Broken 1"]));
        assert_eq!(one["record"]["objectGUID"], json!([guid(101)]));
        assert!(one["reason"].as_str().unwrap().contains("externalAssetId"), "{one}");
    })
    .await;
}

#[tokio::test]
async fn a_replay_is_asked_for_once_and_not_beside_a_run() {
    both(async |app| {
        let world = world(&app, 3).await;
        let ids: Vec<i64> = items(&app, "").await.iter().map(|letter| letter["id"].as_i64().unwrap()).collect();
        let one = format!("/api/v1/dead-letters/{}/replay", ids[0]);
        let job = app.post(&one, json!({})).await.expect(202);
        assert_eq!((&job["kind"], &job["profileId"]), (&json!("replay"), &json!(world.profile.uuid)));
        assert_eq!(app.post(&one, json!({})).await.expect(202)["id"], job["id"], "the open one stands for it");
        let jobs = app.hub.store.jobs(1, JobFilter::default(), 1).await.unwrap();
        assert_eq!(jobs[0].payload, json!({ "letters": { "ids": [ids[0]] } }));
        let all = json!({ "connectorId": world.connection.uuid, "stream": "users" });
        let busy = app.post("/api/v1/dead-letters/replay", all.clone()).await;
        assert_eq!(busy.said(), (409, "busy".to_owned()));
        assert!(busy.json()["remedy"].is_string());
        let map = format!("/api/v1/profiles/{}/replay", world.profile.uuid);
        assert_eq!(app.post(&map, json!({})).await.said(), (409, "busy".to_owned()));
        app.post(&format!("/api/v1/jobs/{}/cancel", job["id"].as_str().unwrap()), json!({})).await.expect(200);
        let asked = app.post("/api/v1/dead-letters/replay", all).await.expect(202);
        let job = asked["jobs"][0]["id"].as_str().unwrap();
        let row = app.hub.store.job(1, job).await.unwrap().unwrap();
        assert_eq!(row.payload, json!({ "letters": { "stream": "users" } }));
        app.post(&format!("/api/v1/jobs/{job}/cancel"), json!({})).await.expect(200);
        let row = app.post(&map, json!({})).await.expect(202);
        assert_eq!((&row["kind"], &row["state"]), (&json!("replay"), &json!("queued")));
        let audit = app.get("/api/v1/audit").await.text;
        assert!(audit.contains("profile.replay"), "{audit}");
        for (body, said) in [
            (json!({ "letters": [] }), (422, "invalid_value")),
            (json!({ "letters": (0..201).collect::<Vec<_>>() }), (422, "invalid_value")),
            (json!({ "letters": [ids[0]], "stream": "users" }), (422, "invalid_value")),
            (json!({ "stream": "users" }), (422, "invalid_value")),
            (json!({ "letters": [1] }), (404, "not_found")),
            (json!({ "connectorId": world.connection.uuid, "stream": "groups" }), (409, "nothing_to_replay")),
        ] {
            let answer = app.post("/api/v1/dead-letters/replay", body.clone()).await;
            assert_eq!(answer.said(), (said.0, said.1.to_owned()), "{body}");
        }
    })
    .await;
}

#[tokio::test]
async fn the_last_run_is_not_forgotten_over_a_replay() {
    both(async |app| {
        let world = world(&app, 1).await;
        *world.paper.cut.lock().unwrap() = Some("groups");
        world.run(&app, Mode::Full).await;
        let path = format!("/api/v1/profiles/{}", world.profile.uuid);
        assert_eq!(app.get(&path).await.expect(200)["lastResult"], "partial");
        world.replay(&app).await;
        assert_eq!(app.get(&path).await.expect(200)["lastResult"], "partial");
        let runs = app.get("/api/v1/runs").await.expect(200);
        assert_eq!((&runs["items"][0]["mode"], &runs["items"][0]["result"]), (&json!("replay"), &json!("complete")));
    })
    .await;
}

#[tokio::test]
async fn the_console_lists_shows_and_replays_them() {
    both(async |app| {
        let (manager, viewer) = (Browser::manager(&app), Browser::viewer(&app).await);
        let empty = words(&manager.page("/console/dead-letters").await);
        assert!(empty.contains("No record was rejected. Whatever was read became an asset."), "{empty}");
        let world = world(&app, 52).await;
        let first = manager.page("/console/dead-letters").await;
        assert_eq!(first.matches("name=\"letter\"").count(), 50);
        let next = between(&first, "rel=\"next\" href=\"", "\"").unwrap();
        let second = manager.page(next).await;
        assert_eq!(second.matches("name=\"letter\"").count(), 2, "{next}");
        assert!(!second.contains("rel=\"next\"") && second.contains("First page"));
        let of = format!("/console/dead-letters?connector={}&stream=users", world.connection.uuid);
        assert!(manager.page(&of).await.contains("Replay all users of this connector"));
        let none = words(&manager.page("/console/dead-letters?stream=groups").await);
        assert!(none.contains("No record was rejected there."), "{none}");
        assert_eq!(manager.get("/console/dead-letters?run=x").await.status, 400);
        assert_eq!(manager.get("/console/dead-letters?connector=x").await.status, 404);
        let letter = between(&second, "<a href=\"/console/dead-letters/", "\"").unwrap();
        let page = manager.page(&format!("/console/dead-letters/{letter}")).await;
        assert!(words(&page).contains("externalAssetId` is required") && !page.contains("<b>no id"), "{page}");
        assert!(!page.contains(CANARY));
        for path in ["/console/dead-letters".to_owned(), format!("/console/dead-letters/{letter}")] {
            assert!(!viewer.page(&path).await.contains("Replay</button>"), "{path}");
        }
        let refused = viewer.submit("/console/dead-letters/replay", &[("letter", letter)]).await;
        assert_eq!(refused.status, 403);
        let job = manager.submit("/console/dead-letters/replay", &[("letter", letter)]).await;
        let shown = words(&manager.page(place(&job)).await);
        assert!(shown.starts_with("Runs Head office Replay of dead letters"), "{shown}");
        let jobs = app.get("/api/v1/jobs").await.json();
        let run = jobs["items"][1]["id"].as_str().unwrap();
        let ledger = manager.page(&format!("/console/runs/{run}")).await;
        assert!(ledger.contains(&of.replace('&', "&#38;")), "the rejected lead to their letters: {ledger}");
        let cancel = format!("/api/v1/jobs/{}/cancel", jobs["items"][0]["id"].as_str().unwrap());
        app.call(Method::POST, &cancel, None).await.expect(200);
        let all = [("connector", world.connection.uuid.as_str()), ("stream", "users")];
        place(&manager.submit("/console/dead-letters/replay", &all).await);
    })
    .await;
}

#[tokio::test]
async fn a_run_that_ended_badly_is_run_again_in_its_mode() {
    both(async |app| {
        let world = world(&app, 0).await;
        *world.paper.cut.lock().unwrap() = Some("groups");
        world.run(&app, Mode::Sweep).await;
        let jobs = app.get("/api/v1/jobs").await.json();
        let path = |at: usize| format!("/console/runs/{}", jobs["items"][at]["id"].as_str().unwrap());
        let (manager, viewer) = (Browser::manager(&app), Browser::viewer(&app).await);
        let page = manager.page(&path(0)).await;
        assert!(page.contains("<button name=\"mode\" value=\"sweep\""), "{page}");
        assert!(!manager.page(&path(1)).await.contains("Run again"), "it was complete");
        assert!(!viewer.page(&path(0)).await.contains("Run again"));
    })
    .await;
}
