//! Paths, webhooks and callbacks: what can be called, and what the API calls.

use std::collections::HashSet;

use crate::definition::{Endpoint, NoteKind, Outgoing, SecurityScheme, Server};
use crate::error::DefinitionError;
use crate::limits::Limit;
use crate::node::{Map, Node, Place, shown};
use crate::openapi::operation::{Parameters, Shared};
use crate::openapi::reader::{Reader, reference};
use crate::openapi::{Dialect, Document};
use crate::package::FileId;

/// Keys of a path that are no methods.
const NO_METHODS: &[&str] = &["$ref", "summary", "description", "servers", "parameters", "additionalOperations"];

/// A path's entries, its own before those that it refers to; each with the file that it stands in.
type Item<'a> = Vec<(&'a str, &'a Node<'a>, FileId)>;

/// One operation of a path: its method as it is sent, the keys that lead to it, and what stands there.
struct Found<'a> {
    method: String,
    keys: Vec<&'a str>,
    node: &'a Node<'a>,
    file: FileId,
}

impl<'a> Reader<'a> {
    /// The endpoints, and what the API calls at its callers' side.
    pub(super) fn paths(
        &mut self,
        map: &'a Map<'a>,
        document: &Document,
        schemes: &[SecurityScheme],
    ) -> Result<(Vec<Endpoint>, Vec<Outgoing>), DefinitionError> {
        let mut endpoints = Vec::new();
        let mut outgoing = Vec::new();
        let place = Place::Root.key("paths");
        let written = map.get("paths").map_or(Ok(None), |paths| self.resolve_with_file(paths, &place))?;
        let (paths, file) =
            written.map_or((None, self.files.main()), |(paths, file)| (self.as_map(paths, &place), file));
        for (path, node) in paths.into_iter().flat_map(Map::iter).filter(|(path, _)| !path.starts_with("x-")) {
            let place = place.key(path);
            if path.len() > self.files.limits.text_bytes {
                let message = format!("a path longer than {} bytes: left out", self.files.limits.text_bytes);
                self.files.note(NoteKind::Cut, &place, message);
                continue;
            }
            if !path.starts_with('/') {
                self.odd(&place, "a path that does not begin with `/`");
            }
            let item = self.within(file, |reader| reader.item(node, &place))?;
            let parameters = match value(&item, "parameters") {
                None => Parameters::default(),
                Some((node, file)) => self.within(file, |reader| reader.parameters(Some(node), &place))?,
            };
            let servers = self.within(file, |reader| reader.item_servers(node, &item, &place))?;
            let shared = Shared { document, schemes, parameters: &parameters, servers: &servers };
            for found in self.operations(&item, &place)? {
                if endpoints.len() == self.files.limits.endpoints {
                    return Err(DefinitionError::Limit {
                        limit: Limit::Endpoints,
                        allowed: self.files.limits.endpoints,
                    });
                }
                let (first, second) = (place.key(found.keys[0]), found.keys.get(1));
                let here = second.map_or(first, |second| Place::Key(&first, second));
                let Some(operation) = self.operation_map(found.node, &here) else { continue };
                let endpoint = self.within(found.file, |reader| {
                    let mut endpoint = reader.endpoint(operation, &shared, &here)?;
                    endpoint.method = found.method;
                    endpoint.path = reader.keep(path, &place)?;
                    if let Some(operation) = operation {
                        reader.callbacks(operation, &endpoint, &here, &mut outgoing)?;
                    }
                    Ok(endpoint)
                })?;
                endpoints.push(endpoint);
            }
        }
        self.webhooks(map, &mut outgoing)?;
        Ok((endpoints, outgoing))
    }

    /// An operation, which may be empty: null is one that says nothing. The outer nothing: it is none.
    #[expect(clippy::option_option, reason = "no operation, one that says nothing, one")]
    fn operation_map(&mut self, node: &'a Node<'a>, place: &Place<'_>) -> Option<Option<&'a Map<'a>>> {
        if matches!(node, Node::Null) {
            self.odd(place, "null where an object belongs: read as an operation that says nothing");
        }
        let map = self.as_map(node, place);
        (map.is_some() || matches!(node, Node::Null)).then_some(map)
    }

    /// A path's entries. Beside a reference a path may have entries of its own; they go first.
    fn item(&mut self, node: &'a Node<'a>, place: &Place<'_>) -> Result<Item<'a>, DefinitionError> {
        let Some(own) = self.as_map(node, place) else { return Ok(Vec::new()) };
        self.count(own.len())?;
        let file = self.file();
        let mut item: Item<'a> = own.iter().map(|(key, node)| (key, node, file)).collect();
        if reference(node).is_some()
            && let Some((target, file)) = self.resolve_with_file(node, place)?
            && let Some(target) = self.as_map(target, place)
        {
            self.count(target.len())?;
            let theirs = target.iter().filter(|(key, _)| own.get(key).is_none());
            item.extend(theirs.map(|(key, node)| (key, node, file)));
        }
        Ok(item)
    }

    /// The servers of the path, where it says any.
    fn item_servers(
        &mut self,
        node: &'a Node<'a>,
        item: &Item<'a>,
        place: &Place<'_>,
    ) -> Result<Vec<Server>, DefinitionError> {
        if self.dialect == Dialect::Swagger2 || value(item, "servers").is_none() {
            return Ok(Vec::new());
        }
        let Some(map) = self.resolve(node, place)?.and_then(Node::as_map) else { return Ok(Vec::new()) };
        Ok(self.servers_at(map, place)?.unwrap_or_default())
    }

    /// The operations of a path, in its order.
    fn operations(&mut self, item: &Item<'a>, place: &Place<'_>) -> Result<Vec<Found<'a>>, DefinitionError> {
        let mut found: Vec<Found<'a>> = Vec::new();
        for &(key, node, file) in item {
            self.count(1)?;
            let lower = key.to_ascii_lowercase();
            if self.dialect == Dialect::OpenApi32 && key == "additionalOperations" {
                let additional = self.as_map(node, &place.key(key));
                for (method, node) in additional.into_iter().flat_map(Map::iter) {
                    let here = place.key(key);
                    let sent = self.keep(method, &here.key(method))?;
                    found.push(Found { method: sent, keys: vec![key, method], node, file });
                }
            } else if self.dialect.methods().contains(&lower.as_str()) {
                if key != lower {
                    self.odd(&place.key(key), "methods are written in small letters: read all the same");
                }
                found.push(Found { method: lower.to_ascii_uppercase(), keys: vec![key], node, file });
            } else if !NO_METHODS.contains(&key) && !key.starts_with("x-") {
                let message = format!("`{}` is no method of {}", shown(key), self.dialect.name());
                self.skip(&place.key(key), message);
            }
        }
        let mut seen = HashSet::new();
        found.retain(|one| {
            let is_new = seen.insert(one.method.clone());
            if !is_new {
                self.skip(&place.key(one.keys[0]), format_args!("`{}` is there already", shown(&one.method)));
            }
            is_new
        });
        Ok(found)
    }

    fn webhooks(&mut self, map: &'a Map<'a>, outgoing: &mut Vec<Outgoing>) -> Result<(), DefinitionError> {
        if self.dialect < Dialect::OpenApi31 {
            return Ok(());
        }
        let place = Place::Root.key("webhooks");
        let webhooks = self.map_at(map, "webhooks", &Place::Root);
        for (name, node) in webhooks.into_iter().flat_map(Map::iter).filter(|(name, _)| !name.starts_with("x-")) {
            let call = Outgoing { name: self.keep(name, &place)?, method: String::new(), callback: None };
            self.calls(node, call, &place.key(name), outgoing)?;
        }
        Ok(())
    }

    fn callbacks(
        &mut self,
        operation: &'a Map<'a>,
        endpoint: &Endpoint,
        place: &Place<'_>,
        outgoing: &mut Vec<Outgoing>,
    ) -> Result<(), DefinitionError> {
        if self.dialect == Dialect::Swagger2 {
            return Ok(());
        }
        let callbacks = self.map_at(operation, "callbacks", place);
        let place = place.key("callbacks");
        for (name, node) in callbacks.into_iter().flat_map(Map::iter) {
            let place = place.key(name);
            let Some((node, file)) = self.resolve_with_file(node, &place)? else { continue };
            let expressions = self.as_map(node, &place);
            for (expression, node) in expressions.into_iter().flat_map(Map::iter) {
                if expression.starts_with("x-") {
                    continue;
                }
                let from = format!("{} {} → {expression}", endpoint.method, endpoint.path);
                let call = Outgoing {
                    name: self.keep(name, &place)?,
                    method: String::new(),
                    callback: Some(self.keep(&from, &place)?),
                };
                let place = place.key(expression);
                self.within(file, |reader| reader.calls(node, call, &place, outgoing))?;
            }
        }
        Ok(())
    }

    /// The calls of a webhook or callback: one for each method of its path.
    fn calls(
        &mut self,
        node: &'a Node<'a>,
        call: Outgoing,
        place: &Place<'_>,
        outgoing: &mut Vec<Outgoing>,
    ) -> Result<(), DefinitionError> {
        let item = self.item(node, place)?;
        for found in self.operations(&item, place)? {
            self.keep(call.callback.as_deref().unwrap_or_default(), place)?;
            outgoing.push(Outgoing { method: found.method, ..call.clone() });
        }
        Ok(())
    }
}

fn value<'a>(item: &Item<'a>, key: &str) -> Option<(&'a Node<'a>, FileId)> {
    item.iter().find(|(name, ..)| *name == key).map(|(_, node, file)| (*node, *file))
}
