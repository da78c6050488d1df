//! P5: the same input again, in any order and cut anywhere, writes nothing.

use muster_core::connector::Mode;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::bench::{Bench, both, counters};
use crate::script::{change, steps, world};
use crate::tables::contents;
use muster_store::Location;

#[test]
fn the_same_in_any_order_and_cut_anywhere_writes_nothing() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = Config { cases: 12, failure_persistence: None, ..Config::default() };
    let again = prop::collection::vec((1..40_usize, 1..9_usize, any::<u64>(), 0..3_usize), 1..4);
    TestRunner::new(config)
        .run(&(steps(false), again), |(script, again)| {
            let directory = tempfile::tempdir().unwrap();
            runtime.block_on(async {
                let mut world = world();
                script.iter().for_each(|step| change(&mut world, step));
                let bench = Bench::open(Location::Directory(directory.path().to_owned()), world).await;
                bench.full().await;
                // What was refused is refused again: the first repetition may count, but not write.
                let before = contents(&bench.store).await;
                let digest = bench.store.digest().await.unwrap();
                for (page, member_page, order, mode) in again {
                    {
                        let mut world = bench.source.world();
                        (world.page, world.member_page, world.order) = (page, member_page, order);
                    }
                    bench.run([Mode::Full, Mode::Delta, Mode::Sweep][mode]).await;
                    assert_eq!(contents(&bench.store).await, before);
                }
                assert_eq!(bench.store.digest().await.unwrap(), digest);
            });
            Ok(())
        })
        .unwrap();
}

#[tokio::test]
async fn the_same_again_counts_as_unchanged() {
    both(world, |bench| async move {
        bench.source.world().team("t", &["anchor-n0000", "anchor-s0000"]);
        bench.full().await;
        let before = contents(&bench.store).await;
        for mode in [Mode::Full, Mode::Sweep, Mode::Full] {
            let people = counters(&bench.run(mode).await, "people");
            assert_eq!((people.received, people.unchanged), (12, 12), "{mode:?}");
            assert_eq!((people.created, people.updated, people.refreshed, people.gone), (0, 0, 0, 0));
        }
        let people = counters(&bench.run(Mode::Delta).await, "people");
        assert_eq!(people.received, 0, "a delta reads what changed");
        assert_eq!(contents(&bench.store).await, before);
    })
    .await;
}
