//! What a document is that is no definition, so that the message can say it.

use std::fmt;

use crate::node::{Map, Node, shown};

/// Characters that are looked at to tell what a text is.
const PROBED: usize = 4096;
/// Keys that a message lists.
const KEYS: usize = 6;

/// What was seen instead of a definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// No bytes, or nothing but blanks.
    Nothing,
    /// Bytes that are no text.
    Binary,
    /// A zip archive: a package of files.
    Zip,
    /// Something compressed.
    Gzip,
    /// A PDF.
    Pdf,
    /// A web page; often a sign-in page or an error.
    HtmlPage,
    /// Web Application Description Language.
    Wadl,
    /// Web Services Description Language.
    Wsdl,
    /// A part of a RAML document, by its kind.
    RamlFragment(String),
    /// A GraphQL schema or introspection.
    GraphQl,
    /// AsyncAPI.
    AsyncApi,
    /// Swagger 1.x.
    Swagger1,
    /// A Postman collection.
    Postman,
    /// XML of another kind, by its root.
    Xml(String),
    /// JSON or YAML of another kind: an object with these keys.
    Object(Vec<String>),
    /// JSON or YAML of another kind: `a list`, `a number`, `a text`.
    Value(&'static str),
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "empty",
            Self::Binary => "binary data",
            Self::Zip => "a zip archive",
            Self::Gzip => "gzip-compressed data",
            Self::Pdf => "a PDF",
            Self::HtmlPage => "an HTML page",
            Self::Wadl => "a WADL document",
            Self::Wsdl => "a WSDL document",
            Self::RamlFragment(kind) => return write!(f, "a RAML {kind}"),
            Self::GraphQl => "a GraphQL schema",
            Self::AsyncApi => "an AsyncAPI document",
            Self::Swagger1 => "a Swagger 1 document",
            Self::Postman => "a Postman collection",
            Self::Xml(root) => return write!(f, "an XML document `{root}`"),
            Self::Object(keys) if keys.is_empty() => "an empty object",
            Self::Object(keys) => return write!(f, "an object with {}", keys.join(", ")),
            Self::Value(kind) => kind,
        })
    }
}

/// What a text is that is neither JSON nor YAML.
pub(crate) fn by_beginning(text: &str) -> Option<Seen> {
    let text = text.trim_start();
    let end = text.char_indices().nth(PROBED).map_or(text.len(), |(end, _)| end);
    let beginning = &text[..end];
    if !beginning.starts_with('<') {
        return is_graphql(beginning).then_some(Seen::GraphQl);
    }
    let lower = beginning.to_lowercase();
    if lower.starts_with("<!doctype html") || lower.contains("<html") {
        return Some(Seen::HtmlPage);
    }
    let root = xml_root(beginning);
    let local = root.rsplit(':').next().unwrap_or(root);
    Some(match local {
        "application" if lower.contains("wadl") => Seen::Wadl,
        "definitions" | "description" if lower.contains("wsdl") => Seen::Wsdl,
        _ => Seen::Xml(shown(root).into_owned()),
    })
}

/// The name of the first element; empty where there is none.
fn xml_root(text: &str) -> &str {
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        let end = match rest.chars().next() {
            Some('?') => "?>",
            Some('!') if rest.starts_with("!--") => "-->",
            Some('!') => ">",
            _ => return rest.split(|c: char| c.is_whitespace() || c == '>' || c == '/').next().unwrap_or(""),
        };
        match rest.find(end) {
            Some(at) => rest = &rest[at + end.len()..],
            None => break,
        }
    }
    ""
}

/// The first line of GraphQL's schema language that is no comment, description or blank.
fn is_graphql(text: &str) -> bool {
    let mut described = false;
    for line in text.lines().map(str::trim) {
        let marks = line.matches("\"\"\"").count();
        if marks > 0 || described {
            described ^= marks % 2 == 1;
            continue;
        }
        if line.is_empty() || line.starts_with('#') || line.starts_with('"') && line.ends_with('"') {
            continue;
        }
        let mut words = line.split_whitespace();
        return match words.next() {
            Some("schema") => words.next().is_some_and(|word| word.starts_with(['{', '@'])),
            Some("type" | "interface" | "input" | "enum" | "extend") => line.contains('{') && !line.contains(": {"),
            Some("scalar" | "union" | "directive") => !line.contains(": ") || line.contains('('),
            _ => false,
        };
    }
    false
}

/// What a tree is that has no version of Swagger or OpenAPI.
pub(crate) fn by_tree(root: &Node<'_>) -> Seen {
    let Some(map) = root.as_map() else { return Seen::Value(root.kind()) };
    let has = |map: &Map<'_>, key| map.get(key).is_some();
    let introspection = map.get("data").and_then(Node::as_map).unwrap_or(map);
    let postman = map.get("info").and_then(Node::as_map).is_some_and(|info| has(info, "_postman_id"));
    if has(map, "asyncapi") {
        Seen::AsyncApi
    } else if has(map, "swaggerVersion") {
        Seen::Swagger1
    } else if has(introspection, "__schema") {
        Seen::GraphQl
    } else if postman {
        Seen::Postman
    } else {
        Seen::Object(map.iter().take(KEYS).map(|(key, _)| format!("`{}`", shown(key))).collect())
    }
}
