//! Connectors: their list, and one with its profiles and runs.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use muster_core::clock::Instant;
use muster_store::ConnectorRow;
use muster_store::hub::{ConnectionRow, JobFilter, LetterFilter, Page, Subject};
use serde::Deserialize;
use serde_json::Value;

use super::agents::{self, Agents};
use super::frame::{Frame, Visitor, html};
use super::part::{Badge, Number, Tone, When, address};
use super::profiles::{Summary, collects_posture, summaries};
use super::runs::{Line, lines};
use crate::api::connectors::find;
use crate::api::state::{self, States};
use crate::error::Problem;
use crate::extract::{Path, Query};
use crate::hub::Hub;
use crate::settings;

const ROWS: usize = 50;
/// How many runs and rejected records a connector's page shows.
const SHOWN: i64 = 10;

/// A state of the documents' four.
pub(super) fn state_badge(word: &str) -> Badge {
    let tone = if word == "Processing" { Tone::Busy } else { Tone::Plain };
    Badge::new(tone, word)
}

/// What a connector or a profile is at, for pages.
pub(super) struct At {
    pub(super) state: Badge,
    pub(super) result: Option<Badge>,
    pub(super) error: Option<String>,
    pub(super) last: Option<When>,
}

impl At {
    pub(super) fn of(state: state::State, visitor: &Visitor) -> Self {
        let last = state.last_run_at.as_deref().and_then(Instant::from_rfc3339);
        Self {
            state: state_badge(state.state),
            result: state.last_result.as_deref().map(Badge::result),
            error: state.last_error,
            last: last.map(|at| visitor.when(at)),
        }
    }
}

struct Row {
    href: String,
    name: String,
    source: String,
    at: At,
    next: Option<When>,
    by_agent: bool,
}

#[derive(Template)]
#[template(path = "console/connectors/list.html")]
struct ListPage {
    frame: Frame,
    rows: Vec<Row>,
    next: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct From {
    pub(super) after: i64,
}

/// A page of connectors, and where the next one begins.
pub(super) async fn some(hub: &Hub, tenant: i64, after: i64) -> Result<(Vec<ConnectionRow>, Option<i64>), Problem> {
    let limit = i64::try_from(ROWS).unwrap_or(i64::MAX) + 1;
    let mut rows = hub.store.connections(tenant, Page { after, limit }).await?;
    let more = rows.len() > ROWS;
    rows.truncate(ROWS);
    let next = rows.last().filter(|_| more).map(|row| row.id);
    Ok((rows, next))
}

pub(super) async fn list(
    State(hub): State<Arc<Hub>>,
    visitor: Visitor,
    Query(from): Query<From>,
) -> Result<Response, Problem> {
    let (all, next) = some(&hub, visitor.tenant(), from.after).await?;
    let states = states(&hub, &visitor, &all).await?;
    let row = |one: ConnectionRow| Row {
        href: format!("/console/connectors/{}", one.uuid),
        at: At::of(states.of(one.id), &visitor),
        next: states.next_run(one.id).map(|at| visitor.when(at)),
        by_agent: one.execution == "agent",
        name: one.name,
        source: one.source_name,
    };
    let rows = all.into_iter().map(row).collect();
    let next = next.map(|id| address("/console/connectors", &[("after", &id.to_string())]));
    html(StatusCode::OK, &ListPage { frame: visitor.frame, rows, next })
}

/// What connectors are at.
pub(super) async fn states(hub: &Hub, visitor: &Visitor, rows: &[ConnectionRow]) -> Result<States, Problem> {
    let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
    state::all(hub, visitor.tenant(), (Subject::Connector, &ids)).await
}

/// A stream and how much of it there is.
pub(super) struct Count {
    pub(super) stream: String,
    pub(super) href: Option<String>,
    pub(super) present: Number,
    pub(super) held: Number,
    pub(super) gone: Number,
}

/// What a connector brought, by stream; containers give paths and are left out.
pub(super) async fn counts(hub: &Hub, connection: &ConnectionRow) -> Result<Vec<Count>, Problem> {
    let row = row_of(connection);
    let mut counts = Vec::new();
    for stream in hub.offer(&connection.type_name).map(|offer| offer.model.streams.as_slice()).unwrap_or_default() {
        if stream.class == muster_core::asset::Class::Container {
            continue;
        }
        let totals = hub.store.totals(&row, &stream.name).await?;
        let kind = super::inventory::Kind::of(stream.class.word());
        let query = format!("inventory.connector='{}'", connection.name.replace('\'', "''"));
        counts.push(Count {
            stream: stream.name.clone(),
            href: kind.map(|kind| address(kind.place, &[("q", &query)])),
            present: Number(totals.present),
            held: Number(totals.held),
            gone: Number(totals.gone),
        });
    }
    Ok(counts)
}

pub(super) fn row_of(connection: &ConnectionRow) -> ConnectorRow {
    ConnectorRow { id: connection.id, tenant: connection.tenant, name: connection.name.clone() }
}

/// A setting as a page shows it.
struct Setting {
    label: String,
    value: String,
}

#[derive(Template)]
#[template(path = "console/connectors/detail.html")]
struct DetailPage {
    frame: Frame,
    place: String,
    connection: ConnectionRow,
    at: At,
    next: Option<When>,
    created: When,
    settings: Vec<Setting>,
    counts: Vec<Count>,
    profiles: Vec<Summary>,
    runs: Vec<Line>,
    letters: Vec<muster_store::hub::LetterRow>,
    posture: bool,
    /// Of a connector that an agent reads.
    agents: Option<Agents>,
}

pub(super) async fn detail(
    State(hub): State<Arc<Hub>>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let connection = find(&hub, visitor.tenant(), &id).await?;
    let rows = hub.store.profiles(visitor.tenant(), connection.id).await?;
    let profiles = summaries(&hub, &visitor, &rows).await?;
    let states = states(&hub, &visitor, std::slice::from_ref(&connection)).await?;
    let filter = JobFilter { connector: Some(connection.id), ..JobFilter::default() };
    let jobs = hub.store.jobs(visitor.tenant(), filter, SHOWN).await?;
    let letters = LetterFilter { connector: Some(connection.id), ..LetterFilter::default() };
    let page = Page { after: 0, limit: SHOWN };
    let page = DetailPage {
        place: format!("/console/connectors/{}", connection.uuid),
        at: At::of(states.of(connection.id), &visitor),
        next: states.next_run(connection.id).map(|at| visitor.when(at)),
        created: visitor.when(connection.created_at),
        settings: settings_of(&hub, &connection).await?,
        counts: counts(&hub, &connection).await?,
        runs: lines(&hub, &visitor, jobs).await?,
        letters: hub.store.letters(visitor.tenant(), letters, page).await?,
        posture: rows.iter().any(collects_posture),
        agents: match connection.execution.as_str() {
            "agent" => Some(agents::of(&hub, &visitor, &connection).await?),
            _ => None,
        },
        profiles,
        frame: visitor.frame,
        connection,
    };
    html(StatusCode::OK, &page)
}

async fn settings_of(hub: &Hub, connection: &ConnectionRow) -> Result<Vec<Setting>, Problem> {
    let set = hub.store.secrets(connection.tenant, &connection.uuid).await?;
    let offer = hub.offer(&connection.type_name);
    let shown = settings::shown(offer, &connection.settings, &set);
    let specs = offer.map(|offer| offer.spec.fields).unwrap_or_default();
    let own = specs.iter().filter(|spec| spec.section != "profile");
    let value = |value: &Value| match value {
        Value::Null => None,
        Value::String(text) if text.starts_with("-----BEGIN ") => Some("given, as PEM".to_owned()),
        Value::String(text) => Some(text.clone()),
        Value::Object(set) if set.get("set").is_some_and(|set| set == true) => Some("set, sealed".to_owned()),
        Value::Object(_) => None,
        other => Some(other.to_string()),
    };
    let setting = |spec: &muster_core::connector::FieldSpec| {
        let value = value(&shown[spec.section][spec.key])?;
        Some(Setting { label: spec.label.to_owned(), value })
    };
    Ok(own.filter_map(setting).collect())
}
