//! P2, D3: nothing is gone without evidence, and each disappearance says why.

use std::sync::atomic::Ordering;

use muster_core::connector::{ErrorKind, Mode, Verdict};
use muster_core::run::RunResult;

use crate::bench::{Bench, both, counters, words};
use crate::world::{Fault, World};

fn world() -> World {
    let mut world = World::new();
    world.people("n", 30, "north");
    world.people("s", 30, "south");
    world.team("t", &["n0000", "s0000"]);
    world
}

fn gone(cause: &str) -> (&'static str, Option<String>) {
    ("gone", Some(cause.to_owned()))
}

async fn all_present(bench: &Bench, when: &str) {
    assert_eq!((bench.present("people").await, bench.held("people").await), (60, 0), "{when}");
}

#[tokio::test]
async fn a_partial_or_failed_run_retires_nobody() {
    both(world, |bench| async move {
        bench.full().await;
        let faults: [&[Fault]; 6] = [
            &[Fault::LosePage(1)],
            &[Fault::LosePage(1), Fault::RepeatPage(0)],
            &[Fault::Cut(1)],
            &[Fault::Fail(1, ErrorKind::Protocol)],
            &[Fault::Empty],
            &[Fault::Cancel(1)],
        ];
        for (fault, confirms) in faults.into_iter().flat_map(|fault| [(fault, true), (fault, false), (fault, false)]) {
            for mode in [Mode::Full, Mode::Sweep] {
                // Were these asked for, they would be called deleted: an open scope must not even ask.
                let lying = (0..30).map(|n| (format!("n{n:04}"), Verdict::Deleted)).collect();
                bench.source.world().verdicts = lying;
                bench.source.world().confirms = confirms;
                bench.source.world().fault("people", "north", fault);
                let report = bench.run(mode).await;
                assert_ne!(report.result, RunResult::Complete, "{fault:?}");
                all_present(&bench, &format!("{mode:?} {fault:?}")).await;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn an_empty_listing_that_is_called_a_success_is_asked_about() {
    both(world, |bench| async move {
        bench.full().await;
        bench.source.world().counts = false;
        bench.source.world().fault("people", "north", &[Fault::Empty]);
        let report = bench.full().await;
        // That they answer proves the listing short, whatever it said of its end.
        assert_eq!(report.result, RunResult::Partial);
        assert!(
            words(&report).contains("30 people answer when they are asked for, and were not listed"),
            "{}",
            words(&report)
        );
        assert_eq!(bench.source.asked.load(Ordering::SeqCst), 30);
        all_present(&bench, "they are there when asked for").await;
        let delta = bench.run(Mode::Delta).await;
        let modes = delta.ledger.iter().filter(|line| line.stream == "people").map(|line| (&*line.scope, line.mode));
        let modes: Vec<_> = modes.collect();
        assert_eq!(modes, [("north", Mode::Full), ("south", Mode::Delta)], "the cursor of what was cut short is gone");
        assert_eq!(bench.full().await.result, RunResult::Complete);
    })
    .await;
}

#[tokio::test]
async fn what_moved_during_the_run_is_asked_for_and_stays_at_its_new_place() {
    both(world, |bench| async move {
        bench.full().await;
        // It leaves the scope that is read first only after the other was read: it is seen in neither.
        let moved = ("people", "s0029".to_owned());
        bench.source.world().fault("people", "south", &[Fault::Move(0, moved, "north")]);
        let report = bench.full().await;
        assert_eq!(report.result, RunResult::Complete, "{}", words(&report));
        all_present(&bench, "moved").await;
        assert_eq!(bench.source.asked.load(Ordering::SeqCst), 1);
        assert_eq!(bench.scope_of("people", "s0029").await, "north");
        assert_eq!(counters(&report, "people").gone, 0);
    })
    .await;
}

#[tokio::test]
async fn what_moved_lies_where_it_was_found_whichever_scope_that_is() {
    let three = || {
        let mut world = world();
        world.scopes.insert("people", vec!["north", "south", "west"]);
        world.people("w", 6, "west");
        world
    };
    both(three, |bench| async move {
        bench.full().await;
        let moved = ("people", "w0005".to_owned());
        bench.source.world().fault("people", "west", &[Fault::Move(0, moved, "south")]);
        bench.full().await;
        assert_eq!(bench.scope_of("people", "w0005").await, "south");
    })
    .await;
}

#[tokio::test]
async fn what_moved_and_lost_a_value_is_written_as_it_is() {
    both(world, |bench| async move {
        bench.full().await;
        bench.source.world().set("people", "s0029", "mail", "");
        let moved = ("people", "s0029".to_owned());
        bench.source.world().fault("people", "south", &[Fault::Move(0, moved, "north")]);
        bench.full().await;
        let asset = bench.asset("people", "s0029").await;
        assert_eq!(asset.document["assetDetail"]["userAssetClass"].get("email"), None);
        assert_eq!(bench.scope_of("people", "s0029").await, "north");
    })
    .await;
}

#[tokio::test]
async fn each_answer_has_its_cause() {
    both(world, |bench| async move {
        bench.full().await;
        bench.source.world().delete("people", "n0000");
        bench.source.world().move_to(&("people", "n0001".to_owned()), "elsewhere");
        for key in ["n0002", "n0003"] {
            bench.source.world().move_to(&("people", key.to_owned()), "hidden");
        }
        let verdicts = [("n0002".to_owned(), Verdict::Forbidden), ("n0003".to_owned(), Verdict::Unknown)];
        bench.source.world().verdicts = verdicts.into();
        let report = bench.full().await;
        assert_eq!(bench.status("n0000").await, gone("deleted_at_source"));
        assert_eq!(bench.status("n0001").await, gone("out_of_scope"));
        assert_eq!(bench.status("n0002").await, gone("permission_lost"));
        assert_eq!(bench.status("n0003").await, ("present", None));
        assert_eq!(counters(&report, "people").gone, 3);
        assert_eq!(bench.history("people", "n0000").await[0].1, serde_json::json!({ "state": "present" }));
        // Back again: it reappears, with one entry that says it had been gone.
        bench.source.world().person("n0000", "north");
        let report = bench.full().await;
        assert_eq!(counters(&report, "people").reappeared, 1);
        assert_eq!(bench.status("n0000").await, ("present", None));
        let history = bench.history("people", "n0000").await;
        assert_eq!(history.len(), 2, "{history:?}");
        assert_eq!(history[0].1["state"], "gone");
    })
    .await;
}

#[tokio::test]
async fn a_source_that_cannot_be_asked_needs_two_complete_runs_in_a_row() {
    both(world, |bench| async move {
        bench.source.world().confirms = false;
        bench.full().await;
        bench.source.world().delete("people", "n0000");
        bench.full().await;
        assert_eq!(bench.status("n0000").await.0, "present", "one run is not enough");
        bench.source.world().fault("people", "south", &[Fault::Cut(1)]);
        bench.full().await;
        assert_eq!(bench.status("n0000").await.0, "present", "a partial run does not count");
        bench.full().await;
        assert_eq!(bench.status("n0000").await, gone("not_listed"));
    })
    .await;
}

#[tokio::test]
async fn two_misses_with_a_sighting_between_are_not_in_a_row() {
    both(world, |bench| async move {
        bench.source.world().confirms = false;
        bench.full().await;
        let away = |to: &str| bench.source.world().move_to(&("people", "n0000".to_owned()), to);
        away("elsewhere");
        bench.full().await;
        away("north");
        bench.full().await;
        away("elsewhere");
        bench.full().await;
        assert_eq!(bench.status("n0000").await.0, "present");
        bench.run(Mode::Sweep).await;
        assert_eq!(bench.status("n0000").await, gone("not_listed"));
    })
    .await;
}

#[tokio::test]
async fn a_delta_believes_tombstones_alone() {
    both(world, |bench| async move {
        bench.full().await;
        bench.source.world().delete("people", "n0000");
        bench.source.world().set("people", "n0005", "mail", "new@example.org");
        bench.source.world().shows_tombstones = false;
        let report = bench.run(Mode::Delta).await;
        assert_eq!((report.result, counters(&report, "people").updated), (RunResult::Complete, 1));
        all_present(&bench, "a delta without tombstones retires nobody").await;
        bench.source.world().shows_tombstones = true;
        bench.source.world().delete("people", "n0001");
        let report = bench.run(Mode::Delta).await;
        assert_eq!(counters(&report, "people").gone, 1);
        assert_eq!(bench.status("n0001").await, gone("deleted_at_source"));
        assert_eq!(bench.status("n0000").await.0, "present");
        assert_eq!(bench.members("t").await, ["n0000", "s0000"]);
        bench.run(Mode::Sweep).await;
        assert_eq!(bench.status("n0000").await, gone("deleted_at_source"));
    })
    .await;
}

#[tokio::test]
async fn a_sweep_finds_what_is_new_and_what_went() {
    both(world, |bench| async move {
        bench.full().await;
        let cursor = bench.cursor("people", "north").await;
        bench.source.world().delete("people", "n0000");
        bench.source.world().person("n0100", "north");
        let report = bench.run(Mode::Sweep).await;
        assert_eq!(report.result, RunResult::Complete, "{}", words(&report));
        let people = counters(&report, "people");
        assert_eq!((people.created, people.gone, people.received), (1, 1, 60));
        assert_eq!(bench.cursor("people", "north").await, cursor, "a sweep moves no cursor");
    })
    .await;
}

#[tokio::test]
async fn a_scope_that_left_the_plan_is_asked_about() {
    let few = || {
        let mut world = world();
        world.scopes.insert("people", vec!["north", "south", "west"]);
        world.people("w", 4, "west");
        world
    };
    both(few, |bench| async move {
        bench.full().await;
        bench.source.world().scopes.insert("people", vec!["north", "south"]);
        bench.source.world().fault("people", "north", &[Fault::Cut(1)]);
        bench.full().await;
        assert_eq!(bench.present("people").await, 64, "the plan counts only when its other scopes were read");
        bench.full().await;
        assert_eq!(bench.present("people").await, 60);
        assert_eq!(bench.status("w0000").await, gone("out_of_scope"));
    })
    .await;
}

#[tokio::test]
async fn a_scope_that_comes_back_into_the_plan_brings_its_assets_back() {
    let few = || {
        let mut world = world();
        world.scopes.insert("people", vec!["north", "south", "west"]);
        world.people("w", 4, "west");
        world
    };
    for mode in [Mode::Full, Mode::Delta] {
        both(few, |bench| async move {
            bench.full().await;
            bench.source.world().scopes.insert("people", vec!["north", "south"]);
            bench.full().await;
            assert_eq!(bench.status("w0000").await, gone("out_of_scope"));
            bench.source.world().scopes.insert("people", vec!["north", "south", "west"]);
            let report = bench.run(mode).await;
            assert_eq!(report.result, RunResult::Complete, "{}", words(&report));
            assert_eq!((bench.present("people").await, counters(&report, "people").reappeared), (64, 4), "{mode:?}");
        })
        .await;
    }
}

#[tokio::test]
async fn a_cancelled_run_forgets_no_deletion() {
    both(world, |bench| async move {
        bench.full().await;
        bench.source.world().delete("people", "n0000");
        // The people's scopes are read and closed; then the run is cancelled, before anything is retired.
        bench.source.world().set("teams", "t", "name", "renamed");
        bench.source.world().fault("teams", "all", &[Fault::Cancel(0)]);
        assert_eq!(bench.run(Mode::Delta).await.result, RunResult::Cancelled);
        assert_eq!(bench.status("n0000").await.0, "present");
        assert_eq!(bench.run(Mode::Delta).await.result, RunResult::Complete);
        assert_eq!(bench.status("n0000").await, gone("deleted_at_source"));
        bench.source.world().delete("people", "n0001");
        bench.source.world().fault("teams", "all", &[Fault::Cancel(0)]);
        assert_eq!(bench.full().await.result, RunResult::Cancelled);
        bench.run(Mode::Delta).await;
        assert_eq!(bench.status("n0001").await, gone("deleted_at_source"));
    })
    .await;
}

#[tokio::test]
async fn a_source_that_gives_no_answer_retires_nobody_and_is_named() {
    both(world, |bench| async move {
        bench.full().await;
        for n in 0..3 {
            bench.source.world().delete("people", &format!("n{n:04}"));
        }
        for kind in [ErrorKind::Unavailable, ErrorKind::Protocol, ErrorKind::RateLimited { retry_after_ms: 1 }] {
            for mode in [Mode::Full, Mode::Sweep] {
                bench.source.world().confirming_fails = Some(kind.clone());
                let report = bench.run(mode).await;
                let said = words(&report);
                let named = "3 people were not seen and could not be asked for: asking again: the source went away";
                assert!(said.contains(named), "{kind:?}: {said}");
                assert!(bench.stored_words(&report).await.contains(named), "{kind:?}: the ledger is told later, too");
                assert_eq!(counters(&report, "people").gone, 0);
                all_present(&bench, &format!("{mode:?} {kind:?}")).await;
            }
        }
        bench.source.world().confirming_fails = None;
        bench.source.world().verdicts = (0..3).map(|n| (format!("n{n:04}"), Verdict::Unknown)).collect();
        for mode in [Mode::Full, Mode::Sweep, Mode::Full] {
            let said = words(&bench.run(mode).await);
            assert!(said.contains("3 people were not seen, and the source gave no answer about them"), "{said}");
            all_present(&bench, "no answer, each time").await;
        }
        bench.source.world().verdicts.clear();
        assert_eq!(counters(&bench.run(Mode::Sweep).await, "people").gone, 3, "answered, they go");
    })
    .await;
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_not_gone() {
    both(world, |bench| async move {
        bench.full().await;
        bench.source.world().verdicts.insert("n0003".to_owned(), Verdict::Deleted);
        bench.source.world().fault("people", "north", &[Fault::Unreadable("n0003".to_owned())]);
        let report = bench.full().await;
        assert_eq!(report.result, RunResult::Complete, "{}", words(&report));
        all_present(&bench, "rejected with a readable key").await;
    })
    .await;
}

#[tokio::test]
async fn what_is_listed_and_called_deleted_in_one_run_is_asked_about() {
    both(world, |bench| async move {
        bench.full().await;
        for confirms in [true, false] {
            bench.source.world().confirms = confirms;
            // Restored after its deletion: the source shows the object and, still, its tombstone.
            bench.source.world().delete("people", "n0007");
            bench.source.world().person("n0007", "north");
            let report = bench.run(Mode::Delta).await;
            assert_eq!(bench.status("n0007").await, ("present", None), "confirms: {confirms}; {}", words(&report));
            assert_eq!(counters(&report, "people").gone, 0);
        }
        // Listed, then deleted: asked again, the source says so.
        bench.source.world().confirms = true;
        bench.source.world().delete("people", "n0008");
        bench.source.world().person("n0008", "north");
        bench.source.world().verdicts.insert("n0008".to_owned(), Verdict::Deleted);
        bench.run(Mode::Delta).await;
        assert_eq!(bench.status("n0008").await, gone("deleted_at_source"));
    })
    .await;
}
