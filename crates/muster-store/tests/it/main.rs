//! The schema, the queue of work, and tenants that are apart.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod agents;
mod blobs;
mod both;
mod elements;
mod jobs;
mod runs;
mod schema;
