//! How much of a document or package is read.

use std::fmt;

/// What bounds one reading, all files of a package together. The defaults are several times what the largest published
/// definitions need.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of a document or a packed package.
    pub bytes: usize,
    /// Levels of nesting; what lies deeper is left out and noted. At most 120.
    pub depth: usize,
    /// Objects, lists and values, with each YAML alias counted as what it stands for.
    pub nodes: usize,
    /// Bytes of all texts, with each YAML alias counted as what it stands for.
    pub expanded_bytes: usize,
    /// Steps of reading: the same piece can be referred to from many places, and each counts.
    pub steps: usize,
    /// Endpoints.
    pub endpoints: usize,
    /// Bytes of one text that is kept; a longer one is cut and noted.
    pub text_bytes: usize,
    /// References that lead to one another; a longer chain is not followed and noted.
    pub references: usize,
    /// Notes, and reasons why a definition is partial; further ones are counted.
    pub notes: usize,
    /// Files in a package.
    pub files: usize,
    /// Bytes of the name of a file in a package; a file whose name is longer is left out and noted.
    pub name_bytes: usize,
    /// Bytes of all files of a package, inflated.
    pub inflated_bytes: usize,
    /// Bytes that one packed byte may become, over the whole package.
    pub inflation: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: 32 << 20,
            depth: 100,
            nodes: 2_000_000,
            expanded_bytes: 64 << 20,
            steps: 4_000_000,
            endpoints: 50_000,
            text_bytes: 4096,
            references: 32,
            notes: 1000,
            files: 5000,
            name_bytes: 512,
            inflated_bytes: 64 << 20,
            inflation: 200,
        }
    }
}

/// A limit whose passing ends the reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    Bytes,
    Depth,
    Nodes,
    ExpandedBytes,
    Steps,
    Endpoints,
    Files,
    InflatedBytes,
    Inflation,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bytes => "bytes",
            Self::Depth => "levels of nesting",
            Self::Nodes => "objects, lists and values",
            Self::ExpandedBytes => "bytes of text with its aliases expanded",
            Self::Steps => "steps of reading",
            Self::Endpoints => "endpoints",
            Self::Files => "files",
            Self::InflatedBytes => "bytes when inflated",
            Self::Inflation => "bytes for each packed byte",
        })
    }
}
