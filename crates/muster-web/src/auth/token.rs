//! Tokens: JWTs (RFC 7519) of one algorithm, HS256, under a key derived from the secret key.
//!
//! There is no choice of algorithm to be confused about: a token's first part must be, byte for byte, the header that
//! this hub writes for the key it names.

use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD;
use muster_core::clock::Instant;
use muster_core::seal::{KeyId, Keyring};
use ring::hmac;
use serde::{Deserialize, Serialize};

const CONTEXT: &str = "session tokens";
const FORM_CONTEXT: &str = "form tokens";
/// The longest token that is looked at.
const LONGEST: usize = 2048;

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who signed it.
    pub iss: String,
    /// The public id of whoever signed in.
    pub sub: String,
    /// The tenant.
    pub tid: i64,
    /// The session.
    pub jti: String,
    /// When it was made, in seconds since 1970.
    pub iat: i64,
    /// When it ends, in seconds since 1970.
    pub exp: i64,
}

/// What signs tokens.
#[derive(Debug, Clone)]
pub struct SigningKey(Arc<Keyring>);

impl SigningKey {
    /// The keys of a ring: the current one signs, the older ones still prove what they signed.
    pub fn new(keyring: Arc<Keyring>) -> Self {
        Self(keyring)
    }

    /// The token of these claims.
    pub(crate) fn sign(&self, claims: &Claims) -> String {
        let id = self.0.current();
        let body = serde_json::to_vec(claims).unwrap_or_default();
        let signed = format!("{}.{}", header(id), BASE64URL_NOPAD.encode(&body));
        let key = hmac::Key::new(hmac::HMAC_SHA256, &*self.0.derive(CONTEXT));
        let tag = hmac::sign(&key, signed.as_bytes());
        format!("{signed}.{}", BASE64URL_NOPAD.encode(tag.as_ref()))
    }

    /// The claims of a token that this hub signed and that lasts.
    pub(crate) fn verify(&self, token: &str, now: Instant) -> Option<Claims> {
        if token.len() > LONGEST {
            return None;
        }
        let (signed, tag) = token.rsplit_once('.')?;
        let (head, body) = signed.split_once('.')?;
        let id = self.0.ids().find(|&id| header(id) == head)?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, &*self.0.derive_from(id, CONTEXT)?);
        let tag = BASE64URL_NOPAD.decode(tag.as_bytes()).ok()?;
        hmac::verify(&key, signed.as_bytes(), &tag).ok()?;
        let body = BASE64URL_NOPAD.decode(body.as_bytes()).ok()?;
        let claims: Claims = serde_json::from_slice(&body).ok()?;
        (now.0 / 1_000_000 < claims.exp).then_some(claims)
    }

    /// What forms of a session carry.
    pub(crate) fn form_token(&self, session: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &*self.0.derive(FORM_CONTEXT));
        BASE64URL_NOPAD.encode(hmac::sign(&key, session.as_bytes()).as_ref())
    }

    /// Whether a form of that session carries what it should.
    pub(crate) fn is_form_token(&self, session: &str, given: &str) -> bool {
        let Ok(given) = BASE64URL_NOPAD.decode(given.as_bytes()) else { return false };
        self.0.ids().filter_map(|id| self.0.derive_from(id, FORM_CONTEXT)).any(|key| {
            let key = hmac::Key::new(hmac::HMAC_SHA256, &*key);
            hmac::verify(&key, session.as_bytes(), &given).is_ok()
        })
    }
}

fn header(id: KeyId) -> String {
    BASE64URL_NOPAD.encode(format!(r#"{{"alg":"HS256","typ":"JWT","kid":"{id}"}}"#).as_bytes())
}

#[cfg(test)]
mod tests {
    use muster_core::seal::Key;

    use super::*;

    fn claims() -> Claims {
        let text = |text: &str| text.to_owned();
        Claims { iss: text("muster"), sub: text("u"), tid: 1, jti: text("s"), iat: 0, exp: 100 }
    }

    #[test]
    fn token_is_taken_while_it_lasts_and_as_it_was_signed() {
        let old = Key::new([7; 32]);
        let signing = SigningKey::new(Arc::new(Keyring::new(old.clone(), Vec::new())));
        let token = signing.sign(&claims());
        assert_eq!(token.split('.').count(), 3);
        assert_eq!(signing.verify(&token, Instant(99_999_999)), Some(claims()));
        assert_eq!(signing.verify(&token, Instant(100_000_000)), None);
        let rotated = SigningKey::new(Arc::new(Keyring::new(Key::new([8; 32]), vec![old])));
        assert_eq!(rotated.verify(&token, Instant(0)), Some(claims()));
        let other = SigningKey::new(Arc::new(Keyring::new(Key::new([9; 32]), Vec::new())));
        assert_eq!(other.verify(&token, Instant(0)), None);
    }

    #[test]
    fn another_algorithm_or_body_is_refused() {
        let signing = SigningKey::new(Arc::new(Keyring::new(Key::new([7; 32]), Vec::new())));
        let token = signing.sign(&claims());
        let parts: Vec<&str> = token.split('.').collect();
        let none = BASE64URL_NOPAD.encode(br#"{"alg":"none","typ":"JWT"}"#);
        let body = BASE64URL_NOPAD.encode(br#"{"iss":"muster","sub":"x","tid":2,"jti":"s","iat":0,"exp":100}"#);
        for forged in [
            format!("{none}.{}.", parts[1]),
            format!("{none}.{}.{}", parts[1], parts[2]),
            format!("{}.{body}.{}", parts[0], parts[2]),
            format!("{}.{}.", parts[0], parts[1]),
            format!("{}.{}", parts[0], parts[1]),
            String::new(),
            ".".repeat(3000),
        ] {
            assert_eq!(signing.verify(&forged, Instant(0)), None, "{forged}");
        }
    }

    #[test]
    fn form_token_is_of_one_session() {
        let signing = SigningKey::new(Arc::new(Keyring::new(Key::new([7; 32]), Vec::new())));
        let token = signing.form_token("one");
        assert!(signing.is_form_token("one", &token));
        assert!(!signing.is_form_token("two", &token));
        assert!(!signing.is_form_token("one", "x"));
    }
}
