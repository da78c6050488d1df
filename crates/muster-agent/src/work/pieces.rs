//! Batches made fit for the way: no attribute beyond the closed list (design D14), no piece too long for a parcel.

use std::collections::BTreeSet;

use muster_core::connector::Batch;
use muster_core::model::{AttributeId, StreamModel};
use muster_core::record::{RecordBatch, RecordView, decode_values};

/// What a piece may weigh, plainly: however badly it packs, a parcel takes it.
pub(super) const PIECE: usize = 3 << 20;

/// The attributes of a stream that may leave; none where all may.
pub(super) fn closed(model: &StreamModel, names: &[String]) -> Option<BTreeSet<AttributeId>> {
    let allowed: BTreeSet<AttributeId> =
        names.iter().filter_map(|name| model.attribute(name)).map(|attribute| attribute.id).collect();
    (allowed.len() < model.attributes.len()).then_some(allowed)
}

/// Leaves out what may not leave.
pub(super) fn narrow(batch: &mut Batch, model: &StreamModel, allowed: &BTreeSet<AttributeId>) {
    let strange = |record: RecordView<'_>| record.all().any(|(id, _)| !allowed.contains(&id));
    if !batch.keys_only && batch.records.iter().any(strange) {
        let mut records = RecordBatch::default();
        for record in batch.records.iter() {
            copy(record, model, &mut records, |id| allowed.contains(&id));
        }
        batch.records = records;
    }
    for reject in &mut batch.rejects {
        if decode_values(&reject.raw).iter().any(|(id, _)| !allowed.contains(id)) {
            reject.raw.clear();
        }
    }
}

fn copy(record: RecordView<'_>, model: &StreamModel, into: &mut RecordBatch, keep: impl Fn(AttributeId) -> bool) {
    for (id, value) in record.all().filter(|(id, _)| keep(*id)) {
        into.push(id, value);
    }
    into.finish(model, record.key());
}

/// What a batch weighs, more or less.
pub(super) fn weight(batch: &Batch) -> usize {
    let links: usize =
        batch.links.iter().map(|page| 64 + page.members.iter().map(|one| 24 + one.text().len()).sum::<usize>()).sum();
    let tombstones: usize = batch.tombstones.iter().map(|key| 8 + key.len()).sum();
    let rejects: usize = batch.rejects.iter().map(|reject| 32 + reject.reason.len() + reject.raw.len()).sum();
    let documents: usize = batch.blobs.iter().map(|blob| 80 + blob.bytes.len()).sum();
    batch.records.byte_len() + 48 * batch.records.len() + links + tombstones + rejects + documents
}

/// Splits what is too heavy. Documents go with the first records, links after all records of the batch: the hub finds an
/// owner that it has. A single thing that is too heavy is a piece of its own.
pub(super) fn split(batch: Batch, model: &StreamModel) -> Vec<Batch> {
    if weight(&batch) <= PIECE {
        return vec![batch];
    }
    let like = |batch: &Batch| {
        let mut piece = Batch::new(batch.stream.clone(), batch.scope.clone());
        piece.keys_only = batch.keys_only;
        piece
    };
    let documents = chunks(batch.blobs.clone(), |blob| 80 + blob.bytes.len());
    let mut pieces: Vec<Batch> = Vec::new();
    let mut documents = documents.into_iter();
    let mut piece = like(&batch);
    piece.blobs = documents.next().unwrap_or_default();
    for record in batch.records.iter() {
        let heavy = weight(&piece) > PIECE / 2 && !piece.records.is_empty();
        // One record is enough to carry a heap of documents.
        let laden = !piece.records.is_empty() && documents.len() > 0;
        if heavy || laden {
            pieces.push(std::mem::replace(&mut piece, like(&batch)));
            piece.blobs = documents.next().unwrap_or_default();
        }
        if batch.keys_only {
            piece.records.push_key(record.key());
        } else {
            copy(record, model, &mut piece.records, |_| true);
        }
    }
    pieces.push(piece);
    for links in
        chunks(batch.links.clone(), |page| 64 + page.members.iter().map(|one| 24 + one.text().len()).sum::<usize>())
    {
        let mut piece = like(&batch);
        piece.links = links;
        pieces.push(piece);
    }
    for tombstones in chunks(batch.tombstones.clone(), |key| 8 + key.len()) {
        let mut piece = like(&batch);
        piece.tombstones = tombstones;
        pieces.push(piece);
    }
    for rejects in chunks(batch.rejects.clone(), |reject| 32 + reject.reason.len() + reject.raw.len()) {
        let mut piece = like(&batch);
        piece.rejects = rejects;
        pieces.push(piece);
    }
    for blobs in documents {
        let mut piece = like(&batch);
        piece.blobs = blobs;
        pieces.push(piece);
    }
    pieces.retain(|piece| !piece.is_empty() || !piece.blobs.is_empty());
    pieces
}

fn chunks<T>(things: Vec<T>, weight: impl Fn(&T) -> usize) -> Vec<Vec<T>> {
    let mut chunks: Vec<Vec<T>> = Vec::new();
    let mut heavy = usize::MAX;
    for thing in things {
        let weighs = weight(&thing);
        match chunks.last_mut().filter(|_| heavy.saturating_add(weighs) <= PIECE / 2) {
            Some(chunk) => {
                heavy += weighs;
                chunk.push(thing);
            }
            None => {
                heavy = weighs;
                chunks.push(vec![thing]);
            }
        }
    }
    chunks
}
