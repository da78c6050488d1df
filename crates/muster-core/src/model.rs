//! Data models: what a connector's records may hold. Data files, parsed once.
//!
//! A data model owns the *types* of attributes, their *identity* and their *kind* (what changes them); a transform map
//! owns only the names they get. Attribute ids are written in the file, never reused: hashes are made of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use thiserror::Error;

use crate::asset::Class;

/// The number of an attribute inside its stream, stable for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(transparent)]
pub struct AttributeId(pub u16);

/// How the bytes of an attribute's values are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ValueType {
    /// UTF-8 text.
    Text,
    /// A decimal, signed 64-bit integer as text.
    Integer,
    /// `TRUE` or `FALSE` as text.
    Boolean,
    /// 16 bytes, the first three fields little-endian (MS-DTYP 2.3.4.2).
    Guid,
    /// A binary security identifier (MS-DTYP 2.4.2.2).
    Sid,
    /// 100 ns since 1601-01-01 UTC as decimal text; 0 and 2^63-1 mean never (Active Directory schema, Large Integer).
    Filetime,
    /// GeneralizedTime (RFC 4517 section 3.3.13).
    GeneralizedTime,
    /// A negative number of 100 ns as decimal text; -2^63 means for ever, 0 none.
    Interval,
    /// Active Directory's groupType bits, read as the pair [kind, scope] (MS-ADTS 2.2.12).
    GroupType,
    /// A list as JSON.
    JsonList,
}

/// What changes an attribute, and so what a change of it means (design D7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttributeKind {
    /// Names the record; never changes under one record.
    Identity,
    /// Hashed; its changes are history.
    Content,
    /// Written in place when greater (`merge: greatest`) or read later (`merge: newest`); no history.
    Volatile,
    /// Members elsewhere; flows as link pages.
    Link,
    /// Never asked for.
    Secret,
}

/// Which of two volatile values stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Merge {
    /// The one that was read later.
    #[default]
    Newest,
    /// The greater one.
    Greatest,
}

/// One attribute of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attribute {
    /// Its number, stable for ever.
    pub id: AttributeId,
    /// Its name at the source.
    pub name: String,
    /// How its bytes are read.
    #[serde(rename = "type")]
    pub value_type: ValueType,
    /// What changes it.
    #[serde(default = "content")]
    pub kind: AttributeKind,
    /// For volatile attributes: which value stays.
    #[serde(default)]
    pub merge: Merge,
    /// The record is rejected when it is absent or unreadable.
    #[serde(default)]
    pub required: bool,
    /// Not asked of the source under this name: the connector derives it (from the DN, from the domain head).
    #[serde(default)]
    pub derived: bool,
    /// Asked for only when this choice of assets is made.
    #[serde(default)]
    pub only_with: Option<String>,
}

fn content() -> AttributeKind {
    AttributeKind::Content
}

/// One class of things a connector reads.
#[derive(Debug, Clone)]
pub struct StreamModel {
    /// The stream's name, such as `users`.
    pub name: String,
    /// The class of asset its records become.
    pub class: Class,
    /// The attribute that names a record for ever.
    pub source_key: AttributeId,
    /// The attribute that holds the source key of the container a record lies in, where there is such a thing.
    pub container: Option<AttributeId>,
    /// The attribute that holds the record's name inside its container.
    pub relative_name: Option<AttributeId>,
    /// All attributes, sorted by id.
    pub attributes: Vec<Attribute>,
    by_name: BTreeMap<String, usize>,
}

impl StreamModel {
    /// The attribute of that name, letter case aside (as LDAP compares attribute descriptions).
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        if let Some(&index) = self.by_name.get(name) {
            return self.attributes.get(index);
        }
        let lower = name.to_ascii_lowercase();
        self.by_name.get(&lower).and_then(|&index| self.attributes.get(index))
    }

    /// The attribute with that number.
    pub fn by_id(&self, id: AttributeId) -> Option<&Attribute> {
        self.attributes.binary_search_by_key(&id, |attribute| attribute.id).ok().map(|index| &self.attributes[index])
    }
}

/// The model of all that a connector type reads.
#[derive(Debug, Clone)]
pub struct DataModel {
    /// Its name, which transform maps refer to.
    pub name: String,
    /// Its streams in the order in which they are read.
    pub streams: Vec<Arc<StreamModel>>,
}

impl DataModel {
    /// The stream of that name.
    pub fn stream(&self, name: &str) -> Option<&Arc<StreamModel>> {
        self.streams.iter().find(|stream| stream.name == name)
    }

    /// Parses a data model file.
    pub fn parse(text: &str) -> Result<Self, ModelError> {
        let file: ModelFile = crate::yaml::read(text).map_err(ModelError::Syntax)?;
        let streams =
            file.streams.into_iter().map(|stream| build_stream(stream).map(Arc::new)).collect::<Result<_, _>>()?;
        Ok(Self { name: file.data_model, streams })
    }
}

/// What is wrong with a data model file.
#[derive(Debug, Error)]
pub enum ModelError {
    /// Not the YAML that a data model is.
    #[error("reading the data model: {0}")]
    Syntax(String),
    /// Two attributes share a name or a number.
    #[error("stream `{stream}` of the data model: attribute `{attribute}` stands twice (by name or id)")]
    Duplicate {
        /// The stream.
        stream: String,
        /// The attribute.
        attribute: String,
    },
    /// A content attribute whose id has no bit: an asset keeps a bit for each that it has.
    #[error("stream `{stream}` of the data model: content attribute `{attribute}` has an id above 62")]
    HighId {
        /// The stream.
        stream: String,
        /// The attribute.
        attribute: String,
    },
    /// A role names an attribute that is not there.
    #[error("stream `{stream}` of the data model: `{role}` names `{attribute}`, which is not an attribute")]
    UnknownAttribute {
        /// The stream.
        stream: String,
        /// Which role: source_key, container, relative_name.
        role: &'static str,
        /// The name it gives.
        attribute: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ModelFile {
    data_model: String,
    streams: Vec<StreamFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StreamFile {
    name: String,
    class: Class,
    source_key: String,
    #[serde(default)]
    container: Option<String>,
    #[serde(default)]
    relative_name: Option<String>,
    attributes: Vec<Attribute>,
}

fn build_stream(file: StreamFile) -> Result<StreamModel, ModelError> {
    let mut attributes = file.attributes;
    attributes.sort_by_key(|attribute| attribute.id);
    let mut by_name = BTreeMap::new();
    for (index, attribute) in attributes.iter().enumerate() {
        let twice_by_id = index > 0 && attributes[index - 1].id == attribute.id;
        if twice_by_id || by_name.insert(attribute.name.to_ascii_lowercase(), index).is_some() {
            return Err(ModelError::Duplicate { stream: file.name, attribute: attribute.name.clone() });
        }
    }
    let is_high = |attribute: &&Attribute| attribute.kind == AttributeKind::Content && attribute.id.0 > 62;
    if let Some(high) = attributes.iter().find(is_high) {
        return Err(ModelError::HighId { stream: file.name, attribute: high.name.clone() });
    }
    let find = |role: &'static str, name: &str| {
        by_name
            .get(&name.to_ascii_lowercase())
            .map(|&index| attributes[index].id)
            .ok_or_else(|| ModelError::UnknownAttribute { stream: file.name.clone(), role, attribute: name.to_owned() })
    };
    let source_key = find("source_key", &file.source_key)?;
    let container = file.container.as_deref().map(|name| find("container", name)).transpose()?;
    let relative_name = file.relative_name.as_deref().map(|name| find("relative_name", name)).transpose()?;
    Ok(StreamModel { name: file.name, class: file.class, source_key, container, relative_name, attributes, by_name })
}
