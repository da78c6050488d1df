//! The web's tests, over both databases.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[allow(dead_code, clippy::allow_attributes, clippy::allow_attributes_without_reason)]
mod app;
mod auth;
mod console;
