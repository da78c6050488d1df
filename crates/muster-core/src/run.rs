//! The run: a pure state machine over its scopes, and what its evidence proves (design D1–D3, D16).
//!
//! ```text
//! Plan → Read(scope 0) … Read(scope n) → Retire(stream) … → Resolve → Remap → Finish(result)
//! ```
//!
//! Batches are not its business. An executor does what a [`Machine`] says, and goes on to [`Machine::done`];
//! the machine is stored between the two, so that a run goes on where it was after a crash.

use serde::{Deserialize, Serialize};

use crate::connector::{Mode, ScopeEnd};
use crate::ledger::{Evidence, Expected};

/// The version of the machine that is stored with a run.
pub const MACHINE_VERSION: i64 = 1;

/// What a run came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunResult {
    /// Every scope was read to its end.
    Complete,
    /// Something is missing; the ledger names it.
    Partial,
    /// A drop is held for an operator's release.
    Held,
    /// Nothing could be read.
    Failed,
    /// It was cancelled.
    Cancelled,
}

impl RunResult {
    /// The word used in tables and documents.
    pub fn word(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Partial => "partial",
            Self::Held => "held",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// How far a run is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub enum Machine {
    /// Asks the source what there is to read.
    Plan {
        /// How many streams there are.
        streams: usize,
    },
    /// Reads the scope of that position.
    Read {
        /// Position in the plan.
        scope: usize,
        /// How many scopes there are.
        scopes: usize,
        /// How many streams there are.
        streams: usize,
    },
    /// Retires what the stream of that position proved absent.
    Retire {
        /// Position in the data model.
        stream: usize,
        /// How many streams there are.
        streams: usize,
    },
    /// Resolves members to assets.
    Resolve,
    /// Maps again what is due by time or by a new map.
    Remap,
    /// Closes the run.
    Finish,
}

impl Machine {
    /// A run over so many streams, whose scopes are not known yet.
    pub fn begin(streams: usize) -> Self {
        Self::Plan { streams }
    }

    /// The machine once the plan has so many scopes.
    #[must_use]
    pub fn planned(scopes: usize, streams: usize) -> Self {
        if scopes == 0 { Self::Retire { stream: 0, streams }.skip() } else { Self::Read { scope: 0, scopes, streams } }
    }

    /// The machine after what it asked for is done.
    #[must_use]
    pub fn done(&self) -> Self {
        match *self {
            // Without a plan there is nothing to read.
            Self::Plan { streams } => Self::planned(0, streams),
            Self::Read { scope, scopes, streams } if scope + 1 < scopes => {
                Self::Read { scope: scope + 1, scopes, streams }
            }
            Self::Read { streams, .. } => Self::Retire { stream: 0, streams }.skip(),
            Self::Retire { stream, streams } => Self::Retire { stream: stream + 1, streams }.skip(),
            Self::Resolve => Self::Remap,
            Self::Remap | Self::Finish => Self::Finish,
        }
    }

    fn skip(self) -> Self {
        match self {
            Self::Retire { stream, streams } if stream >= streams => Self::Resolve,
            other => other,
        }
    }
}

/// What a run came to, from its scopes (design P1).
pub fn result(evidence: &[Evidence], held: u64) -> RunResult {
    let complete = evidence.iter().filter(|evidence| evidence.is_settled()).count();
    match complete {
        0 if !evidence.is_empty() => RunResult::Failed,
        _ if held > 0 => RunResult::Held,
        _ if complete < evidence.len() => RunResult::Partial,
        _ => RunResult::Complete,
    }
}

/// What a scope's end proves, given what was received: distinct source keys, and records without a readable key.
pub fn evidence(end: &ScopeEnd, received: u64, keyless: u64) -> (Evidence, Expected) {
    let expected = match (end.mode, end.counted) {
        (Mode::Delta, _) => Expected::NotApplicable,
        (_, Some(range)) => Expected::Between { low: range.low, high: range.high },
        (_, None) => Expected::Unknown,
    };
    let evidence = match (&end.open, expected) {
        (Some(reason), _) => Evidence::Open { reason: reason.clone() },
        (None, _) if keyless > 0 => {
            Evidence::Open { reason: format!("{keyless} records without a readable source key") }
        }
        (None, Expected::Between { low, high }) if received < low || received > high => {
            let wanted = if low == high { low.to_string() } else { format!("{low} to {high}") };
            Evidence::Open { reason: format!("{received} distinct objects received, the source counts {wanted}") }
        }
        (None, Expected::Between { .. }) => Evidence::Counted,
        (None, _) => Evidence::Closed,
    };
    (evidence, expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machine_walks_every_phase_once_and_survives_storage() {
        let mut machine = Machine::planned(2, 3);
        let mut phases = Vec::new();
        while machine != Machine::Finish {
            machine = serde_json::from_str(&serde_json::to_string(&machine).unwrap()).unwrap();
            phases.push(format!("{machine:?}").chars().take(20).collect::<String>());
            machine = machine.done();
        }
        assert_eq!(
            phases,
            [
                "Read { scope: 0, sco",
                "Read { scope: 1, sco",
                "Retire { stream: 0, ",
                "Retire { stream: 1, ",
                "Retire { stream: 2, ",
                "Resolve",
                "Remap"
            ]
        );
        assert_eq!(machine.done(), Machine::Finish);
        assert_eq!(Machine::planned(0, 0), Machine::Resolve);
        assert_eq!(Machine::begin(3), Machine::Plan { streams: 3 });
    }

    #[test]
    fn one_open_scope_makes_a_run_partial() {
        let open = Evidence::Open { reason: "cut".to_owned() };
        assert_eq!(result(&[Evidence::Counted, Evidence::Closed], 0), RunResult::Complete);
        assert_eq!(result(&[Evidence::Counted, open.clone()], 0), RunResult::Partial);
        assert_eq!(result(&[Evidence::Counted], 3), RunResult::Held);
        assert_eq!(result(&[Evidence::Kept, Evidence::Kept], 0), RunResult::Complete);
        assert!(!Evidence::Kept.is_complete(), "a replay proves nothing about the source");
        assert_eq!(result(&[open], 0), RunResult::Failed);
        assert_eq!(result(&[Evidence::Counted, Evidence::Pending], 0), RunResult::Partial);
    }
}
