//! The binary against real servers.

mod command;
mod directory;
mod faults;
mod lab;
mod ldif;
mod samba;
