//! `cargo xtask deps`: which crate may use which, what the pure crates may not touch, and what nobody may bring in.

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::licences;
use crate::shell::Shell;

/// For each crate of the workspace, the ones it may use. A new crate needs a line here and an ADR.
const ARROWS: &[(&str, &[&str])] = &[
    ("muster-core", &[]),
    ("muster-definition", &["muster-core"]),
    ("muster-connectors", &["muster-core", "muster-definition"]),
    ("muster-store", &["muster-core"]),
    ("muster-engine", &["muster-core", "muster-definition", "muster-connectors", "muster-store"]),
    ("muster-scan", &["muster-core"]),
    ("muster-lab", &["muster-core"]),
    ("muster-web", &["muster-core", "muster-store"]),
    ("muster-agent", &["muster-core", "muster-definition", "muster-connectors"]),
    ("muster", &[ANY]),
    ("xtask", &[]),
];
const ANY: &str = "*";

/// Crates without input and output of their own, and what would give it to them, directly or through another package.
const PURE: &[&str] = &["muster-core", "muster-definition"];
const IMPURE: &[&str] = &["tokio", "sqlx", "axum", "reqwest", "hyper", "rusqlite"];

pub(crate) fn run(shell: &Shell) -> Result<()> {
    let metadata = shell.metadata(&["--no-deps"])?;
    let mut wrong = arrows(&metadata)?;
    for name in PURE {
        if has_member(&metadata, name) {
            let tree = shell
                .capture("cargo", &["tree", "--locked", "--package", name, "--edges", "normal", "--prefix", "none"])?;
            wrong.extend(impure(name, &tree));
        }
    }
    let lock = std::fs::read_to_string(shell.root().join("Cargo.lock")).context("reading `Cargo.lock`")?;
    let policy = std::fs::read_to_string(shell.root().join("deny.toml")).context("reading `deny.toml`")?;
    wrong.extend(banned(&lock, &licences::banned(&policy)?));
    wrong.extend(licences::check(shell)?);
    if !wrong.is_empty() {
        bail!("{} dependencies are not allowed:\n  {}", wrong.len(), wrong.join("\n  "));
    }
    eprintln!("deps: arrows, pure crates, banned packages and licences are right");
    Ok(())
}

/// The sentences about edges that no arrow allows. Dev-dependencies are free.
fn arrows(metadata: &Value) -> Result<Vec<String>> {
    let packages = metadata["packages"].as_array().context("reading `packages` of `cargo metadata`")?;
    let members: Vec<&str> = packages.iter().filter_map(|package| package["name"].as_str()).collect();
    let mut wrong = Vec::new();
    for package in packages {
        let from = package["name"].as_str().context("reading a package's `name`")?;
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == from) else {
            wrong.push(format!(
                "`{from}` is not in the table of arrows (`xtask/src/deps.rs`); a new crate needs an ADR"
            ));
            continue;
        };
        let dependencies = package["dependencies"].as_array().context("reading a package's `dependencies`")?;
        for dependency in dependencies.iter().filter(|dependency| dependency["kind"] != "dev") {
            let to = dependency["name"].as_str().context("reading a dependency's `name`")?;
            if members.contains(&to) && !allowed.contains(&to) && !allowed.contains(&ANY) {
                wrong.push(format!("`{from}` may not use `{to}`"));
            }
            if PURE.contains(&from) && IMPURE.contains(&to) {
                wrong.push(format!("`{from}` is pure and may not use `{to}`"));
            }
        }
    }
    Ok(wrong)
}

fn has_member(metadata: &Value, name: &str) -> bool {
    metadata["packages"].as_array().is_some_and(|packages| packages.iter().any(|package| package["name"] == name))
}

/// The sentences about impure packages in `tree`, the output of `cargo tree --prefix none`.
fn impure(name: &str, tree: &str) -> Vec<String> {
    let mut found: Vec<&str> = tree.lines().filter_map(|line| line.split_whitespace().next()).collect();
    found.sort_unstable();
    found.dedup();
    found.retain(|package| IMPURE.contains(package));
    found
        .iter()
        .map(|package| format!("`{name}` is pure and reaches `{package}`; see `cargo tree -p {name} -i {package}`"))
        .collect()
}

fn banned(lock: &str, names: &[String]) -> Vec<String> {
    let packages = lock.lines().filter_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'));
    let found = packages.filter(|package| names.iter().any(|name| name == package));
    found.map(|name| format!("`{name}` is banned; `cargo tree -i {name}` says who brings it in")).collect()
}

#[cfg(test)]
mod tests;
