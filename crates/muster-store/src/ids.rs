//! Sets of ids as a run notes them: delta-coded, sorted (design D4).

use roaring::RoaringTreemap;

/// Which ids of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeenKind {
    /// Assets whose records were seen.
    Seen,
    /// Assets that were created or changed.
    Changed,
    /// Assets that the source itself calls deleted.
    Deleted,
    /// Assets of which one more complete run without them was counted.
    Missed,
    /// Assets that the run holds.
    Held,
    /// Assets that a ledger line counts as written: a scope that is read again counts them no second time.
    Counted,
}

impl SeenKind {
    pub(crate) fn number(self) -> i64 {
        match self {
            Self::Seen => 0,
            Self::Changed => 1,
            Self::Deleted => 2,
            Self::Missed => 3,
            Self::Held => 4,
            Self::Counted => 5,
        }
    }
}

/// Delta-codes ascending ids: LEB128 of the distance to the one before (design D4).
pub(crate) fn encode_ids(ids: &[i64]) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(ids.len() * 2);
    let mut last = 0;
    for &id in ids {
        let mut distance = id.wrapping_sub(last).cast_unsigned();
        last = id;
        while distance >= 0x80 {
            encoded.push((distance & 0x7f).to_le_bytes()[0] | 0x80);
            distance >>= 7;
        }
        encoded.push(distance.to_le_bytes()[0]);
    }
    encoded
}

pub(crate) fn decode_ids(encoded: &[u8], into: &mut RoaringTreemap) {
    let (mut last, mut distance, mut shift) = (0_u64, 0_u64, 0_u32);
    for &byte in encoded {
        distance |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
        shift += 7;
        if byte & 0x80 == 0 {
            last = last.wrapping_add(distance);
            into.insert(last);
            (distance, shift) = (0, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_come_back() {
        let ids = [1, 2, 3, 130, 1_000_000, i64::MAX];
        let mut read = RoaringTreemap::new();
        decode_ids(&encode_ids(&ids), &mut read);
        assert_eq!(read.iter().map(|id| i64::try_from(id).unwrap()).collect::<Vec<_>>(), ids);
        assert!(encode_ids(&(1..=1000).collect::<Vec<_>>()).len() == 1000);
    }
}
