//! A token that all calls of a connector share: asked for when it is needed, and anew where it ends or is refused.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use muster_core::connector::ConnectorError;
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

/// The token at hand, and until when it may be used.
#[derive(Debug, Clone, Default)]
pub struct Session(Arc<Mutex<Option<(Bearer, Instant)>>>);

impl Session {
    /// The token at hand; where there is none that lasts, a new one. Who comes meanwhile waits for that one.
    pub async fn bearer(&self, who: &dyn SignIn, wanted: Wanted<'_>) -> Result<Bearer, ConnectorError> {
        let mut kept = self.0.lock().await;
        if let Some((bearer, _)) = kept.as_ref().filter(|(_, until)| *until > Instant::now()) {
            return Ok(bearer.clone());
        }
        let (bearer, lasts) = who.new_token(wanted).await?;
        *kept = Some((bearer.clone(), Instant::now() + lasts));
        Ok(bearer)
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
        self.0.lock().await.take_if(|(bearer, _)| bearer.token.reveal() == refused.reveal());
        http.send(&Call { bearer: Some(self.bearer(who, wanted).await?), ..call }, wanted).await
    }
}
