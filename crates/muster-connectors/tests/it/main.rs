//! The connectors against real servers. Without them (`MUSTER_TEST_SAMBA`, `MUSTER_TEST_SCALE`: directories of labs, see
//! `tests/labs/README.md`) these tests say that they were skipped and pass.

#![expect(clippy::unwrap_used, clippy::panic, reason = "what a test's helpers cannot do fails the test")]

mod active_directory;
mod lab;
mod oracle;
mod sink;
mod state;
