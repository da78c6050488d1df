//! Agents: who reads near the sources, how far they are, and how one is set up.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use muster_core::clock::Instant;
use muster_store::hub::{AgentStanding, ConnectionRow, JobFilter, Page, ProfileRow};
use serde::Deserialize;

use super::connectors::From;
use super::frame::{Frame, Steward, Visitor, html, to};
use super::part::{Badge, Number, Tone, When, address, bytes};
use super::runs::{Line, lines};
use crate::api::agents::{self, Agent, AgentEnv, BindingBody, EnrolmentToken};
use crate::api::{connectors, profiles};
use crate::error::{Code, Problem};
use crate::extract::{Form, Path, Query};
use crate::hub::Hub;

const ROWS: i64 = 50;
/// How many users and clients a form offers.
const OFFERED: i64 = 500;
const RUNS: i64 = 5;

/// An agent as pages show it.
struct Shown {
    agent: Agent,
    href: String,
    /// The connector and the profile that it reads.
    reads: (String, String),
    state: Badge,
    seen: When,
    began: When,
    next: Option<When>,
    entries: Number,
    size: String,
}

impl Shown {
    fn of(standing: AgentStanding, visitor: &Visitor, now: Instant) -> Self {
        let reads = (standing.connector.1.clone(), standing.profile.1.clone());
        let agent = Agent::of(standing, now);
        let tone = match agent.state {
            "connected" => Tone::Good,
            "silent" => Tone::Warn,
            _ => Tone::Bad,
        };
        let when = |text: &str| Instant::from_rfc3339(text).map(|at| visitor.when(at));
        let never = visitor.when(Instant(0));
        Self {
            href: format!("/console/agents/{}", agent.id),
            state: Badge::new(tone, agent.state),
            seen: when(&agent.seen_at).unwrap_or(never),
            began: when(&agent.began_at).unwrap_or(never),
            next: agent.next_run.as_deref().and_then(when),
            entries: Number(agent.spool.entries),
            size: bytes(agent.spool.bytes),
            reads,
            agent,
        }
    }
}

#[derive(Template)]
#[template(path = "console/agents/list.html", blocks = ["live"])]
struct ListPage {
    frame: Frame,
    place: String,
    rows: Vec<Shown>,
    next: Option<String>,
}

pub(super) async fn list(
    State(hub): State<Arc<Hub>>,
    visitor: Visitor,
    Query(from): Query<From>,
) -> Result<Response, Problem> {
    let page = Page { after: from.after, limit: ROWS + 1 };
    let mut rows = hub.store.agents(visitor.tenant(), None, page).await?;
    let more = i64::try_from(rows.len()).is_ok_and(|count| count > ROWS);
    rows.truncate(usize::try_from(ROWS).unwrap_or(usize::MAX));
    let place = |after: i64| address("/console/agents", &[("after", &after.to_string())]);
    let next = rows.last().filter(|_| more).map(|row| place(row.agent.profile));
    let now = hub.now();
    let rows = rows.into_iter().map(|row| Shown::of(row, &visitor, now)).collect();
    let here = if from.after == 0 { "/console/agents".to_owned() } else { place(from.after) };
    let page = ListPage { place: here, rows, next, frame: visitor.frame };
    if visitor.wants_part { html(StatusCode::OK, &page.as_live()) } else { html(StatusCode::OK, &page) }
}

#[derive(Template)]
#[template(path = "console/agents/detail.html", blocks = ["live"])]
struct DetailPage {
    frame: Frame,
    place: String,
    connector: (String, String),
    profile: (String, String),
    shown: Option<Shown>,
    runs: Vec<Line>,
    env: AgentEnv,
}

/// The profile and its connector, which an agent reads.
async fn read_by_agent(hub: &Hub, visitor: &Visitor, id: &str) -> Result<(ConnectionRow, ProfileRow), Problem> {
    let profile = profiles::find(hub, visitor.tenant(), id).await?;
    let connector = profiles::connector_of(hub, &profile).await?;
    Ok((connector, profile))
}

pub(super) async fn detail(
    State(hub): State<Arc<Hub>>,
    (visitor, Path(id)): (Visitor, Path<String>),
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (connector, profile) = read_by_agent(&hub, &visitor, &id).await?;
    let standing = agents::agent_of(&hub, &profile).await?;
    let filter = JobFilter { profile: Some(profile.id), ..JobFilter::default() };
    let jobs = hub.store.jobs(visitor.tenant(), filter, RUNS).await?;
    let page = DetailPage {
        place: format!("/console/agents/{}", profile.uuid),
        env: agents::env_of(&hub, (&connector, &profile), &headers).await?,
        shown: standing.map(|standing| Shown::of(standing, &visitor, hub.now())),
        runs: lines(&hub, &visitor, jobs).await?,
        connector: (connector.name, format!("/console/connectors/{}", connector.uuid)),
        profile: (profile.name, format!("/console/profiles/{}", profile.uuid)),
        frame: visitor.frame,
    };
    if visitor.wants_part { html(StatusCode::OK, &page.as_live()) } else { html(StatusCode::OK, &page) }
}

/// The env file, to be kept.
pub(super) async fn env(
    State(hub): State<Arc<Hub>>,
    (visitor, Path(id)): (Visitor, Path<String>),
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (connector, profile) = read_by_agent(&hub, &visitor, &id).await?;
    let env = agents::env_of(&hub, (&connector, &profile), &headers).await?;
    let kept = HeaderValue::from_str(&format!("attachment; filename=\"{}\"", env.file));
    let kept = kept.map_err(|_| Problem::new(Code::Internal))?;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    Ok(([(header::CONTENT_DISPOSITION, kept), (header::CONTENT_TYPE, plain)], env.text).into_response())
}

/// Revokes the agent of a profile.
pub(super) async fn revoke(
    State(hub): State<Arc<Hub>>,
    (Steward(visitor), Path(id)): (Steward, Path<String>),
) -> Result<Response, Problem> {
    agents::revoke((&hub, &visitor.principal), &id).await?;
    Ok(to(&format!("/console/agents/{id}")))
}

/// Who may be a connector's agent, and who could be bound: for the connector's page.
pub(super) struct Agents {
    pub(super) customer: String,
    pub(super) bindings: Vec<Bound>,
    /// What the form's choice holds, and what it says.
    pub(super) offered: Vec<(String, String)>,
}

pub(super) struct Bound {
    pub(super) id: String,
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) since: When,
    pub(super) revoked: Option<When>,
}

/// What the page of a connector that an agent reads says of agents.
pub(super) async fn of(hub: &Hub, visitor: &Visitor, connector: &ConnectionRow) -> Result<Agents, Problem> {
    let tenant = hub.store.tenant(connector.tenant).await?.ok_or_else(|| Problem::new(Code::NotFound))?;
    let bindings = hub.store.bindings(connector.tenant, connector.id).await?.into_iter();
    let bound = bindings.map(|row| Bound {
        id: row.uuid,
        kind: row.subject_kind,
        name: row.subject_name,
        since: visitor.when(row.created_at),
        revoked: row.revoked_at.map(|at| visitor.when(at)),
    });
    let mut offered = Vec::new();
    if visitor.frame.is_manager {
        let page = Page { after: 0, limit: OFFERED };
        let clients = hub.store.clients(connector.tenant, page).await?.into_iter().filter(|client| client.active);
        offered.extend(clients.map(|client| (format!("client:{}", client.uuid), format!("client {}", client.name))));
        let users = hub.store.accounts(connector.tenant, page).await?.into_iter().filter(|user| user.active);
        offered.extend(users.map(|user| (format!("user:{}", user.uuid), format!("user {}", user.username))));
    }
    Ok(Agents { customer: tenant.uuid, bindings: bound.collect(), offered })
}

#[derive(Deserialize)]
pub(super) struct Chosen {
    subject: String,
}

/// Binds whom the form chose.
pub(super) async fn bind(
    State(hub): State<Arc<Hub>>,
    (Steward(visitor), Path(id)): (Steward, Path<String>),
    Form(given): Form<Chosen>,
) -> Result<Response, Problem> {
    let connector = connectors::find(&hub, visitor.tenant(), &id).await?;
    let body = match given.subject.split_once(':') {
        Some(("user", id)) => BindingBody { user_id: Some(id.to_owned()), client: None },
        Some(("client", id)) => BindingBody { user_id: None, client: Some(id.to_owned()) },
        _ => BindingBody::default(),
    };
    agents::bind_to((&hub, &visitor.principal), &connector, body).await?;
    Ok(to(&format!("/console/connectors/{}", connector.uuid)))
}

/// Takes a binding back.
pub(super) async fn unbind(
    State(hub): State<Arc<Hub>>,
    (Steward(visitor), Path(id)): (Steward, Path<String>),
) -> Result<Response, Problem> {
    let binding = hub.store.binding(visitor.tenant(), &id).await?.ok_or_else(|| Problem::new(Code::NotFound))?;
    agents::unbind_from((&hub, &visitor.principal), &id).await?;
    let connector = hub.store.connection_of(visitor.tenant(), binding.connector).await?;
    Ok(to(&connector.map_or("/console/connectors".to_owned(), |one| format!("/console/connectors/{}", one.uuid))))
}

#[derive(Template)]
#[template(path = "console/agents/enrolment.html")]
struct EnrolmentPage {
    frame: Frame,
    name: String,
    back: String,
    token: EnrolmentToken,
}

/// Makes an enrolment token, shown once.
pub(super) async fn enrol(
    State(hub): State<Arc<Hub>>,
    (Steward(visitor), Path(id)): (Steward, Path<String>),
) -> Result<Response, Problem> {
    let connector = connectors::find(&hub, visitor.tenant(), &id).await?;
    let token = agents::token_for((&hub, &visitor.principal), &connector).await?;
    let back = format!("/console/connectors/{}", connector.uuid);
    html(StatusCode::CREATED, &EnrolmentPage { frame: visitor.frame, name: connector.name, back, token })
}
