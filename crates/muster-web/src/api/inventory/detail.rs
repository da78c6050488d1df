//! One asset: its values and where each came from, its raw attributes, its history.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use data_encoding::BASE64;
use muster_core::asset::Class;
use muster_core::clock::Instant;
use muster_core::map::TransformMap;
use muster_core::model::{AttributeKind, StreamModel};
use muster_core::record::decode_values;
use muster_core::value;
use muster_store::{AssetRow, DocumentRow};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::asset::Asset;
use super::definition::{self, Shared};
use super::find;
use crate::api::names::Names;
use crate::api::page::Paged;
use crate::auth::{Principal, Viewer};
use crate::error::{Code, Problem};
use crate::extract::Path;
use crate::hub::Hub;
use crate::made_by;

/// How deep a container's path is followed.
const DEPTH: usize = 64;

pub(super) fn router() -> OpenApiRouter<Arc<Hub>> {
    OpenApiRouter::new()
        .routes(routes!(user))
        .routes(routes!(group))
        .routes(routes!(api))
        .routes(routes!(user_history))
        .routes(routes!(group_history))
        .routes(routes!(api_history))
}

/// An asset with all that is known of it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Detail {
    #[serde(flatten)]
    asset: Asset,
    /// When its presence was last proven, by a full reading or a sweep.
    #[serde(skip_serializing_if = "Option::is_none")]
    presence_proven_at: Option<String>,
    /// Its place at the source.
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    /// The server that its volatile values came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    read_from: Option<String>,
    /// Of an API whose definition is kept: the others that have the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    same_definition: Option<SameDefinition>,
    /// Target → the map, its version, the attributes that decide the value, the functions they pass through.
    #[schema(value_type = Object)]
    provenance: Map<String, Value>,
    /// Attribute → its values as the source said them; absent where they are no longer kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    raw: Option<Map<String, Value>>,
}

/// A user with all that is known of it.
#[utoipa::path(
    get, path = "/api/v1/inventory/users/{id}", tag = "inventory", operation_id = "getInventoryUser",
    params(("id" = i64, Path, description = "Its id.")), responses((status = 200, description = "It.", body = Detail))
)]
async fn user(State(hub): State<Arc<Hub>>, Viewer(who): Viewer, Path(id): Path<i64>) -> Result<Json<Detail>, Problem> {
    detail((&hub, &who), Class::User, id).await
}

/// A group with all that is known of it.
#[utoipa::path(
    get, path = "/api/v1/inventory/groups/{id}", tag = "inventory", operation_id = "getInventoryGroup",
    params(("id" = i64, Path, description = "Its id.")), responses((status = 200, description = "It.", body = Detail))
)]
async fn group(State(hub): State<Arc<Hub>>, Viewer(who): Viewer, Path(id): Path<i64>) -> Result<Json<Detail>, Problem> {
    detail((&hub, &who), Class::Group, id).await
}

/// An API with all that is known of it.
#[utoipa::path(
    get, path = "/api/v1/inventory/apis/{id}", tag = "inventory", operation_id = "getInventoryApi",
    params(("id" = i64, Path, description = "Its id.")), responses((status = 200, description = "It.", body = Detail))
)]
async fn api(State(hub): State<Arc<Hub>>, Viewer(who): Viewer, Path(id): Path<i64>) -> Result<Json<Detail>, Problem> {
    detail((&hub, &who), Class::Api, id).await
}

async fn detail((hub, who): (&Hub, &Principal), class: Class, id: i64) -> Result<Json<Detail>, Problem> {
    let row = find(hub, who.tenant, class, id).await?;
    let document = hub.store.documents(&[row.id]).await?.pop().ok_or_else(|| Problem::new(Code::NotFound))?;
    let map = made_by::map(hub, who.tenant, row.map).await?;
    let provenance = map.as_ref().map(|map| provenance(&row, map)).unwrap_or_default();
    let raw = map.as_ref().and_then(|map| raw(map.model(), &document));
    let names = Names::of(hub, who.tenant).await?;
    let same_definition = definition::shared((hub, who.tenant), &row).await?;
    let mut rows = [row];
    definition::place((hub, who.tenant), &mut rows).await?;
    let [row] = rows;
    Ok(Json(Detail {
        presence_proven_at: row.proven_at.map(Instant::to_rfc3339),
        same_definition: same_definition.map(|shared| SameDefinition::of(&names, shared)),
        path: path(hub, &row).await?,
        read_from: row.origin.clone(),
        provenance,
        raw,
        asset: Asset::of(&names, row),
    }))
}

/// APIs with the same definition: the same bytes, or others that offer the same, wherever it is served.
#[derive(Debug, Serialize, ToSchema)]
struct SameDefinition {
    /// How many others have it.
    total: i64,
    /// The first of them, 50 at most; `filter=masifLocation:` and the definition's `ETag`, or `definitionHash:`, find all.
    items: Vec<SameApi>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SameApi {
    id: i64,
    name: Option<String>,
    /// The kind of source: `inventory.source`.
    source: String,
    connector_name: String,
}

impl SameDefinition {
    fn of(names: &Names, shared: Shared) -> Self {
        let item = |row: AssetRow| {
            let label = names.connector(row.connector);
            SameApi {
                id: row.id,
                name: row.document["assetDetail"]["name"].as_str().map(str::to_owned),
                source: label.map(|label| label.source_name.clone()).unwrap_or_default(),
                connector_name: label.map(|label| label.name.clone()).unwrap_or_default(),
            }
        };
        Self { total: shared.total, items: shared.rows.into_iter().map(item).collect() }
    }
}

fn provenance(row: &AssetRow, map: &TransformMap) -> Map<String, Value> {
    let document = json!({ "asset": row.document });
    let filled = |target: &&str| target.split('.').try_fold(&document, |value, key| value.get(key)).is_some();
    let known = map.targets().filter(filled).filter_map(|target| Some((target, map.provenance(target)?)));
    known.map(|(target, provenance)| (target.to_owned(), json!(provenance))).collect()
}

fn raw(model: &StreamModel, document: &DocumentRow) -> Option<Map<String, Value>> {
    Some(record(model, &[document.raw.as_ref()?, &document.volatile]))
}

/// The values of a record, decoded where that can be; else as text, else in base64. Never a secret.
pub(crate) fn record(model: &StreamModel, parts: &[&[u8]]) -> Map<String, Value> {
    let mut found: Map<String, Value> = Map::new();
    for (id, bytes) in parts.iter().flat_map(|part| decode_values(part)) {
        let Some(attribute) = model.by_id(id).filter(|attribute| attribute.kind != AttributeKind::Secret) else {
            continue;
        };
        let decoded = value::decode(attribute.value_type, bytes).ok().flatten().map(|value| value.to_json());
        let shown = decoded.unwrap_or_else(|| match std::str::from_utf8(bytes) {
            Ok(text) => text.into(),
            Err(_) => json!({ "base64": BASE64.encode(bytes) }),
        });
        let values = found.entry(attribute.name.clone()).or_insert_with(|| Value::Array(Vec::new()));
        if let Some(values) = values.as_array_mut() {
            values.push(shown);
        }
    }
    found
}

/// The name of an asset's place, composed of its containers' names.
async fn path(hub: &Hub, row: &AssetRow) -> Result<Option<String>, Problem> {
    let Some(name) = &row.relative_name else { return Ok(None) };
    let mut parts = vec![name.clone()];
    let mut container = row.container.clone();
    while let Some(key) = container.take().filter(|_| parts.len() < DEPTH) {
        let found = hub.store.containers(row.connector, &[key]).await?.pop();
        let Some((_, above, name)) = found else { break };
        parts.extend(name);
        container = above;
    }
    Ok(Some(parts.join(",")))
}

/// An entry of a history: what the values were before.
#[derive(Debug, Serialize, ToSchema)]
struct Change {
    /// When, as of the run.
    at: String,
    /// `source`, `map`, `time` or `operator`.
    cause: String,
    /// Path → the value before; of `masifLocation`, the SHA-256 of the definition that there was.
    before: Value,
    /// What changed in an API's definition, where it changed and both could be read; 1,000 changes at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    definition: Option<Vec<DefinitionChange>>,
}

/// A change of an API's definition. What was added has nothing before, what was removed nothing after.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct DefinitionChange {
    /// The operation that it is about; of the definition as a whole, nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) subject: Option<Operation>,
    /// Which side of it: `operation`, `security`, `parameter`, `response`, `server` and others.
    pub(crate) aspect: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) before: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) after: Option<String>,
    /// Whether a caller that did well before may fail.
    pub(crate) breaking: bool,
    /// Why, or why not.
    pub(crate) reason: String,
}

/// An operation of an API.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct Operation {
    pub(crate) method: String,
    pub(crate) path: String,
}

impl DefinitionChange {
    /// What history keeps of a definition's changes; none where nothing is kept, or another version of Muster kept it.
    pub(crate) fn read(kept: Option<Value>) -> Option<Vec<Self>> {
        serde_json::from_value(kept?).ok()
    }
}

/// A user's history, newest first; 1,000 entries at most.
#[utoipa::path(
    get, path = "/api/v1/inventory/users/{id}/history", tag = "inventory", operation_id = "getInventoryUserHistory",
    params(("id" = i64, Path, description = "Its id.")),
    responses((status = 200, description = "Its history.", body = Paged<Change>))
)]
async fn user_history(
    State(hub): State<Arc<Hub>>,
    Viewer(who): Viewer,
    Path(id): Path<i64>,
) -> Result<Json<Paged<Change>>, Problem> {
    history((&hub, &who), Class::User, id).await
}

/// A group's history, newest first; 1,000 entries at most.
#[utoipa::path(
    get, path = "/api/v1/inventory/groups/{id}/history", tag = "inventory", operation_id = "getInventoryGroupHistory",
    params(("id" = i64, Path, description = "Its id.")),
    responses((status = 200, description = "Its history.", body = Paged<Change>))
)]
async fn group_history(
    State(hub): State<Arc<Hub>>,
    Viewer(who): Viewer,
    Path(id): Path<i64>,
) -> Result<Json<Paged<Change>>, Problem> {
    history((&hub, &who), Class::Group, id).await
}

/// An API's history, newest first, with what changed in its definition; 1,000 entries at most.
#[utoipa::path(
    get, path = "/api/v1/inventory/apis/{id}/history", tag = "inventory", operation_id = "getInventoryApiHistory",
    params(("id" = i64, Path, description = "Its id.")),
    responses((status = 200, description = "Its history.", body = Paged<Change>))
)]
async fn api_history(
    State(hub): State<Arc<Hub>>,
    Viewer(who): Viewer,
    Path(id): Path<i64>,
) -> Result<Json<Paged<Change>>, Problem> {
    history((&hub, &who), Class::Api, id).await
}

async fn history((hub, who): (&Hub, &Principal), class: Class, id: i64) -> Result<Json<Paged<Change>>, Problem> {
    let row = find(hub, who.tenant, class, id).await?;
    let changes = hub.store.history(who.tenant, row.id).await?.into_iter();
    let items = changes.map(|change| Change {
        at: change.at.to_rfc3339(),
        cause: change.cause,
        before: change.before,
        definition: DefinitionChange::read(change.definition),
    });
    Ok(Json(Paged { items: items.collect(), next_cursor: None }))
}
