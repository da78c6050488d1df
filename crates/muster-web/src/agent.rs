//! What agents call, `/agent/v1/…` (docs/adr/0013): the shapes are `muster_core::agent`'s.
//!
//! ```text
//! sessions → poll ⇄ orders → wanted, parcels, lost        runs: the agent's hour        enrol: a credential of its own
//! ```
//!
//! *Is here*: who may, what is bounded, what is kept for the engine. *Is not here*: what becomes of a parcel (engine),
//! what people see of agents (`api`, `console`).

mod calling;
mod configuration;
mod enrol;
mod orders;
mod poll;
mod runs;
mod sessions;

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use muster_core::agent::LONGEST_PACKED;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::hub::Hub;

pub(crate) use enrol::hash as enrolment_hash;

pub(crate) fn router() -> OpenApiRouter<Arc<Hub>> {
    let parcels = OpenApiRouter::new()
        .routes(routes!(orders::wanted))
        .routes(routes!(orders::put))
        .layer(DefaultBodyLimit::max(LONGEST_PACKED));
    OpenApiRouter::new()
        .routes(routes!(sessions::begin))
        .routes(routes!(poll::poll))
        .routes(routes!(runs::start))
        .routes(routes!(runs::get))
        .routes(routes!(orders::lost))
        .routes(routes!(enrol::enrol))
        .merge(parcels)
}
