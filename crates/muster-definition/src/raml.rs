//! RAML 0.8 and 1.0: from the files to the definition, by views of their trees; nothing is expanded.

mod application;
mod base;
mod method;
mod reader;
mod resources;
mod security;
mod template;
mod value;
mod words;

use crate::definition::{Definition, Format, NoteKind, Syntax};
use crate::error::DefinitionError;
use crate::files::Files;
use crate::node::{Place, shown};
use crate::seen::Seen;

use reader::Reader;

/// The first line of a RAML file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header<'t> {
    version: &'t str,
    /// Nothing: an API.
    fragment: &'t str,
}

impl<'t> Header<'t> {
    pub(crate) fn of(text: &'t str) -> Option<Self> {
        let line = text.trim_start().strip_prefix("#%RAML")?.lines().next()?;
        let mut words = line.split_whitespace();
        Some(Self { version: words.next().unwrap_or_default(), fragment: words.next().unwrap_or_default() })
    }

    /// Whether it is what a package may be about, and no part of it.
    pub(crate) fn is_api(self) -> bool {
        matches!(self.fragment, "" | "Overlay" | "Extension")
    }
}

/// What differs between the versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    V08,
    V10,
}

/// Keys of the root that say nothing of what can be called, or are read where they are used.
const KNOWN: &[&str] = &[
    "title",
    "version",
    "description",
    "baseUri",
    "baseUriParameters",
    "uriParameters",
    "protocols",
    "mediaType",
    "documentation",
    "schemas",
    "types",
    "traits",
    "resourceTypes",
    "annotationTypes",
    "securitySchemes",
    "securedBy",
    "uses",
    "usage",
    "extends",
];

pub(crate) fn read<'p>(files: &'p Files<'p>) -> Result<Definition, DefinitionError> {
    let text = files.text(files.main())?;
    let header = Header::of(text).unwrap_or(Header { version: "", fragment: "" });
    let version = match header.version {
        "0.8" => Version::V08,
        "1.0" => Version::V10,
        other => {
            let version = shown(other).into_owned();
            return Err(DefinitionError::Version { key: "#%RAML", version, known: "0.8 and 1.0 are" });
        }
    };
    if !header.is_api() {
        let seen = Seen::RamlFragment(shown(header.fragment).into_owned());
        return Err(DefinitionError::NotADefinition { seen });
    }
    let (node, _) = files.main_tree(true)?;
    let mut reader = Reader::new(files, version);
    let root = reader.file_root(files.main(), node);
    let place = Place::Root;
    if reader.map(&root, &place)?.is_none() {
        let seen = Seen::RamlFragment("document without content".to_owned());
        return Err(DefinitionError::NotADefinition { seen });
    }
    if !header.fragment.is_empty() {
        let extended = reader.text_at(&root, "extends", &place)?.unwrap_or_default();
        let kind = header.fragment.to_ascii_lowercase();
        let message = format!("an {kind} of `{}`: only what it says itself is read", shown(&extended));
        files.note(NoteKind::NotUnderstood, &place, message);
    }
    for (key, _) in reader.entries(&root, &place)? {
        if !KNOWN.contains(&&*key) && !key.starts_with(['/', '(']) {
            reader.not_understood(&place.key(&key), "no key of a RAML document");
        }
    }
    let title = reader.text_at(&root, "title", &place)?;
    let api_version = reader.text_at(&root, "version", &place)?;
    let base = reader.base(&root, api_version.as_deref())?;
    reader.default_media_types = reader.texts_at(&root, "mediaType", &place)?;
    let declared = reader.get(&root, "securitySchemes");
    reader.declared_schemes(declared)?;
    let secured_by = reader.get(&root, "securedBy");
    reader.root_security = reader.secured_by(secured_by, &place)?.unwrap_or_default();
    let endpoints = reader.endpoints(&root, &base)?;
    let security_schemes = std::mem::take(&mut reader.schemes);
    let (partial, notes, notes_left_out) = files.take_notes();
    Ok(Definition {
        format: Format::Raml,
        format_version: header.version.to_owned(),
        syntax: Syntax::Yaml,
        title,
        api_version,
        servers: base.servers(None),
        security_schemes: security_schemes.into_iter().map(|known| known.scheme).collect(),
        endpoints,
        outgoing: Vec::new(),
        partial,
        notes,
        notes_left_out,
    })
}

#[cfg(test)]
mod tests;
