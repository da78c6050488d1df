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
pub(crate) fn parse<'t>(
    text: &'t str,
    limits: &Limits,
    notes: &mut Notes,
) -> Result<(Node<'t>, Syntax), DefinitionError> {
    if !text.trim_start().starts_with(['{', '[']) {
        return Ok((yaml::parse(text, &Reading::new(limits, notes))?, Syntax::Yaml));
    }
    let before = notes.mark();
    match json::parse(text, &Reading::new(limits, notes)) {
        Ok(root) => Ok((root, Syntax::Json)),
        Err(DefinitionError::Syntax { syntax, line, column, message }) => {
            notes.back_to(before);
            let Ok(root) = yaml::parse(text, &Reading::new(limits, notes)) else {
                return Err(DefinitionError::Syntax { syntax, line, column, message });
            };
            let odd = format!("not JSON (line {line}, column {column}: {message}): read as YAML");
            notes.add(NoteKind::Odd, &Place::Root, odd);
            Ok((root, Syntax::Yaml))
        }
        Err(other) => Err(other),
    }
}

/// What one reading has taken.
struct Reading<'r> {
    limits: &'r Limits,
    notes: RefCell<&'r mut Notes>,
    nodes: Cell<usize>,
    text_bytes: Cell<usize>,
}

impl<'r> Reading<'r> {
    fn new(limits: &'r Limits, notes: &'r mut Notes) -> Self {
        Self { limits, notes: RefCell::new(notes), nodes: Cell::new(0), text_bytes: Cell::new(0) }
    }

    fn deepest(&self) -> usize {
        self.limits.depth.min(DEEPEST)
    }

    fn count(&self, nodes: usize, text_bytes: usize) -> Result<(), DefinitionError> {
        let more = |cell: &Cell<usize>, by| {
            cell.set(cell.get().saturating_add(by));
            cell.get()
        };
        if more(&self.nodes, nodes) > self.limits.nodes {
            return Err(DefinitionError::Limit { limit: Limit::Nodes, allowed: self.limits.nodes });
        }
        if more(&self.text_bytes, text_bytes) > self.limits.expanded_bytes {
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
