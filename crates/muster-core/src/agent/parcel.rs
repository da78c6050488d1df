//! Parcels: what a connector hands over, packed for the way (postcard, then zstd), and what is asked before.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::connector::{
    Batch, Blob, ConnectorError, CountRange, Cursor, ErrorKind, Mode, Plan, Reject, ScopeEnd, ScopePlan, Step,
    StepOutcome, Traffic, Verdict,
};
use crate::link::LinkPage;
use crate::model::{AttributeId, StreamModel};
use crate::record::{RecordBatch, RecordHash, RecordView, decode_values};

/// The longest parcel on the way, in bytes.
pub const LONGEST_PACKED: usize = 4 << 20;
/// The longest parcel unpacked, in bytes.
pub const LONGEST_UNPACKED: usize = 32 << 20;
/// Fast, and three to five times smaller for directory records.
const LEVEL: i32 = 1;

/// Why bytes are no parcel, or something is too much for one.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PackError {
    /// More than [`LONGEST_PACKED`], or [`LONGEST_UNPACKED`] unpacked.
    #[error("a parcel of more than {LONGEST_PACKED} bytes packed or {LONGEST_UNPACKED} unpacked")]
    TooLong,
    /// Not what was packed.
    #[error("the parcel is torn, or of another version")]
    Torn,
    /// Something in it contradicts itself.
    #[error("the parcel's {0} makes no sense")]
    Senseless(&'static str),
}

/// Packs a message.
pub fn pack(message: &impl Serialize) -> Result<Vec<u8>, PackError> {
    let plain = postcard::to_allocvec(message).map_err(|_| PackError::Torn)?;
    if plain.len() > LONGEST_UNPACKED {
        return Err(PackError::TooLong);
    }
    let packed = zstd::bulk::compress(&plain, LEVEL).map_err(|_| PackError::Torn)?;
    (packed.len() <= LONGEST_PACKED).then_some(packed).ok_or(PackError::TooLong)
}

/// Unpacks a message from outside.
pub fn unpack<T: DeserializeOwned>(packed: &[u8]) -> Result<T, PackError> {
    if packed.len() > LONGEST_PACKED {
        return Err(PackError::TooLong);
    }
    // The frame says its length; what says none, or more, is refused before anything is set aside for it.
    let length = zstd::bulk::Decompressor::upper_bound(packed).ok_or(PackError::Torn)?;
    if length > LONGEST_UNPACKED {
        return Err(PackError::TooLong);
    }
    let plain = zstd::bulk::decompress(packed, length).map_err(|_| PackError::Torn)?;
    match postcard::take_from_bytes(&plain) {
        Ok((message, [])) => Ok(message),
        _ => Err(PackError::Torn),
    }
}

/// What an agent puts for an order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Parcel {
    /// A part of what was read.
    Batch(BatchParcel),
    /// The end of `plan`.
    Plan(PlanParcel),
    /// The end of `read`.
    End(ScopeParcel),
    /// The end of `confirm`: one for each key, in order.
    Verdicts(Vec<Verdict>),
    /// A step of `check`.
    Step(StepParcel),
    /// The end of `check`: whether all steps passed.
    Checked(bool),
    /// The end of a call that failed.
    Failed(Failure),
}

impl Parcel {
    /// Whether it is the last of its order.
    pub fn is_last(&self) -> bool {
        !matches!(self, Self::Batch(_) | Self::Step(_))
    }
}

/// A [`Plan`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlanParcel {
    /// Stream and name of each scope.
    pub scopes: Vec<(String, String)>,
    /// What an operator should know.
    pub notes: Vec<String>,
    /// Which server the records come from.
    pub origin: Option<String>,
}

impl From<Plan> for PlanParcel {
    fn from(plan: Plan) -> Self {
        let scopes = plan.scopes.into_iter().map(|scope| (scope.stream, scope.name.to_string())).collect();
        Self { scopes, notes: plan.notes, origin: plan.origin }
    }
}

impl From<PlanParcel> for Plan {
    fn from(parcel: PlanParcel) -> Self {
        let scope = |(stream, name): (String, String)| ScopePlan { stream, name: name.into() };
        Self { scopes: parcel.scopes.into_iter().map(scope).collect(), notes: parcel.notes, origin: parcel.origin }
    }
}

/// A [`ScopeEnd`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScopeParcel {
    /// How it was read in the end.
    pub mode: Mode,
    /// Why it is open, when it is.
    pub open: Option<String>,
    /// The source's own count: low, high.
    pub counted: Option<(u64, u64)>,
    /// Where the next run starts.
    pub cursor: Option<Cursor>,
    /// What an operator should know.
    pub notes: Vec<String>,
    /// Calls, milliseconds waited at the source's wish, bytes received.
    pub traffic: (u64, u64, u64),
}

impl From<ScopeEnd> for ScopeParcel {
    fn from(end: ScopeEnd) -> Self {
        Self {
            mode: end.mode,
            open: end.open,
            counted: end.counted.map(|range| (range.low, range.high)),
            cursor: end.cursor,
            notes: end.notes,
            traffic: (end.traffic.calls, end.traffic.throttled_ms, end.traffic.bytes),
        }
    }
}

impl From<ScopeParcel> for ScopeEnd {
    fn from(parcel: ScopeParcel) -> Self {
        let (calls, throttled_ms, bytes) = parcel.traffic;
        Self {
            mode: parcel.mode,
            open: parcel.open,
            counted: parcel.counted.map(|(low, high)| CountRange { low, high }),
            cursor: parcel.cursor,
            notes: parcel.notes,
            traffic: Traffic { calls, throttled_ms, bytes },
        }
    }
}

/// A [`Step`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepParcel {
    /// The step's name.
    pub name: String,
    /// How it ended.
    pub outcome: StepOutcome,
    /// What was found, or what went wrong.
    pub message: String,
    /// What to do about it.
    pub remedy: Option<String>,
}

impl From<Step> for StepParcel {
    fn from(Step { name, outcome, message, remedy }: Step) -> Self {
        Self { name, outcome, message, remedy }
    }
}

impl From<StepParcel> for Step {
    fn from(StepParcel { name, outcome, message, remedy }: StepParcel) -> Self {
        Self { name, outcome, message, remedy }
    }
}

/// A [`ConnectorError`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What kind of failure.
    pub kind: ErrorKind,
    /// What was being done, to what.
    pub operation: String,
    /// What happened.
    pub message: String,
    /// What to do about it.
    pub remedy: Option<String>,
}

impl From<ConnectorError> for Failure {
    fn from(error: ConnectorError) -> Self {
        let ConnectorError { kind, operation, message, remedy } = error;
        Self { kind, operation, message, remedy }
    }
}

impl From<Failure> for ConnectorError {
    fn from(Failure { kind, operation, message, remedy }: Failure) -> Self {
        Self { kind, operation, message, remedy }
    }
}

/// `POST /agent/v1/orders/{id}/wanted`: which of these records the hub has just so.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// The stream.
    pub stream: String,
    /// The scope that the records lie in.
    pub scope: String,
    /// The records.
    pub pairs: Vec<Pair>,
}

/// A record by its hashes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pair {
    /// Its source key.
    pub key: String,
    /// The hash of its content attributes.
    pub content: [u8; 16],
    /// The hash of its volatile attributes.
    pub volatile: [u8; 16],
}

impl Offer {
    /// The offer of a batch.
    pub fn of(batch: &Batch) -> Self {
        let pair = |record: RecordView<'_>| Pair {
            key: record.key().to_owned(),
            content: record.hash().0,
            volatile: record.volatile_hash().0,
        };
        let pairs = batch.records.iter().map(pair).collect();
        Self { stream: batch.stream.to_string(), scope: batch.scope.to_string(), pairs }
    }
}

/// The answer to an [`Offer`], a bit for each of its pairs, set where the record is wanted; the first is the lowest of
/// the first byte.
pub fn bits(wanted: impl ExactSizeIterator<Item = bool>) -> Vec<u8> {
    let mut bytes = vec![0; wanted.len().div_ceil(8)];
    for (at, _) in wanted.enumerate().filter(|(_, wanted)| *wanted) {
        bytes[at / 8] |= 1 << (at % 8);
    }
    bytes
}

/// Whether a bit is set; one that is missing is: what nobody answered for is sent.
pub fn is_set(bits: &[u8], at: usize) -> bool {
    bits.get(at / 8).is_none_or(|byte| byte & (1 << (at % 8)) != 0)
}

/// A [`Batch`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchParcel {
    stream: String,
    scope: String,
    keys_only: bool,
    /// What the numbers of attributes mean where they were read.
    attributes: Vec<(u16, String)>,
    records: Vec<Told>,
    links: Vec<LinkPage>,
    tombstones: Vec<String>,
    rejects: Vec<Rejected>,
    documents: Vec<Document>,
}

/// A record on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Told {
    /// Only its key was read.
    Key(String),
    /// The hub has it.
    Known(Pair),
    /// All of it: its key, and its values as [`crate::record::RecordView::encode`] writes them.
    Whole(String, #[serde(with = "serde_bytes")] Vec<u8>),
}

/// A [`Reject`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Rejected {
    key: Option<String>,
    reason: String,
    #[serde(with = "serde_bytes")]
    raw: Vec<u8>,
}

/// A [`Blob`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Document {
    name: String,
    #[serde(with = "serde_bytes")]
    bytes: Vec<u8>,
}

impl BatchParcel {
    /// Takes a batch apart; of records that are not `wanted` only the hashes go. Without an answer, all go whole.
    pub fn of(batch: Batch, model: &StreamModel, wanted: Option<&[u8]>) -> Self {
        let told = |(at, record): (usize, RecordView<'_>)| {
            let key = record.key().to_owned();
            if batch.keys_only {
                Told::Key(key)
            } else if wanted.is_some_and(|wanted| !is_set(wanted, at)) {
                Told::Known(Pair { key, content: record.hash().0, volatile: record.volatile_hash().0 })
            } else {
                Told::Whole(key, record.encode(model, |_| true))
            }
        };
        let records: Vec<Told> = batch.records.iter().enumerate().map(told).collect();
        let rejected = |Reject { key, reason, raw }: Reject| Rejected { key, reason, raw };
        let document = |Blob { name, bytes }: Blob| Document { name: name.to_string(), bytes };
        Self {
            stream: batch.stream.to_string(),
            scope: batch.scope.to_string(),
            keys_only: batch.keys_only,
            attributes: model.attributes.iter().map(|attribute| (attribute.id.0, attribute.name.clone())).collect(),
            records,
            links: batch.links,
            tombstones: batch.tombstones,
            rejects: batch.rejects.into_iter().map(rejected).collect(),
            documents: batch.blobs.into_iter().map(document).collect(),
        }
    }

    /// The stream.
    pub fn stream(&self) -> &str {
        &self.stream
    }

    /// Puts the batch together again. Hashes are made anew: those of an agent are believed only of what the hub has just
    /// so. Attributes that the model does not have are left out; the names of those that came second.
    pub fn into_batch(self, model: &StreamModel) -> Result<(Batch, Vec<String>), PackError> {
        if self.stream != model.name {
            return Err(PackError::Senseless("stream"));
        }
        let ids: BTreeMap<u16, Option<AttributeId>> =
            self.attributes.iter().map(|(id, name)| (*id, model.attribute(name).map(|found| found.id))).collect();
        let names: BTreeMap<u16, &String> = self.attributes.iter().map(|(id, name)| (*id, name)).collect();
        let mut strange = BTreeSet::new();
        let mut records = RecordBatch::default();
        for told in &self.records {
            match told {
                Told::Key(key) if self.keys_only => records.push_key(key),
                Told::Known(pair) if !self.keys_only => {
                    records.push_known(&pair.key, RecordHash(pair.content), RecordHash(pair.volatile));
                }
                Told::Whole(key, values) if !self.keys_only => {
                    for (id, value) in decode_values(values) {
                        match ids.get(&id.0).ok_or(PackError::Senseless("attribute"))? {
                            Some(id) => records.push(*id, value),
                            None => strange.extend(names.get(&id.0).copied()),
                        }
                    }
                    records.finish(model, key);
                }
                _ => return Err(PackError::Senseless("kind of record")),
            }
        }
        let strange = strange.into_iter().cloned().collect();
        let rejected = |Rejected { key, reason, raw }: Rejected| Reject { key, reason, raw };
        let document = |Document { name, bytes }: Document| {
            Blob::is_name(&name).then(|| Blob { name: name.into(), bytes }).ok_or(PackError::Senseless("document"))
        };
        let batch = Batch {
            stream: self.stream.into(),
            scope: self.scope.into(),
            records,
            keys_only: self.keys_only,
            links: self.links,
            tombstones: self.tombstones,
            rejects: self.rejects.into_iter().map(rejected).collect(),
            blobs: self.documents.into_iter().map(document).collect::<Result<_, _>>()?,
        };
        Ok((batch, strange))
    }
}
