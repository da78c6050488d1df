//! The text of a map.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_saphyr::Spanned;
use thiserror::Error;

use super::Function;

/// A map as its file says it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MapFile {
    /// Its name.
    pub map: String,
    /// Its version.
    pub version: u32,
    /// The data model it is for.
    pub data_model: Spanned<String>,
    /// The stream it is for.
    pub stream: Spanned<String>,
    /// Its rows, the source document's first and in its order.
    pub rows: Vec<Row>,
    /// Its own tests.
    #[serde(default)]
    pub cases: Vec<Case>,
}

/// One row: source → target, and the functions between.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// The source attribute.
    #[serde(default)]
    pub source: Option<Spanned<String>>,
    /// Several source attributes, for functions that take more than one.
    #[serde(default)]
    pub sources: Vec<Spanned<String>>,
    /// What the source document's table shows in its source column, where that is not the attribute.
    #[serde(default)]
    pub document: Option<String>,
    /// The target.
    pub target: Spanned<String>,
    /// What the values pass through, in order.
    #[serde(default)]
    pub functions: Vec<Function>,
    /// The record is rejected when the row gives no value.
    #[serde(default)]
    pub required: bool,
    /// Not in the source document's table.
    #[serde(default)]
    pub addition: bool,
}

impl Row {
    /// The names of all its sources.
    pub fn sources(&self) -> Vec<&str> {
        self.source.iter().chain(&self.sources).map(|name| name.value.as_str()).collect()
    }
}

/// A case: what a record gives, and what comes out.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What the case shows.
    pub name: Spanned<String>,
    /// The run's start, RFC 3339.
    #[serde(default)]
    pub as_of: Option<String>,
    /// Attribute → value or list of values: GUIDs and SIDs in their text form, all else as the source writes it.
    #[serde(default)]
    pub given: BTreeMap<String, serde_json::Value>,
    /// Target → value; null for a target that must stay empty. Targets not named here are not looked at.
    #[serde(default)]
    pub expect: BTreeMap<String, serde_json::Value>,
    /// The attributes whose values are dropped.
    #[serde(default)]
    pub dropped: Vec<String>,
    /// When the asset must be mapped again, RFC 3339.
    #[serde(default)]
    pub recheck_at: Option<String>,
    /// The target for want of which the record is rejected.
    #[serde(default)]
    pub rejected: Option<String>,
}

/// The text is not a map.
#[derive(Debug, Error)]
#[error("reading the transform map: {message}")]
pub struct MapSyntaxError {
    /// What is wrong, with line and column where the reader knows them.
    pub message: String,
}

/// The most bytes a map may have.
const MAXIMUM_BYTES: usize = 1 << 20;

/// Reads the text of a map.
pub fn parse(text: &str) -> Result<MapFile, MapSyntaxError> {
    if text.len() > MAXIMUM_BYTES {
        return Err(MapSyntaxError { message: format!("{} bytes; at most {MAXIMUM_BYTES} are read", text.len()) });
    }
    crate::yaml::read(text).map_err(|message| MapSyntaxError { message })
}
