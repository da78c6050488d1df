//! Where the API is served.

use std::collections::BTreeMap;

use crate::definition::{NoteKind, Server};
use crate::node::{Place, shown};
use crate::raml::reader::{Read, Reader};
use crate::raml::value::Value;

/// The base URI with its parameters filled in, and the protocols that the document names.
pub(super) struct Base {
    url: Option<Filled>,
    protocols: Vec<String>,
}

struct Filled {
    url: String,
    template: Option<String>,
}

impl Base {
    /// One server for each protocol; a method may name its own.
    pub(super) fn servers(&self, own: Option<&[String]>) -> Vec<Server> {
        let Some(base) = &self.url else { return Vec::new() };
        let protocols = own.unwrap_or(&self.protocols);
        let rest = base.url.split_once("://").map(|(_, rest)| rest);
        let server = |url: String| Server { url, template: base.template.clone() };
        match rest {
            Some(rest) if !protocols.is_empty() => {
                protocols.iter().map(|scheme| server(format!("{scheme}://{rest}"))).collect()
            }
            _ => vec![server(base.url.clone())],
        }
    }

    /// A method's own servers, where its protocols are others than the document's.
    pub(super) fn own_servers(&self, protocols: &[String]) -> Vec<Server> {
        if protocols.is_empty() {
            return Vec::new();
        }
        let own = self.servers(Some(protocols));
        if own == self.servers(None) { Vec::new() } else { own }
    }
}

impl<'t> Reader<'t> {
    pub(super) fn base(&mut self, root: &Value<'t>, version: Option<&str>) -> Read<Base> {
        let place = Place::Root;
        let protocols = self.protocols(root, &place)?;
        let Some(written) = self.text_at(root, "baseUri", &place)? else { return Ok(Base { url: None, protocols }) };
        let mut defaults = BTreeMap::new();
        // RAML 0.8's first drafts said `uriParameters` at the root.
        for key in ["uriParameters", "baseUriParameters"] {
            let Some(declared) = self.get(root, key) else { continue };
            let place = place.key(key);
            for (name, parameter) in self.entries(&declared, &place)? {
                let default = self.default_of(&parameter, &place.key(&name))?;
                defaults.insert(name.into_owned(), default);
            }
        }
        let here = place.key("baseUri");
        let mut url = String::new();
        let mut rest = written.as_str();
        while let Some((before, (name, after))) =
            rest.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?)))
        {
            url.push_str(before);
            let value = match name {
                "version" => version.map(str::to_owned),
                name => defaults.get(name).cloned().flatten(),
            };
            if let Some(value) = value {
                let message = format!("`{}` is filled with `{}`", shown(name), shown(&value));
                self.files.note(NoteKind::Filled, &here, message);
                url.push_str(&value);
            } else {
                let message = format!("`{}` has no default: left open", shown(name));
                self.odd(&here, message);
                url.push_str(&rest[before.len()..rest.len() - after.len()]);
            }
            rest = after;
        }
        let template = (rest.len() < written.len()).then(|| written.clone());
        url.push_str(rest);
        let url = self.keep(&url, &here)?;
        Ok(Base { url: Some(Filled { url, template }), protocols })
    }

    /// `HTTP` and `HTTPS`, as schemes.
    pub(super) fn protocols(&mut self, value: &Value<'t>, place: &Place<'_>) -> Read<Vec<String>> {
        let mut schemes = Vec::new();
        for protocol in self.texts_at(value, "protocols", place)? {
            let scheme = protocol.trim().to_ascii_lowercase();
            if !["http", "https"].contains(&&*scheme) {
                let message = format!("`{}` is no protocol of RAML", shown(&protocol));
                self.skip(&place.key("protocols"), message);
            } else if !schemes.contains(&scheme) {
                schemes.push(scheme);
            }
        }
        Ok(schemes)
    }

    /// A parameter's default, or the first of the values that it may have.
    fn default_of(&mut self, parameter: &Value<'t>, place: &Place<'_>) -> Read<Option<String>> {
        let parameter = self.look(parameter, place)?;
        if let Some(default) = self.text_at(&parameter, "default", place)? {
            return Ok(Some(default));
        }
        Ok(self.texts_at(&parameter, "enum", place)?.into_iter().next())
    }
}
