//! A token that all calls of a connector share: asked for when it is needed, and anew where it ends or is refused.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use muster_core::connector::{ConnectorError, ErrorKind};
use reqwest::StatusCode;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::{Answer, Bearer, Call, Http, Wanted};

/// How a connector signs in.
#[async_trait]
pub trait SignIn: Sync {
    /// A new token, and for how long it may be used.
    async fn new_token(&self, wanted: Wanted<'_>) -> Result<(Bearer, Duration), ConnectorError>;
}

/// For how long a sign-in that failed is not tried again.
const FAILED_FOR: Duration = Duration::from_secs(60);

/// What came of signing in, and until when that holds.
type Kept = (Result<Bearer, ConnectorError>, Instant);

/// The token at hand; or why there is none, for whoever comes within a minute: each further sign-in would take as long, and
/// some accounts are locked by them.
#[derive(Debug, Clone, Default)]
pub struct Session(Arc<Mutex<Option<Kept>>>);

impl Session {
    /// The token at hand; where there is none that lasts, a new one. Who comes meanwhile waits for that one.
    pub async fn bearer(&self, who: &dyn SignIn, wanted: Wanted<'_>) -> Result<Bearer, ConnectorError> {
        let mut kept = self.0.lock().await;
        if let Some((came, _)) = kept.as_ref().filter(|(_, until)| *until > Instant::now()) {
            return came.clone();
        }
        let (came, lasts) = match who.new_token(wanted).await {
            Ok((bearer, lasts)) => (Ok(bearer), lasts),
            Err(error) if error.kind == ErrorKind::Cancelled => return Err(error),
            Err(error) => (Err(about_all(error)), FAILED_FOR),
        };
        *kept = Some((came.clone(), Instant::now() + lasts));
        came
    }

    /// Sends a call with the token; where the server refuses that one, with a new one, once.
    pub async fn send(
        &self,
        (http, who): (&Http, &dyn SignIn),
        call: Call,
        wanted: Wanted<'_>,
    ) -> Result<Answer, ConnectorError> {
        let bearer = self.bearer(who, wanted).await?;
        let refused = bearer.token.clone();
        let call = Call { bearer: Some(bearer), ..call };
        let answer = http.send(&call, wanted).await?;
        if answer.status != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        // Another call may have renewed it meanwhile.
        let is_refused = |bearer: &Bearer| bearer.token.reveal() == refused.reveal();
        self.0.lock().await.take_if(|(came, _)| came.as_ref().is_ok_and(is_refused));
        http.send(&Call { bearer: Some(self.bearer(who, wanted).await?), ..call }, wanted).await
    }
}

/// Without a token nothing can be read: a sign-in that cannot be had now is not about the call that needs it.
fn about_all(error: ConnectorError) -> ConnectorError {
    let retry_after_ms = u64::try_from(FAILED_FOR.as_millis()).unwrap_or(u64::MAX);
    match error.kind {
        ErrorKind::Unavailable => ConnectorError { kind: ErrorKind::RateLimited { retry_after_ms }, ..error },
        _ => error,
    }
}
