//! Signing in: BASIC, OAUTH, or with the credential that was made at enrolment.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use muster_core::agent::{Enrol, Enrolled};
use muster_core::clock::Instant;
use muster_core::secret::Secret;
use reqwest::Url;
use reqwest::header::{CONTENT_LENGTH, HeaderValue};
use serde::{Deserialize, Serialize};

use super::{CallError, Link, Problem, refusal};
use crate::failure::{Failure, Kind};
use crate::settings::{Settings, SignIn, nothing_to_sign_in_with};

/// The code of a hub that takes an agent's credential no more.
pub(super) const REVOKED: &str = "agent_revoked";
const SECOND: i64 = 1_000_000;
/// How long a token is taken to last that does not say.
const LIFETIME: i64 = 4 * 3600 * SECOND;
/// How long before its end a token is renewed, at the most.
const AHEAD: i64 = 300 * SECOND;
const FILE: &str = "credential.json";

/// A token, and when another one is asked for.
pub(super) struct Token {
    text: Secret,
    renew: Instant,
}

/// Where an enrolled agent keeps its credential.
pub(super) struct Credential {
    file: PathBuf,
    hub: String,
    connection: String,
}

/// The credential, as it is kept.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kept {
    hub: String,
    connection: String,
    /// The token that made it, by its hash: another one is another enrolment.
    token: String,
    client_id: String,
    client_secret: String,
}

#[derive(Deserialize)]
struct Granted {
    access_token: Secret,
    expires_in: Option<i64>,
}

impl Credential {
    pub(super) fn of(settings: &Settings) -> Self {
        let file = settings.spool.directory.join(FILE);
        Self { file, hub: settings.hub.to_string(), connection: settings.connection.clone() }
    }

    /// The credential that is kept, if it is for this hub and connection, and by that token where one is given.
    fn kept(&self, token: Option<&Secret>) -> Option<(String, Secret)> {
        let kept: Kept = serde_json::from_slice(&std::fs::read(&self.file).ok()?).ok()?;
        let same = kept.hub == self.hub && kept.connection == self.connection;
        let made_by = token.is_none_or(|token| kept.token == print(token));
        (same && made_by).then(|| (kept.client_id, Secret::new(kept.client_secret)))
    }

    fn keep(&self, token: &Secret, id: &str, secret: &Secret) -> Result<(), Failure> {
        let kept = Kept {
            hub: self.hub.clone(),
            connection: self.connection.clone(),
            token: print(token),
            client_id: id.to_owned(),
            client_secret: secret.reveal().to_owned(),
        };
        let part = self.file.with_extension("part");
        let write = || {
            std::fs::create_dir_all(self.file.parent().unwrap_or(&self.file))?;
            let _ = std::fs::remove_file(&part);
            let mut file = std::fs::File::options().write(true).create_new(true).mode(0o600).open(&part)?;
            file.write_all(&serde_json::to_vec(&kept)?)?;
            file.sync_all()?;
            std::fs::rename(&part, &self.file)
        };
        write().map_err(|error: std::io::Error| {
            let doing = format!("keeping the agent's credential in `{}`", self.file.display());
            let remedy = "make `muster.spool.directory` writable for this account, and enrol with a new token";
            Failure::new(Kind::Settings, doing, error.to_string(), remedy)
        })
    }
}

fn print(secret: &Secret) -> String {
    HEXLOWER.encode(blake3::hash(secret.reveal().as_bytes()).as_bytes())
}

impl Link {
    /// Signs in, whether or not there is a token.
    pub(crate) async fn sign_in(&self) -> Result<(), Failure> {
        *self.token.lock().await = None;
        self.token("signing in").await.map(drop).map_err(|error| error.into_failure("signing in"))
    }

    /// A token that lasts.
    pub(super) async fn token(&self, doing: &str) -> Result<Secret, CallError> {
        let mut held = self.token.lock().await;
        let now = self.clock.now();
        if let Some(token) = held.as_ref().filter(|token| now < token.renew) {
            return Ok(token.text.clone());
        }
        let (text, lasts) = self.new_token(doing).await?;
        let end = lasts.map(|seconds| now.plus(seconds.saturating_mul(SECOND))).or_else(|| end_of(&text));
        let end = end.unwrap_or_else(|| now.plus(LIFETIME));
        let ahead = (end.0.saturating_sub(now.0) / 4).clamp(0, AHEAD);
        *held = Some(Token { text: text.clone(), renew: end.plus(-ahead) });
        Ok(text)
    }

    /// Forgets a token that the hub refused, unless another one has taken its place.
    pub(super) async fn forget(&self, token: &Secret) {
        let mut held = self.token.lock().await;
        if held.as_ref().is_some_and(|held| held.text == *token) {
            *held = None;
        }
    }

    async fn new_token(&self, doing: &str) -> Result<(Secret, Option<i64>), CallError> {
        match &self.sign_in {
            SignIn::Basic { username, password } => {
                let form = [("username", username.as_str()), ("password", password.reveal()), ("token", "true")];
                let request = self.http.post(self.at("auth")?).form(&form);
                let remedy = "check `qualys.user.username` and `qualys.user.password`";
                let body = self.asked("signing in by BASIC", request, remedy).await?;
                Ok((bare_token(doing, body)?, None))
            }
            SignIn::OAuth { id, secret, token_url: None } => {
                let remedy = "check `qualys.clientId` and `qualys.clientSecret`";
                self.ask_as_client((id, secret), remedy).await
            }
            SignIn::OAuth { id, secret, token_url: Some(url) } => {
                let form = [
                    ("grant_type", "client_credentials"),
                    ("client_id", id.as_str()),
                    ("client_secret", secret.reveal()),
                ];
                let request = self.http.post(url.clone()).form(&form);
                let remedy = "check `oauth.client.id`, `oauth.client.secret` and `oauth.token.url`";
                let body = self.asked("signing in at `oauth.token.url`", request, remedy).await?;
                match serde_json::from_slice::<Granted>(&body) {
                    Ok(granted) => Ok((granted.access_token, granted.expires_in)),
                    Err(_) => Ok((bare_token(doing, body)?, None)),
                }
            }
            SignIn::Enrolled(token) => {
                let remedy = "enrol anew with a token from the connector's page in the hub";
                let kept = match self.enrolled.kept(token.as_ref()) {
                    Some(kept) => kept,
                    None => self.enrol(token.as_ref()).await?,
                };
                self.ask_as_client((&kept.0, &kept.1), remedy).await.map_err(|error| match error {
                    // Nobody mistypes it: what was made at enrolment is refused once it is gone from the hub.
                    CallError::Failed(failure) if failure.kind == Kind::Credential => {
                        let message = "the hub takes this agent's credential no more: it was revoked";
                        CallError::Failed(Failure { kind: Kind::Revoked, message: message.to_owned(), ..failure })
                    }
                    other => other,
                })
            }
        }
    }

    async fn ask_as_client(
        &self,
        (id, secret): (&str, &Secret),
        remedy: &str,
    ) -> Result<(Secret, Option<i64>), CallError> {
        let doing = "signing in by OAUTH";
        let header = |text: &str, key: &str| {
            let mut value = HeaderValue::from_str(text).map_err(|_| {
                let message = format!("`{key}` holds signs that no header may hold");
                CallError::Failed(Failure::new(Kind::Settings, doing, message, remedy))
            })?;
            value.set_sensitive(true);
            Ok::<_, CallError>(value)
        };
        let request = self
            .http
            .post(self.at("auth/oidc")?)
            .header("clientId", header(id, "qualys.clientId")?)
            .header("clientSecret", header(secret.reveal(), "qualys.clientSecret")?)
            .header(CONTENT_LENGTH, 0);
        let body = self.asked(doing, request, remedy).await?;
        Ok((bare_token(doing, body)?, None))
    }

    async fn enrol(&self, token: Option<&Secret>) -> Result<(String, Secret), CallError> {
        let token = token.ok_or_else(|| CallError::Failed(nothing_to_sign_in_with()))?;
        let doing = "enrolling";
        let told = Enrol { token: token.reveal().to_owned(), host: crate::machine::name() };
        let told = serde_json::to_string(&told).map_err(|_| not_understood(doing))?;
        let request = self.http.post(self.at("agent/v1/enrol")?);
        let request = request.header("content-type", "application/json").body(told);
        let remedy = "make another token on the connector's page in the hub: each is good once, and not for long";
        let body = self.asked(doing, request, remedy).await?;
        let made: Enrolled = serde_json::from_slice(&body).map_err(|_| not_understood(doing))?;
        let secret = Secret::new(made.client_secret);
        self.enrolled.keep(token, &made.client_id, &secret).map_err(CallError::Failed)?;
        Ok((made.client_id, secret))
    }

    /// Sends what asks for a token or credential.
    async fn asked(&self, doing: &str, request: reqwest::RequestBuilder, remedy: &str) -> Result<Vec<u8>, CallError> {
        let response = self.sent(doing, request).await.map_err(CallError::Failed)?;
        let status = response.status();
        if status.is_success() {
            return self.body(doing, response).await.map_err(CallError::Failed);
        }
        // A token URL is no hub's, and its refusals are told in a body of their own.
        let problem = match self.problem(doing, response).await {
            Ok(problem) => problem,
            Err(_) if matches!(status.as_u16(), 400 | 401 | 403) => Problem::default(),
            Err(error) => return Err(error),
        };
        if problem.code != REVOKED && matches!(status.as_u16(), 400 | 401 | 403) {
            let message = match problem.detail.unwrap_or(problem.title) {
                title if title.is_empty() => format!("refused with status {status}"),
                title => title,
            };
            return Err(CallError::Failed(Failure::new(Kind::Credential, doing, message, remedy)));
        }
        Err(match refusal(doing, status.as_u16(), problem, None) {
            CallError::Wait(_) => {
                let message = "too many attempts to sign in: the hub asks to wait";
                CallError::Failed(Failure::new(Kind::Credential, doing, message, remedy))
            }
            other => other,
        })
    }

    fn at(&self, path: &str) -> Result<Url, CallError> {
        let unfit = |_| CallError::Failed(Failure::new(Kind::Settings, path, "no URL", "check `connector.api.url`"));
        self.hub.join(path).map_err(unfit)
    }
}

fn not_understood(doing: &str) -> CallError {
    let remedy = "check `connector.api.url`: another server answers there, or a hub of another version";
    CallError::Failed(Failure::new(Kind::Hub, doing, "the answer is not a hub's", remedy))
}

fn bare_token(doing: &str, body: Vec<u8>) -> Result<Secret, CallError> {
    let text = String::from_utf8(body).map_err(|_| not_understood(doing))?;
    let text = text.trim();
    let fits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    if fits { Ok(Secret::new(text)) } else { Err(not_understood(doing)) }
}

/// When a JWT ends, as it says itself. It is not proven here: the hub does that.
fn end_of(token: &Secret) -> Option<Instant> {
    #[derive(Deserialize)]
    struct Claims {
        exp: i64,
    }
    let body = token.reveal().split('.').nth(1)?;
    let claims: Claims = serde_json::from_slice(&BASE64URL_NOPAD.decode(body.as_bytes()).ok()?).ok()?;
    Some(Instant(claims.exp.checked_mul(SECOND)?))
}
