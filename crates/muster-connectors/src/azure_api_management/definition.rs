//! An API's definition: what is asked for, whether it is the API's own, and what it says.

use muster_definition::{Format, Identity, Limits};
use serde_json::Value as Json;

use super::api::{Api, Operations, VersionSets};
use crate::kit::definition::{Found, State, ending, is_public_url};

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

/// Reads an OpenAPI document and holds it against what the gateway lists.
pub(super) fn read(bytes: Vec<u8>, api: &Api, (operations, sets): (&Operations, &VersionSets)) -> Found {
    let definition = match muster_definition::read(&bytes, &Limits::default()) {
        Ok(definition) => definition,
        Err(error) => return Found::nothing(State::Failed(error.to_string())),
    };
    // Azure exports what it cannot describe as an empty document.
    if definition.endpoints.is_empty() && operations.set.is_empty() {
        return Found::nothing(State::None);
    }
    let found = Found::of(&definition, ending(&definition), bytes);
    match difference(&definition.identity(), api, (operations, sets)) {
        Some(difference) => Found { state: State::Suspect(difference), ..found },
        None => found,
    }
}

/// A WSDL document is kept as what it is; a proxy's page is none.
pub(super) fn read_wsdl(bytes: Vec<u8>) -> Found {
    match muster_definition::read(&bytes, &Limits::default()) {
        Ok(definition) if definition.format == Format::Wsdl => Found::kept("wsdl", "wsdl", bytes),
        Ok(_) => Found::nothing(State::Failed("the document is no WSDL".to_owned())),
        Err(error) => Found::nothing(State::Failed(error.to_string())),
    }
}

/// Why it cannot be scanned: codes; none where it can.
pub(super) fn obstacles(found: &Found, urls: &[Json]) -> Vec<&'static str> {
    let is_public = |url: &Json| url["kind"] == "public" && url["url"].as_str().is_some_and(is_public_url);
    found.obstacles(urls.iter().any(is_public))
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
    use serde_json::json;

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
        let read = |bytes: Vec<u8>| read(bytes, &api(), (&operations(), &VersionSets::new()));
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
            super::read(document("Orders", "v1", "", ""), &api(), (&Operations::default(), &VersionSets::new()));
        assert_eq!((nothing.state, nothing.blob), (State::None, None));
    }

    #[test]
    fn only_a_public_address_can_be_scanned() {
        let found = Found { endpoints: Some(vec![json!({})]), ..Found::nothing(State::Stored) };
        let url = |kind: &str, url: &str| [json!({ "kind": kind, "url": url })];
        assert_eq!(obstacles(&found, &url("public", "https://g.example/a")), [""; 0]);
        assert_eq!(obstacles(&found, &[]), ["no_public_url"]);
        for urls in [
            url("private", "https://g.example"),
            url("backend", "https://g.example"),
            url("public", "wss://g.example"),
            url("public", "https://{host}"),
        ] {
            assert_eq!(obstacles(&found, &urls), ["no_public_url"], "{urls:?}");
        }
    }
}
