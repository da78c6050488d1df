//! Where an API is served.

use crate::definition::{NoteKind, Server};
use crate::error::DefinitionError;
use crate::node::{Map, Node, Place};
use crate::openapi::reader::Reader;

impl<'a> Reader<'a> {
    /// Swagger 2.0: every scheme with host and base path. Nothing where it says neither host nor base path.
    pub(super) fn host_servers(&mut self, map: &'a Map<'a>) -> Result<Vec<Server>, DefinitionError> {
        let host = self.text_at(map, "host", &Place::Root)?.unwrap_or_default();
        let base = self.text_at(map, "basePath", &Place::Root)?.unwrap_or_default();
        let schemes = self.texts_at(map, "schemes", &Place::Root)?.unwrap_or_default();
        let slash = if base.is_empty() || base.starts_with('/') { "" } else { "/" };
        let path = format!("{slash}{base}");
        let server = |url| Server { url, template: None };
        if host.is_empty() {
            return Ok(if base.is_empty() { Vec::new() } else { vec![server(path)] });
        }
        if schemes.is_empty() {
            return Ok(vec![server(format!("//{host}{path}"))]);
        }
        let mut servers: Vec<Server> = Vec::new();
        for scheme in schemes {
            let url = self.keep(&format!("{scheme}://{host}{path}"), &Place::Root.key("host"))?;
            if servers.iter().all(|known| known.url != url) {
                servers.push(server(url));
            }
        }
        Ok(servers)
    }

    /// OpenAPI 3: `servers`, with variables filled. Nothing where the list is not there.
    pub(super) fn servers_at(
        &mut self,
        map: &'a Map<'a>,
        place: &Place<'_>,
    ) -> Result<Option<Vec<Server>>, DefinitionError> {
        let Some(list) = self.list_at(map, "servers", place) else { return Ok(None) };
        let here = place.key("servers");
        let mut servers = Vec::new();
        for (index, node) in list.iter().enumerate() {
            let here = here.index(index);
            let Some(server) = self.as_map(node, &here) else { continue };
            match self.text_at(server, "url", &here)? {
                Some(url) => servers.push(self.filled(url, server, &here)?),
                None => self.skip(&here, "a server without `url`"),
            }
        }
        Ok(Some(servers))
    }

    fn filled(&mut self, written: String, server: &'a Map<'a>, place: &Place<'_>) -> Result<Server, DefinitionError> {
        let variables = self.map_at(server, "variables", place);
        let mut url = String::new();
        let mut rest = written.as_str();
        while let Some((before, name, after)) = next_variable(rest) {
            url.push_str(before);
            let place = place.key("variables");
            match self.default_of(name, variables, &place)? {
                Some(value) => {
                    let message = format!("filled into the server's address: `{value}`");
                    self.files.note(NoteKind::Filled, &place.key(name), message);
                    url.push_str(&value);
                }
                None => {
                    self.odd(&place.key(name), "a variable of the server's address without a default: left open");
                    url.push_str(&rest[before.len()..rest.len() - after.len()]);
                }
            }
            rest = after;
        }
        if rest.len() == written.len() {
            return Ok(Server { url: written, template: None });
        }
        url.push_str(rest);
        let url = self.keep(&url, place)?;
        Ok(Server { url, template: Some(written) })
    }

    /// The variable's default, or the first of the values that it may have.
    fn default_of(
        &mut self,
        name: &str,
        variables: Option<&'a Map<'a>>,
        place: &Place<'_>,
    ) -> Result<Option<String>, DefinitionError> {
        let place = place.key(name);
        let Some(variable) = variables.and_then(|variables| variables.get(name)).and_then(Node::as_map) else {
            return Ok(None);
        };
        if let Some(default) = self.text_at(variable, "default", &place)? {
            return Ok(Some(default));
        }
        let first = variable.get("enum").and_then(|values| match values {
            Node::List(values) => values.first(),
            _ => None,
        });
        first.map_or(Ok(None), |first| self.as_text(first, &place))
    }
}

/// What stands before a `{variable}`, its name, and what follows.
fn next_variable(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once('{')?;
    let (name, after) = rest.split_once('}')?;
    Some((before, name, after))
}
