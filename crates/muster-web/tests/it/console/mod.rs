//! The console: every page that a test loads is also held to what all pages promise (see [`browser`]).

mod agents;
mod apis;
pub(crate) mod browser;
mod forms;
mod inventory;
mod pages;
mod session;
pub(crate) mod source;
pub(crate) mod world;
