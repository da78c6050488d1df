//! An asset's history as a timeline: what changed, from what to what, and why.

use serde_json::{Map, Value};

use super::{Shown, label};
use crate::api::inventory::DefinitionChange;
use crate::console::frame::Visitor;
use crate::console::part::When;
use crate::error::Problem;
use crate::hub::Hub;
use muster_core::clock::Instant;
use muster_core::connector::Blob;
use muster_store::AssetRow;

/// The paths of what changes with an API's definition.
const DEFINITION: &str = "assetDetail.apiAssetClass.masifLocation";
const ENDPOINTS: &str = "assetDetail.apiAssetClass.endpoints";

/// A change of one value.
pub(super) struct Step {
    pub(super) label: String,
    path: String,
    pub(super) before: Shown,
    pub(super) after: Shown,
}

/// What changed at once.
pub(super) struct Entry {
    pub(super) at: When,
    pub(super) cause: &'static str,
    pub(super) steps: Vec<Step>,
    /// What changed in an API's definition: what was added, removed, changed.
    pub(super) definition: Vec<(&'static str, Vec<Difference>)>,
}

impl Entry {
    /// What is told of the definition before it is unfolded.
    pub(super) fn definition_summary(&self) -> String {
        let all = || self.definition.iter().flat_map(|(_, differences)| differences);
        let breaking = all().filter(|difference| difference.breaking).count();
        let s = if all().count() == 1 { "" } else { "s" };
        format!("{} change{s} in the definition, {breaking} breaking", all().count())
    }

    /// Whether there is little enough of it to be told at once.
    pub(super) fn is_short(&self) -> bool {
        self.definition.iter().map(|(_, differences)| differences.len()).sum::<usize>() <= SHORT
    }
}

/// A change of an API's definition.
pub(super) struct Difference {
    /// The operation that it is about; of the definition as a whole, nothing.
    pub(super) operation: Option<String>,
    /// Which side of it; nothing where the operation itself came or went.
    pub(super) aspect: Option<String>,
    pub(super) before: Option<String>,
    pub(super) after: Option<String>,
    pub(super) breaking: bool,
    pub(super) reason: String,
}

/// How many changes of a definition are told without being asked for.
const SHORT: usize = 20;

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
            let (label, before, after) = (step_label(&path), shown(&old, visitor), shown(&new, visitor));
            steps.push(Step { label, path: path.clone(), before, after });
            later.insert(path, old);
        }
        let definition = DefinitionChange::read(change.definition).map(differences).unwrap_or_default();
        // What the definition's changes tell is not told again as a list that was and a list that is.
        steps.retain(|step: &Step| definition.is_empty() || step.path != ENDPOINTS);
        entries.push(Entry { at: visitor.when(change.at), cause: cause(&change.cause), steps, definition });
    }
    Ok(entries)
}

/// What was added, removed, changed; what there is none of is left out.
fn differences(changes: Vec<DefinitionChange>) -> Vec<(&'static str, Vec<Difference>)> {
    let mut sorts = [("Added", Vec::new()), ("Removed", Vec::new()), ("Changed", Vec::new())];
    for change in changes {
        let sort = match (&change.before, &change.after) {
            (None, Some(_)) => 0,
            (Some(_), None) => 1,
            _ => 2,
        };
        let is_whole = change.aspect == "operation";
        sorts[sort].1.push(Difference {
            operation: change.subject.map(|subject| format!("{} {}", subject.method, subject.path)),
            aspect: (!is_whole).then(|| label(&change.aspect).to_lowercase()),
            before: change.before.filter(|_| !is_whole),
            after: change.after.filter(|_| !is_whole),
            breaking: change.breaking,
            reason: change.reason,
        });
    }
    sorts.into_iter().filter(|(_, differences)| !differences.is_empty()).collect()
}

fn current(document: &Value, path: &str) -> Value {
    path.split('.').try_fold(document, |value, key| value.get(key)).cloned().unwrap_or(Value::Null)
}

fn step_label(path: &str) -> String {
    if path == DEFINITION {
        return "Definition".to_owned();
    }
    let keys: Vec<&str> = path.split('.').filter(|key| *key != "assetDetail" && *key != "assetHeader").collect();
    let keys = keys.iter().filter(|key| !key.ends_with("AssetClass")).copied().collect::<Vec<_>>();
    label(&keys.join("."))
}

fn shown(value: &Value, visitor: &Visitor) -> Shown {
    if let Some(items) = value.as_array() {
        return Shown::Text(listed(items));
    }
    if let Some((hash, _)) = value.as_str().filter(|text| Blob::is_name(text)).and_then(|name| name.split_once('.')) {
        return Shown::Text(format!("SHA-256 {}…", &hash[..12]));
    }
    let time = value.as_str().filter(|text| text.len() >= 20).and_then(Instant::from_rfc3339);
    time.map_or_else(|| Shown::plain(value), |at| Shown::Time(visitor.when(at)))
}

/// A list in a few words: texts as they are, addresses with their kinds, of anything else how many.
fn listed(items: &[Value]) -> String {
    let one = |item: &Value| match (item, &item["kind"], &item["url"]) {
        (Value::String(text), ..) => Some(text.clone()),
        (_, Value::String(kind), Value::String(url)) => Some(format!("{url} ({kind})")),
        _ => None,
    };
    match items.iter().map(one).collect::<Option<Vec<String>>>() {
        Some(texts) if texts.is_empty() => "none".to_owned(),
        Some(texts) => texts.join(", "),
        None => format!("{} entries", items.len()),
    }
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
