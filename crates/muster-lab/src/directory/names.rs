//! Distinguished names as Active Directory writes and reads them (RFC 4514).

use muster_core::fold::fold;

/// Appends a component's value, escaped as Active Directory escapes it.
pub(super) fn escape(out: &mut Vec<u8>, value: &[u8]) {
    let last = value.len().saturating_sub(1);
    for (index, &byte) in value.iter().enumerate() {
        match byte {
            b',' | b'+' | b'"' | b'\\' | b'<' | b'>' | b';' | b'=' => out.extend_from_slice(&[b'\\', byte]),
            b'#' if index == 0 => out.extend_from_slice(b"\\#"),
            b' ' if index == 0 || index == last => out.extend_from_slice(b"\\ "),
            b'\n' => out.extend_from_slice(b"\\0A"),
            b'\r' => out.extend_from_slice(b"\\0D"),
            0 => out.extend_from_slice(b"\\00"),
            _ => out.push(byte),
        }
    }
}

/// Escapes in place what was appended after `start`.
pub(super) fn escape_from(out: &mut Vec<u8>, start: usize) {
    let value = &out[start..];
    let special =
        |byte: &u8| matches!(byte, b',' | b'+' | b'"' | b'\\' | b'<' | b'>' | b';' | b'=' | b'\n' | b'\r' | 0);
    let edges = matches!(value.first(), Some(b' ' | b'#')) || value.last() == Some(&b' ');
    if edges || value.iter().any(special) {
        let value = value.to_vec();
        out.truncate(start);
        escape(out, &value);
    }
}

/// One component of a name, folded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Component {
    /// The type, in lower case.
    pub(super) kind: String,
    /// The value, unescaped and folded.
    pub(super) value: String,
}

/// Parts a name into its folded components, the leaf first; `None` where it is no name.
pub(super) fn parse(name: &str) -> Option<Vec<Component>> {
    let mut components = Vec::new();
    for part in split(name) {
        let (kind, value) = part.split_once('=')?;
        let kind = kind.trim().to_ascii_lowercase();
        if kind.is_empty() {
            return None;
        }
        components.push(Component { kind, value: fold(&unescape(value)?) });
    }
    Some(components)
}

/// Cuts a name at its bare commas.
fn split(name: &str) -> Vec<&str> {
    let (mut parts, mut start, mut escaped, mut quoted) = (Vec::new(), 0, false, false);
    for (index, byte) in name.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => quoted = !quoted,
            b',' | b';' if !quoted => {
                parts.push(&name[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    if start < name.len() || !parts.is_empty() {
        parts.push(&name[start..]);
    }
    parts
}

fn unescape(value: &str) -> Option<String> {
    let value = value.trim_start();
    let mut bytes = value.as_bytes();
    // Blanks at the end count only where they are escaped.
    while bytes.ends_with(b" ") && !bytes.ends_with(b"\\ ") {
        bytes = &bytes[..bytes.len() - 1];
    }
    if let [b'"', inner @ .., b'"'] = bytes {
        bytes = inner;
    }
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes.iter();
    while let Some(&byte) = rest.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        let first = *rest.next()?;
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        match (digit(first), rest.as_slice().first().copied().and_then(digit)) {
            (Some(high), Some(low)) => {
                rest.next();
                out.push(high << 4 | low);
            }
            _ => out.push(first),
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_escaped_is_read_back() {
        let cases =
            ["Doe, John", "back\\slash", "#hash", " lead", "trail ", "a\nDEL:b", "x=y", "q\"q", "山田 太郎", "😀"];
        for value in cases {
            let mut name = b"CN=".to_vec();
            escape(&mut name, value.as_bytes());
            name.extend_from_slice(b", dc=Test");
            let text = String::from_utf8(name).unwrap();
            let parts = parse(&text).unwrap();
            assert_eq!(parts.len(), 2, "{text}");
            assert_eq!((parts[0].kind.as_str(), parts[0].value.as_str()), ("cn", fold(value).as_str()), "{text}");
            assert_eq!(parts[1].value, "test");
        }
    }

    #[test]
    fn tells_names_from_other_text() {
        for bad in ["muster", "dc=a,,dc=b", "=x", r"cn=a\"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
        assert_eq!(parse("").map(|parts| parts.len()), Some(0));
    }
}
