//! Trying a map: what is wrong with its text, and what it makes of a stored record.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use muster_core::map::{self, TransformMap};
use muster_core::record;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::maps;
use crate::auth::Viewer;
use crate::error::{Code, Problem};
use crate::extract::Body;
use crate::hub::Hub;

pub(super) fn router() -> OpenApiRouter<Arc<Hub>> {
    OpenApiRouter::new().routes(routes!(lint)).routes(routes!(preview))
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct LintBody {
    r#type: String,
    stream: String,
    /// The map, in YAML.
    text: String,
}

/// What is wrong with a map.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Lints {
    /// Whether it could be saved.
    pub(crate) usable: bool,
    /// Why the text cannot be read at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) syntax: Option<String>,
    pub(crate) lints: Vec<Lint>,
    /// The cases of its own that do not come out as written.
    pub(crate) failed_cases: Vec<FailedCase>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Lint {
    /// A stable code, such as `M001`.
    pub(crate) code: &'static str,
    /// `error` or `warning`.
    pub(crate) severity: &'static str,
    pub(crate) line: u64,
    pub(crate) column: u64,
    pub(crate) message: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FailedCase {
    pub(crate) case: String,
    pub(crate) line: u64,
    pub(crate) message: String,
}

/// Looks a map over: codes with line and column, and its own cases.
#[utoipa::path(
    post, path = "/api/v1/transform-maps/lint", tag = "transform maps", operation_id = "lintTransformMap", request_body = LintBody,
    responses((status = 200, description = "What is wrong with it.", body = Lints))
)]
async fn lint(State(hub): State<Arc<Hub>>, _: Viewer, Body(given): Body<LintBody>) -> Result<Json<Lints>, Problem> {
    Ok(Json(lints(&hub, (&given.r#type, &given.stream), &given.text)?))
}

/// What is wrong with a text, whoever asks: REST or console.
pub(crate) fn lints(hub: &Hub, (type_name, stream): (&str, &str), text: &str) -> Result<Lints, Problem> {
    let model = maps::stream_of(hub, type_name, stream)?;
    maps::bounded(text)?;
    let file = match map::parse(text) {
        Ok(file) => file,
        Err(error) => {
            let syntax = Some(error.message);
            return Ok(Lints { usable: false, syntax, lints: Vec::new(), failed_cases: Vec::new() });
        }
    };
    let found = map::lint(&file, model);
    let compiled = map::compile(text, model).ok();
    let failed = compiled.as_ref().map(|compiled| map::run_cases(&file, compiled)).unwrap_or_default();
    let shown = found.into_iter().map(|lint| Lint {
        code: lint.code.word(),
        severity: if lint.code.is_error() { "error" } else { "warning" },
        line: lint.line,
        column: lint.column,
        message: lint.message,
    });
    let failed = failed.into_iter().map(|case| FailedCase { case: case.case, line: case.line, message: case.message });
    Ok(Lints { usable: compiled.is_some(), syntax: None, lints: shown.collect(), failed_cases: failed.collect() })
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PreviewBody {
    /// The asset whose stored record is mapped.
    asset_id: i64,
    /// The map that is tried; or `text`.
    map_id: Option<String>,
    /// The text that is tried, in YAML; or `mapId`.
    text: Option<String>,
}

/// What a map makes of a record.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Preview {
    /// The asset as it is now.
    pub(crate) before: Value,
    /// The asset as the map makes it; absent where it rejects the record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) after: Option<Value>,
    /// Why the record is rejected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rejected: Option<String>,
    /// Which attribute each value came from.
    values: Vec<Origin>,
    /// Optional values that cannot be read.
    dropped: Vec<Dropped>,
    /// When the same record would give something else, by time alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    recheck_at: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Origin {
    target: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    attribute: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Dropped {
    attribute: String,
    reason: String,
}

/// Shows what a map makes of a stored record. Nothing is written.
#[utoipa::path(
    post, path = "/api/v1/transform-maps/preview", tag = "transform maps", operation_id = "previewTransformMap",
    request_body = PreviewBody, responses((status = 200, description = "What it makes.", body = Preview))
)]
async fn preview(
    State(hub): State<Arc<Hub>>,
    Viewer(who): Viewer,
    Body(given): Body<PreviewBody>,
) -> Result<Json<Preview>, Problem> {
    let chosen = (given.map_id.as_deref(), given.text.as_deref());
    Ok(Json(try_on((&hub, who.tenant), given.asset_id, chosen).await?))
}

/// Shows what a map, by id or as text, makes of an asset's stored record, whoever asks: REST or console.
pub(crate) async fn try_on(
    (hub, tenant): (&Hub, i64),
    asset: i64,
    wanted: (Option<&str>, Option<&str>),
) -> Result<Preview, Problem> {
    let missing = || Problem::new(Code::NotFound).field("assetId");
    let asset = hub.store.assets(tenant, &[asset]).await?.pop().ok_or_else(missing)?;
    let connector = hub.store.connection_of(tenant, asset.connector).await?.ok_or_else(missing)?;
    let map = chosen(hub, tenant, (&connector.type_name, &asset.stream), wanted).await?;
    let document = hub.store.documents(&[asset.id]).await?.pop().ok_or_else(missing)?;
    let Some(raw) = &document.raw else {
        let detail = "its record is no longer kept: it was purged, or only its hash is";
        return Err(Problem::value("assetId", detail));
    };
    let batch = record::rebuild(map.model(), &document.source_key, &[raw, &document.volatile]);
    let record = batch.get(0).ok_or_else(|| Problem::new(Code::Internal))?;
    let (mapped, origins) = map.preview(record, hub.now());
    let (mapped, rejected) = match mapped {
        Ok(mapped) => (Some(mapped), None),
        Err(rejection) => (None, Some(rejection.to_string())),
    };
    let dropped = mapped.iter().flat_map(|mapped| &mapped.dropped);
    let dropped = dropped.map(|one| Dropped { attribute: one.attribute.clone(), reason: one.reason.clone() }).collect();
    let values = origins.into_iter().map(|origin| Origin { target: origin.target, attribute: origin.attribute });
    Ok(Preview {
        before: asset.document,
        after: mapped.as_ref().map(|mapped| mapped.asset.to_document()),
        rejected,
        values: values.collect(),
        dropped,
        recheck_at: mapped.and_then(|mapped| mapped.recheck_at).map(muster_core::clock::Instant::to_rfc3339),
    })
}

async fn chosen(
    hub: &Hub,
    tenant: i64,
    (type_name, stream): (&str, &str),
    wanted: (Option<&str>, Option<&str>),
) -> Result<TransformMap, Problem> {
    let model = maps::stream_of(hub, type_name, stream)?;
    match wanted {
        (None, Some(text)) => maps::compile(text, model),
        (Some(id), None) => {
            let found = maps::find(hub, tenant, id).await?;
            if found.type_name() != type_name || found.stream() != stream {
                return Err(Problem::value("mapId", "the map is for another stream than the asset's"));
            }
            maps::compile(found.text(), model)
        }
        _ => Err(Problem::value("mapId", "give either `mapId` or `text`")),
    }
}
