//! Muster's connectors: one folder each, and the kit they share.
//!
//! *Is here*: everything that speaks to a source. *Is not here*: the store, the run pipeline, the web; a connector
//! reads and hands over, see [`muster_core::connector`].
//!
//! *To extend*: `cargo xtask new-connector NAME`, then one line in [`REGISTRY`].

use std::path::PathBuf;
use std::sync::Arc;

use muster_core::connector::{Area, Connector, ConnectorSpec, Offer, Sections, SettingError};
use muster_core::model::DataModel;
use muster_core::secret::without_value;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, DeserializeSeed, IntoDeserializer, MapAccess};

pub mod active_directory;
pub mod azure_api_management;
pub mod kit;
pub mod mulesoft;
#[cfg(test)]
mod testkit;

/// All connector types.
pub static REGISTRY: &[&ConnectorType] =
    &[&active_directory::CONNECTOR, &azure_api_management::CONNECTOR, &mulesoft::CONNECTOR];

/// A kind of source.
#[derive(Debug)]
pub struct ConnectorType {
    /// What it is, as plain data.
    pub spec: &'static ConnectorSpec,
    /// What it reads.
    pub model: fn() -> Arc<DataModel>,
    /// Stream → the text of its default, locked map.
    pub default_maps: &'static [(&'static str, &'static str)],
    /// Why its source may refuse the account, each with what to do about it.
    pub refusals: fn() -> Vec<Refusal>,
    /// Opens it with one connector's settings; nothing is sent yet.
    pub open: fn(&Settings) -> Result<Arc<dyn Connector>, SettingError>,
    /// Checks settings that come through a hub; tells where they read.
    pub check: fn(&Sections) -> Result<Vec<Area>, SettingError>,
}

/// Why a source refuses an account, in its words and in ours.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// The source's code.
    pub code: String,
    /// What it means.
    pub meaning: &'static str,
    /// What to do about it.
    pub remedy: &'static str,
}

impl ConnectorType {
    /// The text of a stream's default map.
    pub fn default_map(&self, stream: &str) -> Option<&'static str> {
        self.offer().default_map(stream)
    }

    /// What web and worker are told of it.
    pub fn offer(&self) -> Offer {
        Offer { spec: self.spec, model: (self.model)(), default_maps: self.default_maps, check: self.check }
    }
}

/// The connector type of that name.
pub fn find(type_name: &str) -> Option<&'static ConnectorType> {
    REGISTRY.iter().copied().find(|known| known.spec.type_name == type_name)
}

/// One connector's settings, section by section, secrets included: it has no `Debug` that shows them.
pub struct Settings {
    /// Section → its keys.
    pub sections: Sections,
    /// What relative paths in it are relative to; none where settings may name no file of this machine.
    pub base_directory: Option<PathBuf>,
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Settings").field("base_directory", &self.base_directory).finish_non_exhaustive()
    }
}

impl Settings {
    /// Reads a section; an absent one is empty. A failure names the key it is about.
    pub fn section<T: DeserializeOwned>(&self, name: &str) -> Result<T, SettingError> {
        let remedy = "see `docs/reference` for the keys of this connector type";
        let empty = serde_json::Map::new();
        let keys = match self.sections.get(name) {
            None => &empty,
            Some(serde_json::Value::Object(keys)) => keys,
            Some(_) => return Err(SettingError::new(name, "it is not a section with keys", remedy)),
        };
        let mut walk = Walk { keys: keys.iter(), value: None, key: "" };
        T::deserialize(MapAccessDeserializer::new(&mut walk)).map_err(|error| {
            let problem = error.to_string();
            let missing = problem.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
            let problem = without_value(&problem).unwrap_or_else(|| problem.clone());
            match missing.unwrap_or(walk.key) {
                "" => SettingError::new(name, &problem, remedy),
                key if missing.is_some() => SettingError::new(&format!("{name}.{key}"), "it is missing", remedy),
                key => SettingError::new(&format!("{name}.{key}"), &problem, remedy),
            }
        })
    }
}

impl Settings {
    /// What a setting holds that is PEM text itself, or else the path of a file.
    pub fn file_or_text(&self, field: &str, given: &str) -> Result<Vec<u8>, SettingError> {
        if given.contains("-----BEGIN ") {
            return Ok(given.as_bytes().to_vec());
        }
        let directory = self.base_directory.as_ref().ok_or_else(|| {
            let remedy = "give the text of the PEM file, from its line `-----BEGIN` on";
            SettingError::new(field, "it is no PEM text, and a path would be one of the hub's machine", remedy)
        })?;
        let path = directory.join(given);
        std::fs::read(&path).map_err(|error| {
            let problem = format!("reading `{}`: {error}", path.display());
            SettingError::new(field, &problem, "give the path of a PEM or DER file, or PEM text")
        })
    }
}

/// Walks through a section's keys and remembers where it is: serde's messages do not say which key they are about.
struct Walk<'a> {
    keys: serde_json::map::Iter<'a>,
    value: Option<&'a serde_json::Value>,
    key: &'a str,
}

impl<'de> MapAccess<'de> for &mut Walk<'de> {
    type Error = serde_json::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Self::Error> {
        let Some((key, value)) = self.keys.next() else {
            self.key = "";
            return Ok(None);
        };
        self.key = key;
        self.value = Some(value);
        seed.deserialize(key.as_str().into_deserializer()).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Self::Error> {
        seed.deserialize(self.value.take().unwrap_or(&serde_json::Value::Null))
    }
}
