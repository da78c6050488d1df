//! The calls of `/agent/v1`.

use bytes::Bytes;
use muster_core::agent::{Answer, Hello, Report, RunRequest, RunState, Welcome};
use reqwest::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Body, Call, CallError, Link};
use crate::failure::{Failure, Kind};

impl Link {
    pub(crate) async fn hello(&self, hello: &Hello) -> Result<Welcome, CallError> {
        self.ask("beginning a session", "agent/v1/sessions", hello).await
    }

    pub(crate) async fn poll(&self, report: &Report) -> Result<Answer, CallError> {
        self.ask("asking for orders", "agent/v1/poll", report).await
    }

    pub(crate) async fn start_run(&self, request: &RunRequest) -> Result<RunState, CallError> {
        self.ask("starting a run", "agent/v1/runs", request).await
    }

    pub(crate) async fn run(&self, job: &str) -> Result<RunState, CallError> {
        let doing = "asking after a run";
        let path = format!("agent/v1/runs/{job}");
        let body = self.call(Call { doing, method: Method::GET, path, body: Body::Nothing }).await?;
        read(doing, &body)
    }

    /// Which records of an offer are wanted, a bit each.
    pub(crate) async fn wanted(&self, order: i64, offer: Bytes) -> Result<Vec<u8>, CallError> {
        let path = format!("agent/v1/orders/{order}/wanted");
        self.call(Call { doing: "offering records", method: Method::POST, path, body: Body::Parcel(offer) }).await
    }

    /// Puts a parcel; it is committed when this returns.
    pub(crate) async fn put(&self, order: i64, sequence: u64, parcel: Bytes) -> Result<(), CallError> {
        let path = format!("agent/v1/orders/{order}/parcels/{sequence}");
        let call = Call { doing: "delivering a parcel", method: Method::PUT, path, body: Body::Parcel(parcel) };
        self.call(call).await.map(drop)
    }

    /// Says that an order's place in the source is lost.
    pub(crate) async fn lost(&self, order: i64) -> Result<(), CallError> {
        let path = format!("agent/v1/orders/{order}/lost");
        let call = Call { doing: "giving an order back", method: Method::POST, path, body: Body::Nothing };
        self.call(call).await.map(drop)
    }

    async fn ask<T: DeserializeOwned>(&self, doing: &str, path: &str, told: &impl Serialize) -> Result<T, CallError> {
        let text = serde_json::to_string(told).map_err(|_| odd(doing))?;
        let call = Call { doing, method: Method::POST, path: path.to_owned(), body: Body::Json(text) };
        read(doing, &self.call(call).await?)
    }
}

fn read<T: DeserializeOwned>(doing: &str, body: &[u8]) -> Result<T, CallError> {
    serde_json::from_slice(body).map_err(|_| odd(doing))
}

fn odd(doing: &str) -> CallError {
    let message = "the answer is not what a hub of this version says";
    CallError::Failed(Failure::new(Kind::Hub, doing, message, "bring agent and hub to the same version"))
}
