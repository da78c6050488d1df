//! Batches in their turns: while one is written, the next is looked up and mapped.

use std::collections::HashSet;

use muster_core::connector::Batch;
use muster_store::{BatchWrite, StoreError};
use tokio::sync::mpsc;

use super::{Intake, IntakeSettings, Taken};

impl Intake {
    /// Takes batches until the channel ends: while one is written, the next is looked up and mapped.
    pub(crate) async fn take_all(mut self, mut batches: mpsc::Receiver<Batch>) -> Result<Taken, StoreError> {
        let settings = self.settings.clone();
        let mut ready: Option<BatchWrite<'_>> = None;
        while let Some(batch) = batches.recv().await {
            let before = match ready.take() {
                Some(write) if !follows_on(&write, &batch) => Some(write),
                Some(write) => {
                    self.write(&settings, write).await?;
                    None
                }
                None => None,
            };
            ready = Some(match before {
                None => self.prepare(&settings, batch).await?,
                Some(write) => {
                    let mut line = self.taken.line.clone();
                    let links = (line.counters.links_added, line.counters.links_removed);
                    let written = settings.store.write(settings.fence, write, &mut line);
                    let (written, prepared) = tokio::join!(written, self.prepare(&settings, batch));
                    written?;
                    self.taken.line.counters.links_added += line.counters.links_added - links.0;
                    self.taken.line.counters.links_removed += line.counters.links_removed - links.1;
                    prepared?
                }
            });
            let line = &self.taken.line;
            self.settings.progress.scope(&line.stream, &line.scope, line.counters.received, false);
        }
        if let Some(write) = ready {
            self.write(&settings, write).await?;
        }
        Ok(self.taken)
    }

    async fn write(&mut self, settings: &IntakeSettings, write: BatchWrite<'_>) -> Result<(), StoreError> {
        settings.store.write(settings.fence, write, &mut self.taken.line).await
    }
}

/// Whether a batch names what the one before it makes: then that must be written first.
fn follows_on(before: &BatchWrite<'_>, batch: &Batch) -> bool {
    let made: HashSet<&str> =
        before.assets.iter().filter(|asset| asset.created).map(|asset| asset.source_key.as_str()).collect();
    if made.is_empty() {
        return false;
    }
    let named =
        batch.records.iter().map(|record| record.key()).chain(batch.links.iter().map(|page| page.owner.as_str()));
    let rejected = batch.rejects.iter().filter_map(|reject| reject.key.as_deref());
    named.chain(batch.tombstones.iter().map(String::as_str)).chain(rejected).any(|key| made.contains(key))
}
