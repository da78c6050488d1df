//! What is wrong with a schedule.

use thiserror::Error;

/// A schedule that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{field}` {problem}: {remedy}")]
pub struct ScheduleError {
    /// The field as the wire form names it.
    pub field: String,
    /// What is wrong with it.
    pub problem: String,
    /// What to write instead.
    pub remedy: String,
}

impl ScheduleError {
    pub(super) fn new(field: &str, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { field: field.to_owned(), problem: problem.into(), remedy: remedy.into() }
    }
}

/// A piece of outside text, short enough for a message.
pub(super) fn shortened(text: &str) -> String {
    const MOST: usize = 40;
    let mut shown: String = text.chars().take(MOST).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(MOST).is_some() {
        shown.push('…');
    }
    shown
}
