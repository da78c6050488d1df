//! One method: what it and all that is used for it say, nearest first.

use crate::definition::{Body, Endpoint, Location, Parameter, Requirement};
use crate::node::{Node, Place, shown};
use crate::raml::Version;
use crate::raml::application::{TRAIT, Use};
use crate::raml::base::Base;
use crate::raml::reader::{Read, Reader};
use crate::raml::resources::MethodAt;
use crate::raml::value::Value;

/// Traits that lead to one another.
const TRAITS: usize = 8;
const FORMS: &[&str] = &["application/x-www-form-urlencoded", "multipart/form-data"];
/// Keys of a method or trait that are read, or say nothing of what can be called.
const KNOWN: &[&str] = &[
    "displayName",
    "description",
    "usage",
    "uses",
    "is",
    "securedBy",
    "protocols",
    "headers",
    "queryParameters",
    "queryString",
    "body",
    "responses",
];

/// What is known so far; what is nearer came first and stays.
#[derive(Default)]
struct Draft {
    name: Option<String>,
    description: Option<String>,
    deprecated: Option<bool>,
    protocols: Vec<String>,
    security: Option<Vec<Vec<Requirement>>>,
    parameters: Vec<DraftParameter>,
    has_body: bool,
    request_media_types: Vec<String>,
    responses: Vec<(String, Vec<String>)>,
}

struct DraftParameter {
    name: String,
    location: Location,
    required: Option<bool>,
}

impl<'t> Reader<'t> {
    pub(super) fn endpoint(&mut self, at: &MethodAt<'_, 't>, base: &Base, place: &Place<'_>) -> Read<Endpoint> {
        let mut draft = Draft::default();
        for part in self.parts(at, place)? {
            self.fold(&mut draft, &part, place)?;
        }
        for layer in at.layers {
            if draft.security.is_none() {
                let written = self.get(&self.bound(layer, at.word), "securedBy");
                draft.security = self.secured_by(written, place)?;
            }
            if draft.deprecated.is_none() {
                draft.deprecated = self.deprecated(layer, place)?;
            }
            if self.get(layer, "baseUriParameters").is_some() {
                self.not_understood(place, "a resource with `baseUriParameters` of its own");
            }
        }
        let security = match draft.security {
            Some(own) => own,
            None => self.copied_root_security()?,
        };
        let mut parameters = Vec::new();
        for name in path_parameters(at.path) {
            parameters.push(Parameter { name: self.keep(name, place)?, location: Location::Path, required: true });
        }
        // RAML 0.8 asks for nothing but what it says is required; 1.0 the other way round.
        let usually = self.version == Version::V10;
        parameters.extend(draft.parameters.into_iter().map(|found| Parameter {
            required: found.required.unwrap_or(usually && found.location != Location::FormData),
            name: found.name,
            location: found.location,
        }));
        let (responses, media): (Vec<String>, Vec<Vec<String>>) = draft.responses.into_iter().unzip();
        Ok(Endpoint {
            method: at.word.to_ascii_uppercase(),
            path: self.keep(at.path, place)?,
            operation_id: draft.name,
            summary: draft.description,
            soap_action: None,
            deprecated: draft.deprecated.unwrap_or(false),
            parameters,
            body: if draft.has_body { Body::Optional } else { Body::None },
            request_media_types: distinct(draft.request_media_types),
            response_media_types: distinct(media.into_iter().flatten().collect()),
            responses,
            security,
            servers: base.own_servers(&draft.protocols),
        })
    }

    fn copied_root_security(&mut self) -> Read<Vec<Vec<Requirement>>> {
        let copies = self
            .root_security
            .iter()
            .map(|all| 1 + all.len() + all.iter().map(|part| part.scopes.len()).sum::<usize>());
        let steps = copies.sum();
        self.count(steps)?;
        Ok(self.root_security.clone())
    }

    /// The method and its traits, the resource's traits, then the same of the types that the resource is of.
    fn parts(&mut self, at: &MethodAt<'_, 't>, place: &Place<'_>) -> Read<Vec<Value<'t>>> {
        let mut parts = Vec::new();
        for layer in at.layers {
            let layer = self.bound(layer, at.word);
            let written = [at.word.to_owned(), format!("{}?", at.word)];
            for key in written {
                let Some(method) = self.get(&layer, &key) else { continue };
                let method = self.look(&method, place)?;
                parts.push(method.clone());
                self.traits(&method, at, (place, 0), &mut parts)?;
            }
            self.traits(&layer, at, (place, 0), &mut parts)?;
        }
        Ok(parts)
    }

    /// A layer whose parameters know the method.
    fn bound(&self, layer: &Value<'t>, method: &'static str) -> Value<'t> {
        match &layer.scope.bindings {
            None => layer.clone(),
            Some(bindings) => {
                let mut bindings = (**bindings).clone();
                bindings.method = Some(method);
                layer.clone().with_bindings(bindings)
            }
        }
    }

    fn traits(
        &mut self,
        by: &Value<'t>,
        at: &MethodAt<'_, 't>,
        (place, depth): (&Place<'_>, usize),
        parts: &mut Vec<Value<'t>>,
    ) -> Read<()> {
        let Some(written) = self.get(by, "is") else { return Ok(()) };
        let place = place.key("is");
        if depth > TRAITS {
            self.not_followed(&place, "traits that lead to one another in a circle, or too many of them");
            return Ok(());
        }
        for (index, item) in self.items(&written, &place)?.iter().enumerate() {
            let place = place.index(index);
            let used = Use { resource: at.resource, method: Some(at.word) };
            let Some(found) = self.used(&TRAIT, item, used, &place)? else { continue };
            parts.push(found.clone());
            self.traits(&found, at, (&place, depth + 1), parts)?;
        }
        Ok(())
    }

    fn fold(&mut self, draft: &mut Draft, part: &Value<'t>, place: &Place<'_>) -> Read<()> {
        let Some(part) = self.map(part, place)? else { return Ok(()) };
        for (key, value) in self.entries(&part, place)? {
            let here = place.key(&key);
            match &*key {
                "queryParameters" => self.parameters(draft, Location::Query, &value, &here)?,
                "headers" => self.parameters(draft, Location::Header, &value, &here)?,
                "queryString" => self.query_string(draft, &value, &here)?,
                "body" => {
                    draft.has_body = true;
                    let media_types = self.body(Some(draft), &value, &here)?;
                    draft.request_media_types.extend(media_types);
                }
                "responses" => self.responses(draft, &value, &here)?,
                "securedBy" if draft.security.is_none() => draft.security = self.secured_by(Some(value), place)?,
                key if KNOWN.contains(&key) || key.starts_with('(') => {}
                _ => self.not_understood(&here, format_args!("`{}` is no key of a method", shown(&key))),
            }
        }
        if draft.name.is_none() {
            draft.name = self.text_at(&part, "displayName", place)?;
        }
        if draft.description.is_none() {
            draft.description = self.text_at(&part, "description", place)?;
        }
        if draft.protocols.is_empty() {
            draft.protocols = self.protocols(&part, place)?;
        }
        if draft.deprecated.is_none() {
            draft.deprecated = self.deprecated(&part, place)?;
        }
        Ok(())
    }

    /// `(deprecated)`, of any library, with any value but `false`.
    fn deprecated(&mut self, value: &Value<'t>, place: &Place<'_>) -> Read<Option<bool>> {
        let Node::Map(map) = value.node else { return Ok(None) };
        self.count(1 + map.len() / 16)?;
        let is_it = |key: &&str| {
            let name = key.strip_prefix('(').and_then(|key| key.strip_suffix(')')).unwrap_or_default();
            name.rsplit('.').next().unwrap_or_default().eq_ignore_ascii_case("deprecated")
        };
        let Some(key) = map.iter().map(|(key, _)| key).find(is_it) else { return Ok(None) };
        let Some(found) = self.get(value, key) else { return Ok(None) };
        let found = self.look(&found, place)?;
        let text = if found.node.as_map().is_some() { None } else { self.text(&found, place)? };
        Ok(Some(text.as_deref() != Some("false")))
    }

    fn parameters(&mut self, draft: &mut Draft, location: Location, value: &Value<'t>, place: &Place<'_>) -> Read<()> {
        for (name, value) in self.entries(value, place)? {
            let here = place.key(&name);
            let value = self.look(&value, &here)?;
            let mut required = self.truth_at(&value, "required", &here)?;
            let is_template = value.scope.bindings.is_some();
            let mut name = &*name;
            let mut is_optional = false;
            match name.strip_suffix('?') {
                // In a trait or type: what is not there is not made.
                Some(stem) if self.version == Version::V08 && is_template => (name, is_optional) = (stem, true),
                // It need not be given. Where `required` is said, the mark is a part of the name.
                Some(stem) if self.version == Version::V10 && required.is_none() => {
                    (name, required) = (stem, Some(false))
                }
                _ => {}
            }
            self.count(4 + draft.parameters.len() / 16)?;
            let same = |known: &&mut DraftParameter| known.location == location && known.name == name;
            match draft.parameters.iter_mut().find(same) {
                Some(known) => known.required = known.required.or(required),
                None if is_optional => {}
                None => {
                    let name = self.keep(name, &here)?;
                    draft.parameters.push(DraftParameter { name, location, required });
                }
            }
        }
        Ok(())
    }

    /// The whole query as one type: its own properties are parameters, another type's are not looked up.
    fn query_string(&mut self, draft: &mut Draft, value: &Value<'t>, place: &Place<'_>) -> Read<()> {
        let value = self.look(value, place)?;
        if let Some(properties) = self.get(&value, "properties") {
            self.parameters(draft, Location::Query, &properties, &place.key("properties"))?;
        }
        let of_type = match value.node {
            Node::Map(_) => self.text_at(&value, "type", place)?.is_some_and(|name| name != "object"),
            Node::Null => false,
            _ => true,
        };
        if of_type {
            self.not_understood(place, "a query string by a type: the parameters that the type brings are not known");
        }
        Ok(())
    }

    /// The media types of a body: its keys, or the document's where it is a type. Form fields of 0.8 are parameters.
    fn body(&mut self, mut draft: Option<&mut Draft>, value: &Value<'t>, place: &Place<'_>) -> Read<Vec<String>> {
        let value = self.look(value, place)?;
        let mut media_types = Vec::new();
        if let Node::Map(_) = value.node {
            for (key, entry) in self.entries(&value, place)?.into_iter().filter(|(key, _)| key.contains('/')) {
                let media_type = key.trim_end_matches('?');
                media_types.push(self.keep(media_type, place)?);
                if let Some(draft) = &mut draft
                    && FORMS.contains(&media_type)
                {
                    let here = place.key(&key);
                    let entry = self.look(&entry, &here)?;
                    if let Some(fields) = self.get(&entry, "formParameters") {
                        self.parameters(draft, Location::FormData, &fields, &here)?;
                    }
                }
            }
        }
        if media_types.is_empty() {
            let defaults = self.default_media_types.clone();
            self.count(defaults.len())?;
            media_types = defaults;
        }
        Ok(media_types)
    }

    fn responses(&mut self, draft: &mut Draft, value: &Value<'t>, place: &Place<'_>) -> Read<()> {
        for (code, response) in self.entries(value, place)? {
            let here = place.key(&code);
            let is_optional = code.ends_with('?');
            let code = code.trim_end_matches('?');
            let response = self.look(&response, &here)?;
            let media_types = match self.get(&response, "body") {
                Some(body) => self.body(None, &body, &here.key("body"))?,
                None => Vec::new(),
            };
            self.count(4 + draft.responses.len() / 16)?;
            match draft.responses.iter_mut().find(|(known, _)| known == code) {
                Some((_, known)) => known.extend(media_types),
                None if is_optional => {}
                None => {
                    let code = self.keep(code, &here)?;
                    draft.responses.push((code, media_types));
                }
            }
        }
        Ok(())
    }
}

/// The names between braces, each once.
fn path_parameters(path: &str) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for name in path.split('{').skip(1).filter_map(|part| part.split_once('}').map(|(name, _)| name)) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// Each text once, where it stood first.
fn distinct(texts: Vec<String>) -> Vec<String> {
    let mut seen = std::collections::HashSet::new();
    texts.into_iter().filter(|text| seen.insert(text.clone())).collect()
}
