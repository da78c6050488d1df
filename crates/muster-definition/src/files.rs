//! The files of one reading: texts and trees, each made when first asked for, and what all of them together may take.

use std::borrow::Cow;
use std::cell::{Cell, OnceCell, RefCell};
use std::fmt;

use crate::definition::{NoteKind, Notes, Syntax};
use crate::error::DefinitionError;
use crate::limits::Limits;
use crate::node::{Node, Place, shown};
use crate::package::{FileId, Package};
use crate::parse::{self, Reading, Spent};
use crate::raml::Header;
use crate::text;

type Tree<'p> = (Node<'p>, Syntax);

pub(crate) struct Files<'p> {
    pub(crate) package: &'p Package<'p>,
    pub(crate) limits: &'p Limits,
    /// The root file.
    root_file: Cell<FileId>,
    notes: RefCell<Notes>,
    spent: Spent,
    texts: Box<[OnceCell<Cow<'p, str>>]>,
    /// Nothing where a file cannot be read.
    trees: Box<[OnceCell<Option<Tree<'p>>>]>,
}

impl<'p> Files<'p> {
    pub(crate) fn new(package: &'p Package<'p>, limits: &'p Limits, notes: Notes) -> Self {
        let cells = package.len();
        Self {
            package,
            limits,
            root_file: Cell::new(0),
            notes: RefCell::new(notes),
            spent: Spent::default(),
            texts: (0..cells).map(|_| OnceCell::new()).collect(),
            trees: (0..cells).map(|_| OnceCell::new()).collect(),
        }
    }

    pub(crate) fn main(&self) -> FileId {
        self.root_file.get()
    }

    pub(crate) fn set_main(&self, main: FileId) {
        self.root_file.set(main);
    }

    pub(crate) fn note(&self, kind: NoteKind, place: &Place<'_>, message: impl fmt::Display) {
        self.notes.borrow_mut().add(kind, place, message);
    }

    /// Why the definition is partial, the notes, and how many more there were.
    pub(crate) fn take_notes(&self) -> (Vec<crate::Note>, Vec<crate::Note>, usize) {
        std::mem::replace(&mut *self.notes.borrow_mut(), Notes::new(0)).end()
    }

    /// The root of a file, for notes.
    pub(crate) fn root(&self, id: FileId) -> Place<'_> {
        if id == self.main() { Place::Root } else { Place::File(self.package.name(id)) }
    }

    pub(crate) fn text(&'p self, id: FileId) -> Result<&'p str, DefinitionError> {
        if let Some(text) = self.texts[id].get() {
            return Ok(text);
        }
        let bytes = self.package.bytes(id, self.limits)?;
        let text = text::decode(bytes, &mut self.notes.borrow_mut(), &self.root(id))?;
        Ok(self.texts[id].get_or_init(|| text))
    }

    /// The tree of the root file, or why it is none.
    pub(crate) fn main_tree(&'p self, includes: bool) -> Result<(&'p Node<'p>, Syntax), DefinitionError> {
        let tree = self.parse(self.main(), includes)?;
        let tree = self.trees[self.main()].get_or_init(|| Some(tree));
        Ok(tree.as_ref().map_or((&Node::Null, Syntax::Yaml), |(node, syntax)| (node, *syntax)))
    }

    /// The tree of another file; nothing, with a note the first time, where it cannot be read. Limits are errors all the
    /// same.
    pub(crate) fn tree(&'p self, id: FileId, includes: bool) -> Result<Option<&'p Node<'p>>, DefinitionError> {
        if self.trees[id].get().is_none() {
            let tree = match self.parse(id, includes) {
                Ok(tree) => Some(tree),
                Err(limit @ DefinitionError::Limit { .. }) => return Err(limit),
                Err(error) => {
                    self.note(NoteKind::NotFollowed, &self.root(id), error);
                    None
                }
            };
            let _ = self.trees[id].set(tree);
        }
        Ok(self.trees[id].get().and_then(Option::as_ref).map(|(node, _)| node))
    }

    fn parse(&'p self, id: FileId, includes: bool) -> Result<Tree<'p>, DefinitionError> {
        let text = self.text(id)?;
        if includes && id != self.main() && !is_structured(self.package.name(id), text) {
            return Ok((Node::Text(Cow::Borrowed(text)), Syntax::Yaml));
        }
        parse::parse(text, &self.reading(self.root(id), includes))
    }

    /// Counts what a parser of its own has taken.
    pub(crate) fn count(&self, nodes: usize, text_bytes: usize) -> Result<(), DefinitionError> {
        self.reading(Place::Root, false).count(nodes, text_bytes)
    }

    fn reading<'r>(&'r self, root: Place<'r>, includes: bool) -> Reading<'r> {
        Reading { limits: self.limits, notes: &self.notes, spent: &self.spent, root, includes }
    }

    /// The file that a reference in another one names: relative to it, or from the package's root.
    ///
    /// # Errors
    /// Why there is none, as the end of a sentence about the reference.
    pub(crate) fn find(&self, from: FileId, reference: &str) -> Result<FileId, &'static str> {
        let has_scheme = reference.split_once(':').is_some_and(|(scheme, _)| {
            scheme.len() > 1 && scheme.chars().all(|c| c.is_ascii_alphanumeric() || ['+', '-', '.'].contains(&c))
        });
        if has_scheme || reference.starts_with("//") {
            return Err("leads to another place, and nothing is fetched");
        }
        if self.package.is_document() {
            return Err("leads out of the document");
        }
        let name = joined(self.package.name(from), reference).ok_or("leads out of the package")?;
        let decoded = || self.package.find(&percent_decoded(&name));
        self.package.find(&name).or_else(decoded).ok_or("leads to no file of the package")
    }

    /// As a message names it.
    pub(crate) fn shown(&self, id: FileId) -> Cow<'_, str> {
        shown(self.package.name(id))
    }
}

/// Whether RAML includes a file as what it says, and not as a text.
fn is_structured(name: &str, text: &str) -> bool {
    let ending = name.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    ["raml", "yaml", "yml", "json"].contains(&&*ending) || Header::of(text).is_some()
}

/// A path from the package's root; nothing where it leads out.
fn joined(from: &str, reference: &str) -> Option<String> {
    let (mut parts, rest): (Vec<&str>, &str) = match reference.strip_prefix('/') {
        Some(rest) => (Vec::new(), rest),
        None => (from.rsplit_once('/').map_or(Vec::new(), |(folder, _)| folder.split('/').collect()), reference),
    };
    for part in rest.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// `%20` is a blank; what is no such mark stays.
pub(crate) fn percent_decoded(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [byte, after @ ..] = rest {
        let hex = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        match (byte, after) {
            (b'%', [high, low, after @ ..]) if hex(*high).is_some() && hex(*low).is_some() => {
                bytes.push(hex(*high).unwrap_or(0) << 4 | hex(*low).unwrap_or(0));
                rest = after;
            }
            _ => {
                bytes.push(*byte);
                rest = after;
            }
        }
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}
