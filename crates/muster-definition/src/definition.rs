//! What a definition says: the one shape that every format is read into.

use std::fmt;

use serde::Serialize;

use crate::node::Place;

/// What one document says of an API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Definition {
    /// What it is written in.
    pub format: Format,
    /// The version of the format, as written.
    pub format_version: String,
    /// How it is written.
    pub syntax: Syntax,
    /// `info.title`; `title` of RAML, the service's name of WSDL.
    pub title: Option<String>,
    /// `info.version` or `version`, as written.
    pub api_version: Option<String>,
    /// Where the API is served, in document order. Empty where the document does not say.
    pub servers: Vec<Server>,
    /// What the document declares, in its order.
    pub security_schemes: Vec<SecurityScheme>,
    /// What can be called, in document order.
    pub endpoints: Vec<Endpoint>,
    /// What the API calls at its callers' side: webhooks and callbacks. No endpoints.
    pub outgoing: Vec<Outgoing>,
    /// What stands in the document and not here: references that were not followed, and what is not understood. Empty:
    /// nothing is missing.
    pub partial: Vec<Note>,
    /// What was skipped, filled or odd.
    pub notes: Vec<Note>,
    /// How many more notes and reasons there were than are kept.
    pub notes_left_out: usize,
}

/// The family of formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Swagger 2.0.
    Swagger,
    /// OpenAPI 3.0, 3.1, 3.2.
    OpenApi,
    /// RAML 0.8, 1.0.
    Raml,
    /// WSDL 1.1.
    Wsdl,
}

/// How a document is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Syntax {
    Json,
    Yaml,
    Xml,
}

impl fmt::Display for Syntax {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Json => "JSON",
            Self::Yaml => "YAML",
            Self::Xml => "XML",
        })
    }
}

/// A place where the API is served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Server {
    /// The address: absolute, relative (`/v1`), or without a scheme (`//host/v1`) where the document names none.
    /// Variables are filled with their defaults; one without a default stays in its braces.
    pub url: String,
    /// The address as written, where it has variables.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
}

/// A way to prove who calls. Never a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SecurityScheme {
    /// The name that requirements use.
    pub name: String,
    /// `apiKey`, `http`, `oauth2`, `openIdConnect`, `mutualTLS`, or as written. Swagger's `basic` is `http`.
    pub kind: String,
    /// Of `http`: `basic`, `bearer`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheme: Option<String>,
    /// Of `apiKey`: `query`, `header` or `cookie`.
    #[serde(rename = "in", skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// Of `apiKey`: the name of the parameter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
    /// Of `oauth2`: the kinds of its flows, by their OpenAPI 3 names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub flows: Vec<String>,
}

/// One operation on one path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Endpoint {
    /// In capitals, but for methods of OpenAPI 3.2's `additionalOperations`, which stand as written.
    pub method: String,
    /// As written, without the server's. Of WSDL: the path of the address, `#`, the operation.
    pub path: String,
    /// As written; `displayName` of RAML.
    pub operation_id: Option<String>,
    /// As written; `description` of RAML.
    pub summary: Option<String>,
    /// Of SOAP: what tells the operation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub soap_action: Option<String>,
    /// Whether callers are told to leave it.
    pub deprecated: bool,
    /// The path's and the operation's; the operation's go first. Swagger's body is no parameter but [`Body`].
    pub parameters: Vec<Parameter>,
    /// Whether it takes a body.
    pub body: Body,
    /// The media types of the body.
    pub request_media_types: Vec<String>,
    /// The media types of all responses.
    pub response_media_types: Vec<String>,
    /// The responses' codes, as written: `200`, `4XX`, `default`.
    pub responses: Vec<String>,
    /// What a caller has to prove: one of these, all of its parts. Empty: nothing. An empty one among others: nothing
    /// will do, too.
    pub security: Vec<Vec<Requirement>>,
    /// Where the operation or its path says other than the document.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<Server>,
}

/// One parameter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Parameter {
    /// As written.
    pub name: String,
    /// Where it stands.
    #[serde(rename = "in")]
    pub location: Location,
    /// Whether it must be given; parameters of the path always.
    pub required: bool,
}

/// Where a parameter stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Location {
    Path,
    Query,
    /// The whole query as one value (OpenAPI 3.2).
    #[serde(rename = "querystring")]
    QueryString,
    Header,
    Cookie,
    /// A field of a form (Swagger 2.0).
    FormData,
}

impl Location {
    /// The formats' word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Query => "query",
            Self::QueryString => "querystring",
            Self::Header => "header",
            Self::Cookie => "cookie",
            Self::FormData => "formData",
        }
    }

    pub(crate) fn of_word(word: &str) -> Option<Self> {
        let all = [Self::Path, Self::Query, Self::QueryString, Self::Header, Self::Cookie, Self::FormData];
        all.into_iter().find(|location| location.word() == word)
    }
}

/// Whether an operation takes a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Body {
    None,
    Optional,
    Required,
}

/// A part of what a caller has to prove.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Requirement {
    /// The name of a [`SecurityScheme`].
    pub scheme: String,
    /// The scopes or roles.
    pub scopes: Vec<String>,
}

/// A call that the API makes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outgoing {
    /// The name of the webhook or callback.
    pub name: String,
    /// The method of the call.
    pub method: String,
    /// Of a callback: the operation that it belongs to, and the expression that tells its address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub callback: Option<String>,
}

/// Something about the document that its reader should know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Note {
    /// What became of it.
    pub kind: NoteKind,
    /// The file of the package, where it is not the root file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Where, as a JSON pointer.
    pub pointer: String,
    /// A sentence.
    pub message: String,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => write!(f, "`{file}`{}: {}", self.pointer, self.message),
            None if self.pointer.is_empty() => write!(f, "the document: {}", self.message),
            None => write!(f, "{}: {}", self.pointer, self.message),
        }
    }
}

/// What became of what a note is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NoteKind {
    /// It is wrong, and not part of the definition.
    Skipped,
    /// A reference that leads out of the document or package, nowhere, or in a circle.
    NotFollowed,
    /// It is not understood, and not part of the definition.
    NotUnderstood,
    /// The document leaves it open, and a value was taken.
    Filled,
    /// It is wrong or unusual, and read all the same.
    Odd,
    /// It is longer than a limit, and cut.
    Cut,
}

/// Notes as they come, bounded.
#[derive(Debug)]
pub(crate) struct Notes {
    limit: usize,
    kept: Vec<Note>,
    partial: Vec<Note>,
    left_out: usize,
}

impl Notes {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, kept: Vec::new(), partial: Vec::new(), left_out: 0 }
    }

    pub(crate) fn add(&mut self, kind: NoteKind, place: &Place<'_>, message: impl fmt::Display) {
        let list = match kind {
            NoteKind::NotFollowed | NoteKind::NotUnderstood => &mut self.partial,
            _ => &mut self.kept,
        };
        if list.len() < self.limit {
            let (file, pointer) = place.file_and_pointer();
            list.push(Note { kind, file, pointer, message: message.to_string() });
        } else {
            self.left_out += 1;
        }
    }

    /// How many there are, for [`Notes::back_to`].
    pub(crate) fn mark(&self) -> (usize, usize, usize) {
        (self.kept.len(), self.partial.len(), self.left_out)
    }

    /// Forgets what came since.
    pub(crate) fn back_to(&mut self, (kept, partial, left_out): (usize, usize, usize)) {
        self.kept.truncate(kept);
        self.partial.truncate(partial);
        self.left_out = left_out;
    }

    /// Why the definition is partial, the other notes, and how many more there were.
    pub(crate) fn end(self) -> (Vec<Note>, Vec<Note>, usize) {
        (self.partial, self.kept, self.left_out)
    }
}
