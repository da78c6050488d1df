//! Connectors: their list.

use std::collections::HashMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use muster_store::hub::Page;

use super::frame::{Frame, Visitor, html};
use crate::error::Problem;
use crate::hub::Hub;

/// Connector → its name.
pub(super) async fn names(hub: &Hub, tenant: i64) -> Result<HashMap<i64, String>, Problem> {
    let all = hub.store.connections(tenant, Page { after: 0, limit: 10_000 }).await?;
    Ok(all.into_iter().map(|one| (one.id, one.name)).collect())
}

struct Row {
    href: String,
    name: String,
    source: String,
    description: String,
}

#[derive(Template)]
#[template(path = "console/connectors/list.html")]
struct ListPage {
    frame: Frame,
    rows: Vec<Row>,
}

pub(super) async fn list(State(hub): State<Arc<Hub>>, visitor: Visitor) -> Result<Response, Problem> {
    let all = hub.store.connections(visitor.tenant(), Page { after: 0, limit: 1000 }).await?;
    let row = |one: muster_store::hub::ConnectionRow| Row {
        href: format!("/console/connectors/{}", one.uuid),
        name: one.name,
        source: one.source_name,
        description: one.description,
    };
    let page = ListPage { frame: visitor.frame, rows: all.into_iter().map(row).collect() };
    html(StatusCode::OK, &page)
}
