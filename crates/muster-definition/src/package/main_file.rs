//! Which file of a package is the definition.

use serde::Deserialize;

use crate::error::DefinitionError;
use crate::files::Files;
use crate::package::FileId;
use crate::raml;
use crate::seen::{self, Seen};

/// What a package says of itself.
const DESCRIPTOR: &str = "exchange.json";
/// Where a package keeps other packages.
const MODULES: &str = "exchange_modules/";
/// Endings of the names of files that may be definitions.
const ENDINGS: &[&str] = &[".raml", ".yaml", ".yml", ".json", ".wsdl", ".xml"];
/// Candidates that an error lists.
const LISTED: usize = 8;
/// Bytes in which JSON says what it is.
const PROBED: usize = 4096;

#[derive(Deserialize)]
struct Descriptor {
    main: Option<String>,
}

/// The file that was asked for, else the one that the package's descriptor names, else the only one that looks like it.
pub(crate) fn find<'p>(files: &'p Files<'p>, asked: Option<&str>) -> Result<FileId, DefinitionError> {
    let package = files.package;
    let wrong = |message: String| Err(DefinitionError::Package { message });
    if let Some(main) = asked {
        let found = package.find_named(main);
        return found.map_or_else(|| wrong(package.lacks(main, "which was asked for")), Ok);
    }
    if let Some(descriptor) = package.find(DESCRIPTOR)
        && let Ok(Descriptor { main: Some(main) }) = serde_json::from_str(files.text(descriptor)?)
        && !main.trim().is_empty()
    {
        let found = package.find_named(&main);
        return found
            .map_or_else(|| wrong(package.lacks(&main, &format!("which its `{DESCRIPTOR}` calls the main one"))), Ok);
    }
    let mut candidates = candidates(files)?;
    let Some(nearest) = candidates.iter().map(|&(depth, _)| depth).min() else {
        return wrong("holds no file that looks like an API definition".to_owned());
    };
    candidates.retain(|&(depth, _)| depth == nearest);
    match candidates[..] {
        [(_, only)] => Ok(only),
        _ => {
            let names = candidates.iter().take(LISTED).map(|&(_, id)| format!("`{}`", files.shown(id)));
            let names = names.collect::<Vec<_>>().join(", ");
            let more = if candidates.len() > LISTED { ", …" } else { "" };
            wrong(format!(
                "holds several files that look like an API definition, and does not say which is it: {names}{more}"
            ))
        }
    }
}

/// Files that begin like a definition, and how deep they lie.
fn candidates<'p>(files: &'p Files<'p>) -> Result<Vec<(usize, FileId)>, DefinitionError> {
    let mut found = Vec::new();
    for id in 0..files.package.len() {
        let name = files.package.name(id);
        let lower = name.to_ascii_lowercase();
        if name.starts_with(MODULES) || !ENDINGS.iter().any(|ending| lower.ends_with(ending)) {
            continue;
        }
        match files.text(id) {
            Ok(text) if begins_like_one(text) => found.push((name.matches('/').count(), id)),
            // What is no text is no candidate.
            Ok(_) | Err(DefinitionError::NotADefinition { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

fn begins_like_one(text: &str) -> bool {
    if let Some(header) = raml::Header::of(text) {
        return header.is_api();
    }
    let start = text.trim_start();
    if start.starts_with('<') {
        return seen::by_beginning(start) == Some(Seen::Wsdl);
    }
    if start.starts_with('{') {
        let probed = &start[..start.floor_char_boundary(PROBED)];
        return ["\"openapi\"", "\"swagger\""].iter().any(|key| probed.contains(key));
    }
    let key = |line: &str| {
        let line = line.trim_start_matches(['"', '\'']);
        let rest = line.strip_prefix("openapi").or_else(|| line.strip_prefix("swagger"));
        rest.is_some_and(|rest| rest.trim_start_matches(['"', '\'']).trim_start().starts_with(':'))
    };
    text.lines().any(key)
}
