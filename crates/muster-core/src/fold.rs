//! One folding of text for search: the same at write and at query, so that databases only compare bytes.

use caseless::Caseless;
use unicode_normalization::UnicodeNormalization;

/// NFKC, full case folding, NFKC again (Unicode Standard, section 3.13, definition D146).
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    text.nfkc().default_case_fold().nfkc().collect()
}

/// 16 bytes of BLAKE3: the fingerprint that hashes of records, keys and maps share.
pub fn fingerprint(bytes: &[u8]) -> [u8; 16] {
    let mut short = [0; 16];
    short.copy_from_slice(&blake3::hash(bytes).as_bytes()[..16]);
    short
}

#[cfg(test)]
mod tests {
    use super::fold;

    #[test]
    fn folds_as_unicode_says() {
        for (text, folded) in [
            ("MÜLLER", "müller"),
            ("Straße", "strasse"),
            ("ＡＢＣ", "abc"),
            ("ﬁn", "fin"),
            ("İstanbul", "i\u{307}stanbul"),
        ] {
            assert_eq!(fold(text), folded, "{text}");
            assert_eq!(fold(&fold(text)), fold(text), "idempotent: {text}");
        }
    }
}
