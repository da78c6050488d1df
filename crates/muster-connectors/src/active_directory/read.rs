//! Reading: full, delta, sweep.

use std::collections::BTreeMap;
use std::sync::Arc;

use muster_core::connector::{
    Batch, BatchSink, ConnectorError, CountRange, Cursor, ErrorKind, Mode, ReadRequest, ScopeEnd, Traffic,
};
use muster_core::model::{AttributeKind, StreamModel};
use muster_core::value::guid_text;
use tokio::runtime::Handle;

use super::MODEL;
use super::count::{Before, Lead, Tally};
use super::records::{PageBuilder, attributes, filter};
use super::session::{Session, explain, refusal, refused};
use crate::kit::ldap::{Filter, LdapError, PageEnd, ResultCode, Scope, Search, SearchControls, Ticket};

const SHOW_DELETED: &str = "1.2.840.113556.1.4.417";
pub(super) const EXTENDED_DN: &str = "1.2.840.113556.1.4.529";
/// The container of tombstones, by its well-known GUID (MS-ADTS 6.1.1.4).
const DELETED_OBJECTS: &str = "18E2EA80684F11D2B9AA00C04F79F805";
/// How many records are handed over together, at page ends: stores write few large batches faster than many small ones.
const RECORDS_A_BATCH: usize = 1000;
/// The same for a sweep, whose records are only keys.
const KEYS_A_BATCH: usize = 20_000;
/// A batch is handed over when it holds this much, wherever the page ends.
pub(super) const BATCH_BYTES: usize = 2 << 20;
/// Active Directory's own page limit, to which a refused page size falls back; then it is halved down to the least.
const USUAL_PAGE: u32 = 1000;
pub(super) const LEAST_PAGE: u32 = 50;
/// A listing whose pages are empty and never end is none.
const EMPTY_PAGES: u32 = 1000;

/// Reads one scope.
pub(super) fn read(
    session: &mut Session,
    request: &ReadRequest<'_>,
    sink: &dyn BatchSink,
) -> Result<ScopeEnd, ConnectorError> {
    let config = session.config.clone();
    let model = stream_model(&request.scope.stream)?;
    let (calls, bytes) = (session.calls, session.bytes_received());
    let mut job = Job { session, model, base: &request.scope.name, sink };
    let mut end = job.run(request).map_err(|error| explain(error, &config))?;
    end.traffic = Traffic { calls: session.calls - calls, throttled_ms: 0, bytes: session.bytes_received() - bytes };
    Ok(end)
}

pub(super) fn stream_model(stream: &str) -> Result<Arc<StreamModel>, ConnectorError> {
    let unknown =
        || ConnectorError::new(ErrorKind::Config, format!("reading stream `{stream}`"), "there is no such stream");
    MODEL.stream(stream).cloned().ok_or_else(unknown)
}

pub(super) struct Job<'a> {
    pub(super) session: &'a mut Session,
    pub(super) model: Arc<StreamModel>,
    pub(super) base: &'a str,
    pub(super) sink: &'a dyn BatchSink,
}

/// How a listing ended.
#[derive(Debug, Default)]
pub(super) struct Listing {
    tally: Tally,
    estimate: u64,
    references: u64,
    pub(super) open: Option<String>,
}

/// What a cursor holds: the USN reached on each controller met, by its invocationId, and what was asked for then. With
/// another question a delta would leave the old answers of all that has not changed since.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
struct Usns {
    asked: String,
    usns: BTreeMap<String, i64>,
}

impl Usns {
    fn insert(&mut self, invocation: String, usn: i64) {
        self.usns.insert(invocation, usn);
    }
}

impl Job<'_> {
    fn run(&mut self, request: &ReadRequest<'_>) -> Result<ScopeEnd, LdapError> {
        let mut usns: Usns = request.cursor.and_then(|cursor| serde_json::from_str(&cursor.0).ok()).unwrap_or_default();
        let invocation = self.session.root.invocation_id.clone();
        let asked = self.asked();
        let other_question = !usns.usns.is_empty() && usns.asked != asked;
        if other_question {
            usns.usns.clear();
        }
        usns.asked = asked;
        let since = invocation.as_ref().and_then(|id| usns.usns.get(id)).copied();
        let sink = self.sink;
        // Before the reading: whatever changes meanwhile lies behind the cursor.
        let usn = self.session.highest_committed_usn(&|| still_wanted(sink))?;
        if self.has_links() && request.mode != Mode::Sweep && !self.session.supports(EXTENDED_DN) {
            self.know_containers()?;
        }
        if request.mode != Mode::Delta {
            return self.whole(request.mode, usns, (usn, None));
        }
        let why = match (&invocation, usn, since) {
            (Some(invocation), Some(usn), Some(since)) if usn >= since => {
                return self.delta(since, usn, (invocation.clone(), usns));
            }
            (Some(_), Some(_), Some(_)) => "the controller's USN went back: it was restored",
            (Some(_), None, _) => "the controller's highestCommittedUSN cannot be read",
            (Some(_), Some(_), None) if other_question => {
                "other attributes or another search scope are asked for than before"
            }
            (Some(_), Some(_), None) if usns.usns.is_empty() => "there is no cursor yet",
            (Some(_), Some(_), None) => "this controller's invocationId is new: another controller, or one restored",
            (None, _, _) => "the server tells no USN of its own",
        };
        self.whole(Mode::Full, usns, (usn, Some(format!("read fully: {why}"))))
    }

    /// A fingerprint of what is asked for.
    fn asked(&self) -> String {
        let question =
            format!("{:?} {:?}", self.session.config.search_scope, attributes(&self.model, &self.session.config));
        let fingerprint = muster_core::fold::fingerprint(question.as_bytes());
        fingerprint.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    pub(super) fn search(&self, filter: Filter, mode: Mode) -> Search {
        let attributes = match mode {
            Mode::Sweep => vec!["objectGUID".to_owned()],
            _ => attributes(&self.model, &self.session.config),
        };
        Search {
            base: self.base.to_owned(),
            scope: self.session.config.search_scope,
            filter,
            attributes,
            page_size: self.session.page_size,
            controls: SearchControls {
                show_deleted: false,
                extended_dn: self.has_links() && mode != Mode::Sweep && self.session.supports(EXTENDED_DN),
            },
        }
    }

    fn has_links(&self) -> bool {
        self.model.attributes.iter().any(|found| found.kind == AttributeKind::Link)
    }

    /// Where members are told by name alone they are known by their place: the containers must be known first, also on a
    /// connection that did not list them, for the run goes on where another ended.
    fn know_containers(&mut self) -> Result<(), LdapError> {
        let sink = self.sink;
        for base in self.session.bases() {
            if self.session.knowledge.listed.contains(&base) {
                continue;
            }
            let search = Search {
                base: base.clone(),
                scope: self.session.config.search_scope,
                filter: super::records::container_filter(),
                attributes: vec!["objectGUID".to_owned()],
                page_size: self.session.page_size,
                controls: SearchControls { show_deleted: false, extended_dn: false },
            };
            let mut pages = Pages::default();
            loop {
                let ticket = self.session.ask(&search, &pages.cookie)?;
                let end = self.session.reading(ticket, |knowledge, entry| {
                    let Some(entry) = entry else { return still_wanted(sink) };
                    let key = entry.first("objectGUID").and_then(|bytes| guid_text(bytes).ok()).map(Arc::from);
                    knowledge.learn_parent(entry.dn, key);
                    Ok(())
                })?;
                if end.code != ResultCode::SUCCESS {
                    return Err(refused(&end, format!("listing containers below `{base}`")));
                }
                if !pages.more(end)? {
                    break;
                }
            }
            self.session.knowledge.listed.insert(base);
        }
        Ok(())
    }

    /// A full reading or a sweep: everything, counted.
    fn whole(
        &mut self,
        mode: Mode,
        mut usns: Usns,
        (usn, note): (Option<i64>, Option<String>),
    ) -> Result<ScopeEnd, LdapError> {
        let mut search = self.search(filter(&self.model.name), mode);
        let (mut listing, before) = self.list_counted(&mut search, mode == Mode::Sweep)?;
        if self.model.name == "containers" && mode == Mode::Full && listing.open.is_none() {
            self.session.knowledge.listed.insert(self.base.to_owned());
        }
        let mut notes: Vec<String> = note.into_iter().collect();
        notes.extend(self.session.why_alone.take());
        if listing.references > 0 {
            notes.push(format!("{} references to other servers were not followed", listing.references));
        }
        let counted = if listing.open.is_none() { self.prove(&mut listing, before, &mut search)? } else { None };
        let cursor = match (mode, usn, self.session.root.invocation_id.clone()) {
            (Mode::Full, Some(usn), Some(invocation)) => {
                usns.insert(invocation, usn);
                serde_json::to_string(&usns).ok().map(Cursor)
            }
            _ => None,
        };
        Ok(ScopeEnd { mode, open: listing.open, counted, cursor, notes, traffic: Traffic::default() })
    }

    /// How many objects there are, from what was counted; where names came or went meanwhile, it is counted again (D2).
    fn prove(
        &mut self,
        listing: &mut Listing,
        before: Before,
        search: &mut Search,
    ) -> Result<Option<CountRange>, LdapError> {
        let listed = listing.tally;
        let (low, high) = match before {
            Before::Counted(before) if before == listed => (listed.entries, listed.entries),
            Before::Counted(before) => (before.entries, self.count(search)?.entries),
            Before::Estimate if listing.estimate == listed.entries => (listed.entries, listed.entries),
            // Samba estimates only where another page follows: nothing was said of what fits into one, so it is counted now.
            Before::Estimate if listing.estimate == 0 => {
                let after = self.count(search)?;
                let again = if after == listed { after.entries } else { self.count(search)?.entries };
                (after.entries, again)
            }
            Before::Estimate => (listing.estimate, self.count(search)?.entries),
            Before::Failed(LdapError::Cancelled) => return Err(LdapError::Cancelled),
            Before::Failed(_) if self.count(search)? == listed => (listed.entries, listed.entries),
            Before::Failed(error) => {
                listing.open =
                    Some(format!("the directory changed while it was listed, and the count beside failed: {error}"));
                return Ok(None);
            }
        };
        Ok(Some(CountRange { low: low.min(high), high: low.max(high) }))
    }

    /// Servers like OpenLDAP refuse a page beyond their limit instead of clamping it: then less is asked for.
    pub(super) fn shrink_page(&mut self, end: &PageEnd, search: &mut Search) -> bool {
        let refused = matches!(end.code, ResultCode::ADMIN_LIMIT_EXCEEDED | ResultCode::SIZE_LIMIT_EXCEEDED);
        if !refused || end.entries > 0 || search.page_size <= LEAST_PAGE {
            return false;
        }
        search.page_size = if search.page_size > USUAL_PAGE { USUAL_PAGE } else { search.page_size / 2 };
        self.session.page_size = search.page_size;
        true
    }

    /// What changed since a USN of this controller's, and what it calls deleted.
    fn delta(&mut self, since: i64, usn: i64, (invocation, mut usns): (String, Usns)) -> Result<ScopeEnd, LdapError> {
        let mut notes = Vec::new();
        let mut open = None;
        if usn > since {
            let changed = Filter::at_least("uSNChanged", since.saturating_add(1).to_string());
            let mut search = self.search(Filter::And(vec![filter(&self.model.name), changed.clone()]), Mode::Delta);
            open = self.list(&mut search, (false, None))?.open;
            if open.is_none() && self.session.supports(SHOW_DELETED) {
                self.tombstones(changed, &mut notes)?;
            }
        }
        usns.insert(invocation, usn);
        let cursor = serde_json::to_string(&usns).ok().map(Cursor);
        Ok(ScopeEnd { mode: Mode::Delta, open, counted: None, cursor, notes, traffic: Traffic::default() })
    }

    fn tombstones(&mut self, changed: Filter, notes: &mut Vec<String>) -> Result<(), LdapError> {
        let head = self.session.naming_context_of(self.base);
        let class = match self.model.name.as_str() {
            "users" => Filter::equal("objectClass", "user"),
            "groups" => Filter::equal("objectClass", "group"),
            _ => super::records::container_filter(),
        };
        let search = Search {
            base: format!("<WKGUID={DELETED_OBJECTS},{head}>"),
            scope: Scope::One,
            filter: Filter::And(vec![Filter::equal("isDeleted", "TRUE"), changed, class]),
            attributes: vec!["objectGUID".to_owned()],
            page_size: self.session.page_size,
            controls: SearchControls { show_deleted: true, extended_dn: false },
        };
        let sink = self.sink;
        let mut pages = Pages::default();
        loop {
            let mut batch = Batch::new(Arc::from(self.model.name.as_str()), Arc::from(self.base));
            let end = self.session.each(&search, &pages.cookie, &mut |entry| {
                batch
                    .tombstones
                    .extend(entry.and_then(|entry| entry.first("objectGUID")).and_then(|bytes| guid_text(bytes).ok()));
                still_wanted(sink)
            })?;
            if end.is_busy() {
                return Err(refused(&end, "listing deleted objects".to_owned()));
            }
            if end.code != ResultCode::SUCCESS {
                notes.push(format!(
                    "deleted objects cannot be listed ({}): deletions are found by the sweep",
                    refusal(&end)
                ));
                return Ok(());
            }
            self.hand_over(batch)?;
            if !pages.more(end)? {
                return Ok(());
            }
        }
    }

    /// Lists a search page by page. The next page is asked for before this one is handed over, and not before a count
    /// beside this listing is ahead of it.
    pub(super) fn list(
        &mut self,
        search: &mut Search,
        (keys_only, lead): (bool, Option<&Lead>),
    ) -> Result<Listing, LdapError> {
        let mut builder = PageBuilder::new(&self.session.knowledge, &self.model, (self.base, &self.session.config));
        let mut listing = Listing::default();
        let mut pages = Pages::default();
        self.follow(lead, search, &listing)?;
        let mut ticket = self.session.ask(search, &[])?;
        loop {
            let end = self.page(ticket, (&mut builder, &mut listing.tally), keys_only)?;
            if pages.first() {
                if self.shrink_page(&end, search) {
                    ticket = self.session.ask(search, &[])?;
                    continue;
                }
                listing.estimate = end.estimate;
            }
            listing.references += end.references;
            if end.is_busy() {
                return Err(refused(&end, format!("listing what lies below `{}`", self.base)));
            }
            if end.code != ResultCode::SUCCESS {
                listing.open = Some(format!(
                    "the directory cut the listing of `{}` short after {} entries: {}",
                    self.base,
                    listing.tally.entries,
                    refusal(&end)
                ));
            }
            // Completing asks the server too: the next page must wait for it.
            self.complete(&mut builder)?;
            let more = pages.more(end)? && listing.open.is_none();
            if !more {
                self.hand_over(builder.take())?;
                return Ok(listing);
            }
            self.follow(lead, search, &listing)?;
            ticket = self.session.ask(search, &pages.cookie)?;
            if builder.records() >= if keys_only { KEYS_A_BATCH } else { RECORDS_A_BATCH } {
                self.hand_over(builder.take())?;
            }
        }
    }

    /// Waits until a count beside this listing holds the page that is asked for next.
    fn follow(&self, lead: Option<&Lead>, search: &Search, listing: &Listing) -> Result<(), LdapError> {
        match lead {
            Some(lead) => lead.wait(listing.tally.entries + u64::from(search.page_size), self.sink),
            None => Ok(()),
        }
    }

    fn page(
        &mut self,
        ticket: Ticket,
        (builder, tally): (&mut PageBuilder, &mut Tally),
        keys_only: bool,
    ) -> Result<PageEnd, LdapError> {
        let sink = self.sink;
        // The connection is lent to the reading, the knowledge to the builder: they are parted for the time of a page.
        self.session.reading(ticket, |knowledge, entry| {
            still_wanted(sink)?;
            let Some(entry) = entry else { return Ok(()) };
            tally.add(entry.dn);
            if keys_only {
                builder.key_only(entry);
            } else {
                builder.entry(knowledge, entry, &mut |batch| send(sink, batch))?;
            }
            if builder.weight() > BATCH_BYTES { send(sink, builder.take()) } else { Ok(()) }
        })
    }

    pub(super) fn hand_over(&self, batch: Batch) -> Result<(), LdapError> {
        if batch.is_empty() { Ok(()) } else { send(self.sink, batch) }
    }
}

/// Where a listing stands between its pages.
#[derive(Debug, Default)]
pub(super) struct Pages {
    cookie: Vec<u8>,
    seen: u64,
    empty: u32,
}

impl Pages {
    pub(super) fn cookie(&self) -> &[u8] {
        &self.cookie
    }

    fn first(&self) -> bool {
        self.seen == 0
    }

    /// Whether another page follows.
    pub(super) fn more(&mut self, end: PageEnd) -> Result<bool, LdapError> {
        self.seen += 1;
        self.empty = if end.entries == 0 { self.empty + 1 } else { 0 };
        if self.empty > EMPTY_PAGES {
            return Err(LdapError::Malformed("empty pages without end"));
        }
        self.cookie = end.cookie;
        Ok(!self.cookie.is_empty())
    }
}

pub(super) fn still_wanted(sink: &dyn BatchSink) -> Result<(), LdapError> {
    if sink.is_closed() { Err(LdapError::Cancelled) } else { Ok(()) }
}

fn send(sink: &dyn BatchSink, batch: Batch) -> Result<(), LdapError> {
    Handle::current().block_on(sink.send(batch)).map_err(|_| LdapError::Cancelled)
}
