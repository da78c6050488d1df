//! Numbers out of numbers: everything in the directory is computed from the seed, so that nothing need be kept.

/// A well mixed number (the finalizer of SplitMix64).
pub(super) fn mix(number: u64) -> u64 {
    let mut x = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// A series of draws that belong to one object.
#[derive(Debug, Clone, Copy)]
pub(super) struct Draws(u64);

impl Draws {
    pub(super) fn new(seed: u64, identity: u64) -> Self {
        Self(mix(seed ^ mix(identity)))
    }

    /// The draw of that name: the same each time it is asked for.
    pub(super) fn draw(self, name: u64) -> u64 {
        mix(self.0 ^ name.wrapping_mul(0xD6E8_FEB8_6659_FD93))
    }

    /// A number below `bound`.
    pub(super) fn below(self, name: u64, bound: u64) -> u64 {
        // The upper half of the product is uniform enough for names and dates, and needs no division.
        u64::try_from((u128::from(self.draw(name)) * u128::from(bound)) >> 64).unwrap_or(0)
    }

    /// One of a list.
    pub(super) fn pick<T: Copy>(self, name: u64, list: &[T]) -> T {
        let index = usize::try_from(self.below(name, list.len() as u64)).unwrap_or(0);
        list[index]
    }

    /// True `per_mille` times in a thousand.
    pub(super) fn chance(self, name: u64, per_mille: u64) -> bool {
        self.below(name, 1000) < per_mille
    }
}

const ROUNDS: u64 = 4;
/// What the second half of a GUID's plain form is; tells our GUIDs from others.
const MARK: u64 = 0x6d75_7374_6572_4c41;
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// The GUID of an identity: a cipher of it, so that the identity can be had back without an index. Every 500th is
/// text in UTF-8, as a few of any large directory's are by chance.
pub(super) fn guid(seed: u64, identity: u64) -> [u8; 16] {
    let mut bytes = [0; 16];
    if identity % 500 == 7 {
        bytes[..2].copy_from_slice("ñ".as_bytes());
        let mut rest = u128::from(identity & 0x3_ffff_ffff) | u128::from(mix(seed ^ identity) >> 28) << 34;
        for byte in &mut bytes[2..] {
            *byte = ALPHABET[usize::try_from(rest & 31).unwrap_or(0)];
            rest >>= 5;
        }
        return bytes;
    }
    let (mut left, mut right) = (identity, MARK);
    for round in 0..ROUNDS {
        (left, right) = (right, left ^ mix(right ^ seed.wrapping_add(round)));
    }
    bytes[..8].copy_from_slice(&left.to_le_bytes());
    bytes[8..].copy_from_slice(&right.to_le_bytes());
    bytes
}

/// The identity that has that GUID, if any can have it.
pub(super) fn identity(seed: u64, bytes: &[u8]) -> Option<u64> {
    let bytes: &[u8; 16] = bytes.try_into().ok()?;
    let found = if bytes.starts_with("ñ".as_bytes()) && bytes[2..].iter().all(|byte| ALPHABET.contains(byte)) {
        let digits = bytes[2..].iter().rev().map(|byte| ALPHABET.iter().position(|known| known == byte).unwrap_or(0));
        let number = digits.fold(0_u128, |sum, digit| sum << 5 | digit as u128);
        u64::try_from(number & 0x3_ffff_ffff).ok()?
    } else {
        let (left, right) = bytes.split_at(8);
        let mut left = u64::from_le_bytes(left.try_into().ok()?);
        let mut right = u64::from_le_bytes(right.try_into().ok()?);
        for round in (0..ROUNDS).rev() {
            (left, right) = (right ^ mix(left ^ seed.wrapping_add(round)), left);
        }
        left
    };
    (guid(seed, found) == *bytes).then_some(found)
}

/// A number that multiplies the numbers below `modulus` into each other, one to one, and the number that undoes it.
pub(super) fn multiplier(seed: u64, modulus: u64) -> (u64, u64) {
    let mut candidate = mix(seed) % modulus.max(1);
    loop {
        if let Some(inverse) = inverse(candidate, modulus) {
            return (candidate, inverse);
        }
        candidate = (candidate + 1) % modulus.max(1);
    }
}

fn inverse(number: u64, modulus: u64) -> Option<u64> {
    if modulus <= 1 {
        return Some(0);
    }
    let (mut old, mut new) = (i128::from(modulus), i128::from(number));
    let (mut old_factor, mut factor) = (0_i128, 1_i128);
    while new != 0 {
        let quotient = old / new;
        (old, new) = (new, old - quotient * new);
        (old_factor, factor) = (factor, old_factor - quotient * factor);
    }
    (old == 1).then(|| u64::try_from(old_factor.rem_euclid(i128::from(modulus))).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guids_lead_back_to_their_objects() {
        let mut texts = 0;
        for number in 0..20_000_u64 {
            let id = ((number % 4) << 32) | number;
            let bytes = guid(7, id);
            assert_eq!(identity(7, &bytes), Some(id));
            texts += usize::from(std::str::from_utf8(&bytes).is_ok());
        }
        assert!(texts >= 40);
        assert_eq!(identity(7, &[0; 16]), None);
        assert_eq!(identity(7, "ñaaaaaaaaaaaaaa".as_bytes()), None);
        assert_eq!(identity(7, b"short"), None);
    }

    #[test]
    fn multipliers_have_an_inverse() {
        for modulus in [1, 2, 3, 10, 97, 1000, 1_000_000] {
            let (factor, back) = multiplier(3, modulus);
            for number in (0..modulus).take(50) {
                assert_eq!(number * factor % modulus * back % modulus, number, "{modulus}");
            }
        }
    }
}
