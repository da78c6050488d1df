//! LDAP's messages, as far as reading needs them.

use std::fmt;

use super::ber::{self, Reader};
use super::{Filter, LdapError};

/// A result code (RFC 4511 section 4.1.9, appendix A).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResultCode(pub i64);

impl ResultCode {
    /// Success.
    pub const SUCCESS: Self = Self(0);
    /// sizeLimitExceeded.
    pub const SIZE_LIMIT_EXCEEDED: Self = Self(4);
    /// adminLimitExceeded.
    pub const ADMIN_LIMIT_EXCEEDED: Self = Self(11);
    /// noSuchObject.
    pub const NO_SUCH_OBJECT: Self = Self(32);
    /// insufficientAccessRights.
    pub const INSUFFICIENT_ACCESS: Self = Self(50);
    /// Whether the server may say otherwise later: busy, unavailable.
    pub fn is_busy(self) -> bool {
        matches!(self.0, 51 | 52)
    }

    /// The code's name in RFC 4511.
    pub fn name(self) -> &'static str {
        match self.0 {
            0 => "success",
            1 => "operationsError",
            2 => "protocolError",
            3 => "timeLimitExceeded",
            4 => "sizeLimitExceeded",
            7 => "authMethodNotSupported",
            8 => "strongerAuthRequired",
            10 => "referral",
            11 => "adminLimitExceeded",
            12 => "unavailableCriticalExtension",
            13 => "confidentialityRequired",
            16 => "noSuchAttribute",
            32 => "noSuchObject",
            34 => "invalidDNSyntax",
            48 => "inappropriateAuthentication",
            49 => "invalidCredentials",
            50 => "insufficientAccessRights",
            51 => "busy",
            52 => "unavailable",
            53 => "unwillingToPerform",
            80 => "other",
            _ => "unknown code",
        }
    }
}

impl fmt::Display for ResultCode {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}", self.0, self.name())
    }
}

/// How deep a search goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// The entry itself.
    Base,
    /// Its children.
    One,
    /// It and all below it.
    Subtree,
}

/// Controls beside paging.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SearchControls {
    /// Tombstones too (LDAP_SERVER_SHOW_DELETED_OID, MS-ADTS 3.1.1.3.4.1.14).
    pub show_deleted: bool,
    /// DN values as `<GUID=…>;<SID=…>;DN` (LDAP_SERVER_EXTENDED_DN_OID, MS-ADTS 3.1.1.3.4.1.5).
    pub extended_dn: bool,
}

/// A search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// Where.
    pub base: String,
    /// How deep.
    pub scope: Scope,
    /// What.
    pub filter: Filter,
    /// Which attributes; `1.1` alone for none (RFC 4511 section 4.5.1.8).
    pub attributes: Vec<String>,
    /// Entries a page (RFC 2696); 0 for a search without paging.
    pub page_size: u32,
    /// Controls.
    pub controls: SearchControls,
}

pub(super) const BIND_RESPONSE: u8 = 0x61;
pub(super) const ENTRY: u8 = 0x64;
pub(super) const SEARCH_DONE: u8 = 0x65;
pub(super) const REFERENCE: u8 = 0x73;
pub(super) const EXTENDED_RESPONSE: u8 = 0x78;
pub(super) const INTERMEDIATE_RESPONSE: u8 = 0x79;

const PAGED_RESULTS: &str = "1.2.840.113556.1.4.319";
const SHOW_DELETED: &str = "1.2.840.113556.1.4.417";
const EXTENDED_DN: &str = "1.2.840.113556.1.4.529";

/// A request that was sent and not yet answered.
#[derive(Debug)]
#[must_use = "an answer left unread blocks the connection"]
pub struct Ticket {
    pub(super) message_id: i64,
}

impl Ticket {
    /// A ticket for readers other than the wire reader.
    pub fn new(message_id: i64) -> Self {
        Self { message_id }
    }

    /// The number of the request.
    pub fn message_id(&self) -> i64 {
        self.message_id
    }
}

/// How a page ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageEnd {
    /// The result.
    pub code: ResultCode,
    /// The server's words.
    pub message: String,
    /// The cookie of the next page; empty after the last.
    pub cookie: Vec<u8>,
    /// The server's own estimate of the whole, 0 where it gives none.
    pub estimate: u64,
    /// Entries on this page.
    pub entries: u64,
    /// References to other servers, not followed.
    pub references: u64,
}

impl PageEnd {
    /// Whether the server may say otherwise later.
    pub fn is_busy(&self) -> bool {
        self.code.is_busy()
    }
}

/// An entry, lent from the connection's buffer.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// Its distinguished name.
    pub dn: &'a str,
    attributes: &'a [u8],
}

/// An attribute of an entry.
#[derive(Debug, Clone, Copy)]
pub struct Attribute<'a> {
    /// Its description, options included.
    pub description: &'a str,
    values: &'a [u8],
}

impl<'a> Entry<'a> {
    /// Reads the contents of a SearchResultEntry (RFC 4511 section 4.5.2).
    pub fn parse(contents: &'a [u8]) -> Result<Self, LdapError> {
        let mut reader = Reader(contents);
        let dn = reader.expect(ber::OCTET_STRING, "an entry without a name")?;
        let dn = std::str::from_utf8(dn).map_err(|_| LdapError::Malformed("an entry's name is not UTF-8"))?;
        let attributes = reader.expect(ber::SEQUENCE, "an entry without attributes")?;
        let entry = Self { dn, attributes };
        // Looked through once here, so that whoever reads the entry meets no malformed part half-way.
        let mut reader = Reader(attributes);
        while !reader.is_empty() {
            let mut reader = Reader(attribute(&mut reader)?.values);
            while !reader.is_empty() {
                reader.expect(ber::OCTET_STRING, "a value that is not an octet string")?;
            }
        }
        Ok(entry)
    }

    /// Its attributes in the server's order.
    pub fn attributes(&self) -> impl Iterator<Item = Attribute<'a>> + use<'a> {
        let mut reader = Reader(self.attributes);
        std::iter::from_fn(move || if reader.is_empty() { None } else { attribute(&mut reader).ok() })
    }

    /// The values of the attribute of that name, without options, letter case aside.
    pub fn values(&self, name: &str) -> Option<impl Iterator<Item = &'a [u8]> + use<'a>> {
        self.attributes().find(|found| found.description.eq_ignore_ascii_case(name)).map(|found| found.values())
    }

    /// The first value of the attribute of that name.
    pub fn first(&self, name: &str) -> Option<&'a [u8]> {
        self.values(name)?.next()
    }

    /// The first value of the attribute of that name as text.
    pub fn text(&self, name: &str) -> Option<&'a str> {
        std::str::from_utf8(self.first(name)?).ok()
    }
}

fn attribute<'a>(reader: &mut Reader<'a>) -> Result<Attribute<'a>, LdapError> {
    let mut parts = Reader(reader.expect(ber::SEQUENCE, "an attribute that is not a sequence")?);
    let description = parts.expect(ber::OCTET_STRING, "an attribute without a description")?;
    let description =
        std::str::from_utf8(description).map_err(|_| LdapError::Malformed("an attribute description is not UTF-8"))?;
    if let Some((_, option)) = description.split_once(';') {
        // Values of an unknown part would pass for the whole.
        Range::parse(option).transpose()?;
    }
    let values = parts.expect(ber::SET, "an attribute without values")?;
    Ok(Attribute { description, values })
}

impl<'a> Attribute<'a> {
    /// Its values in the server's order, as they came.
    pub fn values(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let mut reader = Reader(self.values);
        std::iter::from_fn(move || if reader.is_empty() { None } else { reader.expect(ber::OCTET_STRING, "").ok() })
    }

    /// The name, and the range option (MS-ADTS 3.1.1.3.1.3.3), where there is one. With other options, such as a
    /// language, it is another attribute (RFC 4512 section 2.5.2): its name is then the whole description.
    pub fn name_and_range(&self) -> (&'a str, Option<Range>) {
        let Some((name, option)) = self.description.split_once(';') else { return (self.description, None) };
        match Range::parse(option) {
            Some(Ok(range)) => (name, Some(range)),
            _ => (self.description, None),
        }
    }
}

/// Which part of an attribute's values an answer holds, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The position of the first value.
    pub low: u64,
    /// The position of the last value where more follow; nothing where these are the last.
    pub high: Option<u64>,
}

impl Range {
    /// Reads `range=LOW-HIGH`; outer none is another option, an error a range that cannot be read.
    fn parse(option: &str) -> Option<Result<Self, LdapError>> {
        let bounds =
            option.get(..6).filter(|word| word.eq_ignore_ascii_case("range=")).and_then(|_| option.get(6..))?;
        let parsed = bounds.split_once('-').and_then(|(low, high)| {
            let high = if high == "*" { None } else { Some(high.parse().ok()?) };
            let low = low.parse().ok()?;
            (high.is_none_or(|high| high >= low && high < u64::MAX)).then_some(Self { low, high })
        });
        Some(parsed.ok_or(LdapError::Malformed("a range that cannot be read")))
    }

    /// Where the next part begins, where there is one.
    pub fn next(&self) -> Option<u64> {
        self.high.map(|high| high.saturating_add(1))
    }
}

pub(super) fn envelope(message_id: i64, operation: &[u8], controls: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(operation.len() + controls.len() + 16);
    ber::put_with(&mut out, ber::SEQUENCE, |out| {
        ber::put_integer(out, ber::INTEGER, message_id);
        out.extend_from_slice(operation);
        if !controls.is_empty() {
            ber::put(out, 0xa0, controls);
        }
    });
    out
}

pub(super) fn simple_bind(name: &str, password: &str) -> Vec<u8> {
    let mut out = Vec::new();
    ber::put_with(&mut out, 0x60, |out| {
        ber::put_integer(out, ber::INTEGER, 3);
        ber::put(out, ber::OCTET_STRING, name.as_bytes());
        ber::put(out, 0x80, password.as_bytes());
    });
    out
}

pub(super) fn extended(oid: &str) -> Vec<u8> {
    let mut out = Vec::new();
    ber::put_with(&mut out, 0x77, |out| ber::put(out, 0x80, oid.as_bytes()));
    out
}

pub(super) fn search(search: &Search) -> Vec<u8> {
    let mut out = Vec::new();
    ber::put_with(&mut out, 0x63, |out| {
        ber::put(out, ber::OCTET_STRING, search.base.as_bytes());
        let scope = match search.scope {
            Scope::Base => 0,
            Scope::One => 1,
            Scope::Subtree => 2,
        };
        ber::put_integer(out, ber::ENUMERATED, scope);
        ber::put_integer(out, ber::ENUMERATED, 0); // derefAliases: never
        ber::put_integer(out, ber::INTEGER, 0); // sizeLimit: the server's
        ber::put_integer(out, ber::INTEGER, 0); // timeLimit: the server's
        ber::put_boolean(out, false); // typesOnly
        search.filter.write(out);
        ber::put_with(out, ber::SEQUENCE, |out| {
            for name in &search.attributes {
                ber::put(out, ber::OCTET_STRING, name.as_bytes());
            }
        });
    });
    out
}

pub(super) fn search_controls(search: &Search, cookie: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut control = |oid: &str, critical: bool, value: Option<&[u8]>| {
        ber::put_with(&mut out, ber::SEQUENCE, |out| {
            ber::put(out, ber::OCTET_STRING, oid.as_bytes());
            if critical {
                ber::put_boolean(out, true);
            }
            if let Some(value) = value {
                ber::put(out, ber::OCTET_STRING, value);
            }
        });
    };
    if search.page_size > 0 {
        let mut value = Vec::new();
        ber::put_with(&mut value, ber::SEQUENCE, |out| {
            ber::put_integer(out, ber::INTEGER, i64::from(search.page_size));
            ber::put(out, ber::OCTET_STRING, cookie);
        });
        control(PAGED_RESULTS, true, Some(&value));
    }
    if search.controls.show_deleted {
        control(SHOW_DELETED, true, None);
    }
    if search.controls.extended_dn {
        // Flag 1: GUID and SID as text (MS-ADTS 3.1.1.3.4.1.5). Not critical: servers without it send plain DNs.
        let mut value = Vec::new();
        ber::put_with(&mut value, ber::SEQUENCE, |out| ber::put_integer(out, ber::INTEGER, 1));
        control(EXTENDED_DN, false, Some(&value));
    }
    out
}

/// A message from the server, parted.
#[derive(Debug)]
pub(super) struct Response<'a> {
    pub(super) message_id: i64,
    pub(super) tag: u8,
    pub(super) contents: &'a [u8],
    pub(super) controls: &'a [u8],
}

pub(super) fn response(contents: &[u8]) -> Result<Response<'_>, LdapError> {
    let mut reader = Reader(contents);
    let message_id = reader.integer(ber::INTEGER, "a message without a number")?;
    let (tag, contents) = reader.element()?;
    let controls = reader.optional(0xa0)?.unwrap_or_default();
    Ok(Response { message_id, tag, contents, controls })
}

/// LDAPResult: code and message.
pub(super) fn result(contents: &[u8]) -> Result<(ResultCode, String), LdapError> {
    let mut reader = Reader(contents);
    let code = reader.integer(ber::ENUMERATED, "a result without a code")?;
    reader.expect(ber::OCTET_STRING, "a result without a matched name")?;
    let message = reader.expect(ber::OCTET_STRING, "a result without a message")?;
    let mut text: String = String::from_utf8_lossy(message).chars().filter(|c| !c.is_control()).take(500).collect();
    text.truncate(text.trim_end().len());
    Ok((ResultCode(code), text))
}

/// The paged-results control of an answer (RFC 2696): the server's estimate and the next cookie.
pub(super) fn paging(controls: &[u8]) -> Result<Option<(u64, Vec<u8>)>, LdapError> {
    let mut reader = Reader(controls);
    while !reader.is_empty() {
        let mut control = Reader(reader.expect(ber::SEQUENCE, "a control that is not a sequence")?);
        let oid = control.expect(ber::OCTET_STRING, "a control without a name")?;
        if oid != PAGED_RESULTS.as_bytes() {
            continue;
        }
        control.optional(ber::BOOLEAN)?;
        let value = control.expect(ber::OCTET_STRING, "a paging control without a value")?;
        let mut value = Reader(Reader(value).expect(ber::SEQUENCE, "a paging control's value is not a sequence")?);
        let estimate = value.integer(ber::INTEGER, "a paging control without a size")?;
        let cookie = value.expect(ber::OCTET_STRING, "a paging control without a cookie")?;
        return Ok(Some((u64::try_from(estimate).unwrap_or(0), cookie.to_vec())));
    }
    Ok(None)
}
