//! Muster's run pipeline and its embedded executor.
//!
//! ```text
//! executor: Machine::next → Read(scope) | Retire(stream) | Resolve | Remap | Finish
//!   Read:   connector ─batches→ channel ─→ intake: prefilter → decide → map → store.write
//!   Retire: candidates = known − seen → confirm(keys) → guard → gone | held | moved
//! ```
//!
//! *Is here*: what happens to a batch, and in which order a run does things. *Is not here*: vendors (connectors), SQL
//! (store), decisions about single records (`muster_core::reconcile`).

mod error;
mod executor;
mod intake;
pub mod print;
pub mod purge;
mod remap;
mod replay;
mod retire;
pub mod scheduler;
mod scope;
pub mod worker;

pub use error::EngineError;
pub use executor::{Options, Progress, Report, Subject, replay, run};
