//! A definition without what means nothing: order, syntax, version of the format, words for people.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::definition::{Body, Definition, Endpoint, Location, Outgoing, Parameter, Requirement, Server};
use crate::identity::normalise_path;

/// What [`crate::difference`] compares and [`Definition::semantic_hash`] hashes.
#[derive(Serialize)]
pub(crate) struct Canonical<'d> {
    pub(crate) title: Option<&'d str>,
    pub(crate) api_version: Option<&'d str>,
    pub(crate) servers: BTreeSet<String>,
    /// By name; what the scheme is, in words.
    pub(crate) schemes: BTreeMap<&'d str, String>,
    pub(crate) outgoing: BTreeSet<&'d Outgoing>,
    /// By normalised path, method, path.
    pub(crate) operations: Vec<Operation<'d>>,
}

#[derive(Serialize)]
pub(crate) struct Operation<'d> {
    pub(crate) normalised: String,
    pub(crate) method: &'d str,
    pub(crate) path: &'d str,
    pub(crate) operation_id: Option<&'d str>,
    /// Left out where there is none: hashes of documents without SOAP stay as they were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) soap_action: Option<&'d str>,
    pub(crate) deprecated: bool,
    /// By place and name; whether required. Parameters of the path by their position, so that a new name is no new one.
    pub(crate) parameters: BTreeMap<String, bool>,
    pub(crate) body: Body,
    pub(crate) request_media_types: BTreeSet<String>,
    pub(crate) response_media_types: BTreeSet<String>,
    pub(crate) responses: BTreeSet<String>,
    pub(crate) security: BTreeSet<Alternative<'d>>,
    pub(crate) servers: BTreeSet<String>,
}

/// All that one way of proving oneself takes.
pub(crate) type Alternative<'d> = BTreeMap<&'d str, BTreeSet<&'d str>>;

impl Definition {
    /// A hash of what [`crate::difference`] compares: equal hashes, no difference. BLAKE3, 32 bytes.
    pub fn semantic_hash(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key("muster 2026 semantic hash of a definition");
        serde_json::to_writer(&mut hasher, &Canonical::of(self)).expect("a hasher takes every byte, keys are text");
        *hasher.finalize().as_bytes()
    }
}

impl<'d> Canonical<'d> {
    pub(crate) fn of(definition: &'d Definition) -> Self {
        let scheme = |scheme: &'d crate::SecurityScheme| {
            let mut words = vec![scheme.kind.as_str()];
            let further = [&scheme.scheme, &scheme.location, &scheme.parameter];
            words.extend(further.into_iter().flatten().map(String::as_str));
            let mut flows: Vec<&str> = scheme.flows.iter().map(String::as_str).collect();
            flows.sort_unstable();
            words.extend(flows);
            (scheme.name.as_str(), words.join(" "))
        };
        let mut operations: Vec<Operation<'d>> = definition.endpoints.iter().map(Operation::of).collect();
        operations.sort_by(|left, right| left.key().cmp(&right.key()).then(left.path.cmp(right.path)));
        Self {
            title: definition.title.as_deref(),
            api_version: definition.api_version.as_deref(),
            servers: urls(&definition.servers),
            schemes: definition.security_schemes.iter().map(scheme).collect(),
            outgoing: definition.outgoing.iter().collect(),
            operations,
        }
    }
}

impl<'d> Operation<'d> {
    /// Equal keys: the same operation, whatever its path's parameters are called.
    pub(crate) fn key(&self) -> (&str, &str) {
        (&self.normalised, self.method)
    }

    fn of(endpoint: &'d Endpoint) -> Self {
        let names = path_parameters(&endpoint.path);
        let parameter = |found: &Parameter| (parameter(found, &names), found.required);
        Self {
            normalised: normalise_path(&endpoint.path),
            method: &endpoint.method,
            path: &endpoint.path,
            operation_id: endpoint.operation_id.as_deref(),
            soap_action: endpoint.soap_action.as_deref(),
            deprecated: endpoint.deprecated,
            parameters: endpoint.parameters.iter().map(parameter).collect(),
            body: endpoint.body,
            request_media_types: endpoint.request_media_types.iter().map(|found| found.to_lowercase()).collect(),
            response_media_types: endpoint.response_media_types.iter().map(|found| found.to_lowercase()).collect(),
            responses: endpoint.responses.iter().map(|found| found.to_lowercase()).collect(),
            security: endpoint.security.iter().map(|all| alternative(all)).collect(),
            servers: urls(&endpoint.servers),
        }
    }
}

fn urls(servers: &[Server]) -> BTreeSet<String> {
    servers.iter().map(|server| server.url.clone()).collect()
}

fn parameter(parameter: &Parameter, path: &[&str]) -> String {
    let word = parameter.location.word();
    let position = path.iter().position(|name| *name == parameter.name);
    match (parameter.location, position) {
        (Location::Path, Some(position)) => format!("{word} {}", position + 1),
        // Names of headers have no case.
        (Location::Header, _) => format!("{word} `{}`", parameter.name.to_lowercase()),
        _ => format!("{word} `{}`", parameter.name),
    }
}

/// The names between braces, in order.
fn path_parameters(path: &str) -> Vec<&str> {
    path.split('{').skip(1).filter_map(|part| part.split_once('}').map(|(name, _)| name)).collect()
}

fn alternative(all: &[Requirement]) -> Alternative<'_> {
    all.iter().map(|part| (part.scheme.as_str(), part.scopes.iter().map(String::as_str).collect())).collect()
}
