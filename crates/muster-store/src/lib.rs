//! Muster's store: SQLite embedded, PostgreSQL where one machine is not enough, behind one interface.
//!
//! ```text
//! prefilter(keys) ─→ priors        write(fence, BatchWrite): inventory, search, raw, edges, history, seen, scope
//!                                  in one transaction, which fails when the fence says the writer is old (D10)
//! ```
//!
//! *Is here*: all SQL there is. Statements are set-based and shared by both databases; what differs lies in
//! [`dialect`]. *Is not here*: decisions. What is new, changed or gone is `muster_core::reconcile`'s to say.
//!
//! *To extend*: a twin migration in `migrations/{sqlite,postgres}`, a row struct, a statement per batch.

mod assets;
mod blobs;
mod claims;
mod connectors;
pub mod dialect;
mod digest;
mod error;
mod hints;
pub mod hub;
mod ids;
mod inventory;
mod letters;
mod links;
mod load;
mod query;
mod retire;
mod runs;
mod schema;
pub mod search;
mod space;
pub mod sql;
mod store;
mod write;

pub use assets::{AssetRow, AssetText, ChangeRecord, DeadLetterRow};
pub use claims::{Fence, RunClaim};
pub use connectors::NewConnector;
pub use error::StoreError;
pub use ids::SeenKind;
pub use inventory::{Asked, DocumentRow, Prior, Totals};
pub use letters::{KeptLetter, Letters};
pub use links::EdgeRow;
pub use retire::ParkedRow;
pub use runs::{ConnectorRow, FIRST_TENANT, Order, RunClose, RunRow, SEVERAL_MAPS, ScopeClose, ScopeRow};
pub use store::{Location, Store};
pub use write::{AssetWrite, BatchWrite, ChangeWrite, DeadLetterWrite, PackedBatch, Parked, RefreshWrite};
