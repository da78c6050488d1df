//! Mapping again what is kept, without asking the source: dead letters, and assets that another map made (design P9, D6).
//!
//! Dead letters go through the same intake as records that are read, so that whatever holds for these holds for them: a
//! letter that maps now becomes or changes its asset and is dropped in the same transaction, one that does not stays
//! with what is wrong with it now. Where an asset was read, and that it is missing, is not a replay's to say.

use std::sync::Arc;

use muster_core::connector::{Batch, BatchSink as _, Mode, Reject};
use muster_core::ledger::{Evidence, Expected};
use muster_core::model::{AttributeKind, StreamModel};
use muster_core::record::decode_values;
use muster_core::run::Machine;
use muster_store::{KeptLetter, Letters, ScopeClose};

use crate::EngineError;
use crate::executor::{Context, pending};
use crate::intake::{Intake, release_parked};
use crate::scope::{finish, settings, start};

/// The scopes that the run's profile reads, in the data model's order: of dead letters only those that hold some.
pub(crate) async fn plan(context: &mut Context<'_>) -> Result<(), EngineError> {
    let Machine::Plan { .. } = context.run.machine else { return Ok(()) };
    let mut scopes = context.store.scopes(context.row).await?;
    scopes.retain(|scope| scope.profile == context.run.order.profile);
    if let Some(letters) = &context.letters {
        let holding = context.store.scopes_of_letters(context.row, letters).await?;
        scopes.retain(|scope| holding.contains(&scope.id));
    }
    let streams = context.connector.model().streams.iter();
    let position = |name: &str| streams.clone().position(|stream| stream.name == name);
    scopes.sort_by_key(|scope| (position(&scope.stream), scope.id));
    let lines: Vec<_> = scopes.iter().map(|scope| pending(&scope.stream, &scope.name, Mode::Replay)).collect();
    // Nothing is retired: no stream has its turn for that.
    context.run.machine = Machine::planned(lines.len(), 0);
    Ok(context.store.plan_run(context.row, context.claim, &context.run, &lines).await?)
}

/// Replays the letters of a scope; after the last one of a stream decides about records that lost attributes.
pub(crate) async fn scope(context: &mut Context<'_>, at: usize) -> Result<(), EngineError> {
    let Some(state) = context.scopes.get(at) else { return Ok(()) };
    let stream = state.row.stream.clone();
    if !state.ended {
        letters(context, at).await?;
    }
    if context.scopes_of(&stream).last() == Some(&at) && !context.cancelled() {
        release_parked(context, &stream).await?;
    }
    Ok(())
}

async fn letters(context: &mut Context<'_>, at: usize) -> Result<(), EngineError> {
    let row = context.scopes[at].row.clone();
    let (map_id, map) = context.map(&row.stream)?;
    let fence = context.store.claim_scope(context.claim, row.id).await?;
    let mut line = context.scopes[at].line.clone();
    if let Some(Letters { ids, .. }) = context.letters.clone() {
        context.options.progress.phase(&format!("replaying rejected {} of {}", row.stream, row.name));
        let (sink, task) = start(Intake::new(settings(context, at, fence)?, &line), &context.options.cancel);
        let mut after = 0;
        loop {
            let kept = context.store.letters_of_scope(row.id, &ids, after).await?;
            let Some(last) = kept.last() else { break };
            after = last.id;
            if sink.send(batch(map.model(), &row.name, kept)).await.is_err() {
                break;
            }
        }
        drop(sink);
        line = finish(task, &row.name).await?.line;
        context.scopes[at].line = line.clone();
        if context.cancelled() {
            return Ok(());
        }
        let links = map.model().attributes.iter().any(|attribute| attribute.kind == AttributeKind::Link);
        if links && line.counters.created > 0 {
            context.store.forget_cursor(fence).await?;
            line.notes
                .push("members of what was created are not kept: the next run reads this scope in full".to_owned());
        }
    }
    (line.evidence, line.expected) = (Evidence::Kept, Expected::NotApplicable);
    let close = ScopeClose { cursor: None, map: map_id, as_of: context.run.as_of };
    context.store.end_scope(fence, &line, close).await?;
    let state = &mut context.scopes[at];
    (state.line, state.ended) = (line, true);
    Ok(())
}

/// Letters as a source would hand them over; those without a kept record stay rejected.
fn batch(model: &StreamModel, scope: &str, letters: Vec<KeptLetter>) -> Batch {
    let mut batch = Batch::new(Arc::from(model.name.as_str()), Arc::from(scope));
    for letter in letters {
        if letter.raw.is_empty() {
            let KeptLetter { source_key, reason, raw, .. } = letter;
            batch.rejects.push(Reject { key: Some(source_key), reason, raw });
            continue;
        }
        for (attribute, value) in decode_values(&letter.raw) {
            batch.records.push(attribute, value);
        }
        batch.records.finish(model, &letter.source_key);
    }
    batch
}
