//! The binary against real servers.

mod command;
mod directory;
mod lab;
mod ldif;
mod samba;
