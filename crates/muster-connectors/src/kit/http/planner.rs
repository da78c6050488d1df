//! One token bucket per principal, host, holder and kind: as many calls as the server allows, and none that it refuses.
//!
//! Azure Resource Manager's limits are of this shape (250 reads at once, 25 more a second, per principal and
//! subscription); others are close to it. What the server tells of the bucket's level is believed when it is lower.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Whose calls are counted together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Bucket {
    /// Who calls.
    pub principal: String,
    /// Which host is called.
    pub host: String,
    /// For whom the server counts: a subscription, a tenant, an organization.
    pub holder: String,
    /// Which kind of calls: reads, queries, sign-ins.
    pub kind: &'static str,
}

/// How a bucket is filled.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Calls that may come at once.
    pub burst: u32,
    /// Calls that are added each second.
    pub per_second: f64,
}

/// The level of a bucket at a time; below zero stand calls that wait for their turn.
#[derive(Debug)]
struct Level {
    tokens: f64,
    at: Instant,
    /// Until then the server wants no call.
    shut: Option<Instant>,
}

/// The buckets of this process.
#[derive(Debug, Default)]
pub struct Planner {
    levels: Mutex<HashMap<Bucket, Level>>,
}

impl Planner {
    /// Takes a place in the row and gives how long to wait for it.
    pub fn take(&self, bucket: &Bucket, rate: Rate) -> Duration {
        let now = Instant::now();
        self.with(bucket, rate, now, |level| {
            level.tokens -= 1.0;
            let row = Duration::from_secs_f64((-level.tokens).max(0.0) / rate.per_second);
            let shut = level.shut.map_or(Duration::ZERO, |until| until.saturating_duration_since(now));
            row.max(shut)
        })
    }

    /// The server says how many calls are left.
    pub fn left(&self, bucket: &Bucket, rate: Rate, calls: u32) {
        self.with(bucket, rate, Instant::now(), |level| level.tokens = level.tokens.min(f64::from(calls)));
    }

    /// The server wants no call for a while.
    pub fn shut(&self, bucket: &Bucket, rate: Rate, wait: Duration) {
        let now = Instant::now();
        self.with(bucket, rate, now, |level| {
            level.tokens = level.tokens.min(0.0);
            level.shut = level.shut.max(Some(now + wait));
        });
    }

    /// For how long the server wants no call; none where it wants them.
    pub fn shut_for(&self, bucket: &Bucket) -> Option<Duration> {
        let levels = self.levels.lock().unwrap_or_else(PoisonError::into_inner);
        let until = levels.get(bucket)?.shut?;
        Some(until.saturating_duration_since(Instant::now())).filter(|wait| !wait.is_zero())
    }

    /// The earliest that so many calls can have been sent.
    pub fn earliest(&self, bucket: &Bucket, rate: Rate, calls: u32) -> Duration {
        let now = Instant::now();
        self.with(bucket, rate, now, |level| {
            let missing = f64::from(calls) - level.tokens;
            let row = Duration::from_secs_f64(missing.max(0.0) / rate.per_second);
            row.max(level.shut.map_or(Duration::ZERO, |until| until.saturating_duration_since(now)))
        })
    }

    fn with<T>(&self, bucket: &Bucket, rate: Rate, now: Instant, work: impl FnOnce(&mut Level) -> T) -> T {
        let mut levels = self.levels.lock().unwrap_or_else(PoisonError::into_inner);
        let full = f64::from(rate.burst);
        let level = levels.entry(bucket.clone()).or_insert(Level { tokens: full, at: now, shut: None });
        let passed = now.saturating_duration_since(level.at).as_secs_f64();
        level.tokens = (level.tokens + passed * rate.per_second).min(full);
        level.at = now;
        let done = work(level);
        // Full buckets say nothing: who has not called for a while is forgotten.
        levels.retain(|_, level| {
            let passed = now.saturating_duration_since(level.at).as_secs_f64();
            level.tokens + passed * rate.per_second < full || level.shut.is_some_and(|until| until > now)
        });
        done
    }
}
