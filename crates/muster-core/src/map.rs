//! Transform maps: record → asset, as data (design section 1; S0–S3 "Mapping Details").
//!
//! ```text
//! YAML text ─parse→ MapFile ─lint→ lints ─compile(+ StreamModel)→ TransformMap ─apply(record, as_of)→ Mapped
//! ```
//!
//! A map owns names, never types: those are the data model's. It has no clock: `as_of` is the run's start, and what
//! would change by time alone comes back as `recheck_at` (design D7). Its functions are a closed set, see [`Function`].

mod apply;
mod cases;
mod file;
mod function;
mod lint;

pub use apply::{Dropped, Mapped, Origin, Rejection};
pub use cases::{CaseFailure, record_from_json, run_cases};
pub use file::{Case, MapFile, MapSyntaxError, Row, parse};
pub use function::{Condition, DatePrecision, Function, LookupRow};
pub(crate) use lint::nearest;
pub use lint::{Lint, LintCode, lint};

use std::sync::Arc;

use thiserror::Error;

use crate::asset::schema::{self, FieldType};
use crate::model::{AttributeId, StreamModel};

/// A map that is ready to run against one stream.
#[derive(Debug, Clone)]
pub struct TransformMap {
    /// Its name, such as `active_directory/users`.
    pub name: String,
    /// Its version, raised by whoever edits it.
    pub version: u32,
    /// 16 bytes of BLAKE3 over its text: two maps are the same when their texts are.
    pub fingerprint: [u8; 16],
    /// The text it was made from.
    pub text: Arc<str>,
    model: Arc<StreamModel>,
    rows: Vec<CompiledRow>,
}

#[derive(Debug, Clone)]
struct CompiledRow {
    sources: Vec<AttributeId>,
    target: Target,
    target_name: String,
    functions: Vec<Function>,
    required: bool,
}

#[derive(Debug, Clone)]
enum Target {
    ExternalId,
    VendorId,
    Name,
    Field { path: &'static [&'static str], value: FieldType },
    List { path: &'static [&'static str] },
}

/// Why a map cannot be used.
#[derive(Debug, Error)]
pub enum MapError {
    /// Not the YAML that a map is.
    #[error(transparent)]
    Syntax(#[from] MapSyntaxError),
    /// It has errors; the first one stands here.
    #[error("transform map `{name}`: {first} ({count} in all; `muster map lint` lists them)")]
    Lints {
        /// The map's name.
        name: String,
        /// The first lint.
        first: Lint,
        /// How many there are.
        count: usize,
    },
}

/// Parses, lints and compiles a map against the stream it is for.
pub fn compile(text: &str, model: &Arc<StreamModel>) -> Result<TransformMap, MapError> {
    let file = parse(text)?;
    let errors: Vec<Lint> = lint(&file, model).into_iter().filter(|found| found.code.is_error()).collect();
    if let Some(first) = errors.first() {
        return Err(MapError::Lints { name: file.map.clone(), first: first.clone(), count: errors.len() });
    }
    let rows = file.rows.iter().filter_map(|row| compile_row(row, model)).collect();
    Ok(TransformMap {
        name: file.map,
        version: file.version,
        fingerprint: crate::fold::fingerprint(text.as_bytes()),
        text: Arc::from(text),
        model: Arc::clone(model),
        rows,
    })
}

/// `None` for rows that the lint refused; [`compile`] stops before that can matter.
fn compile_row(row: &Row, model: &StreamModel) -> Option<CompiledRow> {
    let sources = row
        .sources()
        .into_iter()
        .map(|name| model.attribute(name).map(|found| found.id))
        .collect::<Option<Vec<_>>>()?;
    let target_name = row.target.value.clone();
    let target = match target_name.as_str() {
        schema::EXTERNAL_ID_TARGET => Target::ExternalId,
        schema::VENDOR_ID_TARGET => Target::VendorId,
        schema::NAME_TARGET => Target::Name,
        name => match schema::fields(model.class).find(|field| field.target() == name) {
            Some(field) => Target::Field { path: field.path, value: field.value },
            None => Target::List { path: schema::lists(model.class).find(|list| list.target() == name)?.path },
        },
    };
    Some(CompiledRow { sources, target, target_name, functions: row.functions.clone(), required: row.required })
}

impl TransformMap {
    /// The stream it maps.
    pub fn model(&self) -> &Arc<StreamModel> {
        &self.model
    }

    /// Where the value of a target comes from: source attributes and functions, in words.
    pub fn provenance(&self, target: &str) -> Option<Provenance> {
        let row = self.rows.iter().find(|row| row.target_name == target)?;
        let names = |ids: &[AttributeId]| {
            ids.iter()
                .filter_map(|&id| self.model.by_id(id))
                .map(|attribute| attribute.name.clone())
                .collect::<Vec<_>>()
        };
        let mut sources = names(&row.sources);
        for name in row.functions.iter().flat_map(Function::attributes) {
            if !sources.iter().any(|known| known.eq_ignore_ascii_case(name)) {
                sources.push(name.to_owned());
            }
        }
        let functions = row.functions.iter().map(|function| function.name().to_owned()).collect();
        Some(Provenance { map: self.name.clone(), version: self.version, sources, functions })
    }

    /// Whether a path of an asset's document is filled from volatile attributes alone: its changes are no history (D7).
    pub fn is_volatile(&self, path: &str) -> bool {
        let row = self.rows.iter().find(|row| row.target_name.strip_prefix("asset.") == Some(path));
        row.is_some_and(|row| {
            let volatile = |id: &AttributeId| {
                self.model.by_id(*id).is_some_and(|attribute| attribute.kind == crate::model::AttributeKind::Volatile)
            };
            !row.sources.is_empty() && row.sources.iter().all(volatile)
        })
    }

    /// All targets that the map fills, in the map's order.
    pub fn targets(&self) -> impl Iterator<Item = &str> {
        self.rows.iter().map(|row| row.target_name.as_str())
    }
}

/// Where a normalized value comes from.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Provenance {
    /// The map.
    pub map: String,
    /// Its version.
    pub version: u32,
    /// The source attributes that decide the value.
    pub sources: Vec<String>,
    /// The functions they pass through.
    pub functions: Vec<String>,
}

#[cfg(test)]
mod tests;
