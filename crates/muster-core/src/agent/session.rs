//! The keyring of one session: what both ends make of their X25519 agreement.

use zeroize::Zeroizing;

use crate::seal::{Key, Keyring};

const CONTEXT: &str = "muster 2026-11 agent session: secrets from hub to agent";

/// The keyring of a session, from the agreement's secret and both public keys, the agent's first. Neither end may use an
/// agreement's secret as it is (RFC 7748 section 6.1).
pub fn session_keyring(shared: &[u8], agent: &[u8], hub: &[u8]) -> Keyring {
    let mut material = Zeroizing::new(Vec::with_capacity(96));
    for part in [shared, agent, hub] {
        material.extend_from_slice(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
        material.extend_from_slice(part);
    }
    Keyring::new(Key::new(blake3::derive_key(CONTEXT, &material)), Vec::new())
}
