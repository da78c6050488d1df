//! Secrets at rest (design P7).
//!
//! *Types*: a [`Keyring`] has one current [`Key`] and older ones, each named by a short fingerprint. A [`Place`] says
//! where a sealed value belongs: tenant, owner (a connector's id), field.
//!
//! *Flow*: [`Secret`] → [`Keyring::seal`] under the current key → text that names its key, to be stored →
//! [`Keyring::open`] with the key it names, at the same place only → [`Secret`]. [`Keyring::needs_rotation`] says which
//! stored texts were sealed under an older key; sealing them anew is the store's work. [`Keyring::derive`] makes keys
//! for other uses, such as signing tokens.
//!
//! The text is `m1.<key id>.<base64url of place tag, nonce, ciphertext>`: XChaCha20-Poly1305, with version and place
//! authenticated beside the ciphertext. The place tag (a keyed hash) tells a value that was moved from one that was
//! altered; the place itself is proven by the cipher.

use std::fmt;

use chacha20poly1305::XNonce;
use chacha20poly1305::aead::{Aead, Payload};
use data_encoding::BASE64URL_NOPAD;
use rand::CryptoRng;
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

use crate::secret::Secret;

mod key;

pub use key::{Key, KeyId, KeyringError};

const VERSION: &str = "m1";
const TAG_LENGTH: usize = 16;
const NONCE_LENGTH: usize = 24;
const MAC_LENGTH: usize = 16;

/// The longest secret that is sealed, in bytes: certificates with their chains fit many times.
pub const LONGEST_SECRET: usize = 256 * 1024;
/// The longest text that is opened: four characters for three bytes, and the rest.
const LONGEST_TEXT: usize = LONGEST_SECRET / 3 * 4 + 1024;

/// Where a sealed value belongs. It opens nowhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// The tenant's id.
    pub tenant: &'a str,
    /// What the secret belongs to, by id: a connector.
    pub owner: &'a str,
    /// The field of the owner that holds it.
    pub field: &'a str,
}

impl Place<'_> {
    /// Version and place, each part with its length before it: no two places have the same bytes.
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for part in [VERSION, self.tenant, self.owner, self.field] {
            bytes.extend_from_slice(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
            bytes.extend_from_slice(part.as_bytes());
        }
        bytes
    }
}

/// Why a value cannot be sealed or opened. No message holds any part of it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SealError {
    /// Not the text of a sealed value, or not all of it.
    #[error("the sealed value is torn, or is none")]
    Torn,
    /// Its key is not in the ring.
    #[error("the sealed value needs key `{0}`, which the key ring does not have")]
    UnknownKey(KeyId),
    /// It was sealed for another tenant, owner or field.
    #[error("the sealed value belongs to another place")]
    WrongPlace,
    /// Its bytes are not those that were sealed.
    #[error("the sealed value was altered")]
    Altered,
    /// Longer than [`LONGEST_SECRET`].
    #[error("the secret has more than {LONGEST_SECRET} bytes")]
    TooLong,
}

/// The keys that seal and open secrets.
#[derive(Clone)]
pub struct Keyring {
    current: Key,
    older: Vec<Key>,
}

impl Keyring {
    /// A ring of a current key and the older ones that still open what they sealed.
    pub fn new(current: Key, older: Vec<Key>) -> Self {
        Self { current, older }
    }

    /// Reads keys of 32 bytes in base64 or hexadecimal, one a line, the current one first; blank lines and lines that
    /// begin with `#` are skipped.
    pub fn from_text(text: &str) -> Result<Self, KeyringError> {
        let mut keys = key::read(text)?.into_iter();
        let current = keys.next().ok_or(KeyringError::Empty)?;
        Ok(Self::new(current, keys.collect()))
    }

    /// The id of the key that seals.
    pub fn current(&self) -> KeyId {
        self.current.id()
    }

    /// The ids of all keys, the current one first.
    pub fn ids(&self) -> impl Iterator<Item = KeyId> + '_ {
        std::iter::once(&self.current).chain(&self.older).map(Key::id)
    }

    /// Seals a secret for a place. The nonce is drawn from `rng`: sealing the same secret twice gives different texts.
    pub fn seal(
        &self,
        place: &Place<'_>,
        secret: &Secret,
        rng: &mut (impl CryptoRng + ?Sized),
    ) -> Result<String, SealError> {
        if secret.reveal().len() > LONGEST_SECRET {
            return Err(SealError::TooLong);
        }
        let mut nonce = [0_u8; NONCE_LENGTH];
        rng.fill_bytes(&mut nonce);
        let aad = place.bytes();
        let payload = Payload { msg: secret.reveal().as_bytes(), aad: &aad };
        let sealed = self.current.cipher().encrypt(&XNonce::from(nonce), payload).map_err(|_| SealError::TooLong)?;
        let bytes = [&self.current.place_tag(&aad)[..], &nonce, &sealed].concat();
        Ok(format!("{VERSION}.{}.{}", self.current.id(), BASE64URL_NOPAD.encode(&bytes)))
    }

    /// Opens what was sealed for that place.
    pub fn open(&self, place: &Place<'_>, text: &str) -> Result<Secret, SealError> {
        let (id, encoded) = parts(text).ok_or(SealError::Torn)?;
        let key = self.key(id).ok_or(SealError::UnknownKey(id))?;
        let bytes = BASE64URL_NOPAD.decode(encoded.as_bytes()).map_err(|_| SealError::Torn)?;
        if bytes.len() < TAG_LENGTH + NONCE_LENGTH + MAC_LENGTH {
            return Err(SealError::Torn);
        }
        let (tag, rest) = bytes.split_at(TAG_LENGTH);
        let (nonce, sealed) = rest.split_at(NONCE_LENGTH);
        let aad = place.bytes();
        let expected = key.place_tag(&aad);
        let nonce = XNonce::try_from(nonce).map_err(|_| SealError::Torn)?;
        let opened = key.cipher().decrypt(&nonce, Payload { msg: sealed, aad: &aad });
        match opened {
            Ok(secret) if tag == expected => into_secret(secret),
            Ok(mut secret) => {
                secret.zeroize();
                Err(SealError::Altered)
            }
            Err(_) if tag == expected => Err(SealError::Altered),
            Err(_) => Err(SealError::WrongPlace),
        }
    }

    /// Whether a stored text should be sealed anew: it names another key than the current one, or nothing readable.
    pub fn needs_rotation(&self, text: &str) -> bool {
        parts(text).is_none_or(|(id, _)| id != self.current.id())
    }

    /// The id of the key that a stored text names.
    pub fn key_of(text: &str) -> Result<KeyId, SealError> {
        parts(text).map(|(id, _)| id).ok_or(SealError::Torn)
    }

    /// A key for another use, named by `context` (a constant, unique to the use), made from the current key.
    pub fn derive(&self, context: &str) -> Zeroizing<[u8; 32]> {
        self.current.derive(context)
    }

    /// The same from the key of that id, for checking what was made before a rotation.
    pub fn derive_from(&self, id: KeyId, context: &str) -> Option<Zeroizing<[u8; 32]>> {
        self.key(id).map(|key| key.derive(context))
    }

    fn key(&self, id: KeyId) -> Option<&Key> {
        std::iter::once(&self.current).chain(&self.older).find(|key| key.id() == id)
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.ids()).finish()
    }
}

fn parts(text: &str) -> Option<(KeyId, &str)> {
    if text.len() > LONGEST_TEXT {
        return None;
    }
    let (version, rest) = text.split_once('.')?;
    let (id, encoded) = rest.split_once('.')?;
    (version == VERSION).then_some((KeyId::read(id)?, encoded))
}

fn into_secret(bytes: Vec<u8>) -> Result<Secret, SealError> {
    String::from_utf8(bytes).map(Secret::new).map_err(|error| {
        error.into_bytes().zeroize();
        SealError::Altered
    })
}

#[cfg(test)]
mod tests;
