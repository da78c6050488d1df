//! `POST /agent/v1/poll`: a sign of life, answered when there is something to do.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use muster_core::agent::{Answer, Order, Report};
use muster_store::hub::{AgentTold, OrderRow};
use serde_json::{Value, json};

use super::calling::Calling;
use super::configuration;
use crate::error::Problem;
use crate::extract::Body;
use crate::hub::Hub;

/// How often the store is asked (design D10: polling is the rule).
const EVERY: Duration = Duration::from_millis(500);
/// The longest that an answer is kept back.
const LONGEST_WAIT: u64 = 20_000;
/// How many lines of an agent's log are kept.
const LINES: usize = 200;
/// The longest line, in characters.
const LONGEST_LINE: usize = 1000;

/// Tells what an agent does, and asks what it shall do. The answer comes as soon as an order is there that it does not
/// work at, one that it works at is over, or its configuration changed; else after `waitMs`.
#[utoipa::path(
    post, path = "/agent/v1/poll", tag = "agents", operation_id = "pollAsAgent", request_body = Report,
    params(("Muster-Agent-Session" = String, Header, description = "The session.")),
    responses((status = 200, description = "What there is to do.", body = Answer))
)]
pub(super) async fn poll(
    State(hub): State<Arc<Hub>>,
    calling: Calling,
    Body(mut report): Body<Report>,
) -> Result<Json<Answer>, Problem> {
    note(&hub, &calling, &mut report).await?;
    let mut left = Duration::from_millis(report.wait_ms.min(LONGEST_WAIT));
    let mut changed = hub.store.orders_changed();
    loop {
        changed.borrow_and_update();
        let reads = calling.reads(&hub).await?;
        let revision = configuration::of(&hub, (&reads.0, &reads.1)).await?.revision;
        let orders = hub.store.orders_for(&calling.row).await?;
        let is_new = orders.iter().any(|order| !report.working.contains(&order.id));
        let is_over = report.working.iter().any(|id| orders.iter().all(|order| order.id != *id));
        if is_new || is_over || revision != calling.row.revision || left.is_zero() {
            let session = (calling.row.tenant, calling.row.session.as_str());
            hub.store.agent_called(session, None, hub.now()).await?;
            return Ok(Json(Answer { revision, orders: orders.into_iter().map(order).collect() }));
        }
        let step = EVERY.min(left);
        let begun = tokio::time::Instant::now();
        let _ = tokio::time::timeout(step, changed.changed()).await;
        left = left.saturating_sub(begun.elapsed());
        calling.still(&hub).await?;
    }
}

fn order(row: OrderRow) -> Order {
    Order { id: row.id, job: row.job, task: row.task, known: row.known, have: row.have.cast_unsigned() }
}

/// Keeps what an agent reports, bounded.
async fn note(hub: &Hub, calling: &Calling, report: &mut Report) -> Result<(), Problem> {
    report.working.truncate(1000);
    let skipped = report.lines.len().saturating_sub(LINES);
    let cut = |text: &str| text.chars().take(LONGEST_LINE).collect::<String>();
    let lines: Vec<Value> = report
        .lines
        .drain(..)
        .skip(skipped)
        .map(|line| json!({ "at": cut(&line.at), "level": cut(&line.level), "message": cut(&line.message) }))
        .collect();
    report.next_run = report.next_run.take().map(|text| cut(&text));
    let kept = json!(report);
    let told = AgentTold { report: &kept, lines: &lines, keep: LINES };
    let session = (calling.row.tenant, calling.row.session.as_str());
    Ok(hub.store.agent_called(session, Some(told), hub.now()).await?)
}
