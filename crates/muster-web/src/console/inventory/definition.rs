//! A definition as text. It is outside data: what is shown of it are letters, nothing else.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use muster_core::asset::Class;

use super::{APIS, name};
use crate::api::inventory::{definition as kept, find};
use crate::console::frame::{Frame, Visitor, html};
use crate::console::part::bytes;
use crate::error::Problem;
use crate::extract::Path;
use crate::hub::Hub;

/// How much of a definition is shown.
const SHOWN: usize = 256 * 1024;

#[derive(Template)]
#[template(path = "console/inventory/definition.html")]
struct DefinitionPage {
    frame: Frame,
    name: String,
    /// Where the API's page is, and where the bytes are had.
    place: String,
    file: String,
    size: String,
    /// None where the bytes are no text.
    text: Option<String>,
    is_cut: bool,
}

/// The page of an API's definition.
pub(in crate::console) async fn definition(
    State(hub): State<Arc<Hub>>,
    visitor: Visitor,
    Path(id): Path<i64>,
) -> Result<Response, Problem> {
    let asset = find(&hub, visitor.tenant(), Class::Api, id).await?;
    let kept = kept::kept((&hub, visitor.tenant()), &asset).await?;
    let shown = &kept.bytes[..kept.bytes.len().min(SHOWN)];
    let page = DefinitionPage {
        frame: visitor.frame,
        name: name(&asset.document, &asset.source_key),
        place: format!("{}/{id}", APIS.place),
        file: kept::address(id),
        size: bytes(kept.bytes.len() as u64),
        text: (kept.ending() != "zip" && !shown.contains(&0)).then(|| String::from_utf8_lossy(shown).into_owned()),
        is_cut: shown.len() < kept.bytes.len(),
    };
    html(StatusCode::OK, &page)
}
