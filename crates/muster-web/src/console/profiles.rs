//! Profiles: how a connector runs, and when.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use muster_store::hub::{ConnectionRow, JobFilter, ProfileRow, Subject};
use serde::Deserialize;
use serde_json::Value;

use super::connectors::At;
use super::frame::{Frame, Steward, Visitor, html, to};
use super::part::{Number, When};
use super::runs::{Line, lines};
use super::schedule::{in_words, upcoming};
use crate::api::profiles::{self, connector_of, find};
use crate::api::{held, letters, runs, state};
use crate::error::{Code, Problem};
use crate::extract::{Form, Path};
use crate::hub::Hub;

const RUNS: i64 = 10;

/// Whether a profile collects what posture rules read.
pub(super) fn collects_posture(profile: &ProfileRow) -> bool {
    profile.active && profile.parameters["assets"] == "identities_with_posture"
}

/// A profile in a list.
pub(super) struct Summary {
    pub(super) id: String,
    pub(super) href: String,
    pub(super) name: String,
    pub(super) active: bool,
    pub(super) schedule: String,
    pub(super) next: Option<When>,
    pub(super) at: At,
}

pub(super) async fn summaries(hub: &Hub, visitor: &Visitor, rows: &[ProfileRow]) -> Result<Vec<Summary>, Problem> {
    let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
    let states = state::all(hub, visitor.tenant(), (Subject::Profile, &ids)).await?;
    let summary = |row: &ProfileRow| Summary {
        id: row.uuid.clone(),
        href: format!("/console/profiles/{}", row.uuid),
        name: row.name.clone(),
        active: row.active,
        schedule: in_words(row.schedule.as_ref()),
        next: row.next_at.filter(|_| row.active).map(|at| visitor.when(at)),
        at: At::of(states.of(row.id), visitor),
    };
    Ok(rows.iter().map(summary).collect())
}

#[derive(Template)]
#[template(path = "console/profiles/detail.html")]
struct DetailPage {
    frame: Frame,
    place: String,
    summary: Summary,
    connector: (String, String),
    by_agent: bool,
    upcoming: Vec<When>,
    parameters: Vec<(String, String)>,
    maps: Vec<(String, String)>,
    held: Vec<(String, Number)>,
    runs: Vec<Line>,
    posture: bool,
}

pub(super) async fn detail(
    State(hub): State<Arc<Hub>>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let row = find(&hub, visitor.tenant(), &id).await?;
    let connector = connector_of(&hub, &row).await?;
    let filter = JobFilter { profile: Some(row.id), ..JobFilter::default() };
    let jobs = hub.store.jobs(visitor.tenant(), filter, RUNS).await?;
    let summary = summaries(&hub, &visitor, std::slice::from_ref(&row)).await?.pop();
    let page = DetailPage {
        place: format!("/console/profiles/{}", row.uuid),
        summary: summary.ok_or_else(|| Problem::new(Code::NotFound))?,
        upcoming: if row.active { upcoming(&visitor, row.schedule.as_ref()).unwrap_or_default() } else { Vec::new() },
        parameters: parameters(&hub, &connector, &row),
        maps: maps(&hub, &connector, &row).await?,
        held: held_of(&hub, &connector).await?,
        runs: lines(&hub, &visitor, jobs).await?,
        posture: collects_posture(&row),
        by_agent: connector.execution == "agent",
        connector: (connector.name, format!("/console/connectors/{}", connector.uuid)),
        frame: visitor.frame,
    };
    html(StatusCode::OK, &page)
}

fn parameters(hub: &Hub, connector: &ConnectionRow, row: &ProfileRow) -> Vec<(String, String)> {
    let specs = hub.offer(&connector.type_name).map(|offer| offer.spec.fields).unwrap_or_default();
    let shown = |value: &Value| match value {
        Value::Null => None,
        Value::String(text) => Some(text.replace('_', " ")).filter(|_| !text.contains('=')).or(Some(text.clone())),
        Value::Bool(yes) => Some(if *yes { "yes" } else { "no" }.to_owned()),
        Value::Array(values) => {
            let values: Vec<&str> = values.iter().filter_map(Value::as_str).collect();
            Some(values.join(" · "))
        }
        other => Some(other.to_string()),
    };
    let own = specs.iter().filter(|spec| spec.section == "profile");
    own.filter_map(|spec| Some((spec.label.to_owned(), shown(&row.parameters[spec.key])?))).collect()
}

/// Stream → the name of its map.
async fn maps(hub: &Hub, connector: &ConnectionRow, row: &ProfileRow) -> Result<Vec<(String, String)>, Problem> {
    let mut maps = Vec::new();
    for stream in hub.offer(&connector.type_name).map(|offer| offer.model.streams.as_slice()).unwrap_or_default() {
        let name = match row.maps[&stream.name].as_str() {
            None | Some("default") => "default".to_owned(),
            Some(id) => {
                let own = hub.store.own_map(row.tenant, id).await?;
                own.map_or_else(
                    || "a map that is gone".to_owned(),
                    |own| format!("{}, version {}", own.name, own.version),
                )
            }
        };
        maps.push((stream.name.clone(), name));
    }
    Ok(maps)
}

/// What is held, by stream.
async fn held_of(hub: &Hub, connector: &ConnectionRow) -> Result<Vec<(String, Number)>, Problem> {
    let mut held: Vec<(String, Number)> = Vec::new();
    for set in hub.store.held_sets(connector.tenant, Some(connector.id)).await? {
        match held.iter_mut().find(|(stream, _)| *stream == set.stream) {
            Some((_, count)) => count.0 += set.held,
            None => held.push((set.stream, Number(set.held))),
        }
    }
    Ok(held)
}

#[derive(Deserialize)]
pub(super) struct Mode {
    mode: String,
}

/// Runs a profile now.
pub(super) async fn run(
    State(hub): State<Arc<Hub>>,
    (Steward(visitor), Path(id)): (Steward, Path<String>),
    Form(given): Form<Mode>,
) -> Result<Response, Problem> {
    let row = find(&hub, visitor.tenant(), &id).await?;
    let (_, job) = runs::start((&hub, &visitor.principal), &row, &given.mode).await?;
    Ok(to(&format!("/console/runs/{}", job.uuid)))
}

/// Maps again what is kept, with the profile's maps as they are now.
pub(super) async fn replay(
    State(hub): State<Arc<Hub>>,
    Steward(visitor): Steward,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let row = find(&hub, visitor.tenant(), &id).await?;
    let job = letters::start_map((&hub, &visitor.principal), &row).await?;
    Ok(to(&format!("/console/runs/{}", job.uuid)))
}

/// What becomes of what is held.
enum Answer {
    Release,
    Refuse,
}

#[derive(Template)]
#[template(path = "console/profiles/release.html")]
struct ReleasePage {
    frame: Frame,
    name: String,
    place: String,
    held: Vec<(String, Number)>,
    answer: Answer,
}

async fn confirm((hub, visitor): (&Hub, Visitor), id: &str, answer: Answer) -> Result<Response, Problem> {
    let row = find(hub, visitor.tenant(), id).await?;
    let connector = connector_of(hub, &row).await?;
    let page = ReleasePage {
        frame: visitor.frame,
        place: format!("/console/profiles/{}", row.uuid),
        held: held_of(hub, &connector).await?,
        name: row.name,
        answer,
    };
    html(StatusCode::OK, &page)
}

/// Asks whether what is held shall go.
pub(super) async fn confirm_release(
    State(hub): State<Arc<Hub>>,
    Steward(visitor): Steward,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    confirm((&hub, visitor), &id, Answer::Release).await
}

pub(super) async fn release(
    State(hub): State<Arc<Hub>>,
    Steward(visitor): Steward,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let row = find(&hub, visitor.tenant(), &id).await?;
    let (_, job) = held::start_release((&hub, &visitor.principal), &row).await?;
    Ok(to(&format!("/console/runs/{}", job.uuid)))
}

/// Asks whether what is held shall be kept.
pub(super) async fn confirm_refuse(
    State(hub): State<Arc<Hub>>,
    Steward(visitor): Steward,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    confirm((&hub, visitor), &id, Answer::Refuse).await
}

pub(super) async fn refuse(
    State(hub): State<Arc<Hub>>,
    Steward(visitor): Steward,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let row = find(&hub, visitor.tenant(), &id).await?;
    held::keep((&hub, &visitor.principal), &row).await?;
    Ok(to("/console/held"))
}

#[derive(Template)]
#[template(path = "console/profiles/delete.html")]
struct DeletePage {
    frame: Frame,
    name: String,
    place: String,
}

/// Asks whether it is meant.
pub(super) async fn confirm_delete(
    State(hub): State<Arc<Hub>>,
    Steward(visitor): Steward,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let row = find(&hub, visitor.tenant(), &id).await?;
    let place = format!("/console/profiles/{}", row.uuid);
    html(StatusCode::OK, &DeletePage { frame: visitor.frame, name: row.name, place })
}

pub(super) async fn delete(
    State(hub): State<Arc<Hub>>,
    Steward(visitor): Steward,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let row = find(&hub, visitor.tenant(), &id).await?;
    let connector = connector_of(&hub, &row).await?;
    profiles::remove((&hub, &visitor.principal), &row).await?;
    Ok(to(&format!("/console/connectors/{}", connector.uuid)))
}
