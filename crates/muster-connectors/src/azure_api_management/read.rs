//! Reading a service: its list of APIs, and of each what changed since the cursor.
//!
//! ```text
//! list → families (what must not be exported at once) ─a few at a time→ operations, revisions, schemas → fingerprint
//!                                                      └ as before → key    └ another → definition → record
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream;
use muster_core::connector::{
    Batch, BatchSink, ConnectorError, CountRange, Cursor, ErrorKind, Mode, ReadRequest, Reject, ScopeEnd,
};
use muster_core::fold::fingerprint;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use tokio::sync::RwLock;

use super::MODEL;
use super::api::{Api, Operations, Service, VersionSet, VersionSets};
use super::client::Client;
use super::config::Revisions;
use super::definition::{self, Source, source};
use super::products::{Products, access};
use super::record::{Parts, push};
use crate::kit::definition::{Found, State};
use crate::kit::http::Wanted;

/// Families under way at once: definitions are up to 32 MiB each.
const FAMILIES_AT_ONCE: usize = 8;
/// A batch is handed over when it holds this much, documents included.
const BATCH_BYTES: usize = 2 << 20;
const RECORDS_A_BATCH: usize = 500;
/// The day of what was never exported as it should be.
const NEVER: i64 = 0;
/// What the ledger names one by one.
const PROBLEMS_TOLD: usize = 5;

/// What is known of each API since it was exported last: by key, fingerprint and day.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Known(BTreeMap<String, (String, i64)>);

impl Known {
    fn of(cursor: Option<&Cursor>) -> Self {
        cursor.and_then(|cursor| serde_json::from_str(&cursor.0).ok()).unwrap_or_default()
    }
}

/// What reading one API came to.
enum Outcome {
    /// As it was at the last export.
    Same(String, (String, i64)),
    /// Its record, and the mark for the cursor.
    Changed(Box<Parts>, (String, i64)),
    /// It is there, and could not be read whole: what is known of it stays.
    Unread(String, ConnectorError),
}

/// One service, while it is read.
pub(super) struct Job<'a> {
    pub(super) client: &'a Client,
    pub(super) service: &'a Service,
    pub(super) subscription: &'a str,
    pub(super) revisions: Revisions,
    /// The service's products; none where they are not known.
    pub(super) products: Option<&'a Products>,
    pub(super) sets: VersionSets,
    /// Exports hold it together, an export that must be alone holds it by itself.
    pub(super) exports: &'a RwLock<()>,
    pub(super) wanted: Wanted<'a>,
}

/// When definitions are exported though nothing changed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Freshness {
    /// Today, in days since 1970.
    pub(super) today: i64,
    pub(super) after_days: i64,
}

impl Job<'_> {
    /// Reads the service's APIs.
    pub(super) async fn run(
        &mut self,
        request: &ReadRequest<'_>,
        freshness: Freshness,
        sink: &dyn BatchSink,
    ) -> Result<ScopeEnd, ConnectorError> {
        let (before, nothing) = (Known::of(request.cursor), Known::default());
        let known = if request.mode == Mode::Delta { &before } else { &nothing };
        let mut out = Out::new(request, sink);
        let list = self.client.apis((&self.service.id, self.subscription), self.wanted).await?;
        let counts = list.counted;
        let mut open = list.open;
        let (apis, left_out) = self.sorted_out(list.items, &mut out);
        let listed = apis.iter().map(Api::key).collect::<BTreeSet<String>>().len();
        let mut marks = Known::default();
        if request.mode == Mode::Sweep {
            for api in apis {
                out.key(&api.key()).await?;
            }
        } else {
            self.learn_version_sets(&apis).await?;
            let mut families: BTreeMap<String, Vec<Api>> = BTreeMap::new();
            apis.into_iter().for_each(|api| families.entry(api.family()).or_default().push(api));
            let this = &*self;
            let read = families.into_values().map(|family| this.family(family, known, freshness));
            let mut outcomes = stream::iter(read).buffer_unordered(FAMILIES_AT_ONCE);
            while let Some(family) = outcomes.next().await {
                match family {
                    Ok(family) => {
                        for outcome in family {
                            out.take(outcome, &mut marks).await?;
                        }
                    }
                    // The rest would be refused as well: what was read is kept, other scopes go on.
                    Err(error) if matches!(error.kind, ErrorKind::RateLimited { .. }) => {
                        open = Some(error.to_string());
                        break;
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        out.flush().await?;
        let open = open.or_else(|| out.problem());
        let counted = counted(counts, left_out);
        let listed = u64::try_from(listed).unwrap_or(u64::MAX);
        if open.is_some() || counted.is_some_and(|count| listed < count.low || count.high < listed) {
            // What was not read is as it was, and so are its marks.
            before.0.into_iter().for_each(|(key, mark)| {
                marks.0.entry(key).or_insert(mark);
            });
        }
        let cursor = (request.mode != Mode::Sweep).then(|| serde_json::to_string(&marks).ok().map(Cursor)).flatten();
        // The lists are read whole in any mode: absence is proven.
        let mode = if request.mode == Mode::Sweep { Mode::Sweep } else { Mode::Full };
        Ok(ScopeEnd { mode, open, counted, cursor, notes: out.notes, traffic: self.client.traffic() })
    }

    /// The APIs of the list that are read, and how many entries are others: earlier revisions, where they are not asked for.
    fn sorted_out(&self, items: Vec<Json>, out: &mut Out<'_>) -> (Vec<Api>, u64) {
        let (mut apis, mut left_out) = (Vec::new(), BTreeSet::new());
        for item in items {
            match Api::of(&item) {
                Ok(api) if api.is_current() || self.revisions == Revisions::All => apis.push(api),
                Ok(api) => drop(left_out.insert(api.key())),
                Err(error) => {
                    let key = item["id"].as_str().map(str::to_ascii_lowercase);
                    out.reject(Reject { key, reason: format!("an API of the list: {error}"), raw: Vec::new() });
                }
            }
        }
        (apis, u64::try_from(left_out.len()).unwrap_or(u64::MAX))
    }

    pub(super) async fn learn_version_sets(&mut self, apis: &[Api]) -> Result<(), ConnectorError> {
        if !apis.iter().any(Api::lacks_version_set) {
            return Ok(());
        }
        let list = self.client.below((&self.service.id, self.subscription), "apiVersionSets", self.wanted).await?;
        if let Some(reason) = list.open {
            let operation = format!("listing version sets of `{}`", self.service.id);
            return Err(ConnectorError::new(ErrorKind::Protocol, operation, reason));
        }
        for item in list.items {
            let set = item["properties"].clone();
            if let (Some(id), Ok(set)) = (item["id"].as_str(), serde_json::from_value::<VersionSet>(set)) {
                self.sets.insert(id.to_ascii_lowercase(), set);
            }
        }
        Ok(())
    }

    /// Reads what must not be exported at once, one after another.
    async fn family(
        &self,
        family: Vec<Api>,
        known: &Known,
        freshness: Freshness,
    ) -> Result<Vec<Outcome>, ConnectorError> {
        let mut outcomes = Vec::new();
        for api in family {
            let mark = known.0.get(&api.key());
            outcomes.push(match self.api(&api, mark, freshness).await {
                Ok(outcome) => outcome,
                // Not about this API alone.
                Err(error) if is_about_all(&error.kind) => return Err(error),
                Err(error) => Outcome::Unread(api.key(), error),
            });
        }
        Ok(outcomes)
    }

    async fn api(
        &self,
        api: &Api,
        mark: Option<&(String, i64)>,
        freshness: Freshness,
    ) -> Result<Outcome, ConnectorError> {
        let lists = self.lists(api).await?;
        let print = self.fingerprint(api, &lists)?;
        if let Some((known, day)) = mark
            && *known == print
            && freshness.today - day < freshness.after_days
        {
            return Ok(Outcome::Same(api.key(), (print, *day)));
        }
        let found = self.definition(api, &lists).await?;
        let mark = (print.clone(), freshness.today);
        Ok(Outcome::Changed(Box::new(self.parts(api, &lists, (found, print))), mark))
    }

    async fn lists(&self, api: &Api) -> Result<Lists, ConnectorError> {
        let mut found = Vec::new();
        for what in ["operations", "revisions", "schemas"] {
            // The current revision has told them all.
            if what == "revisions" && !api.is_current() {
                found.push(Vec::new());
                continue;
            }
            let list = self.client.below((&api.id, self.subscription), what, self.wanted).await?;
            if let Some(reason) = list.open {
                return Err(ConnectorError::new(
                    ErrorKind::Protocol,
                    format!("listing {what} of `{}`", api.id),
                    reason,
                ));
            }
            found.push(list.items);
        }
        let schemas = found.pop().unwrap_or_default();
        let revisions = found.pop().unwrap_or_default();
        let listed = found.pop().unwrap_or_default();
        let operations = Operations::of(&listed).map_err(|error| {
            let operation = format!("listing operations of `{}`", api.id);
            ConnectorError::new(ErrorKind::Protocol, operation, format!("an operation cannot be read: {error}"))
        })?;
        Ok(Lists { listed, operations, revisions, schemas })
    }

    /// The API's definition; one that is not its own is fetched again, alone.
    async fn definition(&self, api: &Api, lists: &Lists) -> Result<Found, ConnectorError> {
        match source(api.kind()) {
            Source::Nowhere => Ok(Found::nothing(State::None)),
            Source::Schema(word) => self.schema(lists, word).await,
            Source::Export("wsdl-link") => {
                let bytes = self.export(api, "wsdl-link").await?;
                Ok(definition::read_wsdl(bytes))
            }
            Source::Export(format) => {
                let bytes = self.export(api, format).await?;
                let found = definition::read(bytes, api, (&lists.operations, &self.sets));
                if !matches!(found.state, State::Suspect(_)) {
                    return Ok(found);
                }
                let _alone = self.exports.write().await;
                let bytes = self.client.export((&api.id, self.subscription), format, self.wanted).await?;
                Ok(definition::read(bytes, api, (&lists.operations, &self.sets)))
            }
        }
    }

    async fn export(&self, api: &Api, format: &str) -> Result<Vec<u8>, ConnectorError> {
        let _together = self.exports.read().await;
        self.client.export((&api.id, self.subscription), format, self.wanted).await
    }

    /// A definition that is one of the API's schemas.
    async fn schema(&self, lists: &Lists, word: &str) -> Result<Found, ConnectorError> {
        let kind = |schema: &Json| schema["properties"]["contentType"].as_str().unwrap_or_default().contains(word);
        let Some(schema) = lists.schemas.iter().find(|schema| kind(schema)).and_then(|schema| schema["id"].as_str())
        else {
            return Ok(Found::nothing(State::None));
        };
        let answer = self.client.resource((schema, self.subscription), self.wanted).await?;
        if !answer.status.is_success() {
            return Err(super::arm::refused(&format!("reading `{schema}`"), &answer));
        }
        let schema: Json = answer.json(&format!("reading `{schema}`"))?;
        Ok(match schema["properties"]["document"]["value"].as_str() {
            Some(text) if word == "graphql" => Found::kept(word, "graphql", text.as_bytes().to_vec()),
            Some(text) => Found::kept(word, "proto", text.as_bytes().to_vec()),
            None => Found::nothing(State::None),
        })
    }

    fn parts(&self, api: &Api, lists: &Lists, (found, print): (Found, String)) -> Parts {
        let urls = api.urls(self.service, &self.sets);
        // A document that is not believed says nothing of this API.
        let own = found.endpoints.clone().filter(|_| !matches!(found.state, State::Suspect(_)));
        let endpoints = own.unwrap_or_else(|| lists.operations.endpoints.clone());
        let products = self.products.map(|products| products.titles(api));
        let access = access(self.products, api);
        Parts { api: api.clone(), urls, endpoints, found, fingerprint: print, products, access }
    }

    /// What tells this state of an API from any other.
    fn fingerprint(&self, api: &Api, lists: &Lists) -> Result<String, ConnectorError> {
        let products = self.products.map(|products| products.titles(api));
        let place = (access(self.products, api), products, api.urls(self.service, &self.sets));
        let parts = (api.listed, &lists.listed, &lists.revisions, &lists.schemas, place);
        let text = serde_json::to_vec(&parts)
            .map_err(|error| ConnectorError::new(ErrorKind::Protocol, "comparing an API", error.to_string()))?;
        let mut written = String::new();
        for byte in fingerprint(&text) {
            let _ = write!(written, "{byte:02x}");
        }
        Ok(written)
    }

    /// One API as it is now, whatever of it can be had: for keys that are asked for again.
    pub(super) async fn single(&self, api: &Api) -> Result<Parts, ConnectorError> {
        let lists = match self.lists(api).await {
            Err(error) if is_about_all(&error.kind) || error.kind == ErrorKind::Unavailable => return Err(error),
            Err(error) => {
                let found = Found::nothing(State::Failed(error.to_string()));
                return Ok(self.parts(api, &Lists::default(), (found, String::new())));
            }
            Ok(lists) => lists,
        };
        let found = match self.definition(api, &lists).await {
            Err(error) if is_about_all(&error.kind) => return Err(error),
            Err(error) => Found::nothing(State::Failed(error.to_string())),
            Ok(found) => found,
        };
        let print = self.fingerprint(api, &lists)?;
        Ok(self.parts(api, &lists, (found, print)))
    }
}

/// Whether the next API would fail in the same way.
fn is_about_all(kind: &ErrorKind) -> bool {
    matches!(kind, ErrorKind::Cancelled | ErrorKind::Auth | ErrorKind::RateLimited { .. })
}

/// What the gateway lists of one API.
#[derive(Debug, Default)]
struct Lists {
    listed: Vec<Json>,
    operations: Operations,
    revisions: Vec<Json>,
    schemas: Vec<Json>,
}

/// What the source counts, without the entries that are no record here. Both counts are over all pages.
fn counted(told: Option<(u64, u64)>, left_out: u64) -> Option<CountRange> {
    let (first, last) = told?;
    let without = |count: u64| count.saturating_sub(left_out);
    Some(CountRange { low: without(first.min(last)), high: without(first.max(last)) })
}

/// Where records go: two batches under way, one of records and one of keys.
struct Out<'a> {
    sink: &'a dyn BatchSink,
    records: Batch,
    keys: Batch,
    documents: usize,
    problems: Vec<String>,
    unread: usize,
    notes: Vec<String>,
}

impl<'a> Out<'a> {
    fn new(request: &ReadRequest<'_>, sink: &'a dyn BatchSink) -> Self {
        let batch = || Batch::new(Arc::from(request.scope.stream.as_str()), Arc::clone(&request.scope.name));
        let keys = Batch { keys_only: true, ..batch() };
        Self { sink, records: batch(), keys, documents: 0, problems: Vec::new(), unread: 0, notes: Vec::new() }
    }

    fn reject(&mut self, reject: Reject) {
        self.records.rejects.push(reject);
    }

    async fn key(&mut self, key: &str) -> Result<(), ConnectorError> {
        self.keys.records.push_key(key);
        if self.keys.records.len() >= RECORDS_A_BATCH { self.flush().await } else { Ok(()) }
    }

    async fn take(&mut self, outcome: Outcome, marks: &mut Known) -> Result<(), ConnectorError> {
        match outcome {
            Outcome::Same(key, mark) => {
                self.key(&key).await?;
                marks.0.insert(key, mark);
            }
            Outcome::Unread(key, error) => {
                self.unread += 1;
                if self.problems.len() < PROBLEMS_TOLD {
                    self.problems.push(error.to_string());
                }
                self.key(&key).await?;
            }
            Outcome::Changed(parts, mark) => {
                let key = parts.api.key();
                if let State::Failed(reason) = &parts.found.state {
                    self.unread += 1;
                    self.problems.push(format!("the definition of `{}` is none: {reason}", parts.api.id));
                    self.problems.truncate(PROBLEMS_TOLD);
                    return self.key(&key).await;
                }
                if let State::Suspect(reason) = &parts.found.state
                    && self.notes.len() < PROBLEMS_TOLD
                {
                    self.notes.push(format!("the definition of `{}` is suspect: {reason}", parts.api.id));
                }
                // What is not believed is asked for again by the next run.
                let is_suspect = matches!(parts.found.state, State::Suspect(_));
                marks.0.insert(key, if is_suspect { (mark.0, NEVER) } else { mark });
                self.documents += push(&mut self.records, &MODEL.streams[0], *parts);
                let full = self.records.records.len() >= RECORDS_A_BATCH;
                if full || self.documents + self.records.records.byte_len() > BATCH_BYTES {
                    self.flush().await?;
                }
            }
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), ConnectorError> {
        self.documents = 0;
        for batch in [&mut self.records, &mut self.keys] {
            let mut next = Batch::new(Arc::clone(&batch.stream), Arc::clone(&batch.scope));
            next.keys_only = batch.keys_only;
            let full = std::mem::replace(batch, next);
            if !full.is_empty() {
                let closed = |_| ConnectorError::new(ErrorKind::Cancelled, "handing records over", "the run is over");
                self.sink.send(full).await.map_err(closed)?;
            }
        }
        Ok(())
    }

    /// Why the scope is open, where something could not be read.
    fn problem(&self) -> Option<String> {
        if self.unread == 0 {
            return None;
        }
        let more = self.unread - self.problems.len();
        let more = if more > 0 { format!("; and {more} more") } else { String::new() };
        Some(format!("{} APIs could not be read whole: {}{more}", self.unread, self.problems.join("; ")))
    }
}
