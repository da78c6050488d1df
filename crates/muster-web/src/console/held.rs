//! What a drop beyond the guard holds, for a manager to release or refuse.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::frame::{Frame, Visitor, html};
use super::part::{Number, When};
use crate::api::held::about;
use crate::api::names::Names;
use crate::error::Problem;
use crate::hub::Hub;

struct Set {
    connector: String,
    connector_href: String,
    /// Where the profile that reads the scope lies.
    profile: Option<String>,
    stream: String,
    scope: String,
    held: Number,
    since: When,
    reason: Option<String>,
    sample: Vec<String>,
}

#[derive(Template)]
#[template(path = "console/held.html")]
struct HeldPage {
    frame: Frame,
    sets: Vec<Set>,
}

pub(super) async fn list(State(hub): State<Arc<Hub>>, visitor: Visitor) -> Result<Response, Problem> {
    let mut names = Names::of(&hub, visitor.tenant()).await?;
    let mut sets = Vec::new();
    for row in hub.store.held_sets(visitor.tenant(), None).await? {
        let (reason, sample) = about(&hub, visitor.tenant(), &row).await?;
        let profile = names.profile_id(&hub, row.profile).await?;
        sets.push(Set {
            connector: names.connector(row.connector).map(|label| label.name.clone()).unwrap_or_default(),
            connector_href: format!("/console/connectors/{}", names.connector_id(row.connector)),
            profile: profile.map(|id| format!("/console/profiles/{id}")),
            stream: row.stream,
            scope: row.scope_name,
            held: Number(row.held),
            since: visitor.when(row.since),
            reason,
            sample,
        });
    }
    html(StatusCode::OK, &HeldPage { frame: visitor.frame, sets })
}
