//! Making and changing a profile.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use muster_core::connector::{FieldSpec, Offer};
use muster_store::hub::{ConnectionRow, ProfileRow};
use serde_json::{Map, Value};

use super::form::{Field, From, Given, Wrong, fields, read};
use super::frame::{Frame, Steward, Visitor, html, to};
use super::schedule::{Preview, ScheduleForm};
use crate::api::connectors;
use crate::api::maps::ALL_MAPS;
use crate::api::profiles::{self, ProfileBody, connector_of, find};
use crate::error::{Code, Problem};
use crate::extract::{Form, Path};
use crate::hub::Hub;

const SECTIONS: (&[&str], &str) = (&["profile"], "parameters");

/// The choice of a map for a stream.
struct MapChoice {
    stream: String,
    chosen: String,
    /// Public id and name of each of the tenant's own.
    own: Vec<(String, String)>,
}

#[derive(Template)]
#[template(path = "console/profiles/form.html")]
struct FormPage {
    frame: Frame,
    connector: String,
    /// The name of the profile that is changed.
    changed: Option<String>,
    /// Where the form goes, and where "cancel" leads.
    action: String,
    back: String,
    version: i64,
    name: String,
    active: bool,
    by_agent: bool,
    fields: Vec<Field>,
    maps: Vec<MapChoice>,
    schedule: ScheduleForm,
    preview: Preview,
    wrong: Option<Wrong>,
}

impl FormPage {
    fn wrong_at(&self, field: &str) -> Option<Wrong> {
        self.wrong.clone().filter(|wrong| wrong.field == field)
    }
}

/// Which profile of which connector.
struct Subject<'a> {
    connector: &'a ConnectionRow,
    before: Option<&'a ProfileRow>,
    offer: &'a Offer,
}

impl<'a> Subject<'a> {
    fn of(hub: &'a Hub, connector: &'a ConnectionRow, before: Option<&'a ProfileRow>) -> Result<Self, Problem> {
        let offer = hub.offer(&connector.type_name).ok_or_else(|| Problem::new(Code::NotFound))?;
        Ok(Self { connector, before, offer })
    }

    fn specs(&self) -> &'static [FieldSpec] {
        self.offer.spec.fields
    }

    async fn maps(&self, hub: &Hub, chosen: impl Fn(&str) -> String) -> Result<Vec<MapChoice>, Problem> {
        let all = hub.store.own_maps(self.connector.tenant, ALL_MAPS).await?;
        let own = |stream: &str| {
            let fit = all.iter().filter(|map| map.type_name == self.connector.type_name && map.stream == stream);
            fit.map(|map| (map.uuid.clone(), format!("{}, version {}", map.name, map.version))).collect()
        };
        let streams = self.offer.model.streams.iter();
        Ok(streams
            .map(|stream| MapChoice {
                own: own(&stream.name),
                chosen: chosen(&stream.name),
                stream: stream.name.clone(),
            })
            .collect())
    }

    fn page(&self, visitor: &Visitor) -> FormPage {
        let place = format!("/console/connectors/{}", self.connector.uuid);
        let (action, back) = match self.before {
            Some(row) => (format!("/console/profiles/{}/edit", row.uuid), format!("/console/profiles/{}", row.uuid)),
            None => (format!("{place}/profiles/new"), place),
        };
        FormPage {
            frame: visitor.frame.clone(),
            connector: self.connector.name.clone(),
            changed: self.before.map(|row| row.name.clone()),
            action,
            back,
            version: self.before.map_or(0, |row| row.version),
            name: self.before.map(|row| row.name.clone()).unwrap_or_default(),
            active: self.before.is_none_or(|row| row.active),
            by_agent: self.connector.execution == "agent",
            fields: Vec::new(),
            maps: Vec::new(),
            schedule: ScheduleForm::default(),
            preview: Preview::default(),
            wrong: None,
        }
    }

    /// The form as it is kept, or empty.
    async fn fresh(&self, hub: &Hub, visitor: &Visitor) -> Result<Response, Problem> {
        let kept = self.before.map(|row| row.parameters.clone()).unwrap_or_default();
        let chosen = |stream: &str| {
            let chosen = self.before.and_then(|row| row.maps[stream].as_str());
            chosen.unwrap_or("default").to_owned()
        };
        let schedule = ScheduleForm::of(self.before.and_then(|row| row.schedule.as_ref()));
        let page = FormPage {
            fields: fields(self.specs(), SECTIONS, From::Kept(&kept), None),
            maps: self.maps(hub, chosen).await?,
            preview: Preview::of(visitor, &schedule)?,
            schedule,
            ..self.page(visitor)
        };
        html(StatusCode::OK, &page)
    }

    /// The form as it was sent.
    async fn again(
        &self,
        (hub, visitor): (&Hub, &Visitor),
        given: &Given,
        wrong: Option<Wrong>,
    ) -> Result<Response, Problem> {
        let schedule = ScheduleForm::sent(given);
        let status = if wrong.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
        let page = FormPage {
            version: given.text("version").parse().unwrap_or(0),
            name: given.text("name").to_owned(),
            active: given.text("active") == "true",
            fields: fields(self.specs(), SECTIONS, From::Sent(given, &Value::Null), wrong.as_ref()),
            maps: self.maps(hub, |stream| given.text(&format!("transformMaps.{stream}")).to_owned()).await?,
            preview: Preview::of(visitor, &schedule)?,
            schedule,
            wrong,
            ..self.page(visitor)
        };
        html(status, &page)
    }

    fn body(&self, given: &Given) -> ProfileBody {
        let mut maps = Map::new();
        for stream in &self.offer.model.streams {
            let chosen = given.text(&format!("transformMaps.{}", stream.name));
            if !chosen.is_empty() && chosen != "default" {
                maps.insert(stream.name.clone(), chosen.into());
            }
        }
        let parameters = read(self.specs(), SECTIONS, given).remove("profile");
        ProfileBody {
            name: given.text("name").to_owned(),
            active: Some(given.text("active") == "true"),
            transform_maps: Some(maps),
            parameters: parameters.and_then(|parameters| parameters.as_object().cloned()),
            schedule: ScheduleForm::sent(given).to_json(),
            version: given.text("version").parse().ok(),
        }
    }
}

pub(super) async fn new(
    State(hub): State<Arc<Hub>>,
    Steward(visitor): Steward,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let connector = connectors::find(&hub, visitor.tenant(), &id).await?;
    Subject::of(&hub, &connector, None)?.fresh(&hub, &visitor).await
}

pub(super) async fn create(
    State(hub): State<Arc<Hub>>,
    (Steward(visitor), Path(id)): (Steward, Path<String>),
    Form(given): Form<Vec<(String, String)>>,
) -> Result<Response, Problem> {
    let given = Given(given);
    let connector = connectors::find(&hub, visitor.tenant(), &id).await?;
    let subject = Subject::of(&hub, &connector, None)?;
    if given.some("preview").is_some() {
        return subject.again((&hub, &visitor), &given, None).await;
    }
    match profiles::add((&hub, &visitor.principal), &connector, &subject.body(&given)).await {
        Ok(row) => Ok(to(&format!("/console/profiles/{}", row.uuid))),
        Err(problem) => subject.again((&hub, &visitor), &given, Some(Wrong::of(problem)?)).await,
    }
}

pub(super) async fn edit(
    State(hub): State<Arc<Hub>>,
    Steward(visitor): Steward,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let row = find(&hub, visitor.tenant(), &id).await?;
    let connector = connector_of(&hub, &row).await?;
    Subject::of(&hub, &connector, Some(&row))?.fresh(&hub, &visitor).await
}

pub(super) async fn update(
    State(hub): State<Arc<Hub>>,
    (Steward(visitor), Path(id)): (Steward, Path<String>),
    Form(given): Form<Vec<(String, String)>>,
) -> Result<Response, Problem> {
    let given = Given(given);
    let row = find(&hub, visitor.tenant(), &id).await?;
    let connector = connector_of(&hub, &row).await?;
    let subject = Subject::of(&hub, &connector, Some(&row))?;
    if given.some("preview").is_some() {
        return subject.again((&hub, &visitor), &given, None).await;
    }
    let body = subject.body(&given);
    let changed = match body.version {
        Some(version) if version == row.version => {
            profiles::change((&hub, &visitor.principal), (&connector, &row), &body).await
        }
        _ => Err(Problem::new(Code::VersionConflict)
            .detail("somebody saved it after this form was opened")
            .remedy("open the form again")),
    };
    match changed {
        Ok(row) => Ok(to(&format!("/console/profiles/{}", row.uuid))),
        Err(problem) => subject.again((&hub, &visitor), &given, Some(Wrong::of(problem)?)).await,
    }
}
