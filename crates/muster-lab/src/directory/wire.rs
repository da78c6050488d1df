//! Messages on the wire: requests by `ldap3_proto`'s decoder, answers by its encoder, entries written here.
//!
//! `ldap3_proto` keeps the values of a filter as text and refuses a message whose values are no UTF-8, as a binary
//! objectGUID's are. So a filter's values are escaped in the parsed structure before it decodes the message, and
//! [`unescape`] gives the bytes back. Entries are written here: its encoder builds a tree of every value and is several
//! times slower than what a client is measured against. Lengths take five bytes, as Active Directory writes them.

use bytes::BytesMut;
use ldap3_lber::parse::Parser;
use ldap3_lber::structure::{PL, StructureTag};
use ldap3_proto::control::LdapControl;
use ldap3_proto::proto::{LdapMsg, LdapOp, LdapResult, LdapResultCode};

/// The longest request that is read.
const MAXIMUM_REQUEST: usize = 4 << 20;
const MAXIMUM_DEPTH: usize = 64;
/// Where a search request keeps its filter (RFC 4511 section 4.5.1).
const FILTER: usize = 6;

/// Why a request cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unreadable;

/// Takes the first whole message off the buffer.
pub(super) fn decode(buffer: &mut Vec<u8>) -> Result<Option<LdapMsg>, Unreadable> {
    let (message, size) = match Parser::new(MAXIMUM_DEPTH).parse(buffer) {
        Ok((rest, message)) => (message, buffer.len() - rest.len()),
        Err(error) if error.is_incomplete() && buffer.len() <= MAXIMUM_REQUEST => return Ok(None),
        Err(_) => return Err(Unreadable),
    };
    buffer.drain(..size);
    LdapMsg::try_from(with_plain_filter(message)).map(Some).map_err(|_| Unreadable)
}

fn with_plain_filter(mut message: StructureTag) -> StructureTag {
    if let PL::C(parts) = &mut message.payload
        && let Some(operation) = parts.get_mut(1).filter(|operation| operation.id == 3)
        && let PL::C(fields) = &mut operation.payload
        && let Some(filter) = fields.get_mut(FILTER)
    {
        escape_filter(filter);
    }
    message
}

fn escape_filter(filter: &mut StructureTag) {
    let kind = filter.id;
    let PL::C(parts) = &mut filter.payload else { return };
    match kind {
        0..=2 => parts.iter_mut().for_each(escape_filter),
        3 | 5 | 6 | 8 => parts.iter_mut().skip(1).for_each(escape_value),
        4 => {
            for part in parts.iter_mut().skip(1) {
                if let PL::C(pieces) = &mut part.payload {
                    pieces.iter_mut().for_each(escape_value);
                }
            }
        }
        9 => parts.iter_mut().filter(|part| part.id == 3).for_each(escape_value),
        _ => {}
    }
}

fn escape_value(value: &mut StructureTag) {
    if let PL::P(bytes) = &mut value.payload {
        let mut text = Vec::with_capacity(bytes.len());
        for &byte in bytes.iter() {
            if byte.is_ascii_graphic() && byte != b'\\' || byte == b' ' {
                text.push(byte);
            } else {
                text.push(b'\\');
                super::objects::put_hex(&mut text, &[byte]);
            }
        }
        *bytes = text;
    }
}

/// The bytes of a filter's value.
pub(super) fn unescape(value: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let pair = (byte == b'\\').then(|| after.first_chunk::<2>()).flatten();
        let escaped =
            pair.and_then(|pair| std::str::from_utf8(pair).ok()).and_then(|pair| u8::from_str_radix(pair, 16).ok());
        match escaped {
            Some(escaped) => {
                out.push(escaped);
                rest = &after[2..];
            }
            None => {
                out.push(byte);
                rest = after;
            }
        }
    }
    out
}

/// Appends a message.
pub(super) fn encode(out: &mut Vec<u8>, message_id: i32, operation: LdapOp, controls: Vec<LdapControl>) {
    let message = LdapMsg { msgid: message_id, op: operation, ctrl: controls };
    let mut bytes = BytesMut::new();
    // Writing to memory does not fail.
    let _ = ldap3_lber::write::encode_into(&mut bytes, message.into());
    out.extend_from_slice(&bytes);
}

/// A result without more to say than its code and words.
pub(super) fn result(code: LdapResultCode, message: &str) -> LdapResult {
    LdapResult { code, matcheddn: String::new(), message: message.to_owned(), referral: Vec::new() }
}

pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;
const OCTET_STRING: u8 = 0x04;

/// Appends an element whose contents `write` appends.
pub(super) fn put_with(out: &mut Vec<u8>, tag: u8, write: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(&[tag, 0x84, 0, 0, 0, 0]);
    let start = out.len();
    write(out);
    let length = u32::try_from(out.len() - start).unwrap_or(u32::MAX);
    out[start - 4..start].copy_from_slice(&length.to_be_bytes());
}

/// Appends an octet string.
pub(super) fn put_string(out: &mut Vec<u8>, value: &[u8]) {
    match u8::try_from(value.len()) {
        Ok(length) if length < 0x80 => {
            out.extend_from_slice(&[OCTET_STRING, length]);
            out.extend_from_slice(value);
        }
        _ => put_with(out, OCTET_STRING, |out| out.extend_from_slice(value)),
    }
}

/// Appends the begin of a search result entry: message, number, operation; `write` appends name and attributes.
pub(super) fn put_entry(out: &mut Vec<u8>, message_id: i32, write: impl FnOnce(&mut Vec<u8>)) {
    put_with(out, SEQUENCE, |out| {
        let bytes = message_id.to_be_bytes();
        // As short as it can be (X.690 section 8.3.2); numbers of messages are not negative.
        let start = (0..3).find(|&at| bytes[at] != 0 || bytes[at + 1] >= 0x80).unwrap_or(3);
        let start = if bytes[start] >= 0x80 { start.saturating_sub(1) } else { start };
        out.push(0x02);
        out.push(u8::try_from(bytes.len() - start).unwrap_or(4));
        out.extend_from_slice(&bytes[start..]);
        put_with(out, 0x64, write);
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use ldap3_proto::proto::{LdapDerefAliases, LdapFilter, LdapSearchRequest, LdapSearchScope};

    #[test]
    fn binary_values_of_a_filter_survive() {
        let request = LdapSearchRequest {
            base: String::new(),
            scope: LdapSearchScope::Base,
            aliases: LdapDerefAliases::Never,
            sizelimit: 0,
            timelimit: 0,
            typesonly: false,
            filter: LdapFilter::And(vec![LdapFilter::Equality("objectGUID".to_owned(), "XXXX\\".to_owned())]),
            attrs: Vec::new(),
        };
        let mut bytes = Vec::new();
        encode(&mut bytes, 7, LdapOp::SearchRequest(request), Vec::new());
        let at = bytes.windows(4).position(|window| window == b"XXXX").unwrap();
        bytes[at..at + 4].copy_from_slice(&[0xff, 0x00, b'\\', 0xc3]);
        let mut part = bytes[..bytes.len() - 1].to_vec();
        assert_eq!(decode(&mut part), Ok(None));
        let message = decode(&mut bytes).unwrap().unwrap();
        assert!(bytes.is_empty());
        let LdapOp::SearchRequest(request) = message.op else { panic!("{message:?}") };
        let LdapFilter::And(parts) = request.filter else { panic!("{:?}", request.filter) };
        let LdapFilter::Equality(_, value) = &parts[0] else { panic!("{parts:?}") };
        assert_eq!(unescape(value), [0xff, 0x00, b'\\', 0xc3, b'\\']);
    }

    #[test]
    fn refuses_what_is_no_message() {
        assert_eq!(decode(&mut vec![0x04, 0x01, 0x00]), Err(Unreadable));
        assert_eq!(decode(&mut vec![0x30, 0x00]), Err(Unreadable));
    }
}
