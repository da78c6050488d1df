//! Wall times of a zone, and the instants they name.

use std::fmt;

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp};

use super::error::{ScheduleError, shortened};

const LONGEST_NAME: usize = 64;
/// How many changes of the clock one search passes; the busiest zones have four a year.
const MOST_CHANGES: usize = 256;
const MOMENT: SignedDuration = SignedDuration::from_nanos(1);

/// An IANA time zone.
#[derive(Clone, PartialEq, Eq)]
pub struct Zone {
    name: String,
    rules: TimeZone,
}

impl Zone {
    /// Coordinated universal time.
    pub fn utc() -> Self {
        Self { name: "UTC".to_owned(), rules: TimeZone::UTC }
    }

    /// The zone of that IANA name, in any case of letters.
    pub fn named(name: &str) -> Result<Self, ScheduleError> {
        let unknown = || {
            let problem = format!("names no time zone: `{}`", shortened(name));
            ScheduleError::new("zone", problem, "write an IANA name such as `Europe/Berlin` or `UTC`")
        };
        if name.len() > LONGEST_NAME {
            return Err(unknown());
        }
        let rules = TimeZone::get(name).map_err(|_| unknown())?;
        if rules.is_unknown() {
            return Err(unknown());
        }
        let name = rules.iana_name().ok_or_else(unknown)?.to_owned();
        Ok(Self { name, rules })
    }

    /// Its IANA name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The first instant whose wall time is `wall` or, where the clock skips that, later.
    pub(super) fn first_instant(&self, wall: DateTime) -> Option<Timestamp> {
        match self.rules.to_ambiguous_timestamp(wall).offset() {
            AmbiguousOffset::Unambiguous { offset } | AmbiguousOffset::Fold { before: offset, .. } => {
                offset.to_timestamp(wall).ok()
            }
            // Read with the offset that ends there, a skipped wall time lies behind the change.
            AmbiguousOffset::Gap { before, .. } => self.last_change(before.to_timestamp(wall).ok()?),
        }
    }

    /// The wall time up to which every wall time's first instant is `after` or earlier; all later ones' are later.
    pub(super) fn passed(&self, after: Timestamp) -> Option<DateTime> {
        let offset = self.rules.to_offset(after);
        let wall = offset.to_datetime(after);
        match self.rules.to_ambiguous_timestamp(wall).offset() {
            // The second pass: the whole repeated range had its turn in the first.
            AmbiguousOffset::Fold { before, after: second } if second == offset => {
                before.to_datetime(self.last_change(after)?).checked_sub(MOMENT).ok()
            }
            _ => Some(wall),
        }
    }

    /// The first instant later than `after` whose wall time is one that `next` finds, repeated ones in both passes.
    pub(super) fn next_in_both_passes(
        &self,
        after: Timestamp,
        next: impl Fn(DateTime) -> Option<DateTime>,
    ) -> Option<Timestamp> {
        let mut offset = self.rules.to_offset(after);
        let mut passed = offset.to_datetime(after);
        let mut changes = self.rules.following(after);
        for _ in 0..MOST_CHANGES {
            let found = offset.to_timestamp(next(passed)?).ok()?;
            let Some(change) = changes.next().filter(|change| change.timestamp() <= found) else {
                return Some(found);
            };
            offset = change.offset();
            passed = offset.to_datetime(change.timestamp()).checked_sub(MOMENT).ok()?;
        }
        None
    }

    fn last_change(&self, until: Timestamp) -> Option<Timestamp> {
        let change = self.rules.preceding(until.checked_add(MOMENT).ok()?).next()?;
        Some(change.timestamp())
    }
}

impl Default for Zone {
    fn default() -> Self {
        Self::utc()
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Zone({})", self.name)
    }
}
