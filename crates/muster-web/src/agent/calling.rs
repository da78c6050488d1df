//! Whoever calls as an agent: its token, what it is bound to, its session.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use muster_core::agent::SESSION_HEADER;
use muster_store::hub::{AgentRow, ConnectionRow, ProfileRow};

use crate::auth::Principal;
use crate::error::{Code, Problem};
use crate::hub::Hub;

/// An agent in the newest session of its profile, that may read its connector: looked at anew for each request.
#[derive(Debug)]
pub(super) struct Calling {
    pub(super) who: Principal,
    pub(super) row: AgentRow,
}

impl FromRequestParts<Arc<Hub>> for Calling {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, hub: &Arc<Hub>) -> Result<Self, Problem> {
        let who = Principal::from_request_parts(parts, hub).await?;
        let session = parts.headers.get(SESSION_HEADER).and_then(|value| value.to_str().ok());
        let missing = || {
            let detail = format!("the header `{SESSION_HEADER}` is missing");
            Problem::new(Code::MissingField).field(SESSION_HEADER).detail(detail)
        };
        let session = session.filter(|session| !session.is_empty()).ok_or_else(missing)?;
        let row = hub.store.agent_of_session(who.tenant, session).await?;
        // A session that is another's is none.
        let row = row.filter(|row| row.subject == who.subject && row.subject_kind == who.kind.word());
        let row = row.ok_or_else(|| Problem::new(Code::SessionReplaced))?;
        may(hub, &who, row.connector).await?;
        Ok(Self { who, row })
    }
}

impl Calling {
    /// Whether it still may: for those that wait.
    pub(super) async fn still(&self, hub: &Hub) -> Result<(), Problem> {
        let session = hub.store.session(self.who.tenant, &self.who.session, hub.now()).await?;
        session.ok_or_else(|| Problem::new(Code::SessionEnded))?;
        let row = hub.store.agent_of_session(self.who.tenant, &self.row.session).await?;
        row.ok_or_else(|| Problem::new(Code::SessionReplaced))?;
        may(hub, &self.who, self.row.connector).await
    }

    /// The connector and the profile that it reads.
    pub(super) async fn reads(&self, hub: &Hub) -> Result<(ConnectionRow, ProfileRow), Problem> {
        let connection = hub.store.connection_of(self.who.tenant, self.row.connector).await?;
        let connection = connection.ok_or_else(|| Problem::new(Code::UnknownConnection))?;
        let profile = hub.store.profile_of(self.who.tenant, self.row.profile).await?;
        let profile = profile.ok_or_else(|| Problem::new(Code::UnknownProfile))?;
        by_agent(&connection)?;
        Ok((connection, profile))
    }
}

/// Refuses whoever is not bound to a connector, or is not any more.
pub(super) async fn may(hub: &Hub, who: &Principal, connector: i64) -> Result<(), Problem> {
    let binding = hub.store.binding_of((who.tenant, connector), (who.kind.word(), &who.subject)).await?;
    match binding {
        None => Err(Problem::new(Code::AgentNotBound)),
        Some(binding) if binding.revoked_at.is_some() => Err(Problem::new(Code::AgentRevoked)),
        Some(_) => Ok(()),
    }
}

/// Refuses what only an agent may do for a connector that the hub reads itself.
pub(super) fn by_agent(connection: &ConnectionRow) -> Result<(), Problem> {
    match connection.execution.as_str() {
        "agent" => Ok(()),
        _ => Err(Problem::new(Code::NotByAgent)),
    }
}
