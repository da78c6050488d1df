//! Programs that sign in. A secret is shown in the answer that makes it, and never again.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use muster_store::hub::{ClientRow, Page};
use serde::Deserialize;

use super::connectors::From;
use super::form::Wrong;
use super::frame::{Frame, Steward, Visitor, html, to};
use super::part::{When, address};
use crate::api::clients::{self, ClientBody};
use crate::error::{Code, Problem};
use crate::extract::{Form, Path, Query};
use crate::hub::Hub;

const ROWS: i64 = 50;

struct Row {
    id: String,
    name: String,
    level: String,
    role: String,
    active: bool,
    created: When,
    used: Option<When>,
}

#[derive(Template)]
#[template(path = "console/people/clients.html")]
struct ListPage {
    frame: Frame,
    rows: Vec<Row>,
    next: Option<String>,
    given: NewProgram,
    wrong: Option<Wrong>,
}

impl ListPage {
    fn wrong_at(&self, field: &str) -> Option<Wrong> {
        self.wrong.clone().filter(|wrong| wrong.field == field)
    }
}

async fn draw(
    (hub, visitor): (&Hub, &Visitor),
    from: &From,
    given: NewProgram,
    wrong: Option<Wrong>,
) -> Result<Response, Problem> {
    let page = Page { after: from.after, limit: ROWS + 1 };
    let mut rows = hub.store.clients(visitor.tenant(), page).await?;
    let more = i64::try_from(rows.len()).is_ok_and(|count| count > ROWS);
    rows.truncate(usize::try_from(ROWS).unwrap_or(usize::MAX));
    let next = rows.last().filter(|_| more).map(|row| address("/console/clients", &[("after", &row.id.to_string())]));
    let row = |row: ClientRow| Row {
        id: row.uuid,
        name: row.name,
        level: row.level,
        role: row.role,
        active: row.active,
        created: visitor.when(row.created_at),
        used: row.used_at.map(|at| visitor.when(at)),
    };
    let status = if wrong.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let rows = rows.into_iter().map(row).collect();
    html(status, &ListPage { frame: visitor.frame.clone(), rows, next, given, wrong })
}

pub(super) async fn list(
    State(hub): State<Arc<Hub>>,
    Steward(visitor): Steward,
    Query(from): Query<From>,
) -> Result<Response, Problem> {
    draw((&hub, &visitor), &from, NewProgram::default(), None).await
}

#[derive(Clone, Default, Deserialize)]
pub(super) struct NewProgram {
    name: String,
    role: String,
    level: String,
}

#[derive(Template)]
#[template(path = "console/people/client_made.html")]
struct MadePage {
    frame: Frame,
    client: ClientRow,
    secret: String,
}

pub(super) async fn create(
    State(hub): State<Arc<Hub>>,
    Steward(visitor): Steward,
    Form(given): Form<NewProgram>,
) -> Result<Response, Problem> {
    let NewProgram { name, role, level } = given.clone();
    let body = ClientBody { name, role, level: Some(level), user_id: None };
    match clients::add((&hub, &visitor.principal), body).await {
        Ok((client, secret)) => html(StatusCode::CREATED, &MadePage { frame: visitor.frame, client, secret }),
        Err(problem) => draw((&hub, &visitor), &From::default(), given, Some(Wrong::of(problem)?)).await,
    }
}

#[derive(Template)]
#[template(path = "console/people/client_revoke.html")]
struct RevokePage {
    frame: Frame,
    client: ClientRow,
}

/// Asks whether it is meant.
pub(super) async fn confirm_revoke(
    State(hub): State<Arc<Hub>>,
    Steward(visitor): Steward,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let client = hub.store.client(visitor.tenant(), &id).await?.ok_or_else(|| Problem::new(Code::NotFound))?;
    html(StatusCode::OK, &RevokePage { frame: visitor.frame, client })
}

pub(super) async fn revoke(
    State(hub): State<Arc<Hub>>,
    Steward(visitor): Steward,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    clients::revoke((&hub, &visitor.principal), &id).await?;
    Ok(to("/console/clients"))
}
