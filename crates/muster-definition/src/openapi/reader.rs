//! Reading values that may be wrong: what is asked for or nothing, with a note and at a bounded cost.

use std::borrow::Cow;
use std::fmt;

use crate::definition::NoteKind;
use crate::error::DefinitionError;
use crate::files::{Files, percent_decoded};
use crate::limits::Limit;
use crate::node::{Map, Node, Place, shown};
use crate::openapi::Dialect;
use crate::package::FileId;

/// Bytes of kept text that count as one step.
const BYTES_A_STEP: usize = 64;

pub(super) struct Reader<'a> {
    pub(super) files: &'a Files<'a>,
    /// The file that references are followed from.
    file: FileId,
    pub(super) dialect: Dialect,
    steps: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(files: &'a Files<'a>) -> Self {
        Self { files, file: files.main(), dialect: Dialect::Swagger2, steps: 0 }
    }

    pub(super) fn file(&self) -> FileId {
        self.file
    }

    /// Reads something that stands in a file, whose references start there.
    pub(super) fn within<T>(&mut self, file: FileId, read: impl FnOnce(&mut Self) -> T) -> T {
        let before = std::mem::replace(&mut self.file, file);
        let done = read(self);
        self.file = before;
        done
    }

    pub(super) fn skip(&mut self, place: &Place<'_>, message: impl fmt::Display) {
        self.files.note(NoteKind::Skipped, place, message);
    }

    pub(super) fn odd(&mut self, place: &Place<'_>, message: impl fmt::Display) {
        self.files.note(NoteKind::Odd, place, message);
    }

    /// Counts steps: pieces looked at, so that many references to one large piece end.
    pub(super) fn count(&mut self, steps: usize) -> Result<(), DefinitionError> {
        self.steps = self.steps.saturating_add(steps);
        if self.steps > self.files.limits.steps {
            return Err(DefinitionError::Limit { limit: Limit::Steps, allowed: self.files.limits.steps });
        }
        Ok(())
    }

    /// A text to keep, counted and cut where it is longer than texts may be.
    pub(super) fn keep(&mut self, text: &str, place: &Place<'_>) -> Result<String, DefinitionError> {
        let most = self.files.limits.text_bytes;
        self.count(1 + text.len().min(most) / BYTES_A_STEP)?;
        if text.len() <= most {
            return Ok(text.to_owned());
        }
        let end = text.floor_char_boundary(most);
        self.files.note(NoteKind::Cut, place, format!("longer than {most} bytes: cut"));
        Ok(text[..end].to_owned())
    }

    /// Counts texts that are kept once more.
    pub(super) fn count_copies<'t>(
        &mut self,
        texts: impl IntoIterator<Item = &'t String>,
    ) -> Result<(), DefinitionError> {
        texts.into_iter().try_for_each(|text| self.count(1 + text.len() / BYTES_A_STEP))
    }

    /// An object. Null is as good as nothing; of anything else a note says what it is.
    pub(super) fn map_at<'n>(&mut self, map: &'n Map<'n>, key: &str, place: &Place<'_>) -> Option<&'n Map<'n>> {
        let node = map.get(key)?;
        self.as_map(node, &place.key(key))
    }

    pub(super) fn as_map<'n>(&mut self, node: &'n Node<'n>, place: &Place<'_>) -> Option<&'n Map<'n>> {
        if !matches!(node, Node::Map(_) | Node::Null) {
            self.skip(place, format_args!("{} where an object belongs", node.kind()));
        }
        node.as_map()
    }

    pub(super) fn list_at<'n>(&mut self, map: &'n Map<'n>, key: &str, place: &Place<'_>) -> Option<&'n [Node<'n>]> {
        match map.get(key)? {
            Node::List(list) => return Some(list),
            Node::Null => {}
            other => self.skip(&place.key(key), format_args!("{} where a list belongs", other.kind())),
        }
        None
    }

    /// A text; numbers and truth values are taken as written.
    pub(super) fn text_at(
        &mut self,
        map: &Map<'_>,
        key: &str,
        place: &Place<'_>,
    ) -> Result<Option<String>, DefinitionError> {
        let Some(node) = map.get(key) else { return Ok(None) };
        let place = place.key(key);
        self.as_text(node, &place)
    }

    pub(super) fn as_text(&mut self, node: &Node<'_>, place: &Place<'_>) -> Result<Option<String>, DefinitionError> {
        let text = match node {
            Node::Text(text) => text,
            Node::Number(number) => &**number,
            Node::Boolean(true) => "true",
            Node::Boolean(false) => "false",
            Node::Null => return Ok(None),
            other => {
                self.skip(place, format_args!("{} where a text belongs", other.kind()));
                return Ok(None);
            }
        };
        self.keep(text, place).map(Some)
    }

    /// A list of texts; one text counts as a list of it.
    pub(super) fn texts_at(
        &mut self,
        map: &Map<'_>,
        key: &str,
        place: &Place<'_>,
    ) -> Result<Option<Vec<String>>, DefinitionError> {
        let here = place.key(key);
        if let Some(Node::Text(text)) = map.get(key) {
            self.odd(&here, "a text where a list belongs: read as a list of it");
            return Ok(Some(vec![self.keep(text, &here)?]));
        }
        let Some(list) = self.list_at(map, key, place) else { return Ok(None) };
        let mut texts = Vec::new();
        for (index, node) in list.iter().enumerate() {
            texts.extend(self.as_text(node, &here.index(index))?);
        }
        Ok(Some(texts))
    }

    pub(super) fn truth_at(&mut self, map: &Map<'_>, key: &str, place: &Place<'_>) -> bool {
        match map.get(key) {
            None | Some(Node::Null) => false,
            Some(Node::Boolean(truth)) => *truth,
            Some(Node::Text(text)) if ["true", "false"].contains(&&**text) => text == "true",
            Some(other) => {
                self.skip(&place.key(key), format_args!("{} where a truth value belongs", other.kind()));
                false
            }
        }
    }

    /// What a node stands for: itself, or what its `$ref` leads to inside the package. Nothing, with a note, where that
    /// leads out of it, nowhere, or in a circle.
    pub(super) fn resolve(
        &mut self,
        node: &'a Node<'a>,
        place: &Place<'_>,
    ) -> Result<Option<&'a Node<'a>>, DefinitionError> {
        Ok(self.resolve_with_file(node, place)?.map(|(node, _)| node))
    }

    /// As `resolve`, and the file that what was found stands in.
    pub(super) fn resolve_with_file(
        &mut self,
        node: &'a Node<'a>,
        place: &Place<'_>,
    ) -> Result<Option<(&'a Node<'a>, FileId)>, DefinitionError> {
        let (mut found, mut file) = (node, self.file);
        let most = self.files.limits.references;
        for _ in 0..=most {
            let Some(reference) = reference(found) else { return Ok(Some((found, file))) };
            self.count(1)?;
            match self.target(file, reference)? {
                Ok(target) => (found, file) = target,
                Err(why) => {
                    let message = format!("the reference `{}` {why}", shown(reference));
                    self.files.note(NoteKind::NotFollowed, place, message);
                    return Ok(None);
                }
            }
        }
        let message = format!("more than {most} references one after another, or a circle of them");
        self.files.note(NoteKind::NotFollowed, place, message);
        Ok(None)
    }

    fn target(&self, from: FileId, reference: &str) -> Result<Result<Target<'a>, &'static str>, DefinitionError> {
        let nowhere = "leads nowhere";
        let (path, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        let file = match path {
            "" => from,
            path => match self.files.find(from, path) {
                Ok(file) => file,
                Err(why) => return Ok(Err(why)),
            },
        };
        let Some(root) = self.files.tree(file, false)? else { return Ok(Err("leads to a file that cannot be read")) };
        if fragment.is_empty() && file != from {
            return Ok(Ok((root, file)));
        }
        let Some(steps) = fragment.strip_prefix('/') else { return Ok(Err("is no JSON pointer")) };
        let found = steps.split('/').try_fold(root, |node, step| {
            let step = unescaped(step);
            match node {
                Node::Map(map) => map.get(&step),
                Node::List(list) => step.parse::<usize>().ok().and_then(|index| list.get(index)),
                _ => None,
            }
        });
        Ok(found.map(|node| (node, file)).ok_or(nowhere))
    }
}

/// What a reference leads to, and the file that it stands in.
type Target<'a> = (&'a Node<'a>, FileId);

/// The `$ref` of an object that has one.
pub(super) fn reference<'n>(node: &'n Node<'n>) -> Option<&'n str> {
    node.as_map()?.get("$ref")?.as_text()
}

/// A step of a JSON pointer in a URL's fragment: `%7B` is `{`, `~1` is `/`, `~0` is `~`.
fn unescaped(step: &str) -> Cow<'_, str> {
    if !step.contains(['%', '~']) {
        return Cow::Borrowed(step);
    }
    Cow::Owned(percent_decoded(step).replace("~1", "/").replace("~0", "~"))
}
