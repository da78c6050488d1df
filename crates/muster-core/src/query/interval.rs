//! What a query asks of a number or an instant: to lie in an interval.

use jiff::{Span, Timestamp, Unit as CalendarUnit, civil::Date, tz::TimeZone};

use super::syntax::Operator;
use crate::clock::Instant;

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

/// A stretch of integers or of instants in microseconds; an end that is absent is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval {
    /// Where it begins.
    pub low: Option<End>,
    /// Where it ends.
    pub high: Option<End>,
}

/// An end of an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// Its place.
    pub bound: Bound,
    /// Whether the place itself belongs to the interval.
    pub inclusive: bool,
}

/// A number, an instant, or a distance from now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// A number, or microseconds since 1970.
    At(i64),
    /// A distance from now; negative lies before it.
    Now(i32, Unit),
}

/// A unit of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// `s`
    Second,
    /// `m`
    Minute,
    /// `h`
    Hour,
    /// `d`: 24 hours, as UTC has no others.
    Day,
    /// `w`
    Week,
    /// `M`, of the calendar.
    Month,
    /// `y`, of the calendar.
    Year,
}

impl Bound {
    /// The number, given what time it is. Beyond the calendar it is the first or last number there is.
    pub fn at(self, now: Instant) -> i64 {
        match self {
            Self::At(number) => number,
            Self::Now(amount, unit) => {
                let microseconds = match unit {
                    Unit::Second => SECOND,
                    Unit::Minute => 60 * SECOND,
                    Unit::Hour => 3_600 * SECOND,
                    Unit::Day => DAY,
                    Unit::Week => 7 * DAY,
                    Unit::Month => return calendar(now, amount, CalendarUnit::Month),
                    Unit::Year => return calendar(now, amount, CalendarUnit::Year),
                };
                now.plus(i64::from(amount).saturating_mul(microseconds)).0
            }
        }
    }
}

fn calendar(now: Instant, amount: i32, unit: CalendarUnit) -> i64 {
    let moved = || {
        let span = match unit {
            CalendarUnit::Year => Span::new().try_years(amount),
            _ => Span::new().try_months(amount),
        };
        let zoned = Timestamp::from_microsecond(now.0).ok()?.to_zoned(TimeZone::UTC);
        Some(zoned.checked_add(span.ok()?).ok()?.timestamp().as_microsecond())
    };
    moved().unwrap_or(if amount < 0 { i64::MIN } else { i64::MAX })
}

impl Interval {
    /// Whether a number lies in it.
    pub fn holds(&self, number: i64, now: Instant) -> bool {
        let above = self.low.is_none_or(|end| {
            let low = end.bound.at(now);
            number > low || (end.inclusive && number == low)
        });
        let below = self.high.is_none_or(|end| {
            let high = end.bound.at(now);
            number < high || (end.inclusive && number == high)
        });
        above && below
    }

    pub(super) fn compare(operator: Operator, value: Stretch) -> Self {
        let end = |bound, inclusive| Some(End { bound, inclusive });
        let (low, high) = match operator {
            Operator::Has | Operator::Equal => (end(value.first, true), end(value.last, true)),
            Operator::Greater => (end(value.last, false), None),
            Operator::GreaterOrEqual => (end(value.first, true), None),
            Operator::Less => (None, end(value.first, false)),
            Operator::LessOrEqual => (None, end(value.last, true)),
        };
        Self { low, high }
    }

    pub(super) fn between(from: Stretch, to: Stretch, inclusive: bool) -> Self {
        let (low, high) = if inclusive { (from.first, to.last) } else { (from.last, to.first) };
        Self { low: Some(End { bound: low, inclusive }), high: Some(End { bound: high, inclusive }) }
    }
}

/// What one written value covers: itself, or all microseconds of its day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stretch {
    first: Bound,
    last: Bound,
}

impl Stretch {
    pub(super) fn one(bound: Bound) -> Self {
        Self { first: bound, last: bound }
    }

    pub(super) fn of_integer(text: &str) -> Option<Self> {
        text.parse().ok().map(|number| Self::one(Bound::At(number)))
    }

    pub(super) fn of_boolean(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "true" => Some(Self::one(Bound::At(1))),
            "false" => Some(Self::one(Bound::At(0))),
            _ => None,
        }
    }

    /// `now`, `now-3M`, `2018-01-22`, RFC 3339.
    pub(super) fn of_time(text: &str) -> Option<Self> {
        if let Some(distance) = text.get(..3).filter(|word| word.eq_ignore_ascii_case("now")).map(|_| &text[3..]) {
            return of_distance(distance).map(Self::one);
        }
        if let [_, _, _, _, b'-', _, _, b'-', _, _] = text.as_bytes() {
            let date: Date = text.parse().ok()?;
            let first = date.to_zoned(TimeZone::UTC).ok()?.timestamp().as_microsecond();
            return Some(Self { first: Bound::At(first), last: Bound::At(first.saturating_add(DAY - 1)) });
        }
        Instant::from_rfc3339(text).map(|instant| Self::one(Bound::At(instant.0)))
    }
}

fn of_distance(text: &str) -> Option<Bound> {
    let text = text.trim_start();
    if text.is_empty() {
        return Some(Bound::Now(0, Unit::Second));
    }
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+')?),
    };
    let text = text.trim_start();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let amount: i32 = text[..digits].parse().ok()?;
    let unit = match &text[digits..] {
        "s" => Unit::Second,
        "m" => Unit::Minute,
        "h" => Unit::Hour,
        "d" => Unit::Day,
        "w" => Unit::Week,
        "M" => Unit::Month,
        "y" => Unit::Year,
        _ => return None,
    };
    Some(Bound::Now(sign * amount, unit))
}
