//! The web's tests, over both databases.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod agent;
mod apis;
mod app;
mod auth;
mod bodies;
mod configure;
mod console;
mod directory;
mod events;
mod full;
mod gateway;
mod inventory;
mod letters;
mod lists;
mod maps;
mod nonsense;
mod people;
mod tables;
mod tenants;
mod trouble;
mod walk;
