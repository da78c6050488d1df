//! Bodies: JSON and forms.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{StatusCode, header};
use muster_core::secret::without_value;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::parameters::{misfit, pair_with_nul};
use crate::error::{Code, Problem};

/// How deep arrays and objects of a body may be nested.
const MAXIMUM_DEPTH: usize = 32;

/// A body of JSON.
#[derive(Debug)]
pub struct Body<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if !is_of_type(&request, "application/json") {
            return Err(Problem::new(Code::UnsupportedMediaType));
        }
        let bytes = read(request, state).await?;
        parse(&bytes).map(Self)
    }
}

/// A body of JSON that may be left out: then it is its default.
#[derive(Debug)]
pub struct OptionalBody<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Default> FromRequest<S> for OptionalBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let is_json = is_of_type(&request, "application/json");
        let bytes = read(request, state).await?;
        match (bytes.is_empty(), is_json) {
            (true, _) => Ok(Self(T::default())),
            (false, true) => parse(&bytes).map(Self),
            (false, false) => Err(Problem::new(Code::UnsupportedMediaType)),
        }
    }
}

/// A form, as browsers and `POST /auth` send it.
#[derive(Debug)]
pub struct Form<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Form<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if !is_of_type(&request, "application/x-www-form-urlencoded") {
            let remedy = "send `Content-Type: application/x-www-form-urlencoded`";
            return Err(Problem::new(Code::UnsupportedMediaType).remedy(remedy));
        }
        let bytes = read(request, state).await?;
        if let Some(name) = pair_with_nul(&String::from_utf8_lossy(&bytes)) {
            return Err(Problem::new(Code::InvalidBody).field(name).detail("it holds a NUL character"));
        }
        let request = Request::builder()
            .method("POST")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(axum::body::Body::from(bytes))
            .map_err(|_| Problem::new(Code::InvalidRequest))?;
        let form = axum::Form::<T>::from_request(request, &()).await;
        form.map(|form| Self(form.0)).map_err(|rejection| {
            // The message may quote a value, which may be a secret.
            Problem {
                detail: Some("the form cannot be read".to_owned()),
                ..misfit(Code::InvalidBody, &rejection.body_text())
            }
        })
    }
}

pub(crate) fn is_of_type(request: &Request, wanted: &str) -> bool {
    let given = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = given.and_then(|given| given.split(';').next()).map(str::trim);
    essence.is_some_and(|essence| essence.eq_ignore_ascii_case(wanted))
}

/// How long a body may take to arrive.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BodyDeadline(pub(crate) Duration);

/// The body's bytes, up to the limit.
pub(crate) async fn read<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Problem> {
    let deadline = request.extensions().get::<BodyDeadline>().map_or(Duration::MAX, |deadline| deadline.0);
    let arrived = tokio::time::timeout(deadline, Bytes::from_request(request, state)).await;
    let late = || {
        let detail = format!("the body did not arrive within {} seconds", deadline.as_secs());
        Problem::new(Code::TooSlow).detail(detail)
    };
    arrived.map_err(|_| late())?.map_err(|rejection| {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            let limit = crate::layers::MAXIMUM_BODY;
            return Problem::new(Code::TooLarge).detail(format!("a body has at most {limit} bytes"));
        }
        Problem::new(Code::InvalidRequest).detail("the body cannot be read to its end")
    })
}

/// Reads JSON. Messages never quote a value: it may be a secret.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let invalid = |detail: String| Problem::new(Code::InvalidBody).detail(detail);
    if depth(bytes) > MAXIMUM_DEPTH {
        return Err(invalid(format!("it is nested deeper than {MAXIMUM_DEPTH}")));
    }
    let place = |error: &serde_json::Error| format!("line {}, column {}", error.line(), error.column());
    let value: Value =
        serde_json::from_slice(bytes).map_err(|error| invalid(format!("it is not JSON ({})", place(&error))))?;
    if let Some(field) = nul_in(&value) {
        return Err(invalid("a text holds a NUL character".to_owned()).field(field));
    }
    // Arrays would do for serde, field by field.
    if !value.is_object() {
        return Err(invalid("it is no object".to_owned()));
    }
    serde_path_to_error::deserialize(value).map_err(|error| misfit_of(&error))
}

/// What does not fit, and where: the field that is missing or unknown, else the one whose value it is.
fn misfit_of(error: &serde_path_to_error::Error<serde_json::Error>) -> Problem {
    let message = error.inner().to_string();
    let named = message.strip_prefix("missing field `").or_else(|| message.strip_prefix("unknown field `"));
    let named = named.and_then(|rest| Some(rest.split_once('`')?.0));
    let path = error.path().to_string();
    let field = match (path.as_str(), named) {
        ("." | "?", Some(name)) => name.to_owned(),
        (path, Some(name)) if !path.ends_with(name) => format!("{path}.{name}"),
        (path, _) => path.to_owned(),
    };
    let detail = without_value(&message).unwrap_or_else(|| "it has another form".to_owned());
    let problem = Problem::new(Code::InvalidBody).detail(detail);
    if matches!(field.as_str(), "." | "?") { problem } else { problem.field(field) }
}

/// How deep the text opens brackets outside of strings; cheap, before anything is built.
fn depth(bytes: &[u8]) -> usize {
    let (mut open, mut deepest, mut quoted, mut escaped) = (0_usize, 0, false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'{' | b'[' if !quoted => {
                open += 1;
                deepest = deepest.max(open);
            }
            b'}' | b']' if !quoted => open = open.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// The path of the first text that holds a NUL character: PostgreSQL keeps none.
fn nul_in(value: &Value) -> Option<String> {
    let below = |name: &str, value: &Value| {
        let inner = nul_in(value)?;
        let dot = if inner.is_empty() || inner.starts_with('[') { "" } else { "." };
        Some(format!("{name}{dot}{inner}"))
    };
    match value {
        Value::String(text) => text.contains('\0').then(String::new),
        Value::Array(values) => values.iter().enumerate().find_map(|(at, value)| below(&format!("[{at}]"), value)),
        Value::Object(fields) => fields.iter().find_map(|(name, value)| {
            if name.contains('\0') { Some(name.replace('\0', "\u{fffd}")) } else { below(name, value) }
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Taken {
        #[expect(dead_code, reason = "only its reading is tested")]
        port: u16,
    }

    fn refused(text: &str) -> String {
        parse::<Taken>(text.as_bytes()).unwrap_err().detail.unwrap()
    }

    #[test]
    fn messages_quote_no_value() {
        assert_eq!(refused(r#"{"port":"canary"}"#), "a value is of another kind: expected u16");
        assert_eq!(refused(r#"{"port":"a, expected canary"}"#), "a value is of another kind: expected u16");
        assert_eq!(refused("{}"), "missing field `port`");
        let field = |text: &str| parse::<Taken>(text.as_bytes()).unwrap_err().field.unwrap();
        for text in [r#"{"port":"canary"}"#, "{}", r#"{"port":1e9}"#] {
            assert_eq!(field(text), "port", "{text}");
        }
        assert_eq!(field(r#"{"port":1,"prot":2}"#), "prot");
        assert_eq!(field(r#"{"port":{"a":[1,"\u0000"]}}"#), "port.a[1]");
        assert_eq!(refused("[1]"), "it is no object");
        assert_eq!(refused("{"), "it is not JSON (line 1, column 1)");
        assert_eq!(refused(r#"{"port":1,"x\u0000":2}"#), "a text holds a NUL character");
        assert_eq!(refused(&"[".repeat(100_000)), "it is nested deeper than 32");
        assert!(parse::<Value>(br#"{"a":"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"["}"#).is_ok());
    }
}
