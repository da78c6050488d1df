//! Reading records of a source without change feed: a cursor that marks each record by itself, and what becomes of each.
//!
//! ```text
//! cursor ─Marks::of→ what is known ─→ the connector reads each record ─Outcome→ Handover ─batches→ sink
//!                                                                                  └ marks → cursor
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{Stream, StreamExt as _};
use muster_core::clock::Clock;
use muster_core::connector::{
    Batch, BatchSink, ConnectorError, Cursor, ErrorKind, Mode, ReadRequest, Reject, ScopeEnd, Traffic, Verdict,
};
use serde::{Deserialize, Serialize};

/// A batch is handed over when it holds this much, documents included.
const BATCH_BYTES: usize = 2 << 20;
const RECORDS_A_BATCH: usize = 500;
/// What the ledger names one by one.
const PROBLEMS_TOLD: usize = 5;
/// So many failures of the source's in a row are not about the records that were asked for.
const FAILURES_IN_A_ROW: usize = 8;
const DAY: i64 = 86_400_000_000;

/// What tells a record's state from any other, and the day since 1970 on which its document was had last.
pub(crate) type Mark = (String, i64);

/// The day of what was never had as it should be.
pub(crate) const NEVER: i64 = 0;

/// The marks of a scope's records, by key.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Marks(BTreeMap<String, Mark>);

impl Marks {
    /// Those of a cursor; none where it holds none.
    pub(crate) fn of(cursor: Option<&Cursor>) -> Self {
        cursor.and_then(|cursor| serde_json::from_str(&cursor.0).ok()).unwrap_or_default()
    }

    /// A record's.
    pub(crate) fn get(&self, key: &str) -> Option<&Mark> {
        self.0.get(key)
    }
}

/// When documents are had afresh though nothing changed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Freshness {
    /// Today, in days since 1970.
    pub(crate) today: i64,
    after_days: i64,
}

impl Freshness {
    /// After so many days.
    pub(crate) fn new(clock: &dyn Clock, after_days: u16) -> Self {
        Self { today: clock.now().0.div_euclid(DAY), after_days: i64::from(after_days) }
    }

    /// The day of a record's mark, where it is as it was and its document not too old.
    pub(crate) fn unchanged(self, mark: Option<&Mark>, print: &str) -> Option<i64> {
        let (known, day) = mark?;
        (known == print && self.today - day < self.after_days).then_some(*day)
    }
}

/// What reading one record came to.
pub(crate) enum Outcome<R> {
    /// As it was when its document was had last.
    Same(String, Mark),
    /// Its key and mark, what the record is made of, and what the ledger shall say of it.
    Changed(String, Mark, Box<R>, Option<String>),
    /// It is there, and could not be read whole: what is known of it stays.
    Unread(String, ConnectorError),
}

/// Whether the next record would fail in the same way.
pub(crate) fn is_about_all(kind: &ErrorKind) -> bool {
    matches!(kind, ErrorKind::Cancelled | ErrorKind::Auth | ErrorKind::RateLimited { .. })
}

/// The end of a scope of which nothing was read.
pub(crate) fn unread(mode: Mode, reason: String, remedy: Option<String>) -> ScopeEnd {
    let notes = remedy.into_iter().map(|remedy| format!("remedy: {remedy}")).collect();
    let (mode, traffic) = (proving(mode), Traffic::default());
    ScopeEnd { mode, open: Some(reason), counted: None, cursor: None, notes, traffic }
}

/// Lists are read whole in any mode: absence is proven.
fn proving(mode: Mode) -> Mode {
    if mode == Mode::Sweep { Mode::Sweep } else { Mode::Full }
}

/// The keys that this run handed over without their records. Whoever asks for one of them again does not have its record;
/// whoever asks for another one has, and keeps it where no better one can be had.
#[derive(Debug, Default)]
pub(crate) struct Bare(Mutex<BTreeMap<Arc<str>, BTreeSet<String>>>);

impl Bare {
    /// Another run begins.
    pub(crate) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Whether a key was handed over by itself.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().any(|keys| keys.contains(key))
    }

    /// A scope is read, for the first time or again.
    fn begin(&self, scope: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(scope);
    }
}

/// How many failures came in a row that are the source's own.
#[derive(Debug, Default)]
struct Failures(usize);

impl Failures {
    /// Whether whatever is asked for next would fail as well.
    fn after(&mut self, error: Option<&ConnectorError>) -> bool {
        let is_the_sources = error.is_some_and(|error| error.kind == ErrorKind::Unavailable);
        self.0 = if is_the_sources { self.0 + 1 } else { 0 };
        self.0 >= FAILURES_IN_A_ROW || error.is_some_and(|error| is_about_all(&error.kind))
    }
}

/// The verdicts on keys that are asked for one after another.
#[derive(Debug, Default)]
pub(crate) struct Verdicts {
    pub(crate) all: Vec<Verdict>,
    failures: Failures,
    /// The rest is not asked for: it would fail as well.
    pub(crate) is_over: bool,
}

impl Verdicts {
    /// Takes what came of asking for the next key; an error is none's verdict.
    pub(crate) fn take(&mut self, came: Result<Verdict, ConnectorError>) -> Result<(), ConnectorError> {
        self.is_over = self.failures.after(came.as_ref().err());
        self.all.push(match came {
            Ok(verdict) => verdict,
            Err(error) if matches!(error.kind, ErrorKind::Auth | ErrorKind::Cancelled) => return Err(error),
            Err(_) => Verdict::Unknown,
        });
        Ok(())
    }

    /// The verdicts on so many keys.
    pub(crate) fn of(mut self, keys: usize) -> Vec<Verdict> {
        self.all.resize(keys, Verdict::Unknown);
        self.all
    }
}

/// Where records go: two batches under way, one of records and one of keys.
pub(crate) struct Handover<'a> {
    sink: &'a dyn BatchSink,
    bare: &'a Bare,
    failures: Failures,
    /// What to do about what could not be read.
    remedies: BTreeSet<String>,
    has_sent: bool,
    mode: Mode,
    records: Batch,
    keys: Batch,
    documents: usize,
    marks: Marks,
    problems: Vec<String>,
    unread: usize,
    notes: Vec<String>,
}

impl<'a> Handover<'a> {
    /// Nothing is handed over yet.
    pub(crate) fn new(request: &ReadRequest<'_>, sink: &'a dyn BatchSink, bare: &'a Bare) -> Self {
        let batch = || Batch::new(Arc::from(request.scope.stream.as_str()), Arc::clone(&request.scope.name));
        let (records, keys) = (batch(), Batch { keys_only: true, ..batch() });
        let (marks, problems, notes) = (Marks::default(), Vec::new(), Vec::new());
        let (mode, has_sent, documents, unread) = (request.mode, false, 0, 0);
        let (failures, remedies) = (Failures::default(), BTreeSet::new());
        bare.begin(&request.scope.name);
        Self {
            sink,
            bare,
            failures,
            remedies,
            has_sent,
            mode,
            records,
            keys,
            documents,
            marks,
            problems,
            unread,
            notes,
        }
    }

    /// A record that cannot be read.
    pub(crate) fn reject(&mut self, key: Option<String>, reason: String) {
        self.records.rejects.push(Reject { key, reason, raw: Vec::new() });
    }

    /// What an operator should know.
    pub(crate) fn note(&mut self, note: &str) {
        self.notes.push(note.to_owned());
    }

    /// A record that is there.
    pub(crate) async fn key(&mut self, key: &str) -> Result<(), ConnectorError> {
        let scope = Arc::clone(&self.keys.scope);
        self.bare.0.lock().unwrap_or_else(PoisonError::into_inner).entry(scope).or_default().insert(key.to_owned());
        self.keys.records.push_key(key);
        if self.keys.records.len() >= RECORDS_A_BATCH { self.flush().await } else { Ok(()) }
    }

    /// Takes all outcomes as they come; `push` adds a record and its document to a batch and gives the document's size.
    /// Where the source wants no more calls, the rest would be refused as well: what was read is kept, and why it ends
    /// is the answer; so it is where too many fail in a row that the source is to blame for. So it is with any error once records are handed over: their marks must be kept with them, or older
    /// ones would say of a later state that it is as it was.
    pub(crate) async fn take_all<R>(
        &mut self,
        mut outcomes: impl Stream<Item = Result<Vec<Outcome<R>>, ConnectorError>> + Unpin,
        push: impl Fn(&mut Batch, R) -> usize,
    ) -> Result<Option<String>, ConnectorError> {
        while let Some(some) = outcomes.next().await {
            match some {
                Ok(some) => {
                    for outcome in some {
                        let failed = match &outcome {
                            Outcome::Unread(_, error) => Some(error),
                            _ => None,
                        };
                        let is_over = self.failures.after(failed);
                        self.take(outcome, &push).await?;
                        if is_over {
                            let told = self.problem().unwrap_or_default();
                            return Ok(Some(format!(
                                "{FAILURES_IN_A_ROW} failures in a row, the rest was not asked for: {told}"
                            )));
                        }
                    }
                }
                Err(error) if error.kind == ErrorKind::Cancelled => return Err(error),
                Err(error) if self.has_sent || matches!(error.kind, ErrorKind::RateLimited { .. }) => {
                    self.notes.extend(error.remedy.iter().map(|remedy| format!("remedy: {remedy}")));
                    return Ok(Some(error.to_string()));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    async fn take<R>(
        &mut self,
        outcome: Outcome<R>,
        push: &impl Fn(&mut Batch, R) -> usize,
    ) -> Result<(), ConnectorError> {
        match outcome {
            Outcome::Same(key, mark) => {
                self.key(&key).await?;
                self.marks.0.insert(key, mark);
            }
            Outcome::Unread(key, error) => {
                self.unread += 1;
                if self.problems.len() < PROBLEMS_TOLD {
                    self.problems.push(error.to_string());
                }
                if self.remedies.len() < PROBLEMS_TOLD {
                    self.remedies.extend(error.remedy);
                }
                self.key(&key).await?;
            }
            Outcome::Changed(key, mark, record, note) => {
                self.notes.extend(note.filter(|_| self.notes.len() < PROBLEMS_TOLD));
                self.marks.0.insert(key, mark);
                self.documents += push(&mut self.records, *record);
                let full = self.records.records.len() >= RECORDS_A_BATCH;
                if full || self.documents + self.records.records.byte_len() > BATCH_BYTES {
                    self.flush().await?;
                }
            }
        }
        Ok(())
    }

    /// Hands over what is under way.
    pub(crate) async fn flush(&mut self) -> Result<(), ConnectorError> {
        self.documents = 0;
        for batch in [&mut self.records, &mut self.keys] {
            let mut next = Batch::new(Arc::clone(&batch.stream), Arc::clone(&batch.scope));
            next.keys_only = batch.keys_only;
            let full = std::mem::replace(batch, next);
            if !full.is_empty() {
                let closed = |_| ConnectorError::new(ErrorKind::Cancelled, "handing records over", "the run is over");
                self.sink.send(full).await.map_err(closed)?;
                self.has_sent = true;
            }
        }
        Ok(())
    }

    /// Why the scope is open, where something could not be read.
    pub(crate) fn problem(&self) -> Option<String> {
        if self.unread == 0 {
            return None;
        }
        let more = self.unread - self.problems.len();
        let more = if more > 0 { format!("; and {more} more") } else { String::new() };
        Some(format!("{} APIs could not be read whole: {}{more}", self.unread, self.problems.join("; ")))
    }

    /// What was not read is as it was, and so are its marks.
    pub(crate) fn keep(&mut self, before: Marks) {
        for (key, mark) in before.0 {
            self.marks.0.entry(key).or_insert(mark);
        }
    }

    /// The scope's end; what the source counts is the connector's to add.
    pub(crate) fn end(mut self, open: Option<String>, traffic: Traffic) -> ScopeEnd {
        self.notes.extend(self.remedies.iter().map(|remedy| format!("remedy: {remedy}")));
        let marks = serde_json::to_string(&self.marks).ok().map(Cursor);
        let cursor = marks.filter(|_| self.mode != Mode::Sweep);
        ScopeEnd { mode: proving(self.mode), open, counted: None, cursor, notes: self.notes, traffic }
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use futures_util::stream;
    use muster_core::connector::{ScopePlan, SinkClosed};

    use super::*;

    #[derive(Default)]
    struct Counting(Mutex<usize>);

    #[async_trait]
    impl BatchSink for Counting {
        async fn send(&self, batch: Batch) -> Result<(), SinkClosed> {
            *self.0.lock().unwrap() += batch.rejects.len();
            Ok(())
        }

        fn is_closed(&self) -> bool {
            false
        }
    }

    /// What a run makes of a record and an error after it, and the cursor that it leaves.
    async fn run(document: usize, kind: ErrorKind) -> (Result<Option<String>, ConnectorError>, usize, String) {
        let scope = ScopePlan { stream: "apis".to_owned(), name: Arc::from("s") };
        let (sink, bare) = (Counting::default(), Bare::default());
        let before = Cursor(r#"{"a":["old",7],"b":["old",7]}"#.to_owned());
        let request = ReadRequest { scope: &scope, mode: Mode::Delta, cursor: Some(&before) };
        let mut out = Handover::new(&request, &sink, &bare);
        let changed = Outcome::Changed("a".to_owned(), ("new".to_owned(), 8), Box::new(()), None);
        let error = ConnectorError::new(kind, "reading `b`", "no").with_remedy("sign in");
        let outcomes = stream::iter([Ok(vec![changed]), Err(error)]);
        let push = |batch: &mut Batch, ()| {
            batch.rejects.push(Reject { key: None, reason: "a".to_owned(), raw: Vec::new() });
            document
        };
        let stopped = out.take_all(outcomes, push).await;
        out.keep(Marks::of(Some(&before)));
        let cursor = out.end(Some("open".to_owned()), Traffic::default()).cursor.unwrap().0;
        let sent = *sink.0.lock().unwrap();
        (stopped, sent, cursor)
    }

    #[tokio::test]
    async fn records_that_were_handed_over_keep_their_marks_whatever_ends_the_scope() {
        let auth = || ErrorKind::Auth;
        let (stopped, sent, cursor) = run(BATCH_BYTES + 1, auth()).await;
        assert_eq!((stopped.unwrap().as_deref(), sent), (Some("reading `b`: no"), 1));
        assert_eq!(cursor, r#"{"a":["new",8],"b":["old",7]}"#);
        // Nothing is written: the error is the scope's, and its cursor stays as it was.
        let (stopped, sent, _) = run(1, auth()).await;
        assert_eq!((stopped.unwrap_err().kind, sent), (auth(), 0));
        let (stopped, ..) = run(BATCH_BYTES + 1, ErrorKind::Cancelled).await;
        assert_eq!(stopped.unwrap_err().kind, ErrorKind::Cancelled);
    }

    #[tokio::test]
    async fn what_to_do_about_what_is_unread_is_told_once() {
        let scope = ScopePlan { stream: "apis".to_owned(), name: Arc::from("s") };
        let (sink, bare) = (Counting::default(), Bare::default());
        let request = ReadRequest { scope: &scope, mode: Mode::Full, cursor: None };
        let mut out = Handover::new(&request, &sink, &bare);
        let unread = |key: &str| {
            let error = ConnectorError::new(ErrorKind::Protocol, "reading", "no").with_remedy("give the scope");
            Ok(vec![Outcome::<()>::Unread(key.to_owned(), error)])
        };
        out.take_all(stream::iter(["a", "b"].map(unread)), |_, ()| 0).await.unwrap();
        assert_eq!(out.end(None, Traffic::default()).notes, ["remedy: give the scope"]);
    }

    #[tokio::test]
    async fn keys_that_were_handed_over_by_themselves_are_known() {
        let scope = ScopePlan { stream: "apis".to_owned(), name: Arc::from("s") };
        let (sink, bare) = (Counting::default(), Bare::default());
        let request = ReadRequest { scope: &scope, mode: Mode::Full, cursor: None };
        let mut out = Handover::new(&request, &sink, &bare);
        out.key("a").await.unwrap();
        assert_eq!((bare.has("a"), bare.has("b")), (true, false));
        let other = ScopePlan { stream: "apis".to_owned(), name: Arc::from("t") };
        Handover::new(&ReadRequest { scope: &other, ..request }, &sink, &bare);
        assert!(bare.has("a"), "another scope is read");
        Handover::new(&request, &sink, &bare);
        assert!(!bare.has("a"), "the scope is read again");
        Handover::new(&request, &sink, &bare).key("a").await.unwrap();
        bare.clear();
        assert!(!bare.has("a"));
    }
}
