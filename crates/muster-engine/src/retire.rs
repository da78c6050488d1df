//! Retiring: what was known, was not seen, and is proven absent (design D3, D9).

use std::collections::BTreeMap;

use muster_core::asset::GoneCause;
use muster_core::connector::Verdict;
use muster_core::ledger::{Evidence, LedgerLine};
use muster_core::reconcile::{Drop, is_emptied, is_suspicious};
use muster_store::{BatchWrite, SeenKind};
use roaring::RoaringTreemap;

use crate::EngineError;
use crate::executor::Context;
use crate::intake::Intake;
use crate::scope::{finish, settings, start};

/// Above so many candidates nobody is asked: they are held (D3).
const CONFIRM_AT_MOST: usize = 1000;
const DAY: i64 = 86_400_000_000;

/// What is to become of assets that were not seen.
#[derive(Default)]
struct Verdicts {
    gone: Vec<(i64, GoneCause)>,
    /// They are there after all.
    there: Vec<i64>,
    /// Of those, with their scopes, the ones that were in them before.
    unlisted: Vec<(i64, i64)>,
    /// Nobody was asked: too many at once.
    unasked: Vec<i64>,
}

/// Retires what a stream's scopes proved absent.
#[tracing::instrument(skip_all, fields(otel.name = format_args!("retire {stream}"), stream))]
pub(crate) async fn retire(context: &mut Context<'_>, stream: &str) -> Result<(), EngineError> {
    let Some(&first) = context.scopes_of(stream).first() else { return Ok(()) };
    crate::intake::release_parked(context, stream).await?;
    let seen = context.store.noted(context.run.id, Some(stream), SeenKind::Seen).await?;
    let deleted = context.store.noted(context.run.id, Some(stream), SeenKind::Deleted).await?;
    // Listed and called deleted in one run: restored, or deleted meanwhile. Only the source can tell.
    let contested = &deleted & &seen;
    let deleted = present(context, &(&deleted - &contested)).await?;
    let mut candidates = match all_were_seen(context, stream, &seen).await? {
        true => Vec::new(),
        false => candidates(context, stream, &seen).await?,
    };
    candidates.retain(|id| deleted.binary_search(id).is_err());
    if context.connector.can_confirm() {
        candidates.extend(present(context, &contested).await?);
        candidates.sort_unstable();
        candidates.dedup();
    }
    if candidates.is_empty() && deleted.is_empty() {
        return Ok(());
    }
    let mut verdicts = ask(context, (stream, first), &candidates).await?;
    doubt(context, stream, verdicts.unlisted.iter().filter(|(id, _)| !seen.contains(id.cast_unsigned()))).await?;
    verdicts.gone.extend(deleted.into_iter().map(|id| (id, GoneCause::DeletedAtSource)));
    judge(context, stream, verdicts).await
}

/// Those of some assets that are not gone, sorted.
async fn present(context: &Context<'_>, ids: &RoaringTreemap) -> Result<Vec<i64>, EngineError> {
    let ids: Vec<i64> = ids.iter().map(u64::cast_signed).collect();
    let mut found: Vec<i64> = context.store.keys_of(&ids).await?.into_iter().map(|(id, _, _)| id).collect();
    found.sort_unstable();
    Ok(found)
}

/// Whether what a scope did not list is not in it.
fn proves_absence(context: &Context<'_>, at: usize) -> bool {
    let line = &context.scopes[at].line;
    line.evidence.is_complete() && line.mode.proves_absence()
}

/// Whether what no scope of a stream listed is in none of them.
fn is_proven(context: &Context<'_>, stream: &str) -> bool {
    let planned = context.scopes_of(stream);
    !planned.is_empty() && planned.iter().all(|&at| proves_absence(context, at))
}

/// Whether the stream was read to its end and what is present is what was seen, by number and sum of ids. Then nothing
/// is looked for. What only a rejected record showed is seen and may not be present: then it is looked for.
async fn all_were_seen(context: &Context<'_>, stream: &str, seen: &RoaringTreemap) -> Result<bool, EngineError> {
    if !is_proven(context, stream) {
        return Ok(false);
    }
    let sum = seen.iter().fold(0_u64, u64::wrapping_add);
    Ok(context.store.present_tally(context.row, stream).await? == (seen.len(), sum))
}

/// Present assets that no complete, absence-proving scope has seen.
async fn candidates(context: &Context<'_>, stream: &str, seen: &RoaringTreemap) -> Result<Vec<i64>, EngineError> {
    let planned = context.scopes_of(stream);
    let proven = planned.iter().filter(|&&at| proves_absence(context, at));
    let mut scopes: Vec<i64> = proven.map(|&at| context.scopes[at].row.id).collect();
    let own = own_scopes(context, stream).await?;
    if is_proven(context, stream) {
        // Scopes that the plan no longer has: the plan itself was read to its end.
        let is_planned = |id: &i64| planned.iter().any(|&at| context.scopes[at].row.id == *id);
        let dropped: Vec<i64> = own.iter().copied().filter(|id| !is_planned(id)).collect();
        // Should they come back, a delta would not show what goes now.
        context.store.forget_cursors(context.claim, &dropped).await?;
        scopes.extend(dropped);
    }
    scopes.sort_unstable();
    scopes.dedup();
    let mut found = context.store.unseen(context.row, stream, &scopes, seen).await?;
    if context.options.release {
        let held = context.store.held(context.row, stream).await?;
        let held = context.store.keys_of(&held).await?.into_iter().filter(|(_, _, scope)| own.contains(scope));
        found.extend(held.map(|(id, _, _)| id).filter(|id| !seen.contains(id.cast_unsigned())));
        found.sort_unstable();
        found.dedup();
    }
    Ok(found)
}

/// The scopes of a stream that this run may judge: what another profile reads is its to miss, and to release; what a
/// removed one read is nobody's.
async fn own_scopes(context: &Context<'_>, stream: &str) -> Result<Vec<i64>, EngineError> {
    let known = context.store.scopes(context.row).await?;
    let others = context.store.profiles(context.row.tenant, context.row.id).await?;
    let mut others: Vec<_> = others.into_iter().map(|profile| Some(profile.id)).collect();
    others.retain(|other| *other != context.run.order.profile);
    let own = known.into_iter().filter(|known| known.stream == stream && !others.contains(&known.profile));
    Ok(own.map(|known| known.id).collect())
}

/// Asks the source for each candidate again.
async fn ask(
    context: &mut Context<'_>,
    (stream, first): (&str, usize),
    candidates: &[i64],
) -> Result<Verdicts, EngineError> {
    let mut verdicts = Verdicts::default();
    if candidates.is_empty() {
        return Ok(verdicts);
    }
    if !context.connector.can_confirm() {
        let fence = context.store.claim_read_scope(context.claim, context.scopes[first].row.id).await?;
        if is_proven(context, stream) {
            context.store.count_missed(fence, candidates).await?;
        }
        let twice = context.store.missed_twice(candidates).await?;
        verdicts.gone = twice.into_iter().map(|id| (id, GoneCause::NotListed)).collect();
        return Ok(verdicts);
    }
    if candidates.len() > CONFIRM_AT_MOST && !context.options.release {
        verdicts.unasked = candidates.to_vec();
        return Ok(verdicts);
    }
    let keys = context.store.keys_of(candidates).await?;
    let class = context.map(stream)?.1.model().class;
    for chunk in keys.chunks(CONFIRM_AT_MOST) {
        let fence = context.store.claim_read_scope(context.claim, context.scopes[first].row.id).await?;
        let asked: Vec<String> = chunk.iter().map(|(_, key, _)| key.clone()).collect();
        let intake = Intake::beside(settings(context, first, fence)?, &context.scopes[first].line);
        let (sink, task) = start(intake, &context.options.cancel);
        let answers = context.connector.confirm(stream, &asked, &sink).await;
        drop(sink);
        let taken = finish(task, stream).await?;
        context.scopes[first].line = taken.line;
        let line = &mut context.scopes[first].line;
        let noted = line.notes.len();
        match answers {
            Ok(answers) => {
                let silent = answers.iter().filter(|verdict| **verdict == Verdict::Unknown).count();
                if silent > 0 {
                    note(
                        line,
                        format!("{silent} {stream} were not seen, and the source gave no answer about them: they stay"),
                    );
                }
                for ((id, _, _), verdict) in chunk.iter().zip(answers) {
                    match verdict {
                        Verdict::Present => verdicts.there.push(*id),
                        Verdict::OutOfScope => verdicts.gone.push((*id, GoneCause::OutOfScope)),
                        Verdict::Deleted => verdicts.gone.push((*id, GoneCause::DeletedAtSource)),
                        Verdict::Forbidden => verdicts.gone.push((*id, GoneCause::PermissionLost)),
                        Verdict::Unknown => {}
                    }
                }
            }
            Err(error) => {
                note(line, format!("{} {stream} were not seen and could not be asked for: {error}", chunk.len()));
            }
        }
        if line.notes.len() != noted {
            // The scope's end is written: what is noted after it must be written too.
            let nothing = BatchWrite::new(context.row, stream, class, context.run.as_of);
            context.store.write(fence, nothing, line).await?;
        }
        let before: BTreeMap<i64, i64> = chunk.iter().map(|(id, _, scope)| (*id, *scope)).collect();
        let there: Vec<i64> = verdicts.there.iter().copied().filter(|id| before.contains_key(id)).collect();
        let now = context.store.keys_of(&there).await?.into_iter().map(|(id, _, scope)| (id, scope));
        verdicts.unlisted.extend(now.filter(|(id, scope)| before.get(id) == Some(scope)));
    }
    Ok(verdicts)
}

/// What is in a scope, and was not listed by it, proves its listing short, whatever that said of its end (P1).
async fn doubt(
    context: &mut Context<'_>,
    stream: &str,
    unlisted: impl Iterator<Item = &(i64, i64)>,
) -> Result<(), EngineError> {
    let mut short: BTreeMap<i64, u64> = BTreeMap::new();
    unlisted.for_each(|(_, scope)| *short.entry(*scope).or_default() += 1);
    for (scope, missed) in short {
        // A scope that the plan lacks, though things in it answer, was left out by the list that the plan was made of.
        let planned = context.scopes_of(stream);
        let at = planned.iter().copied().find(|&at| context.scopes[at].row.id == scope).unwrap_or(planned[0]);
        if !proves_absence(context, at) {
            continue;
        }
        let scope = context.scopes[at].row.id;
        if !context.connector.marks_records() {
            // Of what was left out, a delta from here on would not tell.
            context.store.forget_cursors(context.claim, &[scope]).await?;
        }
        let fence = context.store.claim_read_scope(context.claim, scope).await?;
        let line = &mut context.scopes[at].line;
        let reason = format!("{missed} {stream} answer when they are asked for, and were not listed");
        line.evidence = Evidence::Open { reason };
        context.store.doubt_scope(fence, line).await?;
    }
    Ok(())
}

/// Lets the guard look at what would go, and does what it says, scope by scope.
async fn judge(context: &mut Context<'_>, stream: &str, verdicts: Verdicts) -> Result<(), EngineError> {
    let mut going: Vec<i64> = verdicts.gone.iter().map(|(id, _)| *id).collect();
    going.extend(&verdicts.unasked);
    let scope_of: BTreeMap<i64, i64> =
        context.store.keys_of(&going).await?.into_iter().map(|(id, _, scope)| (id, scope)).collect();
    let present = context.store.present_by_scope(context.row, stream).await?;
    let lately = context.store.gone_since(context.row, stream, context.run.as_of.plus(-DAY)).await?;
    let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    let total: u64 = present.iter().map(|(_, count)| count).sum();
    let suspicious = is_suspicious(Drop { gone: number(going.len()) + lately, before: total + lately });
    for (scope, before) in &present {
        let here = |id: &i64| scope_of.get(id) == Some(scope);
        let gone: Vec<_> = verdicts.gone.iter().filter(|(id, _)| here(id)).copied().collect();
        let unasked: Vec<i64> = verdicts.unasked.iter().copied().filter(|id| here(id)).collect();
        let left = before.saturating_sub(number(gone.len() + unasked.len()));
        let hold = !context.options.release && (suspicious || is_emptied(*before, left));
        decide(context, (stream, *scope), (gone, unasked, hold)).await?;
    }
    let first = context.scopes_of(stream)[0];
    let fence = context.store.claim_read_scope(context.claim, context.scopes[first].row.id).await?;
    context.store.unhold(fence, &verdicts.there).await?;
    Ok(())
}

async fn decide(
    context: &mut Context<'_>,
    (stream, scope): (&str, i64),
    (gone, unasked, hold): (Vec<(i64, GoneCause)>, Vec<i64>, bool),
) -> Result<(), EngineError> {
    if gone.is_empty() && unasked.is_empty() {
        return Ok(());
    }
    // Assets of a scope that the plan no longer has are counted on the stream's first line.
    let planned = context.scopes_of(stream);
    let at = planned.iter().copied().find(|&at| context.scopes[at].row.id == scope).unwrap_or(planned[0]);
    let fence = context.store.claim_read_scope(context.claim, context.scopes[at].row.id).await?;
    let as_of = context.run.as_of;
    let line = &mut context.scopes[at].line;
    let mut held: Vec<i64> = unasked;
    if hold {
        held.extend(gone.iter().map(|(id, _)| *id));
        note(
            line,
            format!(
                "held: {} {stream} are missing, more than the guard lets go at once; `--release` retires them, the next \
                 full run or sweep looks for them again",
                held.len()
            ),
        );
    } else if !held.is_empty() {
        note(
            line,
            format!(
                "held: {} {stream} are missing, too many to ask for one by one; `--release` asks for each, the next full run \
             or sweep looks for them again",
                held.len()
            ),
        );
    }
    if !held.is_empty() {
        context.store.hold(fence, &held, as_of, line).await?;
    }
    if !hold {
        for chunk in gone.chunks(1000) {
            context.store.retire(fence, chunk, as_of, line).await?;
        }
    }
    Ok(())
}

/// Adds a note, unless a run that went on after a crash has added it already.
fn note(line: &mut LedgerLine, words: String) {
    if !line.notes.contains(&words) {
        line.notes.push(words);
    }
}
