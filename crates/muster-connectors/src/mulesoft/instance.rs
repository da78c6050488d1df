//! What API Manager says of an instance, and what follows from it and from Exchange: addresses, fingerprint, record.

use data_encoding::HEXLOWER;
use muster_core::connector::{Batch, ConnectorError, ErrorKind};
use muster_core::fold::fingerprint;
use muster_core::model::StreamModel;
use serde_json::{Value as Json, json};

use super::asset::Asset;
use super::plan::Place;
use crate::kit::definition::{Found, is_public_url};

/// What changes without a change: it is no part of a fingerprint.
const ACTIVITY: [&str; 4] = ["lastActiveDate", "lastActiveDelta", "pinned", "activeContractsCount"];
/// Hosts of Exchange's mocking service: nothing is deployed there.
const MOCKING: [&str; 2] = ["mocksvc", "/mocking/"];

/// An API: an instance of API Manager, or an asset that none serves.
#[derive(Debug, Clone)]
pub(super) struct Instance {
    /// The list's entry, without its activity. Null where there is no instance.
    listed: Json,
    /// The instance itself, without its activity. Null where it was not read.
    pub(super) detail: Json,
    /// The name that API Manager has for the asset.
    asset_name: Option<String>,
    pub(super) id: Option<String>,
    pub(super) group: Option<String>,
    pub(super) asset: Option<String>,
    pub(super) version: Option<String>,
}

impl Instance {
    /// Reads an instance of an entry of the list.
    pub(super) fn of(entry: &Json, instance: &Json) -> Result<Self, &'static str> {
        // The official examples call it `apiId`.
        let id = id(&instance["id"]).or_else(|| id(&instance["apiId"])).ok_or("it has no id")?;
        let part = |key: &str| text(&instance[key]).or_else(|| text(&entry[key])).map(str::to_owned);
        Ok(Self {
            listed: without_activity(instance),
            detail: Json::Null,
            asset_name: text(&entry["exchangeAssetName"]).map(str::to_owned),
            id: Some(id),
            group: part("groupId"),
            asset: part("assetId"),
            version: part("assetVersion").or_else(|| text(&instance["version"]).map(str::to_owned)),
        })
    }

    /// Reads an entry of Exchange's search.
    pub(super) fn published(entry: &Json) -> Result<Self, &'static str> {
        let part = |key: &str| text(&entry[key]).map(str::to_owned);
        let (group, asset) = (part("groupId"), part("assetId"));
        if group.is_none() || asset.is_none() {
            return Err("it has no group or asset id");
        }
        Ok(Self {
            listed: Json::Null,
            detail: Json::Null,
            asset_name: part("name"),
            id: None,
            group,
            asset,
            version: part("version"),
        })
    }

    /// The same with what the instance itself says. What is no instance is not taken for one that says nothing.
    pub(super) fn with_detail(self, detail: &Json) -> Result<Self, &'static str> {
        id(&detail["id"]).or_else(|| id(&detail["apiId"])).ok_or("the answer is no API instance: it has no id")?;
        let part = |key: &str, known: Option<String>| text(&detail[key]).map(str::to_owned).or(known);
        Ok(Self {
            detail: without_activity(detail),
            group: part("groupId", self.group),
            asset: part("assetId", self.asset),
            version: part("assetVersion", self.version),
            ..self
        })
    }

    /// The source key.
    pub(super) fn key(&self, place: &Place) -> String {
        match &self.id {
            Some(id) => format!("{}/{id}", place.scope()),
            None => {
                let part = |part: &Option<String>| part.clone().unwrap_or_default();
                format!("{}/{}/{}", place.scope(), part(&self.group), part(&self.asset))
            }
        }
    }

    /// The asset's version in Exchange; legacy instances have none.
    pub(super) fn coordinates(&self) -> Option<(&str, &str, &str)> {
        Some((self.group.as_deref()?, self.asset.as_deref()?, self.version.as_deref()?))
    }

    /// What tells this state of an API from any other.
    pub(super) fn fingerprint(&self, place: &Place, asset: Option<&Asset>) -> Result<String, ConnectorError> {
        // The list says no more than the instance does.
        let names = (&place.organization_name, place.environment.as_ref().map(|(_, name)| name));
        let parts = (&self.detail, names, asset.map(|asset| &asset.facts));
        let text = serde_json::to_vec(&parts)
            .map_err(|error| ConnectorError::new(ErrorKind::Protocol, "comparing an API", error.to_string()))?;
        Ok(HEXLOWER.encode(&fingerprint(&text)))
    }

    fn told(&self, key: &str) -> &Json {
        let told = &self.detail[key];
        if told.is_null() { &self.listed[key] } else { told }
    }

    /// Addresses with what they are, the best first; what a gateway turns to comes last.
    pub(super) fn urls(&self, found: &Found) -> Vec<Json> {
        let mut urls: Vec<Json> = Vec::new();
        let mut add = |kind: &str, url: &str| {
            let url = url.trim();
            if !url.is_empty() && !urls.iter().any(|known| known["url"] == url) {
                urls.push(json!({ "kind": kind, "url": url }));
            }
        };
        let is_same = |one: &str, other: &str| {
            one == other || same_place(one).is_some_and(|place| Some(place) == same_place(other))
        };
        let mut behind = vec![text(&self.told("endpoint")["uri"]).unwrap_or_default()];
        let routes = self.told("routing").as_array().into_iter().flatten();
        let upstreams = routes.flat_map(|route| route["upstreams"].as_array().into_iter().flatten());
        behind.extend(upstreams.filter_map(|upstream| text(&upstream["uri"])));
        add("consumer", text(self.told("endpointUri")).unwrap_or_default());
        let served = found.servers.iter().filter(|url| !MOCKING.iter().any(|host| url.contains(host)));
        // A definition may name what the gateway turns to.
        served.filter(|url| !behind.iter().any(|one| is_same(one, url))).for_each(|url| add("definition", url));
        behind.into_iter().for_each(|url| add("implementation", url));
        urls
    }
}

/// All that a record is made of.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) instance: Instance,
    pub(super) asset: Option<std::sync::Arc<Asset>>,
    pub(super) found: std::sync::Arc<Found>,
    pub(super) fingerprint: String,
}

/// Adds an API's record and its document to a batch; gives the document's size.
pub(super) fn push(batch: &mut Batch, model: &StreamModel, (place, parts): (&Place, Parts)) -> usize {
    let Parts { instance, asset, found, fingerprint } = parts;
    let facts = asset.as_ref().map_or(&Json::Null, |asset| &asset.facts);
    let owned = |value: &Json| text(value).map(str::to_owned);
    let flag = |value: &Json| value.as_bool().map(|flag| if flag { "TRUE" } else { "FALSE" }.to_owned());
    let list = |value: Json| Some(value.to_string());
    let urls = instance.urls(&found);
    let mut offered = urls.iter().filter(|url| url["kind"] != "implementation");
    let is = |url: &&Json, test: fn(&str) -> bool| url["url"].as_str().is_some_and(test);
    let public = offered.clone().find(|url| is(url, is_public_url));
    let obstacles = found.obstacles(public.is_some());
    let shown = public.or_else(|| offered.find(|url| is(url, is_elsewhere)));
    let key = instance.key(place);
    let endpoints = found.endpoints.clone().unwrap_or_default();
    let name = owned(&facts["name"]).or_else(|| instance.asset_name.clone()).or_else(|| instance.asset.clone());
    let values = [
        ("id", Some(key.clone())),
        ("groupId", instance.group.clone()),
        ("assetId", instance.asset.clone()),
        ("name", name.or_else(|| instance.id.clone())),
        ("isPublic", flag(&facts["isPublic"])),
        ("organizationId", Some(place.organization.clone())),
        ("masifLocation", found.blob.as_ref().map(|blob| blob.name.to_string())),
        ("description", owned(&facts["description"]).or_else(|| owned(instance.told("description")))),
        ("version", owned(&facts["version"]).or_else(|| instance.version.clone())),
        ("status", owned(&facts["status"])),
        ("type", owned(&facts["type"])),
        ("organizationName", place.organization_name.clone()),
        ("environmentId", place.environment.as_ref().map(|(id, _)| id.clone())),
        ("environmentName", place.environment.as_ref().and_then(|(_, name)| name.clone())),
        ("instanceId", instance.id.clone()),
        ("instanceLabel", owned(instance.told("instanceLabel"))),
        ("runtimeStatus", owned(instance.told("status"))),
        ("instanceIsPublic", flag(instance.told("isPublic"))),
        ("technology", owned(instance.told("technology"))),
        ("productVersion", owned(instance.told("productVersion")).or_else(|| owned(&facts["versionGroup"]))),
        ("deprecated", flag(instance.told("deprecated"))),
        ("endpointUri", owned(instance.told("endpointUri"))),
        ("implementationUri", owned(&instance.told("endpoint")["uri"])),
        ("url", shown.and_then(|url| owned(&url["url"]))),
        ("urls", list(Json::from(urls))),
        ("endpointCount", Some(endpoints.len().to_string())),
        ("endpoints", list(Json::from(endpoints))),
        ("specFormat", found.format.clone()),
        ("definitionState", Some(found.state.word().to_owned())),
        ("definitionReasons", list(Json::from(found.state.reasons()))),
        ("definitionHash", found.hash.clone()),
        ("definitionFile", found.main.clone()),
        ("scanReady", Some(if obstacles.is_empty() { "TRUE" } else { "FALSE" }.to_owned())),
        ("scanReadyReasons", list(Json::from(obstacles))),
        ("fingerprint", Some(fingerprint)),
    ];
    for (name, value) in values {
        let attribute = model.attribute(name).map(|attribute| attribute.id);
        if let (Some(id), Some(value)) = (attribute, value.filter(|value| !value.is_empty())) {
            batch.records.push(id, value.as_bytes());
        }
    }
    batch.records.finish(model, &key);
    let size = found.blob.as_ref().map_or(0, |blob| blob.bytes.len());
    batch.blobs.extend(found.blob.clone());
    size
}

/// A URL as any other that leads to the same place is written: case, default port and last slash say nothing.
fn same_place(text: &str) -> Option<String> {
    let url = reqwest::Url::parse(text.trim()).ok()?;
    Some(url.as_str().trim_end_matches('/').to_owned())
}

/// Whether a URL leads to another machine: a listener (`0.0.0.0`) and a developer's own do not.
fn is_elsewhere(text: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(text) else { return false };
    match url.host() {
        Some(url::Host::Domain(name)) => name != "localhost",
        Some(url::Host::Ipv4(address)) => !address.is_unspecified() && !address.is_loopback(),
        Some(url::Host::Ipv6(address)) => !address.is_unspecified() && !address.is_loopback(),
        None => false,
    }
}

/// Text that says something.
pub(super) fn text(value: &Json) -> Option<&str> {
    value.as_str().filter(|text| !text.trim().is_empty())
}

/// Ids are numbers in API Manager, and texts in Exchange. They stand in paths and keys.
fn id(value: &Json) -> Option<String> {
    match value {
        Json::Number(number) => Some(number.to_string()),
        Json::String(text) => {
            let fits =
                !text.is_empty() && text.len() <= 128 && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
            fits.then(|| text.clone())
        }
        _ => None,
    }
}

fn without_activity(value: &Json) -> Json {
    let mut value = value.clone();
    let remove = |value: Option<&mut Json>| {
        let Some(keys) = value.and_then(Json::as_object_mut) else { return };
        ACTIVITY.iter().for_each(|key| drop(keys.remove(*key)));
    };
    remove(value.get_mut("endpoint"));
    remove(Some(&mut value));
    value
}
