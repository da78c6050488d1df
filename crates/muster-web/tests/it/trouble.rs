//! A store in trouble: what the outside is told, and what it is not.

use axum::response::IntoResponse as _;
use muster_store::StoreError;
use muster_web::Problem;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Executor as _, SqliteConnection};

use crate::app::{Answer, both};

async fn connect(options: SqliteConnectOptions) -> SqliteConnection {
    options.connect().await.unwrap()
}

fn failed(source: sqlx::Error) -> StoreError {
    StoreError::Statement { operation: "adding a connector", source }
}

#[tokio::test]
async fn a_full_disk_is_said() {
    let directory = tempfile::tempdir().unwrap();
    let options = SqliteConnectOptions::new().filename(directory.path().join("full.db")).create_if_missing(true);
    let mut full = connect(options.clone()).await;
    full.execute("CREATE TABLE t (x TEXT)").await.unwrap();
    full.execute("PRAGMA max_page_count = 2").await.unwrap();
    let error = failed(full.execute("INSERT INTO t VALUES (hex(zeroblob(100000)))").await.unwrap_err());
    assert!(error.is_read_only(), "{error:?}");
    let mut read_only = connect(options.clone().read_only(true)).await;
    let error = failed(read_only.execute("INSERT INTO t VALUES ('x')").await.unwrap_err());
    assert!(error.is_read_only(), "{error:?}");
    let answer = Problem::from(error).into_response();
    assert_eq!(answer.status(), 503);
    let mut other = connect(options.busy_timeout(std::time::Duration::ZERO)).await;
    let wrong = failed(other.execute("INSERT INTO nothing VALUES ('x')").await.unwrap_err());
    assert!(!wrong.is_read_only() && !wrong.is_unavailable());
    assert_eq!(Problem::from(wrong).code.word(), "internal");
    full.execute("BEGIN IMMEDIATE").await.unwrap();
    let busy = failed(other.execute("INSERT INTO t VALUES ('x')").await.unwrap_err());
    assert!(busy.is_unavailable() && !busy.is_read_only());
}

#[tokio::test]
async fn a_store_that_is_gone_is_said_and_nothing_of_it() {
    both(async |app| {
        app.hub.store.close().await;
        let answer: Answer = app.get("/api/v1/connectors").await;
        assert_eq!(answer.said(), (503, "unavailable".to_owned()));
        let told = answer.text.to_lowercase();
        assert!(!["sql", "pool", "select", "postgres"].iter().any(|word| told.contains(word)), "{told}");
        assert_eq!(app.get("/healthz").await.status, 503);
    })
    .await;
}
