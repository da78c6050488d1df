//! A map's own tests.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde_json::Value as Json;

use super::{Case, MapFile, Mapped, Rejection, TransformMap};
use crate::clock::Instant;
use crate::model::{Attribute, StreamModel, ValueType};
use crate::record::RecordBatch;
use crate::value::{guid_bytes, sid_bytes};

/// A case that did not come out as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseFailure {
    /// The case.
    pub case: String,
    /// Its line in the map's text.
    pub line: u64,
    /// What came out instead.
    pub message: String,
}

impl fmt::Display for CaseFailure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "line {}: case `{}`: {}", self.line, self.case, self.message)
    }
}

/// Runs the cases of a map's file against the compiled map.
pub fn run_cases(file: &MapFile, map: &TransformMap) -> Vec<CaseFailure> {
    let fail = |case: &Case, message| CaseFailure {
        case: case.name.value.clone(),
        line: case.name.referenced.line(),
        message,
    };
    file.cases.iter().filter_map(|case| run_case(case, map).err().map(|message| fail(case, message))).collect()
}

fn run_case(case: &Case, map: &TransformMap) -> Result<(), String> {
    let as_of = match &case.as_of {
        None => Instant(0),
        Some(text) => Instant::from_rfc3339(text).ok_or_else(|| format!("as_of `{text}` is not RFC 3339"))?,
    };
    let batch = record_from_json(&case.given, map.model())?;
    let record = batch.get(0).ok_or("the case gives no record")?;
    match (map.apply(record, as_of), &case.rejected) {
        (Err(rejection), Some(target)) if rejection.target == *target => Ok(()),
        (Err(Rejection { target, .. }), _) => Err(format!("the record is rejected for want of `{target}`")),
        (Ok(_), Some(target)) => Err(format!("the record is not rejected for want of `{target}`")),
        (Ok(mapped), None) => compare(case, &mapped),
    }
}

fn compare(case: &Case, mapped: &Mapped) -> Result<(), String> {
    let document = serde_json::json!({ "asset": mapped.asset.to_document() });
    for (target, wanted) in &case.expect {
        let found = target.split('.').try_fold(&document, |value, key| value.get(key)).unwrap_or(&Json::Null);
        if found != wanted {
            return Err(format!("`{target}` is {found}, expected {wanted}"));
        }
    }
    let recheck_at = mapped.recheck_at.map(Instant::to_rfc3339);
    if case.recheck_at.is_some() && recheck_at != case.recheck_at {
        return Err(format!("recheck_at is {recheck_at:?}, expected {:?}", case.recheck_at));
    }
    let dropped: Vec<&str> = mapped.dropped.iter().map(|dropped| dropped.attribute.as_str()).collect();
    if dropped != case.dropped {
        return Err(format!("dropped values: {dropped:?}, expected {:?}", case.dropped));
    }
    Ok(())
}

/// Builds a record from attributes as a person writes them: GUIDs and SIDs in their text form, all else as the source
/// writes it.
pub fn record_from_json(given: &BTreeMap<String, Json>, model: &Arc<StreamModel>) -> Result<RecordBatch, String> {
    let mut batch = RecordBatch::default();
    for (name, given) in given {
        let attribute = model.attribute(name).ok_or_else(|| format!("`{name}` is not an attribute"))?;
        let values = match given {
            Json::Array(values) => values.as_slice(),
            single => std::slice::from_ref(single),
        };
        for value in values {
            batch.push(attribute.id, &bytes_of(attribute, value)?);
        }
    }
    batch.finish(model, "case");
    Ok(batch)
}

/// The bytes that a source would send for a value as a person writes it.
fn bytes_of(attribute: &Attribute, value: &Json) -> Result<Vec<u8>, String> {
    let text = match value {
        Json::String(text) => text.clone(),
        Json::Bool(flag) => flag.to_string().to_uppercase(),
        Json::Number(number) => number.to_string(),
        _ => return Err(format!("`{}` is neither text, number nor boolean", attribute.name)),
    };
    Ok(match attribute.value_type {
        ValueType::Guid => guid_bytes(&text).map(|bytes| bytes.to_vec()).unwrap_or_else(|| text.into_bytes()),
        ValueType::Sid => sid_bytes(&text).unwrap_or_else(|| text.into_bytes()),
        _ => text.into_bytes(),
    })
}
