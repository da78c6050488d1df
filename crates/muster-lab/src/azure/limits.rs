//! Azure Resource Manager's token bucket of reads, one for each subscription and one for the tenant.

use std::collections::BTreeMap;
use std::time::Instant;

const BURST: f64 = 250.0;
const PER_SECOND: f64 = 25.0;

/// The buckets by their holders.
#[derive(Debug, Default)]
pub(super) struct Limits {
    levels: BTreeMap<String, (f64, Instant)>,
}

impl Limits {
    /// Takes a read out of a bucket: how many are left, or none where it is empty.
    pub(super) fn take(&mut self, holder: &str, now: Instant) -> Option<u64> {
        let (level, at) = self.levels.entry(holder.to_owned()).or_insert((BURST, now));
        *level = (*level + now.saturating_duration_since(*at).as_secs_f64() * PER_SECOND).min(BURST);
        *at = now;
        if *level < 1.0 {
            return None;
        }
        *level -= 1.0;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 250")]
        let left = level.floor() as u64;
        Some(left)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_bucket_is_emptied_at_once_and_filled_slowly() {
        let (mut limits, begun) = (Limits::default(), Instant::now());
        let left: Vec<Option<u64>> = (0..251).map(|_| limits.take("s", begun)).collect();
        assert_eq!((left[0], left[249], left[250]), (Some(249), Some(0), None));
        assert_eq!(limits.take("other", begun), Some(249));
        let later = begun + Duration::from_secs(1);
        assert_eq!((0..26).filter(|_| limits.take("s", later).is_some()).count(), 25);
    }
}
