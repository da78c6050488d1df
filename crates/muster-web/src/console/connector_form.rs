//! Making, changing, removing and testing a connector.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use muster_core::connector::Offer;
use muster_store::hub::ConnectionRow;
use serde_json::Value;

use super::connectors::{Count, counts};
use super::form::{Field, From, Given, Wrong, fields, read};
use super::frame::{Frame, Steward, Visitor, html, to};
use crate::api::connectors::{self, ConnectorUpdate, NewConnector, find};
use crate::error::{Code, Problem};
use crate::extract::{Form, Path};
use crate::hub::Hub;
use crate::settings;

const SECTIONS: (&[&str], &str) = (&["authentication", "endpoints"], "settings");

#[derive(Template)]
#[template(path = "console/connectors/types.html")]
struct TypesPage {
    frame: Frame,
    offers: Vec<Offer>,
}

/// The kinds of sources there are.
pub(super) async fn types(State(hub): State<Arc<Hub>>, Steward(visitor): Steward) -> Result<Response, Problem> {
    html(StatusCode::OK, &TypesPage { frame: visitor.frame, offers: hub.offers.to_vec() })
}

#[derive(Template)]
#[template(path = "console/connectors/form.html")]
struct FormPage {
    frame: Frame,
    offer: Offer,
    /// The name of the connector that is changed.
    changed: Option<String>,
    back: String,
    version: i64,
    name: String,
    description: String,
    execution: String,
    fields: Vec<Field>,
    wrong: Option<Wrong>,
}

impl FormPage {
    fn wrong_at(&self, field: &str) -> Option<Wrong> {
        self.wrong.clone().filter(|wrong| wrong.field == field)
    }
}

fn offer<'a>(hub: &'a Hub, type_name: &str) -> Result<&'a Offer, Problem> {
    hub.offer(type_name).ok_or_else(|| Problem::new(Code::NotFound))
}

/// The form as it was sent, with what is wrong.
fn again(
    visitor: &Visitor,
    (offer, kept): (&Offer, &Value),
    given: &Given,
    wrong: Wrong,
    before: Option<&ConnectionRow>,
) -> Result<Response, Problem> {
    let page = FormPage {
        frame: visitor.frame.clone(),
        offer: offer.clone(),
        changed: before.map(|row| row.name.clone()),
        back: back(before),
        version: given.text("version").parse().unwrap_or(0),
        name: given.text("name").to_owned(),
        description: given.text("description").to_owned(),
        execution: given.text("execution").to_owned(),
        fields: fields(offer.spec.fields, SECTIONS, From::Sent(given, kept), Some(&wrong)),
        wrong: Some(wrong),
    };
    html(StatusCode::UNPROCESSABLE_ENTITY, &page)
}

fn back(before: Option<&ConnectionRow>) -> String {
    before.map_or_else(|| "/console/connectors".to_owned(), |row| format!("/console/connectors/{}", row.uuid))
}

pub(super) async fn new(
    State(hub): State<Arc<Hub>>,
    Steward(visitor): Steward,
    Path(type_name): Path<String>,
) -> Result<Response, Problem> {
    let offer = offer(&hub, &type_name)?;
    let page = FormPage {
        frame: visitor.frame,
        offer: offer.clone(),
        changed: None,
        back: back(None),
        version: 0,
        name: String::new(),
        description: String::new(),
        execution: "hub".to_owned(),
        fields: fields(offer.spec.fields, SECTIONS, From::Kept(&Value::Null), None),
        wrong: None,
    };
    html(StatusCode::OK, &page)
}

pub(super) async fn create(
    State(hub): State<Arc<Hub>>,
    (Steward(visitor), Path(type_name)): (Steward, Path<String>),
    Form(given): Form<Vec<(String, String)>>,
) -> Result<Response, Problem> {
    let (offer, given) = (offer(&hub, &type_name)?, Given(given));
    let new = NewConnector {
        name: given.text("name").to_owned(),
        r#type: type_name,
        description: given.some("description"),
        execution: given.some("execution"),
        settings: read(offer.spec.fields, SECTIONS, &given),
    };
    match connectors::add((&hub, &visitor.principal), &new).await {
        Ok(row) => Ok(to(&format!("/console/connectors/{}", row.uuid))),
        Err(problem) => again(&visitor, (offer, &Value::Null), &given, Wrong::of(problem)?, None),
    }
}

/// What is kept of a connector, as forms show it.
async fn kept(hub: &Hub, row: &ConnectionRow) -> Result<Value, Problem> {
    let set = hub.store.secrets(row.tenant, &row.uuid).await?;
    Ok(settings::shown(hub.offer(&row.type_name), &row.settings, &set))
}

pub(super) async fn edit(
    State(hub): State<Arc<Hub>>,
    Steward(visitor): Steward,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let row = find(&hub, visitor.tenant(), &id).await?;
    let offer = offer(&hub, &row.type_name)?;
    let kept = kept(&hub, &row).await?;
    let page = FormPage {
        frame: visitor.frame,
        offer: offer.clone(),
        changed: Some(row.name.clone()),
        back: back(Some(&row)),
        version: row.version,
        fields: fields(offer.spec.fields, SECTIONS, From::Kept(&kept), None),
        name: row.name,
        description: row.description,
        execution: row.execution,
        wrong: None,
    };
    html(StatusCode::OK, &page)
}

pub(super) async fn update(
    State(hub): State<Arc<Hub>>,
    (Steward(visitor), Path(id)): (Steward, Path<String>),
    Form(given): Form<Vec<(String, String)>>,
) -> Result<Response, Problem> {
    let (row, given) = (find(&hub, visitor.tenant(), &id).await?, Given(given));
    let offer = offer(&hub, &row.type_name)?;
    let kept = kept(&hub, &row).await?;
    let update = ConnectorUpdate {
        name: given.text("name").to_owned(),
        description: given.some("description"),
        execution: given.some("execution"),
        settings: read(offer.spec.fields, SECTIONS, &given),
        version: given.text("version").parse().ok(),
    };
    let changed = match update.version {
        Some(version) if version == row.version => connectors::change((&hub, &visitor.principal), &row, &update).await,
        _ => Err(Problem::new(Code::VersionConflict)
            .detail("somebody saved it after this form was opened")
            .remedy("open the form again")),
    };
    match changed {
        Ok(row) => Ok(to(&format!("/console/connectors/{}", row.uuid))),
        Err(problem) => again(&visitor, (offer, &kept), &given, Wrong::of(problem)?, Some(&row)),
    }
}

#[derive(Template)]
#[template(path = "console/connectors/delete.html")]
struct DeletePage {
    frame: Frame,
    name: String,
    place: String,
    counts: Vec<Count>,
    profiles: usize,
}

/// Asks whether it is meant.
pub(super) async fn confirm_delete(
    State(hub): State<Arc<Hub>>,
    Steward(visitor): Steward,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let row = find(&hub, visitor.tenant(), &id).await?;
    let page = DeletePage {
        place: format!("/console/connectors/{}", row.uuid),
        counts: counts(&hub, &row).await?,
        profiles: hub.store.profiles(visitor.tenant(), row.id).await?.len(),
        name: row.name,
        frame: visitor.frame,
    };
    html(StatusCode::OK, &page)
}

pub(super) async fn delete(
    State(hub): State<Arc<Hub>>,
    Steward(visitor): Steward,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let row = find(&hub, visitor.tenant(), &id).await?;
    let job = connectors::remove((&hub, &visitor.principal), &row).await?;
    Ok(to(&format!("/console/runs/{}", job.uuid)))
}

/// Tests the connection; the page shows its steps as they end.
pub(super) async fn test(
    State(hub): State<Arc<Hub>>,
    Steward(visitor): Steward,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let row = find(&hub, visitor.tenant(), &id).await?;
    let (_, job) = connectors::ask_check((&hub, &visitor.principal), &row).await?;
    Ok(to(&format!("/console/runs/{}", job.uuid)))
}
