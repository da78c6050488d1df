//! What changed in the definitions of APIs: told in their history, beside the fields that changed.

use std::borrow::Cow;

use muster_core::asset;
use muster_core::connector::Blob;
use muster_definition::{Definition, DefinitionError, Limits, read, read_main};
use muster_store::{BatchWrite, StoreError};
use serde_json::{Value, json};

use super::Intake;

/// Where history says which document held a definition before.
const BEFORE: &str = "assetDetail.apiAssetClass.masifLocation";
/// Where history says what state it was in.
const STATE: &str = "assetDetail.apiAssetClass.definitionState";
/// Where it says which file of a package that was.
const FILE: &str = "assetDetail.apiAssetClass.definitionFile";
/// The most changes that are told of one definition.
const CHANGES: usize = 1000;

impl Intake {
    /// Compares each definition of the batch with the one before it. One that cannot be read tells nothing.
    pub(super) async fn compare_definitions(&self, write: &mut BatchWrite) -> Result<(), StoreError> {
        let BatchWrite { changes, assets, blobs, .. } = write;
        for change in changes {
            let before = change.before.get(BEFORE).and_then(Value::as_str).filter(|name| Blob::is_name(name));
            let after = assets.iter().find(|asset| asset.id == change.asset);
            // What is not believed to be this API's tells nothing of it.
            let suspect = |value: Option<&Value>| value.is_some_and(|state| state == "suspect");
            let now = after.and_then(|asset| asset.detail.get("apiAssetClass")?.get("definitionState"));
            if suspect(change.before.get(STATE)) || suspect(now) {
                continue;
            }
            let file_now = after.and_then(|asset| asset.detail.get("apiAssetClass")?.get("definitionFile")?.as_str());
            let (Some(before), Some(after)) = (before, after.and_then(|asset| asset::definition(&asset.detail))) else {
                continue;
            };
            let (before, after) = (self.document(before, blobs).await?, self.document(after, blobs).await?);
            if let (Some(before), Some(after)) = (before, after) {
                let file = change.before.get(FILE).map_or(file_now, Value::as_str);
                change.definition = difference((&before, file), (&after, file_now));
            }
        }
        Ok(())
    }

    /// A document that came with this batch or before it.
    async fn document<'b>(&self, name: &str, blobs: &'b [Blob]) -> Result<Option<Cow<'b, [u8]>>, StoreError> {
        if let Some(blob) = blobs.iter().find(|blob| &*blob.name == name) {
            return Ok(Some(Cow::Borrowed(&blob.bytes)));
        }
        let kept = self.settings.store.blob(self.settings.connector.tenant, name).await?;
        Ok(kept.map(Cow::Owned))
    }
}

/// Between two documents, each with the file that it is where it is a package.
fn difference(before: (&[u8], Option<&str>), after: (&[u8], Option<&str>)) -> Option<Value> {
    let mut changes = muster_definition::difference(&definition(before).ok()?, &definition(after).ok()?);
    changes.truncate(CHANGES);
    Some(json!(changes))
}

fn definition((bytes, file): (&[u8], Option<&str>)) -> Result<Definition, DefinitionError> {
    match file {
        Some(file) => read_main(bytes, file, &Limits::default()),
        None => read(bytes, &Limits::default()),
    }
}
