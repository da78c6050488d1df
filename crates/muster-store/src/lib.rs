//! q

pub mod search;
