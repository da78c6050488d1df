//! The binary against real servers.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails where it stands")]

mod agent;
mod agent_kills;
mod agents;
mod anypoint;
mod anypoint_faults;
mod anypoint_hostile;
mod azure;
mod azure_changes;
#[path = "../../../muster-web/tests/it/bodies.rs"]
mod bodies;
mod checks;
mod command;
mod connections;
mod directory;
mod faults;
mod full_disk;
mod hub;
mod hub_secrets;
mod kills;
mod lab;
mod ldif;
mod memory;
mod moves;
mod names;
mod readers;
mod samba;
mod secrets;
mod serving;
mod simulated;
mod spec;
mod starting;
#[path = "../../../muster-web/tests/it/tables.rs"]
mod tables;
mod tenants;
mod traces;
mod usage;
