//! Distinguished names, as far as reading needs them (RFC 4514).

use std::borrow::Cow;

use muster_core::fold::fold;

/// Cuts a name after its first component: the component and the rest, empty for a name of one component.
pub(super) fn split(dn: &str) -> (&str, &str) {
    let mut escaped = false;
    let mut quoted = false;
    for (index, byte) in dn.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => quoted = !quoted,
            b',' | b';' if !quoted => return (&dn[..index], dn[index + 1..].trim_start()),
            _ => {}
        }
    }
    (dn, "")
}

/// Whether every component is `type=value`.
pub(super) fn is_dn(dn: &str) -> bool {
    let mut rest = dn;
    loop {
        let (component, parent) = split(rest);
        let named = component.split_once('=').is_some_and(|(name, value)| {
            let name = name.trim();
            !name.is_empty()
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.')
                && !value.trim().is_empty()
        });
        if !named {
            return false;
        }
        if component.len() == rest.len() {
            return true;
        }
        rest = parent;
    }
}

/// What separates components in a key: no name holds it unescaped.
const SEPARATOR: char = '\0';

/// The name folded, without escapes and without blanks around separators: what is compared.
pub(super) fn key(dn: &str) -> String {
    let mut key = String::with_capacity(dn.len());
    let mut rest = dn;
    while !rest.is_empty() {
        let (component, parent) = split(rest);
        if !key.is_empty() {
            key.push(SEPARATOR);
        }
        match component.split_once('=') {
            Some((name, value)) => {
                key.push_str(&name.trim().to_ascii_lowercase());
                key.push('=');
                key.push_str(&fold(&unescape(value)));
            }
            None => key.push_str(&fold(component)),
        }
        rest = parent;
    }
    key
}

/// A component's value as it is meant: RFC 4514 lets the same character stand as itself, as `\,` or as `\2C`.
fn unescape(value: &str) -> Cow<'_, str> {
    let trimmed = value.trim_start();
    let inner = trimmed.strip_prefix('"').and_then(|rest| rest.trim_end().strip_suffix('"'));
    if !trimmed.contains('\\') {
        return Cow::Borrowed(inner.unwrap_or_else(|| trimmed.trim_end()));
    }
    let mut bytes = Vec::with_capacity(value.len());
    let mut meant = 0; // how much of it is meant, whatever blanks follow
    let mut rest = inner.unwrap_or(trimmed).as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'\\' {
            bytes.push(byte);
            meant = if byte == b' ' && inner.is_none() { meant } else { bytes.len() };
            continue;
        }
        let digits = rest.first_chunk::<2>().and_then(|digits| std::str::from_utf8(digits).ok());
        let digits = digits.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        match (digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()), rest.split_first()) {
            (Some(escaped), _) => {
                bytes.push(escaped);
                rest = &rest[2..];
            }
            (None, Some((&escaped, after))) => {
                bytes.push(escaped);
                rest = after;
            }
            (None, None) => bytes.push(byte),
        }
        meant = bytes.len();
    }
    bytes.truncate(meant);
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

/// The compared forms of a name's parts, from the root on.
pub(super) fn path(dn: &str) -> Vec<String> {
    key(dn).rsplit(SEPARATOR).map(str::to_owned).collect()
}

/// Whether both name the same entry.
pub(super) fn same(left: &str, right: &str) -> bool {
    key(left) == key(right)
}

/// Whether the first lies below the second.
pub(super) fn is_below(dn: &str, ancestor: &str) -> bool {
    let (dn, ancestor) = (key(dn), key(ancestor));
    dn.strip_suffix(&ancestor).is_some_and(|rest| rest.ends_with(SEPARATOR))
}

/// Parts an extended DN (MS-ADTS 3.1.1.3.4.1.5): `<GUID=…>;<SID=…>;DN` → GUID text and DN.
pub(super) fn extended(value: &str) -> (Option<&str>, &str) {
    let mut rest = value;
    let mut guid = None;
    while let Some(inner) = rest.strip_prefix('<') {
        let Some((part, after)) = inner.split_once('>') else { break };
        if let Some(text) = part.get(..5).filter(|word| word.eq_ignore_ascii_case("GUID=")).and_then(|_| part.get(5..))
        {
            guid = Some(text);
        }
        rest = after.strip_prefix(';').unwrap_or(after);
    }
    (guid, rest)
}

#[cfg(test)]
mod tests;
