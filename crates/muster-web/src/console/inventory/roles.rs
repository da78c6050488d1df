//! Roles: well-known privileged groups, derived (see `api::inventory::roles`).

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::members::{Circle, members};
use super::name;
use crate::api::inventory::roles::ids;
use crate::api::names::Names;
use crate::console::frame::{Frame, Visitor, html};
use crate::console::part::Number;
use crate::error::Problem;
use crate::hub::Hub;

struct Role {
    href: String,
    name: String,
    connector: String,
    members: Circle,
}

impl Role {
    fn count(&self) -> String {
        let count = Number(u64::try_from(self.members.direct_count + self.members.nested_count).unwrap_or(0));
        if self.members.is_cut { format!("{count}+") } else { count.to_string() }
    }
}

#[derive(Template)]
#[template(path = "console/inventory/roles.html")]
struct RolesPage {
    frame: Frame,
    roles: Vec<Role>,
    reason: Option<&'static str>,
}

pub(in crate::console) async fn roles(State(hub): State<Arc<Hub>>, visitor: Visitor) -> Result<Response, Problem> {
    let (ids, reason) = ids(&hub, visitor.tenant()).await?;
    let names = Names::of(&hub, visitor.tenant()).await?;
    let mut roles = Vec::with_capacity(ids.len());
    for asset in hub.store.assets(visitor.tenant(), &ids).await? {
        roles.push(Role {
            href: format!("{}/{}", super::ROLES.place, asset.id),
            name: name(&asset.document, &asset.source_key),
            connector: names.connector(asset.connector).map(|label| label.name.clone()).unwrap_or_default(),
            members: members(&hub, visitor.tenant(), asset.id).await?,
        });
    }
    roles.sort_by_cached_key(|role| muster_core::fold::fold(&role.name));
    html(StatusCode::OK, &RolesPage { frame: visitor.frame, roles, reason })
}
