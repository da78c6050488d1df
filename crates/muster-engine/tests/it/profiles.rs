//! P2: profiles of one connector stay out of each other's way, whatever each of them reads, maps and releases.

use muster_core::connector::{Mode, Verdict};
use muster_core::run::RunResult;

use crate::bench::{Bench, HOUR, both, counters, words};
use crate::world::{Fault, World};

fn world() -> World {
    let mut world = World::new();
    world.people("n", 10, "north");
    world.people("s", 10, "south");
    world
}

async fn email(bench: &Bench, key: &str) -> serde_json::Value {
    bench.asset("people", key).await.document["assetDetail"]["userAssetClass"]["email"].clone()
}

#[tokio::test]
async fn a_release_retires_nobody_whom_another_profile_holds() {
    both(world, |bench| async move {
        let (one, other) = (bench.profile("one").await, bench.profile("other").await);
        bench.run_profile(one, &["north"], (Mode::Full, false)).await;
        bench.run_profile(other, &["south"], (Mode::Full, false)).await;
        // The south is empty and called a success, and each is called deleted: all are held.
        bench.source.world().counts = false;
        bench.source.world().verdicts = (0..10).map(|n| (format!("s{n:04}"), Verdict::Deleted)).collect();
        bench.source.world().fault("people", "south", &[Fault::Empty]);
        let report = bench.run_profile(other, &["south"], (Mode::Full, false)).await;
        assert_eq!((report.result, bench.held("people").await), (RunResult::Held, 10));
        bench.source.world().verdicts.clear();
        for mode in [Mode::Full, Mode::Delta] {
            let report = bench.run_profile(one, &["north"], (mode, true)).await;
            assert_eq!(counters(&report, "people").gone, 0, "{mode:?}: {}", words(&report));
            assert_eq!((bench.present("people").await, bench.held("people").await), (20, 10), "{mode:?}");
        }
        let report = bench.run_profile(other, &["south"], (Mode::Full, true)).await;
        assert_eq!((report.result, bench.held("people").await), (RunResult::Complete, 0), "{}", words(&report));
        assert_eq!(bench.present("people").await, 20);
    })
    .await;
}

#[tokio::test]
async fn a_profile_maps_again_only_what_it_reads() {
    both(world, |mut bench| async move {
        bench.source.world().set("people", "s0001", "ends", "20260922000000Z");
        let (one, other) = (bench.profile("one").await, bench.profile("other").await);
        bench.run_profile(other, &["south"], (Mode::Full, false)).await;
        bench.change_map("people", "{ source: mail, target", "{ source: badge, target");
        bench.run_profile(one, &["north"], (Mode::Full, false)).await;
        // Its map changes, and time passes: neither is a reason to map what the other one reads.
        bench.change_map("people", "version: 1", "version: 2");
        bench.clock.advance(24 * HOUR);
        bench.run_profile(one, &["north"], (Mode::Delta, false)).await;
        assert_eq!(email(&bench, "n0001").await, "B-n0001");
        assert_eq!(email(&bench, "s0001").await, "s0001@example.org");
        assert_eq!(email(&bench, "s0002").await, "s0002@example.org");
        assert_eq!(bench.history("people", "s0002").await, []);
    })
    .await;
}
