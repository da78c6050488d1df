//! Records that lost attributes: what the guard lets through, once all are in (design D9).

use std::collections::HashMap;
use std::sync::Arc;

use muster_core::model::AttributeKind;
use muster_core::reconcile::{self, Decision, Drop};
use muster_core::record::rebuild;
use muster_store::{BatchWrite, DocumentRow, StoreError};

use super::{Intake, IntakeSettings, Taken, Work};

/// Decides about the records that lost attributes, now that all are in: written, or left as they were and named (D9).
pub(crate) async fn release_parked(settings: IntakeSettings, taken: &mut Taken) -> Result<(), StoreError> {
    let model = Arc::clone(settings.map.model());
    let totals = settings.store.totals(&settings.connector, &model.name).await?;
    let mut held = 0_u64;
    for attribute in model.attributes.iter().filter(|attribute| attribute.kind == AttributeKind::Content) {
        let position = usize::from(attribute.id.0 & 63);
        let (lost, kept) = (taken.losing[position], taken.having[position]);
        // A delta sees few records: there the whole stream is what a loss is measured against.
        let before = if taken.line.mode.proves_absence() { lost + kept } else { (lost + kept).max(totals.present) };
        if !settings.release && reconcile::is_suspicious(Drop { gone: lost, before }) {
            held |= reconcile::bit(attribute.id);
            taken.line.notes.push(format!(
                "held: `{}` vanished from {lost} of {before} {}; the old values stay until it is back or released",
                attribute.name, model.name
            ));
        }
    }
    let mut intake = Intake::new(settings.clone(), &taken.line);
    intake.go_on(taken);
    intake.taken.line.notes = taken.line.notes.clone();
    let mut after = 0;
    loop {
        let parked = settings.store.parked(settings.fence.run, settings.fence.scope, after).await?;
        let Some(last) = parked.last() else { break };
        after = last.asset;
        let ids: Vec<i64> = parked.iter().map(|row| row.asset).collect();
        let documents: HashMap<i64, DocumentRow> =
            settings.store.documents(&ids).await?.into_iter().map(|row| (row.id, row)).collect();
        let mut write = BatchWrite::new(&settings.connector, &model.name, model.class, settings.as_of);
        write.origin = settings.origin.as_deref();
        write.number = intake.taken.batches;
        intake.taken.batches += 1;
        let mut owners = HashMap::new();
        for row in &parked {
            let Some(document) = documents.get(&row.asset) else { continue };
            if row.lost & held != 0 {
                intake.taken.line.counters.held += 1;
                continue;
            }
            let batch = rebuild(&model, &document.source_key, &[&row.record]);
            let Some(view) = batch.get(0) else { continue };
            let bits = reconcile::attribute_bits(view, &model);
            let mut work = Work { write: &mut write, owners: &mut owners };
            intake.rewrite_now(view, (row.asset, document), (Decision::Update, settings.fence.scope, bits), &mut work);
        }
        settings.store.write(settings.fence, write, &mut intake.taken.line).await?;
    }
    *taken = intake.taken;
    Ok(())
}
