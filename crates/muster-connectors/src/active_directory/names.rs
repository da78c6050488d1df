//! Distinguished names, as far as reading needs them (RFC 4514).

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
    let mut components = 0;
    while !rest.is_empty() {
        let (component, parent) = split(rest);
        let named = component.split_once('=').is_some_and(|(name, value)| {
            let name = name.trim();
            !name.is_empty()
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.')
                && !value.is_empty()
        });
        if !named {
            return false;
        }
        rest = parent;
        components += 1;
    }
    components > 0
}

/// The name folded, blanks around separators aside: what is compared.
pub(super) fn key(dn: &str) -> String {
    let mut key = String::with_capacity(dn.len());
    let mut rest = dn;
    while !rest.is_empty() {
        let (component, parent) = split(rest);
        if !key.is_empty() {
            key.push(',');
        }
        match component.split_once('=') {
            Some((name, value)) => {
                key.push_str(&name.trim().to_ascii_lowercase());
                key.push('=');
                key.push_str(&fold(value));
            }
            None => key.push_str(&fold(component)),
        }
        rest = parent;
    }
    key
}

/// Whether both name the same entry.
pub(super) fn same(left: &str, right: &str) -> bool {
    key(left) == key(right)
}

/// Whether the first lies below the second.
pub(super) fn is_below(dn: &str, ancestor: &str) -> bool {
    let (dn, ancestor) = (key(dn), key(ancestor));
    dn.strip_suffix(&ancestor).is_some_and(|rest| rest.ends_with(','))
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
mod tests {
    use super::*;

    #[test]
    fn splits_at_the_first_bare_comma() {
        for (dn, component, rest) in [
            ("CN=a,DC=b", "CN=a", "DC=b"),
            (r"CN=Doe\, John,OU=x,DC=b", r"CN=Doe\, John", "OU=x,DC=b"),
            (r"CN=a\\,DC=b", r"CN=a\\", "DC=b"),
            ("CN=\"a,b\",DC=b", "CN=\"a,b\"", "DC=b"),
            ("DC=b", "DC=b", ""),
            ("", "", ""),
        ] {
            assert_eq!(split(dn), (component, rest), "{dn}");
        }
    }

    #[test]
    fn tells_names_from_other_text() {
        for good in ["DC=b", "OU=Sales, DC=muster, DC=test", r"CN=x\=y,DC=b", "CN=山田,DC=b", "2.5.4.3=x,DC=b"] {
            assert!(is_dn(good), "{good}");
        }
        for bad in ["", "muster.test", "DC=a,,DC=b", "=x", "CN=,DC=b", "OU Sales=x"] {
            assert!(!is_dn(bad), "{bad}");
        }
    }

    #[test]
    fn below_means_below() {
        assert!(is_below("cn=A, dc=B", "DC=b"));
        assert!(!is_below("DC=b", "DC=b"));
        assert!(!is_below("DC=ab", "DC=b"));
        assert!(is_below("OU=MÜLLER,DC=b", "dc=B"));
    }

    #[test]
    fn parts_extended_names() {
        assert_eq!(extended("<GUID=aa-bb>;<SID=S-1-5-18>;CN=x,DC=b"), (Some("aa-bb"), "CN=x,DC=b"));
        assert_eq!(extended("CN=<x>,DC=b"), (None, "CN=<x>,DC=b"));
        assert_eq!(extended("<GUID=aa"), (None, "<GUID=aa"));
        assert_eq!(extended("<é>;CN=x").1, "CN=x");
    }
}
