//! A document as a tree: in its own order, texts borrowed from it, numbers as text.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Longest text that a message repeats.
const SHOWN: usize = 80;

#[derive(Clone, Debug)]
pub(crate) enum Node<'a> {
    Null,
    Boolean(bool),
    Number(Box<str>),
    Text(Cow<'a, str>),
    List(Box<[Node<'a>]>),
    Map(Box<Map<'a>>),
    /// RAML's `!include`, of this file.
    Include(Box<str>),
}

impl<'a> Node<'a> {
    pub(crate) fn as_map(&self) -> Option<&Map<'a>> {
        if let Self::Map(map) = self { Some(map) } else { None }
    }

    pub(crate) fn as_map_mut(&mut self) -> Option<&mut Map<'a>> {
        if let Self::Map(map) = self { Some(map) } else { None }
    }

    pub(crate) fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// Its nodes and the bytes of its texts.
    pub(crate) fn weight(&self) -> (usize, usize) {
        let sum = |(nodes, bytes): (usize, usize), (more, longer)| (nodes + more, bytes + longer);
        match self {
            Self::Null | Self::Boolean(_) => (1, 0),
            Self::Number(text) | Self::Include(text) => (1, text.len()),
            Self::Text(text) => (1, text.len()),
            Self::List(items) => items.iter().map(Node::weight).fold((1, 0), sum),
            Self::Map(map) => map.iter().map(|(key, node)| sum(node.weight(), (0, key.len()))).fold((1, 0), sum),
        }
    }

    /// With its article, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean(_) => "a truth value",
            Self::Number(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Map(_) => "an object",
            Self::Include(_) => "an include",
        }
    }
}

/// An object: entries in the document's order, found by key.
#[derive(Clone, Debug)]
pub(crate) struct Map<'a> {
    entries: Box<[(Cow<'a, str>, Node<'a>)]>,
    /// The entries' positions by key, where looking one after another would take long.
    sorted: Option<Box<[u32]>>,
}

/// Up to so many entries are looked through one after another.
const FEW: usize = 8;

impl<'a> Map<'a> {
    /// Of a repeated key the last value stays, at the place of the first, as in JavaScript. Gives the repeated keys.
    pub(crate) fn new(mut entries: Vec<(Cow<'a, str>, Node<'a>)>) -> (Self, Vec<String>) {
        let mut sorted = by_key(&entries);
        let mut repeated = Vec::new();
        if sorted.windows(2).any(|pair| entries[pair[0] as usize].0 == entries[pair[1] as usize].0) {
            repeated = fold_repeated(&mut entries, &sorted);
            sorted = by_key(&entries);
        }
        let sorted = (entries.len() > FEW).then(|| sorted.into_boxed_slice());
        (Self { entries: entries.into_boxed_slice(), sorted }, repeated)
    }

    fn position(&self, key: &str) -> Option<usize> {
        match &self.sorted {
            None => self.entries.iter().position(|(name, _)| name == key),
            Some(sorted) => {
                let found = sorted.binary_search_by(|&at| self.entries[at as usize].0.as_ref().cmp(key)).ok()?;
                Some(sorted[found] as usize)
            }
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Node<'a>> {
        self.position(key).map(|at| &self.entries[at].1)
    }

    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut Node<'a>> {
        self.position(key).map(|at| &mut self.entries[at].1)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Node<'a>)> {
        self.entries.iter().map(|(key, node)| (key.as_ref(), node))
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn into_entries(self) -> Vec<(Cow<'a, str>, Node<'a>)> {
        self.entries.into_vec()
    }
}

/// Positions in the order of their keys; equal keys in the order of the document.
fn by_key(entries: &[(Cow<'_, str>, Node<'_>)]) -> Vec<u32> {
    // Limits keep documents far below four thousand million entries.
    let mut sorted: Vec<u32> = (0..u32::try_from(entries.len()).unwrap_or(u32::MAX)).collect();
    sorted.sort_by(|&left, &right| entries[left as usize].0.cmp(&entries[right as usize].0));
    sorted
}

fn fold_repeated(entries: &mut Vec<(Cow<'_, str>, Node<'_>)>, sorted: &[u32]) -> Vec<String> {
    let mut repeated = Vec::new();
    let mut superseded = vec![false; entries.len()];
    for same in sorted.chunk_by(|&left, &right| entries[left as usize].0 == entries[right as usize].0) {
        if let [first, .., last] = same {
            for &between in &same[1..] {
                superseded[between as usize] = true;
            }
            repeated.push((*first as usize, *last as usize));
        }
    }
    let mut names = Vec::new();
    for (first, last) in repeated {
        names.push(shown(&entries[first].0).into_owned());
        entries[first].1 = std::mem::replace(&mut entries[last].1, Node::Null);
    }
    let mut at = 0;
    entries.retain(|_| {
        at += 1;
        !superseded[at - 1]
    });
    names
}

/// Where in a document: the way from its root.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place<'p> {
    /// Of the root file.
    Root,
    /// The root of another file.
    File(&'p str),
    Key(&'p Place<'p>, &'p str),
    Index(&'p Place<'p>, usize),
}

impl<'p> Place<'p> {
    pub(crate) fn key(&'p self, key: &'p str) -> Place<'p> {
        Place::Key(self, key)
    }

    pub(crate) fn index(&'p self, index: usize) -> Place<'p> {
        Place::Index(self, index)
    }

    /// The file where it is not the root file, and the place as a JSON pointer (RFC 6901); long keys are cut.
    pub(crate) fn file_and_pointer(&self) -> (Option<String>, String) {
        let mut steps = Vec::new();
        let mut place = self;
        let file = loop {
            match place {
                Self::Root => break None,
                Self::File(name) => break Some((*name).to_owned()),
                Self::Key(parent, key) => {
                    steps.push(shown(key).replace('~', "~0").replace('/', "~1"));
                    place = parent;
                }
                Self::Index(parent, index) => {
                    steps.push(index.to_string());
                    place = parent;
                }
            }
        };
        let mut pointer = String::new();
        for step in steps.iter().rev() {
            let _ = write!(pointer, "/{step}");
        }
        (file, pointer)
    }
}

/// A text as a message shows it: not longer than a line.
pub(crate) fn shown(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(SHOWN) {
        None => Cow::Borrowed(text),
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
    }
}
