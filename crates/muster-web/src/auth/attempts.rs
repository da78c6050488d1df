//! Failed attempts to sign in, and when they are too many.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};

use muster_core::clock::Instant;

const WINDOW: i64 = 5 * 60 * 1_000_000;
/// How many failures a name has from one address.
const OF_BOTH: usize = 10;
/// How many failures a name has from all addresses, or an address with all names.
const OF_ONE: usize = 100;
/// How many names and addresses are remembered.
const REMEMBERED: usize = 50_000;

/// What failed lately.
#[derive(Debug, Default)]
pub struct Attempts(Mutex<HashMap<String, VecDeque<Instant>>>);

impl Attempts {
    /// In how many seconds that name may be tried again from that address, if not now.
    pub(crate) fn wait(&self, name: &str, address: &str, now: Instant) -> Option<u64> {
        let failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let until = keys(name, address).into_iter().filter_map(|(key, limit)| {
            let times = failures.get(&key)?;
            let lately = times.iter().filter(|time| time.0 > now.0 - WINDOW);
            let oldest = lately.clone().next()?;
            (lately.count() >= limit).then(|| oldest.0 + WINDOW)
        });
        until.max().map(|until| u64::try_from((until - now.0) / 1_000_000).unwrap_or(0) + 1)
    }

    /// Notes a failure.
    pub(crate) fn failed(&self, name: &str, address: &str, now: Instant) {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() >= REMEMBERED {
            failures.retain(|_, times| times.back().is_some_and(|time| time.0 > now.0 - WINDOW));
        }
        for (key, limit) in keys(name, address) {
            if failures.len() >= REMEMBERED && !failures.contains_key(&key) {
                continue;
            }
            let times = failures.entry(key).or_default();
            times.push_back(now);
            while times.len() > limit {
                times.pop_front();
            }
        }
    }

    /// Forgets the failures of a name from an address: it signed in.
    pub(crate) fn succeeded(&self, name: &str, address: &str) {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let [(both, _), ..] = keys(name, address);
        failures.remove(&both);
    }
}

fn keys(name: &str, address: &str) -> [(String, usize); 3] {
    let address = network(address);
    [(format!("b{address} {name}"), OF_BOTH), (format!("n{name}"), OF_ONE), (format!("a{address}"), OF_ONE)]
}

/// Whom failures from an address are counted for: of IPv6 the network of 64 bits, which is one customer's, else the
/// address itself.
fn network(address: &str) -> String {
    match address.parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(IpAddr::V6(address)) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).to_string(),
        Ok(IpAddr::V4(address)) => address.to_string(),
        Err(_) => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_failures_in_five_minutes_are_enough() {
        let attempts = Attempts::default();
        let at = |second: i64| Instant(second * 1_000_000);
        for second in 0..10 {
            assert_eq!(attempts.wait("n", "a", at(second)), None);
            attempts.failed("n", "a", at(second));
        }
        assert_eq!(attempts.wait("n", "a", at(10)), Some(291));
        assert_eq!(attempts.wait("n", "b", at(10)), None);
        assert_eq!(attempts.wait("m", "a", at(10)), None);
        assert_eq!(attempts.wait("n", "a", at(300)), None);
        attempts.failed("n", "a", at(300));
        assert!(attempts.wait("n", "a", at(300)).is_some());
        attempts.succeeded("n", "a");
        assert_eq!(attempts.wait("n", "a", at(300)), None);
    }

    #[test]
    fn names_are_tried_from_many_addresses_only_so_often() {
        let attempts = Attempts::default();
        for number in 0..100 {
            attempts.failed("n", &number.to_string(), Instant(0));
        }
        assert!(attempts.wait("n", "new", Instant(1)).is_some());
    }

    #[test]
    fn addresses_of_one_network_count_as_one() {
        let attempts = Attempts::default();
        for number in 0..10 {
            attempts.failed("n", &format!("2001:db8:1:2::{number:x}"), Instant(0));
        }
        assert!(attempts.wait("n", "2001:db8:1:2:ffff::1", Instant(1)).is_some());
        assert_eq!(attempts.wait("n", "2001:db8:1:3::1", Instant(1)), None);
        for _ in 0..10 {
            attempts.failed("m", "::ffff:192.0.2.7", Instant(0));
        }
        assert!(attempts.wait("m", "192.0.2.7", Instant(1)).is_some(), "the same address, written otherwise");
        assert_eq!(attempts.wait("m", "192.0.2.8", Instant(1)), None);
    }
}
