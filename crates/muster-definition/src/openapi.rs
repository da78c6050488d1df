//! Swagger 2.0 and OpenAPI 3: from the tree to the definition.

mod operation;
mod paths;
mod reader;
mod security;
mod servers;

use crate::definition::{Definition, Format, Requirement};
use crate::error::DefinitionError;
use crate::files::Files;
use crate::node::{Map, Node, Place, shown};
use crate::seen;

use reader::Reader;

/// What differs between the versions.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Dialect {
    Swagger2,
    OpenApi30,
    OpenApi31,
    OpenApi32,
}

impl Dialect {
    fn name(self) -> &'static str {
        match self {
            Self::Swagger2 => "Swagger 2.0",
            Self::OpenApi30 => "OpenAPI 3.0",
            Self::OpenApi31 => "OpenAPI 3.1",
            Self::OpenApi32 => "OpenAPI 3.2",
        }
    }

    /// The keys of a path that are methods.
    fn methods(self) -> &'static [&'static str] {
        const ALL: &[&str] = &["get", "put", "post", "delete", "options", "head", "patch", "trace", "query"];
        match self {
            Self::Swagger2 => &ALL[..7],
            Self::OpenApi30 | Self::OpenApi31 => &ALL[..8],
            Self::OpenApi32 => ALL,
        }
    }
}

/// What the document says for operations that say nothing of their own.
struct Document {
    security: Vec<Vec<Requirement>>,
    consumes: Vec<String>,
    produces: Vec<String>,
}

pub(crate) fn read<'p>(files: &'p Files<'p>) -> Result<Definition, DefinitionError> {
    let (root, syntax) = files.main_tree(false)?;
    let not = || DefinitionError::NotADefinition { seen: seen::by_tree(root) };
    let map = root.as_map().ok_or_else(not)?;
    let (key, written) = version_key(map).ok_or_else(not)?;
    let mut reader = Reader::new(files);
    let dialect = dialect(&mut reader, key, written)?;
    reader.dialect = dialect;
    let (format, servers) = match dialect {
        Dialect::Swagger2 => (Format::Swagger, reader.host_servers(map)?),
        _ => (Format::OpenApi, reader.servers_at(map, &Place::Root)?.unwrap_or_default()),
    };
    let (title, api_version) = match reader.map_at(map, "info", &Place::Root) {
        None => (None, None),
        Some(info) => {
            let place = Place::Root.key("info");
            (reader.text_at(info, "title", &place)?, reader.text_at(info, "version", &place)?)
        }
    };
    let security_schemes = reader.security_schemes(map)?;
    let document = Document {
        security: reader.security_at(map, &security_schemes, &Place::Root)?.unwrap_or_default(),
        consumes: reader.texts_at(map, "consumes", &Place::Root)?.unwrap_or_default(),
        produces: reader.texts_at(map, "produces", &Place::Root)?.unwrap_or_default(),
    };
    let (endpoints, outgoing) = reader.paths(map, &document, &security_schemes)?;
    let (partial, notes, notes_left_out) = files.take_notes();
    let format_version = shown(written).into_owned();
    Ok(Definition {
        format,
        format_version,
        syntax,
        title,
        api_version,
        servers,
        security_schemes,
        endpoints,
        outgoing,
        partial,
        notes,
        notes_left_out,
    })
}

/// `openapi` or `swagger`, where it holds a text or a number.
fn version_key<'n>(map: &'n Map<'_>) -> Option<(&'static str, &'n str)> {
    ["openapi", "swagger"].into_iter().find_map(|key| match map.get(key)? {
        Node::Text(text) => Some((key, text.trim())),
        Node::Number(number) => Some((key, &**number)),
        _ => None,
    })
}

fn dialect(reader: &mut Reader<'_>, key: &'static str, written: &str) -> Result<Dialect, DefinitionError> {
    let known = "2.0, 3.0, 3.1 and 3.2 are";
    let wrong = || DefinitionError::Version { key, version: shown(written).into_owned(), known };
    let mut parts = written.split('.');
    let major = parts.next().unwrap_or_default();
    let minor = parts.next().map_or(Ok(0), |minor| minor.trim().parse::<u32>().map_err(|_| wrong()))?;
    let place = Place::Root.key(key);
    let expected = if major == "2" { "swagger" } else { "openapi" };
    let found = match (major, minor) {
        ("2", 0) => Dialect::Swagger2,
        ("3", 0) => Dialect::OpenApi30,
        ("3", 1) => Dialect::OpenApi31,
        ("3", 2) => Dialect::OpenApi32,
        ("3", _) => {
            reader.odd(&place, "a version that is not known: read as OpenAPI 3.2");
            Dialect::OpenApi32
        }
        _ => return Err(wrong()),
    };
    if key != expected {
        reader.odd(&place, format!("this version stands in `{expected}`: read all the same"));
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
