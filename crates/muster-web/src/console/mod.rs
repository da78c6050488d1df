//! The console: pages for people, drawn on the server.
//!
//! ```text
//! handler: Visitor or Steward → the store, or what the REST API asks of it → a typed view → html(page or part)
//! a Problem → frame::Asked::answer → a page in the same frame; nobody signed in → the sign-in page
//! ```
//!
//! *Is here*: views, their templates (`templates/console/`), their files (`assets/`). A page works without scripts;
//! with them only the part that changes is fetched, from the same handler. *Is not here*: rules, which are `api`'s.
//!
//! *To extend*: a file with a view and its handlers, a template that extends `frame.html`, a line in [`router`].

mod account;
mod accounts;
mod agents;
mod assets;
mod audit;
mod clients;
mod connector_form;
mod connectors;
mod form;
mod frame;
mod held;
mod inventory;
mod letters;
mod maps;
mod part;
mod profile_form;
mod profiles;
mod runs;
mod schedule;
mod session;
mod sources;

use std::sync::Arc;

use axum::Router;
use axum::response::Response;
use axum::routing::{get, post};

use crate::error::{Code, Problem};
use crate::hub::Hub;

pub(crate) use frame::Asked;

/// All pages.
pub(crate) fn router() -> Router<Arc<Hub>> {
    Router::new()
        .route("/", get(home))
        .route("/console/", get(home))
        .route("/console/sign-in", get(session::form).post(session::sign_in))
        .route("/console/sign-out", post(session::sign_out))
        .route("/console/theme", post(session::theme))
        .merge(inventory_routes(&inventory::USERS))
        .merge(inventory_routes(&inventory::GROUPS))
        .route("/console/roles", get(inventory::roles))
        .route(
            "/console/roles/{id}",
            get(|hub, visitor, path, query| inventory::detail(&inventory::ROLES, hub, visitor, path, query)),
        )
        .merge(inventory_routes(&inventory::APIS))
        .route("/console/apis/{id}/definition", get(inventory::definition))
        .merge(connector_routes())
        .route("/console/account", get(account::show).post(account::change))
        .route("/console/accounts", get(accounts::list).post(accounts::create))
        .route("/console/accounts/{id}", get(accounts::detail).post(accounts::update))
        .route("/console/clients", get(clients::list).post(clients::create))
        .route("/console/clients/{id}/revoke", get(clients::confirm_revoke).post(clients::revoke))
        .route("/console/audit", get(audit::list))
        .route("/console/sources", get(sources::list))
        .route("/console/runs", get(runs::list))
        .route("/console/runs/{id}", get(runs::detail))
        .route("/console/runs/{id}/cancel", post(runs::cancel))
        .route("/console/held", get(held::list))
        .route("/console/dead-letters", get(letters::list))
        .route("/console/dead-letters/replay", post(letters::replay))
        .route("/console/dead-letters/{id}", get(letters::detail))
        .route("/console/maps", get(maps::list))
        .route("/console/maps/{id}", get(maps::detail))
        .route("/console/maps/{id}/clone", post(maps::clone))
        .route("/console/maps/{id}/edit", get(maps::edit).post(maps::update))
        .route("/console/maps/{id}/delete", get(maps::confirm_delete).post(maps::delete))
        .merge(assets::router())
        .route("/console/{*rest}", get(async || Err::<(), _>(Problem::new(Code::NotFound))))
}

fn inventory_routes(kind: &'static inventory::Kind) -> Router<Arc<Hub>> {
    let list = move |hub, visitor, query| inventory::list(kind, hub, visitor, query);
    let facets = move |hub, visitor, query| inventory::facets(kind, hub, visitor, query);
    let detail = move |hub, visitor, path, query| inventory::detail(kind, hub, visitor, path, query);
    Router::new()
        .route(kind.place, get(list))
        .route(&format!("{}/facets", kind.place), get(facets))
        .route(&format!("{}/{{id}}", kind.place), get(detail))
}

fn connector_routes() -> Router<Arc<Hub>> {
    use connector_form as form;
    Router::new()
        .route("/console/connectors", get(connectors::list))
        .route("/console/connectors/new", get(form::types))
        .route("/console/connectors/new/{type}", get(form::new).post(form::create))
        .route("/console/connectors/{id}", get(connectors::detail))
        .route("/console/connectors/{id}/edit", get(form::edit).post(form::update))
        .route("/console/connectors/{id}/delete", get(form::confirm_delete).post(form::delete))
        .route("/console/connectors/{id}/test", post(form::test))
        .route("/console/connectors/{id}/profiles/new", get(profile_form::new).post(profile_form::create))
        .route("/console/connectors/{id}/agents", post(agents::bind))
        .route("/console/connectors/{id}/enrol", post(agents::enrol))
        .route("/console/agents", get(agents::list))
        .route("/console/agents/{id}", get(agents::detail))
        .route("/console/agents/{id}/env", get(agents::env))
        .route("/console/agents/{id}/revoke", post(agents::revoke))
        .route("/console/agent-bindings/{id}/revoke", post(agents::unbind))
        .route("/console/profiles/{id}", get(profiles::detail))
        .route("/console/profiles/{id}/edit", get(profile_form::edit).post(profile_form::update))
        .route("/console/profiles/{id}/run", post(profiles::run))
        .route("/console/profiles/{id}/replay", post(profiles::replay))
        .route("/console/profiles/{id}/release", get(profiles::confirm_release).post(profiles::release))
        .route("/console/profiles/{id}/refuse", get(profiles::confirm_refuse).post(profiles::refuse))
        .route("/console/profiles/{id}/delete", get(profiles::confirm_delete).post(profiles::delete))
        .route("/console/schedule", get(schedule::preview))
}

async fn home() -> Response {
    frame::to("/console/sources")
}
