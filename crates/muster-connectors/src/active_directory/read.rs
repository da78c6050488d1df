//! Reading: full, delta, sweep, and asking again.

use std::collections::BTreeMap;
use std::sync::Arc;

use muster_core::connector::{
    Batch, BatchSink, ConnectorError, CountRange, Cursor, ErrorKind, Mode, ReadRequest, ScopeEnd, Traffic, Verdict,
};
use muster_core::model::StreamModel;
use muster_core::value::{guid_bytes, guid_text};
use tokio::runtime::Handle;

use super::records::{Deferred, PageBuilder, attributes, filter};
use super::session::{Session, explain, refusal};
use super::{MODEL, names};
use crate::kit::ldap::{DirectoryReader, Entry, Filter, LdapError, PageEnd, ResultCode, Scope, Search, SearchControls};

const SHOW_DELETED: &str = "1.2.840.113556.1.4.417";
const EXTENDED_DN: &str = "1.2.840.113556.1.4.529";
/// The container of tombstones, by its well-known GUID (MS-ADTS 6.1.1.4).
const DELETED_OBJECTS: &str = "18E2EA80684F11D2B9AA00C04F79F805";
/// How many keys are asked for at once.
const KEYS_A_SEARCH: usize = 100;
/// A batch is handed over when it holds this much, wherever the page ends.
const BATCH_BYTES: usize = 4 << 20;

/// Reads one scope.
pub(super) fn read(
    session: &mut Session,
    request: &ReadRequest<'_>,
    sink: &dyn BatchSink,
) -> Result<ScopeEnd, ConnectorError> {
    let config = session.config.clone();
    let model = stream_model(&request.scope.stream)?;
    let (calls, bytes) = (session.calls, session.connection.bytes_received());
    let mut job = Job { session, model, base: &request.scope.name, sink };
    let mut end = job.run(request).map_err(|error| explain(error, &config))?;
    end.traffic =
        Traffic { calls: session.calls - calls, throttled_ms: 0, bytes: session.connection.bytes_received() - bytes };
    Ok(end)
}

fn stream_model(stream: &str) -> Result<Arc<StreamModel>, ConnectorError> {
    let unknown =
        || ConnectorError::new(ErrorKind::Config, format!("reading stream `{stream}`"), "there is no such stream");
    MODEL.stream(stream).cloned().ok_or_else(unknown)
}

struct Job<'a> {
    session: &'a mut Session,
    model: Arc<StreamModel>,
    base: &'a str,
    sink: &'a dyn BatchSink,
}

/// How a listing ended.
struct Listing {
    entries: u64,
    estimate: u64,
    references: u64,
    open: Option<String>,
}

type Usns = BTreeMap<String, i64>;

impl Job<'_> {
    fn run(&mut self, request: &ReadRequest<'_>) -> Result<ScopeEnd, LdapError> {
        let usns: Usns = request.cursor.and_then(|cursor| serde_json::from_str(&cursor.0).ok()).unwrap_or_default();
        let invocation = self.session.root.invocation_id.clone();
        let since = invocation.as_ref().and_then(|id| usns.get(id)).copied();
        match (request.mode, since) {
            (Mode::Sweep, _) => self.whole(Mode::Sweep, usns, None),
            (Mode::Delta, Some(since)) => self.delta(since, usns),
            (Mode::Delta, None) => {
                let why = match (&invocation, usns.is_empty()) {
                    (None, _) => "the server has no highestCommittedUSN",
                    (Some(_), true) => "there is no cursor yet",
                    (Some(_), false) => "this controller's invocationId is new: another controller, or one restored",
                };
                self.whole(Mode::Full, usns, Some(format!("read fully: {why}")))
            }
            (Mode::Full, _) => self.whole(Mode::Full, usns, None),
        }
    }

    fn search(&self, filter: Filter, mode: Mode) -> Search {
        let attributes = match mode {
            Mode::Sweep => vec!["objectGUID".to_owned()],
            _ => attributes(&self.model, &self.session.config),
        };
        let links = self.model.attributes.iter().any(|found| found.kind == muster_core::model::AttributeKind::Link);
        Search {
            base: self.base.to_owned(),
            scope: self.session.config.search_scope,
            filter,
            attributes,
            page_size: self.session.config.page_size,
            controls: SearchControls {
                show_deleted: false,
                extended_dn: links && mode != Mode::Sweep && self.session.supports(EXTENDED_DN),
            },
        }
    }

    /// A full reading or a sweep: everything, counted.
    fn whole(&mut self, mode: Mode, mut usns: Usns, note: Option<String>) -> Result<ScopeEnd, LdapError> {
        let usn = self.session.highest_committed_usn()?;
        let search = self.search(filter(&self.model.name), mode);
        let listing = self.list(&search, mode == Mode::Sweep)?;
        let mut notes: Vec<String> = note.into_iter().collect();
        if listing.references > 0 {
            notes.push(format!("{} references to other servers were not followed", listing.references));
        }
        let mut counted = None;
        if listing.open.is_none() {
            counted = Some(self.count(&search, &listing)?);
        }
        let cursor = match (mode, usn, self.session.root.invocation_id.clone()) {
            (Mode::Full, Some(usn), Some(invocation)) => {
                usns.insert(invocation, usn);
                serde_json::to_string(&usns).ok().map(Cursor)
            }
            _ => None,
        };
        Ok(ScopeEnd { mode, open: listing.open, counted, cursor, notes, traffic: Traffic::default() })
    }

    /// An independent count: the server's own estimate where it gives one that holds, else a listing without
    /// attributes, and a second one where the directory changed meanwhile (D2).
    fn count(&mut self, search: &Search, listing: &Listing) -> Result<CountRange, LdapError> {
        let mut low = listing.estimate;
        let mut high = listing.estimate;
        let mut passes = if listing.estimate > 0 { 1 } else { 0 };
        while passes < 2 && (passes == 0 || listing.entries < low || listing.entries > high) {
            let counted = self.count_once(search)?;
            (low, high) = if passes == 0 { (counted, counted) } else { (low.min(counted), high.max(counted)) };
            passes += 1;
        }
        Ok(CountRange { low, high })
    }

    fn count_once(&mut self, search: &Search) -> Result<u64, LdapError> {
        let mut search = search.clone();
        search.attributes = vec!["1.1".to_owned()];
        search.controls.extended_dn = false;
        let sink = self.sink;
        let mut count = 0;
        let mut cookie = Vec::new();
        loop {
            self.session.calls += 1;
            let ticket = self.session.connection.begin(&search, &cookie)?;
            let end = self.session.connection.receive(ticket, &mut |_| still_wanted(sink))?;
            succeed(&end, "counting")?;
            count += end.entries;
            if end.cookie.is_empty() {
                return Ok(count);
            }
            cookie = end.cookie;
        }
    }

    /// What changed since a USN of this controller's, and what it calls deleted.
    fn delta(&mut self, since: i64, mut usns: Usns) -> Result<ScopeEnd, LdapError> {
        let usn = self.session.highest_committed_usn()?;
        let invocation = self.session.root.invocation_id.clone().unwrap_or_default();
        let mut notes = Vec::new();
        let mut open = None;
        if usn.is_none_or(|usn| usn > since) {
            let changed = Filter::at_least("uSNChanged", (since + 1).to_string());
            let search = self.search(Filter::And(vec![filter(&self.model.name), changed.clone()]), Mode::Delta);
            let listing = self.list(&search, false)?;
            open = listing.open;
            if open.is_none() && self.session.supports(SHOW_DELETED) {
                self.tombstones(changed, &mut notes)?;
            }
        }
        if let Some(usn) = usn {
            usns.insert(invocation, usn);
        }
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
            page_size: self.session.config.page_size,
            controls: SearchControls { show_deleted: true, extended_dn: false },
        };
        let sink = self.sink;
        let mut cookie = Vec::new();
        loop {
            let mut batch = Batch::new(Arc::from(self.model.name.as_str()), Arc::from(self.base));
            self.session.calls += 1;
            let ticket = self.session.connection.begin(&search, &cookie)?;
            let end = self.session.connection.receive(ticket, &mut |entry| {
                batch
                    .tombstones
                    .extend(entry.and_then(|entry| entry.first("objectGUID")).and_then(|bytes| guid_text(bytes).ok()));
                still_wanted(sink)
            })?;
            if end.code != ResultCode::SUCCESS {
                notes.push(format!(
                    "deleted objects cannot be listed ({}): deletions are found by the sweep",
                    refusal(&end)
                ));
                return Ok(());
            }
            self.hand_over(batch)?;
            if end.cookie.is_empty() {
                return Ok(());
            }
            cookie = end.cookie;
        }
    }

    /// Lists a search page by page. The next page is asked for before this one is handed over.
    fn list(&mut self, search: &Search, keys_only: bool) -> Result<Listing, LdapError> {
        let mut search = search.clone();
        let mut builder = PageBuilder::new(&self.session.knowledge, &self.model, self.base);
        let mut listing = Listing { entries: 0, estimate: 0, references: 0, open: None };
        self.session.calls += 1;
        let mut ticket = self.session.connection.begin(&search, &[])?;
        let mut first = true;
        loop {
            let end = self.page(ticket, &mut builder, keys_only)?;
            let too_large = matches!(end.code, ResultCode::ADMIN_LIMIT_EXCEEDED | ResultCode::SIZE_LIMIT_EXCEEDED);
            if first && too_large && end.entries == 0 && search.page_size > 1000 {
                // The server refuses pages beyond its limit instead of clamping them, as OpenLDAP does.
                search.page_size = 1000;
                self.session.calls += 1;
                ticket = self.session.connection.begin(&search, &[])?;
                continue;
            }
            if first {
                listing.estimate = end.estimate;
            }
            first = false;
            listing.entries += end.entries;
            listing.references += end.references;
            if end.code != ResultCode::SUCCESS {
                if matches!(end.code.0, 51 | 52) {
                    succeed(&end, "listing")?;
                }
                listing.open = Some(format!(
                    "the directory cut the listing of `{}` short after {} entries: {}",
                    self.base,
                    listing.entries,
                    refusal(&end)
                ));
            }
            let deferred = std::mem::take(&mut builder.deferred);
            self.complete(deferred, &mut builder)?;
            let more = listing.open.is_none() && !end.cookie.is_empty();
            if !more {
                self.hand_over(builder.take())?;
                return Ok(listing);
            }
            self.session.calls += 1;
            ticket = self.session.connection.begin(&search, &end.cookie)?;
            self.hand_over(builder.take())?;
        }
    }

    fn page(
        &mut self,
        ticket: crate::kit::ldap::Ticket,
        builder: &mut PageBuilder,
        keys_only: bool,
    ) -> Result<PageEnd, LdapError> {
        let sink = self.sink;
        let session = &mut *self.session;
        // The connection is lent to the reading, the session to the builder: they are parted for the time of a page.
        session.reading(ticket, |knowledge, entry| {
            if sink.is_closed() {
                return Err(LdapError::Cancelled);
            }
            let Some(entry) = entry else { return Ok(()) };
            if keys_only {
                builder.key_only(entry);
            } else {
                builder.entry(knowledge, entry);
            }
            if builder.batch.records.byte_len() > BATCH_BYTES {
                send(sink, builder.take())?;
            }
            Ok(())
        })
    }

    /// Completes the records that need more calls: further ranges, containers that no record has named.
    fn complete(&mut self, deferred: Vec<Deferred>, builder: &mut PageBuilder) -> Result<(), LdapError> {
        for mut record in deferred {
            for (id, name, next) in std::mem::take(&mut record.ranges) {
                let mut next = Some(next);
                while let Some(from) = next {
                    next = self.range(&mut record, builder, (id, &name, from))?;
                }
            }
            let container = match builder.parent_of(&record.dn) {
                Some(parent) => self.session.ask_parent(&parent.to_owned())?,
                None => None,
            };
            builder.finish_deferred(record, container.as_deref());
            if builder.batch.records.byte_len() > BATCH_BYTES || builder.batch.links.len() > 50 {
                self.hand_over(builder.take())?;
            }
        }
        Ok(())
    }

    fn range(
        &mut self,
        record: &mut Deferred,
        builder: &mut PageBuilder,
        (id, name, from): (muster_core::model::AttributeId, &str, u64),
    ) -> Result<Option<u64>, LdapError> {
        let search = Search {
            base: record.dn.clone(),
            scope: Scope::Base,
            filter: Filter::Present("objectClass".to_owned()),
            attributes: vec![format!("{name};range={from}-*")],
            page_size: 0,
            controls: SearchControls { show_deleted: false, extended_dn: self.session.supports(EXTENDED_DN) },
        };
        self.session.calls += 1;
        let ticket = self.session.connection.begin(&search, &[])?;
        let mut next = None;
        let sink = self.sink;
        let end = self.session.reading(ticket, |knowledge, entry| {
            if sink.is_closed() {
                return Err(LdapError::Cancelled);
            }
            if let Some(entry) = entry {
                next = builder.add_range(knowledge, record, id, entry);
            }
            Ok(())
        })?;
        succeed(&end, &format!("reading the rest of `{name}` of `{}`", record.dn))?;
        if next.is_some_and(|next| next <= from) {
            return Err(LdapError::Malformed("a range that does not go on"));
        }
        Ok(next)
    }

    fn hand_over(&self, batch: Batch) -> Result<(), LdapError> {
        if batch.is_empty() { Ok(()) } else { send(self.sink, batch) }
    }
}

fn still_wanted(sink: &dyn BatchSink) -> Result<(), LdapError> {
    if sink.is_closed() { Err(LdapError::Cancelled) } else { Ok(()) }
}

fn send(sink: &dyn BatchSink, batch: Batch) -> Result<(), LdapError> {
    Handle::current().block_on(sink.send(batch)).map_err(|_| LdapError::Cancelled)
}

fn succeed(end: &PageEnd, operation: &str) -> Result<(), LdapError> {
    if end.code == ResultCode::SUCCESS {
        return Ok(());
    }
    Err(LdapError::Refused { operation: operation.to_owned(), code: end.code, message: end.message.clone() })
}

/// Asks for keys again (D3): in the plan's bases with the stream's filter, else anywhere in the naming context.
pub(super) fn confirm(
    session: &mut Session,
    stream: &str,
    keys: &[String],
    sink: &dyn BatchSink,
) -> Result<Vec<Verdict>, ConnectorError> {
    let config = session.config.clone();
    let model = stream_model(stream)?;
    let mut verdicts = vec![Verdict::Unknown; keys.len()];
    for (chunk, verdicts) in keys.chunks(KEYS_A_SEARCH).zip(verdicts.chunks_mut(KEYS_A_SEARCH)) {
        confirm_chunk(session, &model, (chunk, verdicts), sink).map_err(|error| explain(error, &config))?;
    }
    Ok(verdicts)
}

fn confirm_chunk(
    session: &mut Session,
    model: &Arc<StreamModel>,
    (keys, verdicts): (&[String], &mut [Verdict]),
    sink: &dyn BatchSink,
) -> Result<(), LdapError> {
    let asked = Filter::Or(
        keys.iter().filter_map(|key| guid_bytes(key)).map(|guid| Filter::equal("objectGUID", guid)).collect(),
    );
    for base in session.bases() {
        let collecting = Collecting { sink, keys: std::sync::Mutex::new(Vec::new()) };
        let mut job = Job { session: &mut *session, model: Arc::clone(model), base: &base, sink: &collecting };
        let search = job.search(Filter::And(vec![filter(&model.name), asked.clone()]), Mode::Full);
        let listing = job.list(&search, false)?;
        if let Some(reason) = listing.open {
            return Err(LdapError::Refused {
                operation: reason,
                code: ResultCode::SIZE_LIMIT_EXCEEDED,
                message: String::new(),
            });
        }
        let seen = collecting.keys.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        mark(keys, verdicts, &seen, Verdict::Present);
    }
    let mut elsewhere = Vec::new();
    let mut heads: Vec<String> = session.bases().iter().map(|base| session.naming_context_of(base)).collect();
    heads.dedup_by(|left, right| names::same(left, right));
    for head in heads {
        let search = Search {
            base: head,
            scope: Scope::Subtree,
            filter: asked.clone(),
            attributes: vec!["objectGUID".to_owned()],
            page_size: session.config.page_size,
            controls: SearchControls::default(),
        };
        session.calls += 1;
        let ticket = session.connection.begin(&search, &[])?;
        let end = session.connection.receive(ticket, &mut |entry: Option<&Entry<'_>>| {
            elsewhere.extend(entry.and_then(|entry| entry.first("objectGUID")).and_then(|bytes| guid_text(bytes).ok()));
            Ok(())
        })?;
        succeed(&end, "asking for objects again")?;
    }
    mark(keys, verdicts, &elsewhere, Verdict::OutOfScope);
    for verdict in verdicts.iter_mut().filter(|verdict| **verdict == Verdict::Unknown) {
        *verdict = Verdict::Deleted;
    }
    Ok(())
}

fn mark(keys: &[String], verdicts: &mut [Verdict], seen: &[String], verdict: Verdict) {
    for (key, slot) in keys.iter().zip(verdicts) {
        if *slot == Verdict::Unknown && seen.contains(key) {
            *slot = verdict;
        }
    }
}

/// Passes batches on and remembers their keys.
struct Collecting<'a> {
    sink: &'a dyn BatchSink,
    keys: std::sync::Mutex<Vec<String>>,
}

#[async_trait::async_trait]
impl BatchSink for Collecting<'_> {
    async fn send(&self, batch: Batch) -> Result<(), muster_core::connector::SinkClosed> {
        let keys: Vec<String> = batch.records.iter().map(|record| record.key().to_owned()).collect();
        self.keys.lock().unwrap_or_else(std::sync::PoisonError::into_inner).extend(keys);
        self.sink.send(batch).await
    }

    fn is_closed(&self) -> bool {
        self.sink.is_closed()
    }
}
