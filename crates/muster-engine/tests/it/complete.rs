//! P1: complete only when every scope was read to its end; otherwise partial, and the gap has a name.

use muster_core::connector::{ErrorKind, Mode};
use muster_core::ledger::Evidence;
use muster_core::run::RunResult;

use crate::bench::{both, counters, line, words};
use crate::world::{Fault, World};

fn world() -> World {
    let mut world = World::new();
    world.people("n", 35, "north");
    world.people("s", 12, "south");
    world
}

/// After whatever went wrong, a second run heals.
async fn heals(bench: &crate::bench::Bench) {
    let report = bench.full().await;
    assert_eq!(report.result, RunResult::Complete, "{}", words(&report));
    assert_eq!(bench.present("people").await, 47);
}

#[tokio::test]
async fn counted_and_closed_scopes_make_a_run_complete() {
    both(world, |bench| async move {
        let report = bench.full().await;
        assert_eq!(report.result, RunResult::Complete);
        assert_eq!(line(&report, "people", "north").evidence, Evidence::Counted);
        bench.source.world().counts = false;
        let report = bench.full().await;
        assert_eq!(report.result, RunResult::Complete);
        assert_eq!(line(&report, "people", "north").evidence, Evidence::Closed);
    })
    .await;
}

#[tokio::test]
async fn a_page_lost_and_another_repeated_is_partial() {
    both(world, |bench| async move {
        bench.source.world().fault("people", "north", &[Fault::LosePage(1), Fault::RepeatPage(0)]);
        let report = bench.full().await;
        assert_eq!(report.result, RunResult::Partial);
        let north = line(&report, "people", "north");
        assert_eq!(north.counters.received, 25, "35 records came, 25 of them distinct");
        let Evidence::Open { reason } = &north.evidence else { panic!("{:?}", north.evidence) };
        assert!(reason.contains("25") && reason.contains("35"), "{reason}");
        assert_eq!(bench.cursor("people", "north").await, None);
        assert!(bench.cursor("people", "south").await.is_some());
        heals(&bench).await;
    })
    .await;
}

#[tokio::test]
async fn a_page_lost_is_partial_and_one_repeated_is_not() {
    both(world, |bench| async move {
        bench.source.world().fault("people", "north", &[Fault::LosePage(3)]);
        assert_eq!(bench.full().await.result, RunResult::Partial);
        bench.source.world().fault("people", "north", &[Fault::RepeatPage(1), Fault::RepeatPage(3)]);
        let report = bench.full().await;
        assert_eq!(report.result, RunResult::Complete, "{}", words(&report));
        assert_eq!(counters(&report, "people").received, 47);
        heals(&bench).await;
    })
    .await;
}

#[tokio::test]
async fn a_cut_listing_is_partial_and_its_cursor_stays() {
    both(world, |bench| async move {
        bench.full().await;
        let before = bench.cursor("people", "north").await;
        bench.source.world().person("n9999", "north");
        bench.source.world().fault("people", "north", &[Fault::Cut(2)]);
        let report = bench.full().await;
        assert_eq!(report.result, RunResult::Partial);
        assert!(words(&report).contains("cut after 2 pages"));
        assert_eq!(bench.cursor("people", "north").await, before);
        assert_eq!(bench.run(Mode::Delta).await.result, RunResult::Complete);
        assert_eq!(bench.present("people").await, 48);
        assert_ne!(bench.cursor("people", "north").await, before);
    })
    .await;
}

/// Of a source whose cursor says of each record what is known of it, one of a partial reading is good for what was read.
#[tokio::test]
async fn a_cut_listing_moves_a_cursor_that_marks_records() {
    both(world, |bench| async move {
        bench.full().await;
        let before = bench.cursor("people", "north").await;
        bench.source.world().marks = true;
        bench.source.world().person("n9999", "north");
        bench.source.world().fault("people", "north", &[Fault::Cut(2)]);
        let report = bench.full().await;
        assert_eq!(report.result, RunResult::Partial);
        assert_ne!(bench.cursor("people", "north").await, before);
        assert_eq!(bench.present("people").await, 47, "nothing is gone");
    })
    .await;
}

/// Its next reading will say of them that nothing changed: what they lost is written now.
#[tokio::test]
async fn what_records_of_a_cut_listing_lost_is_written_where_the_cursor_marks_them() {
    both(world, |bench| async move {
        bench.full().await;
        bench.source.world().marks = true;
        bench.source.world().set("people", "n0000", "mail", "");
        bench.source.world().fault("people", "north", &[Fault::Cut(2)]);
        assert_eq!(bench.full().await.result, RunResult::Partial);
        let asset = bench.asset("people", "n0000").await;
        assert_eq!(asset.document["assetDetail"]["userAssetClass"].get("email"), None);
    })
    .await;
}

#[tokio::test]
async fn a_wrong_count_is_partial() {
    both(world, |bench| async move {
        for off in [-1, 1] {
            bench.source.world().fault("people", "south", &[Fault::Miscount(off)]);
            assert_eq!(bench.full().await.result, RunResult::Partial, "{off}");
        }
        heals(&bench).await;
    })
    .await;
}

#[tokio::test]
async fn a_record_without_key_opens_its_scope() {
    both(world, |bench| async move {
        bench.source.world().counts = false;
        bench.source.world().fault("people", "south", &[Fault::Keyless(3)]);
        let report = bench.full().await;
        assert_eq!(report.result, RunResult::Partial);
        assert!(words(&report).contains("3 records without a readable source key"), "{}", words(&report));
        assert_eq!(line(&report, "people", "south").counters.rejected, 3);
        heals(&bench).await;
    })
    .await;
}

#[tokio::test]
async fn a_source_that_went_away_once_is_read_again() {
    both(world, |bench| async move {
        bench.source.world().fault("people", "north", &[Fault::Fail(2, ErrorKind::Unavailable)]);
        let report = bench.full().await;
        assert_eq!(report.result, RunResult::Complete, "{}", words(&report));
        let north = line(&report, "people", "north").counters;
        let counts = (north.received, north.created, north.unchanged);
        assert_eq!(counts, (35, 35, 0), "what the first attempt created is counted, once");
    })
    .await;
}

#[tokio::test]
async fn a_source_that_refuses_is_not_asked_again() {
    both(world, |bench| async move {
        bench.source.world().fault("people", "north", &[Fault::Fail(1, ErrorKind::Protocol)]);
        let report = bench.full().await;
        assert_eq!(report.result, RunResult::Partial);
        assert!(words(&report).contains("the source went away"));
        assert_eq!(bench.cursor("people", "north").await, None);
        heals(&bench).await;
    })
    .await;
}

#[tokio::test]
async fn a_run_that_reads_nothing_failed() {
    both(world, |bench| async move {
        for (stream, scope) in [("places", "all"), ("people", "north"), ("people", "south"), ("teams", "all")] {
            bench.source.world().fault(stream, scope, &[Fault::Cut(0), Fault::Miscount(1)]);
        }
        let report = bench.full().await;
        assert_eq!(report.result, RunResult::Failed, "{}", words(&report));
        heals(&bench).await;
    })
    .await;
}

#[tokio::test]
async fn a_cancelled_run_says_so_and_the_next_one_heals() {
    both(world, |bench| async move {
        bench.source.world().fault("people", "north", &[Fault::Cancel(2)]);
        let report = bench.full().await;
        assert_eq!(report.result, RunResult::Cancelled);
        assert_eq!(bench.cursor("people", "north").await, None);
        heals(&bench).await;
    })
    .await;
}

#[tokio::test]
async fn a_run_that_never_saw_the_source_is_recorded_as_failed() {
    both(world, |bench| async move {
        bench.full().await;
        let cursor = bench.cursor("people", "north").await;
        bench.source.world().away = true;
        let error = bench.try_run(Mode::Delta, false).await.unwrap_err();
        assert_eq!(error.to_string(), "connecting to `server`: nobody answers");
        let run = bench.store.latest_runs(&bench.row, 1).await.unwrap().remove(0);
        assert_eq!(run.result, Some(RunResult::Failed));
        assert_eq!(run.notes, ["connecting to `server`: nobody answers", "remedy: start it"]);
        assert!(run.ended_at.is_some());
        assert_eq!(bench.cursor("people", "north").await, cursor);
        bench.source.world().away = false;
        assert!(!bench.run(Mode::Delta).await.resumed);
    })
    .await;
}
