//! What can go wrong, as the outside sees it: stable codes, a sentence and a way out each (RFC 9457).
//!
//! A [`Problem`] travels in the response's extensions; the outermost layer renders it, adds the request's id, and logs
//! what the outside is not told.

use std::sync::Arc;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use muster_store::StoreError;
use muster_store::hub::Refusal;
use serde::Serialize;
use utoipa::ToSchema;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $status:ident, $title:literal, $remedy:literal;)+) => {
        /// The codes. They are never reused.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Code { $($(#[$doc])* $name,)+ }

        impl Code {
            /// All codes, for the reference.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The code in answers.
            pub fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)+ }
            }

            /// The status it is answered with.
            pub fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)+ }
            }

            /// What it means, in a sentence.
            pub fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)+ }
            }

            /// What to do about it, where nothing better is known.
            pub fn remedy(self) -> &'static str {
                match self { $(Self::$name => $remedy,)+ }
            }
        }
    };
}

codes! {
    /// The request cannot be read.
    InvalidRequest = "invalid_request", BAD_REQUEST, "The request cannot be read.",
        "send the request as `/openapi.json` describes it";
    /// The body is not what the operation takes.
    InvalidBody = "invalid_body", BAD_REQUEST, "The body is not what this operation takes.",
        "send a body as `/openapi.json` describes it for this operation";
    /// A parameter of the address is not what the operation takes.
    InvalidParameter = "invalid_parameter", BAD_REQUEST, "A parameter is not what this operation takes.",
        "give the parameter as `/openapi.json` describes it for this operation";
    /// A form field is missing.
    MissingField = "missing_field", BAD_REQUEST, "A field is missing.",
        "send the field, too";
    /// `filter` is not a query.
    InvalidFilter = "invalid_filter", BAD_REQUEST, "The filter cannot be read as a query.",
        "write a query such as `user.status:DISABLED`; the tokens stand in the reference of query tokens";
    /// The cursor is of another list, or none.
    InvalidCursor = "invalid_cursor", BAD_REQUEST, "The cursor is not one that this list gave.",
        "begin with the first page: leave the cursor out";
    /// A value of the body cannot work.
    InvalidValue = "invalid_value", UNPROCESSABLE_ENTITY, "A value cannot work.",
        "send a value as `/openapi.json` describes it for this operation";
    /// A setting of a connector cannot work.
    InvalidSetting = "invalid_setting", UNPROCESSABLE_ENTITY, "A setting cannot work.",
        "`GET /api/v1/connector-types/{type}` says what the setting takes";
    /// A schedule cannot work.
    InvalidSchedule = "invalid_schedule", UNPROCESSABLE_ENTITY, "The schedule cannot work.",
        "try the schedule with `POST /api/v1/profiles/preview-schedule`";
    /// A transform map cannot be used.
    InvalidMap = "invalid_map", UNPROCESSABLE_ENTITY, "The transform map cannot be used.",
        "`POST /api/v1/transform-maps/lint` lists all that is wrong with it";
    /// Nobody is signed in.
    NotSignedIn = "not_signed_in", UNAUTHORIZED, "Sign in first.",
        "send `Authorization: Bearer` and the token that `POST /auth` answered";
    /// Name or password is wrong.
    WrongCredentials = "wrong_credentials", UNAUTHORIZED, "The credentials are not right.",
        "check name and password; a manager can set another password";
    /// The session has ended.
    SessionEnded = "session_ended", UNAUTHORIZED, "The session has ended; sign in again.",
        "sign in again";
    /// Not allowed to this role.
    Forbidden = "forbidden", FORBIDDEN, "Your role does not allow this.",
        "ask a manager, or sign in as one";
    /// The request came from another site, or without the form's token.
    ForeignRequest = "foreign_request", FORBIDDEN, "The request did not come from Muster's own pages.",
        "open the page anew and send its form";
    /// There is no such thing here.
    NotFound = "not_found", NOT_FOUND, "There is no such thing.",
        "look it up in its list: it may have been removed, or belong to another tenant";
    /// An API is there, its definition is not.
    NoDefinition = "no_definition", NOT_FOUND, "No definition of this API is kept.",
        "`definitionState` of the API says what became of it";
    /// The address does not take that method.
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, "This address does not take that method.",
        "use a method that `/openapi.json` has for this address";
    /// A name is taken.
    NameTaken = "name_taken", CONFLICT, "Another one has that name.",
        "choose another name";
    /// Changed meanwhile.
    VersionConflict = "version_conflict", CONFLICT, "It was changed meanwhile; read it again.",
        "read it again and make the change from what it is now";
    /// Two active profiles would read the same.
    ScopesOverlap = "scopes_overlap", CONFLICT, "Two active profiles of a connector may not read the same.",
        "narrow one of them, or make one inactive";
    /// Something open stands in the way.
    Busy = "busy", CONFLICT, "Something that is still open stands in the way.",
        "wait until that has ended";
    /// The last manager cannot go.
    LastManager = "last_manager", CONFLICT, "The last active manager cannot be taken away.",
        "make somebody else a manager first";
    /// A default map cannot be changed.
    Locked = "locked", CONFLICT, "A default map is locked; clone it.",
        "clone it and change the clone";
    /// Nothing is held.
    NothingHeld = "nothing_held", CONFLICT, "Nothing is held that could be released.",
        "`GET /api/v1/held` lists what is held";
    /// There is no letter.
    NothingToReplay = "nothing_to_replay", CONFLICT, "There is no dead letter that could be replayed.",
        "`GET /api/v1/dead-letters` lists those there are";
    /// The profile does not run.
    Inactive = "inactive", CONFLICT, "The profile is inactive.",
        "make the profile active first";
    /// An agent names a tenant that is not its token's.
    UnknownCustomer = "unknown_customer", NOT_FOUND, "There is no such customer for this token.",
        "give `qualys.customerUuid` as the connector's page shows it";
    /// An agent names a connector that is not there.
    UnknownConnection = "unknown_connection", NOT_FOUND, "There is no such connection.",
        "give `qualys.connectionUuid` as the connector's page shows it; it may have been removed";
    /// An agent names a profile that the connector does not have.
    UnknownProfile = "unknown_profile", NOT_FOUND, "The connection has no such profile.",
        "give `qualys.profileUuid` as the connector's page shows it; it may have been removed";
    /// Whoever signed in may not read the connector.
    AgentNotBound = "agent_not_bound", FORBIDDEN, "Whoever signed in is not bound to this connection.",
        "let a manager bind this user or client on the connector's page, or enrol the agent there";
    /// It was bound, and that was taken back.
    AgentRevoked = "agent_revoked", FORBIDDEN, "This agent was revoked.",
        "ask a manager whether it shall run again: binding it anew, or another enrolment, lets it";
    /// The hub reads the connector itself.
    NotByAgent = "not_run_by_agent", CONFLICT, "The hub reads this connection itself, not an agent.",
        "set the connector's execution to `agent`, or end the agent";
    /// A newer process is the profile's agent.
    SessionReplaced = "session_replaced", CONFLICT, "Another process is this profile's agent now.",
        "run one agent for each profile; this process ends";
    /// An order is over.
    OrderOver = "order_over", CONFLICT, "The order is over.",
        "drop what belongs to it; the next poll says what is to be done";
    /// Too many parcels wait.
    TooFarAhead = "too_far_ahead", TOO_MANY_REQUESTS, "Too many parcels before this one have not been taken yet.",
        "wait as long as `Retry-After` says and send it again";
    /// An enrolment token is not right.
    EnrolmentRefused = "enrolment_refused", UNAUTHORIZED, "The enrolment token is not right, was used, or is too old.",
        "let a manager make another on the connector's page";
    /// The body is too large.
    TooLarge = "too_large", PAYLOAD_TOO_LARGE, "The body is too large.",
        "send less at once";
    /// The body takes too long.
    TooSlow = "too_slow", REQUEST_TIMEOUT, "The body took too long to arrive.",
        "send the request again, over a connection that carries it sooner";
    /// The body is of another kind.
    UnsupportedMediaType = "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE, "The body is of another media type than this operation takes.",
        "send `Content-Type: application/json`";
    /// Too many failures.
    TooManyAttempts = "too_many_attempts", TOO_MANY_REQUESTS, "Too many failed attempts; wait.",
        "wait as long as `Retry-After` says";
    /// Too many at once.
    TooManyStreams = "too_many_streams", TOO_MANY_REQUESTS, "Too many live streams are open; wait.",
        "wait as long as `Retry-After` says, or close other live pages";
    /// The store cannot be written.
    ReadOnly = "read_only", SERVICE_UNAVAILABLE, "The store cannot be written: its disk is full, or it is read-only.",
        "free space where the store lies; the hub goes on by itself";
    /// The store cannot be reached.
    Unavailable = "unavailable", SERVICE_UNAVAILABLE, "The store cannot be reached.",
        "see whether the database runs and can be reached";
    /// A fault of Muster's.
    Internal = "internal", INTERNAL_SERVER_ERROR, "Muster failed; the log names the cause beside the request's id.",
        "look the request's id up in the hub's log";
}

/// What went wrong.
#[derive(Debug, Clone)]
pub struct Problem {
    /// Its code.
    pub code: Code,
    /// What happened this time. Never a secret, nor anything of the store.
    pub detail: Option<String>,
    /// The field it is about.
    pub field: Option<String>,
    /// What to do about it.
    pub remedy: Option<String>,
    /// In how many seconds to try again.
    pub retry_after: Option<u64>,
    /// The failure behind it: for the log only.
    pub cause: Option<Arc<StoreError>>,
}

/// A problem document (RFC 9457).
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Problem)]
pub struct ProblemDocument {
    /// A stable code.
    #[schema(example = "not_found")]
    pub code: &'static str,
    /// What the code means.
    pub title: &'static str,
    /// The status.
    pub status: u16,
    /// What happened this time.
    pub detail: String,
    /// The field, parameter or header it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What to do about it.
    pub remedy: String,
    /// The request's id, as the log names it.
    pub request_id: String,
}

impl Problem {
    /// A problem of that code.
    pub fn new(code: Code) -> Self {
        Self { code, detail: None, field: None, remedy: None, retry_after: None, cause: None }
    }

    /// Adds what happened this time.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Adds the field it is about.
    #[must_use]
    pub fn field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// A value of the body that cannot work.
    pub fn value(field: &str, detail: impl Into<String>) -> Self {
        Self::new(Code::InvalidValue).field(field).detail(detail)
    }

    /// The document, for a request.
    pub fn document(&self, request_id: &str) -> ProblemDocument {
        ProblemDocument {
            code: self.code.word(),
            title: self.code.title(),
            status: self.code.status().as_u16(),
            detail: self.detail.clone().unwrap_or_else(|| self.code.title().to_owned()),
            field: self.field.clone(),
            remedy: self.remedy.clone().unwrap_or_else(|| self.code.remedy().to_owned()),
            request_id: request_id.to_owned(),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let code = match &error {
            StoreError::Query(_) => Code::InvalidCursor,
            other if other.is_read_only() => Code::ReadOnly,
            other if other.is_unavailable() => Code::Unavailable,
            _ => Code::Internal,
        };
        let field = (code == Code::InvalidCursor).then(|| "cursor".to_owned());
        let remedy = (code == Code::ReadOnly).then(|| code.remedy().to_owned());
        Self { cause: Some(Arc::new(error)), field, remedy, ..Self::new(code) }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self::new(match refusal {
            Refusal::Missing => Code::NotFound,
            Refusal::Taken => Code::NameTaken,
            Refusal::Changed => Code::VersionConflict,
            Refusal::Busy => Code::Busy,
        })
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.code.status().into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.code.status() == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(self);
        response
    }
}
