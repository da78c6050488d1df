//! Muster's reader of API definitions: what an API offers, from the document that describes it.
//!
//! *Is here*: [`read`], from bytes to a [`Definition`] (Swagger 2.0, OpenAPI 3.0, 3.1 and 3.2, as JSON or YAML);
//! [`Identity`], what tells one API's document from another's; [`difference`] and [`Definition::semantic_hash`], what
//! changed between two documents and whether callers notice.
//!
//! *Is not here*: input and output of any kind. Nothing is fetched: what another file holds is noted as not followed.
//! Nothing is validated either: gateways export what their owners wrote, so a wrong item is skipped and listed in
//! [`Definition::notes`], and only a document that is no definition at all is an error. Every limit is in [`Limits`].
//!
//! *To extend*: another format is a module beside [`openapi`](self), chosen by what `read` sees in the text, that fills
//! the same [`Definition`]. The way of the data is one: bytes → text → nodes → definition → identity, difference, hash.

mod canonical;
mod definition;
mod difference;
mod error;
mod identity;
mod limits;
mod node;
mod openapi;
mod parse;
mod seen;
mod text;

pub use definition::{
    Body, Definition, Endpoint, Format, Location, Note, NoteKind, Outgoing, Parameter, Requirement, SecurityScheme,
    Server, Syntax,
};
pub use difference::{Aspect, Change, Subject, difference};
pub use error::DefinitionError;
pub use identity::{Identity, normalise_path};
pub use limits::{Limit, Limits};
pub use seen::Seen;

/// Reads a definition, told by its content: the name of its file and what a server said of its type are no evidence.
///
/// # Errors
/// When the bytes are no definition (the error says what was seen), break off, or pass one of `limits`.
pub fn read(bytes: &[u8], limits: &Limits) -> Result<Definition, DefinitionError> {
    if bytes.len() > limits.bytes {
        return Err(DefinitionError::Limit { limit: Limit::Bytes, allowed: limits.bytes });
    }
    let mut notes = definition::Notes::new(limits.notes);
    let text = text::decode(bytes, &mut notes)?;
    if let Some(seen) = seen::by_beginning(&text) {
        return Err(DefinitionError::NotADefinition { seen });
    }
    let (root, syntax) = parse::parse(&text, limits, &mut notes)?;
    openapi::read(&root, syntax, limits, notes)
}

#[cfg(test)]
mod tests;
