//! What is wrong with a map before it runs: stable codes, line and column.

use std::collections::BTreeMap;
use std::fmt;

use serde_saphyr::Spanned;

use super::{Function, MapFile};
use crate::asset::schema;
use crate::model::{AttributeKind, StreamModel};

/// A finding about a map's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lint {
    /// Which one.
    pub code: LintCode,
    /// The line, from 1; 0 where the text gives none.
    pub line: u64,
    /// The column, from 1.
    pub column: u64,
    /// What and what to do.
    pub message: String,
}

impl fmt::Display for Lint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}: {} {}", self.line, self.column, self.code.word(), self.message)
    }
}

/// The codes. They are never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LintCode {
    /// M001: the target is not a field of the class.
    UnknownTarget,
    /// M002: the source is not an attribute of the stream.
    UnknownSource,
    /// M003: two rows fill one target.
    DuplicateTarget,
    /// M004: a row without a source whose functions need one.
    NoSource,
    /// M005: the source is a link, a secret or never asked for.
    ForbiddenSource,
    /// M006: the map is for another data model or stream.
    WrongModel,
    /// M007: a lookup row that can never be reached.
    UnreachableRow,
    /// M008: several sources and no function that takes several.
    UnusedSource,
    /// M009: an externalAssetId that is not required.
    IdentityNotRequired,
    /// M010: a target is spelled as an older version spelled it.
    Deprecated,
}

impl LintCode {
    /// The stable code.
    pub fn word(self) -> &'static str {
        match self {
            Self::UnknownTarget => "M001",
            Self::UnknownSource => "M002",
            Self::DuplicateTarget => "M003",
            Self::NoSource => "M004",
            Self::ForbiddenSource => "M005",
            Self::WrongModel => "M006",
            Self::UnreachableRow => "M007",
            Self::UnusedSource => "M008",
            Self::IdentityNotRequired => "M009",
            Self::Deprecated => "M010",
        }
    }

    /// Whether the map cannot be used with it; the others are warnings.
    pub fn is_error(self) -> bool {
        !matches!(self, Self::UnreachableRow | Self::UnusedSource | Self::Deprecated)
    }
}

fn at<T>(place: &Spanned<T>, code: LintCode, message: String) -> Lint {
    Lint { code, line: place.referenced.line(), column: place.referenced.column(), message }
}

/// Looks a map over against the stream it is for.
pub fn lint(file: &MapFile, model: &StreamModel) -> Vec<Lint> {
    let mut found = Vec::new();
    if file.stream.value != model.name {
        let message = format!("the map is for stream `{}`, it is used for `{}`", file.stream.value, model.name);
        found.push(at(&file.stream, LintCode::WrongModel, message));
    }
    let mut first_rows: BTreeMap<&str, u64> = BTreeMap::new();
    for row in &file.rows {
        lint_target(row, model, &mut first_rows, &mut found);
        lint_sources(row, model, &mut found);
        lint_functions(row, model, &mut found);
    }
    if !file.rows.iter().any(|row| row.target.value == schema::EXTERNAL_ID_TARGET && row.required) {
        let message =
            format!("no row fills `{}` with `required: true`: assets need an identity", schema::EXTERNAL_ID_TARGET);
        found.push(Lint { code: LintCode::IdentityNotRequired, line: 1, column: 1, message });
    }
    found
}

fn lint_target<'a>(
    row: &'a super::Row,
    model: &StreamModel,
    first: &mut BTreeMap<&'a str, u64>,
    found: &mut Vec<Lint>,
) {
    let target = row.target.value.as_str();
    if !schema::is_target(model.class, target) {
        let mut message = format!("`{target}` is not a field of class `{}`", model.class.word());
        if let Some(near) = nearest(target, &schema::targets(model.class)) {
            message = format!("{message}; nearest: `{near}`");
        }
        found.push(at(&row.target, LintCode::UnknownTarget, message));
    }
    let line = row.target.referenced.line();
    if let Some(earlier) = first.insert(target, line) {
        found.push(at(
            &row.target,
            LintCode::DuplicateTarget,
            format!("`{target}` is filled in line {earlier} already"),
        ));
    }
}

fn lint_sources(row: &super::Row, model: &StreamModel, found: &mut Vec<Lint>) {
    for source in row.source.iter().chain(&row.sources) {
        let name = source.value.as_str();
        match model.attribute(name) {
            None => found.push(at(source, LintCode::UnknownSource, unknown_source(name, model))),
            Some(attribute) if matches!(attribute.kind, AttributeKind::Link | AttributeKind::Secret) => {
                found.push(at(source, LintCode::ForbiddenSource, format!("`{name}` is not read as a value")));
            }
            Some(_) => {}
        }
    }
    let sources = row.source.iter().chain(&row.sources).count();
    let constant = matches!(row.functions.first(), Some(Function::Constant(_) | Function::Lookup(_)));
    if sources == 0 && !constant {
        found.push(at(&row.target, LintCode::NoSource, "the row names no source".to_owned()));
    }
    let takes_several =
        matches!(row.functions.first(), Some(Function::Coalesce | Function::Latest | Function::Join { .. }));
    if sources > 1 && !takes_several {
        let message = "only the first source is used: `coalesce`, `latest` and `join` take several".to_owned();
        found.push(at(&row.target, LintCode::UnusedSource, message));
    }
}

fn lint_functions(row: &super::Row, model: &StreamModel, found: &mut Vec<Lint>) {
    for name in row.functions.iter().flat_map(Function::attributes) {
        if model.attribute(name).is_none() {
            found.push(at(&row.target, LintCode::UnknownSource, unknown_source(name, model)));
        }
    }
    for function in &row.functions {
        let Function::Lookup(rows) = function else { continue };
        let open = rows.iter().position(|row| row.when.is_none());
        if open.is_some_and(|position| position + 1 < rows.len()) {
            let message = "a lookup row without `when` is not the last: those below it are never reached".to_owned();
            found.push(at(&row.target, LintCode::UnreachableRow, message));
        }
    }
}

fn unknown_source(name: &str, model: &StreamModel) -> String {
    let names: Vec<String> = model.attributes.iter().map(|attribute| attribute.name.clone()).collect();
    match nearest(name, &names) {
        Some(near) => format!("`{name}` is not an attribute of stream `{}`; nearest: `{near}`", model.name),
        None => format!("`{name}` is not an attribute of stream `{}`", model.name),
    }
}

/// The candidate that differs least, if it differs little.
pub(crate) fn nearest<'a>(name: &str, candidates: &'a [String]) -> Option<&'a str> {
    let wanted = name.to_lowercase();
    let best = candidates.iter().min_by_key(|candidate| distance(&wanted, &candidate.to_lowercase()))?;
    (distance(&wanted, &best.to_lowercase()) <= wanted.chars().count() / 3 + 1).then_some(best.as_str())
}

/// Levenshtein's distance, on at most 200 characters of each.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().take(200).collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, from) in left.chars().take(200).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in right.iter().enumerate() {
            let changed = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[right.len()]
}
