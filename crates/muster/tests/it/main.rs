//! The binary against real servers.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails where it stands")]

mod command;
mod directory;
mod faults;
mod kills;
mod lab;
mod ldif;
mod samba;
mod usage;
