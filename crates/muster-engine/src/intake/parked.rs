//! Records that lost attributes: what the guard lets through, once all of a stream are in (design D9).

use std::collections::HashMap;
use std::sync::Arc;

use muster_core::model::{AttributeKind, StreamModel};
use muster_core::reconcile::{self, Decision, Drop};
use muster_core::record::{RecordHash, rebuild};
use muster_store::{DocumentRow, ParkedRow, StoreError};

use super::{Intake, Work};
use crate::EngineError;
use crate::executor::Context;
use crate::scope::settings;

/// Attributes that vanished from more records than the guard believes: their bits, and what the ledger says of each.
#[derive(Default)]
struct Vanished {
    bits: u64,
    words: Vec<(u64, String)>,
}

/// A scope's position and, for records that lost the same attributes, their bits and number.
type Losses = (usize, Vec<(u64, u64)>);

/// Decides about the records of a stream that lost attributes, now that all are in: written, or left as they were and
/// named. Only scopes that were read to their end: the others come again, unless the cursor says of each record that it
/// was read.
pub(crate) async fn release_parked(context: &mut Context<'_>, stream: &str) -> Result<(), EngineError> {
    let mut losses: Vec<Losses> = Vec::new();
    for at in context.scopes_of(stream) {
        let state = &context.scopes[at];
        if state.line.evidence.is_settled() || context.connector.marks_records() {
            let found = context.store.losses(context.run.id, state.row.id).await?;
            losses.extend((!found.is_empty()).then_some((at, found)));
        }
    }
    let vanished = vanished(context, stream, &losses).await?;
    for (at, found) in &losses {
        release_scope(context, *at, (&vanished, found)).await?;
    }
    Ok(())
}

async fn vanished(context: &Context<'_>, stream: &str, losses: &[Losses]) -> Result<Vanished, EngineError> {
    let mut vanished = Vanished::default();
    if context.options.release || losses.is_empty() {
        return Ok(vanished);
    }
    let (_, map) = context.map(stream)?;
    for attribute in map.model().attributes.iter().filter(|found| found.kind == AttributeKind::Content) {
        let bit = reconcile::bit(attribute.id);
        let all = losses.iter().flat_map(|(_, found)| found).filter(|(lost, _)| lost & bit != 0);
        let gone: u64 = all.map(|(_, count)| count).sum();
        // Few enough to be believed of any number: then nobody counts.
        if !reconcile::is_suspicious(Drop { gone, before: gone }) {
            continue;
        }
        let before = context.store.having(context.row, stream, (context.run.id, bit)).await?;
        if reconcile::is_suspicious(Drop { gone, before }) {
            vanished.bits |= bit;
            vanished.words.push((
                bit,
                format!(
                    "held: `{}` vanished from {gone} of {before} {stream}; the old values stay until it is back or \
                     `--full --release` lets them go",
                    attribute.name
                ),
            ));
        }
    }
    Ok(vanished)
}

async fn release_scope(
    context: &mut Context<'_>,
    at: usize,
    (vanished, losses): (&Vanished, &[(u64, u64)]),
) -> Result<(), EngineError> {
    let fence = context.store.claim_read_scope(context.claim, context.scopes[at].row.id).await?;
    let mut intake = Intake::beside(settings(context, at, fence)?, &context.scopes[at].line);
    // A run that goes on after a crash has counted what it named.
    let named = |(bit, _): &&(u64, String)| losses.iter().any(|(lost, _)| lost & bit != 0);
    let line = &mut intake.taken.line;
    let fresh: Vec<String> = vanished.words.iter().filter(named).map(|(_, words)| words.clone()).collect();
    let fresh: Vec<String> = fresh.into_iter().filter(|words| !line.notes.contains(words)).collect();
    if !fresh.is_empty() {
        let held = losses.iter().filter(|(lost, _)| lost & vanished.bits != 0);
        line.counters.held += held.map(|(_, count)| count).sum::<u64>();
        line.notes.extend(fresh);
    }
    let mut after = 0;
    loop {
        let parked = context.store.parked(fence.run, fence.scope, after).await?;
        let last = parked.last().map(|row| row.asset);
        let free = parked.into_iter().filter(|row| row.lost & vanished.bits == 0).collect();
        intake.release(free).await?;
        let Some(last) = last else { break };
        after = last;
    }
    context.scopes[at].line = intake.taken.line;
    Ok(())
}

impl Intake {
    /// Writes parked records, and the ledger line in any case.
    async fn release(&mut self, parked: Vec<ParkedRow>) -> Result<(), StoreError> {
        let settings = Arc::clone(&self.settings);
        let model = Arc::clone(settings.map.model());
        let ids: Vec<i64> = parked.iter().map(|row| row.asset).collect();
        let documents: HashMap<i64, DocumentRow> =
            settings.store.documents(&ids).await?.into_iter().map(|row| (row.id, row)).collect();
        let mut write = self.next_write();
        let mut owners = HashMap::new();
        for row in &parked {
            let Some(document) = documents.get(&row.asset) else { continue };
            let batch = rebuild(&model, &document.source_key, &[&row.record]);
            let Some(view) = batch.get(0) else { continue };
            if content(&model, document) == Some(view.hash()) {
                // Written before a crash.
                continue;
            }
            let bits = reconcile::attribute_bits(view, &model);
            let mut work = Work { write: &mut write, owners: &mut owners };
            self.rewrite_now(view, (row.asset, document), (Decision::Update, settings.fence.scope, bits), &mut work);
        }
        settings.store.write(settings.fence, write, &mut self.taken.line).await
    }
}

/// The hash of the record that made an asset.
fn content(model: &Arc<StreamModel>, document: &DocumentRow) -> Option<RecordHash> {
    let raw = document.raw.as_ref()?;
    rebuild(model, &document.source_key, &[raw]).get(0).map(|known| known.hash())
}
