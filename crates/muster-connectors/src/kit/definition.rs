//! An API's definition as connectors keep it: the bytes as they came, what they say, and what becomes of it.

use std::net::IpAddr;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use muster_core::connector::Blob;
use muster_definition::{Definition, Format, Syntax};
use reqwest::Url;
use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};

/// What became of a definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It is kept, and all of it was understood.
    Stored,
    /// It is kept, and these parts of it were not understood: more may be offered than is told.
    Partial(Vec<String>),
    /// There is none.
    None,
    /// It is kept, and does not agree with what the source says of the API.
    Suspect(String),
    /// It could not be had.
    Failed(String),
}

impl State {
    /// The word used in documents and queries.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Partial(_) => "partial",
            Self::None => "none",
            Self::Suspect(_) => "suspect",
            Self::Failed(_) => "failed",
        }
    }

    /// What is lacking, does not agree or went wrong.
    pub fn reasons(&self) -> Vec<String> {
        match self {
            Self::Partial(reasons) => reasons.clone(),
            Self::Suspect(reason) | Self::Failed(reason) => vec![reason.clone()],
            Self::Stored | Self::None => Vec::new(),
        }
    }
}

/// A definition, as far as it could be had.
#[derive(Debug, Clone)]
pub struct Found {
    /// What became of it.
    pub state: State,
    /// `openapi 3.0.1`, `raml 1.0`, `wsdl`, `graphql`.
    pub format: Option<String>,
    /// The bytes, and their name.
    pub blob: Option<Blob>,
    /// What it says can be called; none where it is not read.
    pub endpoints: Option<Vec<Json>>,
    /// Where it says the API is served, in its order.
    pub servers: Vec<String>,
    /// The same for two documents that say the same.
    pub hash: Option<String>,
    /// Which file of a package it is, where the source says so.
    pub main: Option<String>,
    /// Why other documents of the API's are not it.
    pub passed_over: Vec<String>,
}

/// Reasons that are told of one partial definition.
const REASONS_TOLD: usize = 20;

impl Found {
    /// Nothing is kept.
    pub fn nothing(state: State) -> Self {
        let (servers, passed_over) = (Vec::new(), Vec::new());
        Self { state, format: None, blob: None, endpoints: None, servers, hash: None, main: None, passed_over }
    }

    /// A document that is kept as what it is, unread.
    pub fn kept(format: &str, ending: &str, bytes: Vec<u8>) -> Self {
        let blob = Some(blob(bytes, ending));
        Self { format: Some(format.to_owned()), blob, ..Self::nothing(State::Stored) }
    }

    /// A document that was read.
    pub fn of(definition: &Definition, ending: &str, bytes: Vec<u8>) -> Self {
        let reasons = definition.partial.iter().take(REASONS_TOLD).map(ToString::to_string).collect::<Vec<_>>();
        let family = match definition.format {
            Format::Swagger | Format::OpenApi => "openapi",
            Format::Raml => "raml",
            Format::Wsdl => "wsdl",
        };
        Self {
            state: if reasons.is_empty() { State::Stored } else { State::Partial(reasons) },
            format: Some(format!("{family} {}", definition.format_version)),
            blob: Some(blob(bytes, ending)),
            endpoints: Some(definition.endpoints.iter().map(endpoint).collect()),
            servers: definition.servers.iter().map(|server| server.url.clone()).collect(),
            hash: Some(hash(definition)),
            main: None,
            passed_over: Vec::new(),
        }
    }

    /// Why it cannot be scanned: codes; none where it can.
    pub fn obstacles(&self, has_public_url: bool) -> Vec<&'static str> {
        let mut found = Vec::new();
        found.extend(match &self.state {
            State::Stored => None,
            State::Partial(_) => Some("definition_partial"),
            State::None => Some("no_definition"),
            State::Suspect(_) => Some("definition_suspect"),
            State::Failed(_) => Some("definition_failed"),
        });
        match &self.endpoints {
            None if self.state == State::Stored => found.push("not_openapi"),
            Some(endpoints) if endpoints.is_empty() => found.push("no_endpoints"),
            _ => {}
        }
        if !has_public_url {
            found.push("no_public_url");
        }
        found
    }
}

/// The same for two documents that offer the same, wherever each is served: two gateways, one API.
fn hash(definition: &Definition) -> String {
    let elsewhere = Definition { servers: Vec::new(), ..definition.clone() };
    HEXLOWER.encode(&elsewhere.semantic_hash()[..16])
}

/// What a document is called by how it is written.
pub fn ending(definition: &Definition) -> &'static str {
    match (definition.format, definition.syntax) {
        (Format::Raml, _) => "raml",
        (Format::Wsdl, _) => "wsdl",
        (_, Syntax::Json) => "json",
        (_, Syntax::Yaml | Syntax::Xml) => "yaml",
    }
}

fn blob(bytes: Vec<u8>, ending: &str) -> Blob {
    let hash = HEXLOWER.encode(&Sha256::digest(&bytes));
    Blob { name: Arc::from(format!("{hash}.{ending}")), bytes }
}

fn endpoint(found: &muster_definition::Endpoint) -> Json {
    json!({
        "method": found.method, "path": found.path, "operationId": found.operation_id, "security": found.security,
        "deprecated": found.deprecated,
    })
}

/// Whether a URL can be called from anywhere: absolute, HTTP, without a placeholder, at a host that is no private one.
pub fn is_public_url(text: &str) -> bool {
    if text.contains(['{', '}', '<', '>']) {
        return false;
    }
    let Ok(url) = Url::parse(text) else { return false };
    if !matches!(url.scheme(), "http" | "https") {
        return false;
    }
    match url.host() {
        Some(url::Host::Domain(name)) => is_public_name(name),
        Some(url::Host::Ipv4(address)) => is_public_address(address.into()),
        Some(url::Host::Ipv6(address)) => is_public_address(address.into()),
        None => false,
    }
}

/// Names that resolve within a network alone (RFC 6761, RFC 6762, RFC 8375, ICANN's `internal`).
fn is_public_name(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let local = ["localhost", "local", "internal", "lan", "intranet", "corp", "home", "home.arpa", "test", "invalid"];
    let below = |domain: &&str| name.strip_suffix(*domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    name.contains('.') && !local.iter().any(below)
}

/// Addresses of the internet (IANA's special-purpose registries).
fn is_public_address(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            let shared = a == 100 && (64..128).contains(&b);
            let special = v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_unspecified();
            !(special || shared || a == 0 || a >= 224 || v4.is_documentation())
        }
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => is_public_address(v4.into()),
            None => (v6.segments()[0] & 0xe000) == 0x2000 && (v6.segments()[0], v6.segments()[1]) != (0x2001, 0xdb8),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_internet_can_call_is_public() {
        for text in ["https://api.example.com/v1", "http://8.8.8.8/", "https://[2a00::1]/x", "https://münchen.example/"]
        {
            assert!(is_public_url(text), "{text}");
        }
        for text in [
            "",
            "/orders",
            "api.example.com",
            "ftp://api.example.com",
            "https://{host}/v1",
            "https://api.example.com/{version}",
            "http://0.0.0.0:8081/api",
            "http://127.0.0.1/",
            "http://10.1.2.3/",
            "http://172.16.0.1/",
            "http://192.168.1.1/",
            "http://169.254.1.1/",
            "http://100.64.0.1/",
            "http://[::1]/",
            "http://[fe80::1]/",
            "http://[fd00::1]/",
            "http://[::ffff:10.0.0.1]/",
            "http://localhost/",
            "http://backend/",
            "http://backend.internal/",
            "http://orders.svc.cluster.local/",
            "http://printer.home.arpa./",
        ] {
            assert!(!is_public_url(text), "{text}");
        }
    }

    #[test]
    fn what_stands_in_the_way_of_a_scan_is_named() {
        let stored = |endpoints| Found { endpoints, ..Found::nothing(State::Stored) };
        let one = || Some(vec![json!({})]);
        assert_eq!(stored(one()).obstacles(true), [""; 0]);
        assert_eq!(stored(Some(Vec::new())).obstacles(true), ["no_endpoints"]);
        assert_eq!(stored(None).obstacles(true), ["not_openapi"]);
        assert_eq!(stored(one()).obstacles(false), ["no_public_url"]);
        let partial = Found { endpoints: one(), ..Found::nothing(State::Partial(vec!["an overlay".into()])) };
        assert_eq!(partial.obstacles(true), ["definition_partial"]);
        assert_eq!(Found::nothing(State::None).obstacles(true), ["no_definition"]);
        assert_eq!(Found::nothing(State::Suspect("s".into())).obstacles(true), ["definition_suspect"]);
        assert_eq!(Found::nothing(State::Failed("f".into())).obstacles(true), ["definition_failed"]);
    }
}
