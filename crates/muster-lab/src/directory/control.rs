//! The control port: truth, change and faults over HTTP.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use tokio::io::AsyncWriteExt;
use tokio_util::io::ReaderStream;

use super::controller::Controller;
use super::counts::{ChangeCounts, ChangeReport};
use super::faults::Faults;

/// How many bytes of truth wait for a slow reader.
const TRUTH_BUFFER: usize = 256 << 10;
/// How many records are told in one go.
const RECORDS_AT_ONCE: usize = 500;

/// What the handlers share.
#[derive(Debug, Clone)]
pub(super) struct Control {
    pub(super) controller: Arc<Controller>,
    pub(super) ldap: SocketAddr,
    pub(super) control: SocketAddr,
}

/// A change as it is posted.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ChangeRequest {
    seed: u64,
    #[serde(flatten)]
    counts: ChangeCounts,
}

pub(super) fn router(control: Control) -> Router {
    Router::new()
        .route("/_lab/banner", get(banner))
        .route("/_lab/truth", get(truth))
        .route("/_lab/change", post(change))
        .route("/_lab/faults", get(faults).post(set_faults).delete(clear_faults))
        .route("/_lab/struck", get(struck))
        .with_state(control)
}

async fn banner(State(control): State<Control>) -> Json<serde_json::Value> {
    Json(control.controller.banner(control.ldap, control.control))
}

async fn change(State(control): State<Control>, Json(request): Json<ChangeRequest>) -> Json<ChangeReport> {
    Json(control.controller.change(request.seed, &request.counts))
}

async fn faults(State(control): State<Control>) -> Json<Faults> {
    Json(control.controller.faults.get())
}

async fn set_faults(State(control): State<Control>, Json(faults): Json<Faults>) -> Json<Faults> {
    control.controller.faults.set(faults);
    Json(control.controller.faults.get())
}

async fn clear_faults(State(control): State<Control>) -> Json<Faults> {
    control.controller.faults.set(Faults::default());
    Json(control.controller.faults.get())
}

async fn struck(State(control): State<Control>) -> Json<BTreeMap<String, u32>> {
    Json(control.controller.faults.struck())
}

/// Tells of every object, a line of JSON each, as fast as the client reads.
async fn truth(State(control): State<Control>) -> Response {
    let (mut writer, reader) = tokio::io::duplex(TRUTH_BUFFER);
    tokio::spawn(async move {
        let objects: Vec<_> = control.controller.world().objects().collect();
        for chunk in objects.chunks(RECORDS_AT_ONCE) {
            let lines = control.controller.truth_lines(chunk);
            // Whoever hangs up has read enough.
            if writer.write_all(&lines).await.is_err() {
                return;
            }
        }
    });
    ([(CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(ReaderStream::new(reader))).into_response()
}
