//! Where assets come from.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use muster_store::ConnectorRow;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::page::{PageParameters, Paged, Paging};
use crate::auth::Viewer;
use crate::error::Problem;
use crate::hub::Hub;

pub(super) fn router() -> OpenApiRouter<Arc<Hub>> {
    OpenApiRouter::new().routes(routes!(sources))
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
