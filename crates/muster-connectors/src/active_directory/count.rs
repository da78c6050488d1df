//! Counting what a listing must hold: by a second listing, without attributes (docs/adr/0004).
//!
//! ```text
//! one page:    count ─→ listing                       on the run's connection
//! more:        count ═════╗ always a page ahead       on a connection of its own
//!              listing ═══╝                           on the run's connection
//! no second:   count ─→ listing                       on the run's connection
//! ```

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use muster_core::connector::BatchSink;

use super::names;
use super::read::{Job, LEAST_PAGE, Listing, Pages, still_wanted};
use super::session::refused;
use crate::kit::ldap::{Connection, DirectoryReader, LdapError, PageEnd, ResultCode, Search};

/// How often a reading that waits for the count is asked whether it is still wanted.
const LOOK: Duration = Duration::from_millis(200);

/// What a listing named: how many entries, and a sum over their names that tells sets apart and knows no order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Tally {
    pub(super) entries: u64,
    names: u128,
}

impl Tally {
    /// Adds an entry by its name.
    pub(super) fn add(&mut self, dn: &str) {
        let (_, dn) = names::extended(dn);
        let fingerprint = u128::from_le_bytes(muster_core::fold::fingerprint(dn.as_bytes()));
        self.entries += 1;
        self.names = self.names.wrapping_add(fingerprint);
    }
}

/// What is known of how much a listing must hold, once it has ended.
#[derive(Debug)]
pub(super) enum Before {
    /// The server's own estimate, which has matched a count before.
    Estimate,
    /// A listing that was ahead of it at every page.
    Counted(Tally),
    /// The count broke off.
    Failed(LdapError),
}

/// A listing without attributes, page by page.
struct Count {
    search: Search,
    tally: Tally,
    /// What the server estimated, where nobody knows yet whether that is a count.
    estimate: Option<u64>,
    pages: Pages,
    calls: u64,
    ended: bool,
}

impl Count {
    fn new(search: &Search) -> Self {
        let mut search = search.clone();
        search.attributes = vec!["1.1".to_owned()];
        search.controls.extended_dn = false;
        Self { search, tally: Tally::default(), estimate: None, pages: Pages::default(), calls: 0, ended: false }
    }

    /// Reads the next page; the listing goes on after it unless its end says otherwise.
    fn page(&mut self, connection: &mut Connection, wanted: Wanted<'_>) -> Result<PageEnd, LdapError> {
        self.calls += 1;
        let ticket = connection.begin(&self.search, self.pages.cookie())?;
        let mut tally = self.tally;
        let end = connection.receive(ticket, &mut |entry| {
            if let Some(entry) = entry {
                tally.add(entry.dn);
            }
            wanted()
        })?;
        self.tally = tally;
        Ok(end)
    }

    fn take(&mut self, end: PageEnd) -> Result<(), LdapError> {
        if end.code != ResultCode::SUCCESS {
            return Err(refused(&end, format!("counting what lies below `{}`", self.search.base)));
        }
        self.ended = !self.pages.more(end)?;
        Ok(())
    }

    fn go_through(&mut self, connection: &mut Connection, wanted: Wanted<'_>, lead: &Lead) -> Result<(), LdapError> {
        while !self.ended {
            let end = self.page(connection, wanted)?;
            self.take(end)?;
            lead.reached(self.tally.entries);
        }
        Ok(())
    }
}

/// What the first, small page of a run's first count told.
enum Probed {
    /// It held everything.
    Whole(Box<Count>),
    /// How much there is, as the server estimates.
    Estimate(u64),
}

type Wanted<'a> = &'a dyn Fn() -> Result<(), LdapError>;

/// How far the count beside a listing is.
#[derive(Debug, Default)]
pub(super) struct Lead {
    at: Mutex<At>,
    moved: Condvar,
    unneeded: AtomicBool,
}

#[derive(Debug, Default)]
struct At {
    entries: u64,
    ended: bool,
}

/// Ends the lead however the count ends: nobody waits for one that is not there any more.
struct Ending<'a>(&'a Lead);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.at().ended = true;
        self.0.moved.notify_all();
    }
}

impl Lead {
    fn at(&self) -> MutexGuard<'_, At> {
        self.at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reached(&self, entries: u64) {
        self.at().entries = entries;
        self.moved.notify_all();
    }

    /// Waits until the count holds so many entries, or has ended.
    pub(super) fn wait(&self, entries: u64, sink: &dyn BatchSink) -> Result<(), LdapError> {
        let mut at = self.at();
        while at.entries < entries && !at.ended {
            still_wanted(sink)?;
            at = self.moved.wait_timeout(at, LOOK).unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(())
    }
}

impl Job<'_> {
    /// Lists everything, and counts it by a listing that is ahead of this one at every page.
    pub(super) fn list_counted(
        &mut self,
        search: &mut Search,
        keys_only: bool,
    ) -> Result<(Listing, Before), LdapError> {
        if self.session.estimates == Some(true) {
            return Ok((self.list(search, (keys_only, None))?, Before::Estimate));
        }
        let mut count = self.begin_count(search)?;
        if !count.ended
            && let Some(connection) = self.session.second_connection()
        {
            return self.list_beside(search, keys_only, (connection, count.estimate));
        }
        self.end_count(&mut count)?;
        Ok((self.list(search, (keys_only, None))?, Before::Counted(count.tally)))
    }

    /// Counts on the run's own connection.
    pub(super) fn count(&mut self, search: &mut Search) -> Result<Tally, LdapError> {
        let mut count = self.begin_count(search)?;
        self.end_count(&mut count)?;
        Ok(count.tally)
    }

    /// Reads the first page of a count, in a size that the server gives.
    fn begin_count(&mut self, search: &mut Search) -> Result<Count, LdapError> {
        let estimate = match self.session.estimates {
            None => match self.probe(search)? {
                Probed::Whole(count) => return Ok(*count),
                Probed::Estimate(estimate) => Some(estimate),
            },
            Some(_) => None,
        };
        loop {
            let mut count = Count::new(search);
            let end = self.first_page(&mut count)?;
            if self.shrink_page(&end, search) {
                continue;
            }
            count.take(end)?;
            count.estimate = estimate;
            return Ok(count);
        }
    }

    /// Asks for a page so small that another follows: servers that estimate do so only then.
    fn probe(&mut self, search: &Search) -> Result<Probed, LdapError> {
        let mut count = Count::new(search);
        count.search.page_size = search.page_size.min(LEAST_PAGE);
        let end = self.first_page(&mut count)?;
        let estimate = end.estimate;
        if end.code == ResultCode::SUCCESS && end.cookie.is_empty() {
            count.take(end)?;
            count.estimate = Some(estimate).filter(|&estimate| estimate > 0);
            return Ok(Probed::Whole(Box::new(count)));
        }
        if estimate == 0 {
            self.session.estimates = Some(false);
        }
        Ok(Probed::Estimate(estimate))
    }

    fn first_page(&mut self, count: &mut Count) -> Result<PageEnd, LdapError> {
        let sink = self.sink;
        self.session.calls += 1;
        let end = count.page(&mut self.session.connection, &|| still_wanted(sink));
        count.calls = 0;
        end
    }

    fn end_count(&mut self, count: &mut Count) -> Result<(), LdapError> {
        let sink = self.sink;
        let ended = count.go_through(&mut self.session.connection, &|| still_wanted(sink), &Lead::default());
        self.session.calls += count.calls;
        ended?;
        self.learn_estimates(count);
        Ok(())
    }

    /// Whether the server's estimates are as good as counts.
    fn learn_estimates(&mut self, count: &Count) {
        if let (None, Some(estimate)) = (self.session.estimates, count.estimate) {
            self.session.estimates = Some(estimate == count.tally.entries);
        }
    }

    /// Lists on the run's connection while a second one counts.
    fn list_beside(
        &mut self,
        search: &mut Search,
        keys_only: bool,
        (mut connection, estimate): (Connection, Option<u64>),
    ) -> Result<(Listing, Before), LdapError> {
        let sink = self.sink;
        let mut count = Count { estimate, ..Count::new(search) };
        let lead = Lead::default();
        let received = connection.bytes_received();
        let wanted =
            || if lead.unneeded.load(Ordering::Relaxed) { Err(LdapError::Cancelled) } else { still_wanted(sink) };
        let (listing, counted) = std::thread::scope(|scope| {
            let counting = scope.spawn(|| {
                let _ending = Ending(&lead);
                count.go_through(&mut connection, &wanted, &lead)
            });
            let listing = self.list(search, (keys_only, Some(&lead)));
            // A listing that failed or was cut short needs no count.
            let needed = listing.as_ref().is_ok_and(|listing| listing.open.is_none());
            lead.unneeded.store(!needed, Ordering::Relaxed);
            let counted = counting.join().unwrap_or(Err(LdapError::Closed));
            (listing, counted)
        });
        self.session.calls += count.calls;
        self.session.received_beside += connection.bytes_received() - received;
        let listing = listing?;
        match counted {
            Ok(()) => {
                self.learn_estimates(&count);
                self.session.keep_second_connection(connection);
                Ok((listing, Before::Counted(count.tally)))
            }
            Err(error) => Ok((listing, Before::Failed(error))),
        }
    }
}
