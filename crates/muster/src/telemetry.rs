//! What the process tells of itself: a log on stderr and, where a collector is named, traces.
//!
//! ```text
//! spans and events ─┬─ the filter of `--log` ─→ stderr
//!                   └─ Muster's own, info and above ─→ a bounded queue ─→ a thread ─→ OTLP over HTTP (protobuf)
//! ```
//! The variables are OpenTelemetry's own (`OTEL_EXPORTER_OTLP_ENDPOINT` and its kin): the exporter reads them itself. A
//! collector that is slow or away costs spans, never a request: the queue drops what does not fit.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracerProvider, Tracer};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use crate::cli::{LogFormat, variable};
use crate::failure::Failure;

/// The variables that name a collector.
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
const NAME: &str = "OTEL_SERVICE_NAME";
/// How long the last spans may take to leave when the process ends.
const LAST: Duration = Duration::from_secs(3);

/// Traces that go out until this ends.
pub(crate) struct Telemetry(Option<SdkTracerProvider>);

impl Telemetry {
    /// Starts the log and, where a collector is named, the traces.
    pub(crate) fn start(filter: Option<&str>, format: LogFormat) -> Result<Self, Failure> {
        let filter = log_filter(filter.unwrap_or("error"))?;
        let traces = match ENDPOINTS.into_iter().find_map(|name| Some((name, variable(name)?))) {
            Some((name, endpoint)) => Some(traces(name, &endpoint)?),
            None => None,
        };
        let (provider, tracer) = traces.unzip();
        let layer = tracer.map(|tracer| {
            // What the exporter itself does is no part of what it tells.
            let ours = Targets::new().with_target("muster", LevelFilter::INFO);
            tracing_opentelemetry::layer().with_tracer(tracer).with_filter(ours)
        });
        let log = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
        let log = match format {
            LogFormat::Text => log.with_filter(filter).boxed(),
            LogFormat::Json => log.json().flatten_event(true).with_filter(filter).boxed(),
        };
        tracing_subscriber::registry().with(log).with(layer).init();
        Ok(Self(provider))
    }

    /// Sends what is left.
    pub(crate) fn end(self) {
        if let Some(Err(error)) = self.0.map(|provider| provider.shutdown_with_timeout(LAST)) {
            let _ = writeln!(std::io::stderr(), "warning: the last traces did not reach their collector: {error}");
        }
    }
}

fn traces(name: &str, endpoint: &str) -> Result<(SdkTracerProvider, Tracer), Failure> {
    let is_url = reqwest::Url::parse(endpoint).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    if !is_url {
        return Err(Failure::usage(anyhow!("`{name}` is no URL of a collector"))
            .with_hint("an address like `http://127.0.0.1:4318`; leave the variable out to send no traces"));
    }
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(client().map_err(Failure::failed)?)
        .with_protocol(Protocol::HttpBinary)
        .build()
        .context("starting the traces")
        .map_err(|error| Failure::usage(error).with_hint("the variables `OTEL_EXPORTER_OTLP_…` say where traces go"))?;
    let resource = Resource::builder()
        .with_service_name(variable(NAME).unwrap_or_else(|| "muster".to_owned()))
        .with_attribute(opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build();
    let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build();
    let tracer = provider.tracer("muster");
    Ok((provider, tracer))
}

/// Goes to the collector and nowhere else: what it sends may hold the collector's credentials.
fn client() -> anyhow::Result<reqwest::blocking::Client> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .context("setting up TLS for traces")?
        .with_root_certificates(roots)
        .with_no_client_auth();
    reqwest::blocking::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .context("setting up HTTP for traces")
}

fn log_filter(given: &str) -> Result<EnvFilter, Failure> {
    let refused = |why: anyhow::Error| {
        Failure::usage(why.context(format!("reading the log filter `{given}`")))
            .with_hint("one of error, warn, info, debug, trace and off, or parts like `muster_engine=debug`, by commas")
    };
    // A word alone that is no level would be taken for the name of a part of the program, and nothing be logged.
    let is_level = |word: &str| word.parse::<LevelFilter>().is_ok();
    if let Some(word) = given.split(',').map(str::trim).find(|word| !word.contains(['=', '[']) && !is_level(word)) {
        return Err(refused(anyhow!("`{word}` is no level")));
    }
    EnvFilter::try_new(given).map_err(|error| refused(error.into()))
}
