//! An API's definition: what is asked for, whether it is the API's own, and what it says.

use std::sync::Arc;

use muster_core::connector::Blob;
use muster_definition::{Identity, Limits};
use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};

use super::api::{Api, Operations, VersionSets};

/// Where an API's definition is had from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// By an export in this format.
    Export(&'static str),
    /// One of its schemas, by media type.
    Schema(&'static str),
    /// Azure has none of this type of API.
    Nowhere,
}

/// By the API's type; unknown types are kept, without definition.
pub(super) fn source(kind: &str) -> Source {
    match kind {
        "http" => Source::Export("openapi+json-link"),
        "soap" => Source::Export("wsdl-link"),
        "graphql" => Source::Schema("graphql"),
        "grpc" => Source::Schema("protobuf"),
        _ => Source::Nowhere,
    }
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    /// It is kept.
    Stored,
    /// There is none.
    None,
    /// It is kept, and does not agree with what the gateway lists.
    Suspect(String),
    /// It could not be had.
    Failed(String),
}

impl State {
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::None => "none",
            Self::Suspect(_) => "suspect",
            Self::Failed(_) => "failed",
        }
    }
}

/// A definition, as far as it could be had.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) state: State,
    /// `openapi 3.0.1`, `wsdl`, `graphql`, `protobuf`.
    pub(super) format: Option<String>,
    pub(super) blob: Option<Blob>,
    /// What it says can be called; none where it is no OpenAPI.
    pub(super) endpoints: Option<Vec<Json>>,
}

impl Found {
    pub(super) fn nothing(state: State) -> Self {
        Self { state, format: None, blob: None, endpoints: None }
    }

    /// A document that is kept as what it is.
    pub(super) fn kept(format: &str, ending: &str, bytes: Vec<u8>) -> Self {
        let blob = Some(named(bytes, ending));
        Self { state: State::Stored, format: Some(format.to_owned()), blob, endpoints: None }
    }

    /// Reads an OpenAPI document and holds it against what the gateway lists.
    pub(super) fn read(bytes: Vec<u8>, api: &Api, (operations, sets): (&Operations, &VersionSets)) -> Self {
        let definition = match muster_definition::read(&bytes, &Limits::default()) {
            Ok(definition) => definition,
            Err(error) => return Self::nothing(State::Failed(error.to_string())),
        };
        // Azure exports what it cannot describe as an empty document.
        if definition.endpoints.is_empty() && operations.set.is_empty() {
            return Self::nothing(State::None);
        }
        let state = match difference(&definition.identity(), api, (operations, sets)) {
            Some(difference) => State::Suspect(difference),
            None => State::Stored,
        };
        let endpoints = definition.endpoints.iter().map(endpoint).collect();
        let format = Some(format!("openapi {}", definition.format_version));
        Self { state, format, blob: Some(named(bytes, "json")), endpoints: Some(endpoints) }
    }

    /// Why it cannot be scanned: codes; none where it can.
    pub(super) fn obstacles(&self, urls: &[Json]) -> Vec<&'static str> {
        let mut found = Vec::new();
        found.extend(match &self.state {
            State::Stored => None,
            State::None => Some("no_definition"),
            State::Suspect(_) => Some("definition_suspect"),
            State::Failed(_) => Some("definition_failed"),
        });
        match &self.endpoints {
            None if self.state == State::Stored => found.push("not_openapi"),
            Some(endpoints) if endpoints.is_empty() => found.push("no_endpoints"),
            _ => {}
        }
        let is_public = |url: &&Json| {
            let text = url["url"].as_str().unwrap_or_default();
            url["kind"] == "public" && text.starts_with("http") && !text.contains(['{', '}'])
        };
        if !urls.iter().any(|url| is_public(&url)) {
            found.push("no_public_url");
        }
        found
    }
}

fn named(bytes: Vec<u8>, ending: &str) -> Blob {
    let hash: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    Blob { name: Arc::from(format!("{hash}.{ending}")), bytes }
}

fn endpoint(found: &muster_definition::Endpoint) -> Json {
    json!({
        "method": found.method, "path": found.path, "operationId": found.operation_id, "security": found.security,
        "deprecated": found.deprecated,
    })
}

/// How a document differs from what the gateway lists of the API. Concurrent exports of one version set mix documents
/// up: all four must agree, as far as both sides say something.
fn difference(found: &Identity, api: &Api, (operations, sets): (&Operations, &VersionSets)) -> Option<String> {
    let differ = |what: &str, theirs: &Option<String>, ours: &Option<String>| {
        let said = |text: &Option<String>| text.as_deref().map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned);
        let (theirs, ours) = (said(theirs)?, said(ours)?);
        (theirs != ours).then(|| format!("its {what} is `{theirs}`, the API's `{ours}`"))
    };
    let (path, address) = (api.path(sets), api.address(sets));
    let is_own = |server: &String| {
        let server = server.trim_end_matches('/');
        server.eq_ignore_ascii_case(&path) || server.eq_ignore_ascii_case(&address)
    };
    let elsewhere = !found.server_paths.is_empty() && !found.server_paths.iter().any(is_own);
    differ("title", &found.title, &api.properties.display_name)
        .or_else(|| differ("version", &found.api_version, &api.properties.api_version))
        .or_else(|| elsewhere.then(|| format!("none of its servers has the path `{path}`")))
        .or_else(|| {
            let lacks = operations.set.difference(&found.operations).count();
            let standard = |(method, _): &&(String, String)| method != "TRACE";
            let more = found.operations.difference(&operations.set).filter(standard).count();
            let told = format!("{lacks} operations of the gateway's list are not in it, and {more} are only in it");
            (lacks + more > 0).then_some(told)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn api() -> Api {
        let properties = json!({ "displayName": "Orders", "path": "orders", "apiVersion": "v1" });
        Api::of(&json!({ "id": "/s/apis/o", "name": "o", "properties": properties })).unwrap()
    }

    fn operations() -> Operations {
        let properties = json!({ "method": "GET", "urlTemplate": "/items/{id}" });
        Operations::of(&[json!({ "name": "get", "properties": properties })]).unwrap()
    }

    fn document(title: &str, version: &str, url: &str, path: &str) -> Vec<u8> {
        let info = json!({ "title": title, "version": version });
        let paths = if path.is_empty() { json!({}) } else { json!({ path: { "get": {} } }) };
        json!({ "openapi": "3.0.1", "info": info, "servers": [{ "url": url }], "paths": paths })
            .to_string()
            .into_bytes()
    }

    #[test]
    fn a_document_is_the_apis_own_where_all_four_agree() {
        let own = document("Orders", "v1", "https://g.example/orders", "/items/{key}");
        let read = |bytes: Vec<u8>| Found::read(bytes, &api(), (&operations(), &VersionSets::new()));
        assert_eq!(read(own.clone()).state, State::Stored);
        for (bytes, told) in [
            (
                document("Users", "v1", "https://g.example/orders", "/items/{id}"),
                "its title is `Users`, the API's `Orders`",
            ),
            (
                document("Orders", "v2", "https://g.example/orders", "/items/{id}"),
                "its version is `v2`, the API's `v1`",
            ),
            (
                document("Orders", "v1", "https://g.example/users", "/items/{id}"),
                "none of its servers has the path `/orders`",
            ),
            (
                document("Orders", "v1", "https://g.example/orders", "/others/{id}"),
                "1 operations of the gateway's list are not in it, and 1 are only in it",
            ),
            (
                document("Orders", "v1", "https://g.example/orders", ""),
                "1 operations of the gateway's list are not in it, and 0 are only in it",
            ),
        ] {
            assert_eq!(read(bytes).state, State::Suspect(told.to_owned()));
        }
        let found = read(own);
        let name = found.blob.unwrap().name;
        assert!(muster_core::connector::Blob::is_name(&name), "{name}");
        let page = read(b"<html></html>".to_vec());
        assert_eq!(page.state, State::Failed("this is an HTML page, not an OpenAPI or Swagger document".to_owned()));
        let nothing =
            Found::read(document("Orders", "v1", "", ""), &api(), (&Operations::default(), &VersionSets::new()));
        assert_eq!((nothing.state, nothing.blob), (State::None, None));
    }

    #[test]
    fn what_stands_in_the_way_of_a_scan_is_named() {
        let public = [json!({ "kind": "public", "url": "https://g.example/a" })];
        let stored = |endpoints| Found { state: State::Stored, endpoints, ..Found::nothing(State::Stored) };
        let url = |kind: &str, url: &str| [json!({ "kind": kind, "url": url })];
        let one = || Some(vec![json!({})]);
        assert_eq!(stored(one()).obstacles(&public), [""; 0]);
        assert_eq!(stored(Some(Vec::new())).obstacles(&public), ["no_endpoints"]);
        assert_eq!(stored(None).obstacles(&public), ["not_openapi"]);
        assert_eq!(stored(one()).obstacles(&[]), ["no_public_url"]);
        for urls in [
            url("private", "https://g"),
            url("backend", "https://g"),
            url("public", "wss://g"),
            url("public", "https://{host}"),
        ] {
            assert_eq!(stored(one()).obstacles(&urls), ["no_public_url"], "{urls:?}");
        }
        assert_eq!(Found::nothing(State::None).obstacles(&public), ["no_definition"]);
        assert_eq!(Found::nothing(State::Suspect("s".into())).obstacles(&public), ["definition_suspect"]);
        assert_eq!(Found::nothing(State::Failed("f".into())).obstacles(&public), ["definition_failed"]);
    }
}
