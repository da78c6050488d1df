//! One asset: its summary, its attributes with where they came from, its memberships, its history.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use muster_core::asset::Class;
use muster_core::asset::schema::{self, EXTERNAL_ID_TARGET, NAME_TARGET, VENDOR_ID_TARGET};
use muster_core::map::TransformMap;
use muster_core::model::StreamModel;
use muster_store::hub::ConnectionRow;
use muster_store::{AssetRow, DocumentRow};
use serde_json::Value;

use super::api::{ApiPart, Asked};
use super::history::{Entry, timeline};
use super::members::{Circle, members, owners};
use super::raw::{RawAttribute, origins, raw_attributes};
use super::{Kind, Shown, label, name};
use crate::api::inventory::definition::place;
use crate::api::inventory::roles::ids;
use crate::console::frame::{Frame, Visitor, html};
use crate::console::part::{Badge, When};
use crate::console::profiles::collects_posture;
use crate::error::{Code, Problem};
use crate::extract::{Path, Query};
use crate::hub::Hub;
use crate::made_by;

/// An attribute of the asset, and where it came from.
struct Attribute {
    label: String,
    target: String,
    value: Shown,
    from: Option<String>,
}

#[derive(Template)]
#[template(path = "console/inventory/detail.html")]
struct DetailPage {
    frame: Frame,
    kind: &'static Kind,
    name: String,
    presence: Badge,
    status: Option<Badge>,
    gone: Option<&'static str>,
    connector: Option<(String, String)>,
    source: String,
    first_seen: When,
    last_seen: Option<When>,
    changed_at: When,
    place: String,
    attributes: Vec<Attribute>,
    map: Option<String>,
    api: Option<ApiPart>,
    owners: Option<Circle>,
    members: Option<Circle>,
    history: Vec<Entry>,
    raw: Option<Vec<RawAttribute>>,
    origin: Option<String>,
    posture: bool,
}

/// What is known of the asset around it: its connector, the model of its stream, the map that made it.
pub(super) struct Around<'a> {
    pub(super) connection: Option<ConnectionRow>,
    pub(super) model: Option<&'a Arc<StreamModel>>,
    pub(super) map: Option<Arc<TransformMap>>,
    pub(super) document: Option<DocumentRow>,
}

impl<'a> Around<'a> {
    async fn of(hub: &'a Hub, tenant: i64, asset: &AssetRow) -> Result<Self, Problem> {
        let connection = hub.store.connection_of(tenant, asset.connector).await?;
        let offer = connection.as_ref().and_then(|connection| hub.offer(&connection.type_name));
        let model = offer.and_then(|offer| offer.model.stream(&asset.stream));
        let map = made_by::map(hub, tenant, asset.map).await?;
        // The asset was read for this tenant; this reads more of the same one.
        let document = hub.store.documents(&[asset.id]).await?.into_iter().next();
        Ok(Self { connection, model, map, document })
    }
}

/// The page of an asset.
pub(in crate::console) async fn detail(
    kind: &'static Kind,
    State(hub): State<Arc<Hub>>,
    visitor: Visitor,
    Path(id): Path<i64>,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let found = hub.store.assets(visitor.tenant(), &[id]).await?.into_iter().next();
    let asset = found.filter(|asset| asset.class == kind.class.word()).ok_or_else(|| Problem::new(Code::NotFound))?;
    if kind.is_derived() && !ids(&hub, visitor.tenant()).await?.0.contains(&id) {
        return Err(Problem::new(Code::NotFound));
    }
    let api = match kind.class {
        Class::Api => Some(ApiPart::of((&hub, visitor.tenant()), &asset, &asked).await?),
        _ => None,
    };
    if let Some(api) = api.as_ref().filter(|_| visitor.wants_part) {
        return html(StatusCode::OK, &api.as_endpoints());
    }
    html(StatusCode::OK, &page(&hub, &visitor, (kind, &asset), api).await?)
}

async fn page(
    hub: &Hub,
    visitor: &Visitor,
    (kind, asset): (&'static Kind, &AssetRow),
    api: Option<ApiPart>,
) -> Result<DetailPage, Problem> {
    let tenant = visitor.tenant();
    let mut shown = [asset.clone()];
    place((hub, tenant), &mut shown).await?;
    let around = Around::of(hub, tenant, asset).await?;
    let connection = around.connection.as_ref();
    let profiles = match connection {
        Some(connection) => hub.store.profiles(tenant, connection.id).await?,
        None => Vec::new(),
    };
    let is_group = kind.class == Class::Group;
    Ok(DetailPage {
        frame: visitor.frame.clone(),
        kind,
        name: name(&asset.document, &asset.source_key),
        presence: Badge::presence(asset.status),
        status: asset.document.pointer("/assetDetail/userAssetClass/status").and_then(Value::as_str).map(Badge::status),
        gone: asset.gone_cause.as_deref().map(cause),
        connector: connection.map(|one| (one.name.clone(), format!("/console/connectors/{}", one.uuid))),
        source: connection.map(|one| one.source_name.clone()).unwrap_or_default(),
        first_seen: visitor.when(asset.first_seen),
        last_seen: asset.last_seen.map(|at| visitor.when(at)),
        changed_at: visitor.when(asset.changed_at),
        place: place_of(hub, asset).await?,
        attributes: attributes(kind, &shown[0], &around, visitor),
        map: around.map.as_ref().map(|map| format!("{}, version {}", map.name, map.version)),
        owners: if api.is_none() { Some(owners(hub, tenant, asset.id).await?) } else { None },
        api,
        members: if is_group { Some(members(hub, tenant, asset.id).await?) } else { None },
        history: timeline(hub, visitor, asset).await?,
        raw: raw_attributes(&around),
        origin: asset.origin.clone(),
        posture: profiles.iter().any(collects_posture),
    })
}

/// Why an asset is gone, as a sentence goes on.
fn cause(word: &str) -> &'static str {
    match word {
        "deleted_at_source" => "it was deleted at the source",
        "not_listed" => "two complete runs in a row did not list it",
        "out_of_scope" => "it exists, outside what the profile covers",
        "permission_lost" => "the source refuses to show it any longer",
        "connector_removed" => "its connector was removed",
        _ => "of a cause that this version does not know",
    }
}

/// Where the asset lies at its source: its name, then its containers, the innermost first.
async fn place_of(hub: &Hub, asset: &AssetRow) -> Result<String, Problem> {
    const DEEPEST: usize = 32;
    let mut parts: Vec<String> = asset.relative_name.iter().cloned().collect();
    let mut container = asset.container.clone();
    while let Some(key) = container.filter(|_| parts.len() < DEEPEST) {
        let Some((_, next, name)) = hub.store.containers(asset.connector, &[key]).await?.into_iter().next() else {
            break;
        };
        parts.extend(name);
        container = next;
    }
    Ok(parts.join(","))
}

fn attributes(kind: &Kind, asset: &AssetRow, around: &Around<'_>, visitor: &Visitor) -> Vec<Attribute> {
    let exact = origins(around, visitor.now);
    let from = |target: &str| {
        let provenance = around.map.as_ref()?.provenance(target)?;
        let sources = match exact.get(target) {
            Some(attribute) => attribute.clone(),
            None if provenance.sources.is_empty() => "a constant".to_owned(),
            None => provenance.sources.join(", "),
        };
        let functions = provenance.functions.join(", ");
        Some(if functions.is_empty() { sources } else { format!("{sources} through {functions}") })
    };
    let header =
        [("External id", "externalAssetId", EXTERNAL_ID_TARGET), ("Vendor id", "vendorAssetId", VENDOR_ID_TARGET)];
    let mut all: Vec<Attribute> = Vec::new();
    for (label, key, target) in header {
        if let Some(text) = asset.document["assetHeader"][key].as_str() {
            let value = Shown::Text(text.to_owned());
            all.push(Attribute { label: label.to_owned(), target: target.to_owned(), value, from: from(target) });
        }
    }
    if let Some(text) = asset.document["assetDetail"]["name"].as_str() {
        let value = Shown::Text(text.to_owned());
        all.push(Attribute {
            label: "Name".to_owned(),
            target: NAME_TARGET.to_owned(),
            value,
            from: from(NAME_TARGET),
        });
    }
    let Some(detail) = asset.document["assetDetail"].as_object() else { return all };
    for field in schema::fields(kind.class) {
        let Some(value) = field.value_in(detail) else { continue };
        let target = field.target();
        let from = from(&target);
        let value = Shown::of(field, value, visitor);
        all.push(Attribute { label: label(&field.path[1..].join(".")), target, value, from });
    }
    all
}
