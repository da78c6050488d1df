//! What a transaction that is left lying does to others.

use std::time::{Duration, Instant};

use muster_core::secret::Secret;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use super::*;

/// A hub that is stopped in the middle of a transaction keeps nobody from writing for longer than a lease.
#[tokio::test]
async fn a_transaction_that_stands_still_is_ended() {
    let Ok(url) = std::env::var("MUSTER_TEST_POSTGRES") else {
        eprintln!("SKIPPED: MUSTER_TEST_POSTGRES is not set, this test needs PostgreSQL");
        return;
    };
    let schema = format!("stands_still_{}", std::process::id());
    let mut admin = PgConnection::connect(&url).await.unwrap();
    admin.execute(AssertSqlSafe(format!("CREATE SCHEMA {schema}"))).await.unwrap();
    let location = Location::Url(Secret::new(format!("{url}?options=-c%20search_path%3D{schema}%2Cpublic")));
    let (stopped, other) = (Store::open(&location).await.unwrap(), Store::open(&location).await.unwrap());
    let take = "UPDATE sequence SET next = next + 1";

    let mut held = stopped.begin().await.unwrap();
    let changed = held.conn().unwrap().execute("taking an id", take, Vec::new()).await.unwrap();
    assert_eq!(changed, 1, "there is a row to lock");
    let begun = Instant::now();
    let mut next = other.begin().await.unwrap();
    let written = async { next.conn()?.execute("taking an id", take, Vec::new()).await };
    tokio::time::timeout(Duration::from_secs(40), written).await.expect("the lock is let go").unwrap();
    next.commit().await.unwrap();
    assert!(begun.elapsed() > Duration::from_secs(5), "the row was locked");
    held.commit().await.unwrap_err();

    stopped.close().await;
    other.close().await;
    admin.execute(AssertSqlSafe(format!("DROP SCHEMA {schema} CASCADE"))).await.unwrap();
}
