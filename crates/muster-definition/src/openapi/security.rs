//! What a caller has to prove.

use crate::definition::{Requirement, SecurityScheme};
use crate::error::DefinitionError;
use crate::node::{Map, Node, Place};
use crate::openapi::Dialect;
use crate::openapi::reader::Reader;

impl<'a> Reader<'a> {
    /// What the document declares.
    pub(super) fn security_schemes(&mut self, map: &'a Map<'a>) -> Result<Vec<SecurityScheme>, DefinitionError> {
        let root = &Place::Root;
        let components = root.key("components");
        let (declared, place) = if self.dialect == Dialect::Swagger2 {
            (map.get("securityDefinitions"), root.key("securityDefinitions"))
        } else {
            let found = self.map_at(map, "components", root);
            (found.and_then(|found| found.get("securitySchemes")), components.key("securitySchemes"))
        };
        let mut schemes = Vec::new();
        let Some((declared, file)) = declared.map_or(Ok(None), |found| self.resolve_with_file(found, &place))? else {
            return Ok(schemes);
        };
        let declared = self.as_map(declared, &place);
        for (name, node) in declared.into_iter().flat_map(Map::iter) {
            let place = place.key(name);
            let Some(node) = self.within(file, |reader| reader.resolve(node, &place))? else { continue };
            let Some(scheme) = self.as_map(node, &place) else { continue };
            schemes.push(self.security_scheme(name, scheme, &place)?);
        }
        Ok(schemes)
    }

    fn security_scheme(
        &mut self,
        name: &str,
        map: &'a Map<'a>,
        place: &Place<'_>,
    ) -> Result<SecurityScheme, DefinitionError> {
        let mut found = SecurityScheme {
            name: self.keep(name, place)?,
            kind: self.text_at(map, "type", place)?.unwrap_or_default(),
            scheme: None,
            location: None,
            parameter: None,
            flows: Vec::new(),
        };
        match found.kind.as_str() {
            "apiKey" => {
                found.location = self.text_at(map, "in", place)?;
                found.parameter = self.text_at(map, "name", place)?;
            }
            "http" => found.scheme = self.text_at(map, "scheme", place)?.map(|scheme| scheme.to_lowercase()),
            "basic" => {
                found.kind = "http".to_owned();
                found.scheme = Some("basic".to_owned());
            }
            "oauth2" if self.dialect == Dialect::Swagger2 => {
                found.flows.extend(self.text_at(map, "flow", place)?.map(flow_of_today));
            }
            "oauth2" => {
                let flows = self.map_at(map, "flows", place);
                for (flow, _) in flows.into_iter().flat_map(Map::iter).filter(|(flow, _)| !flow.starts_with("x-")) {
                    found.flows.push(self.keep(flow, place)?);
                }
            }
            "openIdConnect" | "mutualTLS" => {}
            "" => self.odd(place, "a security scheme without `type`"),
            _ => self.odd(&place.key("type"), "no type of security scheme that the format has"),
        }
        Ok(found)
    }

    /// What `security` asks for: one of these, all of its parts. Nothing where it is not there or nothing of it can be
    /// read: then what holds above holds here.
    pub(super) fn security_at(
        &mut self,
        map: &'a Map<'a>,
        schemes: &[SecurityScheme],
        place: &Place<'_>,
    ) -> Result<Option<Vec<Vec<Requirement>>>, DefinitionError> {
        let here = place.key("security");
        let items: &[Node<'a>] = match map.get("security") {
            None | Some(Node::Null) => return Ok(None),
            Some(Node::List(items)) => items,
            Some(single @ Node::Map(_)) => {
                self.odd(&here, "an object where a list belongs: read as a list of it");
                std::slice::from_ref(single)
            }
            Some(other) => {
                self.skip(&here, format_args!("{} where a list belongs", other.kind()));
                return Ok(None);
            }
        };
        let mut alternatives = Vec::new();
        for (index, item) in items.iter().enumerate() {
            alternatives.extend(self.alternative(item, schemes, &here.index(index))?);
        }
        if alternatives.is_empty() && !items.is_empty() {
            return Ok(None);
        }
        Ok(Some(alternatives))
    }

    fn alternative(
        &mut self,
        item: &'a Node<'a>,
        schemes: &[SecurityScheme],
        place: &Place<'_>,
    ) -> Result<Option<Vec<Requirement>>, DefinitionError> {
        if let Node::Text(name) = item {
            self.odd(place, "a text where an object belongs: read as the name of a security scheme");
            let scheme = self.keep(name, place)?;
            return Ok(Some(vec![Requirement { scheme, scopes: Vec::new() }]));
        }
        let Node::Map(parts) = item else {
            self.skip(place, format_args!("{} where an object belongs", item.kind()));
            return Ok(None);
        };
        self.count(1)?;
        let mut all = Vec::new();
        for (name, _) in parts.iter() {
            // The steps of the search are those of the schemes.
            self.count(1 + schemes.len() / 16)?;
            if schemes.iter().all(|scheme| scheme.name != name) {
                self.odd(&place.key(name), "a security scheme that the document does not declare");
            }
            let scheme = self.keep(name, place)?;
            let scopes = self.texts_at(parts, name, place)?.unwrap_or_default();
            all.push(Requirement { scheme, scopes });
        }
        Ok(Some(all))
    }
}

/// Swagger's word for a flow in OpenAPI 3's.
fn flow_of_today(flow: String) -> String {
    match flow.as_str() {
        "application" => "clientCredentials".to_owned(),
        "accessCode" => "authorizationCode".to_owned(),
        _ => flow,
    }
}
