//! Search filters (RFC 4511 section 4.5.1.7), built, never parsed: no text of a user's becomes a filter.

use std::fmt;

use super::ber;

/// A search filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    /// All of them.
    And(Vec<Filter>),
    /// One of them.
    Or(Vec<Filter>),
    /// Not it.
    Not(Box<Filter>),
    /// An attribute has that value.
    Equal(String, Vec<u8>),
    /// An attribute has a value not less than that one.
    AtLeast(String, Vec<u8>),
    /// An attribute has a value.
    Present(String),
}

impl Filter {
    /// `attribute=value`.
    pub fn equal(attribute: &str, value: impl AsRef<[u8]>) -> Self {
        Self::Equal(attribute.to_owned(), value.as_ref().to_vec())
    }

    /// `attribute>=value`.
    pub fn at_least(attribute: &str, value: impl AsRef<[u8]>) -> Self {
        Self::AtLeast(attribute.to_owned(), value.as_ref().to_vec())
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let assertion = |out: &mut Vec<u8>, tag, attribute: &str, value: &[u8]| {
            ber::put_with(out, tag, |out| {
                ber::put(out, ber::OCTET_STRING, attribute.as_bytes());
                ber::put(out, ber::OCTET_STRING, value);
            });
        };
        match self {
            Self::And(parts) => ber::put_with(out, 0xa0, |out| parts.iter().for_each(|part| part.write(out))),
            Self::Or(parts) => ber::put_with(out, 0xa1, |out| parts.iter().for_each(|part| part.write(out))),
            Self::Not(part) => ber::put_with(out, 0xa2, |out| part.write(out)),
            Self::Equal(attribute, value) => assertion(out, 0xa3, attribute, value),
            Self::AtLeast(attribute, value) => assertion(out, 0xa5, attribute, value),
            Self::Present(attribute) => ber::put(out, 0x87, attribute.as_bytes()),
        }
    }
}

/// The filter as text (RFC 4515), for messages and for other clients.
impl fmt::Display for Filter {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let escape = |value: &[u8]| {
            let plain = |byte: u8| byte.is_ascii_graphic() && !b"*()\\".contains(&byte) || byte == b' ';
            value
                .iter()
                .map(|&b| if plain(b) { char::from(b).to_string() } else { format!("\\{b:02x}") })
                .collect::<String>()
        };
        let list = |out: &mut fmt::Formatter<'_>, sign: char, parts: &[Filter]| {
            write!(out, "({sign}")?;
            parts.iter().try_for_each(|part| write!(out, "{part}"))?;
            write!(out, ")")
        };
        match self {
            Self::And(parts) => list(out, '&', parts),
            Self::Or(parts) => list(out, '|', parts),
            Self::Not(part) => write!(out, "(!{part})"),
            Self::Equal(attribute, value) => write!(out, "({attribute}={})", escape(value)),
            Self::AtLeast(attribute, value) => write!(out, "({attribute}>={})", escape(value)),
            Self::Present(attribute) => write!(out, "({attribute}=*)"),
        }
    }
}
