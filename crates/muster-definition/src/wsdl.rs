//! WSDL 1.1: each operation of a binding over HTTP, at the address of each of its ports.

mod xml;

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::definition::{Body, Definition, Endpoint, Format, Location, NoteKind, Parameter, Server, Syntax};
use crate::error::DefinitionError;
use crate::files::Files;
use crate::limits::Limit;
use crate::node::{Place, shown};
use crate::package::FileId;

use xml::{Element, Name};

const WSDL: &str = "http://schemas.xmlsoap.org/wsdl/";
const WSDL_2: &str = "http://www.w3.org/ns/wsdl";
const SOAP: &str = "http://schemas.xmlsoap.org/wsdl/soap/";
const SOAP_12: &str = "http://schemas.xmlsoap.org/wsdl/soap12/";
const HTTP: &str = "http://schemas.xmlsoap.org/wsdl/http/";
/// The transports that are HTTP.
const OVER_HTTP: &[&str] = &[
    "http://schemas.xmlsoap.org/soap/http",
    "http://schemas.xmlsoap.org/soap/http/",
    "http://www.w3.org/2003/05/soap/bindings/HTTP/",
];

/// The documents of one definition, the root file's first.
struct Documents {
    roots: Vec<Element>,
    bindings: HashMap<Name, Binding>,
}

/// A binding that can be called.
struct Binding {
    kind: Kind,
    operations: Vec<Operation>,
}

struct Operation {
    name: String,
    soap_action: Option<String>,
    /// Of a binding without SOAP.
    location: String,
}

#[derive(Clone)]
enum Kind {
    Soap {
        media_type: &'static str,
    },
    Http {
        verb: String,
    },
    /// Why it cannot be called over HTTP, as far as is known.
    Unknown(String),
}

struct Reader<'p> {
    files: &'p Files<'p>,
    steps: usize,
}

pub(crate) fn read<'p>(files: &'p Files<'p>) -> Result<Definition, DefinitionError> {
    let mut reader = Reader { files, steps: 0 };
    let documents = reader.documents()?;
    let mut found = Found::default();
    let mut title = None;
    for root in &documents.roots {
        for service in children(root, WSDL, "service") {
            title = title.or_else(|| service.get("name"));
            for port in children(service, WSDL, "port") {
                reader.port(port, &documents.bindings, &mut found)?;
            }
        }
    }
    let title = title.or_else(|| documents.roots.first().and_then(|root| root.get("name")));
    let title = title.map(|title| reader.keep(title)).transpose()?;
    if found.endpoints.is_empty() && found.ports == 0 {
        files.note(NoteKind::Odd, &Place::Root, "no service has a port: it says nowhere where it is served");
    }
    let several = found.origins.len() > 1;
    let servers = found.origins.iter().map(|origin| server(origin)).collect();
    let endpoints = found.endpoints.into_iter().map(|(origins, mut endpoint)| {
        if several && origins.len() < found.origins.len() {
            endpoint.servers = origins.iter().map(|origin| server(origin)).collect();
        }
        endpoint
    });
    let endpoints = endpoints.collect();
    let (partial, notes, notes_left_out) = files.take_notes();
    Ok(Definition {
        format: Format::Wsdl,
        format_version: "1.1".to_owned(),
        syntax: Syntax::Xml,
        title,
        api_version: None,
        servers,
        security_schemes: Vec::new(),
        endpoints,
        outgoing: Vec::new(),
        partial,
        notes,
        notes_left_out,
    })
}

/// What the ports lead to.
#[derive(Default)]
struct Found {
    ports: usize,
    /// Where services are served, in order.
    origins: Vec<String>,
    endpoints: Vec<(Vec<String>, Endpoint)>,
    /// The position of each endpoint: two ports at one address are one.
    by_key: BTreeMap<(String, String), usize>,
}

impl Reader<'_> {
    fn count(&mut self, steps: usize) -> Result<(), DefinitionError> {
        self.steps = self.steps.saturating_add(steps);
        if self.steps > self.files.limits.steps {
            return Err(DefinitionError::Limit { limit: Limit::Steps, allowed: self.files.limits.steps });
        }
        Ok(())
    }

    fn keep(&mut self, text: &str) -> Result<String, DefinitionError> {
        let most = self.files.limits.text_bytes;
        self.count(2 + text.len().min(most) / 64)?;
        if text.len() > most {
            self.files.note(NoteKind::Cut, &Place::Root, format!("a text longer than {most} bytes: cut"));
        }
        Ok(text[..text.floor_char_boundary(most.min(text.len()))].to_owned())
    }

    /// The root file, and what it imports inside the package, each once.
    fn documents(&mut self) -> Result<Documents, DefinitionError> {
        let mut documents = Documents { roots: Vec::new(), bindings: HashMap::new() };
        let mut waiting = vec![self.files.main()];
        let mut known: HashSet<FileId> = waiting.iter().copied().collect();
        let mut at = 0;
        while let Some(&file) = waiting.get(at) {
            at += 1;
            let Some(root) = self.document(file)? else { continue };
            for import in children(&root, WSDL, "import") {
                let location = import.get("location").unwrap_or_default();
                match self.files.find(file, location.trim()) {
                    Ok(imported) if known.insert(imported) => waiting.push(imported),
                    Ok(_) => {}
                    Err(why) => {
                        let message = format!("the import `{}` {why}", shown(location));
                        self.files.note(NoteKind::NotFollowed, &self.files.root(file), message);
                    }
                }
            }
            self.bindings(&root, file, &mut documents.bindings)?;
            documents.roots.push(root);
        }
        Ok(documents)
    }

    /// Nothing where an imported file is no WSDL; the root file must be.
    fn document(&mut self, file: FileId) -> Result<Option<Element>, DefinitionError> {
        let read = |reader: &Self| {
            let root = xml::parse(reader.files.text(file)?, reader.files, "types")?;
            if root.name.space == WSDL_2 {
                let version = "2.0".to_owned();
                return Err(DefinitionError::Version { key: "WSDL", version, known: "1.1 is" });
            }
            Ok(root)
        };
        let root = match read(self) {
            Ok(root) => root,
            Err(error @ DefinitionError::Limit { .. }) => return Err(error),
            Err(error) if file == self.files.main() => return Err(error),
            Err(error) => {
                self.files.note(NoteKind::NotFollowed, &self.files.root(file), error);
                return Ok(None);
            }
        };
        if root.name == (Name { space: WSDL.to_owned(), local: "definitions".to_owned() }) {
            return Ok(Some(root));
        }
        let name = shown(&root.name.local).into_owned();
        if file == self.files.main() {
            return Err(DefinitionError::NotADefinition { seen: crate::Seen::Xml(name) });
        }
        // Imports of schemas are no concern of endpoints.
        if root.name.local != "schema" {
            let message = format!("an XML document `{name}` where WSDL belongs");
            self.files.note(NoteKind::NotFollowed, &self.files.root(file), message);
        }
        Ok(None)
    }

    fn bindings(
        &mut self,
        root: &Element,
        file: FileId,
        bindings: &mut HashMap<Name, Binding>,
    ) -> Result<(), DefinitionError> {
        let space = root.get("targetNamespace").unwrap_or_default();
        if has_policy(root) {
            let message = "`Policy` is not read: what it asks of callers is not known";
            self.files.note(NoteKind::NotUnderstood, &self.files.root(file), message);
        }
        for binding in children(root, WSDL, "binding") {
            let Some(name) = binding.get("name") else { continue };
            let name = Name { space: space.to_owned(), local: name.to_owned() };
            let mut operations = Vec::new();
            for operation in children(binding, WSDL, "operation") {
                self.count(1 + operation.children.len())?;
                let Some(name) = operation.get("name") else { continue };
                let of = |spaces: &[&str]| {
                    let is_one =
                        |child: &&Element| child.name.local == "operation" && spaces.contains(&&*child.name.space);
                    operation.children.iter().find(is_one)
                };
                let soap_action = of(&[SOAP, SOAP_12]).and_then(|soap| soap.get("soapAction"));
                let location = of(&[HTTP]).and_then(|http| http.get("location")).unwrap_or_default();
                operations.push(Operation {
                    name: self.keep(name)?,
                    soap_action: soap_action.map(|action| self.keep(action)).transpose()?,
                    location: self.keep(location)?,
                });
            }
            bindings.entry(name).or_insert(Binding { kind: kind(binding), operations });
        }
        Ok(())
    }

    fn port(
        &mut self,
        port: &Element,
        bindings: &HashMap<Name, Binding>,
        found: &mut Found,
    ) -> Result<(), DefinitionError> {
        found.ports += 1;
        let place = Place::Root;
        let place = place.key("port");
        let name = port.get("name").unwrap_or_default();
        let place = place.key(name);
        let files = self.files;
        let missing = |kind, message: String| files.note(kind, &place, message);
        let Some(binding) = port.name_at("binding") else {
            missing(NoteKind::Skipped, "a port without `binding`".to_owned());
            return Ok(());
        };
        let Some(of) = bindings.get(binding) else {
            missing(NoteKind::NotFollowed, format!("the binding `{}` is declared nowhere", shown(&binding.local)));
            return Ok(());
        };
        if let Kind::Unknown(why) = &of.kind {
            missing(NoteKind::NotUnderstood, format!("the binding `{}` is {why}", shown(&binding.local)));
            return Ok(());
        }
        let address =
            port.children.iter().filter(|child| child.name.local == "address").find_map(|child| child.get("location"));
        let Some(address) = address.map(str::trim).filter(|address| !address.is_empty()) else {
            missing(NoteKind::NotUnderstood, "a port without an address".to_owned());
            return Ok(());
        };
        let (origin, path) = split(address);
        let origin = self.keep(origin)?;
        if !origin.is_empty() && !found.origins.contains(&origin) {
            found.origins.push(origin.clone());
        }
        for operation in &of.operations {
            self.operation(operation, &of.kind, (&origin, path), found)?;
        }
        Ok(())
    }

    fn operation(
        &mut self,
        operation: &Operation,
        kind: &Kind,
        (origin, path): (&String, &str),
        found: &mut Found,
    ) -> Result<(), DefinitionError> {
        // What it takes: texts made, looked up and kept.
        self.count(8)?;
        let (method, path) = match kind {
            Kind::Http { verb } => (verb.clone(), format!("{path}{}", operation.location)),
            _ => ("POST".to_owned(), format!("{path}#{}", operation.name)),
        };
        let path = self.keep(&path)?;
        let media_types = match kind {
            Kind::Soap { media_type } => vec![(*media_type).to_owned()],
            _ => Vec::new(),
        };
        if let Some(&known) = found.by_key.get(&(method.clone(), path.clone())) {
            let (origins, endpoint) = &mut found.endpoints[known];
            self.count(1 + origins.len() / 16)?;
            if !origins.contains(origin) && !origin.is_empty() {
                origins.push(origin.clone());
            }
            for media_type in media_types {
                if !endpoint.request_media_types.contains(&media_type) {
                    endpoint.request_media_types.push(media_type.clone());
                    endpoint.response_media_types.push(media_type);
                }
            }
            return Ok(());
        }
        if found.endpoints.len() == self.files.limits.endpoints {
            return Err(DefinitionError::Limit { limit: Limit::Endpoints, allowed: self.files.limits.endpoints });
        }
        let is_soap = matches!(kind, Kind::Soap { .. });
        // SOAP 1.2 has it in the media type.
        let header = matches!(kind, Kind::Soap { media_type: "text/xml" });
        let name = || Parameter { name: "SOAPAction".to_owned(), location: Location::Header, required: true };
        found.by_key.insert((method.clone(), path.clone()), found.endpoints.len());
        let endpoint = Endpoint {
            method,
            path,
            operation_id: Some(self.keep(&operation.name)?),
            summary: None,
            soap_action: operation.soap_action.clone().filter(|action| !action.is_empty()),
            deprecated: false,
            parameters: header.then(name).into_iter().collect(),
            body: if is_soap { Body::Required } else { Body::None },
            request_media_types: media_types.clone(),
            response_media_types: media_types,
            responses: Vec::new(),
            security: Vec::new(),
            servers: Vec::new(),
        };
        found.endpoints.push((vec![origin.clone()], endpoint));
        Ok(())
    }
}

fn children<'e>(element: &'e Element, space: &'e str, local: &'e str) -> impl Iterator<Item = &'e Element> {
    element.children.iter().filter(move |child| child.name.local == local && child.name.space == space)
}

/// How a binding is called.
fn kind(binding: &Element) -> Kind {
    for child in binding.children.iter().filter(|child| child.name.local == "binding") {
        let over_http = || OVER_HTTP.contains(&child.get("transport").unwrap_or(OVER_HTTP[0]));
        match &*child.name.space {
            SOAP if over_http() => return Kind::Soap { media_type: "text/xml" },
            SOAP_12 if over_http() => return Kind::Soap { media_type: "application/soap+xml" },
            SOAP | SOAP_12 => {
                let transport = shown(child.get("transport").unwrap_or_default());
                return Kind::Unknown(format!("over `{transport}`, which is not HTTP"));
            }
            HTTP => return Kind::Http { verb: child.get("verb").unwrap_or("GET").trim().to_ascii_uppercase() },
            _ => {}
        }
    }
    Kind::Unknown("of a kind that is not known".to_owned())
}

/// Whether a policy stands anywhere but in what is left out. Depth is bounded by the parser.
fn has_policy(element: &Element) -> bool {
    let is_one = |child: &Element| ["Policy", "PolicyReference"].contains(&&*child.name.local) || has_policy(child);
    element.children.iter().any(is_one)
}

fn server(origin: &str) -> Server {
    Server { url: origin.to_owned(), template: None }
}

/// Scheme and host of an address, and its path.
fn split(address: &str) -> (&str, &str) {
    let start = address.find("://").map_or(0, |at| at + 3);
    let end = address[start..].find(['/', '?', '#']).map_or(address.len(), |at| start + at);
    let (origin, rest) = if start == 0 { ("", address) } else { address.split_at(end) };
    let path = &rest[..rest.find(['?', '#']).unwrap_or(rest.len())];
    (origin, if path.is_empty() { "/" } else { path })
}

#[cfg(test)]
mod tests;
