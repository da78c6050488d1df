//! Rules about the files of the repository: how long they are, what they may not name, and the changelog's fragments.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

const LONGEST: usize = 500;
const REASON: &str = "Longer than 500 lines:";
const REASON_WITHIN: usize = 30;
/// Folders with data that is not ours to shape.
const DATA: &[&str] = &["fixtures", "compat", "snapshots", "target", "node_modules"];
const TEXT: &[&str] = &["md", "rs", "toml", "sh", "py", "sql", "html", "css", "js", "schema", ""];
const KINDS: &[&str] = &["added", "changed", "deprecated", "fixed", "removed", "security"];

/// Rust files over 500 lines say why, in one of their first lines.
pub(crate) fn sizes(root: &Path) -> Result<()> {
    let mut wrong = Vec::new();
    for path in files(root)? {
        if path.extension().is_some_and(|extension| extension == "rs") {
            let text =
                std::fs::read_to_string(root.join(&path)).with_context(|| format!("reading `{}`", path.display()))?;
            if too_long(&text) {
                wrong.push(format!("`{}` has {} lines", path.display(), text.lines().count()));
            }
        }
    }
    complain(&wrong, &format!("over {LONGEST} lines; split, or say why in a comment `{REASON} …` at the top"))
}

/// No file names a folder of the machine it was written on.
pub(crate) fn paths(root: &Path) -> Result<()> {
    let mut wrong = Vec::new();
    for path in files(root)? {
        let extension = path.extension().map(|extension| extension.to_string_lossy()).unwrap_or_default();
        if !TEXT.contains(&extension.as_ref()) {
            continue;
        }
        let Ok(text) = std::fs::read_to_string(root.join(&path)) else { continue };
        let named = text.lines().enumerate().filter(|(_, line)| names_a_machine_path(line));
        wrong.extend(named.map(|(number, _)| format!("`{}:{}`", path.display(), number + 1)));
    }
    complain(&wrong, "names a folder of somebody's machine")
}

/// Fragments are `changelog.d/<what>.<kind>.md` with a sentence in them, and the changelog has a place for them.
pub(crate) fn changelog(root: &Path) -> Result<()> {
    let text = std::fs::read_to_string(root.join("CHANGELOG.md")).context("reading `CHANGELOG.md`")?;
    if !text.lines().any(|line| line == "## [Unreleased]") {
        bail!("`CHANGELOG.md` has no section `## [Unreleased]`");
    }
    let folder = root.join("changelog.d");
    let mut wrong = Vec::new();
    for entry in std::fs::read_dir(&folder).with_context(|| format!("reading `{}`", folder.display()))? {
        let entry = entry.with_context(|| format!("reading `{}`", folder.display()))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(entry.path()).with_context(|| format!("reading `changelog.d/{name}`"))?;
        if name != "README.md" {
            wrong.extend(fragment(&name, &text).map(|why| format!("`changelog.d/{name}` {why}")));
        }
    }
    wrong.sort();
    complain(&wrong, "see `changelog.d/README.md`")
}

fn fragment(name: &str, text: &str) -> Option<String> {
    let Some((what, kind)) = name.strip_suffix(".md").and_then(|stem| stem.rsplit_once('.')) else {
        return Some("is not named `<what>.<kind>.md`".to_owned());
    };
    if what.is_empty() || !KINDS.contains(&kind) {
        return Some(format!("has the kind `{kind}`, not one of {}", KINDS.join(", ")));
    }
    if text.trim().is_empty() {
        return Some("is empty".to_owned());
    }
    text.lines().any(|line| line.starts_with('#')).then(|| "has a heading; a fragment is a sentence or two".to_owned())
}

fn too_long(text: &str) -> bool {
    let explained =
        text.lines().take(REASON_WITHIN).any(|line| line.trim_start().starts_with("//") && line.contains(REASON));
    text.lines().count() > LONGEST && !explained
}

fn names_a_machine_path(line: &str) -> bool {
    const MARK: &str = concat!("/", "work/");
    line.match_indices(MARK).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|before| !before.is_alphanumeric() && !"/}_-.".contains(before))
    })
}

fn complain(wrong: &[String], what: &str) -> Result<()> {
    if wrong.is_empty() {
        return Ok(());
    }
    bail!("{what}:\n  {}", wrong.join("\n  "))
}

/// The repository's files, relative to `root`, in order, without build output, hidden folders and foreign data.
fn files(root: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        let path = root.join(&folder);
        for entry in std::fs::read_dir(&path).with_context(|| format!("reading `{}`", path.display()))? {
            let entry = entry.with_context(|| format!("reading `{}`", path.display()))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let kind = entry.file_type().with_context(|| format!("reading `{}`", entry.path().display()))?;
            let hidden = name.starts_with('.') && name != ".ci";
            if kind.is_file() && !hidden {
                found.push(folder.join(&name));
            } else if kind.is_dir() && !hidden && !DATA.contains(&name.as_str()) {
                folders.push(folder.join(&name));
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests;
