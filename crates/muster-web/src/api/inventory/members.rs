//! Who is in what: both ways, direct and nested, cycles walked once.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use muster_core::asset::Class;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::find;
use crate::api::page::{PageParameters, Paging};
use crate::auth::{Principal, Viewer};
use crate::error::Problem;
use crate::extract::{Path, Query};
use crate::hub::Hub;

/// How deep groups in groups are followed.
const DEPTH: usize = 64;
/// How many assets a walk meets before it says that there are more.
const MOST: usize = 100_000;
/// How many are asked for at once.
const AT_ONCE: usize = 1000;
/// How many members that are no assets are shown.
const UNRESOLVED: i64 = 1000;

pub(super) fn router() -> OpenApiRouter<Arc<Hub>> {
    OpenApiRouter::new().routes(routes!(user_memberships)).routes(routes!(group_memberships)).routes(routes!(members))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Asked {
    /// `true`: through groups in groups, too.
    nested: Option<bool>,
}

/// Members of a group, or groups of a member.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Members {
    pub(super) items: Vec<Member>,
    /// Where the next page begins; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_cursor: Option<String>,
    /// How many there are in all.
    pub(super) total: usize,
    /// Whether these are all: a walk ends at 100,000.
    pub(super) complete: bool,
    /// Direct members that the source names and that are no assets here.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) unresolved: Vec<String>,
}

/// A member of a group, or a group of a member.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Member {
    pub(super) id: i64,
    /// `user` or `group`.
    pub(super) class: String,
    pub(super) name: Option<String>,
    pub(super) external_asset_id: Option<String>,
    /// `present`, `gone` or `held`.
    pub(super) status: &'static str,
    pub(super) direct: bool,
    /// How many groups away.
    pub(super) depth: usize,
}

/// Which way a walk goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Up,
    Down,
}

/// What a walk met: id → how many groups away.
pub(super) struct Walk {
    pub(super) met: BTreeMap<i64, usize>,
    pub(super) complete: bool,
}

/// Walks from an asset, to the depth that is wanted; a cycle is walked once.
pub(super) async fn walk((hub, tenant): (&Hub, i64), from: i64, way: Way, depth: usize) -> Result<Walk, Problem> {
    let mut met = BTreeMap::new();
    let mut front = vec![from];
    for level in 1..=depth.min(DEPTH) {
        let mut next = Vec::new();
        for chunk in front.chunks(AT_ONCE) {
            let pairs = match way {
                Way::Up => hub.store.owners_of(tenant, chunk).await?,
                Way::Down => hub.store.members_of(tenant, chunk).await?,
            };
            for (_, other) in pairs {
                if other == from || met.contains_key(&other) {
                    continue;
                }
                if met.len() >= MOST {
                    return Ok(Walk { met, complete: false });
                }
                met.insert(other, level);
                next.push(other);
            }
        }
        if next.is_empty() {
            return Ok(Walk { met, complete: true });
        }
        front = next;
    }
    // At a depth that was asked for there is no more to say; at the bound there may be.
    Ok(Walk { met, complete: depth < DEPTH })
}

/// A page of what a walk met.
pub(super) async fn page(
    (hub, tenant): (&Hub, i64),
    walk: Walk,
    list: &str,
    paging: &Paging,
) -> Result<Members, Problem> {
    let after = paging.forwards(list)?.after;
    let shown = usize::try_from(paging.limit).unwrap_or(usize::MAX);
    let rows: Vec<(i64, usize)> =
        walk.met.range(after.saturating_add(1)..).take(shown + 1).map(|(id, depth)| (*id, *depth)).collect();
    let ids: Vec<i64> = rows.iter().map(|(id, _)| *id).collect();
    let assets = hub.store.assets(tenant, &ids).await?;
    let mut assets: HashMap<i64, _> = assets.into_iter().map(|row| (row.id, row)).collect();
    let page = paging.answer(list, rows, |(id, _)| *id, |(id, depth)| (assets.remove(&id), depth));
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    let items = page.items.into_iter().filter_map(|(row, depth)| {
        let row = row?;
        Some(Member {
            id: row.id,
            name: text(&row.document["assetDetail"]["name"]),
            external_asset_id: text(&row.document["assetHeader"]["externalAssetId"]),
            status: row.status,
            class: row.class,
            direct: depth == 1,
            depth,
        })
    });
    Ok(Members {
        items: items.collect(),
        next_cursor: page.next_cursor,
        total: walk.met.len(),
        complete: walk.complete,
        unresolved: Vec::new(),
    })
}

async fn answer(
    (hub, who): (&Hub, &Principal),
    (class, id): (Class, i64),
    way: Way,
    asked: &Asked,
    paging: &Paging,
) -> Result<Json<Members>, Problem> {
    let row = find(hub, who.tenant, class, id).await?;
    let nested = asked.nested.unwrap_or(false);
    let walk = walk((hub, who.tenant), row.id, way, if nested { DEPTH } else { 1 }).await?;
    let list = format!("members {way:?} {} {nested}", row.id);
    let mut found = page((hub, who.tenant), walk, &list, paging).await?;
    if way == Way::Down && paging.cursor.is_none() {
        found.unresolved = hub.store.unresolved_members(who.tenant, row.id, UNRESOLVED).await?;
    }
    Ok(Json(found))
}

/// The groups that a user is in, its primary group among them.
#[utoipa::path(
    get, path = "/api/v1/inventory/users/{id}/memberships", tag = "inventory", operation_id = "getInventoryUserMemberships",
    params(("id" = i64, Path, description = "The user's id."), PageParameters, Asked),
    responses((status = 200, description = "A page of them.", body = Members))
)]
async fn user_memberships(
    State(hub): State<Arc<Hub>>,
    (Viewer(who), Path(id)): (Viewer, Path<i64>),
    paging: Paging,
    Query(asked): Query<Asked>,
) -> Result<Json<Members>, Problem> {
    answer((&hub, &who), (Class::User, id), Way::Up, &asked, &paging).await
}

/// The groups that a group is in.
#[utoipa::path(
    get, path = "/api/v1/inventory/groups/{id}/memberships", tag = "inventory", operation_id = "getInventoryGroupMemberships",
    params(("id" = i64, Path, description = "The group's id."), PageParameters, Asked),
    responses((status = 200, description = "A page of them.", body = Members))
)]
async fn group_memberships(
    State(hub): State<Arc<Hub>>,
    (Viewer(who), Path(id)): (Viewer, Path<i64>),
    paging: Paging,
    Query(asked): Query<Asked>,
) -> Result<Json<Members>, Problem> {
    answer((&hub, &who), (Class::Group, id), Way::Up, &asked, &paging).await
}

/// The members of a group, those by primary group among them.
#[utoipa::path(
    get, path = "/api/v1/inventory/groups/{id}/members", tag = "inventory", operation_id = "getInventoryGroupMembers",
    params(("id" = i64, Path, description = "The group's id."), PageParameters, Asked),
    responses((status = 200, description = "A page of them.", body = Members))
)]
async fn members(
    State(hub): State<Arc<Hub>>,
    (Viewer(who), Path(id)): (Viewer, Path<i64>),
    paging: Paging,
    Query(asked): Query<Asked>,
) -> Result<Json<Members>, Problem> {
    answer((&hub, &who), (Class::Group, id), Way::Down, &asked, &paging).await
}
