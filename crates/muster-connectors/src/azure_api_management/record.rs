//! From an API to its record, under the data model's attributes.

use muster_core::connector::Batch;
use muster_core::model::StreamModel;
use serde_json::Value as Json;

use super::api::{Api, segment};
use super::definition::obstacles;
use crate::kit::definition::Found;

/// All that a record is made of.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) api: Api,
    pub(super) urls: Vec<Json>,
    pub(super) endpoints: Vec<Json>,
    pub(super) found: Found,
    pub(super) fingerprint: String,
    /// The products' names; none where they are not known.
    pub(super) products: Option<Vec<String>>,
    pub(super) access: Option<&'static str>,
}

/// Adds an API's record and its document to a batch; gives the document's size.
pub(super) fn push(batch: &mut Batch, model: &StreamModel, parts: Parts) -> usize {
    let Parts { api, urls, endpoints, found, fingerprint, products, access } = parts;
    let obstacles = obstacles(&found, &urls);
    let told = &api.properties;
    let flag = |value: bool| Some(if value { "TRUE" } else { "FALSE" }.to_owned());
    let list = |items: &[Json]| Some(Json::from(items.to_vec()).to_string());
    let part = |word: &str| segment(&api.id, word).map(str::to_owned);
    let url = urls.iter().find(|url| url["kind"] != "backend").and_then(|url| url["url"].as_str());
    let key = api.key();
    let values = [
        ("id", Some(key.clone())),
        ("armId", Some(api.id.clone())),
        ("subscriptionId", part("subscriptions")),
        ("resourceGroups", part("resourceGroups")),
        ("service", part("service")),
        ("api", Some(api.name.clone())),
        ("masifLocation", found.blob.as_ref().map(|blob| blob.name.to_string())),
        ("displayName", told.display_name.clone()),
        ("description", told.description.clone()),
        ("type", Some(api.kind().to_owned())),
        ("apiVersion", told.api_version.clone()),
        ("apiRevision", told.api_revision.clone()),
        ("serviceUrl", told.service_url.clone()),
        ("subscriptionRequired", told.subscription_required.and_then(flag)),
        ("url", url.map(str::to_owned)),
        ("urls", list(&urls)),
        ("endpoints", list(&endpoints)),
        ("endpointCount", Some(endpoints.len().to_string())),
        ("specFormat", found.format.clone()),
        ("definitionState", Some(found.state.word().to_owned())),
        ("definitionReasons", Some(Json::from(found.state.reasons()).to_string())),
        ("definitionHash", found.hash.clone()),
        ("scanReady", flag(obstacles.is_empty())),
        ("scanReadyReasons", Some(Json::from(obstacles).to_string())),
        ("fingerprint", Some(fingerprint)),
        ("access", access.map(str::to_owned)),
        ("products", products.map(|titles| Json::from(titles).to_string())),
        ("workspace", part("workspaces")),
    ];
    for (name, value) in values {
        let attribute = model.attribute(name).map(|attribute| attribute.id);
        if let (Some(id), Some(value)) = (attribute, value.filter(|value| !value.is_empty())) {
            batch.records.push(id, value.as_bytes());
        }
    }
    batch.records.finish(model, &key);
    let size = found.blob.as_ref().map_or(0, |blob| blob.bytes.len());
    batch.blobs.extend(found.blob);
    size
}
