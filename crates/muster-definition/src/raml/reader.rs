//! Reading values that may be wrong, included from elsewhere or parameters: what is asked for or nothing, with a note and
//! at a bounded cost.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::rc::Rc;

use crate::definition::{NoteKind, Requirement};
use crate::error::DefinitionError;
use crate::files::Files;
use crate::limits::Limit;
use crate::node::{Map, Node, Place, shown};
use crate::package::FileId;
use crate::raml::security::KnownScheme;
use crate::raml::value::{Including, Names, Scope, Value};
use crate::raml::{Header, Version};

/// Bytes of kept text that count as one step.
const BYTES_A_STEP: usize = 64;
static NULL: Node<'static> = Node::Null;

pub(super) type Read<T> = Result<T, DefinitionError>;

pub(super) struct Reader<'t> {
    pub(super) files: &'t Files<'t>,
    pub(super) version: Version,
    pub(super) default_media_types: Vec<String>,
    pub(super) schemes: Vec<KnownScheme>,
    pub(super) root_security: Vec<Vec<Requirement>>,
    /// What was said already: a trait is used many times, and its faults are told once.
    said: HashSet<String>,
    steps: usize,
}

impl<'t> Reader<'t> {
    pub(super) fn new(files: &'t Files<'t>, version: Version) -> Self {
        Self {
            files,
            version,
            default_media_types: Vec::new(),
            schemes: Vec::new(),
            root_security: Vec::new(),
            said: HashSet::new(),
            steps: 0,
        }
    }

    pub(super) fn skip(&mut self, place: &Place<'_>, message: impl fmt::Display) {
        self.files.note(NoteKind::Skipped, place, message);
    }

    pub(super) fn odd(&mut self, place: &Place<'_>, message: impl fmt::Display) {
        self.files.note(NoteKind::Odd, place, message);
    }

    pub(super) fn not_understood(&mut self, place: &Place<'_>, message: impl fmt::Display) {
        self.say_once(NoteKind::NotUnderstood, place, message);
    }

    pub(super) fn not_followed(&mut self, place: &Place<'_>, message: impl fmt::Display) {
        self.say_once(NoteKind::NotFollowed, place, message);
    }

    fn say_once(&mut self, kind: NoteKind, place: &Place<'_>, message: impl fmt::Display) {
        let message = message.to_string();
        if self.said.len() < self.files.limits.notes && !self.said.insert(message.clone()) {
            return;
        }
        self.files.note(kind, place, message);
    }

    /// Counts steps: pieces looked at, so that many uses of one large piece end.
    pub(super) fn count(&mut self, steps: usize) -> Read<()> {
        self.steps = self.steps.saturating_add(steps);
        if self.steps > self.files.limits.steps {
            return Err(DefinitionError::Limit { limit: Limit::Steps, allowed: self.files.limits.steps });
        }
        Ok(())
    }

    /// A text to keep, counted and cut where it is longer than texts may be.
    pub(super) fn keep(&mut self, text: &str, place: &Place<'_>) -> Read<String> {
        let most = self.files.limits.text_bytes;
        self.count(2 + text.len().min(most) / BYTES_A_STEP)?;
        if text.len() <= most {
            return Ok(text.to_owned());
        }
        self.files.note(NoteKind::Cut, place, format!("longer than {most} bytes: cut"));
        Ok(text[..text.floor_char_boundary(most)].to_owned())
    }

    /// The root of a file, with names of its own.
    pub(super) fn file_root(&self, file: FileId, node: &'t Node<'t>) -> Value<'t> {
        let names = Rc::new(Names { file, outer: None });
        let including = Some(Rc::new(Including { file, depth: 0, by: None }));
        Value { node, scope: Scope { file, names, bindings: None, including } }
    }

    /// What a value stands for: itself, what it includes, or the object that its parameter is. Null, with a note, where it
    /// cannot be followed.
    pub(super) fn look(&mut self, value: &Value<'t>, place: &Place<'_>) -> Read<Value<'t>> {
        let mut value = value.clone();
        for _ in 0..=self.files.limits.references {
            self.count(1)?;
            match value.node {
                Node::Include(path) => {
                    let included = self.include(path, &value.scope, place)?;
                    value = included.unwrap_or(Value { node: &NULL, scope: value.scope });
                }
                Node::Text(text) => {
                    let whole = value.scope.bindings.as_ref().and_then(|bindings| bindings.whole(text));
                    match whole.cloned() {
                        Some(bound) => value = bound,
                        None => return Ok(value),
                    }
                }
                _ => return Ok(value),
            }
        }
        self.not_followed(place, "includes or parameters that lead to one another without end");
        Ok(Value { node: &NULL, scope: value.scope })
    }

    /// What a file holds, read where it is included.
    pub(super) fn include(&mut self, path: &str, scope: &Scope<'t>, place: &Place<'_>) -> Read<Option<Value<'t>>> {
        let path = path.trim();
        let file = match self.files.find(scope.file, path) {
            Ok(file) => file,
            Err(why) => {
                self.not_followed(place, format_args!("the include `{}` {why}", shown(path)));
                return Ok(None);
            }
        };
        let depth = scope.including.as_ref().map_or(0, |including| including.depth) + 1;
        if Including::holds(&scope.including, file) || depth > self.files.limits.references {
            let why = "leads back to where it stands, or too deep";
            self.not_followed(place, format_args!("the include `{}` {why}", shown(path)));
            return Ok(None);
        }
        let Some(node) = self.files.tree(file, true)? else { return Ok(None) };
        let is_typed = Header::of(self.files.text(file)?).is_some_and(|header| !header.fragment.is_empty());
        let names = match is_typed {
            true => Rc::new(Names { file, outer: Some(scope.names.clone()) }),
            false => scope.names.clone(),
        };
        let including = Some(Rc::new(Including { file, depth, by: scope.including.clone() }));
        Ok(Some(Value { node, scope: Scope { file, names, bindings: scope.bindings.clone(), including } }))
    }

    /// The value of a key that the format has; what it stands for is not looked at.
    pub(super) fn get(&self, value: &Value<'t>, key: &str) -> Option<Value<'t>> {
        let Node::Map(map) = value.node else { return None };
        map.get(key).map(|node| Value { node, scope: value.scope.clone() })
    }

    /// An object. Null is as good as nothing; of anything else a note says what it is.
    pub(super) fn map(&mut self, value: &Value<'t>, place: &Place<'_>) -> Read<Option<Value<'t>>> {
        let value = self.look(value, place)?;
        match value.node {
            Node::Map(_) => return Ok(Some(value)),
            Node::Null => {}
            other => self.skip(place, format_args!("{} where an object belongs", other.kind())),
        }
        Ok(None)
    }

    /// The entries of an object, with parameters in their keys filled in.
    pub(super) fn entries(&mut self, value: &Value<'t>, place: &Place<'_>) -> Read<Vec<(Cow<'t, str>, Value<'t>)>> {
        let Some(value) = self.map(value, place)? else { return Ok(Vec::new()) };
        let Node::Map(map) = value.node else { return Ok(Vec::new()) };
        let map: &'t Map<'t> = map;
        self.count(map.len())?;
        let bindings = value.scope.bindings.clone();
        let entry = |(key, node): (&'t str, &'t Node<'t>)| {
            let key = self.filled(key, bindings.as_deref(), place);
            (key, Value { node, scope: value.scope.clone() })
        };
        Ok(map.iter().map(entry).collect())
    }

    /// The items of a list; a single thing counts as a list of it.
    pub(super) fn items(&mut self, value: &Value<'t>, place: &Place<'_>) -> Read<Vec<Value<'t>>> {
        let value = self.look(value, place)?;
        match value.node {
            Node::Null => Ok(Vec::new()),
            Node::List(list) => {
                self.count(list.len())?;
                Ok(list.iter().map(|node| Value { node, scope: value.scope.clone() }).collect())
            }
            _ => Ok(vec![value]),
        }
    }

    /// A text; numbers and truth values are taken as written.
    pub(super) fn text(&mut self, value: &Value<'t>, place: &Place<'_>) -> Read<Option<Cow<'t, str>>> {
        let value = self.look(value, place)?;
        Ok(match value.node {
            Node::Text(text) => {
                let bindings = value.scope.bindings.clone();
                Some(self.filled(text, bindings.as_deref(), place))
            }
            Node::Number(number) => Some(Cow::Borrowed(&**number)),
            Node::Boolean(true) => Some(Cow::Borrowed("true")),
            Node::Boolean(false) => Some(Cow::Borrowed("false")),
            Node::Null => None,
            other => {
                self.skip(place, format_args!("{} where a text belongs", other.kind()));
                None
            }
        })
    }

    /// A text to keep.
    pub(super) fn text_at(&mut self, value: &Value<'t>, key: &str, place: &Place<'_>) -> Read<Option<String>> {
        let Some(found) = self.get(value, key) else { return Ok(None) };
        let place = place.key(key);
        match self.text(&found, &place)? {
            Some(text) => self.keep(&text, &place).map(Some),
            None => Ok(None),
        }
    }

    /// Texts to keep, of a list or a single one.
    pub(super) fn texts_at(&mut self, value: &Value<'t>, key: &str, place: &Place<'_>) -> Read<Vec<String>> {
        let Some(found) = self.get(value, key) else { return Ok(Vec::new()) };
        let place = place.key(key);
        let mut texts = Vec::new();
        for (index, item) in self.items(&found, &place)?.iter().enumerate() {
            let place = place.index(index);
            if let Some(text) = self.text(item, &place)? {
                texts.push(self.keep(&text, &place)?);
            }
        }
        Ok(texts)
    }

    /// Whether something is so; nothing where it is not said.
    pub(super) fn truth_at(&mut self, value: &Value<'t>, key: &str, place: &Place<'_>) -> Read<Option<bool>> {
        let Some(found) = self.get(value, key) else { return Ok(None) };
        let place = place.key(key);
        let text = self.text(&found, &place)?;
        Ok(match text.as_deref().map(str::trim) {
            None => None,
            Some("true") => Some(true),
            Some("false") => Some(false),
            Some(_) => {
                self.skip(&place, "a text where a truth value belongs");
                None
            }
        })
    }
}
