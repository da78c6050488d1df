//! Why a record was rejected.

use muster_core::map::Rejection;

/// Why a record was rejected, and what is kept of it.
pub(super) struct Told {
    pub(super) reason: String,
    pub(super) raw: Vec<u8>,
    /// The target that stayed empty, where a map said so.
    pub(super) target: Option<String>,
}

impl Told {
    pub(super) fn of(rejection: Rejection, raw: Vec<u8>) -> Self {
        Self { reason: rejection.to_string(), raw, target: Some(rejection.target) }
    }
}
