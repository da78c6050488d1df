//! Documents beside assets.

use std::sync::Arc;

use muster_core::asset::Class;
use muster_core::clock::Instant;
use muster_core::connector::{Blob, Mode};
use muster_core::ledger::{Counters, Evidence, Expected, LedgerLine};
use muster_core::run::Machine;
use muster_store::{BatchWrite, ConnectorRow, Fence, Order, RunRow, Store};

use crate::both::both;

fn line() -> LedgerLine {
    LedgerLine {
        stream: "apis".to_owned(),
        scope: "gate".to_owned(),
        mode: Mode::Full,
        evidence: Evidence::Pending,
        expected: Expected::Unknown,
        counters: Counters::default(),
        notes: Vec::new(),
    }
}

/// A connector's scope that a run may write to.
pub(crate) async fn writing(store: &Store) -> (ConnectorRow, Fence, LedgerLine) {
    let connector = crate::runs::connector(store).await;
    let mut run = RunRow {
        id: 0,
        connector: connector.id,
        order: Order::default(),
        mode: Mode::Full,
        machine: Machine::planned(1, 1),
        result: None,
        as_of: Instant(5),
        started_at: Instant(5),
        ended_at: None,
        origin: None,
        notes: Vec::new(),
    };
    let claim = store.begin_run(&connector, &run).await.unwrap();
    run.id = claim.run;
    let line = line();
    store.plan_run(&connector, claim, &run, std::slice::from_ref(&line)).await.unwrap();
    let (scope, ..) = store.run_scopes(&connector, claim.run).await.unwrap().remove(0);
    let fence = store.claim_scope(claim, scope.id).await.unwrap();
    (connector, fence, line)
}

#[tokio::test]
async fn a_document_is_kept_once_whoever_brings_it_again_and_for_its_tenant_alone() {
    both(|store| async move {
        let (connector, fence, mut line) = writing(&store).await;
        let blob = |name: &str, text: &str| Blob { name: Arc::from(name), bytes: text.as_bytes().to_vec() };
        for (number, blobs) in [
            vec![blob("a.json", "{}"), blob("b.wsdl", "\0\u{fffd}"), blob("a.json", "{}")],
            vec![blob("a.json", "{}"), blob("c.json", "")],
        ]
        .into_iter()
        .enumerate()
        {
            let mut batch = BatchWrite::new(&connector, "apis", Class::Api, Instant(5));
            batch.number = i64::try_from(number).unwrap();
            batch.blobs = blobs;
            store.write(fence, batch, &mut line).await.unwrap();
        }
        for (name, text) in [("a.json", Some("{}")), ("b.wsdl", Some("\0\u{fffd}")), ("c.json", Some("")), ("d", None)]
        {
            let kept = store.blob(connector.tenant, name).await.unwrap();
            assert_eq!(kept.as_deref(), text.map(str::as_bytes), "{name}");
        }
        assert_eq!(store.blob(connector.tenant + 1, "a.json").await.unwrap(), None);
    })
    .await;
}
