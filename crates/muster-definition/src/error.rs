//! Why a document is no definition.

use crate::definition::Syntax;
use crate::limits::Limit;
use crate::seen::Seen;

/// Why bytes could not be read as a definition.
#[derive(Debug, thiserror::Error)]
pub enum DefinitionError {
    /// It is something else.
    #[error("this is {seen}, not an OpenAPI or Swagger document")]
    NotADefinition {
        /// What was seen.
        seen: Seen,
    },
    /// It is a definition of a version that is not read.
    #[error("`{key}: {version}` is a version that is not read; {known}")]
    Version {
        /// `swagger`, `openapi`, `#%RAML`, `WSDL`.
        key: &'static str,
        /// As written.
        version: String,
        /// Those that are read.
        known: &'static str,
    },
    /// The package does not lead to one definition.
    #[error("the package {message}")]
    Package {
        /// What is wrong with it.
        message: String,
    },
    /// A file in a package was named, and this is none.
    #[error("`{main}` was asked for, and this is a document, not a package of files")]
    NoPackage {
        /// The file that was asked for.
        main: String,
    },
    /// It breaks off, or is not what it looks like.
    #[error("this is not readable as {syntax}, line {line}, column {column}: {message}")]
    Syntax {
        /// What it looked like.
        syntax: Syntax,
        /// From 1; 0 where unknown.
        line: usize,
        /// From 1; 0 where unknown.
        column: usize,
        /// What was wrong there.
        message: String,
    },
    /// There is more of it than is read.
    #[error("the document has more than {allowed} {limit}, the limit")]
    Limit {
        /// Which limit.
        limit: Limit,
        /// Its value.
        allowed: usize,
    },
}
