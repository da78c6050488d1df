//! Muster's reader of API definitions: what an API offers, from the document that describes it.
//!
//! *Is here*: [`read`] and [`read_main`], from bytes to a [`Definition`]: Swagger 2.0, OpenAPI 3.0, 3.1 and 3.2 as JSON or
//! YAML, RAML 0.8 and 1.0, WSDL 1.1, alone or in a zip package; [`Identity`], what tells one API's document from another's; [`difference`] and [`Definition::semantic_hash`], what
//! changed between two documents and whether callers notice.
//!
//! *Is not here*: input and output of any kind. Nothing is fetched: what lies in no file of the package is listed in
//! [`Definition::partial`], with all else that is not understood. Nothing is validated either: gateways export what their
//! owners wrote, so a wrong item is skipped and listed in [`Definition::notes`], and only a document that is no definition
//! at all is an error. Every limit is in [`Limits`].
//!
//! *To extend*: another format is a module beside [`openapi`](self), chosen by what `read` sees in the text, that fills
//! the same [`Definition`]. The way of the data is one: bytes → package → texts → nodes → definition → identity, difference,
//! hash.

mod canonical;
mod definition;
mod difference;
mod error;
mod files;
mod identity;
mod limits;
mod node;
mod openapi;
mod package;
mod parse;
mod raml;
mod seen;
mod text;
mod wsdl;

pub use definition::{
    Body, Definition, Endpoint, Format, Location, Note, NoteKind, Outgoing, Parameter, Requirement, SecurityScheme,
    Server, Syntax,
};
pub use difference::{Aspect, Change, Subject, difference};
pub use error::DefinitionError;
pub use identity::{Identity, normalise_path};
pub use limits::{Limit, Limits};
pub use seen::Seen;

use files::Files;
use package::Package;

/// Reads a definition, told by its content: the name of its file and what a server said of its type are no evidence. Of
/// a package its own root file is read.
///
/// # Errors
/// When the bytes are no definition (the error says what was seen), break off, or pass one of `limits`.
pub fn read(bytes: &[u8], limits: &Limits) -> Result<Definition, DefinitionError> {
    read_file(bytes, None, limits)
}

/// Reads a package, from the file that is `main`.
///
/// # Errors
/// As [`read`], and when the bytes are no package or it has no such file.
pub fn read_main(bytes: &[u8], main: &str, limits: &Limits) -> Result<Definition, DefinitionError> {
    if !package::is_zip(bytes) {
        return Err(DefinitionError::NoPackage { main: node::shown(main).into_owned() });
    }
    read_file(bytes, Some(main), limits)
}

fn read_file(bytes: &[u8], main: Option<&str>, limits: &Limits) -> Result<Definition, DefinitionError> {
    if bytes.len() > limits.bytes {
        return Err(DefinitionError::Limit { limit: Limit::Bytes, allowed: limits.bytes });
    }
    let mut notes = definition::Notes::new(limits.notes);
    if package::is_zip(bytes) {
        let package = Package::open(bytes, limits, &mut notes)?;
        let files = Files::new(&package, limits, notes);
        files.set_main(package::main_file::find(&files, main)?);
        read_format(&files)
    } else {
        read_format(&Files::new(&Package::of_document(bytes), limits, notes))
    }
}

fn read_format<'p>(files: &'p Files<'p>) -> Result<Definition, DefinitionError> {
    let text = files.text(files.main())?;
    if raml::Header::of(text).is_some() {
        return raml::read(files);
    }
    match seen::by_beginning(text) {
        Some(Seen::Wsdl) => wsdl::read(files),
        Some(seen) => Err(DefinitionError::NotADefinition { seen }),
        None => openapi::read(files),
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod hostile;
