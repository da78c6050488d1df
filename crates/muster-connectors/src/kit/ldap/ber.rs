//! The part of BER that LDAP uses (RFC 4511 section 5.1: definite lengths, one-byte tags), on borrowed bytes.

use super::LdapError;

pub(super) const BOOLEAN: u8 = 0x01;
pub(super) const INTEGER: u8 = 0x02;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const ENUMERATED: u8 = 0x0a;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;

/// Reads elements from the front of a slice.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next element's tag and contents.
    #[inline]
    pub(super) fn element(&mut self) -> Result<(u8, &'a [u8]), LdapError> {
        // Nearly all elements have one byte of tag and one of length.
        if let [tag, length @ 0..0x80, rest @ ..] = self.0
            && tag & 0x1f != 0x1f
            && let Some((contents, rest)) = rest.split_at_checked(usize::from(*length))
        {
            self.0 = rest;
            return Ok((*tag, contents));
        }
        let header = header(self.0)?.ok_or(LdapError::Malformed("an element is cut short"))?;
        let total = header.length.checked_add(header.size).ok_or(LdapError::Malformed("a length overflows"))?;
        let contents = self.0.get(header.size..total).ok_or(LdapError::Malformed("an element is cut short"))?;
        self.0 = &self.0[total..];
        Ok((header.tag, contents))
    }

    /// The next element, if it has that tag; else nothing is consumed.
    pub(super) fn optional(&mut self, tag: u8) -> Result<Option<&'a [u8]>, LdapError> {
        if self.0.first() == Some(&tag) { self.element().map(|(_, contents)| Some(contents)) } else { Ok(None) }
    }

    /// The contents of the next element, which must have that tag.
    pub(super) fn expect(&mut self, tag: u8, what: &'static str) -> Result<&'a [u8], LdapError> {
        match self.element()? {
            (found, contents) if found == tag => Ok(contents),
            _ => Err(LdapError::Malformed(what)),
        }
    }

    pub(super) fn integer(&mut self, tag: u8, what: &'static str) -> Result<i64, LdapError> {
        let bytes = self.expect(tag, what)?;
        if bytes.is_empty() || bytes.len() > 8 {
            return Err(LdapError::Malformed(what));
        }
        let sign: i64 = if bytes[0] & 0x80 == 0 { 0 } else { -1 };
        Ok(bytes.iter().fold(sign, |value, &byte| value << 8 | i64::from(byte)))
    }
}

/// Tag, length of the contents and size of the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) tag: u8,
    pub(super) length: usize,
    pub(super) size: usize,
}

/// Reads a header; `None` when more bytes are needed for it.
pub(super) fn header(bytes: &[u8]) -> Result<Option<Header>, LdapError> {
    let (Some(&tag), Some(&first)) = (bytes.first(), bytes.get(1)) else { return Ok(None) };
    if tag & 0x1f == 0x1f {
        return Err(LdapError::Malformed("a tag of more than one byte"));
    }
    if first < 0x80 {
        return Ok(Some(Header { tag, length: usize::from(first), size: 2 }));
    }
    let count = usize::from(first & 0x7f);
    if count == 0 || count > 8 {
        return Err(LdapError::Malformed("an indefinite or oversized length"));
    }
    let Some(digits) = bytes.get(2..2 + count) else { return Ok(None) };
    let length = digits.iter().fold(0_u64, |value, &byte| value << 8 | u64::from(byte));
    let length = usize::try_from(length).map_err(|_| LdapError::Malformed("a length overflows"))?;
    Ok(Some(Header { tag, length, size: 2 + count }))
}

/// Writes an element around contents.
pub(super) fn put(out: &mut Vec<u8>, tag: u8, contents: &[u8]) {
    out.push(tag);
    let length = contents.len();
    if length < 0x80 {
        out.push(length.to_le_bytes()[0]);
    } else {
        let digits = length.to_be_bytes();
        let skip = digits.iter().take_while(|&&byte| byte == 0).count();
        out.push(0x80 | (digits.len() - skip).to_le_bytes()[0]);
        out.extend_from_slice(&digits[skip..]);
    }
    out.extend_from_slice(contents);
}

/// Writes an element whose contents a closure writes.
pub(super) fn put_with(out: &mut Vec<u8>, tag: u8, write: impl FnOnce(&mut Vec<u8>)) {
    let mut contents = Vec::new();
    write(&mut contents);
    put(out, tag, &contents);
}

pub(super) fn put_integer(out: &mut Vec<u8>, tag: u8, value: i64) {
    let bytes = value.to_be_bytes();
    let skip = (0..7)
        .take_while(|&index| {
            let (this, next) = (bytes[index], bytes[index + 1]);
            this == 0 && next & 0x80 == 0 || this == 0xff && next & 0x80 != 0
        })
        .count();
    put(out, tag, &bytes[skip..]);
}

pub(super) fn put_boolean(out: &mut Vec<u8>, value: bool) {
    put(out, BOOLEAN, &[if value { 0xff } else { 0 }]);
}
