//! What a record means for the inventory: new, changed, refreshed or as it was. Pure.

use serde_json::{Map, Value as Json};

use crate::asset::Asset;
use crate::model::{AttributeId, AttributeKind, Merge, StreamModel};
use crate::record::{RecordBatch, RecordHash, RecordView, decode_values};

/// What the store knows of an asset before a record of it arrives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Hash of the content attributes.
    pub record_hash: RecordHash,
    /// Hash of the volatile attributes, as they were read last.
    pub volatile_hash: RecordHash,
    /// The map that made it.
    pub map: i64,
    /// The content attributes it has, a bit each.
    pub attributes: u64,
    /// Whether it is gone.
    pub gone: bool,
    /// Whether it is held as missing.
    pub missing: bool,
    /// The scope it lies in.
    pub scope: i64,
}

/// What is to be done with a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// No such asset yet.
    Create,
    /// It had been gone.
    Reappear,
    /// Its content, or its map, changed.
    Update,
    /// Only volatile values changed.
    Refresh,
    /// As it was; only where it lies or that it was missing has changed.
    Touch,
    /// As it was.
    Unchanged,
}

/// Compares a record with what is known. Hashes decide: an unchanged record is neither decoded nor mapped (D6).
pub fn decide(known: Option<&Known>, record: RecordView<'_>, map: i64, scope: i64) -> Decision {
    match known {
        None => Decision::Create,
        Some(known) if known.gone => Decision::Reappear,
        Some(known) if known.record_hash != record.hash() || known.map != map => Decision::Update,
        Some(known) if known.volatile_hash != record.volatile_hash() => Decision::Refresh,
        Some(known) if known.missing || known.scope != scope => Decision::Touch,
        Some(_) => Decision::Unchanged,
    }
}

/// The content attributes a record has, a bit each.
pub fn attribute_bits(record: RecordView<'_>, model: &StreamModel) -> u64 {
    let mut bits = 0;
    let mut last = None;
    for (id, _) in record.all() {
        if last != Some(id) && model.by_id(id).is_some_and(|attribute| attribute.kind == AttributeKind::Content) {
            bits |= bit(id);
        }
        last = Some(id);
    }
    bits
}

/// The bit of a content attribute; the data model bounds their ids to 62.
pub fn bit(id: AttributeId) -> u64 {
    1 << (id.0 & 63)
}

/// A record whose volatile values are merged with those that are stored: the greater or the newer one stays (D7).
#[derive(Debug)]
pub struct Merged {
    /// The record as it shall be mapped and stored.
    pub batch: RecordBatch,
    /// Whether any stored volatile value gave way.
    pub changed: bool,
}

/// Merges a record's volatile values with the stored ones (as [`RecordView::encode`] wrote them).
pub fn merge_volatile(model: &StreamModel, record: RecordView<'_>, stored: &[u8]) -> Merged {
    let stored = decode_values(stored);
    let mut batch = RecordBatch::with_capacity(1, 1024);
    let mut changed = false;
    for attribute in &model.attributes {
        let new: Vec<&[u8]> = record.values(attribute.id).collect();
        if attribute.kind != AttributeKind::Volatile {
            new.into_iter().for_each(|value| batch.push(attribute.id, value));
            continue;
        }
        let old: Vec<&[u8]> = stored.iter().filter(|(id, _)| *id == attribute.id).map(|(_, value)| *value).collect();
        let keep_old = attribute.merge == Merge::Greatest && greatest(&old) >= greatest(&new);
        changed |= !keep_old && old != new;
        let kept = if keep_old { old } else { new };
        kept.into_iter().for_each(|value| batch.push(attribute.id, value));
    }
    batch.finish(model, record.key());
    Merged { batch, changed }
}

/// The greatest of decimal numbers; texts of another form count as less than any number.
fn greatest(values: &[&[u8]]) -> Option<i64> {
    values.iter().filter_map(|value| std::str::from_utf8(value).ok()?.parse().ok()).max()
}

/// What a change was caused by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The source said so.
    Source,
    /// Another map, or another version of it.
    Map,
    /// Time alone.
    Time,
    /// An operator.
    Operator,
}

impl Cause {
    /// The word used in tables and documents.
    pub fn word(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Map => "map",
            Self::Time => "time",
            Self::Operator => "operator",
        }
    }
}

/// The reverse difference between two assets: path → the value before, null where there was none. Paths for which
/// `skip` holds have no history.
pub fn difference(before: &Asset, after: &Asset, skip: impl Fn(&str) -> bool) -> Map<String, Json> {
    let mut found = Map::new();
    for (path, old, new) in [
        ("assetHeader.externalAssetId", &before.external_id, &after.external_id),
        ("assetHeader.vendorAssetId", &before.vendor_id, &after.vendor_id),
    ] {
        if old != new {
            found.insert(path.to_owned(), old.clone().map_or(Json::Null, Json::String));
        }
    }
    compare(&before.detail, &after.detail, "assetDetail", &mut found);
    found.retain(|path, _| !skip(path));
    found
}

fn compare(before: &Map<String, Json>, after: &Map<String, Json>, prefix: &str, found: &mut Map<String, Json>) {
    for (key, old) in before {
        let path = format!("{prefix}.{key}");
        match (old, after.get(key)) {
            (Json::Object(old), Some(Json::Object(new))) => compare(old, new, &path, found),
            (Json::Object(old), None) => compare(old, &Map::new(), &path, found),
            (old, new) if new != Some(old) => {
                found.insert(path, old.clone());
            }
            _ => {}
        }
    }
    for (key, new) in after.iter().filter(|(key, _)| !before.contains_key(*key)) {
        let path = format!("{prefix}.{key}");
        match new {
            Json::Object(new) => compare(&Map::new(), new, &path, found),
            _ => {
                found.insert(path, Json::Null);
            }
        }
    }
}

/// The guard's numbers (design D9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drop {
    /// Would go now, or went in the last 24 hours.
    pub gone: u64,
    /// Were there before those went.
    pub before: u64,
}

/// Whether a drop is too great to believe: more than 20 % and more than 50.
pub fn is_suspicious(drop: Drop) -> bool {
    drop.gone > 50 && drop.gone.saturating_mul(5) > drop.before
}

/// Whether a scope that held at least five things being empty is too much to believe.
pub fn is_emptied(before: u64, left: u64) -> bool {
    before >= 5 && left == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guard_stands_at_its_edges() {
        for (gone, before, held) in
            [(50, 100, false), (51, 255, false), (52, 255, true), (51, 254, true), (0, 0, false)]
        {
            assert_eq!(is_suspicious(Drop { gone, before }), held, "{gone} of {before}");
        }
        for (before, left, held) in [(49, 0, true), (5, 0, true), (4, 0, false), (49, 1, false)] {
            assert_eq!(is_emptied(before, left), held, "{before} to {left}");
        }
    }

    #[test]
    fn difference_says_what_was_before() {
        let asset = |json: Json| Asset { detail: json.as_object().cloned().unwrap(), ..Asset::default() };
        let before = asset(serde_json::json!({"name": "a", "user": {"city": "x", "gone": 1, "same": 2}}));
        let after =
            asset(serde_json::json!({"name": "b", "user": {"city": "x", "same": 2, "new": 3}, "more": {"deep": 4}}));
        let found = difference(&before, &after, |path| path == "assetDetail.more.deep");
        assert_eq!(
            Json::Object(found),
            serde_json::json!({"assetDetail.name": "a", "assetDetail.user.gone": 1, "assetDetail.user.new": null})
        );
        assert!(difference(&before, &before, |_| false).is_empty());
    }
}
