//! The schema: the two migrations are twins, and tenants are apart.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod schema;
