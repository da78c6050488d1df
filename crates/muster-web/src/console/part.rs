//! Small things that every page shows the same way: times, counts, badges, addresses.

use std::fmt;

use askama::Template;
use askama::filters::HtmlSafe;
use muster_core::clock::Instant;

const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A time: in words as of now, and exactly.
#[derive(Debug, Clone, Copy, Template)]
#[template(path = "console/part/time.html")]
pub(super) struct When {
    pub(super) at: Instant,
    pub(super) now: Instant,
}

impl HtmlSafe for When {}

impl When {
    fn words(&self) -> String {
        let apart = self.now.0.saturating_sub(self.at.0);
        let length = apart.unsigned_abs();
        let several = |unit: i64, name: &str| {
            let count = length / unit.unsigned_abs();
            let s = if count == 1 { "" } else { "s" };
            if apart >= 0 { format!("{count} {name}{s} ago") } else { format!("in {count} {name}{s}") }
        };
        match i64::try_from(length).unwrap_or(i64::MAX) {
            length if length < 10 * SECOND => "just now".to_owned(),
            length if length < MINUTE => several(SECOND, "second"),
            length if length < HOUR => several(MINUTE, "minute"),
            length if length < DAY => several(HOUR, "hour"),
            length if length < 14 * DAY => several(DAY, "day"),
            _ => self.date(),
        }
    }

    fn date(&self) -> String {
        let text = self.at.to_rfc3339();
        let mut parts = text.get(..10).unwrap_or_default().split('-');
        let (year, month, day) = (parts.next(), parts.next(), parts.next());
        let month = month.and_then(|month| month.parse::<usize>().ok()).and_then(|month| MONTHS.get(month - 1));
        match (year, month, day) {
            (Some(year), Some(month), Some(day)) => format!("{} {month} {year}", day.trim_start_matches('0')),
            _ => text,
        }
    }

    pub(super) fn exact(&self) -> String {
        let text = self.at.to_rfc3339();
        match (text.get(..10), text.get(11..19)) {
            (Some(date), Some(time)) => format!("{date} {time} UTC"),
            _ => text,
        }
    }
}

/// A duration in words.
pub(super) fn duration(microseconds: i64) -> String {
    let seconds = microseconds.max(0) / SECOND;
    match seconds {
        0 => format!("{} ms", microseconds.max(0) / 1000),
        1..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// A number with its thousands set apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Number(pub(super) u64);

impl fmt::Display for Number {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                formatter.write_str(",")?;
            }
            write!(formatter, "{digit}")?;
        }
        Ok(())
    }
}

/// Bytes in a unit that reads well.
pub(super) fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut unit = 0;
    let (mut whole, mut rest) = (count, 0);
    while whole >= 1024 && unit + 1 < UNITS.len() {
        rest = whole % 1024;
        whole /= 1024;
        unit += 1;
    }
    match unit {
        0 => format!("{whole} B"),
        _ => format!("{whole}.{} {}", rest * 10 / 1024, UNITS[unit]),
    }
}

/// What a badge means, beside its word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Good,
    Warn,
    Bad,
    Busy,
    Plain,
}

/// A state: a sign, a word, a colour; the word alone says it.
#[derive(Debug, Clone, Template)]
#[template(path = "console/part/badge.html")]
pub(super) struct Badge {
    pub(super) tone: Tone,
    pub(super) word: String,
}

impl HtmlSafe for Badge {}

impl Badge {
    pub(super) fn new(tone: Tone, word: impl Into<String>) -> Self {
        Self { tone, word: word.into() }
    }

    /// What is known of an asset's presence.
    pub(super) fn presence(status: &str) -> Self {
        let tone = match status {
            "present" => Tone::Good,
            "held" => Tone::Warn,
            _ => Tone::Plain,
        };
        Self::new(tone, status)
    }

    /// What a run or a test came to.
    pub(super) fn result(word: &str) -> Self {
        let tone = match word {
            "complete" | "passed" => Tone::Good,
            "partial" | "held" => Tone::Warn,
            "failed" => Tone::Bad,
            _ => Tone::Plain,
        };
        Self::new(tone, word)
    }

    /// The state of an account, as the default map names it.
    pub(super) fn status(word: &str) -> Self {
        let tone = match word {
            "ACTIVE" => Tone::Good,
            "LOCKED" | "EXPIRED" | "PASSWORD_EXPIRED" => Tone::Warn,
            _ => Tone::Plain,
        };
        Self::new(tone, word.replace('_', " ").to_lowercase())
    }

    /// What became of an API's definition.
    pub(super) fn definition(state: &str) -> Self {
        let tone = match state {
            "stored" => Tone::Good,
            "suspect" | "partial" => Tone::Warn,
            "failed" => Tone::Bad,
            _ => Tone::Plain,
        };
        Self::new(tone, state)
    }

    /// Whether an API can be scanned.
    pub(super) fn readiness(is_ready: bool) -> Self {
        if is_ready { Self::new(Tone::Good, "ready") } else { Self::new(Tone::Plain, "not ready") }
    }

    fn class(&self) -> &'static str {
        match self.tone {
            Tone::Good => "good",
            Tone::Warn => "warn",
            Tone::Bad => "bad",
            Tone::Busy => "busy",
            Tone::Plain => "plain",
        }
    }

    fn sign(&self) -> &'static str {
        match self.tone {
            Tone::Good => "✓",
            Tone::Warn => "!",
            Tone::Bad => "✕",
            Tone::Busy => "↻",
            Tone::Plain => "•",
        }
    }
}

/// A text as a part of an address.
pub(super) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// An address with parameters; empty ones are left out.
pub(super) fn address(path: &str, parameters: &[(&str, &str)]) -> String {
    let given = parameters.iter().filter(|(_, value)| !value.is_empty());
    let pairs: Vec<String> = given.map(|(key, value)| format!("{key}={}", encoded(value))).collect();
    if pairs.is_empty() { path.to_owned() } else { format!("{path}?{}", pairs.join("&")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_said_in_words() {
        let now = Instant::from_rfc3339("2026-03-01T12:00:00Z").unwrap();
        let words = |seconds: i64| When { at: now.plus(-seconds * SECOND), now }.words();
        assert_eq!(words(3), "just now");
        assert_eq!(words(60), "1 minute ago");
        assert_eq!(words(-7200), "in 2 hours");
        assert_eq!(words(86_400 * 13), "13 days ago");
        assert_eq!(words(86_400 * 40), "20 Jan 2026");
        assert_eq!(When { at: Instant(i64::MIN), now }.words(), Instant(i64::MIN).to_rfc3339());
        let shown = When { at: now, now }.to_string();
        assert_eq!(
            shown.trim(),
            "<time datetime=\"2026-03-01T12:00:00Z\" title=\"2026-03-01 12:00:00 UTC\">just now</time>"
        );
    }

    #[test]
    fn numbers_are_set_apart() {
        assert_eq!(
            ["0", "999", "1,000", "1,234,567"],
            [0, 999, 1000, 1_234_567].map(|number| Number(number).to_string()).each_ref().map(String::as_str)
        );
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes(u64::MAX), "16777215.9 TiB");
        assert_eq!(duration(61_500_000), "1 min 1 s");
    }

    #[test]
    fn addresses_hold_no_foreign_characters() {
        assert_eq!(address("/x", &[("q", "a b&c=\"<é"), ("r", "")]), "/x?q=a%20b%26c%3D%22%3C%C3%A9");
    }
}
