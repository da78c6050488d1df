//! The run: a pure state machine over its scopes, and what its evidence proves (design D1–D3, D16).

use crate::connector::{Mode, ScopeEnd};
use crate::ledger::{Evidence, Expected};

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
