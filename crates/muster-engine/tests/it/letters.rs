//! P9: bad values and bad records stop nobody else, are counted, and can be seen until they are mended.

use muster_core::connector::Mode;
use muster_core::run::RunResult;

use crate::bench::{both, counters, words};
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
