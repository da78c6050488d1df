//! The schema: the two migrations are twins, and tenants are apart.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends")]

mod schema;
