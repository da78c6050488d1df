//! When a profile runs (design section 5).
//!
//! *Types*: a [`Schedule`] is one occurrence, a recurrence or a [`Cron`] expression, read in a [`Zone`], from a start
//! and up to an end. It is the wire form of REST and what is stored: camelCase, tagged by `type`, unknown fields
//! refused. A slot is the [`Instant`] at which a run is due.
//!
//! *Flow*: JSON → [`Schedule::from_json`] (a [`ScheduleError`] names field, problem and remedy) →
//! [`Schedule::next_after`], a pure function of the schedule and an instant. Everything else is said through it:
//! [`Schedule::upcoming`] for the form, [`Schedule::missed`] after a time down, [`Schedule::next_start`] with [`Jitter`].
//!
//! ```json
//! {"type": "single", "start": "2026-03-29T02:30", "zone": "Europe/Berlin"}
//! {"type": "recurring", "every": 2, "unit": "weeks", "weekdays": ["monday", "friday"], "at": "02:30"}
//! {"type": "recurring", "every": 1, "unit": "months", "day": 31, "at": "23:00", "end": "2027-01-01T00:00"}
//! {"type": "recurring", "every": 90, "unit": "minutes", "start": "2026-03-01T00:00"}
//! {"type": "cron", "expression": "0 3 * * MON-FRI", "zone": "Asia/Colombo"}
//! ```
//!
//! # Rules
//! - *Wall times* (single, days, weeks, months, cron whose hours are named) run once, whatever the clock does: a wall
//!   time that the zone skips runs at the first instant after the gap, one that it repeats runs at its first
//!   occurrence. Wall times that fall on one instant are one slot.
//! - *Intervals* keep their interval. Minutes and hours are counted in elapsed time from the start (without one, from
//!   1970-01-01T00:00Z). A cron expression whose hour field has a `*` or a `/` runs at every instant whose wall time
//!   fits: in both passes of a repeated hour, and not in a skipped one.
//! - Days, weeks and months are counted from the start's day, its week (which begins on Monday) and its month; without
//!   a start, from those of 1970-01-01. What is left out is taken from the start: the time of day (else midnight), the
//!   weekday, the day of the month. A month that is too short runs on its last day.
//! - Nothing is due before the start, nor at or after the end: what runs at the end is cancelled, so a run that began
//!   there would be lost work.
//! - A start or an end is a wall time too, and read by the same rule.
//! - Zones are looked up in the host's time zone data where it has them, else in the copy built into the program.

use jiff::Timestamp;
use jiff::civil::DateTime;

use crate::clock::Instant;

mod cron;
mod error;
mod jitter;
mod recurrence;
mod wire;
mod zone;

pub use cron::{Cron, CronError, CronField};
pub use error::ScheduleError;
pub use jitter::Jitter;
pub use zone::Zone;

use recurrence::Recurrence;

/// The most slots that [`Schedule::upcoming`] lists.
pub const MOST_UPCOMING: usize = 100;

/// When something is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    rule: Rule,
    zone: Zone,
    start: Option<DateTime>,
    end: Option<DateTime>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Rule {
    /// Once, at the start.
    Single,
    Recurring(Recurrence),
    Cron(Cron),
}

/// Recurring profiles are spread by at most so much, so that a full hour does not start them all at once.
pub const SPREAD_MICROSECONDS: i64 = 10_000_000;

impl Schedule {
    /// When a profile starts next: its slot, and the spread that is always its own.
    pub fn next_of(&self, profile: &str, after: Instant) -> Option<Instant> {
        self.next_start(after, Jitter::new(profile, SPREAD_MICROSECONDS))
    }

    /// A cron expression in a zone, without start or end: what an agent's settings say.
    pub fn from_cron(cron: Cron, zone: Zone) -> Self {
        Self { rule: Rule::Cron(cron), zone, start: None, end: None }
    }

    /// The zone in which its wall times are read.
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// The first instant at which anything is due, where it is bounded.
    pub fn start(&self) -> Option<Instant> {
        self.start.and_then(|wall| self.zone.first_instant(wall)).map(Instant::from_timestamp)
    }

    /// The instant from which nothing is due, and what runs is cancelled.
    pub fn end(&self) -> Option<Instant> {
        self.end.and_then(|wall| self.zone.first_instant(wall)).map(Instant::from_timestamp)
    }

    /// The first slot later than `after`; `None` when there is none, or none within 50 years of looking.
    pub fn next_after(&self, after: Instant) -> Option<Instant> {
        let start = self.start();
        let after = start.map_or(after, |start| after.max(start.plus(-1)));
        let slot = match &self.rule {
            Rule::Single => start.filter(|&start| start > after),
            Rule::Recurring(recurrence) => match recurrence.step() {
                Some(step) => next_step(start.unwrap_or(Instant(0)), step, after),
                None => self.next_wall(after, |passed| recurrence.next_wall(self.start, passed)),
            },
            Rule::Cron(cron) if cron.keeps_interval() => self
                .zone
                .next_in_both_passes(timestamp(after)?, |passed| cron.next_wall(passed))
                .map(Instant::from_timestamp),
            Rule::Cron(cron) => self.next_wall(after, |passed| cron.next_wall(passed)),
        }?;
        self.end().is_none_or(|end| slot < end).then_some(slot)
    }

    /// The next `count` slots later than `after`, at most [`MOST_UPCOMING`]; an empty list is a schedule that never runs.
    pub fn upcoming(&self, after: Instant, count: usize) -> Vec<Instant> {
        std::iter::successors(self.next_after(after), |&slot| self.next_after(slot))
            .take(count.min(MOST_UPCOMING))
            .collect()
    }

    /// Why nothing will ever be due after `now`; none where something will.
    pub fn never(&self, now: Instant) -> Option<ScheduleError> {
        if self.next_after(now).is_some() {
            return None;
        }
        let endless = Self { end: None, ..self.clone() };
        let later = "write a later one";
        Some(match (&self.rule, self.end) {
            (Rule::Single, _) => ScheduleError::new("start", "is over: it would never run", later),
            (_, Some(_)) if endless.next_after(now).is_some() => {
                let problem = "comes before the next time that fits: it would never run";
                ScheduleError::new("end", problem, format!("{later}, or leave it out"))
            }
            (Rule::Cron(_), _) => {
                let problem = "fits no day of the calendar: it would never run";
                ScheduleError::new("expression", problem, "write a day that its month has, such as `0 0 28 2 *`")
            }
            (Rule::Recurring(_), _) => {
                ScheduleError::new("start", "is too far away: it would never run", "write an earlier one")
            }
        })
    }

    /// The first slot later than `since` that `now` has reached.
    ///
    /// However many slots passed while nobody looked, one run makes up for them: the caller runs once and looks again
    /// from `now`.
    pub fn missed(&self, since: Instant, now: Instant) -> Option<Instant> {
        self.next_after(since).filter(|&slot| slot <= now)
    }

    fn next_wall(&self, after: Instant, next: impl FnOnce(DateTime) -> Option<DateTime>) -> Option<Instant> {
        let passed = self.zone.passed(timestamp(after)?)?;
        self.zone.first_instant(next(passed)?).map(Instant::from_timestamp)
    }
}

/// The first of `anchor`, `anchor` + `step`, … that is later than `after`.
fn next_step(anchor: Instant, step: i64, after: Instant) -> Option<Instant> {
    let steps = if after < anchor { 0 } else { after.0.checked_sub(anchor.0)? / step + 1 };
    let slot = Instant(anchor.0.checked_add(steps.checked_mul(step)?)?);
    timestamp(slot).map(|_| slot)
}

fn timestamp(instant: Instant) -> Option<Timestamp> {
    Timestamp::from_microsecond(instant.0).ok()
}

#[cfg(test)]
mod calendar;
#[cfg(test)]
mod tests;
