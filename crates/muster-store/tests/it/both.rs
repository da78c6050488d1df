//! A fresh store in each database.

use std::sync::atomic::{AtomicU64, Ordering};

use muster_core::secret::Secret;
use muster_store::{Location, Store};
use sqlx::{Connection as _, Executor as _};

static SCHEMAS: AtomicU64 = AtomicU64::new(0);

async fn command(url: &str, sql: &str) {
    let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
    connection.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(sql))).await.unwrap();
}

/// Runs a test over both databases.
pub(crate) async fn both<Done: Future<Output = ()>>(test: impl Fn(Store) -> Done) {
    let directory = tempfile::tempdir().unwrap();
    test(Store::open(&Location::Directory(directory.path().to_owned())).await.unwrap()).await;
    let Ok(url) = std::env::var("MUSTER_TEST_POSTGRES") else {
        eprintln!("SKIPPED over PostgreSQL: MUSTER_TEST_POSTGRES is not set");
        return;
    };
    let name = format!("store_{}_{}", std::process::id(), SCHEMAS.fetch_add(1, Ordering::SeqCst));
    command(&url, &format!("CREATE SCHEMA {name}")).await;
    let location = Location::Url(Secret::new(format!("{url}?options=-c%20search_path%3D{name}")));
    let store = Store::open(&location).await.unwrap();
    test(store.clone()).await;
    store.close().await;
    command(&url, &format!("DROP SCHEMA {name} CASCADE")).await;
}
