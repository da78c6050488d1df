//! The inventory: users, groups and APIs, the roles derived from groups, the definitions of APIs, sources.
//!
//! Users, groups and APIs are lists of one kind: a handler each, one function behind all.

mod asset;
pub(crate) mod definition;
mod detail;
mod list;
pub(crate) mod members;
pub(crate) mod roles;
mod sources;

pub(crate) use detail::{DefinitionChange, record};

use std::sync::Arc;

use muster_core::asset::Class;
use muster_store::AssetRow;
use utoipa_axum::router::OpenApiRouter;

use crate::error::{Code, Problem};
use crate::hub::Hub;

pub(super) fn router() -> OpenApiRouter<Arc<Hub>> {
    OpenApiRouter::new()
        .merge(list::router())
        .merge(detail::router())
        .merge(definition::router())
        .merge(members::router())
        .merge(roles::router())
        .merge(sources::router())
}

/// The asset of that id, if it is of that class.
pub(crate) async fn find(hub: &Hub, tenant: i64, class: Class, id: i64) -> Result<AssetRow, Problem> {
    let row = hub.store.assets(tenant, &[id]).await?.pop();
    row.filter(|row| row.class == class.word()).ok_or_else(|| Problem::new(Code::NotFound))
}
