//! What `<<parameters>>` of resource types and traits stand for.

use std::borrow::Cow;
use std::rc::Rc;

use crate::node::{Place, shown};
use crate::raml::reader::Reader;
use crate::raml::value::Value;
use crate::raml::words;

/// Parameters of one use of a resource type or trait.
#[derive(Clone, Debug)]
pub(super) struct Bindings<'t> {
    pub(super) given: Rc<[(String, Bound<'t>)]>,
    pub(super) resource: Rc<ResourcePath>,
    pub(super) method: Option<&'static str>,
}

/// What a parameter stands for.
#[derive(Clone, Debug)]
pub(super) enum Bound<'t> {
    Text(String),
    /// An object or list; only where the parameter is all of a text.
    Value(Value<'t>),
}

/// `<<resourcePath>>` and `<<resourcePathName>>`.
#[derive(Debug)]
pub(super) struct ResourcePath {
    pub(super) path: String,
    pub(super) name: String,
}

impl ResourcePath {
    /// Of `/users/{id}{ext}`: `/users/{id}` and `users`.
    pub(super) fn of(path: &str) -> Self {
        let path = ["{ext}", "{mediaTypeExtension}"].iter().fold(path.to_owned(), |path, ext| path.replace(ext, ""));
        let is_name = |part: &&str| !part.is_empty() && !part.contains('{');
        let name = path.rsplit('/').find(is_name).unwrap_or_default().to_owned();
        Self { path, name }
    }
}

impl<'t> Bindings<'t> {
    fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        let given = self.given.iter().find(|(key, _)| key == name);
        match (given, name) {
            (Some((_, Bound::Text(text))), _) => Some(Cow::Borrowed(text)),
            (Some((_, Bound::Value(_))), _) => None,
            (None, "resourcePath") => Some(Cow::Borrowed(&self.resource.path)),
            (None, "resourcePathName") => Some(Cow::Borrowed(&self.resource.name)),
            (None, "methodName") => self.method.map(Cow::Borrowed),
            (None, _) => None,
        }
    }

    /// The object or list that a text stands for which is one parameter and nothing else.
    pub(super) fn whole(&self, text: &str) -> Option<&Value<'t>> {
        let name = text.trim().strip_prefix("<<")?.strip_suffix(">>")?.trim();
        self.given.iter().find_map(|(key, bound)| match bound {
            Bound::Value(value) if key == name => Some(value),
            _ => None,
        })
    }
}

impl<'t> Reader<'t> {
    /// A text with its parameters filled in; one that stands for nothing stays, with a note.
    pub(super) fn filled(&mut self, text: &'t str, bindings: Option<&Bindings<'t>>, place: &Place<'_>) -> Cow<'t, str> {
        let Some(bindings) = bindings.filter(|_| text.contains("<<")) else { return Cow::Borrowed(text) };
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, (inside, after))) =
            rest.split_once("<<").and_then(|(before, rest)| Some((before, rest.split_once(">>")?)))
        {
            filled.push_str(before);
            match self.parameter_text(inside, bindings, place) {
                Some(text) => filled.push_str(&text),
                None => filled.push_str(&rest[before.len()..rest.len() - after.len()]),
            }
            rest = after;
            if filled.len() > self.files.limits.text_bytes {
                self.not_understood(place, "a text that grows longer than texts may be by its parameters: cut");
                filled.truncate(filled.floor_char_boundary(self.files.limits.text_bytes));
                return Cow::Owned(filled);
            }
        }
        filled.push_str(rest);
        Cow::Owned(filled)
    }

    /// `name | !function | !function`.
    fn parameter_text(&mut self, inside: &str, bindings: &Bindings<'t>, place: &Place<'_>) -> Option<String> {
        let mut parts = inside.split('|').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let Some(found) = bindings.get(name) else {
            self.not_understood(place, format_args!("the parameter `<<{}>>` stands for nothing here", shown(name)));
            return None;
        };
        let mut text = found.into_owned();
        for function in parts {
            let Some(changed) = words::apply(function, &text) else {
                self.not_understood(place, format_args!("the function `{}` of a parameter", shown(function)));
                return None;
            };
            text = changed;
        }
        Some(text)
    }
}
