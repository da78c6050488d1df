//! Runs that another version of Muster stored.

use muster_core::clock::Instant;
use muster_core::connector::Mode;
use muster_core::run::{Machine, RunResult};
use muster_store::{ConnectorRow, NewConnector, Order, RunClose, RunRow, Store, StoreError};

use crate::both::both;

pub(crate) async fn connector(store: &Store) -> ConnectorRow {
    let new = NewConnector { name: "lab", type_name: "t", source_name: "T", uuid: "c-1" };
    store.ensure_connector(new, Instant(1)).await.unwrap()
}

#[tokio::test]
async fn a_run_of_another_version_is_listed_and_gone_on_with_by_none() {
    both(|store| async move {
        let connector = connector(&store).await;
        let run = RunRow {
            id: 0,
            connector: connector.id,
            order: Order::default(),
            mode: Mode::Full,
            machine: Machine::begin(3),
            result: None,
            as_of: Instant(5),
            started_at: Instant(5),
            ended_at: None,
            origin: None,
            notes: Vec::new(),
        };
        let claim = store.begin_run(&connector, &run).await.unwrap();
        let sql = "UPDATE run SET machine_version = 99, machine = '{\"phase\":\"unheard_of\"}'";
        store.reader().await.unwrap().conn().execute("ageing a run", sql, Vec::new()).await.unwrap();
        let listed = store.latest_runs(&connector, 10).await.unwrap();
        assert_eq!(listed.iter().map(|run| (run.id, run.result)).collect::<Vec<_>>(), [(claim.run, None)]);
        let refused = store.unfinished_run(&connector, None).await;
        assert!(matches!(&refused, Err(StoreError::Corrupt(why)) if why.contains("version 99")), "{refused:?}");
        let close = RunClose { result: RunResult::Cancelled, now: Instant(6), notes: &[], before_its_time: true };
        store.end_run(claim, close).await.unwrap();
        assert_eq!(store.unfinished_run(&connector, None).await.unwrap(), None);
        let ended = store.run(&connector, claim.run).await.unwrap().unwrap();
        assert_eq!((ended.result, ended.as_of), (Some(RunResult::Cancelled), Instant(5)));
    })
    .await;
}
