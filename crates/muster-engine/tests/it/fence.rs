//! D10: a writer whose claim is old changes nothing.

use muster_core::asset::{Class, GoneCause};
use muster_core::connector::Mode;
use muster_core::run::{Machine, RunResult};
use muster_store::{BatchWrite, Fence, RunClaim, RunClose, RunRow, ScopeClose, StoreError};

use crate::bench::{Bench, both};
use crate::tables::{contents, rows};
use crate::world::World;

fn world() -> World {
    let mut world = World::new();
    world.people("n", 10, "north");
    world
}

/// A run begun by hand; gives it and the scope of the north.
async fn begin(bench: &Bench) -> (RunClaim, i64, muster_core::ledger::LedgerLine) {
    let report = bench.full().await;
    let line = report.ledger.iter().find(|line| line.scope == "north").unwrap().clone();
    let run = RunRow { id: 0, machine: Machine::planned(1, 3), result: None, mode: Mode::Full, ..report.run };
    let claim = bench.store.begin_run(&bench.row, &run).await.unwrap();
    bench.store.plan_run(&bench.row, claim, &run, std::slice::from_ref(&line)).await.unwrap();
    let scope = bench.store.run_scopes(&bench.row, claim.run).await.unwrap()[0].0.id;
    (claim, scope, line)
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
        let first = bench.store.claim_scope(run, scope).await.unwrap();
        let second = bench.store.claim_scope(run, scope).await.unwrap();
        assert!(second.attempt > first.attempt);
        refused(&bench, first, &line).await;
        let id = bench.asset("people", "n0001").await.id;
        bench.store.hold(second, &[id], bench.clock_now(), &mut line.clone()).await.unwrap();
        assert_eq!(bench.held("people").await, 1);
        // They take turns: whoever claimed last writes.
        let third = bench.store.claim_scope(run, scope).await.unwrap();
        refused(&bench, second, &line).await;
        bench.store.unhold(third, &[id]).await.unwrap();
        bench.store.end_run(run, ended(&bench)).await.unwrap();
        refused(&bench, third, &line).await;
    })
    .await;
}

fn ended(bench: &Bench) -> RunClose<'static> {
    RunClose { result: RunResult::Cancelled, now: bench.clock_now(), notes: &[], before_its_time: true }
}

#[tokio::test]
async fn a_run_that_another_worker_claimed_moves_no_further() {
    both(world, |bench| async move {
        let (old, scope, line) = begin(&bench).await;
        let writer = bench.store.claim_scope(old, scope).await.unwrap();
        let new = bench.store.claim_run(old.run, None).await.unwrap();
        assert!(new.attempt > old.attempt);
        let before = (contents(&bench.store).await, rows(&bench.store, "run").await, rows(&bench.store, "scope").await);
        refused(&bench, writer, &line).await;
        let row = bench.store.latest_runs(&bench.row, 1).await.unwrap().remove(0);
        let attempts = [
            bench.store.save_machine(old, &Machine::Remap).await,
            bench.store.plan_run(&bench.row, old, &row, &[]).await,
            bench.store.keep_map(old, "people", 999).await,
            bench.store.end_run(old, ended(&bench)).await,
            bench.store.claim_scope(old, scope).await.map(drop),
        ];
        for attempt in attempts {
            assert!(matches!(attempt, Err(StoreError::Fenced(_))), "{attempt:?}");
        }
        let after = (contents(&bench.store).await, rows(&bench.store, "run").await, rows(&bench.store, "scope").await);
        assert_eq!(before, after);
        bench.store.save_machine(new, &Machine::Remap).await.unwrap();
        bench.store.end_run(new, ended(&bench)).await.unwrap();
        assert!(matches!(bench.store.claim_run(new.run, None).await, Err(StoreError::Fenced(_))));
    })
    .await;
}

#[tokio::test]
async fn two_claims_at_once_leave_one_writer() {
    both(world, |bench| async move {
        let (run, scope, line) = begin(&bench).await;
        let id = bench.asset("people", "n0001").await.id;
        let attempt = || async {
            let fence = bench.store.claim_scope(run, scope).await.unwrap();
            (fence, bench.store.hold(fence, &[id], bench.clock_now(), &mut line.clone()).await)
        };
        let (one, two) = tokio::join!(attempt(), attempt());
        assert_ne!(one.0.attempt, two.0.attempt);
        let last = if one.0.attempt > two.0.attempt { one.1 } else { two.1 };
        assert!(last.is_ok(), "{last:?}");
    })
    .await;
}
