//! Sources: a tile per connector, with what it brought and how sure that is.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::connectors::{At, Count, From, counts, row_of, some, states};
use super::frame::{Frame, Visitor, html};
use super::part::{When, address};
use crate::error::Problem;
use crate::extract::Query;
use crate::hub::Hub;

struct Tile {
    name: String,
    href: String,
    source: String,
    at: At,
    counts: Vec<Count>,
    /// When presence was last proven in every scope.
    proven: Option<When>,
}

#[derive(Template)]
#[template(path = "console/sources.html")]
struct SourcesPage {
    frame: Frame,
    tiles: Vec<Tile>,
    next: Option<String>,
}

pub(super) async fn list(
    State(hub): State<Arc<Hub>>,
    visitor: Visitor,
    Query(from): Query<From>,
) -> Result<Response, Problem> {
    let (connections, next) = some(&hub, visitor.tenant(), from.after).await?;
    let states = states(&hub, &visitor, &connections).await?;
    let mut tiles = Vec::with_capacity(connections.len());
    for connection in connections {
        let scopes = hub.store.scopes(&row_of(&connection)).await?;
        // The oldest proof is what holds for all of it; one scope without any, and there is none.
        let proven = scopes.iter().map(|scope| scope.presence_proven_at).min().flatten();
        tiles.push(Tile {
            href: format!("/console/connectors/{}", connection.uuid),
            at: At::of(states.of(connection.id), &visitor),
            counts: counts(&hub, &connection).await?,
            proven: proven.map(|at| visitor.when(at)),
            name: connection.name,
            source: connection.source_name,
        });
    }
    let next = next.map(|id| address("/console/sources", &[("after", &id.to_string())]));
    html(StatusCode::OK, &SourcesPage { frame: visitor.frame, tiles, next })
}
