//! The hub's tables: who may, what is configured, what is to be done (docs/adr/0006).
//!
//! ```text
//! web ─→ connectors, profiles, own maps, accounts, clients   (each change with its audit line, in one transaction)
//! web, scheduler ─→ job ─claim→ worker ─→ event, job's end
//! ```
//!
//! *Is here*: rows and the statements that keep them whole. *Is not here*: what a job does (engine), who may (web).

macro_rules! params {
    ($($value:expr),* $(,)?) => { vec![$(crate::sql::Param::from($value)),*] };
}

mod accounts;
mod agents;
mod audit;
mod bindings;
mod clients;
mod connections;
mod events;
mod held;
mod jobs;
mod letters;
mod lists;
mod orders;
mod own_maps;
mod profiles;
mod purge;
mod removal;
mod secrets;
mod sessions;
mod standing;
mod tenants;

pub use accounts::{AccountRow, NewAccount};
pub use agents::{AgentRow, AgentStanding, AgentTold};
pub use audit::{AuditLine, AuditRow};
pub use bindings::{BindingRow, Enrolment, Subject as AgentSubject};
pub use clients::{ClientRow, NewClient};
pub use connections::{ConnectionChange, ConnectionRow};
pub use events::{EventRow, NewEvent};
pub use held::HeldRow;
pub use jobs::{Enqueued, JobClaim, JobEnd, JobFilter, JobPlace, JobRow, NewJob};
pub use letters::{LetterFilter, LetterRow};
pub use lists::{ConnectorLabel, RunFilter};
pub use orders::{NewOrder, OrderRow, OrderState, Put};
pub use own_maps::{MapVersionRow, NewMap, OwnMapRow};
pub use profiles::{ProfileChange, ProfileRow};
pub use purge::Purged;
pub use secrets::{SealedSecret, SecretRow};
pub use sessions::SessionRow;
pub use standing::{Ended, Standing, Subject};
pub use tenants::TenantRow;

use crate::StoreError;

/// A page of a list: the rows after an id, at most so many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// The id of the last row of the page before; 0 for the first page, and for lists that run backwards `i64::MAX`.
    pub after: i64,
    /// The most rows.
    pub limit: i64,
}

/// Why a change was not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such thing in this tenant.
    Missing,
    /// Another one has that name.
    Taken,
    /// It was changed meanwhile: the version told is not the one stored.
    Changed,
    /// Something that is open stands in the way.
    Busy,
}

/// A change that was made, or why it was not.
pub type Changed<T> = Result<Result<T, Refusal>, StoreError>;

pub(crate) fn value(text: &str) -> Result<serde_json::Value, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Corrupt(error.to_string()))
}
