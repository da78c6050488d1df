//! From text to a tree, bounded.

mod json;
mod yaml;

use std::cell::{Cell, RefCell};
use std::fmt;

use crate::definition::{NoteKind, Notes, Syntax};
use crate::error::DefinitionError;
use crate::limits::{Limit, Limits};
use crate::node::{Node, Place};

/// What lies deeper is left out, whatever the limits say: trees are walked by recursion.
const DEEPEST: usize = 120;

/// Reads JSON or YAML. What begins like JSON and is none is tried as YAML, which allows more: comments, a last comma.
pub(crate) fn parse<'t>(text: &'t str, reading: &Reading<'_>) -> Result<(Node<'t>, Syntax), DefinitionError> {
    if !text.trim_start().starts_with(['{', '[']) {
        return Ok((yaml::parse(text, reading)?, Syntax::Yaml));
    }
    let before = reading.notes.borrow().mark();
    let spent = reading.spent.clone();
    match json::parse(text, reading) {
        Ok(root) => Ok((root, Syntax::Json)),
        Err(DefinitionError::Syntax { syntax, line, column, message }) => {
            reading.notes.borrow_mut().back_to(before);
            reading.spent.back_to(&spent);
            let Ok(root) = yaml::parse(text, reading) else {
                return Err(DefinitionError::Syntax { syntax, line, column, message });
            };
            let odd = format!("not JSON (line {line}, column {column}: {message}): read as YAML");
            reading.note(NoteKind::Odd, &reading.root, odd);
            Ok((root, Syntax::Yaml))
        }
        Err(other) => Err(other),
    }
}

/// What the parsing of all files of one reading has taken.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spent {
    nodes: Cell<usize>,
    text_bytes: Cell<usize>,
}

impl Spent {
    fn back_to(&self, before: &Self) {
        self.nodes.set(before.nodes.get());
        self.text_bytes.set(before.text_bytes.get());
    }
}

/// The parsing of one file.
pub(crate) struct Reading<'r> {
    pub(crate) limits: &'r Limits,
    pub(crate) notes: &'r RefCell<Notes>,
    pub(crate) spent: &'r Spent,
    pub(crate) root: Place<'r>,
    /// Whether `!include` is one, as in RAML.
    pub(crate) includes: bool,
}

impl Reading<'_> {
    fn deepest(&self) -> usize {
        self.limits.depth.min(DEEPEST)
    }

    pub(crate) fn count(&self, nodes: usize, text_bytes: usize) -> Result<(), DefinitionError> {
        let more = |cell: &Cell<usize>, by| {
            cell.set(cell.get().saturating_add(by));
            cell.get()
        };
        if more(&self.spent.nodes, nodes) > self.limits.nodes {
            return Err(DefinitionError::Limit { limit: Limit::Nodes, allowed: self.limits.nodes });
        }
        if more(&self.spent.text_bytes, text_bytes) > self.limits.expanded_bytes {
            return Err(DefinitionError::Limit { limit: Limit::ExpandedBytes, allowed: self.limits.expanded_bytes });
        }
        Ok(())
    }

    fn note(&self, kind: NoteKind, place: &Place<'_>, message: impl fmt::Display) {
        self.notes.borrow_mut().add(kind, place, message);
    }

    fn note_too_deep(&self, place: &Place<'_>) {
        self.note(NoteKind::Cut, place, format_args!("nested deeper than {} levels: left out", self.deepest()));
    }

    fn note_repeated(&self, place: &Place<'_>, keys: &[String]) {
        for key in keys {
            self.note(NoteKind::Odd, &place.key(key), "given more than once: the last one is read");
        }
    }
}
