//! D6, D7: history is what was before, with its cause; volatile values have none.

use muster_core::connector::Mode;
use serde_json::json;

use crate::bench::{HOUR, both, counters};
use crate::tables::{contents, rows};
use crate::world::World;

fn world() -> World {
    let mut world = World::new();
    world.put("places", "home", "all", &[("name", "home")]);
    world.people("n", 12, "north");
    world
}

async fn user(bench: &crate::bench::Bench, key: &str) -> serde_json::Value {
    bench.asset("people", key).await.document["assetDetail"]["userAssetClass"].clone()
}

#[tokio::test]
async fn history_holds_the_fields_that_changed_and_creation_none() {
    both(world, |bench| async move {
        bench.full().await;
        assert_eq!(rows(&bench.store, "change").await, [""; 0]);
        bench.source.world().set("people", "n0001", "mail", "");
        bench.source.world().set("people", "n0001", "level", "7");
        bench.run(Mode::Delta).await;
        bench.source.world().set("people", "n0001", "place", "away");
        bench.run(Mode::Delta).await;
        let first = json!({
            "assetDetail.userAssetClass.email": "n0001@example.org", "assetDetail.userAssetClass.primaryGroupId": null
        });
        let source = "source".to_owned();
        assert_eq!(
            bench.history("people", "n0001").await,
            [(source.clone(), json!({ "container": "home" })), (source, first)]
        );
        assert_eq!(rows(&bench.store, "change").await.len(), 2);
    })
    .await;
}

#[tokio::test]
async fn a_container_renamed_is_one_entry() {
    both(world, |bench| async move {
        bench.full().await;
        bench.source.world().set("places", "home", "name", "house");
        let report = bench.run(Mode::Delta).await;
        assert_eq!((counters(&report, "places").updated, counters(&report, "people").updated), (1, 0));
        assert_eq!(rows(&bench.store, "change").await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn volatile_values_are_refreshed_in_place() {
    both(world, |bench| async move {
        bench.full().await;
        let login = user(&bench, "n0001").await["lastSuccessfulLoginAt"].clone();
        let changed_at = bench.asset("people", "n0001").await.changed_at;
        bench.source.world().set("people", "n0001", "logon", "133500000000000000");
        bench.source.world().set("people", "n0001", "failures", "3");
        let report = bench.run(Mode::Delta).await;
        let people = counters(&report, "people");
        assert_eq!((people.refreshed, people.updated), (1, 0));
        let later = user(&bench, "n0001").await;
        assert!(later["lastSuccessfulLoginAt"].as_str() > login.as_str());
        assert_eq!(later["failedPasswordAttemptCount"], 3);
        // Another server knows of an older logon and of other failures: the greater and the newer one stay.
        bench.source.world().set("people", "n0001", "logon", "133100000000000000");
        bench.source.world().set("people", "n0001", "failures", "1");
        bench.run(Mode::Delta).await;
        let last = user(&bench, "n0001").await;
        assert_eq!(last["lastSuccessfulLoginAt"], later["lastSuccessfulLoginAt"]);
        assert_eq!(last["failedPasswordAttemptCount"], 1);
        assert_eq!(rows(&bench.store, "change").await, [""; 0]);
        assert_eq!(bench.asset("people", "n0001").await.changed_at, changed_at);
    })
    .await;
}

#[tokio::test]
async fn a_move_beside_a_volatile_change_is_noted_at_once() {
    both(world, |bench| async move {
        bench.full().await;
        bench.source.world().set("people", "n0001", "failures", "3");
        bench.source.world().move_to(&("people", "n0001".to_owned()), "south");
        bench.full().await;
        assert_eq!(bench.scope_of("people", "n0001").await, "south");
        let before = contents(&bench.store).await;
        bench.full().await;
        assert_eq!(contents(&bench.store).await, before);
    })
    .await;
}

#[tokio::test]
async fn another_map_maps_all_again_whatever_is_read() {
    for mode in [Mode::Full, Mode::Delta, Mode::Sweep] {
        both(world, |mut bench| async move {
            bench.full().await;
            bench.change_map("people", "{ source: mail, target", "{ source: badge, target");
            bench.source.world().set("people", "n0001", "level", "7");
            bench.run(mode).await;
            assert_eq!(user(&bench, "n0005").await["email"], "B-n0005");
            let was = json!({ "assetDetail.userAssetClass.email": "n0005@example.org" });
            assert_eq!(bench.history("people", "n0005").await, [("map".to_owned(), was)], "{mode:?}");
            let before = contents(&bench.store).await;
            bench.run(Mode::Sweep).await;
            assert_eq!(contents(&bench.store).await, before, "{mode:?}");
        })
        .await;
    }
}

#[tokio::test]
async fn what_time_alone_changes_is_mapped_again() {
    both(world, |bench| async move {
        // 2026-09-21T14:13:20Z is when the clock starts.
        bench.source.world().set("people", "n0001", "ends", "20260922000000Z");
        bench.full().await;
        assert_eq!(user(&bench, "n0001").await["status"], "ACTIVE");
        bench.run(Mode::Delta).await;
        assert_eq!(user(&bench, "n0001").await["status"], "ACTIVE");
        bench.clock.advance(24 * HOUR);
        let report = bench.run(Mode::Delta).await;
        assert_eq!(user(&bench, "n0001").await["status"], "EXPIRED");
        assert_eq!(counters(&report, "people").updated, 1);
        let was = json!({ "assetDetail.userAssetClass.status": "ACTIVE" });
        assert_eq!(bench.history("people", "n0001").await, [("time".to_owned(), was)]);
        let before = contents(&bench.store).await;
        bench.run(Mode::Delta).await;
        assert_eq!(contents(&bench.store).await, before);
    })
    .await;
}

#[tokio::test]
async fn what_time_changes_beside_a_volatile_value_has_its_history_too() {
    both(world, |bench| async move {
        bench.source.world().set("people", "n0001", "ends", "20260922000000Z");
        bench.full().await;
        bench.clock.advance(24 * HOUR);
        bench.source.world().set("people", "n0001", "failures", "3");
        let report = bench.run(Mode::Delta).await;
        let later = user(&bench, "n0001").await;
        assert_eq!((&later["status"], &later["failedPasswordAttemptCount"]), (&json!("EXPIRED"), &json!(3)));
        let people = counters(&report, "people");
        assert_eq!((people.updated, people.refreshed), (1, 0));
        let was = json!({ "assetDetail.userAssetClass.status": "ACTIVE" });
        assert_eq!(bench.history("people", "n0001").await, [("time".to_owned(), was)]);
    })
    .await;
}

#[tokio::test]
async fn a_map_that_was_tried_and_taken_back_leaves_nothing_behind() {
    both(world, |mut bench| async move {
        bench.full().await;
        let before = user(&bench, "n0005").await;
        // Tried in a run that is cancelled before its end, and taken back.
        bench.change_map("people", "{ source: mail, target", "{ source: badge, target");
        bench.source.world().team("t", &["n0000"]);
        bench.source.world().fault("teams", "all", &[crate::world::Fault::Cancel(0)]);
        bench.full().await;
        assert_eq!(user(&bench, "n0005").await["email"], "B-n0005", "the fault is where it should be");
        bench.change_map(
            "people",
            "{ source: badge, target: asset.assetDetail",
            "{ source: mail, target: asset.assetDetail",
        );
        for mode in [Mode::Sweep, Mode::Delta] {
            bench.run(mode).await;
            assert_eq!(user(&bench, "n0005").await, before, "{mode:?}");
        }
    })
    .await;
}
