//! `GET /metrics`: the process's figures in Prometheus' text form.
//!
//! They are of the machine, not of a tenant: who asks from elsewhere than this machine, or through a proxy on it, shows
//! the token of `MUSTER_METRICS_TOKEN` as a bearer.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use anyhow::anyhow;
use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use muster_core::secret::Secret;
use muster_store::Store;

use crate::cli::variable;
use crate::failure::Failure;

const TOKEN: &str = "MUSTER_METRICS_TOKEN";
const SECONDS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 60.0, 600.0];

struct Figures {
    handle: PrometheusHandle,
    store: Store,
    token: Option<Secret>,
}

/// Counts what passes through a router, and adds the route that tells.
pub(crate) fn around(router: Router, store: &Store) -> Result<Router, Failure> {
    let token = variable(TOKEN).map(Secret::new);
    let figures = Arc::new(Figures { handle: recorder()?, store: store.clone(), token });
    let told = Router::new().route("/metrics", get(tell)).with_state(figures);
    Ok(router.layer(from_fn(count)).merge(told))
}

/// The process's one recorder.
fn recorder() -> Result<PrometheusHandle, Failure> {
    static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();
    if let Some(handle) = RECORDER.get() {
        return Ok(handle.clone());
    }
    let failed = |error| Failure::failed(anyhow!("starting the metrics: {error}"));
    let made = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
        .and_then(PrometheusBuilder::install_recorder)
        .map_err(failed)?;
    ::metrics::describe_counter!("muster_jobs_total", "Jobs that ended, by kind and result.");
    ::metrics::describe_histogram!("muster_job_seconds", "From the first claim of a job to its end.");
    ::metrics::describe_histogram!("muster_job_wait_seconds", "From the request of a job to its first claim.");
    ::metrics::describe_gauge!("muster_open_jobs", "Jobs that have not ended, by state.");
    ::metrics::describe_gauge!("muster_store_read_only", "1 while the store takes no writes, else 0.");
    ::metrics::describe_counter!("muster_http_requests_total", "Answers, by method and status.");
    ::metrics::describe_histogram!(
        "muster_http_request_seconds",
        "From a request to the head of its answer, by method."
    );
    Ok(RECORDER.get_or_init(|| made).clone())
}

async fn count(request: Request, next: Next) -> Response {
    let begun = std::time::Instant::now();
    // Any other word is outside input, and each would be a series of its own.
    let method = match request.method().as_str() {
        known @ ("GET" | "POST" | "PUT" | "PATCH" | "DELETE" | "HEAD" | "OPTIONS") => known.to_owned(),
        _ => "other".to_owned(),
    };
    let response = next.run(request).await;
    let status = response.status().as_u16().to_string();
    ::metrics::counter!("muster_http_requests_total", "method" => method.clone(), "status" => status).increment(1);
    ::metrics::histogram!("muster_http_request_seconds", "method" => method).record(begun.elapsed().as_secs_f64());
    response
}

async fn tell(
    State(figures): State<Arc<Figures>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
) -> Response {
    if !may_read(&figures, peer, &headers) {
        let hint = format!("give the token of {TOKEN} as a bearer, or ask from the hub's own machine\n");
        return (StatusCode::UNAUTHORIZED, hint).into_response();
    }
    match figures.store.open_jobs().await {
        Ok(open) => {
            for state in ["queued", "running"] {
                let count = open.iter().find(|(known, _)| known == state).map_or(0, |(_, count)| *count);
                let count = u32::try_from(count).unwrap_or(u32::MAX);
                ::metrics::gauge!("muster_open_jobs", "state" => state).set(f64::from(count));
            }
        }
        Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "counting jobs for the metrics"),
    }
    let read_only = figures.store.is_read_only();
    ::metrics::gauge!("muster_store_read_only").set(if read_only { 1.0 } else { 0.0 });
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (kind, figures.handle.render()).into_response()
}

fn may_read(figures: &Figures, peer: SocketAddr, headers: &HeaderMap) -> bool {
    let forwarded = [header::FORWARDED.as_str(), "x-forwarded-for", "x-real-ip", "via"];
    let direct = forwarded.iter().all(|name| !headers.contains_key(*name));
    if let Some(token) = &figures.token {
        let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let given = given.and_then(|value| value.strip_prefix("Bearer "));
        // Compared by their hashes, whose difference tells nothing of the token.
        let print = muster_core::fold::fingerprint;
        return given.is_some_and(|given| print(given.as_bytes()) == print(token.reveal().as_bytes()));
    }
    peer.ip().is_loopback() && direct
}
