//! Mapping again what time or a new map changes (design D6, D7).

use std::sync::Arc;

use muster_core::asset::Asset;
use muster_core::reconcile::{self, Cause};
use muster_core::record::rebuild;
use muster_store::{AssetWrite, BatchWrite, ChangeWrite, DeadLetterWrite, DocumentRow, SEVERAL_MAPS};

use crate::EngineError;
use crate::executor::Context;

/// Maps again the assets of a stream that are due by time, and all that another map made.
pub(crate) async fn remap(context: &mut Context<'_>, stream: &str) -> Result<(), EngineError> {
    let Some(&at) = context.scopes_of(stream).first() else { return Ok(()) };
    let (map_id, _) = context.map(stream)?;
    if is_stale(context, stream, map_id) {
        due(context, (stream, at), (Some(map_id), Cause::Map)).await?;
        // Only now: until the last asset is mapped again, a run that goes on after a crash must do it too.
        context.store.keep_map(context.claim, stream, map_id).await?;
    }
    due(context, (stream, at), (None, Cause::Time)).await
}

/// Whether another map, or more than one, made the assets of a stream's scopes.
fn is_stale(context: &Context<'_>, stream: &str, map: i64) -> bool {
    context.scopes_of(stream).into_iter().any(|at| context.scopes[at].row.map.is_some_and(|used| used != map))
}

/// Before anything is mapped: where a run begins to use another map, and perhaps never comes to its end, the next one
/// must not take the old map for the one that made everything.
pub(crate) async fn note_several(context: &Context<'_>) -> Result<(), EngineError> {
    for (stream, (map, _)) in &context.maps {
        if is_stale(context, stream, *map) {
            context.store.keep_map(context.claim, stream, SEVERAL_MAPS).await?;
        }
    }
    Ok(())
}

async fn due(
    context: &mut Context<'_>,
    (stream, at): (&str, usize),
    (other_than, cause): (Option<i64>, Cause),
) -> Result<(), EngineError> {
    let fence = context.store.claim_read_scope(context.claim, context.scopes[at].row.id).await?;
    let (map_id, map) = context.map(stream)?;
    let model = Arc::clone(map.model());
    let (as_of, profile) = (context.run.as_of, context.run.order.profile);
    let mut after = 0;
    let mut number = 0;
    loop {
        let ids = context.store.to_remap(context.row, (stream, profile), (as_of, other_than, after)).await?;
        let Some(&last) = ids.last() else { return Ok(()) };
        after = last;
        let mut write = BatchWrite::new(context.row, stream, model.class, as_of);
        write.replayed = true;
        write.number = number;
        number += 1;
        let line = &mut context.scopes[at].line;
        for document in context.store.documents(&ids).await? {
            let Some(raw) = &document.raw else { continue };
            let batch = rebuild(&model, &document.source_key, &[raw, &document.volatile]);
            let Some(view) = batch.get(0) else { continue };
            let mapped = match map.apply(view, as_of) {
                Ok(mapped) => mapped,
                Err(rejection) => {
                    // It stays as another map made it, and says so among the dead letters (design P9).
                    line.counters.rejected += 1;
                    write.dead_letters.push(DeadLetterWrite {
                        source_key: document.source_key.clone(),
                        reason: rejection.to_string(),
                        raw: view.encode(&model, |_| true),
                        map: Some(map_id),
                        target: Some(rejection.target),
                    });
                    continue;
                }
            };
            let before = before(&document);
            let difference = reconcile::difference(&before, &mapped.asset, |_| false);
            if !difference.is_empty() {
                line.counters.updated += 1;
                write.changed.push(document.id);
            }
            let changed_at = if difference.is_empty() { None } else { Some(as_of) };
            write.changes.push(ChangeWrite { asset: document.id, cause, before: difference, definition: None });
            let text = |id: Option<muster_core::model::AttributeId>| {
                id.and_then(|id| view.values(id).next()).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
            };
            write.assets.push(AssetWrite {
                id: document.id,
                created: false,
                source_key: document.source_key.clone(),
                record_hash: view.hash(),
                volatile_hash: document.volatile_hash,
                attributes: reconcile::attribute_bits(view, &model),
                first_seen: document.first_seen,
                changed_at: changed_at.unwrap_or(document.changed_at),
                recheck_at: mapped.recheck_at,
                external_id: mapped.asset.external_id,
                vendor_id: mapped.asset.vendor_id,
                container: text(model.container),
                relative_name: text(model.relative_name),
                detail: mapped.asset.detail,
                volatile: document.volatile.clone(),
                raw: raw.clone(),
                scope: document.scope,
                map: map_id,
            });
        }
        context.store.write(fence, write, line).await?;
    }
}

fn before(document: &DocumentRow) -> Asset {
    Asset {
        external_id: document.external_id.clone(),
        vendor_id: document.vendor_id.clone(),
        detail: document.detail.clone(),
    }
}
