//! Muster's web: the REST API and the console.
//!
//! ```text
//! request → layers (id, headers, deadline for bodies, origin and token of cookie senders) → handler
//!   handler: extract (Principal, Body, Path, Query) → authorise (Manager, Viewer) → call the store → answer
//! a failure anywhere → Problem → one place renders it, with the request's id: application/problem+json, or a page
//! below `/console/`
//! ```
//!
//! *Is here*: who may, shapes of the outside, their checks. *Is not here*: SQL (store), what a job does (engine), any
//! vendor (the binary hands over [`Offer`]s). Web and engine meet in the store (docs/adr/0006, 0007).
//!
//! *To extend*: a file in `api/` with its handlers and a line in `api/mod.rs`; the walk over `/openapi.json` in
//! `tests/it/walk.rs` then tests it. A new failure is a line in [`error::Code`].
//!
//! [`Offer`]: muster_core::connector::Offer

mod agent;
pub mod api;
pub mod auth;
mod client;
mod console;
pub mod error;
pub mod extract;
mod hub;
mod layers;
mod made_by;
mod random;
pub mod settings;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;

pub use error::{Code, Problem};
pub use hub::{Hub, Settings};
pub use layers::RequestId;
pub use random::Random;

/// All routes over a hub.
pub fn router(hub: Arc<Hub>) -> Router {
    let (api, document) = api::router();
    let routes = Router::new()
        .route("/healthz", get(healthz))
        .merge(api)
        .merge(api::openapi(document))
        .merge(console::router())
        .fallback(async || Problem::new(Code::NotFound))
        .method_not_allowed_fallback(async || Problem::new(Code::MethodNotAllowed));
    layers::around(routes, &hub).with_state(hub)
}

/// 200 when the hub can read its store; says where it can do no more than that.
async fn healthz(axum::extract::State(hub): axum::extract::State<Arc<Hub>>) -> Result<&'static str, Problem> {
    hub.store.tenants().await?;
    Ok(if hub.store.is_read_only() {
        "read-only: the store takes no writes, its disk may be full\n"
    } else {
        "ready\n"
    })
}
