//! Simulators of the sources that Muster reads, for its tests and its demonstration.
//!
//! *Is here*: [`directory`], an Active Directory domain controller over LDAP; over HTTP [`azure`], a tenant with API
//! Management, and [`anypoint`], MuleSoft's platform. Each simulator is seeded (the same seed and sizes give the same world), can be changed, can be made to fail in the ways that real sources fail, and tells
//! the truth about itself on a control port, so that what a connector read can be compared with what there was.
//!
//! *Is not here*: real servers (`tests/labs`), and anything that a product would need: no simulator keeps data or
//! secrets, and each listens on loopback unless told otherwise.
//!
//! *Adding one*: a module with `start(options)`, a running handle with its addresses, `banner()`, `change`,
//! `set_faults`, `truth` and `stop`, and the same under `/_lab/` on its port.

pub mod anypoint;
pub mod azure;
pub mod directory;
mod error;
mod query;
mod serving;

pub use error::LabError;
