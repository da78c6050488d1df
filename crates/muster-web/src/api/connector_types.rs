//! Connector types and their data models: what the binary offers.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use muster_core::connector::Offer;
use muster_core::model::{AttributeKind, StreamModel, ValueType};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::page::Paged;
use crate::auth::Viewer;
use crate::error::{Code, Problem};
use crate::extract::Path;
use crate::hub::Hub;

pub(super) fn router() -> OpenApiRouter<Arc<Hub>> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(get))
        .routes(routes!(list_models))
        .routes(routes!(get_model))
}

/// A kind of source.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ConnectorType {
    r#type: &'static str,
    /// What lists and `inventory.source` show.
    source_name: &'static str,
    vendor: &'static str,
    product: &'static str,
    category: &'static str,
    assets: &'static str,
    findings: &'static str,
    version: &'static str,
    integration_type: &'static str,
    direction: &'static str,
    delta_support: &'static str,
    /// What the source's account must be allowed.
    permissions: Vec<Permission>,
    /// What a form asks for.
    fields: Vec<Field>,
    data_model: String,
    streams: Vec<String>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Permission {
    entity: &'static str,
    permission: &'static str,
}

/// A setting. One of kind `secret` is written, never read.
#[derive(Debug, Serialize, ToSchema)]
struct Field {
    key: &'static str,
    label: &'static str,
    /// `authentication`, `endpoints` or `profile`: the last is set in profiles.
    section: &'static str,
    /// `text`, `list` (of texts), `integer`, `boolean`, `choice`, `secret` or `certificate`.
    kind: &'static str,
    /// Of a choice, what may be chosen.
    choices: &'static [&'static str],
    required: bool,
    help: &'static str,
}

impl From<&Offer> for ConnectorType {
    fn from(offer: &Offer) -> Self {
        let spec = offer.spec;
        let permissions = spec.permissions.iter();
        let fields = spec.fields.iter();
        Self {
            r#type: spec.type_name,
            source_name: spec.source_name,
            vendor: spec.vendor,
            product: spec.product,
            category: spec.category,
            assets: spec.assets,
            findings: spec.findings,
            version: spec.version,
            integration_type: spec.integration_type,
            direction: spec.direction,
            delta_support: spec.delta_support,
            permissions: permissions
                .map(|known| Permission { entity: known.entity, permission: known.permission })
                .collect(),
            fields: fields
                .map(|field| Field {
                    key: field.key,
                    label: field.label,
                    section: field.section,
                    kind: field.kind,
                    choices: field.choices,
                    required: field.required,
                    help: field.help,
                })
                .collect(),
            data_model: offer.model.name.clone(),
            streams: offer.model.streams.iter().map(|stream| stream.name.clone()).collect(),
        }
    }
}

/// What a connector type reads.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct DataModel {
    name: String,
    connector_type: &'static str,
    streams: Vec<Stream>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Stream {
    name: String,
    /// The class of asset that its records become.
    class: &'static str,
    /// The attribute that names a record for ever.
    source_key: Option<String>,
    attributes: Vec<Attribute>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Attribute {
    id: u16,
    name: String,
    r#type: &'static str,
    /// `identity`, `content`, `volatile`, `link` or `secret` (never asked for).
    kind: &'static str,
    required: bool,
    /// The connector derives it.
    derived: bool,
    /// Asked for only when this choice of assets is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    only_with: Option<String>,
}

impl From<&Offer> for DataModel {
    fn from(offer: &Offer) -> Self {
        let streams = offer.model.streams.iter().map(|stream| stream_of(stream)).collect();
        Self { name: offer.model.name.clone(), connector_type: offer.spec.type_name, streams }
    }
}

fn stream_of(stream: &StreamModel) -> Stream {
    let attributes = stream.attributes.iter().map(|attribute| Attribute {
        id: attribute.id.0,
        name: attribute.name.clone(),
        r#type: type_word(attribute.value_type),
        kind: kind_word(attribute.kind),
        required: attribute.required,
        derived: attribute.derived,
        only_with: attribute.only_with.clone(),
    });
    Stream {
        name: stream.name.clone(),
        class: stream.class.word(),
        source_key: stream.by_id(stream.source_key).map(|attribute| attribute.name.clone()),
        attributes: attributes.collect(),
    }
}

fn type_word(value: ValueType) -> &'static str {
    match value {
        ValueType::Text => "text",
        ValueType::Integer => "integer",
        ValueType::Boolean => "boolean",
        ValueType::Guid => "guid",
        ValueType::Sid => "sid",
        ValueType::Filetime => "filetime",
        ValueType::GeneralizedTime => "generalized_time",
        ValueType::Interval => "interval",
        ValueType::GroupType => "group_type",
        ValueType::JsonList => "json_list",
    }
}

fn kind_word(kind: AttributeKind) -> &'static str {
    match kind {
        AttributeKind::Identity => "identity",
        AttributeKind::Content => "content",
        AttributeKind::Volatile => "volatile",
        AttributeKind::Link => "link",
        AttributeKind::Secret => "secret",
    }
}

/// The connector types there are.
#[utoipa::path(
    get, path = "/api/v1/connector-types", tag = "connector types", operation_id = "listConnectorTypes",
    responses((status = 200, description = "All of them.", body = Paged<ConnectorType>))
)]
async fn list(State(hub): State<Arc<Hub>>, _: Viewer) -> Json<Paged<ConnectorType>> {
    Json(Paged { items: hub.offers.iter().map(Into::into).collect(), next_cursor: None })
}

/// A connector type.
#[utoipa::path(
    get, path = "/api/v1/connector-types/{type}", tag = "connector types", operation_id = "getConnectorType",
    params(("type" = String, Path, description = "Its name.")),
    responses((status = 200, description = "It.", body = ConnectorType))
)]
async fn get(State(hub): State<Arc<Hub>>, _: Viewer, Path(name): Path<String>) -> Result<Json<ConnectorType>, Problem> {
    let offer = hub.offer(&name).ok_or_else(|| Problem::new(Code::NotFound))?;
    Ok(Json(offer.into()))
}

/// The data models there are.
#[utoipa::path(
    get, path = "/api/v1/data-models", tag = "data models", operation_id = "listDataModels",
    responses((status = 200, description = "All of them.", body = Paged<DataModel>))
)]
async fn list_models(State(hub): State<Arc<Hub>>, _: Viewer) -> Json<Paged<DataModel>> {
    Json(Paged { items: hub.offers.iter().map(Into::into).collect(), next_cursor: None })
}

/// A data model.
#[utoipa::path(
    get, path = "/api/v1/data-models/{name}", tag = "data models", operation_id = "getDataModel",
    params(("name" = String, Path, description = "Its name.")),
    responses((status = 200, description = "It.", body = DataModel))
)]
async fn get_model(
    State(hub): State<Arc<Hub>>,
    _: Viewer,
    Path(name): Path<String>,
) -> Result<Json<DataModel>, Problem> {
    let offer = hub.offers.iter().find(|offer| offer.model.name == name);
    Ok(Json(offer.ok_or_else(|| Problem::new(Code::NotFound))?.into()))
}
