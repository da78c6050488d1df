//! An asset, as lists show it.

use muster_core::clock::Instant;
use muster_store::AssetRow;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::api::names::Names;

/// An asset.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Asset {
    pub(super) id: i64,
    /// `user`, `group` or `api`.
    pub(super) class: String,
    /// `present`, `gone` or `held`.
    pub(super) status: &'static str,
    /// Why it is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) gone_cause: Option<String>,
    /// Since when it is held, or gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) missing_since: Option<String>,
    /// When the scope it lies in was last read to its end; of what is held or gone, nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last_seen: Option<String>,
    /// The kind of source: `inventory.source`.
    pub(super) source: String,
    /// The connector that brought it.
    pub(super) connector_id: String,
    pub(super) connector_name: String,
    pub(super) first_seen: String,
    /// When its content last changed.
    pub(super) changed_at: String,
    /// `assetHeader` and `assetDetail`; of an API, `masifLocation` is where its definition is had.
    #[schema(value_type = Object)]
    pub(super) asset: Value,
}

impl Asset {
    pub(super) fn of(names: &Names, row: AssetRow) -> Self {
        let label = names.connector(row.connector);
        Self {
            id: row.id,
            source: label.map(|label| label.source_name.clone()).unwrap_or_default(),
            connector_id: names.connector_id(row.connector),
            connector_name: label.map(|label| label.name.clone()).unwrap_or_default(),
            class: row.class,
            status: row.status,
            gone_cause: row.gone_cause,
            missing_since: row.missing_since.map(Instant::to_rfc3339),
            last_seen: row.last_seen.map(Instant::to_rfc3339),
            first_seen: row.first_seen.to_rfc3339(),
            changed_at: row.changed_at.to_rfc3339(),
            asset: row.document,
        }
    }
}
