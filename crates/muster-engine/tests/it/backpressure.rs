//! P8: what was read is written before much more is read. Whoever collects records on the way falls behind.

use crate::bench::both;
use crate::world::World;

const PAGE: u64 = 20;
/// One page waits, one is looked up and mapped, one is written; the fourth has just been handed over.
const PAGES_UNDER_WAY: u64 = 4;

#[tokio::test]
async fn the_store_is_never_far_behind_the_source() {
    let world = || {
        let mut world = World::new();
        world.page = usize::try_from(PAGE).unwrap();
        world.people("n", 1200, "north");
        world
    };
    both(world, |bench| async move {
        *bench.source.watched.lock().unwrap() = Some(bench.store.clone());
        bench.full().await;
        let behind = bench.source.behind.lock().unwrap().clone();
        assert_eq!(behind.len(), 60, "it was looked at after each page");
        let most = behind.iter().max().unwrap() / PAGE;
        assert!(most <= PAGES_UNDER_WAY, "{most} pages were under way: {behind:?}");
    })
    .await;
}
