//! YAML 1.2, from the events of `serde-saphyr`'s parser.
//!
//! Not by serde: its descent takes more than 20 KiB of stack a level in debug builds, and makes `1.10` the number 1.1. Here
//! nothing recurses while reading, scalars stay as written, and what aliases stand for is counted before it is copied.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use serde_saphyr::granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, Tag, options};

use crate::definition::{NoteKind, Syntax};
use crate::error::DefinitionError;
use crate::limits::Limit;
use crate::node::{Map, Node, Place, shown};
use crate::parse::Reading;

/// Levels that the parser goes down, to leave out what lies too deep.
const LEVELS: usize = 1000;
/// Characters of a key.
const KEY: usize = 8192;

pub(super) fn parse<'t>(text: &'t str, reading: &Reading<'_>) -> Result<Node<'t>, DefinitionError> {
    let options = options! {
        emit_comments: false,
        emit_unresolved_aliases: true,
        simple_key_max_lookahead: KEY,
        flow_nesting_limit: LEVELS,
        block_nesting_limit: LEVELS,
    };
    let mut builder = Builder { reading, open: Vec::new(), anchors: HashMap::new(), left_out: 0, root: None };
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, _) = event.map_err(|error| syntax(&error))?;
        if matches!(event, Event::DocumentStart(..)) && builder.root.is_some() {
            reading.note(NoteKind::Skipped, &reading.root, "more documents follow: the first is read");
            break;
        }
        builder.take(event)?;
    }
    Ok(builder.root.unwrap_or(Node::Null))
}

fn syntax(error: &ScanError) -> DefinitionError {
    if matches!(error.kind(), ErrorKind::RecursionLimitExceeded) {
        return DefinitionError::Limit { limit: Limit::Depth, allowed: LEVELS };
    }
    let at = error.marker();
    let message = shown(&error.info()).into_owned();
    DefinitionError::Syntax { syntax: Syntax::Yaml, line: at.line(), column: at.col() + 1, message }
}

/// A list or object whose end has not come.
struct Open<'t> {
    anchor: usize,
    /// Levels below it.
    height: usize,
    kind: Kind<'t>,
}

enum Kind<'t> {
    List(Vec<Node<'t>>),
    Map { entries: Vec<(Cow<'t, str>, Node<'t>)>, merged: Vec<Node<'t>>, key: Key<'t> },
}

/// What the next node of an object is.
enum Key<'t> {
    /// A key.
    Awaited,
    /// The value of this key.
    Text(Cow<'t, str>),
    /// What `<<` merges.
    Merge,
    /// The value of a key that is no text.
    Unreadable,
}

/// What an alias stands for.
struct Anchored<'t> {
    node: Node<'t>,
    height: usize,
    nodes: usize,
    text_bytes: usize,
}

struct Builder<'t, 'r, 's> {
    reading: &'s Reading<'r>,
    open: Vec<Open<'t>>,
    anchors: HashMap<usize, Anchored<'t>>,
    /// Levels that are open inside what is left out.
    left_out: usize,
    root: Option<Node<'t>>,
}

impl<'t> Builder<'t, '_, '_> {
    fn take(&mut self, event: Event<'t>) -> Result<(), DefinitionError> {
        match event {
            Event::SequenceStart(..) | Event::MappingStart(..) if self.left_out > 0 => self.left_out += 1,
            Event::SequenceEnd | Event::MappingEnd if self.left_out > 0 => {
                self.left_out -= 1;
                if self.left_out == 0 {
                    self.place(Node::Null, 0)?;
                }
            }
            _ if self.left_out > 0 => {}
            Event::SequenceStart(_, anchor, _) => self.start(anchor, Kind::List(Vec::new()))?,
            Event::MappingStart(_, anchor, _) => {
                self.start(anchor, Kind::Map { entries: Vec::new(), merged: Vec::new(), key: Key::Awaited })?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.end()?,
            Event::Scalar(text, style, anchor, tag) => {
                self.reading.count(1, text.len())?;
                let tag = tag.as_deref();
                if self.awaits_key() {
                    let merge = &*text == "<<" && style == ScalarStyle::Plain && anchor == 0;
                    self.anchor(anchor, &Node::Text(text.clone()), 0)?;
                    self.set_key(if merge { Key::Merge } else { Key::Text(text) });
                } else {
                    let node = match tag {
                        Some(tag) if self.reading.includes && is_include(tag) => Node::Include((*text).into()),
                        tag => scalar(text, style, tag),
                    };
                    self.anchor(anchor, &node, 0)?;
                    self.place(node, 0)?;
                }
            }
            Event::Alias(id) => self.alias(id)?,
            Event::UnresolvedAlias(name) => {
                let message = format!("`*{}` stands for nothing", shown(&name));
                self.note(NoteKind::NotFollowed, &message);
                self.place(Node::Null, 0)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn start(&mut self, anchor: usize, kind: Kind<'t>) -> Result<(), DefinitionError> {
        self.reading.count(1, 0)?;
        if self.open.len() >= self.reading.deepest() {
            self.note_here(&|reading, place| reading.note_too_deep(place));
            self.left_out = 1;
        } else {
            self.open.push(Open { anchor, height: 0, kind });
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), DefinitionError> {
        let Some(ended) = self.open.pop() else { return Ok(()) };
        let node = match ended.kind {
            Kind::List(items) => Node::List(items.into_boxed_slice()),
            Kind::Map { entries, merged, .. } => {
                let (map, repeated) = Map::new(with_merged(entries, merged));
                if !repeated.is_empty() {
                    self.note_here(&|reading, place| reading.note_repeated(place, &repeated));
                }
                Node::Map(Box::new(map))
            }
        };
        let height = ended.height + 1;
        self.anchor(ended.anchor, &node, height)?;
        self.place(node, height)
    }

    /// Keeps a copy of a node that aliases may stand for.
    fn anchor(&mut self, id: usize, node: &Node<'t>, height: usize) -> Result<(), DefinitionError> {
        if id != 0 {
            let (nodes, text_bytes) = node.weight();
            self.reading.count(nodes, text_bytes)?;
            self.anchors.insert(id, Anchored { node: node.clone(), height, nodes, text_bytes });
        }
        Ok(())
    }

    fn alias(&mut self, id: usize) -> Result<(), DefinitionError> {
        let (node, height) = match self.anchors.get(&id) {
            // A circle, or an anchor in what was left out.
            None => {
                self.note(NoteKind::NotFollowed, "an alias of what it stands in, or of what was left out");
                (Node::Null, 0)
            }
            Some(anchored) if self.open.len() + anchored.height > self.reading.deepest() => {
                self.note_here(&|reading, place| reading.note_too_deep(place));
                (Node::Null, 0)
            }
            Some(anchored) => {
                self.reading.count(anchored.nodes, anchored.text_bytes)?;
                (anchored.node.clone(), anchored.height)
            }
        };
        self.place(node, height)
    }

    /// Puts a node where it belongs: into what is open, as key or value, or as the document.
    fn place(&mut self, node: Node<'t>, height: usize) -> Result<(), DefinitionError> {
        if self.awaits_key() {
            let key = match node {
                Node::Text(text) => Key::Text(text),
                other => {
                    let message = format!("{} as a key: left out", other.kind());
                    self.note(NoteKind::Skipped, &message);
                    Key::Unreadable
                }
            };
            self.set_key(key);
            return Ok(());
        }
        let Some(open) = self.open.last_mut() else {
            self.root.get_or_insert(node);
            return Ok(());
        };
        open.height = open.height.max(height);
        match &mut open.kind {
            Kind::List(items) => items.push(node),
            Kind::Map { entries, merged, key } => match std::mem::replace(key, Key::Awaited) {
                Key::Text(key) => entries.push((key, node)),
                Key::Merge if is_merged(&node) => merged.push(node),
                Key::Merge => entries.push((Cow::Borrowed("<<"), node)),
                Key::Awaited | Key::Unreadable => {}
            },
        }
        Ok(())
    }

    fn awaits_key(&self) -> bool {
        matches!(self.open.last(), Some(Open { kind: Kind::Map { key: Key::Awaited, .. }, .. }))
    }

    fn set_key(&mut self, new: Key<'t>) {
        if let Some(Open { kind: Kind::Map { key, .. }, .. }) = self.open.last_mut() {
            *key = new;
        }
    }

    fn note(&self, kind: NoteKind, message: &str) {
        self.note_here(&|reading, place| reading.note(kind, place, message));
    }

    /// Notes something about the place where the next node goes.
    fn note_here(&self, note: &dyn Fn(&Reading<'_>, &Place<'_>)) {
        at_place(&self.open, &self.reading.root, &|place| note(self.reading, place));
    }
}

fn at_place(open: &[Open<'_>], place: &Place<'_>, then: &dyn Fn(&Place<'_>)) {
    let Some((first, rest)) = open.split_first() else { return then(place) };
    match &first.kind {
        Kind::List(items) => at_place(rest, &place.index(items.len()), then),
        Kind::Map { key: Key::Text(key), .. } => at_place(rest, &place.key(key), then),
        Kind::Map { key: Key::Merge, .. } => at_place(rest, &place.key("<<"), then),
        Kind::Map { .. } => at_place(rest, place, then),
    }
}

/// An object, or a list of objects.
fn is_merged(node: &Node<'_>) -> bool {
    match node {
        Node::Map(_) => true,
        Node::List(items) => items.iter().all(|item| matches!(item, Node::Map(_))),
        _ => false,
    }
}

/// The entries, and those of merged objects whose keys are not there yet; earlier objects go first.
fn with_merged<'t>(mut entries: Vec<(Cow<'t, str>, Node<'t>)>, merged: Vec<Node<'t>>) -> Vec<(Cow<'t, str>, Node<'t>)> {
    if merged.is_empty() {
        return entries;
    }
    let mut known: HashSet<Cow<'t, str>> = entries.iter().map(|(key, _)| key.clone()).collect();
    let maps = merged.into_iter().flat_map(|node| match node {
        Node::List(items) => items.into_vec(),
        other => vec![other],
    });
    for map in maps {
        if let Node::Map(map) = map {
            entries.extend(map.into_entries().into_iter().filter(|(key, _)| known.insert(key.clone())));
        }
    }
    entries
}

/// What a scalar is by YAML 1.2's core schema; numbers stay as written, and what only YAML 1.1 takes for a truth value or a
/// number is a text.
fn scalar<'t>(text: Cow<'t, str>, style: ScalarStyle, tag: Option<&Tag>) -> Node<'t> {
    let is_text = tag.is_some_and(|tag| !["null", "bool", "int", "float"].contains(&tag.suffix()));
    if style != ScalarStyle::Plain || is_text {
        return Node::Text(text);
    }
    match &*text {
        "" | "~" | "null" | "Null" | "NULL" => Node::Null,
        "true" | "True" | "TRUE" => Node::Boolean(true),
        "false" | "False" | "FALSE" => Node::Boolean(false),
        number if is_number(number) => Node::Number(number.into()),
        _ => Node::Text(text),
    }
}

fn is_include(tag: &Tag) -> bool {
    tag.handle() == "!" && tag.suffix() == "include"
}

fn is_number(text: &str) -> bool {
    let digits = text.trim_start_matches(['+', '-']);
    digits.starts_with(|first: char| first.is_ascii_digit() || first == '.') && text.parse::<f64>().is_ok()
}
