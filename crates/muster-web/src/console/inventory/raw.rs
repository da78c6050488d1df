//! What the source said, under its own names.

use std::collections::HashMap;

use muster_core::clock::Instant;
use muster_core::model::AttributeKind;
use muster_core::record::{decode_values, rebuild};
use muster_core::value::decode;

use super::detail::Around;

/// How many characters of a value are shown.
const LONGEST: usize = 4000;

/// An attribute as the source named it, with its values.
pub(super) struct RawAttribute {
    pub(super) name: String,
    pub(super) kind: &'static str,
    pub(super) values: Vec<String>,
}

/// The attributes that are kept; none where nothing is.
pub(super) fn raw_attributes(around: &Around<'_>) -> Option<Vec<RawAttribute>> {
    let (model, document) = (around.model?, around.document.as_ref()?);
    let raw = document.raw.as_ref()?;
    let mut found: Vec<RawAttribute> = Vec::new();
    for (id, bytes) in decode_values(raw).into_iter().chain(decode_values(&document.volatile)) {
        let Some(attribute) = model.by_id(id).filter(|attribute| attribute.kind != AttributeKind::Secret) else {
            continue;
        };
        let text = match decode(attribute.value_type, bytes) {
            Ok(Some(value)) => cut(value.to_text()),
            Ok(None) => "never".to_owned(),
            Err(error) => format!("cannot be read: {error}"),
        };
        match found.iter_mut().find(|known| known.name == attribute.name) {
            Some(known) => known.values.push(text),
            None => {
                let kind = kind(attribute.kind);
                found.push(RawAttribute { name: attribute.name.clone(), kind, values: vec![text] });
            }
        }
    }
    found.sort_by(|left, right| left.name.cmp(&right.name));
    Some(found)
}

/// A value as long as a page takes: lists that a connector made can be very long.
fn cut(text: String) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}… ({} characters)", &text[..end], text.chars().count()),
        None => text,
    }
}

fn kind(kind: AttributeKind) -> &'static str {
    match kind {
        AttributeKind::Identity => "identity",
        AttributeKind::Content => "content",
        AttributeKind::Volatile => "volatile",
        AttributeKind::Link => "link",
        AttributeKind::Secret => "secret",
    }
}

/// Target → the very attribute its value came from, found by mapping the record again.
pub(super) fn origins(around: &Around<'_>, now: Instant) -> HashMap<String, String> {
    let (Some(model), Some(map), Some(document)) = (around.model, &around.map, &around.document) else {
        return HashMap::new();
    };
    let Some(raw) = &document.raw else { return HashMap::new() };
    let batch = rebuild(model, &document.source_key, &[raw, &document.volatile]);
    let Some(record) = batch.get(0) else { return HashMap::new() };
    let (_, origins) = map.preview(record, now);
    origins.into_iter().filter_map(|origin| Some((origin.target, origin.attribute?))).collect()
}
