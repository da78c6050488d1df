//! Where assets come from, and the records that became none.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use muster_store::ConnectorRow;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::connectors;
use crate::api::names::Names;
use crate::api::page::{PageParameters, Paged, Paging};
use crate::auth::Viewer;
use crate::error::Problem;
use crate::extract::Query;
use crate::hub::Hub;

pub(super) fn router() -> OpenApiRouter<Arc<Hub>> {
    OpenApiRouter::new().routes(routes!(sources)).routes(routes!(letters))
}

/// A connector, as a source of assets.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Source {
    connector_id: String,
    connector_name: String,
    /// The kind of source: `inventory.source`.
    source: String,
    streams: Vec<StreamCount>,
}

/// How many assets a stream brought.
#[derive(Debug, Serialize, ToSchema)]
struct StreamCount {
    stream: String,
    class: &'static str,
    /// Held ones among them.
    present: u64,
    held: u64,
    gone: u64,
}

/// The connectors with the counts of what they brought.
#[utoipa::path(
    get, path = "/api/v1/sources", tag = "inventory", operation_id = "listSources", params(PageParameters),
    responses((status = 200, description = "A page of them.", body = Paged<Source>))
)]
async fn sources(
    State(hub): State<Arc<Hub>>,
    Viewer(who): Viewer,
    paging: Paging,
) -> Result<Json<Paged<Source>>, Problem> {
    let rows = hub.store.connections(who.tenant, paging.forwards("sources")?).await?;
    let page = paging.answer("sources", rows, |row| row.id, |row| row);
    let mut items = Vec::with_capacity(page.items.len());
    for row in page.items {
        let connector = ConnectorRow { id: row.id, tenant: row.tenant, name: String::new() };
        let mut streams = Vec::new();
        for stream in hub.offer(&row.type_name).map(|offer| offer.model.streams.as_slice()).unwrap_or_default() {
            let totals = hub.store.totals(&connector, &stream.name).await?;
            streams.push(StreamCount {
                stream: stream.name.clone(),
                class: stream.class.word(),
                present: totals.present,
                held: totals.held,
                gone: totals.gone,
            });
        }
        items.push(Source { connector_id: row.uuid, connector_name: row.name, source: row.source_name, streams });
    }
    Ok(Json(Paged { items, next_cursor: page.next_cursor }))
}

/// A record that was rejected.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct DeadLetter {
    id: i64,
    connector_id: String,
    stream: String,
    source_key: String,
    /// Which attribute, and what is wrong with it.
    reason: String,
    /// The run that met it last.
    run_id: i64,
    at: String,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Filter {
    /// Only those of a connector.
    connector: Option<String>,
}

/// The records that were rejected; each is tried again whenever it is read.
#[utoipa::path(
    get, path = "/api/v1/dead-letters", tag = "inventory", operation_id = "listDeadLetters", params(PageParameters, Filter),
    responses((status = 200, description = "A page of them.", body = Paged<DeadLetter>))
)]
async fn letters(
    State(hub): State<Arc<Hub>>,
    Viewer(who): Viewer,
    paging: Paging,
    Query(given): Query<Filter>,
) -> Result<Json<Paged<DeadLetter>>, Problem> {
    let connector = match &given.connector {
        Some(id) => Some(connectors::find(&hub, who.tenant, id).await?.id),
        None => None,
    };
    let rows = hub.store.letters(who.tenant, connector, paging.forwards("letters")?).await?;
    let names = Names::of(&hub, who.tenant).await?;
    Ok(Json(paging.answer(
        "letters",
        rows,
        |row| row.id,
        |row| DeadLetter {
            id: row.id,
            connector_id: names.connector_id(row.connector),
            stream: row.stream,
            source_key: row.source_key,
            reason: row.reason,
            run_id: row.run,
            at: row.at.to_rfc3339(),
        },
    )))
}
