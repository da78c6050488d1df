//! What an agent sends is outside input: bounded, without what no database keeps, and never believed beyond its call.

use std::collections::BTreeSet;

use muster_core::agent::{Failure, PlanParcel, ScopeParcel, StepParcel};
use muster_core::connector::{ConnectorError, ErrorKind, Plan, ScopeEnd, Step};
use muster_core::model::DataModel;

/// The most scopes of a plan.
const SCOPES: usize = 10_000;
/// The most notes of a call.
const NOTES: usize = 100;
/// The most strange names that are told.
pub(super) const NAMES: usize = 20;
/// The longest sentence, in characters.
const SENTENCE: usize = 2000;
/// The longest name or cursor, in bytes.
const NAME: usize = 64 << 10;
/// The most that is believed of a call's cost: sums of it stay numbers.
const COUNT: u64 = 1 << 50;

/// A sentence for people.
pub(super) fn text(given: String) -> String {
    let clean = |sign: char| if sign == '\0' { char::REPLACEMENT_CHARACTER } else { sign };
    given.chars().take(SENTENCE).map(clean).collect()
}

fn texts(given: Vec<String>) -> Vec<String> {
    given.into_iter().take(NOTES).map(text).collect()
}

/// Whether a text can be kept as it is.
fn is_name(text: &str) -> bool {
    text.len() <= NAME && !text.contains('\0')
}

pub(super) fn plan(given: PlanParcel, model: &DataModel) -> Result<Plan, &'static str> {
    let names: BTreeSet<_> = given.scopes.iter().collect();
    let can_be = |(stream, name): &(String, String)| model.stream(stream).is_some() && is_name(name);
    if given.scopes.len() > SCOPES || names.len() != given.scopes.len() || !given.scopes.iter().all(can_be) {
        return Err("list of scopes");
    }
    if !given.origin.as_deref().is_none_or(is_name) {
        return Err("origin");
    }
    Ok(PlanParcel { notes: texts(given.notes), ..given }.into())
}

pub(super) fn end(given: ScopeParcel) -> Result<ScopeEnd, &'static str> {
    if !given.cursor.as_ref().is_none_or(|cursor| cursor.0.len() <= NAME << 4 && !cursor.0.contains('\0')) {
        return Err("cursor");
    }
    let open = given.open.map(text);
    let (calls, throttled, bytes) = given.traffic;
    let traffic = (calls.min(COUNT), throttled.min(COUNT), bytes.min(COUNT));
    Ok(ScopeParcel { notes: texts(given.notes), open, traffic, ..given }.into())
}

pub(super) fn step(given: StepParcel) -> Step {
    let StepParcel { name, outcome, message, remedy } = given;
    StepParcel { name: text(name), outcome, message: text(message), remedy: remedy.map(text) }.into()
}

pub(super) fn failure(given: Failure) -> ConnectorError {
    let kind = match given.kind {
        // Whether the run is cancelled is not the agent's to say.
        ErrorKind::Cancelled => ErrorKind::Interrupted,
        ErrorKind::Forbidden { permission } => ErrorKind::Forbidden { permission: text(permission) },
        kind => kind,
    };
    let (operation, message) = (text(given.operation), text(given.message));
    Failure { kind, operation, message, remedy: given.remedy.map(text) }.into()
}
