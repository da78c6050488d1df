//! What a job tells, as it tells it: server-sent events.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use muster_store::hub::JobRow;
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::jobs::{self, Event};
use super::page::{PageParameters, Paged, Paging};
use crate::auth::{Principal, Viewer};
use crate::error::{Code, Problem};
use crate::extract::Path;
use crate::hub::Hub;

/// How often the store is asked (design D10: polling is the rule).
const EVERY: Duration = Duration::from_millis(500);
/// How often it is asked before the stream ends; browsers then come back with `Last-Event-ID`.
const ROUNDS: u32 = 2 * 60 * 10;
/// How many events are read at once.
const AT_ONCE: i64 = 200;

pub(super) fn router() -> OpenApiRouter<Arc<Hub>> {
    OpenApiRouter::new().routes(routes!(live))
}

struct Live {
    hub: Arc<Hub>,
    who: Principal,
    job: JobRow,
    last: i64,
    ready: VecDeque<sse::Event>,
    rounds: u32,
    over: bool,
    _turn: OwnedSemaphorePermit,
}

/// One event of a stream.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the shape of what the stream writes, for the description of the API")]
struct StreamedEvent {
    /// Where to go on, for `Last-Event-ID`; the end has none.
    id: Option<String>,
    /// The event's kind, or `end`.
    event: String,
    /// JSON: an event, or the state and result at the job's end.
    data: String,
}

/// What a job tells: live as `text/event-stream`, each event's data an event as JSON, or in pages with
/// `Accept: application/json`. At the job's end the stream has an event `end` with its state and result, and closes.
/// The stream's schema is that of one of its events.
#[utoipa::path(
    get, path = "/api/v1/jobs/{id}/events", tag = "jobs", operation_id = "followJob",
    params(
        ("id" = String, Path, description = "The job's id."), PageParameters,
        ("Last-Event-ID" = Option<String>, Header, description = "The last event that is known, of a stream.")
    ),
    responses((status = 200, description = "The stream, or a page.", content(
        (StreamedEvent = "text/event-stream"), (Paged<Event> = "application/json")
    )))
)]
async fn live(
    State(hub): State<Arc<Hub>>,
    (Viewer(who), Path(id)): (Viewer, Path<String>),
    (paging, headers): (Paging, HeaderMap),
) -> Result<Response, Problem> {
    let job = jobs::find(&hub, who.tenant, &id).await?;
    let wanted = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if wanted.contains("application/json") && !wanted.contains("text/event-stream") {
        return Ok(Json(jobs::told(&hub, &job, &paging).await?).into_response());
    }
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok()).and_then(|text| text.parse().ok());
    let turn = Arc::clone(&hub.streams).try_acquire_owned();
    let turn = turn.map_err(|_| Problem { retry_after: Some(5), ..Problem::new(Code::TooManyStreams) })?;
    let live =
        Live { hub, who, job, last: last.unwrap_or(0), ready: VecDeque::new(), rounds: 0, over: false, _turn: turn };
    let events = stream::unfold(live, |mut live| async move {
        let event = live.next().await?;
        Some((Ok::<_, Infallible>(event), live))
    });
    let answer = Sse::new(events).keep_alive(KeepAlive::default());
    // A proxy that buffers would make it anything but live.
    Ok(([(header::HeaderName::from_static("x-accel-buffering"), "no")], answer).into_response())
}

impl Live {
    async fn next(&mut self) -> Option<sse::Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            if self.over || self.rounds >= ROUNDS {
                return None;
            }
            if self.rounds > 0 {
                tokio::time::sleep(EVERY).await;
            }
            self.rounds += 1;
            if let Err(problem) = self.read().await {
                tracing::debug!(job.id = self.job.uuid, code = problem.code.word(), "a live stream ended");
                return None;
            }
        }
    }

    /// Reads what is new. The job is read before its events: when it had ended by then, there are no later ones.
    async fn read(&mut self) -> Result<(), Problem> {
        let (hub, tenant) = (&self.hub, self.who.tenant);
        let session = hub.store.session(tenant, &self.who.session, hub.now()).await?;
        session.ok_or_else(|| Problem::new(Code::SessionEnded))?;
        let job = jobs::find(hub, tenant, &self.job.uuid).await?;
        let rows = hub.store.events(tenant, self.job.id, self.last, AT_ONCE).await?;
        let drained = i64::try_from(rows.len()).is_ok_and(|count| count < AT_ONCE);
        for row in rows {
            self.last = row.id;
            let kind = row.kind.clone();
            let data = serde_json::to_string(&Event::from(row)).unwrap_or_default();
            self.ready.push_back(sse::Event::default().id(self.last.to_string()).event(kind).data(data));
        }
        if drained && job.state == "ended" {
            let end = json!({ "state": job.state, "result": job.result, "message": job.message, "runId": job.run });
            self.ready.push_back(sse::Event::default().event("end").data(end.to_string()));
            self.over = true;
        }
        Ok(())
    }
}
