//! Spreading the runs of many profiles that share their slots.

use crate::clock::Instant;

use super::{Rule, Schedule};

/// A delay within `[0, maximum)`, always the same for the same seed.
///
/// A profile's runs stay as far apart as its slots, because all of them are delayed alike. Where the next slot or the
/// schedule's end comes before the delay is over, the delay is folded into the room there is: a run never starts at or
/// after the next slot, so no two of them swap. Only recurring schedules are spread: a single occurrence and a cron
/// expression say exactly when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Jitter {
    delay: i64,
}

impl Jitter {
    /// The longest spread: a day.
    pub const MAXIMUM: i64 = 86_400_000_000;

    /// No delay.
    pub const NONE: Self = Self { delay: 0 };

    /// The delay of `seed` (a profile's id) below `maximum` microseconds, which is cut to 0 … [`Self::MAXIMUM`].
    pub fn new(seed: &str, maximum: i64) -> Self {
        let maximum = maximum.clamp(0, Self::MAXIMUM).unsigned_abs();
        let hash = blake3::derive_key("muster 2026 schedule jitter", seed.as_bytes());
        let number = hash[..8].iter().fold(0_u64, |sum, &byte| sum << 8 | u64::from(byte));
        let delay = number.checked_rem(maximum).unwrap_or(0);
        Self { delay: i64::try_from(delay).unwrap_or(0) }
    }
}

impl Schedule {
    /// When the run of `slot` starts, spread by `jitter`.
    pub fn spread(&self, slot: Instant, jitter: Jitter) -> Instant {
        if jitter.delay == 0 || !matches!(self.rule, Rule::Recurring(_)) {
            return slot;
        }
        // The end bounds `next_after`, so the last slot asks for it by itself.
        let next = self.next_after(slot).or(self.end());
        let room = next.map_or(i64::MAX, |next| next.0.saturating_sub(slot.0));
        slot.plus(jitter.delay.checked_rem(room).unwrap_or(0))
    }

    /// The first start of a run later than `after`, when each is spread by `jitter`.
    pub fn next_start(&self, after: Instant, jitter: Jitter) -> Option<Instant> {
        let first = self.next_after(after.plus(-jitter.delay).plus(-1))?;
        std::iter::successors(Some(first), |&slot| self.next_after(slot))
            .map(|slot| self.spread(slot, jitter))
            .find(|&start| start > after)
    }
}
