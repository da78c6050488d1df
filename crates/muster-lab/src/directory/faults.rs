//! What can be made to go wrong, and how often it has.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

/// Faults of the simulated controller; all off by default.
///
/// Those of listings strike searches below a base (never a reading of one entry), at the page and entry that [`At`]
/// says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Faults {
    /// Only listings whose request holds this text, letter case aside. A request reads
    /// `base=DC=… (&(objectCategory=person)(objectClass=user)) attributes=objectGUID,mail`.
    pub only: Option<String>,
    /// A page is left out; the next comes in its place.
    pub lost_page: Option<At>,
    /// A page comes a second time, beside all others.
    pub repeated_page: Option<At>,
    /// The page before comes again in place of one: as many entries as there should be, and one page unseen.
    pub lost_and_repeated: Option<At>,
    /// The connection ends in the middle of an entry.
    pub cut: Option<At>,
    /// Pages are answered late.
    pub slow: Option<Slow>,
    /// The listing ends with sizeLimitExceeded (4) and no cookie.
    pub size_limit: Option<At>,
    /// The page is answered by busy (51).
    pub busy: Option<At>,
    /// Bytes that are no BER come in place of an entry.
    pub malformed: Option<At>,
    /// The header of a message of 2 GiB comes in place of an entry; the connection stays open.
    pub oversized: Option<At>,
    /// A notice of disconnection comes in place of an entry, and the connection ends.
    pub disconnect: Option<At>,
    /// The controller is one restored from a backup: another invocationId, and all update sequence numbers lower by
    /// so many.
    pub restored: Option<u32>,
    /// Attributes that disappear from answers.
    pub unreadable: Vec<Unreadable>,
    /// Every bind is refused with this sub-code: `533`, `775`, …
    pub bind: Option<String>,
    /// Every bind is refused for want of encryption (strongerAuthRequired, 8).
    pub demands_encryption: bool,
    /// This name is no object any more.
    pub no_such_object: Option<String>,
    /// The listing ends successfully without an entry.
    pub empty: Option<At>,
    /// Pages hold no more than this.
    pub page_clamp: Option<u32>,
    /// An object changes its place while it is listed.
    pub moving: Option<Moving>,
}

/// Where in a listing a fault strikes, and how often.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct At {
    /// After that many pages of the listing.
    pub pages: u32,
    /// After that many entries of the page, where the fault strikes within one.
    pub entries: u32,
    /// So many times in all; each time, where absent.
    pub times: Option<u32>,
}

/// A delay before each page.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Slow {
    /// How long.
    pub milliseconds: u32,
    /// So many times in all; each time, where absent.
    pub times: Option<u32>,
}

/// An attribute that disappears.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Unreadable {
    /// Its name.
    pub attribute: String,
    /// From so many objects in a hundred.
    #[serde(default = "all")]
    pub percent: u32,
}

fn all() -> u32 {
    100
}

/// Users move while a listing goes on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Moving {
    /// After that many pages of the listing.
    pub pages: u32,
    /// So many users that lie below this container move; any department's, where absent.
    pub from: Option<String>,
    /// To this container; to any other department, where absent.
    pub to: Option<String>,
    /// How many users move; at least one.
    pub users: u32,
    /// So many times in all; each time, where absent.
    pub times: Option<u32>,
}

/// Which faults strike one page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Strikes {
    pub(super) lost: bool,
    pub(super) repeated: bool,
    pub(super) lost_and_repeated: bool,
    pub(super) busy: bool,
    pub(super) empty: bool,
    pub(super) delay: Option<u32>,
    pub(super) moving: Option<Moving>,
    /// What strikes within the page, and after how many entries.
    pub(super) within: Option<(Within, u32)>,
}

/// What strikes in place of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Within {
    Cut,
    SizeLimit,
    Malformed,
    Oversized,
    Disconnect,
}

/// The faults that are set, and how often each has struck.
#[derive(Debug, Default)]
pub(super) struct Board {
    inner: Mutex<(Faults, HashMap<&'static str, u32>)>,
}

impl Board {
    pub(super) fn set(&self, faults: Faults) {
        *self.inner.lock().unwrap_or_else(PoisonError::into_inner) = (faults, HashMap::new());
    }

    pub(super) fn get(&self) -> Faults {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    /// How often each fault has struck since the faults were set.
    pub(super) fn struck(&self) -> BTreeMap<String, u32> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let struck = inner.1.iter().filter(|(_, count)| **count > 0);
        struck.map(|(name, count)| ((*name).to_owned(), *count)).collect()
    }

    /// What strikes that page of a listing; what strikes is counted. `request` is the listing in words.
    pub(super) fn strike(&self, page: u32, request: &str) -> Strikes {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let (faults, struck) = &mut *inner;
        let only = faults.only.as_ref().is_none_or(|only| request.contains(&only.to_ascii_lowercase()));
        if !only {
            return Strikes::default();
        }
        let mut counts = |name: &'static str, times: Option<u32>| {
            let count = struck.entry(name).or_insert(0);
            let strikes = times.is_none_or(|times| *count < times);
            *count += u32::from(strikes);
            strikes
        };
        let mut at = |name, at: Option<At>| at.filter(|at| at.pages == page && counts(name, at.times));
        let mut strikes = Strikes {
            lost: at("lostPage", faults.lost_page).is_some(),
            repeated: at("repeatedPage", faults.repeated_page).is_some(),
            lost_and_repeated: at("lostAndRepeated", faults.lost_and_repeated).is_some(),
            busy: at("busy", faults.busy).is_some(),
            empty: at("empty", faults.empty).is_some(),
            ..Strikes::default()
        };
        for (name, within, fault) in [
            ("cut", Within::Cut, faults.cut),
            ("sizeLimit", Within::SizeLimit, faults.size_limit),
            ("malformed", Within::Malformed, faults.malformed),
            ("oversized", Within::Oversized, faults.oversized),
            ("disconnect", Within::Disconnect, faults.disconnect),
        ] {
            if let Some(at) = at(name, fault) {
                strikes.within = Some((within, at.entries));
            }
        }
        strikes.delay = faults.slow.filter(|slow| counts("slow", slow.times)).map(|slow| slow.milliseconds);
        strikes.moving = faults.moving.clone().filter(|moving| moving.pages == page && counts("moving", moving.times));
        strikes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strikes_where_and_as_often_as_it_is_told() {
        let board = Board::default();
        let busy = Some(At { pages: 1, entries: 0, times: Some(1) });
        board.set(Faults { busy, only: Some("class=USER".to_owned()), ..Faults::default() });
        assert!(!board.strike(0, "class=user").busy);
        assert!(!board.strike(1, "class=group").busy);
        assert!(board.strike(1, "class=user").busy);
        assert!(!board.strike(1, "class=user").busy);
        assert_eq!(board.struck(), BTreeMap::from([("busy".to_owned(), 1)]));
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        assert!(serde_json::from_str::<Faults>(r#"{"lostPages":{}}"#).is_err());
        let faults: Faults =
            serde_json::from_str(r#"{"cut":{"pages":2},"unreadable":[{"attribute":"mail"}]}"#).unwrap();
        assert_eq!(faults.cut, Some(At { pages: 2, ..At::default() }));
        assert_eq!(faults.unreadable[0].percent, 100);
    }
}
