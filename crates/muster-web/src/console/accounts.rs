//! People who sign in.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use muster_core::secret::Secret;
use muster_store::hub::{AccountRow, Page};
use serde::Deserialize;

use super::connectors::From;
use super::form::Wrong;
use super::frame::{Frame, Steward, Visitor, html, to};
use super::part::{When, address};
use crate::api::users::{self, NewUser, UserUpdate, find};
use crate::error::Problem;
use crate::extract::{Form, Path, Query};
use crate::hub::Hub;

const ROWS: i64 = 50;

struct Row {
    href: String,
    username: String,
    role: String,
    active: bool,
    created: When,
}

#[derive(Template)]
#[template(path = "console/people/accounts.html")]
struct ListPage {
    frame: Frame,
    rows: Vec<Row>,
    next: Option<String>,
    username: String,
    role: String,
    wrong: Option<Wrong>,
}

impl ListPage {
    fn wrong_at(&self, field: &str) -> Option<Wrong> {
        // A name that is taken is the field `username` here.
        let is_it = |wrong: &Wrong| wrong.field == field || (field == "username" && wrong.field == "name");
        self.wrong.clone().filter(is_it)
    }
}

async fn draw(
    (hub, visitor): (&Hub, &Visitor),
    from: &From,
    (username, role): (&str, &str),
    wrong: Option<Wrong>,
) -> Result<Response, Problem> {
    let page = Page { after: from.after, limit: ROWS + 1 };
    let mut rows = hub.store.accounts(visitor.tenant(), page).await?;
    let more = i64::try_from(rows.len()).is_ok_and(|count| count > ROWS);
    rows.truncate(usize::try_from(ROWS).unwrap_or(usize::MAX));
    let next = rows.last().filter(|_| more).map(|row| address("/console/accounts", &[("after", &row.id.to_string())]));
    let row = |row: AccountRow| Row {
        href: format!("/console/accounts/{}", row.uuid),
        username: row.username,
        role: row.role,
        active: row.active,
        created: visitor.when(row.created_at),
    };
    let status = if wrong.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let page = ListPage {
        frame: visitor.frame.clone(),
        rows: rows.into_iter().map(row).collect(),
        next,
        username: username.to_owned(),
        role: role.to_owned(),
        wrong,
    };
    html(status, &page)
}

pub(super) async fn list(
    State(hub): State<Arc<Hub>>,
    Steward(visitor): Steward,
    Query(from): Query<From>,
) -> Result<Response, Problem> {
    draw((&hub, &visitor), &from, ("", "viewer"), None).await
}

#[derive(Deserialize)]
pub(super) struct NewPerson {
    username: String,
    password: Secret,
    role: String,
}

pub(super) async fn create(
    State(hub): State<Arc<Hub>>,
    Steward(visitor): Steward,
    Form(given): Form<NewPerson>,
) -> Result<Response, Problem> {
    let (username, role) = (given.username.clone(), given.role.clone());
    let new = NewUser { username: given.username, password: given.password, role: given.role };
    match users::add((&hub, &visitor.principal), new).await {
        Ok(_) => Ok(to("/console/accounts")),
        Err(problem) => draw((&hub, &visitor), &From::default(), (&username, &role), Some(Wrong::of(problem)?)).await,
    }
}

#[derive(Template)]
#[template(path = "console/people/account.html")]
struct AccountPage {
    frame: Frame,
    account: AccountRow,
    is_self: bool,
    wrong: Option<Wrong>,
}

impl AccountPage {
    fn wrong_at(&self, field: &str) -> Option<Wrong> {
        self.wrong.clone().filter(|wrong| wrong.field == field)
    }
}

fn show(visitor: &Visitor, account: AccountRow, wrong: Option<Wrong>) -> Result<Response, Problem> {
    let status = if wrong.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let is_self = account.uuid == visitor.principal.subject;
    html(status, &AccountPage { frame: visitor.frame.clone(), account, is_self, wrong })
}

pub(super) async fn detail(
    State(hub): State<Arc<Hub>>,
    Steward(visitor): Steward,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    show(&visitor, find(&hub, visitor.tenant(), &id).await?, None)
}

#[derive(Deserialize)]
pub(super) struct Change {
    #[serde(default)]
    active: Option<String>,
    password: Secret,
    role: String,
}

pub(super) async fn update(
    State(hub): State<Arc<Hub>>,
    (Steward(visitor), Path(id)): (Steward, Path<String>),
    Form(given): Form<Change>,
) -> Result<Response, Problem> {
    let mut account = find(&hub, visitor.tenant(), &id).await?;
    let password = Some(given.password).filter(|password| !password.is_empty());
    account.role.clone_from(&given.role);
    account.active = given.active.is_some();
    let update = UserUpdate { password, role: Some(given.role), active: Some(account.active) };
    match users::change((&hub, &visitor.principal), &id, update).await {
        Ok(_) => Ok(to("/console/accounts")),
        Err(problem) => show(&visitor, account, Some(Wrong::of(problem)?)),
    }
}
