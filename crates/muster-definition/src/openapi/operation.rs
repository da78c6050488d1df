//! One operation.

use crate::definition::{Body, Endpoint, Location, Parameter, SecurityScheme, Server};
use crate::error::DefinitionError;
use crate::node::{Map, Node, Place, shown};
use crate::openapi::reader::Reader;
use crate::openapi::{Dialect, Document};

/// What holds for an operation unless it says otherwise.
pub(super) struct Shared<'s> {
    pub(super) document: &'s Document,
    pub(super) schemes: &'s [SecurityScheme],
    pub(super) parameters: &'s Parameters,
    pub(super) servers: &'s [Server],
}

/// Parameters, and Swagger's body among them.
#[derive(Default)]
pub(super) struct Parameters {
    listed: Vec<Parameter>,
    body: Option<Body>,
}

/// What a list of parameters says of one.
enum Said {
    Parameter(Parameter),
    Body(Body),
}

impl<'a> Reader<'a> {
    /// An endpoint without its method and path; an operation that is null says nothing.
    pub(super) fn endpoint(
        &mut self,
        operation: Option<&'a Map<'a>>,
        shared: &Shared<'_>,
        place: &Place<'_>,
    ) -> Result<Endpoint, DefinitionError> {
        let own = self.parameters(operation.and_then(|operation| operation.get("parameters")), place)?;
        let parameters = self.merged(own.listed, &shared.parameters.listed)?;
        let mut endpoint = Endpoint {
            method: String::new(),
            path: String::new(),
            operation_id: None,
            summary: None,
            soap_action: None,
            deprecated: false,
            parameters,
            body: own.body.or(shared.parameters.body).unwrap_or(Body::None),
            request_media_types: Vec::new(),
            response_media_types: Vec::new(),
            responses: Vec::new(),
            security: Vec::new(),
            servers: shared.servers.to_vec(),
        };
        self.count_copies(shared.servers.iter().map(|server| &server.url))?;
        let mut security = None;
        if let Some(operation) = operation {
            endpoint.operation_id = self.text_at(operation, "operationId", place)?;
            endpoint.summary = self.text_at(operation, "summary", place)?;
            endpoint.deprecated = self.truth_at(operation, "deprecated", place);
            security = self.security_at(operation, shared.schemes, place)?;
        }
        endpoint.security = match security {
            Some(own) => own,
            None => {
                let document = &shared.document.security;
                for part in document.iter().flatten() {
                    self.count_copies(std::iter::once(&part.scheme).chain(&part.scopes))?;
                }
                self.count(document.len())?;
                document.clone()
            }
        };
        let Some(operation) = operation else { return Ok(endpoint) };
        if self.dialect == Dialect::Swagger2 {
            self.swagger_content(operation, shared.document, place, &mut endpoint)?;
        } else {
            self.request_body(operation, place, &mut endpoint)?;
            if let Some(servers) = self.servers_at(operation, place)? {
                endpoint.servers = servers;
            }
        }
        self.responses(operation, place, &mut endpoint)?;
        Ok(endpoint)
    }

    /// The operation's parameters before the path's; the same name at the same place is the operation's.
    fn merged(&mut self, own: Vec<Parameter>, shared: &[Parameter]) -> Result<Vec<Parameter>, DefinitionError> {
        let mut all = own;
        let mine = all.len();
        for parameter in shared {
            self.count(1 + mine / 16)?;
            let same = |own: &Parameter| own.location == parameter.location && own.name == parameter.name;
            if !all[..mine].iter().any(same) {
                self.count_copies([&parameter.name])?;
                all.push(parameter.clone());
            }
        }
        Ok(all)
    }

    pub(super) fn parameters(
        &mut self,
        node: Option<&'a Node<'a>>,
        place: &Place<'_>,
    ) -> Result<Parameters, DefinitionError> {
        let mut found = Parameters::default();
        let place = place.key("parameters");
        let list = match node {
            None | Some(Node::Null) => return Ok(found),
            Some(Node::List(list)) => list,
            Some(other) => {
                self.skip(&place, format_args!("{} where a list belongs", other.kind()));
                return Ok(found);
            }
        };
        for (index, node) in list.iter().enumerate() {
            let place = place.index(index);
            self.count(1 + found.listed.len() / 16)?;
            let Some(node) = self.resolve(node, &place)? else { continue };
            match self.parameter(node, &place)? {
                None => {}
                Some(Said::Body(body)) => found.body = Some(body),
                Some(Said::Parameter(one)) => {
                    let same = |known: &Parameter| known.location == one.location && known.name == one.name;
                    if found.listed.iter().any(same) {
                        let message = format!("{} `{}` is there already", one.location.word(), shown(&one.name));
                        self.skip(&place, message);
                    } else {
                        found.listed.push(one);
                    }
                }
            }
        }
        Ok(found)
    }

    fn parameter(&mut self, node: &'a Node<'a>, place: &Place<'_>) -> Result<Option<Said>, DefinitionError> {
        let Some(map) = node.as_map() else {
            self.skip(place, format_args!("{} where a parameter belongs", node.kind()));
            return Ok(None);
        };
        let word = self.text_at(map, "in", place)?.unwrap_or_default();
        let required = self.truth_at(map, "required", place);
        if word == "body" && self.dialect == Dialect::Swagger2 {
            return Ok(Some(Said::Body(if required { Body::Required } else { Body::Optional })));
        }
        let known = Location::of_word(&word).filter(|location| match location {
            Location::FormData => self.dialect == Dialect::Swagger2,
            Location::Cookie => self.dialect > Dialect::Swagger2,
            Location::QueryString => self.dialect == Dialect::OpenApi32,
            Location::Path | Location::Query | Location::Header => true,
        });
        let Some(location) = known else {
            let message = format!("a parameter in `{}`, which {} does not have", shown(&word), self.dialect.name());
            self.skip(place, message);
            return Ok(None);
        };
        let Some(name) = self.text_at(map, "name", place)? else {
            self.skip(place, "a parameter without `name`");
            return Ok(None);
        };
        if location == Location::Path && !required {
            self.odd(place, "a parameter of the path that is not marked as required: it is");
        }
        Ok(Some(Said::Parameter(Parameter { name, location, required: required || location == Location::Path })))
    }

    /// Swagger 2.0: `consumes` and `produces`, the operation's or the document's.
    fn swagger_content(
        &mut self,
        operation: &'a Map<'a>,
        document: &Document,
        place: &Place<'_>,
        endpoint: &mut Endpoint,
    ) -> Result<(), DefinitionError> {
        self.count_copies(document.consumes.iter().chain(&document.produces))?;
        let takes_content = endpoint.body != Body::None
            || endpoint.parameters.iter().any(|parameter| parameter.location == Location::FormData);
        if takes_content {
            let own = self.texts_at(operation, "consumes", place)?;
            endpoint.request_media_types = distinct(own.unwrap_or_else(|| document.consumes.clone()));
        }
        let own = self.texts_at(operation, "produces", place)?;
        endpoint.response_media_types = distinct(own.unwrap_or_else(|| document.produces.clone()));
        Ok(())
    }

    fn request_body(
        &mut self,
        operation: &'a Map<'a>,
        place: &Place<'_>,
        endpoint: &mut Endpoint,
    ) -> Result<(), DefinitionError> {
        let place = place.key("requestBody");
        let Some(node) = operation.get("requestBody") else { return Ok(()) };
        let Some(node) = self.resolve(node, &place)? else {
            endpoint.body = Body::Optional;
            return Ok(());
        };
        let Some(body) = self.as_map(node, &place) else { return Ok(()) };
        endpoint.body = if self.truth_at(body, "required", &place) { Body::Required } else { Body::Optional };
        self.content(body, &place, &mut endpoint.request_media_types)
    }

    /// The codes of the responses, and in OpenAPI 3 their media types.
    fn responses(
        &mut self,
        operation: &'a Map<'a>,
        place: &Place<'_>,
        endpoint: &mut Endpoint,
    ) -> Result<(), DefinitionError> {
        let responses = self.map_at(operation, "responses", place);
        let place = place.key("responses");
        for (code, node) in responses.into_iter().flat_map(Map::iter).filter(|(code, _)| !code.starts_with("x-")) {
            let place = place.key(code);
            endpoint.responses.push(self.keep(code, &place)?);
            if self.dialect > Dialect::Swagger2
                && let Some(node) = self.resolve(node, &place)?
                && let Some(response) = self.as_map(node, &place)
            {
                self.content(response, &place, &mut endpoint.response_media_types)?;
            }
        }
        endpoint.response_media_types = distinct(std::mem::take(&mut endpoint.response_media_types));
        Ok(())
    }

    fn content(
        &mut self,
        map: &'a Map<'a>,
        place: &Place<'_>,
        media_types: &mut Vec<String>,
    ) -> Result<(), DefinitionError> {
        let content = self.map_at(map, "content", place);
        for (media_type, _) in content.into_iter().flat_map(Map::iter).filter(|(name, _)| !name.starts_with("x-")) {
            media_types.push(self.keep(media_type, place)?);
        }
        Ok(())
    }
}

/// Each text once, where it stood first.
fn distinct(texts: Vec<String>) -> Vec<String> {
    let mut seen = std::collections::HashSet::new();
    texts.into_iter().filter(|text| seen.insert(text.clone())).collect()
}
