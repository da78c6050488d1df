//! Resources: paths, their methods, and the resource types that they are of.

use std::collections::HashSet;
use std::rc::Rc;

use crate::definition::{Endpoint, NoteKind};
use crate::error::DefinitionError;
use crate::limits::Limit;
use crate::node::{Node, Place, shown};
use crate::raml::Version;
use crate::raml::application::{RESOURCE_TYPE, Use};
use crate::raml::base::Base;
use crate::raml::reader::{Read, Reader};
use crate::raml::template::ResourcePath;
use crate::raml::value::Value;

const METHODS: &[&str] = &["get", "put", "post", "delete", "options", "head", "patch", "trace", "connect"];
/// How many of them RAML 1.0 has.
const METHODS_10: usize = 7;
/// Keys of a resource that are no methods.
const NO_METHODS: &[&str] =
    &["displayName", "description", "type", "is", "securedBy", "uriParameters", "baseUriParameters", "usage", "uses"];

/// What has been found, and where it is looked for.
struct Walk<'w> {
    base: &'w Base,
    endpoints: Vec<Endpoint>,
    seen: HashSet<(&'static str, String)>,
}

/// One method of a resource: its word, its key in each layer.
pub(super) struct MethodAt<'m, 't> {
    pub(super) word: &'static str,
    /// The resource and its types, nearest first.
    pub(super) layers: &'m [Value<'t>],
    pub(super) resource: &'m Rc<ResourcePath>,
    pub(super) path: &'m str,
}

impl<'t> Reader<'t> {
    pub(super) fn endpoints(&mut self, root: &Value<'t>, base: &Base) -> Read<Vec<Endpoint>> {
        let mut walk = Walk { base, endpoints: Vec::new(), seen: HashSet::new() };
        self.nested(root, (&Place::Root, ""), 0, &mut walk)?;
        Ok(walk.endpoints)
    }

    /// The resources that stand in a resource or the document.
    fn nested(
        &mut self,
        value: &Value<'t>,
        (place, path): (&Place<'_>, &str),
        depth: usize,
        walk: &mut Walk<'_>,
    ) -> Read<()> {
        for (key, value) in self.entries(value, place)?.into_iter().filter(|(key, _)| key.starts_with('/')) {
            let place = place.key(&key);
            let joined = format!("{path}{key}");
            self.count(1 + joined.len() / 64)?;
            if joined.len() > self.files.limits.text_bytes || depth >= self.files.limits.depth {
                self.files.note(NoteKind::Cut, &place, "a path that is too long or nested too deep: left out");
                self.not_understood(&place, "paths beyond the limits are left out");
                continue;
            }
            let resource = self.look(&value, &place)?;
            match resource.node {
                Node::Map(_) => {
                    self.resource(&resource, (&place, &joined), walk)?;
                    self.nested(&resource, (&place, &joined), depth + 1, walk)?;
                }
                Node::Null => {}
                other => self.not_understood(&place, format_args!("{} where a resource belongs", other.kind())),
            }
        }
        Ok(())
    }

    fn resource(&mut self, value: &Value<'t>, (place, path): (&Place<'_>, &str), walk: &mut Walk<'_>) -> Read<()> {
        let resource = Rc::new(ResourcePath::of(path));
        let layers = self.layers(value, &resource, place)?;
        let mut methods: Vec<&'static str> = Vec::new();
        for (index, layer) in layers.iter().enumerate() {
            for (key, _) in self.entries(layer, place)? {
                let (word, is_optional) = key.strip_suffix('?').map_or((&*key, false), |word| (word, true));
                match self.method_word(word) {
                    Some(word) if !is_optional && !methods.contains(&word) => methods.push(word),
                    // An optional method adds to one that is there, and makes none.
                    Some(_) => {}
                    None => self.check_key(&key, index > 0, place),
                }
            }
        }
        for word in methods {
            if walk.endpoints.len() == self.files.limits.endpoints {
                return Err(DefinitionError::Limit { limit: Limit::Endpoints, allowed: self.files.limits.endpoints });
            }
            let place = place.key(word);
            if !walk.seen.insert((word, path.to_owned())) {
                self.skip(&place, "this method of this path is there already");
                continue;
            }
            let at = MethodAt { word, layers: &layers, resource: &resource, path };
            let endpoint = self.endpoint(&at, walk.base, &place)?;
            walk.endpoints.push(endpoint);
        }
        Ok(())
    }

    fn method_word(&self, word: &str) -> Option<&'static str> {
        let known = if self.version == Version::V08 { METHODS } else { &METHODS[..METHODS_10] };
        known.iter().find(|method| **method == word).copied()
    }

    fn check_key(&mut self, key: &str, is_type: bool, place: &Place<'_>) {
        let is_resource = key.starts_with('/');
        if is_resource && is_type {
            self.not_understood(place, "a resource type with resources of its own");
        } else if !is_resource && !key.starts_with('(') && !NO_METHODS.contains(&key) {
            self.not_understood(&place.key(key), format_args!("`{}` is no key of a resource", shown(key)));
        }
    }

    /// The resource and the types that it is of, nearest first.
    fn layers(&mut self, own: &Value<'t>, resource: &Rc<ResourcePath>, place: &Place<'_>) -> Read<Vec<Value<'t>>> {
        let mut layers = vec![own.clone()];
        let place = place.key("type");
        while let Some(written) = layers.last().and_then(|last| self.get(last, "type")) {
            let used = Use { resource, method: None };
            let Some(found) = self.used(&RESOURCE_TYPE, &written, used, &place)? else { break };
            let is_circle = layers.iter().any(|known| std::ptr::eq(known.node, found.node));
            if is_circle || layers.len() > self.files.limits.references {
                self.not_followed(&place, "resource types that lead to one another in a circle, or too many of them");
                break;
            }
            match found.node {
                Node::Map(_) => layers.push(found),
                Node::Null => break,
                other => {
                    let message = format!("{} where a resource type belongs", other.kind());
                    self.not_understood(&place, message);
                    break;
                }
            }
        }
        Ok(layers)
    }
}
