//! `cargo xtask new-connector NAME`: the folder of a connector, as every connector has it, and its changelog fragment.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::shell::Shell;

const LONGEST_NAME: usize = 40;

pub(crate) fn run(shell: &Shell, name: &str) -> Result<()> {
    check_name(name)?;
    let written = lay_out(shell.root(), name)?;
    for path in written {
        eprintln!("wrote {}", path.display());
    }
    eprintln!("\nnow add this line to crates/muster-connectors/src/lib.rs:\n");
    println!("pub mod {name};");
    Ok(())
}

/// A name is one or more words in snake_case: it becomes folder, config `type`, URL part and metric label.
fn check_name(name: &str) -> Result<()> {
    let word = |word: &str| {
        let mut characters = word.chars();
        let first = characters.next().is_some_and(|first| first.is_ascii_lowercase());
        first && characters.all(|character| character.is_ascii_lowercase() || character.is_ascii_digit())
    };
    if name.len() > LONGEST_NAME || !name.split('_').all(word) {
        bail!(
            "`{name}` is no name for a connector: use the product's noun in snake_case, at most {LONGEST_NAME} characters, \
             such as `azure_api_management`"
        );
    }
    if ["kit", "testkit", "mod", "type", "crate", "self", "super", "match", "use"].contains(&name) {
        bail!("`{name}` is taken: it is a folder of the crate or a word of the language");
    }
    Ok(())
}

/// Writes the folder and the fragment; refuses to touch what is there.
fn lay_out(root: &Path, name: &str) -> Result<Vec<PathBuf>> {
    let folder = Path::new("crates/muster-connectors/src").join(name);
    if root.join(&folder).exists() {
        bail!("the connector `{name}` exists already: `{}`", folder.display());
    }
    let title = title(name);
    let mut written = Vec::new();
    for (path, template) in TEMPLATES {
        let path = folder.join(path);
        written.push(write(root, path, &template.replace("{title}", &title).replace("{name}", name))?);
    }
    let fragment = Path::new("changelog.d").join(format!("{}.added.md", name.replace('_', "-")));
    written.push(write(root, fragment, &format!("Connector `{name}`: not finished; say here what it reads.\n"))?);
    Ok(written)
}

fn write(root: &Path, path: PathBuf, text: &str) -> Result<PathBuf> {
    let full = root.join(&path);
    let folder = full.parent().unwrap_or(root);
    std::fs::create_dir_all(folder).with_context(|| format!("creating `{}`", folder.display()))?;
    std::fs::write(&full, text).with_context(|| format!("writing `{}`", path.display()))?;
    Ok(path)
}

/// `azure_api_management` is `Azure api management`: a first guess that its author corrects.
fn title(name: &str) -> String {
    let spaced = name.replace('_', " ");
    let mut characters = spaced.chars();
    characters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(characters).collect()
}

/// The files of a connector. Templates compile as they are, and say what is missing instead of pretending.
const TEMPLATES: &[(&str, &str)] = &[
    (
        "mod.rs",
        "//! {title}: what it is and which of its objects become assets.
//!
//! Not finished: `CONNECTOR` is not declared, so the registry does not list `{name}`.

mod client;
mod config;
mod records;
#[cfg(test)]
mod tests;
",
    ),
    (
        "config.rs",
        "//! What an operator configures. Doc comments become the form, the schema and the reference page.
",
    ),
    (
        "client.rs",
        "//! Typed calls to {title}. Authentication, paging, throttling and retries belong to the kit.
",
    ),
    (
        "records.rs",
        "//! From {title}'s own types to records.
//!
//! A required field that is missing is an error; an optional one is an `Option`.
",
    ),
    (
        "tests.rs",
        "//! The conformance suite over the scenarios in `fixtures/`, and what is special to {title}.
",
    ),
    (
        "maps/README.md",
        "Default transform maps of {title}, one file a class, each with cases of its own.
",
    ),
    (
        "fixtures/README.md",
        "Recorded replies of {title}, one folder a scenario. Scrubbed: no real name, address, identifier or credential.
",
    ),
    (
        "README.md",
        "# {title}

Status: not finished, reads nothing yet.

## Permissions

The least that an account needs, per stream.

## Limits

Page sizes, rates and quotas of the source, and what this connector does about them.

## Known gaps

What the source has and this connector does not read.
",
    ),
];

#[cfg(test)]
mod tests;
