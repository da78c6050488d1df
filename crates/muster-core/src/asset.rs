//! Assets: what records become, and the schema that names their fields.

use serde::{Deserialize, Serialize};

use crate::connector::Blob;

pub mod schema;

/// What an asset is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// A person's or a service's account.
    User,
    /// A group of accounts.
    Group,
    /// A role, given or derived.
    Role,
    /// An API behind a gateway.
    Api,
    /// A cloud resource.
    Cloud,
    /// A place in a directory; it gives the others their paths and is not listed itself.
    Container,
}

impl Class {
    /// All classes.
    pub const ALL: [Self; 6] = [Self::User, Self::Group, Self::Role, Self::Api, Self::Cloud, Self::Container];

    /// The word used in tokens, tables and documents.
    pub fn word(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Group => "group",
            Self::Role => "role",
            Self::Api => "api",
            Self::Cloud => "cloud",
            Self::Container => "container",
        }
    }

    /// The class of that word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.word() == word)
    }

    /// The key under `assetDetail` that holds the class's own fields.
    pub fn detail_key(self) -> &'static str {
        match self {
            Self::User => "userAssetClass",
            Self::Group => "groupAssetClass",
            Self::Role => "roleAssetClass",
            Self::Api => "apiAssetClass",
            Self::Cloud => "cloudAssetClass",
            Self::Container => "containerAssetClass",
        }
    }
}

/// What an asset's presence is known to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AssetState {
    /// Seen in its scope's last complete reading, or not yet proven absent.
    Present,
    /// Proven absent; the cause stands beside it.
    Gone,
}

impl AssetState {
    /// The word used in tables and documents.
    pub fn word(self) -> &'static str {
        match self {
            Self::Present => "present",
            Self::Gone => "gone",
        }
    }
}

/// Why an asset is gone (design P2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GoneCause {
    /// The source showed its tombstone, or answered that there is no such object.
    DeletedAtSource,
    /// Missing from two complete listings of a source that cannot be asked by key.
    NotListed,
    /// It exists, outside what the profile covers.
    OutOfScope,
    /// The source refuses to show it any longer.
    PermissionLost,
    /// Its connector was removed.
    ConnectorRemoved,
}

impl GoneCause {
    /// The word used in tables and documents.
    pub fn word(self) -> &'static str {
        match self {
            Self::DeletedAtSource => "deleted_at_source",
            Self::NotListed => "not_listed",
            Self::OutOfScope => "out_of_scope",
            Self::PermissionLost => "permission_lost",
            Self::ConnectorRemoved => "connector_removed",
        }
    }
}

/// A normalized asset, as a map made it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Asset {
    /// `assetHeader.externalAssetId`.
    pub external_id: Option<String>,
    /// `assetHeader.vendorAssetId`.
    pub vendor_id: Option<String>,
    /// The `assetDetail` document.
    pub detail: serde_json::Map<String, serde_json::Value>,
}

impl Asset {
    /// The asset as the documents show it: `assetHeader` and `assetDetail`.
    pub fn to_document(&self) -> serde_json::Value {
        document(self.external_id.as_deref(), self.vendor_id.as_deref(), self.detail.clone())
    }
}

/// The part of an API's document that names its definition, as `masifLocation` does in the source documents.
const DEFINITION: (&str, &str) = ("apiAssetClass", "masifLocation");

/// The name of the blob that holds an API's definition.
pub fn definition(detail: &serde_json::Map<String, serde_json::Value>) -> Option<&str> {
    let name = detail.get(DEFINITION.0)?.get(DEFINITION.1)?.as_str()?;
    Blob::is_name(name).then_some(name)
}

/// Says where an API's definition is shown, in place of its blob's name; nothing where it is shown nowhere.
pub fn show_definition(detail: &mut serde_json::Map<String, serde_json::Value>, place: Option<String>) {
    if definition(detail).is_none() {
        return;
    }
    let Some(class) = detail.get_mut(DEFINITION.0).and_then(serde_json::Value::as_object_mut) else { return };
    match place {
        Some(place) => class.insert(DEFINITION.1.to_owned(), place.into()),
        None => class.remove(DEFINITION.1),
    };
}

/// Composes the document of an asset from its parts.
pub fn document(
    external_id: Option<&str>,
    vendor_id: Option<&str>,
    detail: serde_json::Map<String, serde_json::Value>,
) -> serde_json::Value {
    let mut header = serde_json::Map::new();
    for (key, value) in [("externalAssetId", external_id), ("vendorAssetId", vendor_id)] {
        if let Some(value) = value {
            header.insert(key.to_owned(), value.into());
        }
    }
    serde_json::json!({ "assetHeader": header, "assetDetail": detail })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_is_shown_where_it_lies_and_only_a_blobs_name_is_one() {
        let name = format!("{}.json", "0a".repeat(32));
        let detail = |location: &str| {
            let detail = serde_json::json!({ "apiAssetClass": { "masifLocation": location } });
            detail.as_object().cloned().unwrap()
        };
        let mut kept = detail(&name);
        assert_eq!(definition(&kept), Some(name.as_str()));
        show_definition(&mut kept, Some("definitions/x".to_owned()));
        assert_eq!(kept, detail("definitions/x"));
        let mut nowhere = detail(&name);
        show_definition(&mut nowhere, None);
        assert_eq!(serde_json::Value::Object(nowhere), serde_json::json!({ "apiAssetClass": {} }));
        for other in ["", "/etc/passwd", "../0a.json", &format!("{name}/x"), &name.to_uppercase()] {
            let mut other = detail(other);
            let before = other.clone();
            show_definition(&mut other, None);
            assert_eq!((definition(&other), &other), (None, &before));
        }
    }
}
