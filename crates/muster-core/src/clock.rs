//! Time as a parameter.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// An instant in microseconds since 1970-01-01T00:00:00Z, the one resolution that both stores keep.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Instant(pub i64);

impl Instant {
    /// Truncates a timestamp to microseconds.
    pub fn from_timestamp(timestamp: Timestamp) -> Self {
        Self(timestamp.as_microsecond())
    }

    /// The instant as RFC 3339 text in UTC; the raw number where it lies outside the calendar.
    pub fn to_rfc3339(self) -> String {
        match Timestamp::from_microsecond(self.0) {
            Ok(timestamp) => timestamp.to_string(),
            Err(_) => self.0.to_string(),
        }
    }

    /// Reads RFC 3339 text.
    pub fn from_rfc3339(text: &str) -> Option<Self> {
        text.parse::<Timestamp>().ok().map(Self::from_timestamp)
    }

    /// This instant moved by `microseconds`, clamped at the ends of the range.
    pub fn plus(self, microseconds: i64) -> Self {
        Self(self.0.saturating_add(microseconds))
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.to_rfc3339())
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.to_rfc3339())
    }
}

/// Where code that needs the time gets it.
pub trait Clock: Send + Sync {
    /// The current instant, truncated to microseconds.
    fn now(&self) -> Instant;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    fn now(&self) -> Instant {
        Instant::from_timestamp(Timestamp::now())
    }
}

/// A clock that stands still until it is told otherwise; for tests and replays.
#[derive(Debug)]
pub struct FixedClock(std::sync::atomic::AtomicI64);

impl FixedClock {
    /// A clock that says `instant`.
    pub fn at(instant: Instant) -> Self {
        Self(std::sync::atomic::AtomicI64::new(instant.0))
    }

    /// Moves the clock by `microseconds`.
    pub fn advance(&self, microseconds: i64) {
        self.0.fetch_add(microseconds, std::sync::atomic::Ordering::SeqCst);
    }
}

impl Clock for FixedClock {
    fn now(&self) -> Instant {
        Instant(self.0.load(std::sync::atomic::Ordering::SeqCst))
    }
}
