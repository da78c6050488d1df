//! P3, D9: a drop too great to believe is held until an operator releases it.

use std::sync::atomic::Ordering;

use muster_core::connector::Mode;
use muster_core::run::RunResult;

use crate::bench::{Bench, HOUR, both, counters, words};
use crate::tables::contents;
use crate::world::World;

/// A world of so many people in the north, so many in the south.
fn world(north: usize, south: usize) -> World {
    let mut world = World::new();
    world.page = 500;
    world.people("n", north, "north");
    world.people("s", south, "south");
    world
}

/// What is gone and held after so many went from the north, in that mode.
async fn drop_by(bench: &Bench, gone: usize, mode: Mode) -> (u64, u64, RunResult) {
    bench.full().await;
    bench.source.world().delete_people("n", gone);
    let report = bench.run(mode).await;
    let people = counters(&report, "people");
    let totals = bench.store.totals(&bench.row, "people").await.unwrap();
    assert_eq!((people.gone, people.held), (totals.gone, totals.held), "{}", words(&report));
    (totals.gone, totals.held, report.result)
}

#[tokio::test]
async fn the_guard_stands_at_its_edges() {
    let edges = [(100, 50, false), (255, 51, false), (255, 52, true), (49, 49, true), (5, 5, true), (4, 4, false)];
    for (all, gone, held) in edges {
        for mode in [Mode::Full, Mode::Delta] {
            both(
                || world(all, 0),
                |bench| async move {
                    let found = drop_by(&bench, gone, mode).await;
                    let count = u64::try_from(gone).unwrap();
                    let expected = if held { (0, count, RunResult::Held) } else { (count, 0, RunResult::Complete) };
                    assert_eq!(found, expected, "{gone} of {all} by {mode:?}");
                    assert!(bench.cursor("people", "north").await.is_some());
                },
            )
            .await;
        }
    }
}

#[tokio::test]
async fn what_went_in_a_day_adds_up() {
    both(
        || world(200, 0),
        |bench| async move {
            assert_eq!(drop_by(&bench, 40, Mode::Full).await.0, 40);
            bench.clock.advance(HOUR);
            bench.source.world().delete_people("n", 60);
            let report = bench.full().await;
            assert_eq!((report.result, bench.held("people").await), (RunResult::Held, 20), "60 of 200 within a day");
            bench.clock.advance(24 * HOUR);
            let report = bench.full().await;
            assert_eq!(report.result, RunResult::Complete, "a day later it is 20 of 160: {}", words(&report));
            assert_eq!((bench.held("people").await, bench.present("people").await), (0, 140));
        },
    )
    .await;
}

#[tokio::test]
async fn held_assets_stay_until_they_are_released() {
    both(
        || world(300, 30),
        |bench| async move {
            assert_eq!(drop_by(&bench, 100, Mode::Full).await, (0, 100, RunResult::Held));
            assert_eq!(bench.status("n0000").await, ("held", None));
            assert_eq!(bench.present("people").await, 330);
            // A delta neither retires nor frees what is held.
            assert_eq!(bench.run(Mode::Delta).await.result, RunResult::Complete);
            assert_eq!(bench.held("people").await, 100);
            // One of them is back: the release leaves it alone.
            bench.source.world().person("n0007", "north");
            let report = bench.release(Mode::Delta).await;
            assert_eq!((report.result, counters(&report, "people").gone), (RunResult::Complete, 99));
            assert_eq!(bench.status("n0007").await, ("present", None));
            assert_eq!(bench.status("n0008").await, ("gone", Some("deleted_at_source".to_owned())));
        },
    )
    .await;
}

#[tokio::test]
async fn the_next_full_run_replaces_what_is_held() {
    both(
        || world(300, 30),
        |bench| async move {
            let before = bench.source.world().clone();
            drop_by(&bench, 100, Mode::Full).await;
            let usn = bench.source.world().usn;
            *bench.source.world() = before;
            bench.source.world().usn = usn;
            bench.source.world().delete_people("n", 10);
            for mode in [Mode::Sweep, Mode::Full] {
                let report = bench.run(mode).await;
                assert_eq!(report.result, RunResult::Complete, "{}", words(&report));
                assert_eq!((bench.held("people").await, bench.present("people").await), (0, 320), "{mode:?}");
            }
        },
    )
    .await;
}

#[tokio::test]
async fn a_thousand_candidates_are_held_unasked() {
    both(
        || world(6000, 0),
        |bench| async move {
            assert_eq!(drop_by(&bench, 1001, Mode::Full).await, (0, 1001, RunResult::Held));
            assert_eq!(bench.source.asked.load(Ordering::SeqCst), 0);
            // Released, they are asked for after all; those that only moved are there.
            for n in 0..100 {
                bench.source.world().person(&format!("n{:04}", n * 10), "south");
            }
            bench.source.world().delete_people("n", 0);
            let report = bench.release(Mode::Sweep).await;
            assert_eq!(bench.held("people").await, 0, "{}", words(&report));
            assert_eq!(bench.present("people").await, 5099);
        },
    )
    .await;
}

#[tokio::test]
async fn more_than_a_thousand_that_moved_unseen_are_found_by_a_release() {
    both(
        || world(1500, 5),
        |bench| async move {
            bench.full().await;
            // They leave for the north while the south is read: no scope lists them.
            let moves: Vec<_> =
                (0..1200).map(|n| crate::world::Fault::Move(0, ("people", format!("n{n:04}")), "north")).collect();
            for n in 0..1200 {
                bench.source.world().move_to(&("people", format!("n{n:04}")), "south");
            }
            bench.source.world().fault("people", "south", &moves);
            let report = bench.release(Mode::Full).await;
            // Back where they were, and not listed there: the listing may lack others, too.
            assert_eq!(report.result, RunResult::Partial, "{}", words(&report));
            assert!(words(&report).contains("1200 people answer when they are asked for"), "{}", words(&report));
            assert_eq!((bench.present("people").await, bench.held("people").await), (1505, 0));
            assert_eq!(bench.full().await.result, RunResult::Complete);
        },
    )
    .await;
}

async fn mail(bench: &Bench, key: &str) -> Option<String> {
    let asset = bench.asset("people", key).await;
    asset.document["assetDetail"]["userAssetClass"]["email"].as_str().map(str::to_owned)
}

#[tokio::test]
async fn an_attribute_that_vanishes_keeps_its_old_values() {
    both(
        || world(255, 0),
        |bench| async move {
            bench.full().await;
            let before = contents(&bench.store).await;
            bench.source.world().hidden = Some(("people", "mail", 52));
            let report = bench.full().await;
            assert_eq!(report.result, RunResult::Held);
            assert!(words(&report).contains("`mail` vanished from 52 of 255 people"), "{}", words(&report));
            assert_eq!(counters(&report, "people").held, 52);
            assert_eq!(mail(&bench, "n0000").await.as_deref(), Some("n0000@example.org"));
            assert_eq!(bench.history("people", "n0000").await, []);
            assert_eq!(contents(&bench.store).await, before, "nothing is written while it is held");
            bench.source.world().hidden = None;
            let report = bench.full().await;
            assert_eq!(report.result, RunResult::Complete);
            assert_eq!(contents(&bench.store).await, before, "back again: nothing is written");
            bench.source.world().hidden = Some(("people", "mail", 52));
            let report = bench.release(Mode::Full).await;
            assert_eq!((report.result, counters(&report, "people").updated), (RunResult::Complete, 52));
            assert_eq!(mail(&bench, "n0000").await, None);
            assert_eq!(mail(&bench, "n0052").await.as_deref(), Some("n0052@example.org"));
        },
    )
    .await;
}

#[tokio::test]
async fn an_attribute_that_vanishes_from_few_is_believed() {
    both(
        || world(255, 0),
        |bench| async move {
            bench.full().await;
            bench.source.world().hidden = Some(("people", "mail", 51));
            let report = bench.full().await;
            assert_eq!((report.result, counters(&report, "people").updated), (RunResult::Complete, 51));
            assert_eq!(mail(&bench, "n0000").await, None);
            let history = bench.history("people", "n0000").await;
            assert_eq!(history[0].1, serde_json::json!({ "assetDetail.userAssetClass.email": "n0000@example.org" }));
        },
    )
    .await;
}

/// Takes the mail addresses of so many people of the north and of the south.
fn take_mail(bench: &Bench, north: usize, south: usize) {
    for (prefix, count) in [("n", north), ("s", south)] {
        (0..count).for_each(|n| bench.source.world().set("people", &format!("{prefix}{n:04}"), "mail", ""));
    }
}

#[tokio::test]
async fn vanishing_is_measured_by_the_stream_not_by_the_scope() {
    for mode in [Mode::Full, Mode::Delta] {
        // Too few of each scope, too many of both.
        both(
            || world(200, 200),
            |bench| async move {
                bench.full().await;
                let before = contents(&bench.store).await;
                take_mail(&bench, 45, 45);
                let report = bench.run(mode).await;
                assert_eq!((report.result, counters(&report, "people").held), (RunResult::Held, 90), "{mode:?}");
                let said = "`mail` vanished from 90 of 400 people; the old values stay until it is back or \
                            `--full --release` lets them go";
                assert!(words(&report).contains(said), "{mode:?}: {}", words(&report));
                assert_eq!(contents(&bench.store).await, before, "{mode:?}");
                let report = bench.release(Mode::Full).await;
                assert_eq!((report.result, counters(&report, "people").updated), (RunResult::Complete, 90));
                assert_eq!((mail(&bench, "n0044").await, mail(&bench, "s0044").await), (None, None));
            },
        )
        .await;
        // Too many of one scope, few of both.
        both(
            || world(200, 200),
            |bench| async move {
                bench.full().await;
                take_mail(&bench, 75, 0);
                let report = bench.run(mode).await;
                assert_eq!((report.result, counters(&report, "people").updated), (RunResult::Complete, 75), "{mode:?}");
                assert_eq!(mail(&bench, "n0074").await, None);
            },
        )
        .await;
    }
}

#[tokio::test]
async fn a_scope_that_was_cut_short_decides_nothing_of_what_vanished() {
    both(
        || world(200, 200),
        |bench| async move {
            bench.full().await;
            take_mail(&bench, 10, 10);
            bench.source.world().page = 100;
            bench.source.world().fault("people", "south", &[crate::world::Fault::Cut(1)]);
            let report = bench.full().await;
            assert_eq!((report.result, counters(&report, "people").updated), (RunResult::Partial, 10));
            assert_eq!(mail(&bench, "n0000").await, None);
            assert!(mail(&bench, "s0000").await.is_some(), "it comes again");
            assert_eq!(counters(&bench.full().await, "people").updated, 10);
        },
    )
    .await;
}

#[tokio::test]
async fn a_cancelled_run_forgets_no_loss() {
    both(
        || {
            let mut world = world(200, 200);
            world.team("t", &["n0000"]);
            world
        },
        |bench| async move {
            bench.full().await;
            take_mail(&bench, 3, 2);
            // The people's scopes are read and closed, their cursors moved; what was lost is not written yet.
            bench.source.world().set("teams", "t", "name", "renamed");
            bench.source.world().fault("teams", "all", &[crate::world::Fault::Cancel(0)]);
            assert_eq!(bench.run(Mode::Delta).await.result, RunResult::Cancelled);
            assert!(mail(&bench, "n0000").await.is_some());
            assert_eq!(counters(&bench.run(Mode::Delta).await, "people").updated, 5);
            assert_eq!((mail(&bench, "n0002").await, mail(&bench, "s0001").await), (None, None));
        },
    )
    .await;
}

#[tokio::test]
async fn another_map_and_time_leave_a_hold_alone() {
    let ending = || {
        let mut world = world(300, 0);
        world.set("people", "n0000", "ends", "20270101000000Z");
        world
    };
    both(ending, |mut bench| async move {
        assert_eq!(drop_by(&bench, 100, Mode::Full).await, (0, 100, RunResult::Held));
        bench.change_map("people", "version: 1", "version: 2");
        bench.run(Mode::Delta).await;
        assert_eq!(bench.held("people").await, 100, "another map");
        bench.clock.advance(400 * 24 * HOUR);
        bench.run(Mode::Delta).await;
        assert_eq!(bench.held("people").await, 100, "time");
        let asset = bench.asset("people", "n0000").await;
        assert_eq!(asset.document["assetDetail"]["userAssetClass"]["status"], "EXPIRED");
        assert_eq!(asset.origin.as_deref(), Some("server"), "mapping again is no reading");
    })
    .await;
}
