//! Transform maps: the locked defaults beside one's own, their rows and versions, changed as text.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use muster_core::map;
use muster_store::hub::{MapVersionRow, OwnMapRow, Page};
use serde::Deserialize;

use super::connectors::From;
use super::form::{Given, Wrong};
use super::frame::{Frame, Steward, Visitor, html, to};
use super::part::{When, address};
use crate::api::map_trial::{self, Lints, Preview};
use crate::api::maps::{self, Found, TransformMap, find, find_own};
use crate::error::{Code, Problem};
use crate::extract::{Form, Path, Query};
use crate::hub::Hub;

const ROWS: i64 = 50;
/// How many stored records a map is tried on.
const TRIED: i64 = 3;
/// How many versions a page tells of.
const VERSIONS: i64 = 50;

/// Where a map lies.
fn place(id: &str) -> String {
    format!("/console/maps/{id}")
}

/// A stream of a data model, with its default map.
struct Stream {
    source: &'static str,
    model: String,
    name: String,
    class: &'static str,
    attributes: usize,
    default: Option<(String, TransformMap)>,
}

/// One of one's own, in the list.
struct Own {
    href: String,
    name: String,
    source: &'static str,
    stream: String,
    version: i64,
    changed: When,
}

#[derive(Template)]
#[template(path = "console/maps/list.html")]
struct ListPage {
    frame: Frame,
    streams: Vec<Stream>,
    own: Vec<Own>,
    is_first: bool,
    next: Option<String>,
}

fn source_of(hub: &Hub, type_name: &str) -> &'static str {
    hub.offer(type_name).map(|offer| offer.spec.source_name).unwrap_or_default()
}

fn streams(hub: &Hub) -> Vec<Stream> {
    let mut streams = Vec::new();
    for offer in hub.offers.iter() {
        for stream in &offer.model.streams {
            let default =
                maps::defaults(hub).find(|map| map.type_name() == offer.spec.type_name && map.stream() == stream.name);
            streams.push(Stream {
                source: offer.spec.source_name,
                model: offer.model.name.clone(),
                name: stream.name.clone(),
                class: stream.class.word(),
                attributes: stream.attributes.len(),
                default: default.map(|map| map.show()).map(|map| (place(&map.id), map)),
            });
        }
    }
    streams
}

pub(super) async fn list(
    State(hub): State<Arc<Hub>>,
    visitor: Visitor,
    Query(from): Query<From>,
) -> Result<Response, Problem> {
    let page = Page { after: from.after, limit: ROWS + 1 };
    let mut rows = hub.store.own_maps(visitor.tenant(), page).await?;
    let more = i64::try_from(rows.len()).is_ok_and(|count| count > ROWS);
    rows.truncate(usize::try_from(ROWS).unwrap_or(usize::MAX));
    let next = rows.last().filter(|_| more).map(|row| address("/console/maps", &[("after", &row.id.to_string())]));
    let own = |row: OwnMapRow| Own {
        href: place(&row.uuid),
        source: source_of(&hub, &row.type_name),
        stream: row.stream,
        version: row.version,
        changed: visitor.when(row.updated_at),
        name: row.name,
    };
    let own = rows.into_iter().map(own).collect();
    let streams = streams(&hub);
    html(StatusCode::OK, &ListPage { streams, own, is_first: from.after == 0, next, frame: visitor.frame })
}

/// A row of a map: sources, target, functions.
struct Row {
    sources: String,
    target: String,
    functions: String,
    required: bool,
}

fn rows(text: &str) -> Vec<Row> {
    let rows = map::parse(text).map(|file| file.rows).unwrap_or_default();
    let row = |row: map::Row| Row {
        sources: row.sources().join(", "),
        functions: row.functions.iter().map(map::Function::name).collect::<Vec<_>>().join(", "),
        target: row.target.value,
        required: row.required,
    };
    rows.into_iter().map(row).collect()
}

/// A version of a map, in its list.
struct Version {
    href: String,
    number: i64,
    at: When,
    author: String,
}

#[derive(Template)]
#[template(path = "console/maps/detail.html")]
struct DetailPage {
    frame: Frame,
    place: String,
    map: TransformMap,
    text: String,
    source: &'static str,
    rows: Vec<Row>,
    versions: Vec<Version>,
    name: String,
    wrong: Option<Wrong>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Which {
    version: Option<i64>,
}

async fn show(
    (hub, visitor): (&Hub, &Visitor),
    (id, which): (&str, &Which),
    (name, wrong): (&str, Option<Wrong>),
) -> Result<Response, Problem> {
    let found = find(hub, visitor.tenant(), id).await?;
    let map = maps::at_version(hub, &found, which.version).await?;
    let versions = match &found {
        Found::Own(row) => hub.store.map_versions(row, VERSIONS).await?,
        Found::Default { .. } => Vec::new(),
    };
    let version = |row: MapVersionRow| Version {
        href: format!("{}?version={}", place(id), row.version),
        number: row.version,
        at: visitor.when(row.at),
        author: row.author,
    };
    let status = if wrong.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let text = map.text.clone().unwrap_or_default();
    let page = DetailPage {
        frame: visitor.frame.clone(),
        place: place(id),
        source: source_of(hub, found.type_name()),
        rows: rows(&text),
        versions: versions.into_iter().map(version).collect(),
        name: name.to_owned(),
        map,
        text,
        wrong,
    };
    html(status, &page)
}

pub(super) async fn detail(
    State(hub): State<Arc<Hub>>,
    (visitor, Path(id)): (Visitor, Path<String>),
    Query(which): Query<Which>,
) -> Result<Response, Problem> {
    show((&hub, &visitor), (&id, &which), ("", None)).await
}

#[derive(Deserialize)]
pub(super) struct Name {
    name: String,
}

pub(super) async fn clone(
    State(hub): State<Arc<Hub>>,
    (Steward(visitor), Path(id)): (Steward, Path<String>),
    Form(given): Form<Name>,
) -> Result<Response, Problem> {
    match maps::clone_of((&hub, &visitor.principal), &id, &given.name).await {
        Ok(row) => Ok(to(&place(&row.uuid))),
        Err(problem) => {
            let wrong = Wrong::of(problem)?;
            show((&hub, &visitor), (&id, &Which::default()), (&given.name, Some(wrong))).await
        }
    }
}

/// A stored record, as it is and as a text would make it.
struct Tried {
    name: String,
    before: String,
    after: String,
}

#[derive(Template)]
#[template(path = "console/maps/edit.html")]
struct EditPage {
    frame: Frame,
    place: String,
    name: String,
    version: i64,
    text: String,
    /// The attributes that a row may name as its source.
    attributes: Vec<String>,
    /// What is wrong with the text, once it was looked over.
    lints: Option<Lints>,
    tried: Vec<Tried>,
    nothing_to_try: bool,
    wrong: Option<Wrong>,
}

impl EditPage {
    fn of(hub: &Hub, visitor: Visitor, row: &OwnMapRow) -> Result<Self, Problem> {
        let model = maps::stream_of(hub, &row.type_name, &row.stream)?;
        Ok(Self {
            frame: visitor.frame,
            place: place(&row.uuid),
            name: row.name.clone(),
            version: row.version,
            text: row.text.clone(),
            attributes: model.attributes.iter().map(|attribute| attribute.name.clone()).collect(),
            lints: None,
            tried: Vec::new(),
            nothing_to_try: false,
            wrong: None,
        })
    }

    /// The form as it was sent, with what is wrong.
    fn again(mut self, problem: Problem) -> Result<Response, Problem> {
        self.wrong = Some(Wrong::of(problem)?);
        html(StatusCode::UNPROCESSABLE_ENTITY, &self)
    }
}

pub(super) async fn edit(
    State(hub): State<Arc<Hub>>,
    (Steward(visitor), Path(id)): (Steward, Path<String>),
) -> Result<Response, Problem> {
    let row = find_own(&hub, visitor.tenant(), &id).await?;
    html(StatusCode::OK, &EditPage::of(&hub, visitor, &row)?)
}

fn pretty(value: &serde_json::Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

fn tried(preview: Preview) -> Tried {
    let name = preview.before["assetDetail"]["name"].as_str().unwrap_or("an asset").to_owned();
    let after = match (&preview.after, preview.rejected) {
        (Some(after), _) => pretty(after),
        (None, rejected) => format!("rejected: {}", rejected.unwrap_or_default()),
    };
    Tried { name, before: pretty(&preview.before), after }
}

/// Tries a text on stored records.
async fn try_on(hub: &Hub, row: &OwnMapRow, text: &str) -> Result<Vec<Tried>, Problem> {
    let mut all = Vec::new();
    for asset in hub.store.assets_of_stream(row.tenant, (&row.type_name, &row.stream), TRIED).await? {
        match map_trial::try_on((hub, row.tenant), asset, (None, Some(text))).await {
            Ok(preview) => all.push(tried(preview)),
            // Its record is no longer kept.
            Err(problem) if problem.code == Code::InvalidValue => {}
            Err(problem) => return Err(problem),
        }
    }
    Ok(all)
}

/// Saves a text, looks it over, or tries it on stored records; what was written is kept in the form in any case.
pub(super) async fn update(
    State(hub): State<Arc<Hub>>,
    (Steward(visitor), Path(id)): (Steward, Path<String>),
    Form(given): Form<Vec<(String, String)>>,
) -> Result<Response, Problem> {
    let (given, principal) = (Given(given), visitor.principal.clone());
    let row = find_own(&hub, visitor.tenant(), &id).await?;
    let mut page = EditPage::of(&hub, visitor, &row)?;
    // Forms end their lines as no map does.
    page.text = given.text("text").replace("\r\n", "\n");
    page.version = given.text("version").parse().unwrap_or(0);
    let lints = match map_trial::lints(&hub, (&row.type_name, &row.stream), &page.text) {
        Ok(lints) => page.lints.insert(lints),
        Err(problem) => return page.again(problem),
    };
    let usable = lints.usable;
    if given.some("preview").is_some() && usable {
        page.tried = try_on(&hub, &row, &page.text).await?;
        page.nothing_to_try = page.tried.is_empty();
    }
    if given.some("check").is_some() || given.some("preview").is_some() {
        return html(StatusCode::OK, &page);
    }
    if page.version != row.version {
        return page.again(
            Problem::new(Code::VersionConflict)
                .detail("somebody saved it after this form was opened")
                .remedy("open the form again"),
        );
    }
    if !usable {
        return html(StatusCode::UNPROCESSABLE_ENTITY, &page);
    }
    match maps::change((&hub, &principal), &row, &page.text).await {
        Ok(row) => Ok(to(&place(&row.uuid))),
        Err(problem) => page.again(problem),
    }
}

#[derive(Template)]
#[template(path = "console/maps/delete.html")]
struct DeletePage {
    frame: Frame,
    place: String,
    name: String,
    wrong: Option<Wrong>,
}

/// Asks whether it is meant.
pub(super) async fn confirm_delete(
    State(hub): State<Arc<Hub>>,
    (Steward(visitor), Path(id)): (Steward, Path<String>),
) -> Result<Response, Problem> {
    let row = find_own(&hub, visitor.tenant(), &id).await?;
    let page = DeletePage { frame: visitor.frame, place: place(&row.uuid), name: row.name, wrong: None };
    html(StatusCode::OK, &page)
}

pub(super) async fn delete(
    State(hub): State<Arc<Hub>>,
    (Steward(visitor), Path(id)): (Steward, Path<String>),
) -> Result<Response, Problem> {
    let row = find_own(&hub, visitor.tenant(), &id).await?;
    match maps::remove((&hub, &visitor.principal), &row).await {
        Ok(()) => Ok(to("/console/maps")),
        Err(problem) if problem.code == Code::Busy => {
            let message = "A profile chooses this map.".to_owned();
            let remedy = Some("Let the profile choose another one first.".to_owned());
            let wrong = Some(Wrong { field: String::new(), message, remedy });
            let page = DeletePage { frame: visitor.frame, place: place(&row.uuid), name: row.name, wrong };
            html(StatusCode::CONFLICT, &page)
        }
        Err(problem) => Err(problem),
    }
}
