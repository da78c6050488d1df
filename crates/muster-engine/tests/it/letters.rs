//! P9: bad values and bad records stop nobody else, are counted, and can be seen until they are mended.

use muster_core::connector::Mode;
use muster_core::ledger::Evidence;
use muster_core::run::RunResult;
use muster_store::Letters;
use muster_store::hub::{LetterFilter, LetterRow, Page};

use crate::bench::{Bench, both, counters, line, words};
use crate::tables::contents;
use crate::world::{Fault, World};

fn world() -> World {
    let mut world = World::new();
    world.people("n", 12, "north");
    world
}

#[tokio::test]
async fn a_bad_optional_value_is_dropped_and_counted() {
    both(world, |bench| async move {
        bench.source.world().set("people", "n0003", "level", "high");
        let report = bench.full().await;
        assert_eq!(report.result, RunResult::Complete);
        let people = counters(&report, "people");
        assert_eq!((people.created, people.dropped_values, people.rejected), (12, 1, 0));
        let asset = bench.asset("people", "n0003").await;
        assert_eq!(asset.document["assetDetail"]["userAssetClass"].get("primaryGroupId"), None);
    })
    .await;
}

#[tokio::test]
async fn a_bad_required_value_is_a_dead_letter_that_still_counts_as_seen() {
    both(world, |bench| async move {
        bench.source.world().set("people", "n0003", "badge", "");
        let report = bench.full().await;
        assert_eq!(report.result, RunResult::Complete, "{}", words(&report));
        let people = counters(&report, "people");
        assert_eq!((people.received, people.created, people.rejected), (12, 11, 1));
        let letters = bench.store.dead_letters(&bench.row, 10).await.unwrap();
        assert_eq!((letters.len(), letters[0].source_key.as_str()), (1, "n0003"));
        assert!(letters[0].reason.contains("externalAssetId"), "{}", letters[0].reason);
        let before = contents(&bench.store).await;
        bench.full().await;
        assert_eq!(contents(&bench.store).await, before, "the same letter again writes nothing");
        bench.source.world().set("people", "n0003", "badge", "B-7");
        bench.run(Mode::Delta).await;
        assert_eq!(bench.store.dead_letters(&bench.row, 10).await.unwrap(), []);
        assert_eq!(bench.status("n0003").await.0, "present");
    })
    .await;
}

#[tokio::test]
async fn an_asset_whose_record_went_bad_stays_and_its_letter_goes_when_the_record_is_as_before() {
    both(world, |bench| async move {
        bench.full().await;
        for fault in [false, true] {
            if fault {
                bench.source.world().fault("people", "north", &[Fault::Unreadable("n0003".to_owned())]);
            } else {
                bench.source.world().set("people", "n0003", "badge", "");
            }
            let report = bench.full().await;
            assert_eq!(report.result, RunResult::Complete, "{}", words(&report));
            let people = counters(&report, "people");
            assert_eq!((people.received, people.rejected, people.gone), (12, 1, 0));
            assert_eq!(bench.store.dead_letters(&bench.row, 10).await.unwrap().len(), 1);
            assert_eq!(bench.status("n0003").await.0, "present");
            bench.source.world().set("people", "n0003", "badge", "B-n0003");
            let report = bench.full().await;
            assert_eq!(counters(&report, "people").unchanged, 12);
            assert_eq!(bench.store.dead_letters(&bench.row, 10).await.unwrap(), []);
        }
    })
    .await;
}

#[tokio::test]
async fn a_sweep_mends_no_letter() {
    both(world, |bench| async move {
        bench.full().await;
        bench.source.world().fault("people", "north", &[Fault::Unreadable("n0003".to_owned())]);
        bench.full().await;
        bench.run(Mode::Sweep).await;
        assert_eq!(bench.store.dead_letters(&bench.row, 10).await.unwrap().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn an_object_refused_and_then_read_in_one_listing_is_one_object() {
    both(world, |bench| async move {
        // Listed twice, as paging by name does where an entry is renamed: refused at first, then as it should be.
        bench.source.world().page = 1;
        bench.source.world().set("people", "n0003", "badge", "");
        bench.source.world().fault("people", "north", &[Fault::Mend("n0003".to_owned())]);
        let report = bench.full().await;
        let people = counters(&report, "people");
        assert_eq!(
            (people.received, people.created, report.result),
            (12, 12, RunResult::Complete),
            "{}",
            words(&report)
        );
        assert_eq!(bench.store.dead_letters(&bench.row, 10).await.unwrap(), []);
    })
    .await;
}

async fn listed(bench: &Bench) -> Vec<LetterRow> {
    let page = Page { after: 0, limit: 100 };
    bench.store.letters(bench.row.tenant, LetterFilter::default(), page).await.unwrap()
}

const BADGE: &str = "{ source: badge, target: asset.assetHeader.externalAssetId, required: true }";
const BADGE_OR_KEY: &str =
    "{ sources: [badge, key], target: asset.assetHeader.externalAssetId, required: true, functions: [coalesce] }";

#[tokio::test]
async fn a_letter_that_maps_now_is_an_asset_and_one_that_does_not_says_so_anew() {
    both(world, |mut bench| async move {
        bench.source.world().set("people", "n0003", "badge", "");
        bench.source.world().fault("people", "north", &[Fault::Unreadable("n0004".to_owned())]);
        let first = bench.full().await;
        let before = listed(&bench).await;
        let told: Vec<_> = before.iter().map(|row| (row.target.as_deref(), row.map.is_some(), row.replays)).collect();
        let target = "asset.assetHeader.externalAssetId";
        assert_eq!(told, [(None, false, 0), (Some(target), true, 0)], "{before:?}");
        assert!(before.iter().all(|row| row.run == first.run.id && row.stream == "people" && row.scope == "north"));
        // With the map as it was nothing changes but that it was tried.
        bench.replay(Some(Letters::default())).await;
        let tried = listed(&bench).await;
        assert!(tried.iter().zip(&before).all(|(now, then)| (now.id, &now.reason, now.run, now.at) == (then.id, &then.reason, then.run, then.at)));
        assert!(tried.iter().all(|row| row.replays == 1), "{tried:?}");
        assert_eq!(bench.present("people").await, 10);
        bench.change_map("people", BADGE, BADGE_OR_KEY);
        let asked = bench.source.asked.load(std::sync::atomic::Ordering::SeqCst);
        let report = bench.replay(Some(Letters::default())).await;
        let people = counters(&report, "people");
        assert_eq!((report.result, people.created, people.rejected), (RunResult::Complete, 1, 1), "{}", words(&report));
        assert_eq!(line(&report, "people", "north").evidence, Evidence::Kept, "a replay proves nothing");
        assert_eq!(bench.source.asked.load(std::sync::atomic::Ordering::SeqCst), asked, "nobody asks the source");
        assert_eq!(bench.asset("people", "n0003").await.document["assetHeader"]["externalAssetId"], "n0003");
        assert_eq!(bench.letters().await, [("n0004".to_owned(), "unreadable".to_owned())]);
        // Twice changes nothing more.
        let (digest, report) = (bench.store.digest().await.unwrap(), bench.replay(Some(Letters::default())).await);
        assert_eq!((counters(&report, "people").created, bench.store.digest().await.unwrap()), (0, digest));
        // What the source lists is the same as what the letter held.
        let report = bench.full().await;
        let people = counters(&report, "people");
        assert_eq!((people.created, people.unchanged + people.updated, people.gone), (1, 11, 0), "{}", words(&report));
    })
    .await;
}

#[tokio::test]
async fn only_the_letters_that_are_named_are_replayed() {
    both(world, |mut bench| async move {
        for key in ["n0001", "n0002", "n0003"] {
            bench.source.world().set("people", key, "badge", "");
        }
        bench.full().await;
        bench.change_map("people", BADGE, BADGE_OR_KEY);
        let ids: Vec<i64> = listed(&bench).await.iter().map(|row| row.id).collect();
        let some = Letters { ids: vec![ids[1]], ..Letters::default() };
        assert_eq!(counters(&bench.replay(Some(some)).await, "people").created, 1);
        assert_eq!(bench.letters().await.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(), ["n0001", "n0003"]);
        let teams = Letters { stream: Some("teams".to_owned()), ..Letters::default() };
        assert!(bench.replay(Some(teams)).await.ledger.is_empty());
        let people = Letters { stream: Some("people".to_owned()), ..Letters::default() };
        assert_eq!(counters(&bench.replay(Some(people)).await, "people").created, 2);
        assert_eq!(bench.letters().await, []);
    })
    .await;
}

#[tokio::test]
async fn a_replayed_team_gets_its_members_from_the_next_run() {
    both(world, |mut bench| async move {
        bench.source.world().team("t1", &["n0001", "n0002"]);
        bench.source.world().set("teams", "t1", "badge", "");
        bench.full().await;
        bench.change_map("teams", BADGE, BADGE_OR_KEY);
        let report = bench.replay(Some(Letters::default())).await;
        assert_eq!(counters(&report, "teams").created, 1);
        assert!(words(&report).contains("members of what was created are not kept"), "{}", words(&report));
        assert_eq!(bench.members("t1").await, Vec::<String>::new());
        bench.run(Mode::Delta).await;
        assert_eq!(bench.members("t1").await.len(), 2);
    })
    .await;
}

#[tokio::test]
async fn the_letter_of_what_is_gone_goes_with_it() {
    both(world, |mut bench| async move {
        bench.full().await;
        bench.source.world().set("people", "n0003", "badge", "");
        bench.full().await;
        assert_eq!(bench.letters().await.len(), 1);
        bench.source.world().delete("people", "n0003");
        bench.full().await;
        assert_eq!((bench.status("n0003").await.0, bench.letters().await), ("gone", Vec::new()));
        bench.change_map("people", BADGE, BADGE_OR_KEY);
        bench.replay(Some(Letters::default())).await;
        assert_eq!(bench.status("n0003").await.0, "gone", "a replay brings nothing back");
    })
    .await;
}

#[tokio::test]
async fn a_letter_of_a_known_asset_changes_it_through_the_guard() {
    both(world, |mut bench| async move {
        bench.full().await;
        for attribute in ["badge", "mail"] {
            bench.source.world().set("people", "n0003", attribute, "");
        }
        bench.full().await;
        assert_eq!(bench.letters().await.len(), 1);
        let kept = bench.asset("people", "n0003").await;
        assert_eq!(kept.document["assetDetail"]["userAssetClass"]["email"], "n0003@example.org");
        bench.change_map("people", BADGE, BADGE_OR_KEY);
        let report = bench.replay(Some(Letters::default())).await;
        assert_eq!((counters(&report, "people").updated, bench.letters().await.len()), (1, 0), "{}", words(&report));
        let changed = bench.asset("people", "n0003").await;
        assert!(changed.document["assetDetail"]["userAssetClass"].get("email").is_none());
        assert_eq!(changed.origin, kept.origin, "where it was read stays");
    })
    .await;
}

#[tokio::test]
async fn a_new_map_is_replayed_without_the_source() {
    both(world, |mut bench| async move {
        bench.full().await;
        let before = bench.store.digest().await.unwrap();
        assert_eq!(counters(&bench.replay(None).await, "people").updated, 0);
        assert_eq!(bench.store.digest().await.unwrap(), before, "the same map again writes nothing");
        bench.change_map(
            "people",
            "{ source: mail, target: asset.assetDetail.userAssetClass.email }",
            "{ source: mail, target: asset.assetDetail.userAssetClass.email, functions: [upper] }",
        );
        bench.source.world().away = true;
        let report = bench.replay(None).await;
        assert_eq!((report.result, counters(&report, "people").updated), (RunResult::Complete, 12));
        let asset = bench.asset("people", "n0003").await;
        assert_eq!(asset.document["assetDetail"]["userAssetClass"]["email"], "N0003@EXAMPLE.ORG");
        assert_eq!(bench.history("people", "n0003").await[0].0, "map");
        assert_eq!(counters(&bench.replay(None).await, "people").updated, 0);
        // A map that rejects what is kept: the asset stays, the letter says why.
        bench.change_map(
            "people",
            "{ source: level, target: asset.assetDetail.userAssetClass.primaryGroupId }",
            "{ source: level, target: asset.assetDetail.userAssetClass.primaryGroupId, required: true }",
        );
        let report = bench.replay(None).await;
        assert_eq!((counters(&report, "people").rejected, bench.letters().await.len()), (12, 12));
        assert_eq!(bench.present("people").await, 12);
        let proven = bench.store.scopes(&bench.row).await.unwrap();
        assert!(proven.iter().all(|scope| scope.presence_proven_at < Some(report.run.as_of)));
    })
    .await;
}
