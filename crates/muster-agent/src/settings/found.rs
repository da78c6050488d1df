//! What was found under which name, where; and what is told of it.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::keys::{self, Key};
use super::{Sources, file};
use crate::failure::Failure;

const MASK: &str = "********";

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A line of the env file.
    Line(String, usize),
    /// The process environment.
    Environment,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(file, number) => write!(formatter, "{file}:{number}"),
            Self::Environment => formatter.write_str("environment"),
        }
    }
}

/// A value and its place.
#[derive(Clone)]
pub(super) struct Value {
    pub(super) name: String,
    pub(super) text: String,
    pub(super) place: Place,
}

impl Value {
    /// A failure about it.
    pub(super) fn refused(&self, problem: &str, remedy: impl Into<String>) -> Failure {
        Failure::setting(&self.name, &self.place.to_string(), problem, remedy)
    }
}

/// A setting as `--check` tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Told {
    /// The name that counts.
    pub key: String,
    /// Its value; secrets are masked.
    pub value: String,
    /// `file:line` or `environment`.
    pub source: String,
    /// Other names of the same setting that were given and do not count, each with its place.
    pub wins_over: Vec<String>,
    /// What is odd about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Values by name.
pub(super) struct Found {
    values: BTreeMap<String, Value>,
    pub(super) warnings: Vec<String>,
}

impl Found {
    pub(super) fn collect(sources: Sources<'_>) -> Result<Self, Failure> {
        let mut found = Self { values: BTreeMap::new(), warnings: Vec::new() };
        if let Some(path) = sources.file {
            let shown = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
            let lines = file::parse(&shown, &file::read_bytes(path)?)?;
            found.take_lines(&shown, lines, sources.environment);
        }
        for (name, text) in sources.environment {
            let ours = keys::named(name).is_some() || name.starts_with(keys::HELD);
            // An empty variable is as good as none; a container passes those of its file on like that.
            if ours && !text.is_empty() {
                let value = Value { name: name.clone(), text: text.clone(), place: Place::Environment };
                found.values.insert(name.clone(), value);
            } else if !ours && keys::FAMILIES.iter().any(|family| name.starts_with(family)) {
                found.warnings.push(format!("`{name}` (environment) is no setting of the agent: it is ignored"));
            }
        }
        Ok(found)
    }

    fn take_lines(&mut self, shown: &str, lines: Vec<file::Line>, environment: &[(String, String)]) {
        for line in lines {
            let place = Place::Line(shown.to_owned(), line.number);
            if keys::named(&line.key).is_none() && !line.key.starts_with(keys::HELD) {
                // `{:?}`: whatever stands before the `=` comes from outside.
                self.warnings.push(format!("{:?} ({place}) is no setting of the agent: it is ignored", line.key));
                continue;
            }
            let from_environment =
                || environment.iter().find(|(name, _)| *name == line.key).map(|(_, text)| text.clone());
            let Some(text) = line.value.clone().or_else(from_environment) else { continue };
            let value = Value { name: line.key.clone(), text, place };
            if let Some(before) = self.values.insert(line.key.clone(), value) {
                let (name, place) = (&before.name, &before.place);
                self.warnings.push(format!("`{name}` ({place}) stands there again below: the last line counts"));
            }
        }
    }

    /// The value that counts, and those that do not; empty ones are as good as absent.
    fn candidates(&self, key: Key) -> (Option<&Value>, Vec<&Value>) {
        let mut given =
            key.names.iter().filter_map(|name| self.values.get(*name)).filter(|value| !value.text.trim().is_empty());
        (given.next(), given.collect())
    }

    /// The value that counts.
    pub(super) fn get(&self, key: Key) -> Option<Value> {
        self.candidates(key).0.cloned()
    }

    /// The value that counts, or a failure that names the key.
    pub(super) fn need(&self, key: Key, remedy: &str) -> Result<Value, Failure> {
        self.get(key).ok_or_else(|| Failure::setting(key.names[0], "nowhere", "it is missing", remedy))
    }

    /// Settings of the source that are held here: field and value.
    pub(super) fn held(&self) -> Vec<(String, Value)> {
        let held = self.values.iter().filter(|(_, value)| !value.text.is_empty());
        held.filter_map(|(name, value)| {
            let key = name.strip_prefix(keys::HELD)?;
            (!key.is_empty()).then(|| (format!("authentication.{key}"), value.clone()))
        })
        .collect()
    }

    /// Whether any value is one that the documents' samples leave to be filled in.
    pub(super) fn refuse_placeholders(&self) -> Result<(), Failure> {
        for value in self.values.values() {
            let secret = keys::named(&value.name).is_none_or(|key| key.secret);
            if is_placeholder(&value.text, secret) {
                let remedy = format!("fill in what `{}` stands for, or remove the line", value.name);
                return Err(value.refused("it still holds a placeholder of the sample", remedy));
            }
        }
        Ok(())
    }

    /// What there is to tell: each value that counts, and what should be looked at.
    pub(super) fn tell(mut self) -> (Vec<Told>, Vec<String>) {
        let (mut told, mut differing) = (Vec::new(), Vec::new());
        for key in keys::ALL {
            let (Some(winner), losers) = self.candidates(*key) else { continue };
            let wins_over = losers.iter().map(|loser| format!("{} ({})", loser.name, loser.place)).collect();
            for loser in losers.iter().filter(|loser| loser.text.trim() != winner.text.trim()) {
                let (name, place) = (&winner.name, &winner.place);
                let warning =
                    format!("`{name}` ({place}) and `{}` ({}) differ: the first counts", loser.name, loser.place);
                differing.push(warning);
            }
            told.push(tell(winner, key.secret, wins_over));
        }
        for (_, value) in self.held() {
            told.push(tell(&value, true, Vec::new()));
        }
        self.warnings.extend(differing);
        (told, self.warnings)
    }
}

fn tell(value: &Value, secret: bool, wins_over: Vec<String>) -> Told {
    Told {
        key: value.name.clone(),
        value: if secret { MASK.to_owned() } else { value.text.chars().map(shown).collect() },
        source: value.place.to_string(),
        wins_over,
        note: oddity(&value.text),
    }
}

fn shown(c: char) -> char {
    if c.is_control() { '\u{fffd}' } else { c }
}

fn oddity(text: &str) -> Option<String> {
    let quoted =
        ['"', '\''].into_iter().any(|quote| text.len() > 1 && text.starts_with(quote) && text.ends_with(quote));
    if quoted {
        return Some("it is quoted, and the quotes are part of the value: an env file is no shell script".to_owned());
    }
    (text.trim() != text).then(|| "it begins or ends with a blank, which is part of the value".to_owned())
}

/// A password may hold any sign, so of a secret only a whole `<…>` in capitals is one.
fn is_placeholder(text: &str, secret: bool) -> bool {
    let text = text.trim();
    if secret {
        let inner = text.strip_prefix('<').and_then(|rest| rest.strip_suffix('>'));
        return inner.is_some_and(|inner| {
            !inner.is_empty() && inner.chars().all(|c| c.is_ascii_uppercase() || matches!(c, '_' | '-' | ' '))
        });
    }
    let lower = text.to_ascii_lowercase();
    let filled_with_x = lower.split(['-', '.']).any(|part| part.len() >= 3 && part.chars().all(|c| c == 'x'));
    text.find('<').is_some_and(|at| text[at..].contains('>')) || filled_with_x
}
