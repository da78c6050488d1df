//! What simulators over HTTP have in common: their bounds, their address, their life, and the lab's own port.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::LabError;

/// The most of anything: ids are made of six digits.
const MAXIMUM: u64 = 100_000;

/// Takes the address of a world of these sizes.
pub(crate) async fn listen(
    address: SocketAddr,
    sizes: &[(&'static str, u64)],
) -> Result<(TcpListener, SocketAddr), LabError> {
    for &(what, count) in sizes {
        if count > MAXIMUM {
            return Err(LabError::TooMany { what, count, limit: MAXIMUM });
        }
    }
    if !address.ip().is_loopback() {
        return Err(LabError::NotLoopback(address));
    }
    let failed = |source| LabError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

/// A simulator that is being served; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Serving {
    shutdown: watch::Sender<bool>,
    server: JoinHandle<()>,
}

impl Serving {
    pub(crate) fn begin(listener: TcpListener, router: Router) -> Self {
        let (shutdown, mut stopped) = watch::channel(false);
        let server = tokio::spawn(async move {
            tokio::select! {
                _ = stopped.changed() => {}
                Err(error) = async { axum::serve(listener, router).await } => tracing::warn!(%error, "the lab ended"),
            }
        });
        Self { shutdown, server }
    }

    pub(crate) async fn stop(self) {
        let _ = self.shutdown.send(true);
        let _ = self.server.await;
    }
}

/// What a simulator does at the lab's own port.
pub(crate) trait Lab: Send + Sync + 'static {
    type Change: DeserializeOwned + Send + 'static;
    type Faults: DeserializeOwned + Serialize + Clone + Send + 'static;

    fn banner(&self) -> Value;
    fn truth(&self) -> Value;
    fn calls(&self) -> BTreeMap<String, u64>;
    fn change(&self, change: &Self::Change) -> Value;
    fn set_faults(&self, faults: Self::Faults);
}

/// The lab's own port.
pub(crate) fn own<L: Lab>() -> Router<Arc<L>> {
    Router::new()
        .route("/_lab/banner", get(|State(lab): State<Arc<L>>| async move { Json(lab.banner()) }))
        .route("/_lab/truth", get(|State(lab): State<Arc<L>>| async move { Json(lab.truth()) }))
        .route("/_lab/calls", get(|State(lab): State<Arc<L>>| async move { Json(lab.calls()) }))
        .route(
            "/_lab/change",
            post(|State(lab): State<Arc<L>>, Json(change): Json<L::Change>| async move { Json(lab.change(&change)) }),
        )
        .route(
            "/_lab/faults",
            post(|State(lab): State<Arc<L>>, Json(faults): Json<L::Faults>| async move {
                lab.set_faults(faults.clone());
                Json(faults)
            }),
        )
}
