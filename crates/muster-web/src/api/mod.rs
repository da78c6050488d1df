//! The native REST API, `/api/v1/…`: a file per thing, each with its shapes and handlers.

use std::sync::Arc;

use axum::Router;
use axum::http::header;
use axum::routing::get;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::auth;
use crate::hub::Hub;

pub(crate) mod agents;
pub(crate) mod clients;
mod connector_types;
pub(crate) mod connectors;
mod document;
mod env_file;
pub(crate) mod held;
pub(crate) mod inventory;
pub(crate) mod jobs;
pub(crate) mod letters;
mod live;
pub(crate) mod map_trial;
pub(crate) mod maps;
pub(crate) mod me;
pub(crate) mod names;
pub(crate) mod page;
pub(crate) mod plan;
pub(crate) mod profiles;
pub(crate) mod runs;
pub(crate) mod state;
mod tenant;
mod text;
pub(crate) mod users;

/// All routes, and the document that describes them.
pub(crate) fn router() -> (Router<Arc<Hub>>, OpenApi) {
    let router = OpenApiRouter::with_openapi(document::head())
        .merge(auth::routes::router())
        .merge(connector_types::router())
        .merge(connectors::router())
        .merge(profiles::router())
        .merge(runs::router())
        .merge(held::router())
        .merge(jobs::router())
        .merge(letters::router())
        .merge(maps::router())
        .merge(users::router())
        .merge(me::router())
        .merge(clients::router())
        .merge(tenant::router())
        .merge(inventory::router())
        .merge(agents::router())
        .merge(crate::agent::router());
    router.split_for_parts()
}

/// `/openapi.json`.
pub(crate) fn openapi(api: OpenApi) -> Router<Arc<Hub>> {
    let text: Arc<str> = Arc::from(document::finish(api));
    let answer = move || async move { ([(header::CONTENT_TYPE, "application/json")], text.to_string()) };
    Router::new().route("/openapi.json", get(answer))
}
