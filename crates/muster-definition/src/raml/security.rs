//! What a caller has to prove.

use crate::definition::{Requirement, SecurityScheme};
use crate::node::{Node, Place, shown};
use crate::raml::application::SECURITY_SCHEME;
use crate::raml::reader::{Read, Reader};
use crate::raml::value::Value;

/// A scheme that the document declares or uses, and where it stands: two libraries may use one name.
pub(super) struct KnownScheme {
    pub(super) scheme: SecurityScheme,
    /// The address of its node: the same node is the same scheme.
    node: usize,
}

impl<'t> Reader<'t> {
    /// The schemes that the document itself declares.
    pub(super) fn declared_schemes(&mut self, section: Option<Value<'t>>) -> Read<()> {
        let place = Place::Root.key("securitySchemes");
        let Some(section) = section else { return Ok(()) };
        for item in self.items(&section, &place)? {
            for (name, value) in self.entries(&item, &place)? {
                self.known_scheme(&name, &value, &place.key(&name))?;
            }
        }
        Ok(())
    }

    /// What `securedBy` asks for: one of these, all of its parts. Nothing where it is not there or nothing of it can be
    /// read: then what holds above holds here.
    pub(super) fn secured_by(
        &mut self,
        value: Option<Value<'t>>,
        place: &Place<'_>,
    ) -> Read<Option<Vec<Vec<Requirement>>>> {
        let Some(value) = value else { return Ok(None) };
        let place = place.key("securedBy");
        let mut alternatives = Vec::new();
        for (index, item) in self.items(&value, &place)?.iter().enumerate() {
            let place = place.index(index);
            // `null` in a list, and not what became of an include that leads nowhere.
            if matches!(item.node, Node::Null) {
                alternatives.push(Vec::new());
                continue;
            }
            let item = self.look(item, &place)?;
            match item.node {
                Node::Text(_) => {
                    let name = self.text(&item, &place)?.unwrap_or_default();
                    alternatives.push(vec![self.requirement(&name, None, &item, &place)?]);
                }
                Node::Map(_) => {
                    for (name, settings) in self.entries(&item, &place)? {
                        alternatives.push(vec![self.requirement(&name, Some(settings), &item, &place)?]);
                    }
                }
                Node::Null => {}
                other => self.not_understood(&place, format_args!("{} where a scheme belongs", other.kind())),
            }
        }
        Ok((!alternatives.is_empty()).then_some(alternatives))
    }

    fn requirement(
        &mut self,
        name: &str,
        settings: Option<Value<'t>>,
        by: &Value<'t>,
        place: &Place<'_>,
    ) -> Read<Requirement> {
        let name = name.trim();
        let scheme = match self.declared(&SECURITY_SCHEME, name, &by.scope.names, place)? {
            Some(found) => self.known_scheme(name, &found, place)?,
            None => {
                self.not_followed(place, format_args!("the security scheme `{}` is declared nowhere", shown(name)));
                self.keep(name, place)?
            }
        };
        let settings = settings.map_or(Ok(None), |settings| self.map(&settings, place))?;
        let scopes = settings.map_or(Ok(Vec::new()), |settings| self.texts_at(&settings, "scopes", place))?;
        Ok(Requirement { scheme, scopes })
    }

    /// The name of a scheme among those of the definition.
    fn known_scheme(&mut self, name: &str, value: &Value<'t>, place: &Place<'_>) -> Read<String> {
        let value = self.look(value, place)?;
        let node = std::ptr::from_ref(value.node) as usize;
        self.count(1 + self.schemes.len() / 16)?;
        if let Some(known) = self.schemes.iter().find(|known| known.node == node) {
            return self.keep(&known.scheme.name.clone(), place);
        }
        let mut name = self.keep(name, place)?;
        if self.schemes.iter().any(|known| known.scheme.name == name) {
            // Another scheme of another library.
            name = format!("{name} ({})", self.files.shown(value.scope.file));
        }
        let scheme = self.scheme(name.clone(), &value, place)?;
        self.schemes.push(KnownScheme { scheme, node });
        Ok(name)
    }

    fn scheme(&mut self, name: String, value: &Value<'t>, place: &Place<'_>) -> Read<SecurityScheme> {
        let kind = self.text_at(value, "type", place)?.unwrap_or_default();
        let mut found = SecurityScheme { name, kind, scheme: None, location: None, parameter: None, flows: Vec::new() };
        match found.kind.as_str() {
            "Basic Authentication" => http(&mut found, "basic"),
            "Digest Authentication" => http(&mut found, "digest"),
            "OAuth 2.0" => {
                found.kind = "oauth2".to_owned();
                if let Some(settings) = self.get(value, "settings")
                    && let Some(settings) = self.map(&settings, place)?
                {
                    let grants = self.texts_at(&settings, "authorizationGrants", place)?;
                    found.flows = grants.into_iter().map(flow).collect();
                }
            }
            "OAuth 1.0" => {}
            "" => self.odd(place, "a security scheme without `type`"),
            other if other == "Pass Through" || other.starts_with("x-") => {
                self.where_it_stands(value, place, &mut found)?
            }
            _ => self.odd(&place.key("type"), "no type of security scheme that RAML has"),
        }
        Ok(found)
    }

    /// The one header or query parameter that a scheme describes; of several none is it.
    fn where_it_stands(&mut self, value: &Value<'t>, place: &Place<'_>, found: &mut SecurityScheme) -> Read<()> {
        let Some(described) = self.get(value, "describedBy") else { return Ok(()) };
        let Some(described) = self.map(&described, place)? else { return Ok(()) };
        let mut places = Vec::new();
        for (key, location) in [("headers", "header"), ("queryParameters", "query")] {
            let Some(parameters) = self.get(&described, key) else { continue };
            for (name, _) in self.entries(&parameters, place)? {
                places.push((location, self.keep(name.trim_end_matches('?'), place)?));
            }
        }
        if let [(location, name)] = &places[..] {
            found.location = Some((*location).to_owned());
            found.parameter = Some(name.clone());
        }
        Ok(())
    }
}

fn http(found: &mut SecurityScheme, scheme: &str) {
    found.kind = "http".to_owned();
    found.scheme = Some(scheme.to_owned());
}

/// RAML's words for a flow (0.8's too) in OpenAPI 3's.
fn flow(grant: String) -> String {
    match grant.as_str() {
        "authorization_code" | "code" => "authorizationCode".to_owned(),
        "client_credentials" | "credentials" => "clientCredentials".to_owned(),
        "password" | "owner" => "password".to_owned(),
        "implicit" | "token" => "implicit".to_owned(),
        _ => grant,
    }
}
