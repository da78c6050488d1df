//! What an agent and its hub say to each other (docs/adr/0013): the bodies of `/agent/v1`, and what they stand for.
//!
//! ```text
//! Hello → Welcome                     a session: configuration, secrets sealed to it
//! Report → Answer                     what the agent does; what it shall do: orders
//! Order → Offer → bits → Parcel…      one call of a connector, answered in parcels
//! ```
//!
//! *Is here*: types, their encoding and its bounds. *Is not here*: HTTP (web, agent), rows (store).

mod parcel;
mod session;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::connector::{Cursor, Mode, Sections};

pub use parcel::{
    BatchParcel, Failure, LONGEST_PACKED, LONGEST_UNPACKED, Offer, PackError, Pair, Parcel, PlanParcel, ScopeParcel,
    StepParcel, bits, is_set, pack, unpack,
};
pub use session::session_keyring;

/// Parcels of one order that wait to be taken, at the most.
pub const PARCELS_WAITING: u64 = 64;
/// How long a run waits for an agent that does not call, in microseconds.
pub const SILENCE: i64 = 120_000_000;
/// The header that names the session, beside the token that proves who it is.
pub const SESSION_HEADER: &str = "Muster-Agent-Session";

/// `POST /agent/v1/sessions`: an agent's process begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = AgentHello))]
pub struct Hello {
    /// `qualys.customerUuid`: the tenant.
    pub customer: String,
    /// `qualys.connectionUuid`: the connector.
    pub connection: String,
    /// `qualys.profileUuid`: the profile.
    pub profile: String,
    /// The machine's name, for people.
    pub host: String,
    /// Its version.
    pub version: String,
    /// When it runs by itself; none where it runs once.
    pub cron: Option<String>,
    /// The zone that `cron` is read in.
    pub time_zone: String,
    /// Its X25519 key of this session, in base64url.
    pub public_key: String,
    /// Secret fields (`authentication.password`) that it holds itself: they are not sent.
    pub holds: Vec<String>,
}

/// The hub's answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = AgentWelcome))]
pub struct Welcome {
    /// Names the session in [`SESSION_HEADER`].
    pub session: String,
    /// The hub's version.
    pub version: String,
    /// The hub's X25519 key of this session, in base64url.
    pub public_key: String,
    /// What to read, and how.
    pub configuration: Configuration,
}

/// What an agent reads, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = AgentConfiguration))]
pub struct Configuration {
    /// Changes when anything of it does: the agent then begins a new session.
    pub revision: String,
    /// The connector's type.
    pub connector_type: String,
    /// The connector's name.
    pub connector: String,
    /// The profile's name.
    pub profile: String,
    /// Settings by section, `profile` with its parameters among them; no secret.
    #[cfg_attr(feature = "schema", schema(value_type = Object))]
    pub sections: Sections,
    /// Secret fields, as [`session_keyring`] opens them; their place is {customer, session, field}.
    pub sealed: std::collections::BTreeMap<String, String>,
    /// Stream → the attributes that may be asked for (design D14).
    pub attributes: std::collections::BTreeMap<String, Vec<String>>,
    /// Where the next run of each scope begins, for an agent that reads while the hub is away.
    pub cursors: Vec<ScopeCursor>,
}

/// Where a scope's next reading begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = AgentScopeCursor))]
pub struct ScopeCursor {
    /// The stream.
    pub stream: String,
    /// The scope.
    pub scope: String,
    /// The cursor.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub cursor: Cursor,
}

/// `POST /agent/v1/poll`: a sign of life, and what there is to say. The answer comes when there are orders, else after
/// `wait_ms`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = AgentReport))]
pub struct Report {
    /// How long the hub may take to answer, at most 20,000.
    pub wait_ms: u64,
    /// When it runs next, RFC 3339.
    pub next_run: Option<String>,
    /// What waits on its disk.
    #[cfg_attr(feature = "schema", schema(value_type = Object))]
    pub spool: Spooled,
    /// The orders it works at: others that are open were its predecessor's.
    pub working: Vec<i64>,
    /// What it has to tell people.
    pub lines: Vec<Line>,
}

/// What waits on an agent's disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = AgentSpooled))]
pub struct Spooled {
    /// Parcels.
    pub entries: u64,
    /// Bytes.
    pub bytes: u64,
    /// Parcels that were torn or altered, since the process began.
    pub quarantined: u64,
    /// Parcels that were dropped because it was full, since the process began.
    pub dropped: u64,
}

/// A line of an agent's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = AgentLine))]
pub struct Line {
    /// When, RFC 3339.
    pub at: String,
    /// `info`, `warn` or `error`.
    pub level: String,
    /// What.
    pub message: String,
}

/// The hub's answer to a [`Report`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = AgentAnswer))]
pub struct Answer {
    /// The configuration's revision now.
    pub revision: String,
    /// All that is to be done, those the agent works at among them: what is not here any more is over.
    pub orders: Vec<Order>,
}

/// One call of a connector.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = AgentOrder))]
pub struct Order {
    /// Its id.
    pub id: i64,
    /// The job it belongs to. A job's orders are for one opened connector.
    pub job: String,
    /// What to call.
    pub task: Task,
    /// Whether the scope was read before, so that asking what is wanted is worth it.
    pub known: bool,
    /// The hub holds every parcel below this sequence.
    pub have: u64,
}

/// A method of a connector, with its arguments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "call", rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = AgentTask))]
pub enum Task {
    /// What is there to read. One parcel: [`Parcel::Plan`] or [`Parcel::Failed`].
    Plan,
    /// One scope. Parcels: [`Parcel::Batch`]…, then [`Parcel::End`] or [`Parcel::Failed`].
    Read {
        /// The stream.
        stream: String,
        /// The scope.
        scope: String,
        /// How.
        #[cfg_attr(feature = "schema", schema(value_type = String))]
        mode: Mode,
        /// From where.
        #[cfg_attr(feature = "schema", schema(value_type = Option<String>))]
        cursor: Option<Cursor>,
    },
    /// These keys again. Parcels: [`Parcel::Batch`]…, then [`Parcel::Verdicts`] or [`Parcel::Failed`].
    Confirm {
        /// The stream.
        stream: String,
        /// The keys, in the order of the verdicts.
        keys: Vec<String>,
    },
    /// Does the connection work. Parcels: [`Parcel::Step`]…, then [`Parcel::Checked`].
    Check,
}

/// `POST /agent/v1/enrol`: a one-time token becomes a credential of one's own. Nobody needs to be signed in for it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = AgentEnrol))]
pub struct Enrol {
    /// The one-time token.
    pub token: String,
    /// The machine's name, for people.
    pub host: String,
}

/// The answer: what signs in at `/auth/oidc` from now on. It is shown this once.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = AgentEnrolled))]
pub struct Enrolled {
    /// The header `clientId`.
    pub client_id: String,
    /// The header `clientSecret`.
    pub client_secret: String,
}

impl fmt::Debug for Enrol {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Enrol").field("host", &self.host).finish_non_exhaustive()
    }
}

impl fmt::Debug for Enrolled {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Enrolled").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

/// `POST /agent/v1/runs`: the agent's hour has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = AgentRunRequest))]
pub struct RunRequest {
    /// Made by the agent, once for each run: asked again with it, the answer is the same run.
    pub request: String,
    /// How to read; the hub's choice where it is absent.
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>))]
    pub mode: Option<Mode>,
    /// When the reading was done, RFC 3339, where it was done while the hub was away.
    pub read_at: Option<String>,
}

/// The answer, and that of `GET /agent/v1/runs/{job}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema), schema(as = AgentRunState))]
pub struct RunState {
    /// The job: `Order::job`.
    pub job: String,
    /// `queued`, `running` or `ended`.
    pub state: String,
    /// What it came to: `complete`, `partial`, `held`, `failed`, `cancelled`.
    pub result: Option<String>,
    /// Why, in a sentence.
    pub message: Option<String>,
    /// What was read and done, per scope.
    #[cfg_attr(feature = "schema", schema(value_type = Vec<Object>))]
    pub ledger: Vec<crate::ledger::LedgerLine>,
    /// Where the next run begins.
    pub cursors: Vec<ScopeCursor>,
}

#[cfg(test)]
mod tests;
