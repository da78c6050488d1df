//! The simulators, driven by clients that are not Muster's.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod changes;
mod client;
mod content;
mod control;
mod faults;
mod protocol;
