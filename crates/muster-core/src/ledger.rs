//! The ledger: what a run saw and did, per stream and scope (design section 1).

use serde::{Deserialize, Serialize};

/// How a scope ended (design D2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Evidence {
    /// Not read yet, or being read.
    Pending,
    /// An independent count of this run equals what was received.
    Counted,
    /// Every page up to the source's own end mark; no count to be had.
    Closed,
    /// Nothing was read: what is kept was mapped again. It proves nothing about the source.
    Kept,
    /// Something is missing.
    Open {
        /// What, and where.
        reason: String,
    },
}

impl Evidence {
    /// Whether the scope counts as read to its end.
    pub fn is_complete(&self) -> bool {
        matches!(self, Self::Counted | Self::Closed)
    }

    /// Whether all that the run was to do in the scope is done: read to its end, or mapped again.
    pub fn is_settled(&self) -> bool {
        self.is_complete() || matches!(self, Self::Kept)
    }

    /// One word for tables.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Counted => "counted",
            Self::Closed => "closed",
            Self::Kept => "kept",
            Self::Open { .. } => "open",
        }
    }
}

/// What was expected of a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expected {
    /// No count to be had.
    Unknown,
    /// A delta: nothing to compare with.
    NotApplicable,
    /// The source counted so many, before and after.
    Between {
        /// The smaller count.
        low: u64,
        /// The greater count.
        high: u64,
    },
}

/// The counters of a scope, or of a stream, or of a run: they add up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Counters {
    /// Distinct source keys that were read.
    pub received: u64,
    /// Records that went to the dead letters.
    pub rejected: u64,
    /// Optional values that were dropped.
    pub dropped_values: u64,
    /// Assets that did not exist before.
    pub created: u64,
    /// Assets whose content changed.
    pub updated: u64,
    /// Assets of which only volatile values changed.
    pub refreshed: u64,
    /// Assets that are as they were.
    pub unchanged: u64,
    /// Assets that had been gone.
    pub reappeared: u64,
    /// Assets that were retired.
    pub gone: u64,
    /// Assets that would have been retired, had the guard not held them.
    pub held: u64,
    /// Members that joined a set.
    pub links_added: u64,
    /// Members that left a set.
    pub links_removed: u64,
    /// Calls to the source.
    pub calls: u64,
    /// Milliseconds spent waiting because the source asked for it.
    pub throttled_ms: u64,
    /// Bytes read from the source.
    pub bytes: u64,
}

impl Counters {
    /// How many assets were written.
    pub fn touched(&self) -> u64 {
        self.created + self.updated + self.refreshed + self.reappeared
    }

    /// Adds another scope's counters.
    pub fn add(&mut self, other: &Self) {
        self.received += other.received;
        self.rejected += other.rejected;
        self.dropped_values += other.dropped_values;
        self.created += other.created;
        self.updated += other.updated;
        self.refreshed += other.refreshed;
        self.unchanged += other.unchanged;
        self.reappeared += other.reappeared;
        self.gone += other.gone;
        self.held += other.held;
        self.links_added += other.links_added;
        self.links_removed += other.links_removed;
        self.calls += other.calls;
        self.throttled_ms += other.throttled_ms;
        self.bytes += other.bytes;
    }
}

/// One line of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LedgerLine {
    /// The stream.
    pub stream: String,
    /// The scope.
    pub scope: String,
    /// The mode in which it was read.
    pub mode: crate::connector::Mode,
    /// How it ended.
    pub evidence: Evidence,
    /// What was expected.
    pub expected: Expected,
    /// What was counted.
    #[serde(flatten)]
    pub counters: Counters,
    /// What an operator should know.
    pub notes: Vec<String>,
}
