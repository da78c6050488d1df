//! Every so many minutes, hours, days, weeks or months.

use jiff::SignedDuration;
use jiff::civil::{Date, DateTime, Time, date};

const MINUTE: i64 = 60_000_000;
const EPOCH: Date = date(1970, 1, 1);

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Minutes,
    Hours,
    Days,
    Weeks,
    Months,
}

impl Unit {
    pub(super) const ALL: [Self; 5] = [Self::Minutes, Self::Hours, Self::Days, Self::Weeks, Self::Months];

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Minutes => "minutes",
            Self::Hours => "hours",
            Self::Days => "days",
            Self::Weeks => "weeks",
            Self::Months => "months",
        }
    }
}

/// The days of a week, Monday first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Weekdays(pub(super) [bool; 7]);

impl Weekdays {
    pub(super) const NAMES: [&'static str; 7] =
        ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

    fn is_empty(self) -> bool {
        !self.0.contains(&true)
    }
}

/// A recurrence as it was asked for; what is absent is taken from the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Recurrence {
    pub(super) every: u16,
    pub(super) unit: Unit,
    /// Weeks only.
    pub(super) weekdays: Weekdays,
    /// Months only, 1 to 31.
    pub(super) day: Option<i8>,
    /// Days, weeks and months only.
    pub(super) at: Option<Time>,
}

impl Recurrence {
    /// The microseconds between two slots, where they are counted in elapsed time.
    pub(super) fn step(&self) -> Option<i64> {
        match self.unit {
            Unit::Minutes => Some(i64::from(self.every) * MINUTE),
            Unit::Hours => Some(i64::from(self.every) * 60 * MINUTE),
            Unit::Days | Unit::Weeks | Unit::Months => None,
        }
    }

    /// The first wall time of the rule that is later than `passed`.
    pub(super) fn next_wall(&self, start: Option<DateTime>, passed: DateTime) -> Option<DateTime> {
        let anchor = start.map_or(EPOCH, DateTime::date);
        let at = self.at.or(start.map(DateTime::time)).unwrap_or(Time::midnight());
        match self.unit {
            Unit::Minutes | Unit::Hours => None,
            Unit::Days => {
                let round = self.round(days_between(anchor, passed.date()));
                self.rounds(round).map(|round| plus_days(anchor, round)).find_map(|day| later(day?, at, passed))
            }
            Unit::Weeks => self.next_of_weeks(anchor, at, passed),
            Unit::Months => self.next_of_months(anchor, at, passed),
        }
    }

    fn next_of_weeks(&self, anchor: Date, at: Time, passed: DateTime) -> Option<DateTime> {
        let offset = usize::try_from(anchor.weekday().to_monday_zero_offset()).ok()?;
        let mut weekdays = self.weekdays;
        if weekdays.is_empty() {
            weekdays.0[offset] = true;
        }
        let monday = plus_days(anchor, -i64::try_from(offset).ok()?)?;
        let round = self.round(days_between(monday, passed.date()).div_euclid(7));
        for round in self.rounds(round) {
            for (day, _) in (0..).zip(weekdays.0).filter(|(_, chosen)| *chosen) {
                let found = plus_days(monday, round * 7 + day).and_then(|date| later(date, at, passed));
                if found.is_some() {
                    return found;
                }
            }
        }
        None
    }

    fn next_of_months(&self, anchor: Date, at: Time, passed: DateTime) -> Option<DateTime> {
        let month_of = |date: Date| i64::from(date.year()) * 12 + i64::from(date.month()) - 1;
        let day = self.day.unwrap_or(anchor.day());
        let round = self.round(month_of(passed.date()) - month_of(anchor));
        self.rounds(round).find_map(|round| {
            let month = month_of(anchor) + round;
            let year = i16::try_from(month.div_euclid(12)).ok()?;
            let first = Date::new(year, i8::try_from(month.rem_euclid(12)).ok()? + 1, 1).ok()?;
            let date = Date::new(year, first.month(), day.min(first.days_in_month())).ok()?;
            later(date, at, passed)
        })
    }

    /// The last multiple of `every` that is not above `elapsed`, and not before the anchor.
    fn round(&self, elapsed: i64) -> i64 {
        let every = i64::from(self.every.max(1));
        elapsed.max(0) / every * every
    }

    /// That round and the one after it: one of them holds the next slot.
    fn rounds(&self, round: i64) -> impl Iterator<Item = i64> + use<> {
        [round, round + i64::from(self.every.max(1))].into_iter()
    }
}

fn later(date: Date, at: Time, passed: DateTime) -> Option<DateTime> {
    Some(date.to_datetime(at)).filter(|&wall| wall > passed)
}

fn days_between(from: Date, to: Date) -> i64 {
    to.duration_since(from).as_hours() / 24
}

fn plus_days(date: Date, days: i64) -> Option<Date> {
    date.checked_add(SignedDuration::from_hours(days.checked_mul(24)?)).ok()
}
