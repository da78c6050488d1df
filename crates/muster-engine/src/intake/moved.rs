//! Where an asset lay before.

use muster_core::model::StreamModel;
use muster_core::record::RecordView;
use muster_store::DocumentRow;

/// Notes in the history where an asset lay, when it moved or was renamed in its place.
pub(super) fn moved(
    model: &StreamModel,
    before: &DocumentRow,
    after: RecordView<'_>,
    difference: &mut serde_json::Map<String, serde_json::Value>,
) {
    let Some(raw) = &before.raw else { return };
    let old = muster_core::record::decode_values(raw);
    for (path, id) in [("container", model.container), ("relativeName", model.relative_name)] {
        let Some(id) = id else { continue };
        let was =
            old.iter().find(|(known, _)| *known == id).map(|(_, value)| String::from_utf8_lossy(value).into_owned());
        let is = after.values(id).next().map(|value| String::from_utf8_lossy(value).into_owned());
        if was != is {
            difference.insert(path.to_owned(), was.map_or(serde_json::Value::Null, serde_json::Value::String));
        }
    }
}
