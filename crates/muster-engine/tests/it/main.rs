//! The run pipeline against a scripted source, over both databases: each promise with the fault that would break it.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends")]

mod again;
mod backpressure;
mod bench;
mod complete;
mod fence;
mod gone;
mod guard;
mod history;
mod hub;
mod letters;
mod links;
mod loads;
mod profiles;
mod purge;
mod resume;
mod schedule;
mod script;
mod source;
mod tables;
mod untouched;
mod world;
