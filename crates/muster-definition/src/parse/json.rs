//! JSON, by `serde_json`.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::definition::Syntax;
use crate::error::DefinitionError;
use crate::node::{Map, Node, Place};
use crate::parse::Reading;

pub(super) fn parse<'t>(text: &'t str, reading: &Reading<'_>) -> Result<Node<'t>, DefinitionError> {
    let passed = RefCell::new(None);
    let seed = Seed { reading, passed: &passed, place: &reading.root, depth: 0 };
    let mut reader = serde_json::Deserializer::from_str(text);
    let read = seed.deserialize(&mut reader).and_then(|root| reader.end().map(|()| root));
    let mut root = match (read, passed.take()) {
        (Ok(root), _) => root,
        (Err(_), Some(limit)) => return Err(limit),
        (Err(error), None) => {
            let message = error.to_string();
            let message = message.split(" at line ").next().unwrap_or_default().to_owned();
            let (line, column) = (error.line(), error.column());
            return Err(DefinitionError::Syntax { syntax: Syntax::Json, line, column, message });
        }
    };
    if let Some(version) = fraction(&mut root)
        && let Ok(Written { info: Some(WrittenInfo { version: Some(written) }) }) = serde_json::from_str(text)
    {
        *version = Node::Number(written.get().into());
    }
    Ok(root)
}

/// `info.version`, where it is a number that loses something as a number: `1.10` would become 1.1.
fn fraction<'n, 't>(root: &'n mut Node<'t>) -> Option<&'n mut Node<'t>> {
    let version = root.as_map_mut()?.get_mut("info")?.as_map_mut()?.get_mut("version")?;
    matches!(version, Node::Number(number) if number.contains(['.', 'e'])).then_some(version)
}

#[derive(Deserialize)]
struct Written<'t> {
    #[serde(borrow)]
    info: Option<WrittenInfo<'t>>,
}

#[derive(Deserialize)]
struct WrittenInfo<'t> {
    #[serde(borrow)]
    version: Option<&'t RawValue>,
}

/// Reads one node at a place.
#[derive(Clone, Copy)]
struct Seed<'s, 'r> {
    reading: &'s Reading<'r>,
    /// The limit that was passed: `serde_json`'s errors cannot carry it.
    passed: &'s RefCell<Option<DefinitionError>>,
    place: &'s Place<'s>,
    depth: usize,
}

impl<'s> Seed<'s, '_> {
    fn below(self, place: &'s Place<'s>) -> Self {
        Seed { place, depth: self.depth + 1, ..self }
    }

    fn count<E: Error>(self, nodes: usize, text_bytes: usize) -> Result<(), E> {
        self.reading.count(nodes, text_bytes).map_err(|limit| {
            self.passed.replace(Some(limit));
            E::custom("more than is read")
        })
    }

    fn is_too_deep(self) -> bool {
        let too_deep = self.depth >= self.reading.deepest();
        if too_deep {
            self.reading.note_too_deep(self.place);
        }
        too_deep
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_, '_> {
    type Value = Node<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node<'de>, D::Error> {
        self.count(1, 0)?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_, '_> {
    type Value = Node<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Node<'de>, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node<'de>, E> {
        Ok(Node::Boolean(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node<'de>, E> {
        Ok(Node::Number(value.to_string().into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node<'de>, E> {
        Ok(Node::Number(value.to_string().into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node<'de>, E> {
        // With its point: `2.0` stays `2.0`.
        Ok(Node::Number(format!("{value:?}").into()))
    }

    fn visit_borrowed_str<E: Error>(self, value: &'de str) -> Result<Node<'de>, E> {
        self.count(0, value.len())?;
        Ok(Node::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Node<'de>, E> {
        self.count(0, value.len())?;
        Ok(Node::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node<'de>, A::Error> {
        if self.is_too_deep() {
            while list.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(Node::Null);
        }
        let mut items = Vec::new();
        while let Some(item) = list.next_element_seed(self.below(&self.place.index(items.len())))? {
            items.push(item);
        }
        Ok(Node::List(items.into_boxed_slice()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node<'de>, A::Error> {
        if self.is_too_deep() {
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            return Ok(Node::Null);
        }
        let mut entries = Vec::new();
        while let Some(key) = map.next_key_seed(Key)? {
            self.count(0, key.len())?;
            let value = map.next_value_seed(self.below(&self.place.key(&key)))?;
            entries.push((key, value));
        }
        let (map, repeated) = Map::new(entries);
        self.reading.note_repeated(self.place, &repeated);
        Ok(Node::Map(Box::new(map)))
    }
}

/// Reads a key, borrowed where it has no escapes.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Cow<'de, str>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(value.to_owned()))
    }
}
