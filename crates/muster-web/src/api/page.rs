//! Pages of lists, and versions of what is changed.

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;
use data_encoding::BASE64URL_NOPAD;
use muster_store::hub;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::error::{Code, Problem};
use crate::extract::Query;

const LIMIT: i64 = 100;
const LARGEST: i64 = 1000;

/// Where a page begins, and how long it is.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageParameters {
    /// The `nextCursor` of the page before.
    cursor: Option<String>,
    /// How many items: 1 to 1000; 100, where absent.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<i64>,
}

/// A page that is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Paging {
    pub(crate) cursor: Option<String>,
    pub(crate) limit: i64,
}

impl<S: Send + Sync> FromRequestParts<S> for Paging {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Query(given) = Query::<PageParameters>::from_request_parts(parts, state).await?;
        let limit = given.limit.unwrap_or(LIMIT);
        if !(1..=LARGEST).contains(&limit) {
            let detail = format!("`limit` is 1 to {LARGEST}");
            return Err(Problem::new(Code::InvalidParameter).field("limit").detail(detail));
        }
        Ok(Self { cursor: given.cursor, limit })
    }
}

impl Paging {
    /// The page of a list that runs forwards by id: one row more than is shown, to know whether there is another.
    pub(crate) fn forwards(&self, list: &str) -> Result<hub::Page, Problem> {
        Ok(hub::Page { after: self.after(list)?.unwrap_or(0), limit: self.limit + 1 })
    }

    /// The page of a list that runs backwards by id.
    pub(crate) fn backwards(&self, list: &str) -> Result<hub::Page, Problem> {
        Ok(hub::Page { after: self.after(list)?.unwrap_or(i64::MAX), limit: self.limit + 1 })
    }

    fn after(&self, list: &str) -> Result<Option<i64>, Problem> {
        let Some(cursor) = &self.cursor else { return Ok(None) };
        let text = open_cursor(cursor, list)?;
        text.parse().map(Some).map_err(|_| Problem::new(Code::InvalidCursor).field("cursor"))
    }

    /// The answer: what is shown of the rows that were read, and where the next page begins.
    pub(crate) fn answer<Row, T>(
        &self,
        list: &str,
        mut rows: Vec<Row>,
        id: impl Fn(&Row) -> i64,
        shown: impl FnMut(Row) -> T,
    ) -> Paged<T> {
        let shown_rows = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let more = rows.len() > shown_rows;
        rows.truncate(shown_rows);
        let next_cursor = rows.last().filter(|_| more).map(|row| cursor(list, &id(row).to_string()));
        Paged { items: rows.into_iter().map(shown).collect(), next_cursor }
    }
}

/// A cursor: the list it is of, and where it stands in it.
pub(crate) fn cursor(list: &str, place: &str) -> String {
    BASE64URL_NOPAD.encode(format!("{list}\n{place}").as_bytes())
}

/// Where a cursor of that list stands.
pub(crate) fn open_cursor(cursor: &str, list: &str) -> Result<String, Problem> {
    let wrong = || Problem::new(Code::InvalidCursor).field("cursor");
    let bytes = BASE64URL_NOPAD.decode(cursor.as_bytes()).map_err(|_| wrong())?;
    let text = String::from_utf8(bytes).map_err(|_| wrong())?;
    let (of, place) = text.split_once('\n').ok_or_else(wrong)?;
    if of == list && !place.contains('\0') { Ok(place.to_owned()) } else { Err(wrong()) }
}

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Paged<T> {
    /// What is on it.
    pub(crate) items: Vec<T>,
    /// Where the next page begins; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_cursor: Option<String>,
}

/// The version that `If-Match` names.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IfMatch(Option<i64>);

impl<S: Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Some(given) = parts.headers.get(header::IF_MATCH) else { return Ok(Self(None)) };
        let text = given.to_str().unwrap_or_default().trim().trim_start_matches("W/");
        if text == "*" {
            return Ok(Self(None));
        }
        let wrong = || {
            Problem::new(Code::InvalidRequest)
                .field("If-Match")
                .detail("it is no `ETag` of an answer")
                .remedy("send what the answer's `ETag` said, or leave the header out")
        };
        text.trim_matches('"').parse().map(|version| Self(Some(version))).map_err(|_| wrong())
    }
}

impl IfMatch {
    /// Refuses a change that was made from another version than the one there is. `told` is the body's.
    pub(crate) fn check(self, told: Option<i64>, present: i64) -> Result<(), Problem> {
        match self.0.or(told) {
            Some(version) if version != present => Err(Problem::new(Code::VersionConflict)
                .detail(format!("it has version {present}, the change was made from {version}"))),
            _ => Ok(()),
        }
    }
}

/// The version of an answer, as its `ETag`.
pub(crate) fn etag(version: i64) -> [(header::HeaderName, String); 1] {
    [(header::ETAG, format!("\"{version}\""))]
}
