//! Parameters of the address.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use crate::error::{Code, Problem};

/// What the path names. What cannot be a name of anything is not found.
#[derive(Debug)]
pub struct Path<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        if holds_nul(parts.uri.path()) {
            return Err(Problem::new(Code::NotFound));
        }
        let path = axum::extract::Path::<T>::from_request_parts(parts, state).await;
        path.map(|path| Self(path.0)).map_err(|_| Problem::new(Code::NotFound))
    }
}

/// What follows `?`.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        if let Some(name) = parts.uri.query().and_then(pair_with_nul) {
            return Err(Problem::new(Code::InvalidParameter).field(name).detail("it holds a NUL character"));
        }
        let query = axum::extract::Query::<T>::from_request_parts(parts, state).await;
        query.map(|query| Self(query.0)).map_err(|rejection| misfit(Code::InvalidParameter, &rejection.body_text()))
    }
}

/// A parameter or form field that does not fit, as axum says it: "Failed to …: limit: invalid digit found in string".
pub(super) fn misfit(code: Code, text: &str) -> Problem {
    let mut parts = text.split(": ").skip(1);
    let first = parts.next().unwrap_or_default();
    let last = parts.last();
    let problem = Problem::new(code).detail(last.unwrap_or(first));
    // What is missing or there twice is named by the message alone.
    match last.map(|_| first).or_else(|| first.split('`').nth(1)) {
        Some(name) => problem.field(name),
        None => problem,
    }
}

/// The name of the first pair of an address or a form that holds a NUL character: PostgreSQL keeps none in text.
pub(super) fn pair_with_nul(text: &str) -> Option<&str> {
    let pair = text.split('&').find(|pair| holds_nul(pair))?;
    pair.split(['=', '%', '\0']).next()
}

fn holds_nul(text: &str) -> bool {
    text.contains("%00") || text.contains('\0')
}
