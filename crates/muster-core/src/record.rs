//! Records: what the source said, bytes as they came, many in one allocation.
//!
//! A [`RecordBatch`] keeps all values of all its records end to end in one buffer, so that a batch costs a handful of
//! allocations however many records it holds, and an unchanged record is never decoded: its [`RecordHash`] is made of
//! the bytes (design D6).

use crate::model::{AttributeId, AttributeKind, StreamModel};

/// 16 bytes of BLAKE3 over a record's content attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct RecordHash(pub [u8; 16]);

/// Where a value lies in the batch's buffer.
#[derive(Debug, Clone, Copy)]
struct ValueSpan {
    attribute: AttributeId,
    start: u32,
    length: u32,
}

/// Where a record's parts lie, and its hashes.
#[derive(Debug, Clone, Copy)]
struct RecordSpan {
    key_start: u32,
    key_length: u32,
    first_value: u32,
    end_value: u32,
    content: RecordHash,
    volatile: RecordHash,
    /// Its values are elsewhere: only the hashes came.
    known: bool,
}

/// Many records of one stream.
#[derive(Debug, Clone, Default)]
pub struct RecordBatch {
    bytes: Vec<u8>,
    values: Vec<ValueSpan>,
    records: Vec<RecordSpan>,
    open_values: usize,
    /// What the last record's hashes were made of; kept for their room.
    content: Vec<u8>,
    volatile: Vec<u8>,
}

impl RecordBatch {
    /// An empty batch with room for about `records` records of `bytes` bytes altogether.
    pub fn with_capacity(records: usize, bytes: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(bytes),
            values: Vec::with_capacity(records * 24),
            records: Vec::with_capacity(records),
            ..Self::default()
        }
    }

    /// How many records are finished.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether no record is finished.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// How many bytes the batch's values take.
    pub fn byte_len(&self) -> usize {
        self.bytes.len()
    }

    /// Adds a value to the record that is being built.
    pub fn push(&mut self, attribute: AttributeId, value: &[u8]) {
        let start = offset(self.bytes.len());
        self.bytes.extend_from_slice(value);
        self.values.push(ValueSpan { attribute, start, length: offset(value.len()) });
    }

    /// The values of the record that is being built, in the order in which they were added.
    pub fn open_values(&self) -> impl Iterator<Item = (AttributeId, &[u8])> {
        self.values[self.open_values..].iter().map(|span| (span.attribute, slice(&self.bytes, *span)))
    }

    /// Forgets the record that is being built.
    pub fn abandon(&mut self) {
        self.values.truncate(self.open_values);
    }

    /// Ends the record that is being built: values are put in their canonical order and hashed.
    pub fn finish(&mut self, model: &StreamModel, key: &str) {
        let first = self.open_values;
        let bytes = &self.bytes;
        self.values[first..].sort_unstable_by(|left, right| {
            left.attribute.cmp(&right.attribute).then_with(|| slice(bytes, *left).cmp(slice(bytes, *right)))
        });
        // Hashed in one piece: a hasher fed a few bytes at a time costs several times as much.
        self.content.clear();
        self.volatile.clear();
        for group in self.values[first..].chunk_by(|left, right| left.attribute == right.attribute) {
            let hashed = match model.by_id(group[0].attribute).map(|attribute| attribute.kind) {
                Some(AttributeKind::Content) => &mut self.content,
                Some(AttributeKind::Volatile) => &mut self.volatile,
                _ => continue,
            };
            hashed.extend_from_slice(&group[0].attribute.0.to_le_bytes());
            hashed.extend_from_slice(&offset(group.len()).to_le_bytes());
            for span in group {
                hashed.extend_from_slice(&span.length.to_le_bytes());
                hashed.extend_from_slice(slice(bytes, *span));
            }
        }
        let key_start = offset(self.bytes.len());
        self.bytes.extend_from_slice(key.as_bytes());
        self.records.push(RecordSpan {
            key_start,
            key_length: offset(key.len()),
            first_value: offset(first),
            end_value: offset(self.values.len()),
            content: RecordHash(crate::fold::fingerprint(&self.content)),
            volatile: RecordHash(crate::fold::fingerprint(&self.volatile)),
            known: false,
        });
        self.open_values = self.values.len();
    }

    /// Adds a record of which only the key is known, as a sweep reads them.
    pub fn push_key(&mut self, key: &str) {
        self.push_bare(key, (RecordHash::default(), RecordHash::default()), false);
    }

    /// Adds a record of which only key and hashes came, since whoever takes it has its values.
    pub fn push_known(&mut self, key: &str, content: RecordHash, volatile: RecordHash) {
        self.push_bare(key, (content, volatile), true);
    }

    fn push_bare(&mut self, key: &str, (content, volatile): (RecordHash, RecordHash), known: bool) {
        let key_start = offset(self.bytes.len());
        self.bytes.extend_from_slice(key.as_bytes());
        let values = offset(self.values.len());
        self.records.push(RecordSpan {
            key_start,
            key_length: offset(key.len()),
            first_value: values,
            end_value: values,
            content,
            volatile,
            known,
        });
    }

    /// Puts the finished records in the order of their keys: looked up in it, an index is walked instead of leapt about in.
    pub fn sort_by_key(&mut self) {
        let bytes = &self.bytes;
        let key = |span: &RecordSpan| {
            let start = span.key_start as usize;
            bytes.get(start..start + span.key_length as usize).unwrap_or_default()
        };
        self.records.sort_unstable_by(|left, right| key(left).cmp(key(right)));
    }

    /// The record at `index`.
    pub fn get(&self, index: usize) -> Option<RecordView<'_>> {
        self.records.get(index).map(|span| RecordView { batch: self, span })
    }

    /// All records in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = RecordView<'_>> {
        self.records.iter().map(|span| RecordView { batch: self, span })
    }
}

/// Batches hold far less than 4 GiB (the kit closes them at a few MiB); offsets are 32 bits wide.
fn offset(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

fn slice(bytes: &[u8], span: ValueSpan) -> &[u8] {
    let start = span.start as usize;
    bytes.get(start..start + span.length as usize).unwrap_or_default()
}

/// One record of a batch.
#[derive(Clone, Copy)]
pub struct RecordView<'a> {
    batch: &'a RecordBatch,
    span: &'a RecordSpan,
}

impl std::fmt::Debug for RecordView<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("RecordView").field("key", &self.key()).finish_non_exhaustive()
    }
}

impl<'a> RecordView<'a> {
    /// The source key.
    pub fn key(&self) -> &'a str {
        let start = self.span.key_start as usize;
        let bytes = self.batch.bytes.get(start..start + self.span.key_length as usize).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }

    /// The hash of the content attributes.
    pub fn hash(&self) -> RecordHash {
        self.span.content
    }

    /// The hash of the volatile attributes.
    pub fn volatile_hash(&self) -> RecordHash {
        self.span.volatile
    }

    /// Whether only its hashes came: it is as it was, or nothing is known of it.
    pub fn is_known(&self) -> bool {
        self.span.known
    }

    /// The values of one attribute, in byte order.
    pub fn values(&self, attribute: AttributeId) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let spans = self.spans();
        let start = spans.partition_point(|span| span.attribute < attribute);
        let batch = self.batch;
        spans[start..].iter().take_while(move |span| span.attribute == attribute).map(|span| slice(&batch.bytes, *span))
    }

    /// All values with their attributes, in canonical order.
    pub fn all(&self) -> impl Iterator<Item = (AttributeId, &'a [u8])> + use<'a> {
        let batch = self.batch;
        self.spans().iter().map(move |span| (span.attribute, slice(&batch.bytes, *span)))
    }

    fn spans(&self) -> &'a [ValueSpan] {
        self.batch.values.get(self.span.first_value as usize..self.span.end_value as usize).unwrap_or_default()
    }

    /// The values of the attributes of one kind, encoded for the store: `raw` keeps content and identity, the asset's
    /// row keeps the volatile ones. The form: attribute id (u16), length (u32), bytes, all little-endian, repeated.
    pub fn encode(&self, model: &StreamModel, wanted: impl Fn(AttributeKind) -> bool) -> Vec<u8> {
        let mut encoded = Vec::with_capacity(512);
        for (attribute, value) in self.all() {
            if model.by_id(attribute).is_some_and(|attribute| wanted(attribute.kind)) {
                encoded.extend_from_slice(&attribute.0.to_le_bytes());
                encoded.extend_from_slice(&offset(value.len()).to_le_bytes());
                encoded.extend_from_slice(value);
            }
        }
        encoded
    }
}

/// Reads back what [`RecordView::encode`] wrote; stops at the first byte that does not fit.
pub fn decode_values(mut encoded: &[u8]) -> Vec<(AttributeId, &[u8])> {
    let mut values = Vec::new();
    while let Some((head, rest)) = encoded.split_first_chunk::<6>() {
        let attribute = AttributeId(u16::from_le_bytes([head[0], head[1]]));
        let length = u32::from_le_bytes([head[2], head[3], head[4], head[5]]) as usize;
        let Some((value, rest)) = rest.split_at_checked(length) else { break };
        values.push((attribute, value));
        encoded = rest;
    }
    values
}

/// Builds a one-record batch from stored values, for replays.
pub fn rebuild(model: &StreamModel, key: &str, parts: &[&[u8]]) -> RecordBatch {
    let mut batch = RecordBatch::default();
    for part in parts {
        for (attribute, value) in decode_values(part) {
            batch.push(attribute, value);
        }
    }
    batch.finish(model, key);
    batch
}

#[cfg(test)]
mod tests;
