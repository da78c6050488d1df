//! Keys, their fingerprints and their text.

use std::fmt;

use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD, Encoding, HEXLOWER, HEXLOWER_PERMISSIVE};
use rand::CryptoRng;
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

use crate::secret::Secret;

const ID_LENGTH: usize = 6;
const MOST_KEYS: usize = 64;

/// The short fingerprint of a key; it tells keys apart and says nothing about them.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId([u8; ID_LENGTH]);

impl KeyId {
    /// Reads twelve hexadecimal digits in lower case.
    pub fn read(text: &str) -> Option<Self> {
        let bytes = HEXLOWER.decode(text.as_bytes()).ok()?;
        bytes.try_into().ok().map(Self)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "KeyId({self})")
    }
}

/// Why the text of a key ring cannot be read. No message holds any part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum KeyringError {
    /// No line holds a key.
    #[error("the key ring is empty: write one key of 32 bytes a line, in base64 or hexadecimal, the current one first")]
    Empty,
    /// A line that is neither.
    #[error(
        "line {0} of the key ring is not a key: write 32 bytes in base64 (43 or 44 characters) or hexadecimal (64)"
    )]
    NotAKey(usize),
    /// A key that stands there already.
    #[error("line {0} of the key ring repeats a key: remove it")]
    Repeated(usize),
    /// More keys than any rotation needs.
    #[error("the key ring has more than {MOST_KEYS} keys: remove the oldest ones that nothing is sealed under")]
    TooMany,
}

/// A key of 32 bytes, overwritten when it is dropped.
#[derive(Clone)]
pub struct Key(Zeroizing<[u8; 32]>);

impl Key {
    /// A key of these bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// A new key.
    pub fn generate(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        let mut bytes = Zeroizing::new([0_u8; 32]);
        rng.fill_bytes(&mut *bytes);
        Self(bytes)
    }

    /// The key as a line of a key ring, for the file that keeps it.
    pub fn to_text(&self) -> Secret {
        Secret::new(BASE64.encode(&*self.0))
    }

    /// Its fingerprint.
    pub fn id(&self) -> KeyId {
        let hash = self.hash("muster 2026 secret key fingerprint", &[]);
        let mut id = [0_u8; ID_LENGTH];
        id.copy_from_slice(&hash[..ID_LENGTH]);
        KeyId(id)
    }

    pub(super) fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.hash("muster 2026 secret key sealing", &[])).into())
    }

    pub(super) fn place_tag(&self, place: &[u8]) -> [u8; super::TAG_LENGTH] {
        let hash = self.hash("muster 2026 secret key place", place);
        let mut tag = [0_u8; super::TAG_LENGTH];
        tag.copy_from_slice(&hash[..super::TAG_LENGTH]);
        tag
    }

    /// The words before `context` keep callers' keys apart from those above.
    pub(super) fn derive(&self, context: &str) -> Zeroizing<[u8; 32]> {
        self.hash(&format!("muster 2026 secret key derived: {context}"), &[])
    }

    fn hash(&self, context: &str, message: &[u8]) -> Zeroizing<[u8; 32]> {
        let mut hasher = blake3::Hasher::new_derive_key(context);
        hasher.update(&*self.0).update(message);
        let mut hash = hasher.finalize();
        let bytes = Zeroizing::new(*hash.as_bytes());
        hash.zeroize();
        hasher.zeroize();
        bytes
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Key({})", self.id())
    }
}

pub(super) fn read(text: &str) -> Result<Vec<Key>, KeyringError> {
    let mut keys: Vec<Key> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let key = read_key(line).ok_or(KeyringError::NotAKey(index + 1))?;
        if keys.iter().any(|other| other.id() == key.id()) {
            return Err(KeyringError::Repeated(index + 1));
        }
        if keys.len() == MOST_KEYS {
            return Err(KeyringError::TooMany);
        }
        keys.push(key);
    }
    Ok(keys)
}

fn read_key(line: &str) -> Option<Key> {
    let encodings: &[Encoding] = match line.len() {
        64 => &[HEXLOWER_PERMISSIVE],
        44 => &[BASE64, BASE64URL],
        43 => &[BASE64_NOPAD, BASE64URL_NOPAD],
        _ => return None,
    };
    let mut bytes = encodings.iter().find_map(|encoding| encoding.decode(line.as_bytes()).ok().map(Zeroizing::new))?;
    let key = <[u8; 32]>::try_from(&bytes[..]).ok().map(Key::new);
    bytes.zeroize();
    key
}
