//! Batches in their turns: while one is written, on a task of its own, the next is looked up, mapped and packed.

use std::collections::HashSet;

use muster_core::connector::Batch;
use muster_core::ledger::LedgerLine;
use muster_store::{BatchWrite, PackedBatch, StoreError};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::{Intake, Taken};

/// A batch that is being written.
struct Writing {
    /// The ledger line with what the batch's links changed.
    task: JoinHandle<Result<LedgerLine, StoreError>>,
    /// The line's links before.
    links: (u64, u64),
    /// The source keys of the assets it makes.
    made: HashSet<String>,
}

impl Intake {
    /// Takes batches until the channel ends. Whatever happens, nothing is under way when it returns.
    pub(crate) async fn take_all(mut self, batches: mpsc::Receiver<Batch>) -> Result<Taken, StoreError> {
        let mut writing = None;
        let taken = self.take_each(batches, &mut writing).await;
        let last = match writing {
            Some(writing) => self.written(writing).await,
            None => Ok(()),
        };
        taken.and(last).map(|()| self.taken)
    }

    async fn take_each(
        &mut self,
        mut batches: mpsc::Receiver<Batch>,
        writing: &mut Option<Writing>,
    ) -> Result<(), StoreError> {
        while let Some(batch) = batches.recv().await {
            if let Some(before) = writing.take_if(|before| names(&batch, &before.made)) {
                self.written(before).await?;
            }
            let write = self.prepare(batch).await?;
            let made = made_by(&write);
            let packed = self.settings.store.pack(write)?;
            if let Some(before) = writing.take() {
                self.written(before).await?;
            }
            *writing = Some(self.start_writing(packed, made));
            let line = &self.taken.line;
            self.settings.progress.scope(&line.stream, &line.scope, line.counters.received, false);
        }
        Ok(())
    }

    /// The next batch to be written; it changes nothing yet.
    pub(super) fn next_write(&mut self) -> BatchWrite {
        let settings = &self.settings;
        let model = settings.map.model();
        let mut write = BatchWrite::new(&settings.connector, &model.name, model.class, settings.as_of);
        write.origin.clone_from(&settings.origin);
        write.number = self.taken.batches;
        (write.replayed, write.retried) = (settings.retried, settings.retried);
        self.taken.batches += 1;
        write
    }

    fn start_writing(&self, packed: PackedBatch, made: HashSet<String>) -> Writing {
        let (store, fence) = (self.settings.store.clone(), self.settings.fence);
        let mut line = self.taken.line.clone();
        let links = (line.counters.links_added, line.counters.links_removed);
        let task = tokio::spawn(async move { store.write_packed(fence, packed, &mut line).await.map(|()| line) });
        Writing { task, links, made }
    }

    async fn written(&mut self, writing: Writing) -> Result<(), StoreError> {
        let line = match writing.task.await {
            Ok(written) => written?.counters,
            Err(ended) => match ended.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => return Err(StoreError::Fenced("the process is ending")),
            },
        };
        self.taken.line.counters.links_added += line.links_added - writing.links.0;
        self.taken.line.counters.links_removed += line.links_removed - writing.links.1;
        Ok(())
    }
}

fn made_by(write: &BatchWrite) -> HashSet<String> {
    write.assets.iter().filter(|asset| asset.created).map(|asset| asset.source_key.clone()).collect()
}

/// Whether a batch names what the one before it makes: then that must be written first.
fn names(batch: &Batch, made: &HashSet<String>) -> bool {
    if made.is_empty() {
        return false;
    }
    let named =
        batch.records.iter().map(|record| record.key()).chain(batch.links.iter().map(|page| page.owner.as_str()));
    let rejected = batch.rejects.iter().filter_map(|reject| reject.key.as_deref());
    named.chain(batch.tombstones.iter().map(String::as_str)).chain(rejected).any(|key| made.contains(key))
}
