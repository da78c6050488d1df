//! The files of an asset: packages as Exchange hands them out.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Cursor, Write as _};

use serde_json::json;
use zip::write::SimpleFileOptions;

use super::world::{Asset, Written};

/// A file of an asset.
pub(super) struct File {
    pub(super) classifier: &'static str,
    pub(super) main: Option<&'static str>,
    pub(super) generated: bool,
    pub(super) bytes: Vec<u8>,
}

/// All files, in the order in which Exchange lists them.
pub(super) fn files(asset: &Asset) -> Vec<File> {
    let file = |classifier, main, generated, bytes| File { classifier, main, generated, bytes };
    match asset.written {
        Written::Nothing => Vec::new(),
        Written::Wsdl => {
            vec![file("wsdl", Some("service.wsdl"), false, zipped(asset, &[("service.wsdl", wsdl(asset))]))]
        }
        Written::OpenApi => {
            // Only `main` tells which of the two it is.
            let internal = ("api-internal.yaml", openapi(asset, "/internal"));
            let own = ("api.yaml", openapi(asset, ""));
            // What Exchange says goes before what the package says of itself.
            let files = if asset.number.is_multiple_of(2) { [internal, own] } else { [own, internal] };
            vec![file("fat-oas", Some("api.yaml"), false, zipped(asset, &files))]
        }
        Written::RamlAndOpenApi => {
            let raml = zipped(asset, &[("api.raml", raml(asset)), ("types.raml", types())]);
            let generated = zipped(asset, &[("api.json", swagger(asset))]);
            vec![file("fat-raml", None, false, raml), file("oas", Some("api.json"), true, generated)]
        }
        Written::Raml => {
            let raml = zipped(asset, &[("api.raml", raml(asset)), ("types.raml", types())]);
            vec![file("fat-raml", None, false, raml)]
        }
    }
}

fn zipped(asset: &Asset, files: &[(&str, String)]) -> Vec<u8> {
    let main = files.last().map(|(name, _)| *name).filter(|name| name.starts_with("api") || name.ends_with("wsdl"));
    let exchange = json!({
        "main": main.unwrap_or("api.raml"), "name": asset.name, "groupId": asset.group, "assetId": asset.id,
        "version": asset.semver(), "apiVersion": "v1", "dependencies": [],
    });
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default();
    let exchange = exchange.to_string();
    for (name, text) in files.iter().map(|(name, text)| (*name, text)).chain([("exchange.json", &exchange)]) {
        // A writer into memory takes what fits.
        let _ = archive.start_file(name, options).and_then(|()| Ok(archive.write_all(text.as_bytes())?));
    }
    archive.finish().map(Cursor::into_inner).unwrap_or_default()
}

/// Operations by path.
fn paths(asset: &Asset) -> BTreeMap<&str, Vec<String>> {
    let mut paths: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (method, path) in &asset.operations {
        paths.entry(path).or_default().push(method.to_lowercase());
    }
    paths
}

fn openapi(asset: &Asset, prefix: &str) -> String {
    let mut text = format!(
        "openapi: 3.0.1\ninfo:\n  title: {}\n  version: v1\nservers:\n  - url: https://{}.example.com/api\nsecurity:\n  - key: []\npaths:\n",
        json!(asset.name),
        asset.id
    );
    for (path, methods) in paths(asset) {
        let _ = writeln!(text, "  {}:", json!(format!("{prefix}{path}")));
        for method in methods {
            let _ = writeln!(text, "    {method}:\n      responses:\n        '200': {{ description: fine }}");
        }
    }
    text.push_str("components:\n  securitySchemes:\n    key: { type: apiKey, in: header, name: X-Key }\n");
    text
}

fn swagger(asset: &Asset) -> String {
    let mut all = serde_json::Map::new();
    for (path, methods) in paths(asset) {
        let operations: serde_json::Map<String, serde_json::Value> = methods
            .into_iter()
            .map(|method| (method, json!({ "responses": { "200": { "description": "" } } })))
            .collect();
        all.insert(path.to_owned(), operations.into());
    }
    let host = format!("{}.example.com", asset.id);
    let info = json!({ "title": asset.name, "version": "v1" });
    json!({ "swagger": "2.0", "info": info, "host": host, "basePath": "/api", "schemes": ["https"], "paths": all })
        .to_string()
}

/// Resources one below another, methods by a resource type of a library, one of them optional.
fn raml(asset: &Asset) -> String {
    let mut text = format!(
        "#%RAML 1.0\ntitle: {}\nversion: v1\nbaseUri: https://{}.example.com/api\nuses:\n  types: types.raml\n",
        json!(asset.name),
        asset.id
    );
    for (path, methods) in paths(asset) {
        let _ = writeln!(text, "{path}:\n  type: types.listed");
        for method in methods {
            let _ = writeln!(text, "  {method}:\n    responses:\n      200:");
        }
    }
    text
}

fn types() -> String {
    "#%RAML 1.0 Library\nresourceTypes:\n  listed:\n    patch?:\n      description: only where it is there\n".to_owned()
}

fn wsdl(asset: &Asset) -> String {
    let mut text = String::from(
        "<?xml version=\"1.0\"?>\n<wsdl:definitions xmlns:wsdl=\"http://schemas.xmlsoap.org/wsdl/\" \
         xmlns:soap=\"http://schemas.xmlsoap.org/wsdl/soap/\" xmlns:tns=\"urn:lab\" targetNamespace=\"urn:lab\" name=\"Lab\">\n",
    );
    let each = |line: fn(usize) -> String| (0..asset.operations.len()).map(line).collect::<String>();
    let ports = each(|n| format!("<wsdl:operation name=\"Operation{n}\"/>\n"));
    let bound = each(|n| {
        format!("<wsdl:operation name=\"Operation{n}\"><soap:operation soapAction=\"urn:lab#{n}\"/></wsdl:operation>\n")
    });
    let _ = write!(
        text,
        "<wsdl:portType name=\"Port\">\n{ports}</wsdl:portType>\n<wsdl:binding name=\"Binding\" type=\"tns:Port\">\n\
         <soap:binding transport=\"http://schemas.xmlsoap.org/soap/http\"/>\n{bound}</wsdl:binding>\n\
         <wsdl:service name=\"Service\"><wsdl:port name=\"P\" binding=\"tns:Binding\"><soap:address location=\"{}\"/>\
         </wsdl:port></wsdl:service>\n</wsdl:definitions>\n",
        asset.soap_address()
    );
    text
}
