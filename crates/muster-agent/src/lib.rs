//! Muster's on-prem agent (docs/adr/0013): reads near the source, delivers to a hub over HTTPS.
//!
//! ```text
//! settings ─→ Link (proxy, TLS, token) ─→ session ─→ orders ─→ connector ─→ parcels ─→ hub, or the spool while it is away
//! ```
//!
//! *Is here*: the env file, the way to the hub, the work, the spool. *Is not here*: maps, inventory, history and cursors,
//! which live in the hub; connectors, which know no agent; printing, which is the binary's.
//!
//! *To extend*: a setting is a line in `settings/keys.rs` and a check; a failure is a row of [`failure::KINDS`].

mod agent;
mod client;
pub mod failure;
mod log;
mod machine;
pub mod settings;
mod spool;
mod work;

pub use agent::{ALIVE, Agent, Ended, check};
pub use log::Tell;
