//! Whoever sent a request.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;
use muster_store::hub::AuditLine;
use serde_json::Value;

use super::COOKIE;
use crate::error::{Code, Problem};
use crate::hub::Hub;
use crate::layers::RequestId;

/// What somebody may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Everything.
    Manager,
    /// Look.
    Viewer,
}

impl Role {
    /// The word in tables and documents.
    pub fn word(self) -> &'static str {
        match self {
            Self::Manager => "manager",
            Self::Viewer => "viewer",
        }
    }

    /// The role of that word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Manager, Self::Viewer].into_iter().find(|role| role.word() == word)
    }
}

/// What kind of somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A person.
    User,
    /// A program.
    Client,
    /// An agent.
    Agent,
}

impl Kind {
    /// The word in tables and documents.
    pub fn word(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Client => "client",
            Self::Agent => "agent",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        [Self::User, Self::Client, Self::Agent].into_iter().find(|kind| kind.word() == word)
    }
}

/// How a token came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Through {
    /// In `Authorization: Bearer`.
    Bearer,
    /// In a cookie.
    Cookie,
}

/// Whoever sent a request: signed in, with a session that lasts.
#[derive(Debug, Clone)]
pub struct Principal {
    /// Its tenant.
    pub tenant: i64,
    /// What kind of somebody.
    pub kind: Kind,
    /// Its public id.
    pub subject: String,
    /// Its name, for people.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// Its session.
    pub session: String,
    /// How its token came.
    pub through: Through,
    /// The request's id.
    pub request: String,
}

impl Principal {
    /// A line for the audit: what it did, to what kind of thing, to which, and what changed (never a secret).
    pub fn audit(
        &self,
        hub: &Hub,
        action: &'static str,
        (kind, object): (&'static str, &str),
        detail: Value,
    ) -> AuditLine {
        AuditLine {
            tenant: self.tenant,
            at: hub.now(),
            actor_kind: self.kind.word(),
            actor: self.name.clone(),
            action,
            object_kind: kind,
            object: object.to_owned(),
            detail,
            request: self.request.clone(),
        }
    }
}

impl FromRequestParts<Arc<Hub>> for Principal {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, hub: &Arc<Hub>) -> Result<Self, Problem> {
        if let Some(known) = parts.extensions.get::<Self>() {
            return Ok(known.clone());
        }
        let (token, through) = token(parts).ok_or_else(|| Problem::new(Code::NotSignedIn))?;
        let claims = hub.signing.verify(&token, hub.now()).ok_or_else(|| Problem::new(Code::SessionEnded))?;
        let session = hub.store.session(claims.tid, &claims.jti, hub.now()).await?;
        let session = session.ok_or_else(|| Problem::new(Code::SessionEnded))?;
        let ended = || Problem::new(Code::SessionEnded);
        let request = parts.extensions.get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default();
        let principal = Self {
            tenant: session.tenant,
            kind: Kind::from_word(&session.kind).ok_or_else(ended)?,
            subject: session.subject,
            name: session.name,
            role: Role::from_word(&session.role).ok_or_else(ended)?,
            session: session.id,
            through,
            request,
        };
        parts.extensions.insert(principal.clone());
        Ok(principal)
    }
}

/// The token of a request: the header's before the cookie's.
pub(super) fn token(parts: &Parts) -> Option<(String, Through)> {
    if let Some(given) = parts.headers.get(header::AUTHORIZATION) {
        let (scheme, token) = given.to_str().ok()?.split_once(' ')?;
        return scheme.eq_ignore_ascii_case("bearer").then(|| (token.trim().to_owned(), Through::Bearer));
    }
    cookie(parts).map(|token| (token, Through::Cookie))
}

pub(super) fn cookie(parts: &Parts) -> Option<String> {
    let lines = parts.headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, value)| value.to_owned())
}

/// Somebody who may look.
#[derive(Debug, Clone)]
pub struct Viewer(pub Principal);

impl FromRequestParts<Arc<Hub>> for Viewer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, hub: &Arc<Hub>) -> Result<Self, Problem> {
        let principal = Principal::from_request_parts(parts, hub).await?;
        match principal.kind {
            // Agents have their own ways in.
            Kind::Agent => Err(Problem::new(Code::Forbidden)),
            Kind::User | Kind::Client => Ok(Self(principal)),
        }
    }
}

/// Somebody who may change things.
#[derive(Debug, Clone)]
pub struct Manager(pub Principal);

impl FromRequestParts<Arc<Hub>> for Manager {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, hub: &Arc<Hub>) -> Result<Self, Problem> {
        let Viewer(principal) = Viewer::from_request_parts(parts, hub).await?;
        match principal.role {
            Role::Manager => Ok(Self(principal)),
            Role::Viewer => Err(Problem::new(Code::Forbidden).remedy("ask a manager, or sign in as one")),
        }
    }
}
