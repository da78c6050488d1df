//! Credentials that cannot be printed by accident.

use std::fmt;

use serde::{Deserialize, Deserializer};

/// A credential. `Debug` and `Display` say `[redacted]`, it has no `Serialize`, and its bytes are reached by one name.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a credential.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The credential itself. Only for handing it to the system it belongs to.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[redacted]")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[redacted]")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextOnly)
    }
}

/// Takes text, and says of anything else only what it is: serde's own messages would quote the value.
struct TextOnly;

impl<'de> serde::de::Visitor<'de> for TextOnly {
    type Value = Secret;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a secret as text")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Secret, E> {
        Ok(Secret(text.to_owned()))
    }

    fn visit_string<E: serde::de::Error>(self, text: String) -> Result<Secret, E> {
        Ok(Secret(text))
    }

    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<Secret, E> {
        Err(E::custom("a number stands where a secret belongs: write it in quotes"))
    }

    fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<Secret, E> {
        self.visit_i64(0)
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<Secret, E> {
        self.visit_i64(0)
    }

    fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<Secret, E> {
        Err(E::custom("true or false stands where a secret belongs: write it in quotes"))
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        // Best effort without unsafe code: the buffer is overwritten before it is freed.
        let length = self.0.len();
        self.0.clear();
        self.0.extend(std::iter::repeat_n('\0', length));
        std::hint::black_box(&self.0);
    }
}

/// serde's sentence about a text from outside, without the value it quotes: that may be a secret in the wrong place.
/// None where it is no sentence of serde's own.
pub fn without_value(message: &str) -> Option<String> {
    match message.rsplit_once(", expected ") {
        Some((head, expected)) if head.starts_with("invalid") => {
            Some(format!("a value is of another kind: expected {expected}"))
        }
        Some((head, expected)) if head.starts_with("unknown variant") => {
            Some(format!("a value is none of those known: expected {expected}"))
        }
        _ if message.starts_with("missing field") || message.starts_with("unknown field") => Some(message.to_owned()),
        _ => None,
    }
}
