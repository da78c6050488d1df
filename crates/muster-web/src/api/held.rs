//! What a drop beyond the guard holds: seen, released, refused (design P3, D9).

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use muster_store::hub::{HeldRow, JobRow, ProfileRow, Refusal};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::jobs::{self, Job};
use super::names::Names;
use super::page::Paged;
use super::profiles;
use super::runs::enqueue;
use crate::auth::{Manager, Principal, Viewer};
use crate::error::{Code, Problem};
use crate::extract::Path;
use crate::hub::Hub;

/// How many names of a set are told.
const SAMPLE: i64 = 5;

pub(super) fn router() -> OpenApiRouter<Arc<Hub>> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(held)).routes(routes!(release)).routes(routes!(refuse))
}

/// Assets of one scope that are missing and held.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct HeldSet {
    connector_id: String,
    /// The profile that reads the scope.
    #[serde(skip_serializing_if = "Option::is_none")]
    profile_id: Option<String>,
    stream: String,
    scope: String,
    /// How many.
    held: u64,
    /// Since when the first of them is missing.
    since: String,
    /// Why they are held, as the ledger says.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// The names of some.
    sample: Vec<String>,
}

/// What is held of a profile's connector.
#[derive(Debug, Serialize, ToSchema)]
struct Held {
    /// How many assets in all.
    held: u64,
    sets: Vec<HeldSet>,
}

/// Why a set is held, and the names of some of it.
pub(crate) async fn about(hub: &Hub, tenant: i64, row: &HeldRow) -> Result<(Option<String>, Vec<String>), Problem> {
    let reason = hub.store.held_why(tenant, row).await?;
    let ids = hub.store.held_some(row, SAMPLE).await?;
    let mut assets = hub.store.assets(tenant, &ids).await?;
    assets.sort_by_key(|asset| asset.id);
    let name = |asset: muster_store::AssetRow| {
        asset.document["assetDetail"]["name"].as_str().map_or(asset.source_key, str::to_owned)
    };
    Ok((reason, assets.into_iter().map(name).collect()))
}

async fn show(hub: &Hub, tenant: i64, rows: Vec<HeldRow>) -> Result<Vec<HeldSet>, Problem> {
    let mut names = Names::of(hub, tenant).await?;
    let mut sets = Vec::with_capacity(rows.len());
    for row in rows {
        let (reason, sample) = about(hub, tenant, &row).await?;
        sets.push(HeldSet {
            connector_id: names.connector_id(row.connector),
            profile_id: names.profile_id(hub, row.profile).await?,
            stream: row.stream,
            scope: row.scope_name,
            held: row.held,
            since: row.since.to_rfc3339(),
            reason,
            sample,
        });
    }
    Ok(sets)
}

/// What is held for an operator's release, by stream and scope; 1,000 sets at most.
#[utoipa::path(
    get, path = "/api/v1/held", tag = "held", operation_id = "listHeld",
    responses((status = 200, description = "All of it.", body = Paged<HeldSet>))
)]
async fn list(State(hub): State<Arc<Hub>>, Viewer(who): Viewer) -> Result<Json<Paged<HeldSet>>, Problem> {
    let rows = hub.store.held_sets(who.tenant, None).await?;
    Ok(Json(Paged { items: show(&hub, who.tenant, rows).await?, next_cursor: None }))
}

/// What is held for an operator's release, among all that the profile's connector brought.
#[utoipa::path(
    get, path = "/api/v1/profiles/{id}/held", tag = "held", operation_id = "getHeld",
    params(("id" = String, Path, description = "The profile's id.")),
    responses((status = 200, description = "How much.", body = Held))
)]
async fn held(State(hub): State<Arc<Hub>>, Viewer(who): Viewer, Path(id): Path<String>) -> Result<Json<Held>, Problem> {
    let profile = profiles::find(&hub, who.tenant, &id).await?;
    let rows = hub.store.held_sets(who.tenant, Some(profile.connector)).await?;
    let held = rows.iter().map(|row| row.held).sum();
    Ok(Json(Held { held, sets: show(&hub, who.tenant, rows).await? }))
}

/// Releases what is held: a full run that retires what is still missing then. To keep them,
/// refuse; or do nothing: what is held stays present until the source shows it again or somebody releases it.
#[utoipa::path(
    post, path = "/api/v1/profiles/{id}/release", tag = "held", operation_id = "releaseHeld",
    params(("id" = String, Path, description = "The profile's id.")),
    responses(
        (status = 202, description = "The job.", body = Job),
        (status = 200, description = "The job that is open already: it may not be a release.", body = Job)
    )
)]
async fn release(
    State(hub): State<Arc<Hub>>,
    Manager(who): Manager,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let profile = profiles::find(&hub, who.tenant, &id).await?;
    let asked = start_release((&hub, &who), &profile).await?;
    jobs::answer(&hub, asked).await
}

/// Asks for a release of what is held, whoever asks: REST or console.
pub(crate) async fn start_release(
    (hub, who): (&Hub, &Principal),
    profile: &ProfileRow,
) -> Result<(StatusCode, JobRow), Problem> {
    if hub.store.held_sets(profile.tenant, Some(profile.connector)).await?.is_empty() {
        return Err(Problem::new(Code::NothingHeld));
    }
    enqueue((hub, who), profile, &json!({ "mode": "full", "release": true })).await
}

/// Refuses to let go of what is held of the profile's connector: it counts as present until a full run or a sweep
/// misses it anew.
#[utoipa::path(
    post, path = "/api/v1/profiles/{id}/refuse", tag = "held", operation_id = "refuseHeld",
    params(("id" = String, Path, description = "The profile's id.")),
    responses((status = 204, description = "It is kept."))
)]
async fn refuse(
    State(hub): State<Arc<Hub>>,
    Manager(who): Manager,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let profile = profiles::find(&hub, who.tenant, &id).await?;
    keep((&hub, &who), &profile).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Keeps what is held, whoever asks: REST or console.
pub(crate) async fn keep((hub, who): (&Hub, &Principal), profile: &ProfileRow) -> Result<(), Problem> {
    let sets = hub.store.held_sets(who.tenant, Some(profile.connector)).await?;
    let held: u64 = sets.iter().map(|set| set.held).sum();
    let audit = who.audit(hub, "profile.refuse", ("profile", &profile.uuid), json!({ "held": held }));
    match hub.store.refuse_held((who.tenant, profile.connector), &audit).await? {
        Ok(_) => Ok(()),
        Err(Refusal::Busy) => Err(Problem::new(Code::Busy)
            .detail("a run of the connector is still open")
            .remedy("wait until it has ended, then look again at what is held")),
        Err(_) => Err(Problem::new(Code::NothingHeld)),
    }
}
