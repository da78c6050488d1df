//! Cron expressions: reading them with errors that say where, and walking their wall times.
//!
//! *Types*: [`Cron`] is an expression in 5 or 6 fields; [`CronError`] names the [`CronField`] and the character.
//!
//! *Flow*: text → fields → each part of each field is checked by itself, so that an error has a place → croner's
//! parser, whose calendar (`L`, `W`, `#`, day or weekday) answers for single days → `Cron::next_wall`.
//!
//! The walk is our own: croner takes an expression for a fixed wall time only if hour, minute and second are single
//! numbers, so that `30 2,14 * * *` would miss a skipped hour, and it gives up at gaps of more than two hours.

use std::fmt;
use std::str::FromStr;

use croner::parser::{CronParser, Seconds, Year};
use croner::time::Weekday;
use jiff::SignedDuration;
use jiff::civil::{Date, DateTime};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use super::error::shortened;

const LONGEST: usize = 256;
/// The 29th of February falls on one weekday every 28 years, every 40 across a year such as 2100.
const YEARS_AHEAD: i16 = 50;
const NICKNAMES: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

/// A field of a cron expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CronField {
    /// The first of six fields.
    Second,
    /// Of the hour.
    Minute,
    /// Of the day.
    Hour,
    /// 1 to 31.
    DayOfMonth,
    /// 1 to 12 or a name.
    Month,
    /// 0 to 7 or a name; 0 and 7 are Sunday.
    Weekday,
}

impl CronField {
    const ALL: [Self; 6] = [Self::Second, Self::Minute, Self::Hour, Self::DayOfMonth, Self::Month, Self::Weekday];

    fn takes(self) -> &'static str {
        match self {
            Self::Second | Self::Minute => "0 to 59, `*`, lists `0,30`, ranges `0-29`, steps `*/10` or `0/10`",
            Self::Hour => "0 to 23, `*`, lists `2,14`, ranges `9-17`, steps `*/2` or `0/2`",
            Self::DayOfMonth => {
                "1 to 31, `*`, `?`, lists, ranges, steps, `L` (last day), `15W` (nearest weekday), `LW`"
            }
            Self::Month => "1 to 12, JAN to DEC, `*`, lists, ranges, steps",
            Self::Weekday => {
                "0 to 7 (0 and 7 are Sunday), SUN to SAT, `*`, `?`, lists, ranges, `MON#2` (second), `5L` (last)"
            }
        }
    }

    fn names(self) -> &'static [&'static str] {
        match self {
            Self::Second | Self::Minute | Self::Hour => &[],
            Self::DayOfMonth => &["L", "W", "LW"],
            Self::Month => &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"],
            Self::Weekday => &[
                "SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT", "L", "SUNL", "MONL", "TUEL", "WEDL", "THUL", "FRIL",
                "SATL",
            ],
        }
    }
}

impl fmt::Display for CronField {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Second => "second",
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::DayOfMonth => "day of month",
            Self::Month => "month",
            Self::Weekday => "weekday",
        })
    }
}

/// A cron expression that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}character {position}: {problem}: {remedy}", field.map(|field| format!("{field} field, ")).unwrap_or_default())]
pub struct CronError {
    /// The field at fault; none where the expression as a whole is.
    pub field: Option<CronField>,
    /// The character at which it goes wrong, counted from 1.
    pub position: usize,
    /// What is wrong.
    pub problem: String,
    /// What to write instead.
    pub remedy: String,
}

/// A cron expression in 5 fields (minute, hour, day of month, month, weekday) or 6 (seconds first), or a nickname such
/// as `@hourly`.
///
/// Weekdays are numbered as in crontab, in both forms: 0 and 7 are Sunday. Where both a day of the month and a weekday
/// are given, either is enough, as in crontab; `+` before the weekday asks for both.
#[derive(Clone, PartialEq, Eq)]
pub struct Cron {
    text: String,
    rule: Box<croner::Cron>,
    keeps_interval: bool,
}

impl Cron {
    /// Reads an expression.
    pub fn parse(text: &str) -> Result<Self, CronError> {
        let text = text.trim();
        let whole =
            |problem: String, remedy: &str| CronError { field: None, position: 1, problem, remedy: remedy.to_owned() };
        if text.len() > LONGEST {
            return Err(whole(format!("the expression has more than {LONGEST} bytes"), "shorten it"));
        }
        let expression = if text.starts_with('@') { nickname(text)? } else { text };
        let parts = split(expression);
        let first = match parts.len() {
            5 => 1,
            6 => 0,
            7 => {
                let error = whole("a seventh field, the year, is not read".to_owned(), "leave it out");
                return Err(CronError { position: parts.last().map_or(1, |(position, _)| *position), ..error });
            }
            count => {
                let remedy = "write minute, hour, day of month, month and weekday, with seconds before them if needed";
                return Err(whole(format!("expected 5 or 6 fields, found {count}"), remedy));
            }
        };
        for (field, (position, part)) in CronField::ALL.into_iter().skip(first).zip(&parts) {
            check_field(field, *position, part)?;
        }
        let unread = |_| whole("the expression cannot be read".to_owned(), "write 5 or 6 fields");
        let rule = parser().parse(expression).map_err(unread)?;
        let hours = parts.get(2 - first).map_or("", |(_, part)| part);
        Ok(Self { text: text.to_owned(), rule: Box::new(rule), keeps_interval: hours.contains(['*', '/']) })
    }

    /// The expression as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether its hours are an interval, to be kept when the clock changes.
    pub(super) fn keeps_interval(&self) -> bool {
        self.keeps_interval
    }

    /// The first wall time that fits and is later than `passed`, within the next 50 years.
    pub(super) fn next_wall(&self, passed: DateTime) -> Option<DateTime> {
        let earliest =
            passed.with().subsec_nanosecond(0).build().ok()?.checked_add(SignedDuration::from_secs(1)).ok()?;
        let mut date = earliest.date();
        let mut from = [earliest.hour(), earliest.minute(), earliest.second()];
        let last_year = date.year().saturating_add(YEARS_AHEAD);
        while date.year() <= last_year {
            if !self.rule.pattern.month_match(date.month().unsigned_abs().into()).ok()? {
                date = date.last_of_month().tomorrow().ok()?;
                from = [0; 3];
                continue;
            }
            if self.fits(date)?
                && let Some([hour, minute, second]) = self.time_from(from)
            {
                return Some(date.at(hour, minute, second, 0));
            }
            date = date.tomorrow().ok()?;
            from = [0; 3];
        }
        None
    }

    fn fits(&self, date: Date) -> Option<bool> {
        let weekday = Weekday::from_days_from_sunday(date.weekday().to_sunday_zero_offset().unsigned_abs().into());
        let (month, day) = (date.month().unsigned_abs().into(), date.day().unsigned_abs().into());
        self.rule.pattern.day_match(date.year().into(), month, day, weekday).ok()
    }

    /// The first time of day that fits and is not before `from`.
    fn time_from(&self, from: [i8; 3]) -> Option<[i8; 3]> {
        let pattern = &self.rule.pattern;
        let [hours, minutes, seconds] = [&pattern.hours, &pattern.minutes, &pattern.seconds].map(|component| {
            component.values().into_iter().filter_map(|value| i8::try_from(value).ok()).collect::<Vec<_>>()
        });
        for &hour in hours.iter().filter(|&&hour| hour >= from[0]) {
            let minute_from = if hour == from[0] { from[1] } else { 0 };
            for &minute in minutes.iter().filter(|&&minute| minute >= minute_from) {
                let second_from = if (hour, minute) == (from[0], from[1]) { from[2] } else { 0 };
                if let Some(&second) = seconds.iter().find(|&&second| second >= second_from) {
                    return Some([hour, minute, second]);
                }
            }
        }
        None
    }
}

fn parser() -> CronParser {
    // `0/10` is how Spring and Quartz write what crontab writes `*/10`.
    CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).sloppy_ranges(true).build()
}

fn nickname(text: &str) -> Result<&'static str, CronError> {
    let known = NICKNAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
    known.map(|(_, expression)| *expression).ok_or_else(|| CronError {
        field: None,
        position: 1,
        problem: format!("there is no nickname `{}`", shortened(text)),
        remedy: format!("write one of {}", NICKNAMES.map(|(name, _)| name).join(", ")),
    })
}

/// The fields, each with the character at which it begins.
fn split(expression: &str) -> Vec<(usize, &str)> {
    let mut fields = Vec::new();
    let mut begin = None;
    for (character, (byte, c)) in expression.char_indices().enumerate() {
        match begin {
            None if !c.is_whitespace() => begin = Some((character, byte)),
            Some((position, from)) if c.is_whitespace() => {
                fields.push((position + 1, &expression[from..byte]));
                begin = None;
            }
            _ => {}
        }
    }
    if let Some((position, from)) = begin {
        fields.push((position + 1, &expression[from..]));
    }
    fields
}

/// Checks each part of a field's list by itself.
fn check_field(field: CronField, position: usize, text: &str) -> Result<(), CronError> {
    let mut position = position;
    let mut text = text;
    if field == CronField::Weekday
        && let Some(rest) = text.strip_prefix('+')
    {
        (position, text) = (position + 1, rest);
    }
    for part in text.split(',') {
        if !is_part(field, part) {
            let problem = if part.is_empty() {
                "a value is missing".to_owned()
            } else {
                format!("`{}` does not fit", shortened(part))
            };
            return Err(CronError {
                field: Some(field),
                position,
                problem,
                remedy: format!("write {}", field.takes()),
            });
        }
        position += part.chars().count() + 1;
    }
    Ok(())
}

fn is_part(field: CronField, part: &str) -> bool {
    if part == "?" {
        return matches!(field, CronField::DayOfMonth | CronField::Weekday);
    }
    // Names are checked here: the parser replaces them wherever they stand, and joined with digits too.
    let words = part.split(|c: char| "0123456789*/-#".contains(c));
    let known = words.filter(|word| !word.is_empty()).all(|word| field.names().contains(&word.to_uppercase().as_str()));
    if part.is_empty() || part.starts_with('/') || !known || joined(part) {
        return false;
    }
    let mut fields = ["*"; 6];
    for (slot, candidate) in fields.iter_mut().zip(CronField::ALL) {
        if candidate == field {
            *slot = part;
        }
    }
    parser().parse(&fields.join(" ")).is_ok()
}

/// Whether a name touches a digit, as in `1JAN`; `5L` and `15W` may.
fn joined(part: &str) -> bool {
    let letters = |c: char| c.is_ascii_alphabetic();
    let word = part.split(|c: char| !letters(c)).any(|word| word.len() >= 3);
    word && part.as_bytes().windows(2).any(|pair| {
        let [first, second] = [pair[0], pair[1]];
        first.is_ascii_digit() && second.is_ascii_alphabetic() || first.is_ascii_alphabetic() && second.is_ascii_digit()
    })
}

impl fmt::Debug for Cron {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Cron({})", self.text)
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl FromStr for Cron {
    type Err = CronError;

    fn from_str(text: &str) -> Result<Self, CronError> {
        Self::parse(text)
    }
}

impl Serialize for Cron {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Cron {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}
