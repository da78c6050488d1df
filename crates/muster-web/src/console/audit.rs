//! Who did what.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use muster_store::hub::{AuditRow, Page};

use super::connectors::From;
use super::frame::{Frame, Steward, html};
use super::part::{When, address};
use crate::error::Problem;
use crate::extract::Query;
use crate::hub::Hub;

const ROWS: i64 = 100;

struct Row {
    at: When,
    who: String,
    kind: String,
    action: String,
    object: String,
    detail: String,
    request: String,
}

#[derive(Template)]
#[template(path = "console/people/audit.html")]
struct AuditPage {
    frame: Frame,
    rows: Vec<Row>,
    next: Option<String>,
    first: bool,
}

pub(super) async fn list(
    State(hub): State<Arc<Hub>>,
    Steward(visitor): Steward,
    Query(from): Query<From>,
) -> Result<Response, Problem> {
    let after = if from.after > 0 { from.after } else { i64::MAX };
    let mut rows = hub.store.audit_lines(visitor.tenant(), Page { after, limit: ROWS + 1 }).await?;
    let more = i64::try_from(rows.len()).is_ok_and(|count| count > ROWS);
    rows.truncate(usize::try_from(ROWS).unwrap_or(usize::MAX));
    let next = rows.last().filter(|_| more).map(|row| address("/console/audit", &[("after", &row.id.to_string())]));
    let row = |row: AuditRow| Row {
        at: visitor.when(row.at),
        who: row.actor,
        kind: row.actor_kind,
        action: row.action,
        object: row.object,
        detail: serde_json::to_string_pretty(&row.detail).unwrap_or_default(),
        request: row.request,
    };
    let rows = rows.into_iter().map(row).collect();
    html(StatusCode::OK, &AuditPage { frame: visitor.frame, rows, next, first: from.after == 0 })
}
