//! Whether every package's licence is one of those that `deny.toml` allows.
//!
//! Reads of `deny.toml` only the lists it needs, one item a line: `allow` and `exceptions` of `[licenses]`, and for
//! `deps` the `deny` of `[bans]`.

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::shell::Shell;

/// The sentences about packages whose licence is not allowed.
pub(crate) fn check(shell: &Shell) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(shell.root().join("deny.toml")).context("reading `deny.toml`")?;
    let policy = Policy::read(&text)?;
    let version = shell.capture("rustc", &["-vV"])?;
    let host =
        version.lines().find_map(|line| line.strip_prefix("host: ")).context("reading the host of `rustc -vV`")?;
    Ok(wrong(&policy, &shell.metadata(&["--filter-platform", host])?))
}

struct Policy {
    allowed: Vec<String>,
    /// Package and the licence that is allowed for it alone.
    exceptions: Vec<(String, String)>,
}

impl Policy {
    fn read(text: &str) -> Result<Self> {
        let allowed = items(text, "[licenses]", "allow")
            .into_iter()
            .filter_map(|line| Some(quoted(&line).first()?.clone()))
            .collect();
        let mut exceptions = Vec::new();
        for line in items(text, "[licenses]", "exceptions") {
            let words = quoted(&line);
            let [package, licence] = words.as_slice() else {
                bail!("an exception in `deny.toml` is not `{{ crate = \"…\", allow = [\"…\"] }}`: `{line}`");
            };
            exceptions.push((package.clone(), licence.clone()));
        }
        let policy = Self { allowed, exceptions };
        if policy.allowed.is_empty() {
            bail!("no licence is allowed in `deny.toml`: `allow` of `[licenses]` is missing or empty");
        }
        Ok(policy)
    }

    fn allows(&self, package: &str, expression: &str) -> bool {
        let one = |licence: &str| {
            self.allowed.iter().any(|allowed| allowed == licence)
                || self.exceptions.iter().any(|(name, allowed)| name == package && allowed == licence)
        };
        let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
        let words: Vec<&str> = spaced.split_whitespace().collect();
        let mut rest = words.as_slice();
        either(&mut rest, &one).unwrap_or(false) && rest.is_empty()
    }
}

/// The packages that `deny.toml` bans.
pub(crate) fn banned(text: &str) -> Result<Vec<String>> {
    let names: Vec<String> = items(text, "[bans]", "deny").iter().flat_map(|line| quoted(line)).collect();
    if names.is_empty() {
        bail!("no package is banned in `deny.toml`: `deny` of `[bans]` is missing or empty");
    }
    Ok(names)
}

/// Lines inside the list `key = [ … ]` of one section, without comments.
fn items(text: &str, section: &str, key: &str) -> Vec<String> {
    let mut lines = text.lines().map(str::trim).skip_while(|line| *line != section).skip(1);
    let section = lines.by_ref().take_while(|line| !(line.starts_with('[') && line.ends_with(']')));
    let opening = format!("{key} = [");
    let list = section.skip_while(|line| *line != opening).skip(1).take_while(|line| *line != "]");
    list.map(str::to_owned).filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
}

fn quoted(line: &str) -> Vec<String> {
    line.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// `a OR b`, where the operands are `both`. None: not a licence expression.
fn either(words: &mut &[&str], one: &dyn Fn(&str) -> bool) -> Option<bool> {
    let mut result = both(words, one)?;
    while words.first() == Some(&"OR") {
        *words = &words[1..];
        result |= both(words, one)?;
    }
    Some(result)
}

/// `a AND b`, where the operands are a licence, a licence with an exception, or an expression in parentheses.
fn both(words: &mut &[&str], one: &dyn Fn(&str) -> bool) -> Option<bool> {
    let mut result = single(words, one)?;
    while words.first() == Some(&"AND") {
        *words = &words[1..];
        result &= single(words, one)?;
    }
    Some(result)
}

fn single(words: &mut &[&str], one: &dyn Fn(&str) -> bool) -> Option<bool> {
    let first = *words.first()?;
    *words = &words[1..];
    if first == "(" {
        let result = either(words, one)?;
        let closing = *words.first()?;
        *words = &words[1..];
        return (closing == ")").then_some(result);
    }
    if let ["WITH", exception, rest @ ..] = *words {
        *words = rest;
        return Some(one(&format!("{first} WITH {exception}")));
    }
    Some(one(first))
}

fn wrong(policy: &Policy, metadata: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let name = package["name"].as_str().unwrap_or("?");
        match package["license"].as_str() {
            None => wrong.push(format!("`{name}` names no licence")),
            Some(licence) if !policy.allows(name, licence) => {
                wrong.push(format!("`{name}` has the licence `{licence}`, which `deny.toml` does not allow"))
            }
            Some(_) => {}
        }
    }
    wrong
}

#[cfg(test)]
mod tests;
