//! Transform maps: the locked defaults, and one's own with their versions.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use muster_core::connector::Offer;
use muster_core::map;
use muster_core::model::StreamModel;
use muster_store::hub::{NewMap, OwnMapRow, Page};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::page::{IfMatch, Paged, etag};
use super::text;
use crate::auth::{Manager, Principal, Viewer};
use crate::error::{Code, Problem};
use crate::extract::{Body, Path, Query};
use crate::hub::Hub;

/// The longest map, in bytes; the defaults have a tenth of that.
const LONGEST: usize = 64 << 10;

pub(super) fn router() -> OpenApiRouter<Arc<Hub>> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(get, update, delete))
        .routes(routes!(clone))
        .merge(super::map_trial::router())
}

/// A transform map. The id of a default is `default:<connector type>:<stream>`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TransformMap {
    pub(crate) id: String,
    pub(crate) name: String,
    r#type: String,
    pub(crate) stream: String,
    pub(crate) version: i64,
    /// Whether it cannot be changed: a default.
    pub(crate) locked: bool,
    /// Its text, in YAML; absent in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    updated_at: Option<String>,
}

/// A map of either kind.
pub(crate) enum Found<'a> {
    Default { offer: &'a Offer, stream: &'static str, text: &'static str },
    Own(Box<OwnMapRow>),
}

impl Found<'_> {
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Default { text, .. } => text,
            Self::Own(row) => &row.text,
        }
    }

    pub(crate) fn type_name(&self) -> &str {
        match self {
            Self::Default { offer, .. } => offer.spec.type_name,
            Self::Own(row) => &row.type_name,
        }
    }

    pub(crate) fn stream(&self) -> &str {
        match self {
            Self::Default { stream, .. } => stream,
            Self::Own(row) => &row.stream,
        }
    }

    pub(crate) fn show(&self) -> TransformMap {
        let text = Some(self.text().to_owned());
        let (r#type, stream) = (self.type_name().to_owned(), self.stream().to_owned());
        match self {
            Self::Default { text: given, .. } => {
                let file = map::parse(given).ok();
                let name = file.as_ref().map(|file| file.map.clone()).unwrap_or_default();
                let version = file.map_or(1, |file| i64::from(file.version));
                let id = format!("default:{type}:{stream}");
                TransformMap { id, name, r#type, stream, version, locked: true, text, updated_at: None }
            }
            Self::Own(row) => TransformMap {
                id: row.uuid.clone(),
                name: row.name.clone(),
                r#type,
                stream,
                version: row.version,
                locked: false,
                text,
                updated_at: Some(row.updated_at.to_rfc3339()),
            },
        }
    }
}

/// The map of that id.
pub(crate) async fn find<'a>(hub: &'a Hub, tenant: i64, id: &str) -> Result<Found<'a>, Problem> {
    let missing = || Problem::new(Code::NotFound);
    if let Some((type_name, stream)) = id.strip_prefix("default:").and_then(|rest| rest.split_once(':')) {
        let offer = hub.offer(type_name).ok_or_else(missing)?;
        let known = offer.default_maps.iter().find(|(name, _)| *name == stream);
        let &(stream, text) = known.ok_or_else(missing)?;
        return Ok(Found::Default { offer, stream, text });
    }
    Ok(Found::Own(Box::new(hub.store.own_map(tenant, id).await?.ok_or_else(missing)?)))
}

/// One of one's own; a default is locked.
pub(crate) async fn find_own(hub: &Hub, tenant: i64, id: &str) -> Result<OwnMapRow, Problem> {
    match find(hub, tenant, id).await? {
        Found::Own(row) => Ok(*row),
        Found::Default { .. } => Err(Problem::new(Code::Locked)),
    }
}

/// The stream that a map is for.
pub(crate) fn stream_of<'a>(hub: &'a Hub, type_name: &str, stream: &str) -> Result<&'a Arc<StreamModel>, Problem> {
    let offer = hub.offer(type_name).ok_or_else(|| Problem::value("type", "there is no such connector type"))?;
    offer.model.stream(stream).ok_or_else(|| Problem::value("stream", "the connector type has no such stream"))
}

/// Refuses a text that is longer than any map: what looks it over takes its time for each row.
pub(super) fn bounded(text: &str) -> Result<(), Problem> {
    if text.len() > LONGEST {
        return Err(Problem::new(Code::InvalidMap).field("text").detail(format!("a map has at most {LONGEST} bytes")));
    }
    Ok(())
}

/// Refuses a text that is no map for that stream.
pub(super) fn compile(text: &str, model: &Arc<StreamModel>) -> Result<map::TransformMap, Problem> {
    bounded(text)?;
    map::compile(text, model).map_err(|error| {
        let problem = Problem::new(Code::InvalidMap).field("text").detail(error.to_string());
        problem.remedy("`POST /api/v1/transform-maps/lint` lists all that is wrong with it")
    })
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Filter {
    /// Only those of a connector type.
    r#type: Option<String>,
    /// Only those of a stream.
    stream: Option<String>,
}

/// The most maps that one answer or form tells of.
pub(crate) const ALL_MAPS: Page = Page { after: 0, limit: 1000 };

/// The default maps.
pub(crate) fn defaults(hub: &Hub) -> impl Iterator<Item = Found<'_>> {
    hub.offers
        .iter()
        .flat_map(|offer| offer.default_maps.iter().map(move |&(stream, text)| Found::Default { offer, stream, text }))
}

/// The maps there are: defaults first, without their texts.
#[utoipa::path(
    get, path = "/api/v1/transform-maps", tag = "transform maps", operation_id = "listTransformMaps", params(Filter),
    responses((status = 200, description = "All of them.", body = Paged<TransformMap>))
)]
async fn list(
    State(hub): State<Arc<Hub>>,
    Viewer(who): Viewer,
    Query(given): Query<Filter>,
) -> Result<Json<Paged<TransformMap>>, Problem> {
    let own = hub.store.own_maps(who.tenant, ALL_MAPS).await?;
    let found: Vec<_> = defaults(&hub).chain(own.into_iter().map(|row| Found::Own(Box::new(row)))).collect();
    let wanted = |map: &&Found<'_>| {
        given.r#type.as_deref().is_none_or(|name| name == map.type_name())
            && given.stream.as_deref().is_none_or(|name| name == map.stream())
    };
    let items = found.iter().filter(wanted).map(|map| TransformMap { text: None, ..map.show() }).collect();
    Ok(Json(Paged { items, next_cursor: None }))
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewTransformMap {
    name: String,
    r#type: String,
    stream: String,
    /// The map, in YAML.
    text: String,
}

/// Adds a map.
#[utoipa::path(
    post, path = "/api/v1/transform-maps", tag = "transform maps", operation_id = "createTransformMap", request_body = NewTransformMap,
    responses((status = 201, description = "It.", body = TransformMap))
)]
async fn create(
    State(hub): State<Arc<Hub>>,
    Manager(who): Manager,
    Body(given): Body<NewTransformMap>,
) -> Result<Response, Problem> {
    let name = text::name("name", &given.name)?;
    let model = stream_of(&hub, &given.r#type, &given.stream)?;
    compile(&given.text, model)?;
    Ok(made(add((&hub, &who), (&given.r#type, &given.stream), (&name, &given.text)).await?))
}

async fn add(
    (hub, who): (&Hub, &Principal),
    (type_name, stream): (&str, &str),
    (name, text): (&str, &str),
) -> Result<OwnMapRow, Problem> {
    let uuid = hub.random.uuid();
    let new = NewMap { tenant: who.tenant, uuid: &uuid, type_name, stream, name, text };
    let detail = json!({ "name": name, "type": type_name, "stream": stream });
    let audit = who.audit(hub, "transform-map.create", ("transform map", &uuid), detail);
    Ok(hub.store.add_map(new, &audit).await??)
}

fn made(row: OwnMapRow) -> Response {
    (StatusCode::CREATED, etag(row.version), Json(Found::Own(Box::new(row)).show())).into_response()
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CloneBody {
    name: String,
}

/// Clones a map, a locked default above all, into one of one's own.
#[utoipa::path(
    post, path = "/api/v1/transform-maps/{id}/clone", tag = "transform maps", operation_id = "cloneTransformMap",
    params(("id" = String, Path, description = "The id of the map that is cloned.")), request_body = CloneBody,
    responses((status = 201, description = "The clone.", body = TransformMap))
)]
async fn clone(
    State(hub): State<Arc<Hub>>,
    (Manager(who), Path(id)): (Manager, Path<String>),
    Body(given): Body<CloneBody>,
) -> Result<Response, Problem> {
    Ok(made(clone_of((&hub, &who), &id, &given.name).await?))
}

/// Clones a map, whoever asks: REST or console.
pub(crate) async fn clone_of((hub, who): (&Hub, &Principal), id: &str, name: &str) -> Result<OwnMapRow, Problem> {
    let name = text::name("name", name)?;
    let found = find(hub, who.tenant, id).await?;
    add((hub, who), (found.type_name(), found.stream()), (&name, found.text())).await
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Version {
    /// An earlier version's text.
    version: Option<i64>,
}

/// A map with its text, or with that of an earlier version.
pub(crate) async fn at_version(hub: &Hub, found: &Found<'_>, version: Option<i64>) -> Result<TransformMap, Problem> {
    let mut shown = found.show();
    if let (Some(version), Found::Own(row)) = (version.filter(|version| *version != shown.version), found) {
        let earlier = hub.store.map_version(row, version).await?;
        shown.text = Some(earlier.ok_or_else(|| Problem::new(Code::NotFound))?);
        shown.version = version;
        shown.updated_at = None;
    }
    Ok(shown)
}

/// A map with its text.
#[utoipa::path(
    get, path = "/api/v1/transform-maps/{id}", tag = "transform maps", operation_id = "getTransformMap",
    params(("id" = String, Path, description = "Its id."), Version),
    responses((status = 200, description = "It.", body = TransformMap))
)]
async fn get(
    State(hub): State<Arc<Hub>>,
    (Viewer(who), Path(id)): (Viewer, Path<String>),
    Query(given): Query<Version>,
) -> Result<Response, Problem> {
    let found = find(&hub, who.tenant, &id).await?;
    let shown = at_version(&hub, &found, given.version).await?;
    Ok((etag(shown.version), Json(shown)).into_response())
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct MapUpdate {
    /// The new text, in YAML.
    text: String,
    /// The version that the change was made from; `If-Match` says the same.
    version: Option<i64>,
}

/// Gives a map another text: a new version. The profiles that choose it replay what they brought at their next run.
#[utoipa::path(
    put, path = "/api/v1/transform-maps/{id}", tag = "transform maps", operation_id = "updateTransformMap", request_body = MapUpdate,
    params(("id" = String, Path, description = "Its id.")),
    responses((status = 200, description = "It, as it is now.", body = TransformMap))
)]
async fn update(
    State(hub): State<Arc<Hub>>,
    (Manager(who), Path(id), matching): (Manager, Path<String>, IfMatch),
    Body(given): Body<MapUpdate>,
) -> Result<Response, Problem> {
    let row = find_own(&hub, who.tenant, &id).await?;
    matching.check(given.version, row.version)?;
    let row = change((&hub, &who), &row, &given.text).await?;
    let version = row.version;
    Ok((etag(version), Json(Found::Own(Box::new(row)).show())).into_response())
}

/// Gives a map another text, whoever asks: REST or console.
pub(crate) async fn change((hub, who): (&Hub, &Principal), row: &OwnMapRow, text: &str) -> Result<OwnMapRow, Problem> {
    compile(text, stream_of(hub, &row.type_name, &row.stream)?)?;
    let detail = json!({ "name": row.name, "version": row.version + 1 });
    let audit = who.audit(hub, "transform-map.update", ("transform map", &row.uuid), detail);
    Ok(hub.store.change_map(row, text, &audit).await??)
}

/// Removes a map that no profile chooses.
#[utoipa::path(
    delete, path = "/api/v1/transform-maps/{id}", tag = "transform maps", operation_id = "deleteTransformMap",
    params(("id" = String, Path, description = "Its id.")), responses((status = 204, description = "It is gone."))
)]
async fn delete(
    State(hub): State<Arc<Hub>>,
    Manager(who): Manager,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let row = find_own(&hub, who.tenant, &id).await?;
    remove((&hub, &who), &row).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Removes a map, whoever asks: REST or console.
pub(crate) async fn remove((hub, who): (&Hub, &Principal), row: &OwnMapRow) -> Result<(), Problem> {
    let audit = who.audit(hub, "transform-map.delete", ("transform map", &row.uuid), json!({ "name": row.name }));
    Ok(hub.store.remove_map(row, &audit).await??)
}
