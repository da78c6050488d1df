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
    #[error("`{key}: {version}` is a version that is not read; 2.0, 3.0, 3.1 and 3.2 are")]
    Version {
        /// `swagger` or `openapi`.
        key: &'static str,
        /// As written.
        version: String,
    },
    /// It breaks off, or is not JSON and not YAML.
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
