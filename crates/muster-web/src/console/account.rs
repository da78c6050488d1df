//! One's own account: who one is, and another password.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use muster_core::secret::Secret;
use serde::Deserialize;

use super::form::Wrong;
use super::frame::{Frame, Visitor, html, to};
use crate::api::me::{self, PasswordChange};
use crate::auth::Kind;
use crate::client::Address;
use crate::error::Problem;
use crate::extract::{Form, Query};
use crate::hub::Hub;

#[derive(Template)]
#[template(path = "console/people/own.html")]
struct OwnPage {
    frame: Frame,
    name: String,
    is_person: bool,
    changed: bool,
    wrong: Option<Wrong>,
}

impl OwnPage {
    fn wrong_at(&self, field: &str) -> Option<Wrong> {
        self.wrong.clone().filter(|wrong| wrong.field == field)
    }
}

fn draw(visitor: Visitor, changed: bool, wrong: Option<Wrong>) -> Result<Response, Problem> {
    let status = if wrong.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let is_person = visitor.principal.kind == Kind::User;
    html(status, &OwnPage { name: visitor.principal.name, frame: visitor.frame, is_person, changed, wrong })
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Shown {
    changed: String,
}

pub(super) async fn show(visitor: Visitor, Query(shown): Query<Shown>) -> Result<Response, Problem> {
    draw(visitor, !shown.changed.is_empty(), None)
}

#[derive(Deserialize)]
pub(super) struct Given {
    current: Secret,
    new: Secret,
}

pub(super) async fn change(
    State(hub): State<Arc<Hub>>,
    (visitor, address): (Visitor, Address),
    Form(Given { current, new }): Form<Given>,
) -> Result<Response, Problem> {
    match me::change((&hub, &visitor.principal), PasswordChange { current, new }, &address.0).await {
        Ok(()) => Ok(to("/console/account?changed=1")),
        Err(problem) => draw(visitor, false, Some(Wrong::of(problem)?)),
    }
}
