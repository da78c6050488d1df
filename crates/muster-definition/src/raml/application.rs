//! Names, and what they stand for: libraries, declarations, and uses of resource types and traits with parameters.

use std::rc::Rc;

use crate::node::{Node, Place, shown};
use crate::package::FileId;
use crate::raml::reader::{Read, Reader};
use crate::raml::template::{Bindings, Bound, ResourcePath};
use crate::raml::value::{Names, Value};

/// What is used: the section that declares it, the word for it, and keys that only itself has.
pub(super) struct Kind {
    pub(super) section: &'static str,
    pub(super) word: &'static str,
    own_keys: &'static [&'static str],
}

pub(super) const RESOURCE_TYPE: Kind = Kind {
    section: "resourceTypes",
    word: "resource type",
    own_keys: &["get", "put", "post", "delete", "patch", "head", "options", "uriParameters", "is", "type", "securedBy"],
};
pub(super) const TRAIT: Kind = Kind {
    section: "traits",
    word: "trait",
    own_keys: &["queryParameters", "headers", "responses", "body", "securedBy", "queryString", "protocols"],
};
pub(super) const SECURITY_SCHEME: Kind =
    Kind { section: "securitySchemes", word: "security scheme", own_keys: &["describedBy", "settings"] };

/// Steps of looking a name up in one scope, and of putting what was found to use.
const LOOKED_UP: usize = 8;

/// For what a resource type or trait is used.
#[derive(Clone, Copy)]
pub(super) struct Use<'u> {
    pub(super) resource: &'u Rc<ResourcePath>,
    pub(super) method: Option<&'static str>,
}

impl<'t> Reader<'t> {
    /// What a name stands for in the scope that it is written in.
    pub(super) fn declared(
        &mut self,
        kind: &Kind,
        name: &str,
        names: &Rc<Names>,
        place: &Place<'_>,
    ) -> Read<Option<Value<'t>>> {
        let mut scope = Some(names);
        while let Some(names) = scope {
            self.count(LOOKED_UP)?;
            if let Some(found) = self.declared_in(kind, name, names.file, place)? {
                return Ok(Some(found));
            }
            if let Some((prefix, rest)) = name.split_once('.')
                && let Some(library) = self.library(names.file, prefix, place)?
                && let Some(found) = self.declared_in(kind, rest, library, place)?
            {
                return Ok(Some(found));
            }
            scope = names.outer.as_ref();
        }
        Ok(None)
    }

    /// The file of a library.
    fn library(&mut self, file: FileId, prefix: &str, place: &Place<'_>) -> Read<Option<FileId>> {
        let Some(root) = self.root_of(file)? else { return Ok(None) };
        let Some(uses) = self.get(&root, "uses") else { return Ok(None) };
        self.count(1)?;
        let Some(uses) = self.map(&uses, place)? else { return Ok(None) };
        let Some(entry) = self.get(&uses, prefix) else { return Ok(None) };
        let path = match entry.node {
            Node::Include(path) => path,
            Node::Text(path) => path.trim(),
            _ => return Ok(None),
        };
        match self.files.find(uses.scope.file, path) {
            Ok(library) => Ok(Some(library)),
            Err(why) => {
                self.not_followed(place, format_args!("the library `{}` {why}", shown(path)));
                Ok(None)
            }
        }
    }

    fn root_of(&mut self, file: FileId) -> Read<Option<Value<'t>>> {
        Ok(self.files.tree(file, true)?.map(|node| self.file_root(file, node)))
    }

    /// What a file declares: of a map (1.0) or a list of maps (0.8).
    fn declared_in(&mut self, kind: &Kind, name: &str, file: FileId, place: &Place<'_>) -> Read<Option<Value<'t>>> {
        let Some(section) = self.root_of(file)?.and_then(|root| self.get(&root, kind.section)) else { return Ok(None) };
        for item in self.items(&section, place)? {
            let item = self.look(&item, place)?;
            if let Some(found) = self.get(&item, name) {
                return self.look(&found, place).map(Some);
            }
        }
        Ok(None)
    }

    /// What a value uses: a name, a name with parameters, or something of the kind itself, in place or included.
    pub(super) fn used(
        &mut self,
        kind: &Kind,
        value: &Value<'t>,
        used: Use<'_>,
        place: &Place<'_>,
    ) -> Read<Option<Value<'t>>> {
        let is_included = matches!(value.node, Node::Include(_));
        let value = self.look(value, place)?;
        let given = match value.node {
            Node::Null => return Ok(None),
            Node::Text(_) => None,
            Node::Map(map) if is_included || map.iter().any(|(key, _)| kind.own_keys.contains(&key)) => {
                // Inside a type or trait, the parameters stay what they are there.
                if value.scope.bindings.is_some() {
                    return Ok(Some(value));
                }
                let bindings = self.bindings(None, used, place)?;
                return Ok(Some(value.with_bindings(bindings)));
            }
            Node::Map(map) if map.len() == 1 => self.entries(&value, place)?.pop(),
            other => {
                let message = format!("{} where the name of a {} belongs", other.kind(), kind.word);
                self.not_understood(place, message);
                return Ok(None);
            }
        };
        let (name, parameters) = match given {
            Some((name, parameters)) => (name, Some(parameters)),
            None => (self.text(&value, place)?.unwrap_or_default(), None),
        };
        let Some(found) = self.declared(kind, name.trim(), &value.scope.names, place)? else {
            self.not_followed(place, format_args!("the {} `{}` is declared nowhere", kind.word, shown(&name)));
            return Ok(None);
        };
        let bindings = self.bindings(parameters.as_ref(), used, place)?;
        Ok(Some(found.with_bindings(bindings)))
    }

    fn bindings(&mut self, given: Option<&Value<'t>>, used: Use<'_>, place: &Place<'_>) -> Read<Bindings<'t>> {
        let mut bound = Vec::new();
        let entries = given.map_or(Ok(Vec::new()), |given| self.entries(given, place))?;
        for (name, value) in entries {
            let value = self.look(&value, place)?;
            let bound_to = match value.node {
                Node::Map(_) | Node::List(_) => Bound::Value(value),
                _ => {
                    let text = self.text(&value, place)?.unwrap_or_default();
                    Bound::Text(self.keep(&text, place)?)
                }
            };
            bound.push((name.into_owned(), bound_to));
        }
        Ok(Bindings { given: bound.into(), resource: used.resource.clone(), method: used.method })
    }
}
