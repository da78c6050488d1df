//! XML as a tree of elements, from events: nothing recurses, no document type is read, so no entity expands.

use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::{Prefix, QName, ResolveResult};
use quick_xml::reader::NsReader;

use crate::definition::Syntax;
use crate::error::DefinitionError;
use crate::files::Files;
use crate::limits::Limit;
use crate::node::shown;

/// Attributes of one element that are looked at.
const ATTRIBUTES: usize = 64;

/// A namespace and a name in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Name {
    pub(super) space: String,
    pub(super) local: String,
}

#[derive(Debug)]
pub(super) struct Element {
    pub(super) name: Name,
    /// Attributes without a namespace, as written.
    attributes: Vec<(String, String)>,
    /// What the prefixes stand for in values that are names: `binding="tns:a"`.
    names: Vec<(String, Name)>,
    pub(super) children: Vec<Element>,
}

impl Element {
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.attributes.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// The value of an attribute that is a name.
    pub(super) fn name_at(&self, key: &str) -> Option<&Name> {
        self.names.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }
}

/// The attributes whose values are names.
const NAMES: &[&str] = &["binding", "type"];

/// Reads a file. What lies in elements of the name `skipped` is left out.
pub(super) fn parse(text: &str, files: &Files<'_>, skipped: &str) -> Result<Element, DefinitionError> {
    let mut reader = NsReader::from_str(text);
    let mut open: Vec<Element> = Vec::new();
    let mut root = None;
    // Levels that are open in what is left out.
    let mut left_out = 0_usize;
    loop {
        let event = match reader.read_event() {
            Ok(event) => event,
            Err(error) => return Err(wrong(text, reader.error_position(), &error.to_string())),
        };
        match event {
            Event::Eof => break,
            Event::DocType(_) => {
                return Err(wrong(text, reader.buffer_position(), "a document type definition, which is not read"));
            }
            Event::Start(_) if left_out > 0 => left_out += 1,
            Event::End(_) if left_out > 0 => left_out -= 1,
            Event::Start(start) => {
                if open.len() >= files.limits.depth {
                    return Err(DefinitionError::Limit { limit: Limit::Depth, allowed: files.limits.depth });
                }
                let element = element(&reader, &start, files)?;
                if element.name.local == skipped {
                    left_out = 1;
                } else {
                    open.push(element);
                }
            }
            Event::Empty(start) if left_out == 0 => place(element(&reader, &start, files)?, &mut open, &mut root),
            Event::End(_) => {
                if let Some(element) = open.pop() {
                    place(element, &mut open, &mut root);
                }
            }
            _ => {}
        }
    }
    match root {
        Some(root) if open.is_empty() && left_out == 0 => Ok(root),
        _ => Err(wrong(text, reader.buffer_position(), "it breaks off")),
    }
}

fn place(element: Element, open: &mut [Element], root: &mut Option<Element>) {
    match open.last_mut() {
        Some(parent) => parent.children.push(element),
        None => *root = root.take().or(Some(element)),
    }
}

fn element(reader: &NsReader<&[u8]>, start: &BytesStart<'_>, files: &Files<'_>) -> Result<Element, DefinitionError> {
    let mut bytes = start.len();
    let mut attributes = Vec::new();
    let mut names = Vec::new();
    for attribute in start.attributes().with_checks(false).take(ATTRIBUTES).flatten() {
        let key = attribute.key;
        if key.prefix().is_some() || key.as_namespace_binding().is_some() {
            continue;
        }
        let Ok(value) = attribute.normalized_value(XmlVersion::Implicit1_0) else { continue };
        let key = key.as_ref().to_owned();
        if NAMES.contains(&&*key) {
            let name = QName(value.trim());
            let (local, prefix) = name.decompose();
            names.push((key.clone(), Name { space: space(reader, prefix), local: local.as_ref().to_owned() }));
        }
        bytes += value.len();
        attributes.push((key, value.into_owned()));
    }
    files.count(1 + attributes.len() + names.len(), bytes)?;
    let (local, prefix) = start.name().decompose();
    let name = Name { space: space(reader, prefix), local: local.as_ref().to_owned() };
    Ok(Element { name, attributes, names, children: Vec::new() })
}

fn space(reader: &NsReader<&[u8]>, prefix: Option<Prefix<'_>>) -> String {
    match reader.resolver().resolve_prefix(prefix, true) {
        ResolveResult::Bound(space) => space.as_ref().to_owned(),
        ResolveResult::Unbound | ResolveResult::Unknown(_) => String::new(),
    }
}

fn wrong(text: &str, position: u64, message: &str) -> DefinitionError {
    let at = usize::try_from(position).unwrap_or(text.len()).min(text.len());
    let before = &text[..text.floor_char_boundary(at)];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    DefinitionError::Syntax { syntax: Syntax::Xml, line, column, message: shown(message).into_owned() }
}
