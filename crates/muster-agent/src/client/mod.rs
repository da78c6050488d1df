//! The way to the hub: proxy, TLS, token, and the calls of `/agent/v1`.
//!
//! ```text
//! Hub (calls.rs) ─→ Link::call ─┬ token: signed in anew before it ends, and once on 401 (sign_in.rs)
//!                               ├ reqwest: one proxy or none, one set of roots, no redirects
//!                               └ no answer → reach.rs: step by step, which part of the way it was
//! ```
//!
//! Nothing of the process environment is used for it. Bodies, tokens and passwords are logged by nobody.

mod calls;
mod reach;
mod sign_in;
mod tls;

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use muster_core::agent::SESSION_HEADER;
use muster_core::clock::Clock;
use muster_core::secret::Secret;
use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::{Method, Response, Url};
use serde::Deserialize;

use crate::failure::{Failure, Kind};
use crate::settings::{Proxy, Settings, SignIn};
pub(crate) use reach::Way;
use sign_in::Token;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
const TIMEOUT: Duration = Duration::from_secs(120);
/// The longest answer that is read.
const LONGEST: usize = 32 << 20;
/// How long to wait where the hub does not say.
const WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
const PARCEL: &str = "application/vnd.muster.parcel";

/// Why a call brought nothing.
#[derive(Debug)]
pub(crate) enum CallError {
    /// The order is over: nothing more is wanted of it.
    Over,
    /// Not now.
    Wait(Duration),
    /// The hub will never take just this.
    Refused(Failure),
    /// The way to the hub, the credential, or the session.
    Failed(Failure),
}

impl CallError {
    /// The failure that it is where none of the others can be.
    pub(crate) fn into_failure(self, doing: &str) -> Failure {
        match self {
            Self::Refused(failure) | Self::Failed(failure) => failure,
            Self::Over => Failure::new(Kind::Hub, doing, "the order is over", "nothing is to be done"),
            Self::Wait(_) => Failure::new(Kind::Hub, doing, "the hub asks to wait", "it is asked again"),
        }
    }
}

/// What a call carries.
#[derive(Clone)]
enum Body {
    Nothing,
    Json(String),
    Parcel(Bytes),
}

/// One call.
struct Call<'a> {
    doing: &'a str,
    method: Method,
    path: String,
    body: Body,
}

/// A problem as the hub tells it (RFC 9457).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Problem {
    code: String,
    title: String,
    detail: Option<String>,
    remedy: Option<String>,
}

/// The hub, as the agent speaks to it.
pub(crate) struct Link {
    http: reqwest::Client,
    hub: Url,
    way: Way,
    sign_in: SignIn,
    /// Where an enrolled agent keeps its credential, and for which connection.
    enrolled: sign_in::Credential,
    token: tokio::sync::Mutex<Option<Token>>,
    session: RwLock<String>,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Link").field("hub", &self.hub.as_str()).finish_non_exhaustive()
    }
}

impl Link {
    /// Prepares the way; nothing is sent yet.
    pub(crate) fn new(settings: &Settings, hub_ca: Option<&Path>, clock: Arc<dyn Clock>) -> Result<Self, Failure> {
        let tls = tls::config(hub_ca)?;
        let failed = |error: reqwest::Error| {
            Failure::new(Kind::Settings, "preparing HTTP", reason(&error), "check the settings of the proxy")
        };
        let mut http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls.clone())
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            .user_agent(concat!("muster-agent/", env!("CARGO_PKG_VERSION")));
        if let Some(Proxy { scheme, host, port, user }) = &settings.proxy {
            let mut proxy = reqwest::Proxy::all(format!("{scheme}://{host}:{port}")).map_err(failed)?;
            if let Some((user, password)) = user {
                proxy = proxy.basic_auth(user, password.reveal());
            }
            http = http.proxy(proxy);
        }
        Ok(Self {
            http: http.build().map_err(failed)?,
            hub: settings.hub.clone(),
            way: Way { hub: settings.hub.clone(), proxy: settings.proxy.clone(), tls: Arc::new(tls) },
            sign_in: settings.sign_in.clone(),
            enrolled: sign_in::Credential::of(settings),
            token: tokio::sync::Mutex::default(),
            session: RwLock::default(),
            clock,
        })
    }

    /// The way, for `--check` to go along.
    pub(crate) fn way(&self) -> &Way {
        &self.way
    }

    /// Names the session in every call from now on.
    pub(crate) fn set_session(&self, session: &str) {
        session.clone_into(&mut self.session.write().unwrap_or_else(PoisonError::into_inner));
    }

    fn session(&self) -> String {
        self.session.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Makes a call; signed in, and once more with a new token, or the new session, where that was the fault.
    async fn call(&self, call: Call<'_>) -> Result<Vec<u8>, CallError> {
        let mut renewed = false;
        loop {
            let (token, session) = (self.token(call.doing).await?, self.session());
            let response = self.send(&call, &token, &session).await?;
            let status = response.status();
            if status.is_success() {
                return self.body(call.doing, response).await.map_err(CallError::Failed);
            }
            let wait = retry_after(&response);
            let problem = self.problem(call.doing, response).await?;
            if status.as_u16() == 401 && problem.code != sign_in::REVOKED && !renewed {
                self.forget(&token).await;
                renewed = true;
                continue;
            }
            if problem.code == "session_replaced" && session != self.session() {
                continue;
            }
            return Err(refusal(call.doing, status.as_u16(), problem, wait));
        }
    }

    async fn send(&self, call: &Call<'_>, token: &Secret, session: &str) -> Result<Response, CallError> {
        let broken = |what: &str| {
            let remedy = "ask who runs the hub, or what stands before it";
            CallError::Failed(Failure::new(
                Kind::Hub,
                call.doing,
                format!("it gave {what} that no header may hold"),
                remedy,
            ))
        };
        let url = self.hub.join(&call.path).map_err(|_| broken("a path"))?;
        let mut bearer = HeaderValue::from_str(&format!("Bearer {}", token.reveal())).map_err(|_| broken("a token"))?;
        bearer.set_sensitive(true);
        let mut request = self.http.request(call.method.clone(), url).header(AUTHORIZATION, bearer);
        if !session.is_empty() {
            request = request.header(SESSION_HEADER, session);
        }
        request = match &call.body {
            Body::Nothing if call.method == Method::GET => request,
            Body::Nothing => request.header(CONTENT_LENGTH, 0),
            Body::Json(text) => request.header(CONTENT_TYPE, "application/json").body(text.clone()),
            Body::Parcel(bytes) => request.header(CONTENT_TYPE, PARCEL).body(bytes.clone()),
        };
        self.sent(call.doing, request).await.map_err(CallError::Failed)
    }

    /// Sends a request; where no answer comes, finds out which part of the way it was.
    async fn sent(&self, doing: &str, request: reqwest::RequestBuilder) -> Result<Response, Failure> {
        let error = match request.send().await {
            Ok(response) => {
                tracing::debug!(http.status = response.status().as_u16(), "{doing}");
                return Ok(response);
            }
            Err(error) => error,
        };
        let why = reason(&error);
        tracing::debug!(reason = why, "{doing}: no answer");
        let way = self.way.clone();
        let walked = tokio::task::spawn_blocking(move || way.walk(&mut |_| {})).await;
        Err(match walked {
            Ok(Err(failure)) => Failure { doing: doing.to_owned(), ..failure },
            _ => Failure::new(Kind::Hub, doing, format!("no answer from the hub: {why}"), reach::HUB_REMEDY),
        })
    }

    async fn body(&self, doing: &str, mut response: Response) -> Result<Vec<u8>, Failure> {
        let cut = |message: String| Failure::new(Kind::Hub, doing, message, reach::HUB_REMEDY);
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| cut(reason(&error)))? {
            if body.len() + chunk.len() > LONGEST {
                return Err(cut(format!("the answer is longer than {LONGEST} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    /// What a refusal says. An answer that is no hub's comes from a proxy, where there is one.
    async fn problem(&self, doing: &str, response: Response) -> Result<Problem, CallError> {
        let status = response.status().as_u16();
        let body = self.body(doing, response).await.map_err(CallError::Failed)?;
        if let Ok(problem) = serde_json::from_slice::<Problem>(&body)
            && !problem.code.is_empty()
        {
            return Ok(problem);
        }
        let failed =
            |kind, message: String, remedy: &str| CallError::Failed(Failure::new(kind, doing, message, remedy));
        Err(match (status, &self.way.proxy) {
            (407, _) => failed(Kind::Proxy, "the proxy refuses its user (407)".to_owned(), reach::PROXY_USER),
            (500..=599, _) => failed(Kind::Hub, format!("the hub is not well: status {status}"), reach::HUB_REMEDY),
            (_, Some(_)) => failed(
                Kind::Proxy,
                format!("status {status}, and not by a hub: by the proxy, it seems"),
                "ask who runs the proxy whether this machine may reach the hub through it",
            ),
            (_, None) => failed(
                Kind::Hub,
                format!("status {status}, and not by a hub"),
                "check `connector.api.url`: another server answers there",
            ),
        })
    }
}

fn retry_after(response: &Response) -> Option<Duration> {
    let text = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs).map(|wait: Duration| wait.min(LONGEST_WAIT))
}

/// From the hub's code to what the agent does about it: the one table.
fn refusal(doing: &str, status: u16, problem: Problem, wait: Option<Duration>) -> CallError {
    let message = problem.detail.unwrap_or(problem.title);
    let told = |kind, remedy: &str| {
        let remedy = problem.remedy.clone().unwrap_or_else(|| remedy.to_owned());
        Failure::new(kind, doing, message.clone(), remedy)
    };
    match (problem.code.as_str(), status) {
        ("order_over", _) => CallError::Over,
        (_, 429) => CallError::Wait(wait.unwrap_or(WAIT)),
        ("unknown_customer", _) => CallError::Failed(told(Kind::Unknown, "check `qualys.customerUuid`")),
        ("unknown_connection", _) => CallError::Failed(told(Kind::Unknown, "check `qualys.connectionUuid`")),
        ("unknown_profile", _) => CallError::Failed(told(Kind::Unknown, "check `qualys.profileUuid`")),
        ("not_run_by_agent", _) => {
            CallError::Failed(told(Kind::Unknown, "set the connector's execution to `agent` in the hub"))
        }
        ("agent_not_bound", _) => CallError::Failed(told(
            Kind::Credential,
            "a manager binds the user or client to this connector, on the connector's page in the hub",
        )),
        (sign_in::REVOKED, _) => {
            CallError::Failed(told(Kind::Revoked, "enrol anew with a token from the connector's page in the hub"))
        }
        ("session_replaced", _) => CallError::Failed(told(
            Kind::Replaced,
            "run one agent for a profile; if this one shall do it, stop the other and start this one again",
        )),
        (_, 401 | 403) => CallError::Failed(told(
            Kind::Credential,
            "check the user or client of the settings, and its rights in the hub",
        )),
        (_, 400..=499) => CallError::Refused(told(Kind::Hub, "bring agent and hub to the same version")),
        _ => CallError::Failed(told(Kind::Hub, reach::HUB_REMEDY)),
    }
}

/// What went wrong, down to its cause, without the URL.
fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut source: Option<&dyn std::error::Error> = std::error::Error::source(error);
    let mut last = None;
    while let Some(inner) = source {
        last = Some(inner.to_string());
        source = inner.source();
    }
    last.unwrap_or_else(|| "the connection failed".to_owned())
}
