//! An asset's history as a timeline: what changed, from what to what, and why.

use serde_json::{Map, Value};

use super::{Shown, label};
use crate::console::frame::Visitor;
use crate::console::part::When;
use crate::error::Problem;
use crate::hub::Hub;
use muster_core::clock::Instant;
use muster_store::AssetRow;

/// A change of one value.
pub(super) struct Step {
    pub(super) label: String,
    pub(super) before: Shown,
    pub(super) after: Shown,
}

/// What changed at once.
pub(super) struct Entry {
    pub(super) at: When,
    pub(super) cause: &'static str,
    pub(super) steps: Vec<Step>,
}

/// The history, newest first. The store keeps what was before; what came after is what was before the next change.
pub(super) async fn timeline(hub: &Hub, visitor: &Visitor, asset: &AssetRow) -> Result<Vec<Entry>, Problem> {
    let mut later: Map<String, Value> = Map::new();
    let mut entries = Vec::new();
    for change in hub.store.history(visitor.tenant(), asset.id).await? {
        let before = match change.before {
            Value::Object(before) => before,
            _ => Map::new(),
        };
        let mut steps = Vec::new();
        for (path, old) in before {
            let new = later.get(&path).cloned().unwrap_or_else(|| current(&asset.document, &path));
            steps.push(Step { label: step_label(&path), before: shown(&old, visitor), after: shown(&new, visitor) });
            later.insert(path, old);
        }
        entries.push(Entry { at: visitor.when(change.at), cause: cause(&change.cause), steps });
    }
    Ok(entries)
}

fn current(document: &Value, path: &str) -> Value {
    path.split('.').try_fold(document, |value, key| value.get(key)).cloned().unwrap_or(Value::Null)
}

fn step_label(path: &str) -> String {
    let keys: Vec<&str> = path.split('.').filter(|key| *key != "assetDetail" && *key != "assetHeader").collect();
    let keys = keys.iter().filter(|key| !key.ends_with("AssetClass")).copied().collect::<Vec<_>>();
    label(&keys.join("."))
}

fn shown(value: &Value, visitor: &Visitor) -> Shown {
    let time = value.as_str().filter(|text| text.len() >= 20).and_then(Instant::from_rfc3339);
    time.map_or_else(|| Shown::plain(value), |at| Shown::Time(visitor.when(at)))
}

fn cause(word: &str) -> &'static str {
    match word {
        "source" => "changed at the source",
        "map" => "another transform map",
        "time" => "time passed",
        "operator" => "an operator",
        _ => "unknown cause",
    }
}
