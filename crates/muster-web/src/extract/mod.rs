//! What handlers take: bodies, parameters and paths whose failures are problems, all of it bounded.

mod body;
mod parameters;

pub use body::{Body, Form, OptionalBody};
pub(crate) use body::{BodyDeadline, is_of_type, read};
pub use parameters::{Path, Query};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use crate::error::Problem;
use crate::layers::RequestId;

impl<S: Sync> FromRequestParts<S> for RequestId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_else(|| Self(String::new())))
    }
}
