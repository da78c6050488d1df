//! Sources: a tile per connector type with what all of its connectors brought, and one per connector with how sure that is.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use muster_core::connector::ConnectorSpec;
use muster_store::hub::ConnectorLabel;

use super::connectors::{At, Count, From, counts, row_of, some, states};
use super::frame::{Frame, Visitor, html};
use super::inventory::{Kind, count};
use super::part::{When, address};
use crate::api::names::Names;
use crate::error::Problem;
use crate::extract::Query;
use crate::hub::Hub;

/// A connector type: how many connectors it has, and what they brought.
struct TypeTile {
    source: &'static str,
    category: &'static str,
    connectors: usize,
    /// What it brings: how many are here, and their list.
    brought: Vec<(&'static str, String, String)>,
    /// Where another connector is made.
    new: String,
}

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
    /// On the first page.
    types: Vec<TypeTile>,
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
    let types = if from.after == 0 && !tiles.is_empty() { types(&hub, &visitor).await? } else { Vec::new() };
    let next = next.map(|id| address("/console/sources", &[("after", &id.to_string())]));
    html(StatusCode::OK, &SourcesPage { frame: visitor.frame, types, tiles, next })
}

async fn types(hub: &Hub, visitor: &Visitor) -> Result<Vec<TypeTile>, Problem> {
    let names = Names::of(hub, visitor.tenant()).await?;
    let mut tiles = Vec::with_capacity(hub.offers.len());
    for spec in hub.offers.iter().map(|offer| offer.spec) {
        let is_one = |label: &&ConnectorLabel| !label.removed && label.source_name == spec.source_name;
        tiles.push(TypeTile {
            source: spec.source_name,
            category: spec.category,
            connectors: names.labels().filter(is_one).count(),
            brought: brought(hub, visitor, spec).await?,
            new: format!("/console/connectors/new/{}", spec.type_name),
        });
    }
    Ok(tiles)
}

/// What the connectors of a type brought and is here, by class.
async fn brought(
    hub: &Hub,
    visitor: &Visitor,
    spec: &ConnectorSpec,
) -> Result<Vec<(&'static str, String, String)>, Problem> {
    let streams = hub.offer(spec.type_name).map(|offer| offer.model.streams.as_slice()).unwrap_or_default();
    let mut kinds: Vec<&Kind> = streams.iter().filter_map(|stream| Kind::of(stream.class.word())).collect();
    kinds.dedup_by_key(|kind| kind.class);
    let mut found = Vec::with_capacity(kinds.len());
    for kind in kinds {
        let asked = format!("inventory.source='{}'", spec.source_name.replace('\'', "''"));
        let count = count(hub, visitor, kind, &format!("{asked} and not inventory.status:gone")).await?;
        found.push((kind.title, count, address(kind.place, &[("q", &asked)])));
    }
    Ok(found)
}
