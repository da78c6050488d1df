//! From bytes to text.

use std::borrow::Cow;

use crate::definition::{NoteKind, Notes};
use crate::error::DefinitionError;
use crate::node::Place;
use crate::seen::Seen;

/// Bytes that are looked through for what no text has.
const PROBED: usize = 4096;

/// UTF-8, or UTF-16 with a byte-order mark. A wrong byte here and there is replaced and noted; exports have them.
pub(crate) fn decode<'a>(
    bytes: &'a [u8],
    notes: &mut Notes,
    root: &Place<'_>,
) -> Result<Cow<'a, str>, DefinitionError> {
    let not = |seen| Err(DefinitionError::NotADefinition { seen });
    let text = match bytes {
        [0xEF, 0xBB, 0xBF, rest @ ..] => utf8(rest, notes, root),
        [0xFF, 0xFE, rest @ ..] => utf16(rest, u16::from_le_bytes, (notes, root)),
        [0xFE, 0xFF, rest @ ..] => utf16(rest, u16::from_be_bytes, (notes, root)),
        [b'P', b'K', 3 | 5, 4 | 6, ..] => return not(Seen::Zip),
        [0x1F, 0x8B, ..] => return not(Seen::Gzip),
        _ if bytes.starts_with(b"%PDF-") => return not(Seen::Pdf),
        _ if bytes.iter().take(PROBED).any(|&byte| byte == 0) => return not(Seen::Binary),
        _ => utf8(bytes, notes, root),
    };
    if text.trim().is_empty() {
        return not(Seen::Nothing);
    }
    Ok(text)
}

fn utf8<'a>(bytes: &'a [u8], notes: &mut Notes, root: &Place<'_>) -> Cow<'a, str> {
    if let Err(error) = std::str::from_utf8(bytes) {
        let message = format!("byte {} is not UTF-8: replaced by a mark", error.valid_up_to());
        notes.add(NoteKind::Odd, root, message);
    }
    String::from_utf8_lossy(bytes)
}

fn utf16<'a>(bytes: &[u8], unit: fn([u8; 2]) -> u16, (notes, root): (&mut Notes, &Place<'_>)) -> Cow<'a, str> {
    let units = bytes.as_chunks::<2>().0.iter().map(|&pair| unit(pair));
    let mut wrong = bytes.len() % 2 == 1;
    let text = char::decode_utf16(units).map(|found| {
        wrong |= found.is_err();
        found.unwrap_or(char::REPLACEMENT_CHARACTER)
    });
    let text: String = text.collect();
    if wrong {
        notes.add(NoteKind::Odd, root, "not all of it is UTF-16: replaced by marks");
    }
    Cow::Owned(text)
}
