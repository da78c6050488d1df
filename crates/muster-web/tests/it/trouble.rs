//! A store in trouble: what the outside is told, and what it is not.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use axum::response::IntoResponse as _;
use futures_util::{StreamExt as _, stream};
use muster_store::StoreError;
use muster_web::{Hub, Problem, Random, Settings};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Executor as _, SqliteConnection};
use tower::ServiceExt as _;

use crate::app::{Answer, both, offers};

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

#[tokio::test]
async fn a_body_that_does_not_arrive_is_given_up() {
    both(async |app| {
        let settings =
            Settings { body_deadline: Duration::from_millis(50), password_work: (8, 1), ..Settings::default() };
        let keyring = Arc::clone(&app.hub.keyring);
        let surroundings = (app.hub.store.clone(), offers());
        let hub = Hub::new(surroundings, keyring, Arc::clone(&app.hub.clock), Random::seeded(8), settings);
        let router = muster_web::router(Arc::new(hub));
        for (path, kind) in [("/api/v1/clients", "application/json"), ("/auth", "application/x-www-form-urlencoded")] {
            let begin = stream::iter([Ok::<_, Infallible>("{")]);
            let request = Request::post(path)
                .header("authorization", format!("Bearer {}", app.token))
                .header("content-type", kind)
                .body(Body::from_stream(begin.chain(stream::pending())))
                .unwrap();
            let answer = Answer::read(router.clone().oneshot(request).await.unwrap()).await;
            assert_eq!(answer.said(), (408, "too_slow".to_owned()), "{path}: {}", answer.text);
        }
    })
    .await;
}
