//! Roles: the well-known privileged groups of a directory, marked derived (spec C34).
//!
//! A directory has no roles. Where a profile reads with security posture, the groups that everybody knows to be
//! privileged are shown as such, with everybody who is in them through whatever groups.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use muster_core::asset::Class;
use muster_store::hub::Page;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::asset::Asset;
use super::find;
use super::members::{self, Members, Way, walk};
use crate::api::names::Names;
use crate::api::page::{PageParameters, Paging};
use crate::auth::Viewer;
use crate::error::{Code, Problem};
use crate::extract::Path;
use crate::hub::Hub;

/// Groups of a domain, by the last number of their SID (MS-DTYP 2.4.2.4).
const OF_A_DOMAIN: [u32; 7] = [498, 512, 516, 518, 519, 520, 521];
/// Groups of every machine (MS-DTYP 2.4.2.4).
const BUILT_IN: [&str; 5] = ["S-1-5-32-544", "S-1-5-32-548", "S-1-5-32-549", "S-1-5-32-550", "S-1-5-32-551"];
/// The choice of assets that asks for roles.
const POSTURE: &str = "identities_with_posture";
/// How deep groups in groups are followed.
const DEPTH: usize = 64;

pub(super) fn router() -> OpenApiRouter<Arc<Hub>> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(get)).routes(routes!(holders))
}

/// A role.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Role {
    /// The group behind it, whose id it shares.
    #[serde(flatten)]
    group: Asset,
    name: Option<String>,
    /// `true`: a directory has no roles, this one is drawn from a privileged group.
    derived: bool,
    /// How many are in it, directly and through groups.
    members: usize,
    /// Whether these are all.
    complete: bool,
}

/// The roles.
#[derive(Debug, Serialize, ToSchema)]
struct Roles {
    items: Vec<Role>,
    /// Why there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

/// The connectors of which a profile reads with security posture.
async fn with_posture(hub: &Hub, tenant: i64) -> Result<Vec<i64>, Problem> {
    let mut found = Vec::new();
    let mut page = Page { after: 0, limit: 1000 };
    loop {
        let rows = hub.store.connections(tenant, page).await?;
        let Some(last) = rows.last() else { return Ok(found) };
        page.after = last.id;
        for row in &rows {
            let profiles = hub.store.profiles(tenant, row.id).await?;
            if profiles.iter().any(|profile| profile.parameters["assets"] == POSTURE) {
                found.push(row.id);
            }
        }
    }
}

async fn role((hub, tenant, names): (&Hub, i64, &Names), id: i64) -> Result<Role, Problem> {
    let row = find(hub, tenant, Class::Group, id).await?;
    let walk = walk((hub, tenant), id, Way::Down, DEPTH).await?;
    Ok(Role {
        name: row.document["assetDetail"]["name"].as_str().map(str::to_owned),
        derived: true,
        members: walk.met.len(),
        complete: walk.complete,
        group: Asset { class: "role".to_owned(), ..Asset::of(names, row) },
    })
}

/// The ids of the groups that are shown as roles, and why there are none.
pub(crate) async fn ids(hub: &Hub, tenant: i64) -> Result<(Vec<i64>, Option<&'static str>), Problem> {
    let connectors = with_posture(hub, tenant).await?;
    if connectors.is_empty() {
        let reason = "Directories have no roles. Where a profile's `assets` is `identities_with_posture`, the well-known \
                      privileged groups are shown as roles; no profile here chooses that.";
        return Ok((Vec::new(), Some(reason)));
    }
    let found = hub.store.groups_by_sid(tenant, &connectors, (&BUILT_IN, &OF_A_DOMAIN)).await?;
    let reason = found.is_empty().then_some(
        "A profile reads with security posture, but none of the well-known privileged groups has been read yet: run it, \
         and see that its base context holds them.",
    );
    Ok((found.into_iter().map(|(id, _)| id).collect(), reason))
}

/// The well-known privileged groups, as roles; empty with a reason where no profile chose security posture.
#[utoipa::path(
    get, path = "/api/v1/inventory/roles", tag = "inventory", operation_id = "listInventoryRoles",
    responses((status = 200, description = "All of them.", body = Roles))
)]
async fn list(State(hub): State<Arc<Hub>>, Viewer(who): Viewer) -> Result<Json<Roles>, Problem> {
    let (ids, reason) = ids(&hub, who.tenant).await?;
    let names = Names::of(&hub, who.tenant).await?;
    let mut items = Vec::with_capacity(ids.len());
    for id in ids {
        items.push(role((&hub, who.tenant, &names), id).await?);
    }
    Ok(Json(Roles { items, reason }))
}

async fn known(hub: &Hub, tenant: i64, id: i64) -> Result<(), Problem> {
    let (ids, _) = ids(hub, tenant).await?;
    if ids.contains(&id) { Ok(()) } else { Err(Problem::new(Code::NotFound)) }
}

/// A role.
#[utoipa::path(
    get, path = "/api/v1/inventory/roles/{id}", tag = "inventory", operation_id = "getInventoryRole",
    params(("id" = i64, Path, description = "Its id.")), responses((status = 200, description = "It.", body = Role))
)]
async fn get(State(hub): State<Arc<Hub>>, Viewer(who): Viewer, Path(id): Path<i64>) -> Result<Json<Role>, Problem> {
    known(&hub, who.tenant, id).await?;
    let names = Names::of(&hub, who.tenant).await?;
    Ok(Json(role((&hub, who.tenant, &names), id).await?))
}

/// Everybody in a role, directly and through groups.
#[utoipa::path(
    get, path = "/api/v1/inventory/roles/{id}/members", tag = "inventory", operation_id = "getInventoryRoleMembers",
    params(("id" = i64, Path, description = "The role's id."), PageParameters),
    responses((status = 200, description = "A page of them.", body = Members))
)]
async fn holders(
    State(hub): State<Arc<Hub>>,
    Viewer(who): Viewer,
    Path(id): Path<i64>,
    paging: Paging,
) -> Result<Json<Members>, Problem> {
    known(&hub, who.tenant, id).await?;
    let walk = walk((&hub, who.tenant), id, Way::Down, DEPTH).await?;
    Ok(Json(members::page((&hub, who.tenant), walk, &format!("role {id}"), &paging).await?))
}
