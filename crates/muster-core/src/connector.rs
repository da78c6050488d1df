//! The contract between Muster and a kind of source (design D11).
//!
//! One way: a connector reads and says what it saw; it never learns what became of it. The same implementation runs
//! embedded, in a worker, in `sync` and behind an agent, because everything it hands over goes through [`BatchSink`].

use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::link::LinkPage;
use crate::model::DataModel;
use crate::record::RecordBatch;
use crate::secret::Secret;

/// How a run reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Everything.
    Full,
    /// What changed since the cursor.
    Delta,
    /// Only the keys of everything.
    Sweep,
    /// Nothing: what is kept is mapped again.
    Replay,
}

impl Mode {
    /// The word used in tables and documents.
    pub fn word(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Delta => "delta",
            Self::Sweep => "sweep",
            Self::Replay => "replay",
        }
    }

    /// Whether such a reading brings whole records, with their links.
    pub fn reads_records(self) -> bool {
        matches!(self, Self::Full | Self::Delta)
    }

    /// Whether the end of such a reading proves absence (design D3).
    pub fn proves_absence(self) -> bool {
        matches!(self, Self::Full | Self::Sweep)
    }
}

/// Where the next run starts; only the connector reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cursor(pub String);

/// A unit of reading, counting and cursor. Its name is stable from run to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScopePlan {
    /// The stream.
    pub stream: String,
    /// The scope's name, unique in its stream.
    pub name: Arc<str>,
}

/// What a connector plans to read: streams in the data model's order, their scopes within.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// The scopes.
    pub scopes: Vec<ScopePlan>,
    /// What an operator should know before the first scope, such as which server answers.
    pub notes: Vec<String>,
    /// Which server the records come from: the provenance of values that differ from server to server.
    pub origin: Option<String>,
}

/// One order to read.
#[derive(Debug)]
pub struct ReadRequest<'a> {
    /// What to read.
    pub scope: &'a ScopePlan,
    /// How. A connector that cannot read a delta from the cursor reads fully and says so in [`ScopeEnd::mode`].
    pub mode: Mode,
    /// Where the last complete reading of this scope ended.
    pub cursor: Option<&'a Cursor>,
}

/// What a source's own counts said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CountRange {
    /// The smaller of the counts before and after.
    pub low: u64,
    /// The greater of them.
    pub high: u64,
}

/// How a scope's reading ended.
#[derive(Debug, Clone)]
pub struct ScopeEnd {
    /// How it was read in the end.
    pub mode: Mode,
    /// Why it is open, when it is: everything else reached the source's own end mark.
    pub open: Option<String>,
    /// The source's own count.
    pub counted: Option<CountRange>,
    /// Where the next run starts, should the scope prove complete, or the connector mark records.
    pub cursor: Option<Cursor>,
    /// What an operator should know.
    pub notes: Vec<String>,
    /// What the reading cost.
    pub traffic: Traffic,
}

/// What talking to the source cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Calls.
    pub calls: u64,
    /// Milliseconds waited at the source's wish.
    pub throttled_ms: u64,
    /// Bytes received.
    pub bytes: u64,
}

/// A record that could not be read as the data model says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// The source key, where it could be read. Without it the scope stays open (design P9).
    pub key: Option<String>,
    /// Which attribute, and what is wrong with it.
    pub reason: String,
    /// The record's values as [`crate::record::RecordView::encode`] writes them.
    pub raw: Vec<u8>,
}

/// A document beside a record: an API's definition. Records name it, see [`Blob::name`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    /// SHA-256 of the bytes, in hexadecimal, and what the document is: `<sha256>.json`. Equal names, equal bytes.
    pub name: Arc<str>,
    /// The document as it came.
    pub bytes: Vec<u8>,
}

impl Blob {
    /// Whether a text can be a blob's name, and so no path that leads elsewhere.
    pub fn is_name(text: &str) -> bool {
        text.split_once('.').is_some_and(|(hash, kind)| {
            let hexadecimal = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
            hash.len() == 64 && hash.bytes().all(hexadecimal) && kind.bytes().all(|byte| byte.is_ascii_lowercase())
        })
    }
}

/// A bounded part of a scope.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The stream.
    pub stream: Arc<str>,
    /// The scope its records lie in.
    pub scope: Arc<str>,
    /// Records with all their values, or only their keys.
    pub records: RecordBatch,
    /// Whether `records` holds only keys.
    pub keys_only: bool,
    /// Links of this batch's records or of the record before them.
    pub links: Vec<LinkPage>,
    /// Source keys that the source itself calls deleted.
    pub tombstones: Vec<String>,
    /// Records that could not be read.
    pub rejects: Vec<Reject>,
    /// Documents that the records name.
    pub blobs: Vec<Blob>,
}

impl Batch {
    /// An empty batch of a scope.
    pub fn new(stream: Arc<str>, scope: Arc<str>) -> Self {
        Self {
            stream,
            scope,
            records: RecordBatch::default(),
            keys_only: false,
            links: Vec::new(),
            tombstones: Vec::new(),
            rejects: Vec::new(),
            blobs: Vec::new(),
        }
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.links.is_empty() && self.tombstones.is_empty() && self.rejects.is_empty()
    }
}

/// Why a batch was not taken: the run is over for its reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the run was cancelled or lost its claim")]
pub struct SinkClosed;

/// Where a connector hands over what it read. Waiting here is the backpressure.
#[async_trait]
pub trait BatchSink: Send + Sync {
    /// Hands over a batch; returns once there is room for the next.
    async fn send(&self, batch: Batch) -> Result<(), SinkClosed>;
    /// Whether reading should stop.
    fn is_closed(&self) -> bool;
}

/// What a source answers when it is asked for a key again (design D3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// It is there, inside the plan's scopes; its record was handed to the sink.
    Present,
    /// It is there, outside the plan's scopes or no longer of the stream's kind.
    OutOfScope,
    /// It is not there, or only its tombstone is.
    Deleted,
    /// The source refuses to say.
    Forbidden,
    /// No answer: nothing is known.
    Unknown,
}

/// A step of a connection test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// The step's name.
    pub name: String,
    /// How it ended.
    pub outcome: StepOutcome,
    /// What was found, or what went wrong.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

/// How a step of a connection test ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepOutcome {
    /// It did.
    Passed,
    /// It did not.
    Failed,
    /// An earlier one failed.
    Skipped,
}

/// Where a connection test reports its steps as they end.
pub trait StepSink: Send + Sync {
    /// Takes a step.
    fn step(&self, step: Step);
}

/// What kind of failure a connector met: the one place where retries, states and advice are decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ErrorKind {
    /// The settings cannot work.
    Config,
    /// The source refuses the credentials.
    Auth,
    /// The credentials lack a right.
    Forbidden {
        /// The right, in the source's words.
        permission: String,
    },
    /// The source asks to slow down.
    RateLimited {
        /// For how long, in milliseconds.
        retry_after_ms: u64,
    },
    /// The source is not there, or went away.
    Unavailable,
    /// The source said something that its protocol does not allow.
    Protocol,
    /// The run was cancelled.
    Cancelled,
    /// The agent that read went away in the middle, and another process of it is there: nothing is wrong with the source.
    Interrupted,
}

/// A connector's failure: what was being done, to what, and what to do about it.
#[derive(Debug, Clone, Error)]
#[error("{operation}: {message}")]
pub struct ConnectorError {
    /// What kind of failure.
    pub kind: ErrorKind,
    /// What was being done, to what.
    pub operation: String,
    /// What happened.
    pub message: String,
    /// What to do about it.
    pub remedy: Option<String>,
}

impl ConnectorError {
    /// A failure without a remedy of its own.
    pub fn new(kind: ErrorKind, operation: impl Into<String>, message: impl Into<String>) -> Self {
        Self { kind, operation: operation.into(), message: message.into(), remedy: None }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn with_remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }
}

/// A source, opened with one connector's settings.
#[async_trait]
pub trait Connector: Send + Sync + std::fmt::Debug {
    /// What it reads.
    fn model(&self) -> &Arc<DataModel>;
    /// Whether a key can be asked for again (design D3).
    fn can_confirm(&self) -> bool;
    /// Whether its cursors speak of each record by itself, so that one of a scope that stayed open is good for what was
    /// read of it. A cursor that is a point in the source's time is not.
    fn marks_records(&self) -> bool {
        false
    }
    /// Lists the scopes. Runs once per run, before anything is read, and pins the server where there are several.
    async fn plan(&self) -> Result<Plan, ConnectorError>;
    /// Reads one scope to its end.
    async fn read(&self, request: ReadRequest<'_>, sink: &dyn BatchSink) -> Result<ScopeEnd, ConnectorError>;
    /// Asks for keys again; one verdict per key, in order. Records that are present go to the sink.
    async fn confirm(
        &self,
        stream: &str,
        keys: &[String],
        sink: &dyn BatchSink,
    ) -> Result<Vec<Verdict>, ConnectorError>;
    /// Tests the connection step by step; true when every step passed.
    async fn check(&self, sink: &dyn StepSink) -> bool;
}

/// A setting that a form asks for.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FieldSpec {
    /// The key, as the source documents spell it.
    pub key: &'static str,
    /// The label.
    pub label: &'static str,
    /// The section of CONNECTOR.toml: `authentication`, `endpoints` or `profile`.
    pub section: &'static str,
    /// Of a choice, what may be chosen.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub choices: &'static [&'static str],
    /// What it holds, in a word: `text`, `list` (of texts), `integer`, `boolean`, `choice`, `secret`, `certificate`.
    pub kind: &'static str,
    /// Whether it must be given.
    pub required: bool,
    /// What it is, in a sentence.
    pub help: &'static str,
}

/// What may be needed to read a stream.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PermissionSpec {
    /// The entity, as the source document names it.
    pub entity: &'static str,
    /// The right.
    pub permission: &'static str,
}

/// What a connector type is: plain data, from which lists, forms and reference pages are drawn.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConnectorSpec {
    /// The type's name: folder, configuration, URL and metric label.
    #[serde(rename = "type")]
    pub type_name: &'static str,
    /// What lists and `inventory.source` show.
    pub source_name: &'static str,
    /// The vendor.
    pub vendor: &'static str,
    /// The product.
    pub product: &'static str,
    /// The category.
    pub category: &'static str,
    /// Which assets.
    pub assets: &'static str,
    /// Which findings.
    pub findings: &'static str,
    /// The connector type's version.
    pub version: &'static str,
    /// Where it runs.
    pub integration_type: &'static str,
    /// Which way data flows.
    pub direction: &'static str,
    /// Whether deltas are read.
    pub delta_support: &'static str,
    /// What the source's account must be allowed.
    pub permissions: &'static [PermissionSpec],
    /// What a form asks for.
    pub fields: &'static [FieldSpec],
}

/// Settings that cannot work: which field, why, what to do.
#[derive(Debug, Clone, PartialEq, Eq, Error, Serialize)]
#[error("setting `{field}`: {problem}")]
pub struct SettingError {
    /// The field, with its section.
    pub field: String,
    /// What is wrong with it.
    pub problem: String,
    /// What to do about it.
    pub remedy: String,
}

impl SettingError {
    /// Names field, problem and remedy.
    pub fn new(field: &str, problem: &str, remedy: &str) -> Self {
        Self { field: field.to_owned(), problem: problem.to_owned(), remedy: remedy.to_owned() }
    }
}

/// A connector's settings: section → key → value.
pub type Sections = serde_json::Map<String, serde_json::Value>;

/// Puts a secret into the settings it was parted from; its field is `section.key`.
pub fn put_secret(sections: &mut Sections, field: &str, secret: &Secret) {
    let Some((section, key)) = field.split_once('.') else { return };
    let section = sections.entry(section).or_insert_with(|| Sections::new().into());
    if let Some(keys) = section.as_object_mut() {
        keys.insert(key.to_owned(), secret.reveal().into());
    }
}

/// Puts something in the place of each required secret that is not there: its holder is elsewhere, and the settings are
/// to be checked without it.
pub fn stand_in(sections: &mut Sections, spec: &ConnectorSpec) {
    for field in spec.fields.iter().filter(|field| field.kind == "secret" && field.required) {
        let is_there = sections.get(field.section).and_then(|section| section.get(field.key)).is_some();
        if !is_there {
            put_secret(sections, &format!("{}.{}", field.section, field.key), &Secret::new("held by the agent"));
        }
    }
}

/// Where a profile reads: a path from the root of what the source holds, outermost first. One that begins another
/// overlaps it; the empty one is everything.
pub type Area = Vec<String>;

/// Whether two areas have something in common.
pub fn overlap(one: &Area, other: &Area) -> bool {
    one.iter().zip(other).all(|(one, other)| one == other)
}

/// A connector type as the binary hands it to web and worker, which know no vendor.
#[derive(Debug, Clone)]
pub struct Offer {
    /// What it is.
    pub spec: &'static ConnectorSpec,
    /// What it reads.
    pub model: Arc<DataModel>,
    /// Stream → the text of its default, locked map.
    pub default_maps: &'static [(&'static str, &'static str)],
    /// Checks settings, secrets included, without sending anything; tells where they read.
    pub check: fn(&Sections) -> Result<Vec<Area>, SettingError>,
}

impl Offer {
    /// The text of a stream's default map.
    pub fn default_map(&self, stream: &str) -> Option<&'static str> {
        self.default_maps.iter().find(|(name, _)| *name == stream).map(|(_, text)| *text)
    }
}
