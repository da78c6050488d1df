//! What one batch changes: plain data, which the engine fills and [`super`] writes.

use muster_core::asset::Class;
use muster_core::clock::Instant;
use muster_core::connector::Blob;
use muster_core::link::LinkPage;
use muster_core::reconcile::Cause;
use muster_core::record::RecordHash;

use crate::runs::ConnectorRow;

/// An asset to be made or rewritten.
#[derive(Debug, Clone)]
pub struct AssetWrite {
    /// Its id, reserved or known.
    pub id: i64,
    /// Whether it has no rows yet.
    pub created: bool,
    /// Its source key.
    pub source_key: String,
    /// Hash of the content attributes.
    pub record_hash: RecordHash,
    /// Hash of the volatile attributes as they were read.
    pub volatile_hash: RecordHash,
    /// The content attributes it has, a bit each.
    pub attributes: u64,
    /// When it was first seen.
    pub first_seen: Instant,
    /// When its content last changed.
    pub changed_at: Instant,
    /// When it is to be mapped again.
    pub recheck_at: Option<Instant>,
    /// Its external id.
    pub external_id: Option<String>,
    /// Its vendor id.
    pub vendor_id: Option<String>,
    /// The source key of its container.
    pub container: Option<String>,
    /// Its name in the container.
    pub relative_name: Option<String>,
    /// The `assetDetail` document.
    pub detail: serde_json::Map<String, serde_json::Value>,
    /// Its volatile values, encoded.
    pub volatile: Vec<u8>,
    /// Its content and identity values, encoded.
    pub raw: Vec<u8>,
    /// The scope it lies in.
    pub scope: i64,
    /// The map that made it.
    pub map: i64,
}

/// An asset of which only volatile values, or what time makes of them, changed.
#[derive(Debug, Clone)]
pub struct RefreshWrite {
    /// The asset.
    pub id: i64,
    /// Hash of the volatile attributes as they were read; none where nothing was read.
    pub volatile_hash: Option<RecordHash>,
    /// Its volatile values, encoded.
    pub volatile: Vec<u8>,
    /// The `assetDetail` document.
    pub detail: serde_json::Map<String, serde_json::Value>,
    /// When it is to be mapped again.
    pub recheck_at: Option<Instant>,
}

/// An entry of history.
#[derive(Debug, Clone)]
pub struct ChangeWrite {
    /// The asset.
    pub asset: i64,
    /// Why.
    pub cause: Cause,
    /// Path → the value before.
    pub before: serde_json::Map<String, serde_json::Value>,
    /// What changed in an API's definition, where it changed: a list.
    pub definition: Option<serde_json::Value>,
}

/// A record that was rejected.
#[derive(Debug, Clone)]
pub struct DeadLetterWrite {
    /// Its source key.
    pub source_key: String,
    /// Why.
    pub reason: String,
    /// Its values, encoded.
    pub raw: Vec<u8>,
    /// The map that rejected it; none where it could not even be decoded.
    pub map: Option<i64>,
    /// The target that stayed empty.
    pub target: Option<String>,
}

/// A record that lost content attributes: it waits until the guard has seen them all.
#[derive(Debug, Clone)]
pub struct Parked {
    /// The asset.
    pub asset: i64,
    /// The attributes it lost, a bit each.
    pub lost: u64,
    /// All its values, encoded.
    pub record: Vec<u8>,
}

/// All that one batch changes.
#[derive(Debug)]
pub struct BatchWrite {
    /// The connector.
    pub connector: ConnectorRow,
    /// The stream.
    pub stream: String,
    /// The class of its assets.
    pub class: Class,
    /// The run's time.
    pub as_of: Instant,
    /// The server the records came from.
    pub origin: Option<String>,
    /// Documents that the assets name; what is kept already stays as it is.
    pub blobs: Vec<Blob>,
    /// New and changed assets.
    pub assets: Vec<AssetWrite>,
    /// Refreshed assets.
    pub refreshes: Vec<RefreshWrite>,
    /// Assets and the scopes they lie in: they are not missing, all else is as it was.
    pub touches: Vec<(i64, i64)>,
    /// History.
    pub changes: Vec<ChangeWrite>,
    /// Rejected records.
    pub dead_letters: Vec<DeadLetterWrite>,
    /// Assets whose record was as good as the one before: a dead letter of theirs is mended.
    pub readable: Vec<i64>,
    /// Records that lost attributes.
    pub parked: Vec<Parked>,
    /// Link pages with their owner's id.
    pub links: Vec<(i64, LinkPage)>,
    /// Assets seen.
    pub seen: Vec<i64>,
    /// Assets created or changed.
    pub changed: Vec<i64>,
    /// Assets that the ledger line counts as created, updated, reappeared or refreshed.
    pub counted: Vec<i64>,
    /// Assets that the source calls deleted.
    pub deleted: Vec<i64>,
    /// The assets are mapped again from what is stored: where they were read, and that they are missing, stays.
    pub replayed: bool,
    /// The records come from the dead letters: those that stay there were replayed once more.
    pub retried: bool,
    /// The number of the batch in its scope's attempt.
    pub number: i64,
}

impl BatchWrite {
    /// A batch that changes nothing yet.
    pub fn new(connector: &ConnectorRow, stream: &str, class: Class, as_of: Instant) -> Self {
        Self {
            connector: connector.clone(),
            stream: stream.to_owned(),
            class,
            as_of,
            origin: None,
            blobs: Vec::new(),
            assets: Vec::new(),
            refreshes: Vec::new(),
            touches: Vec::new(),
            changes: Vec::new(),
            dead_letters: Vec::new(),
            readable: Vec::new(),
            parked: Vec::new(),
            links: Vec::new(),
            seen: Vec::new(),
            changed: Vec::new(),
            counted: Vec::new(),
            deleted: Vec::new(),
            replayed: false,
            retried: false,
            number: 0,
        }
    }
}
