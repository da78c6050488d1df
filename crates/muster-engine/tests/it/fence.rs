//! D10: a writer whose claim is old changes nothing.

use muster_core::asset::{Class, GoneCause};
use muster_core::connector::Mode;
use muster_core::run::{Machine, RunResult};
use muster_store::{BatchWrite, Fence, RunRow, ScopeClose, StoreError};

use crate::bench::{Bench, both};
use crate::tables::{contents, rows};
use crate::world::World;

fn world() -> World {
    let mut world = World::new();
    world.people("n", 10, "north");
    world
}

/// A run begun by hand; gives it and the scope of the north.
async fn begin(bench: &Bench) -> (i64, i64, muster_core::ledger::LedgerLine) {
    let report = bench.full().await;
    let line = report.ledger.iter().find(|line| line.scope == "north").unwrap().clone();
    let run = RunRow { id: 0, machine: Machine::begin(1, 3), result: None, mode: Mode::Full, ..report.run };
    let (run, scopes) = bench.store.begin_run(&bench.row, &run, std::slice::from_ref(&line)).await.unwrap();
    (run, scopes[0].id, line)
}

/// All that a writer may try, and that must fail.
async fn refused(bench: &Bench, fence: Fence, line: &muster_core::ledger::LedgerLine) {
    let as_of = bench.clock_now();
    let id = bench.asset("people", "n0001").await.id;
    let mut line = line.clone();
    let mut batch = BatchWrite::new(&bench.row, "people", Class::User, as_of);
    batch.touches = vec![(id, 999)];
    batch.seen = vec![id];
    let close = ScopeClose { cursor: None, map: 1, as_of };
    let before =
        (contents(&bench.store).await, rows(&bench.store, "run_scope").await, rows(&bench.store, "seen").await);
    let attempts = [
        bench.store.write(fence, batch, &mut line).await,
        bench.store.retire(fence, &[(id, GoneCause::NotListed)], as_of, &mut line).await,
        bench.store.hold(fence, &[id], as_of, &mut line).await,
        bench.store.unhold(fence, &[id]).await,
        bench.store.count_missed(fence, &[id]).await,
        bench.store.end_scope(fence, &line, close).await,
    ];
    for attempt in attempts {
        assert!(matches!(attempt, Err(StoreError::Fenced(_))), "{attempt:?}");
    }
    let after = (contents(&bench.store).await, rows(&bench.store, "run_scope").await, rows(&bench.store, "seen").await);
    assert_eq!(before, after);
}

#[tokio::test]
async fn an_old_claim_writes_nothing() {
    both(world, |bench| async move {
        let (run, scope, line) = begin(&bench).await;
        let first = bench.store.claim(run, scope).await.unwrap();
        let second = bench.store.claim(run, scope).await.unwrap();
        assert!(second.attempt > first.attempt);
        refused(&bench, first, &line).await;
        let id = bench.asset("people", "n0001").await.id;
        bench.store.hold(second, &[id], bench.clock_now(), &mut line.clone()).await.unwrap();
        assert_eq!(bench.held("people").await, 1);
        // They take turns: whoever claimed last writes.
        let third = bench.store.claim(run, scope).await.unwrap();
        refused(&bench, second, &line).await;
        bench.store.unhold(third, &[id]).await.unwrap();
        bench.store.end_run(run, RunResult::Cancelled, bench.clock_now()).await.unwrap();
        refused(&bench, third, &line).await;
    })
    .await;
}

#[tokio::test]
async fn two_claims_at_once_leave_one_writer() {
    both(world, |bench| async move {
        let (run, scope, line) = begin(&bench).await;
        let id = bench.asset("people", "n0001").await.id;
        let attempt = || async {
            let fence = bench.store.claim(run, scope).await.unwrap();
            (fence, bench.store.hold(fence, &[id], bench.clock_now(), &mut line.clone()).await)
        };
        let (one, two) = tokio::join!(attempt(), attempt());
        assert_ne!(one.0.attempt, two.0.attempt);
        let last = if one.0.attempt > two.0.attempt { one.1 } else { two.1 };
        assert!(last.is_ok(), "{last:?}");
    })
    .await;
}
