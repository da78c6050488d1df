//! Reading LDIF (RFC 2849) as `ldapsearch` writes it.

use std::collections::BTreeMap;

/// An entry: its name and its attributes' values.
#[derive(Debug, Default, Clone)]
pub(crate) struct Entry {
    pub(crate) dn: String,
    pub(crate) values: BTreeMap<String, Vec<Vec<u8>>>,
}

impl Entry {
    pub(crate) fn bytes(&self, name: &str) -> Option<&[u8]> {
        self.values.get(&name.to_lowercase())?.first().map(Vec::as_slice)
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.bytes(name).map(|bytes| std::str::from_utf8(bytes).unwrap())
    }

    pub(crate) fn number(&self, name: &str) -> Option<i64> {
        self.text(name)?.parse().ok()
    }

    pub(crate) fn texts(&self, name: &str) -> Vec<String> {
        let values = self.values.get(&name.to_lowercase()).into_iter().flatten();
        values.map(|bytes| String::from_utf8(bytes.clone()).unwrap()).collect()
    }
}

pub(crate) fn parse(text: &str) -> Vec<Entry> {
    let mut entries = Vec::new();
    for block in text.split("\n\n") {
        let mut entry = Entry::default();
        for line in block.lines().filter(|line| !line.starts_with('#')) {
            let Some((name, rest)) = line.split_once(':') else { continue };
            let value = match rest.strip_prefix(':') {
                Some(encoded) => base64(encoded.trim()),
                None => rest.trim_start_matches(' ').as_bytes().to_vec(),
            };
            match name {
                "dn" => entry.dn = String::from_utf8(value).unwrap(),
                "ref" => {}
                name => entry.values.entry(name.to_lowercase()).or_default().push(value),
            }
        }
        if !entry.dn.is_empty() {
            entries.push(entry);
        }
    }
    entries
}

fn base64(text: &str) -> Vec<u8> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bits, mut count, mut bytes) = (0_u32, 0, Vec::new());
    for byte in text.bytes().filter(|&byte| byte != b'=') {
        bits = bits << 6 | u32::try_from(ALPHABET.iter().position(|&known| known == byte).unwrap()).unwrap();
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xff).unwrap());
        }
    }
    bytes
}
