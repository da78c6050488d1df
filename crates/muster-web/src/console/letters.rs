//! Dead letters: the records that became no asset, each as it came, and trying them again.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use muster_store::hub::{LetterFilter, LetterRow, Page};
use serde::Deserialize;
use serde_json::Value;

use super::form::Given;
use super::frame::{Frame, Steward, Visitor, html, to};
use super::part::{When, address};
use crate::api::letters::{self, Which, find, record_of};
use crate::api::names::Names;
use crate::error::{Code, Problem};
use crate::extract::{Form, Path, Query};
use crate::hub::Hub;

const ROWS: i64 = 50;

/// Where the list of dead letters lies, narrowed to a connector's public id and a stream.
pub(super) fn place(connector: &str, stream: &str) -> String {
    address("/console/dead-letters", &[("connector", connector), ("stream", stream)])
}

struct Line {
    id: i64,
    href: String,
    source_key: String,
    connector: String,
    stream: String,
    reason: String,
    map: Option<String>,
    replays: i64,
    at: When,
}

fn line(visitor: &Visitor, names: &Names, row: LetterRow) -> Line {
    Line {
        id: row.id,
        href: format!("/console/dead-letters/{}", row.id),
        connector: names.connector(row.connector).map(|label| label.name.clone()).unwrap_or_default(),
        source_key: row.source_key,
        stream: row.stream,
        reason: row.reason,
        map: row.map.map(|(name, version)| format!("{name}, version {version}")),
        replays: row.replays,
        at: visitor.when(row.at),
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Filter {
    connector: String,
    stream: String,
    run: String,
    after: i64,
}

impl Filter {
    fn is_narrowed(&self) -> bool {
        !self.connector.is_empty() || !self.stream.is_empty() || !self.run.is_empty()
    }
}

#[derive(Template)]
#[template(path = "console/letters/list.html")]
struct ListPage {
    frame: Frame,
    rows: Vec<Line>,
    /// Public id and name of each connector there is.
    connectors: Vec<(String, String)>,
    /// The streams of all connector types.
    streams: Vec<String>,
    filter: Filter,
    next: Option<String>,
}

pub(super) async fn list(
    State(hub): State<Arc<Hub>>,
    visitor: Visitor,
    Query(given): Query<Filter>,
) -> Result<Response, Problem> {
    let names = Names::of(&hub, visitor.tenant()).await?;
    let mut filter = LetterFilter::default();
    if !given.connector.is_empty() {
        let label = names.labels().find(|label| label.uuid == given.connector);
        filter.connector = Some(label.ok_or_else(|| Problem::new(Code::NotFound).field("connector"))?.id);
    }
    if !given.run.is_empty() {
        let wrong = |_| Problem::new(Code::InvalidParameter).field("run").detail("a run is named by its number");
        filter.run = Some(given.run.parse().map_err(wrong)?);
    }
    filter.stream = Some(given.stream.as_str()).filter(|stream| !stream.is_empty());
    let page = Page { after: given.after, limit: ROWS + 1 };
    let mut rows = hub.store.letters(visitor.tenant(), filter, page).await?;
    let more = i64::try_from(rows.len()).is_ok_and(|count| count > ROWS);
    rows.truncate(usize::try_from(ROWS).unwrap_or(usize::MAX));
    let next = rows.last().filter(|_| more).map(|row| {
        let parameters = [("connector", given.connector.as_str()), ("stream", &given.stream), ("run", &given.run)];
        let after = row.id.to_string();
        address("/console/dead-letters", &[parameters.as_slice(), &[("after", &after)]].concat())
    });
    let present = names.labels().filter(|label| !label.removed);
    let mut connectors: Vec<_> = present.map(|label| (label.uuid.clone(), label.name.clone())).collect();
    connectors.sort_by(|left, right| left.1.cmp(&right.1));
    let mut streams: Vec<_> =
        hub.offers.iter().flat_map(|offer| &offer.model.streams).map(|stream| stream.name.clone()).collect();
    streams.sort();
    streams.dedup();
    let rows = rows.into_iter().map(|row| line(&visitor, &names, row)).collect();
    html(StatusCode::OK, &ListPage { frame: visitor.frame, rows, connectors, streams, filter: given, next })
}

#[derive(Template)]
#[template(path = "console/letters/detail.html")]
struct DetailPage {
    frame: Frame,
    line: Line,
    target: Option<String>,
    scope: String,
    connector_href: Option<String>,
    profile: Option<(String, String)>,
    run: i64,
    /// Attribute → its values; none where nothing of the record could be kept.
    record: Option<Vec<(String, Vec<String>)>>,
}

pub(super) async fn detail(
    State(hub): State<Arc<Hub>>,
    visitor: Visitor,
    Path(id): Path<i64>,
) -> Result<Response, Problem> {
    let row = find(&hub, visitor.tenant(), id).await?;
    let names = Names::of(&hub, visitor.tenant()).await?;
    let label = names.connector(row.connector).filter(|label| !label.removed);
    let profile = match row.profile {
        Some(id) => hub.store.profile_of(visitor.tenant(), id).await?,
        None => None,
    };
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let values = |value: &Value| value.as_array().into_iter().flatten().map(text).collect();
    let record = record_of(&hub, visitor.tenant(), &row).await?;
    let page = DetailPage {
        record: record.map(|record| record.iter().map(|(name, value)| (name.clone(), values(value))).collect()),
        connector_href: label.map(|label| format!("/console/connectors/{}", label.uuid)),
        profile: profile.map(|row| (row.name, format!("/console/profiles/{}", row.uuid))),
        target: row.target.clone(),
        scope: row.scope.clone(),
        run: row.run,
        line: line(&visitor, &names, row),
        frame: visitor.frame,
    };
    html(StatusCode::OK, &page)
}

/// Replays the letters that are chosen, or all of a connector.
pub(super) async fn replay(
    State(hub): State<Arc<Hub>>,
    Steward(visitor): Steward,
    Form(given): Form<Vec<(String, String)>>,
) -> Result<Response, Problem> {
    let given = Given(given);
    let which = match given.some("connector") {
        Some(connector) => Which::All { connector, stream: given.some("stream") },
        None => Which::Named(given.all("letter").filter_map(|id| id.parse().ok()).collect()),
    };
    let jobs = letters::start((&hub, &visitor.principal), &which).await?;
    Ok(match jobs.as_slice() {
        [job] => to(&format!("/console/runs/{}", job.uuid)),
        _ => to("/console/runs"),
    })
}
