//! Forms: fields drawn from a connector type's spec, values kept, errors beside the field.

use muster_core::connector::{FieldSpec, Sections};
use serde_json::{Map, Value, json};

use crate::error::{Code, Problem};

/// What a form sent, in its order.
#[derive(Debug, Clone, Default)]
pub(super) struct Given(pub(super) Vec<(String, String)>);

impl Given {
    pub(super) fn text(&self, name: &str) -> &str {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    pub(super) fn some(&self, name: &str) -> Option<String> {
        Some(self.text(name).trim().to_owned()).filter(|text| !text.is_empty())
    }

    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// What went wrong with a form: beside a field, or with all of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Wrong {
    pub(super) field: String,
    pub(super) message: String,
    pub(super) remedy: Option<String>,
}

impl Wrong {
    /// A problem that whoever filled in the form can mend; any other is passed on.
    pub(super) fn of(problem: Problem) -> Result<Self, Problem> {
        let field = match (problem.code, &problem.field) {
            (Code::NameTaken, _) => "name".to_owned(),
            (Code::VersionConflict | Code::ScopesOverlap | Code::LastManager, _) => String::new(),
            (Code::InvalidValue | Code::InvalidSetting | Code::InvalidSchedule | Code::InvalidMap, Some(field)) => {
                field.clone()
            }
            _ => return Err(problem),
        };
        let title = problem.code.title().trim_end_matches('.');
        let message = match problem.detail {
            Some(detail) if field.is_empty() || problem.code == Code::NameTaken => format!("{title}: {detail}."),
            Some(detail) => super::session::capitalized(detail),
            None => format!("{title}."),
        };
        let remedy = problem.remedy.map(super::session::capitalized);
        Ok(Self { field, message, remedy })
    }
}

/// A field as a page shows it.
#[derive(Debug, Clone)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) label: &'static str,
    pub(super) kind: &'static str,
    pub(super) help: String,
    pub(super) required: bool,
    pub(super) value: String,
    /// Of a secret: whether there is one.
    pub(super) is_set: bool,
    pub(super) choices: &'static [&'static str],
    pub(super) wrong: Option<Wrong>,
}

impl Field {
    pub(super) fn id(&self) -> String {
        self.name.replace('.', "-")
    }

    /// A choice as a person reads it.
    pub(super) fn choice(&self, word: &str) -> String {
        word.replace('_', " ")
    }
}

/// Where the values of a form's fields come from.
#[derive(Debug, Clone, Copy)]
pub(super) enum From<'a> {
    /// What is kept: section → key → value, secrets as whether they are set.
    Kept(&'a Value),
    /// What was sent and is shown again; and what is kept, for secrets.
    Sent(&'a Given, &'a Value),
}

/// The fields of sections, under names that begin with `prefix`.
pub(super) fn fields(
    specs: &[FieldSpec],
    (sections, prefix): (&[&str], &str),
    from: From<'_>,
    wrong: Option<&Wrong>,
) -> Vec<Field> {
    let wanted = specs.iter().filter(|spec| sections.contains(&spec.section));
    wanted.map(|spec| field(spec, prefix, from, wrong)).collect()
}

/// The name of a field in a form: as problems name it.
fn name(spec: &FieldSpec, prefix: &str) -> String {
    match spec.section {
        "profile" => format!("{prefix}.{}", spec.key),
        section => format!("{prefix}.{section}.{}", spec.key),
    }
}

fn field(spec: &FieldSpec, prefix: &str, from: From<'_>, wrong: Option<&Wrong>) -> Field {
    let name = name(spec, prefix);
    let kept = match from {
        From::Kept(kept) | From::Sent(_, kept) => match spec.section {
            "profile" => &kept[spec.key],
            section => &kept[section][spec.key],
        },
    };
    let is_secret = spec.kind == "secret";
    let value = match from {
        // A secret is never shown again.
        _ if is_secret => String::new(),
        From::Kept(_) => shown(kept),
        From::Sent(given, _) => given.text(&name).to_owned(),
    };
    let wrong = wrong.filter(|wrong| wrong.field == name).cloned();
    let kind = spec.kind;
    let help = if kind == "list" { format!("{} Several: one a line.", spec.help) } else { spec.help.to_owned() };
    let is_set = is_secret && kept["set"] == true;
    Field { name, label: spec.label, kind, help, required: spec.required, value, is_set, choices: spec.choices, wrong }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(shown).collect::<Vec<_>>().join("\n"),
        other => other.to_string(),
    }
}

/// What a form says of sections: section → key → value; what is empty is left out.
pub(super) fn read(specs: &[FieldSpec], (sections, prefix): (&[&str], &str), given: &Given) -> Sections {
    let mut read = Sections::new();
    for section in sections {
        let mut keys = Map::new();
        for spec in specs.iter().filter(|spec| spec.section == *section) {
            if let Some(value) = value(spec, &name(spec, prefix), given) {
                keys.insert(spec.key.to_owned(), value);
            }
        }
        read.insert((*section).to_owned(), Value::Object(keys));
    }
    read
}

fn value(spec: &FieldSpec, name: &str, given: &Given) -> Option<Value> {
    let text = given.text(name);
    match spec.kind {
        "boolean" => (text == "true").then_some(Value::Bool(true)),
        // Not a blank of a secret is ours to drop.
        "secret" => (!text.is_empty()).then(|| text.into()),
        _ if text.trim().is_empty() => None,
        "integer" => Some(text.trim().parse::<i64>().map_or_else(|_| text.trim().into(), Value::from)),
        "certificate" => Some(format!("{}\n", text.replace("\r\n", "\n").trim()).into()),
        _ => {
            let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
            match lines.as_slice() {
                [one] => Some((*one).into()),
                several => Some(json!(several)),
            }
        }
    }
}
