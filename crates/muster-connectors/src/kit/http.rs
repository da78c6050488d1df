//! HTTP as connectors use it: where requests may go, how fast, how often again, and how much an answer may hold.
//!
//! ```text
//! Call ─Hosts: may it go there?→ Planner: its turn ─→ server ─┬ 408, 429, 5xx, cut off → again, within the limits
//!                                   ↑ how long it says ──────┘└ all else → Answer, bounded, to the connector
//! ```
//!
//! A credential belongs to one origin and goes nowhere else; redirects are not followed (design P10). What an answer
//! means is the connector's to say: only what every HTTP server means alike is decided here (RFC 9110: 10.2.3
//! `Retry-After`, 15 status codes). Nothing is logged but method, origin, status and sizes: paths and queries may be
//! credentials.

mod hosts;
mod planner;
mod session;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use muster_core::connector::{ConnectorError, ErrorKind, Traffic};
use muster_core::secret::Secret;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Method, Response, StatusCode, Url};
use rustls::{ClientConfig, RootCertStore};
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep};

pub use hosts::{HostRefused, Hosts, Origin, base_url};
pub use planner::{Bucket, Planner, Rate};
pub use session::{Session, SignIn};

/// The planner of this process: connectors that share a principal share its rates.
pub static PLANNER: LazyLock<Arc<Planner>> = LazyLock::new(Arc::default);

const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// A bucket is not kept shut for longer, whatever a server says.
const SHUT_AT_MOST: Duration = Duration::from_secs(3_600);
/// How often a wait looks whether the run is still wanted.
const LOOK: Duration = Duration::from_millis(100);
/// Fields of a sign-in that prove who asks.
const PROOFS: [&str; 3] = ["client_secret", "client_assertion", "password"];
const CANCELLED: &str = "the run was cancelled";

/// How much one call may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of an answer's body, unpacked.
    pub body: usize,
    /// How often a call is sent at the most.
    pub attempts: u32,
    /// How long a wait at the server's wish may be; a longer one ends the call.
    pub wait: Duration,
    /// How long the waits of one call may be together; where the next would be longer, the last answer stands.
    pub waits: Duration,
    /// How long an attempt may take, its body included.
    pub timeout: Duration,
    /// How the server says that it wants fewer calls.
    pub throttling: Throttling,
}

impl Default for Limits {
    fn default() -> Self {
        let (wait, waits, timeout) = (Duration::from_secs(60), Duration::from_secs(240), Duration::from_secs(120));
        Self { body: 32 << 20, attempts: 5, wait, waits, timeout, throttling: Throttling::default() }
    }
}

/// How a server says that it wants fewer calls.
#[derive(Debug, Clone, Copy)]
pub struct Throttling {
    /// The statuses that are meant for all calls of a bucket. 500 is, when a call hears it for the first time: a call
    /// that hears nothing else is broken by itself.
    pub statuses: &'static [u16],
    /// What, beside `Retry-After`, says from when on calls are welcome: with 429 and 503.
    pub reset: Option<Reset>,
    /// How long to wait where the server does not say, after the first attempt; doubled with each further one.
    pub first_wait: Duration,
}

/// Headers that tell when calls are welcome again. Some servers send them with every answer.
#[derive(Debug, Clone, Copy)]
pub struct Reset {
    /// Names the second since 1970.
    pub at: &'static str,
    /// Names how many calls are welcome until then: none are, where it is absent.
    pub left: &'static str,
}

impl Default for Throttling {
    fn default() -> Self {
        Self { statuses: &[429], reset: None, first_wait: Duration::from_millis(500) }
    }
}

/// A bearer token, good for one origin.
#[derive(Debug, Clone)]
pub struct Bearer {
    /// Where it may go.
    pub origin: Origin,
    /// The token.
    pub token: Secret,
}

/// One call. It must be idempotent: it may be sent more than once.
#[derive(Clone)]
pub struct Call {
    /// What is being done, to what: the beginning of an error's message.
    pub operation: String,
    /// `GET`, or a `POST` that reads.
    pub method: Method,
    /// Where it goes.
    pub url: Url,
    /// Whose rate it counts against; none for calls that nobody counts.
    pub bucket: Option<(Bucket, Rate)>,
    /// The credential. A call to another origin than the credential's is refused.
    pub bearer: Option<Bearer>,
    /// `application/json` where absent.
    pub accept: Option<&'static str>,
    /// A body, form-encoded or JSON.
    pub body: Option<Body>,
    /// Bytes that the answer may hold, where that is less than any answer of the client's may.
    pub most: Option<usize>,
}

/// What a call carries.
#[derive(Debug, Clone)]
pub enum Body {
    /// `application/x-www-form-urlencoded`; values may be secrets.
    Form(Vec<(&'static str, Secret)>),
    /// `application/json`.
    Json(serde_json::Value),
}

impl std::fmt::Debug for Call {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A URL may be a credential.
        let origin = Origin::of(&self.url).map(|origin| origin.to_string());
        formatter
            .debug_struct("Call")
            .field("operation", &self.operation)
            .field("origin", &origin)
            .finish_non_exhaustive()
    }
}

impl Call {
    /// A `GET` without credential.
    pub fn get(operation: impl Into<String>, url: Url) -> Self {
        Self {
            operation: operation.into(),
            method: Method::GET,
            url,
            bucket: None,
            bearer: None,
            accept: None,
            body: None,
            most: None,
        }
    }

    /// What it proves itself with.
    fn secrets(&self) -> Vec<Secret> {
        let fields = match &self.body {
            Some(Body::Form(fields)) => fields.as_slice(),
            _ => &[],
        };
        let proofs = fields.iter().filter(|(name, _)| PROOFS.contains(name)).map(|(_, value)| value);
        proofs.chain(self.bearer.as_ref().map(|bearer| &bearer.token)).cloned().collect()
    }

    fn fails(&self, kind: ErrorKind, message: impl Into<String>) -> ConnectorError {
        ConnectorError::new(kind, self.operation.clone(), message)
    }
}

/// What a server answered, whatever it means.
#[derive(Clone)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, whole.
    pub body: Vec<u8>,
    /// What the call proved itself with.
    pub secrets: Vec<Secret>,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Headers and body may hold tokens and signed links.
        formatter.debug_struct("Answer").field("seen", &self.seen()).finish_non_exhaustive()
    }
}

impl Answer {
    /// Words of the answer as they may be shown: a server may echo what the call proved itself with. No more
    /// than `most` characters.
    pub fn shown(&self, words: &str, most: usize) -> String {
        let mut shown = words.to_owned();
        for secret in self.secrets.iter().filter(|secret| !secret.is_empty()) {
            let encoded: String = url::form_urlencoded::byte_serialize(secret.reveal().as_bytes()).collect();
            for written in [secret.reveal(), &encoded] {
                shown = shown.replace(written, "[secret]");
            }
        }
        shown.chars().map(|c| if c.is_control() { ' ' } else { c }).take(most).collect()
    }

    /// Reads the body as JSON; `operation` says what was asked for.
    pub fn json<T: DeserializeOwned>(&self, operation: &str) -> Result<T, ConnectorError> {
        serde_json::from_slice(&self.body).map_err(|error| {
            // The library's own words quote the answer, which may hold a link or a token.
            let place = format!("line {}, column {}", error.line(), error.column());
            let message = format!("the answer cannot be read as what was asked for, from {place}; {}", self.seen());
            ConnectorError::new(ErrorKind::Protocol, operation, message)
        })
    }

    /// What kind of thing the body is, without a word of it.
    fn seen(&self) -> String {
        let kind = self.headers.get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or("no content type");
        format!("status {}, {kind}, {} bytes", self.status.as_u16(), self.body.len())
    }

    /// How long the server asks to wait: so many seconds, or until a time by its own clock. A time that is no future, or
    /// far ahead, is none.
    fn asks_to_wait(&self, throttling: &Throttling) -> Option<Duration> {
        let number = |name: &str| self.header(name)?.trim().parse::<u64>().ok();
        let until = || {
            let now = jiff::fmt::rfc2822::parse(self.header("date")?).ok()?.timestamp().as_second();
            let reset = throttling.reset.filter(|_| matches!(self.status.as_u16(), 429 | 503))?;
            if number(reset.left).is_some_and(|left| left > 0) {
                return None;
            }
            let left = number(reset.at)?.checked_sub(u64::try_from(now).ok()?)?;
            (1..=SHUT_AT_MOST.as_secs()).contains(&left).then_some(left)
        };
        number(RETRY_AFTER.as_str()).or_else(until).map(Duration::from_secs)
    }

    /// A header's value as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// An HTTP client for one connector.
#[derive(Debug, Clone)]
pub struct Http {
    client: reqwest::Client,
    hosts: Hosts,
    limits: Limits,
    planner: Arc<Planner>,
    meter: Arc<Meter>,
}

#[derive(Debug, Default)]
struct Meter {
    calls: AtomicU64,
    throttled_ms: AtomicU64,
    bytes: AtomicU64,
}

/// Whether the run is still wanted.
pub type Wanted<'a> = &'a (dyn Fn() -> bool + Sync);

impl Http {
    /// A client that goes to `hosts` alone and trusts `anchors`, or the machine's authorities where there are none.
    pub fn new(
        hosts: Hosts,
        limits: Limits,
        planner: Arc<Planner>,
        anchors: &RootCertStore,
    ) -> Result<Self, ConnectorError> {
        let failed = |message: String| ConnectorError::new(ErrorKind::Config, "setting up HTTP", message);
        let mut roots = anchors.clone();
        if roots.is_empty() {
            let found = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(found.certs);
        }
        let tls = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| failed(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(limits.timeout)
            .user_agent(concat!("muster/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| failed(reason(&error)))?;
        Ok(Self { client, hosts, limits, planner, meter: Arc::default() })
    }

    /// The same client with an account of its own, for one scope.
    #[must_use]
    pub fn metered(&self) -> Self {
        Self { meter: Arc::default(), ..self.clone() }
    }

    /// What the calls of this account cost.
    pub fn traffic(&self) -> Traffic {
        Traffic {
            calls: self.meter.calls.load(Ordering::Relaxed),
            throttled_ms: self.meter.throttled_ms.load(Ordering::Relaxed),
            bytes: self.meter.bytes.load(Ordering::Relaxed),
        }
    }

    /// Sends a call, again where that may help, and gives the last answer, whatever its status. An error means that there
    /// is none: the host is not allowed, the server is not there or cut off, the answer is too large, the wait too long,
    /// or the run is no longer wanted.
    pub async fn send(&self, call: &Call, wanted: Wanted<'_>) -> Result<Answer, ConnectorError> {
        self.hosts.check(&call.url).map_err(|refused| {
            call.fails(ErrorKind::Protocol, refused.to_string()).with_remedy(
                "if it is right, add it to the connector's endpoints; if not, ask who answers for the source",
            )
        })?;
        let (mut attempt, mut waited) = (1, Duration::ZERO);
        loop {
            self.turn(call, wanted).await?;
            let is_last = |wait: Duration| attempt >= self.limits.attempts || waited + wait > self.limits.waits;
            let answer = tokio::select! {
                answer = self.once(call) => answer,
                () = unwanted(wanted) => Err(call.fails(ErrorKind::Cancelled, CANCELLED)),
            };
            let wait = match answer {
                Ok(answer) => match self.asked_to_wait(call, &answer, attempt)? {
                    Some(wait) if !is_last(wait) => wait,
                    _ => return Ok(answer),
                },
                Err(error) if error.kind != ErrorKind::Unavailable => return Err(error),
                Err(error) if is_last(self.backoff(attempt)) => return Err(error),
                Err(_) => self.backoff(attempt),
            };
            self.wait(call, wait, wanted).await?;
            waited += wait;
            attempt += 1;
        }
    }

    /// Waits for the call's turn.
    async fn turn(&self, call: &Call, wanted: Wanted<'_>) -> Result<(), ConnectorError> {
        let Some((bucket, rate)) = &call.bucket else { return self.wait(call, Duration::ZERO, wanted).await };
        // Another call was told so: this one would hear the same.
        let shut = || match self.planner.shut_for(bucket) {
            Some(wait) if wait > self.limits.wait => Err(too_long(call, wait)),
            wait => Ok(wait),
        };
        shut()?;
        self.wait(call, self.planner.take(bucket, *rate), wanted).await?;
        // The bucket may have been shut meanwhile.
        while let Some(wait) = shut()? {
            self.wait(call, wait, wanted).await?;
        }
        Ok(())
    }

    /// Waits, but no longer than the run is wanted.
    async fn wait(&self, call: &Call, wait: Duration, wanted: Wanted<'_>) -> Result<(), ConnectorError> {
        let begun = Instant::now();
        loop {
            if !wanted() {
                return Err(call.fails(ErrorKind::Cancelled, CANCELLED));
            }
            let left = wait.saturating_sub(begun.elapsed());
            if left.is_zero() {
                break;
            }
            sleep(left.min(LOOK)).await;
        }
        let waited = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        self.meter.throttled_ms.fetch_add(waited, Ordering::Relaxed);
        Ok(())
    }

    async fn once(&self, call: &Call) -> Result<Answer, ConnectorError> {
        let mut request = self.client.request(call.method.clone(), call.url.clone());
        request = request.header(ACCEPT, call.accept.unwrap_or("application/json"));
        if let Some(bearer) = &call.bearer {
            if Origin::of(&call.url).as_ref() != Some(&bearer.origin) {
                let message = format!("the credential is for `{}` and goes nowhere else", bearer.origin);
                return Err(call.fails(ErrorKind::Protocol, message));
            }
            let mut value = HeaderValue::from_str(&format!("Bearer {}", bearer.token.reveal()))
                .map_err(|_| call.fails(ErrorKind::Auth, "the token holds bytes that no header may hold"))?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        request = match &call.body {
            None => request,
            Some(Body::Json(json)) => request.header("content-type", "application/json").body(json.to_string()),
            Some(Body::Form(fields)) => {
                let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.reveal())).collect();
                request.form(&fields)
            }
        };
        self.meter.calls.fetch_add(1, Ordering::Relaxed);
        let unavailable = |error: reqwest::Error| call.fails(ErrorKind::Unavailable, reason(&error));
        let response = request.send().await.map_err(unavailable)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = self.body(call, response).await?;
        tracing::debug!(http.method = %call.method, http.host = call.url.host_str(), http.status = status.as_u16(), bytes = body.len());
        if status.is_redirection() {
            let place = headers.get("location").and_then(|place| call.url.join(place.to_str().ok()?).ok());
            let place = place.as_ref().and_then(Origin::of).map_or("nowhere".to_owned(), |origin| origin.to_string());
            return Err(call.fails(ErrorKind::Protocol, format!("a redirect to `{place}`, which is not followed")));
        }
        Ok(Answer { status, headers, body, secrets: call.secrets() })
    }

    async fn body(&self, call: &Call, mut response: Response) -> Result<Vec<u8>, ConnectorError> {
        let mut body = Vec::new();
        while let Some(chunk) =
            response.chunk().await.map_err(|error| call.fails(ErrorKind::Unavailable, reason(&error)))?
        {
            self.meter.bytes.fetch_add(u64::try_from(chunk.len()).unwrap_or(0), Ordering::Relaxed);
            let limit = call.most.unwrap_or(self.limits.body).min(self.limits.body);
            if body.len() + chunk.len() > limit {
                return Err(call.fails(ErrorKind::Protocol, format!("the answer is larger than {limit} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    /// How long to wait before the call is sent again; none where the answer stands.
    fn asked_to_wait(&self, call: &Call, answer: &Answer, attempt: u32) -> Result<Option<Duration>, ConnectorError> {
        if !matches!(answer.status.as_u16(), 408 | 429 | 500 | 502 | 503 | 504) {
            return Ok(None);
        }
        let throttling = &self.limits.throttling;
        let wait = answer.asks_to_wait(throttling).unwrap_or_else(|| self.backoff(attempt));
        let status = answer.status.as_u16();
        let for_all = throttling.statuses.contains(&status) && (status != 500 || attempt == 1);
        if let Some((bucket, rate)) = call.bucket.as_ref().filter(|_| for_all) {
            self.planner.shut(bucket, *rate, wait.min(SHUT_AT_MOST));
        }
        if wait > self.limits.wait {
            return Err(too_long(call, wait));
        }
        Ok(Some(wait))
    }

    /// How long to wait after so many attempts, where the server does not say.
    fn backoff(&self, attempt: u32) -> Duration {
        self.limits.throttling.first_wait * (1 << attempt.min(6).saturating_sub(1))
    }
}

fn too_long(call: &Call, wait: Duration) -> ConnectorError {
    let retry_after_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
    let message = format!("the server asks to wait {} s, longer than a run does", wait.as_secs());
    call.fails(ErrorKind::RateLimited { retry_after_ms }, message)
}

/// Ends when the run is no longer wanted.
async fn unwanted(wanted: Wanted<'_>) {
    while wanted() {
        sleep(LOOK).await;
    }
}

/// What went wrong, down to its cause, without the URL.
fn reason(error: &reqwest::Error) -> String {
    let mut parts = Vec::new();
    let mut source: Option<&dyn std::error::Error> = std::error::Error::source(error);
    while let Some(inner) = source {
        parts.push(inner.to_string());
        source = inner.source();
    }
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    match parts.pop() {
        Some(cause) => cause,
        None => "the connection failed".to_owned(),
    }
}

#[cfg(test)]
mod tests;
