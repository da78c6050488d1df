//! Reading a service: its list of APIs, and of each what changed since the cursor.
//!
//! ```text
//! list → families (what must not be exported at once) ─a few at a time→ operations, revisions, schemas → fingerprint
//!                                                      └ as before → key    └ another → definition → record
//! ```

use std::collections::{BTreeMap, BTreeSet};

use data_encoding::HEXLOWER;
use futures_util::{Stream, StreamExt as _, stream};
use muster_core::connector::{BatchSink, ConnectorError, CountRange, ErrorKind, Mode, ReadRequest, ScopeEnd};
use muster_core::fold::fingerprint;
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
use crate::kit::marks::{Bare, Freshness, Handover, Mark, Marks, NEVER, Outcome, is_about_all};

/// Families under way at once: definitions are up to 32 MiB each.
const FAMILIES_AT_ONCE: usize = 8;
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
    pub(super) bare: &'a Bare,
    pub(super) wanted: Wanted<'a>,
}

impl Job<'_> {
    /// Reads the service's APIs.
    pub(super) async fn run(
        &mut self,
        request: &ReadRequest<'_>,
        freshness: Freshness,
        sink: &dyn BatchSink,
    ) -> Result<ScopeEnd, ConnectorError> {
        let (before, nothing) = (Marks::of(request.cursor), Marks::default());
        let known = if request.mode == Mode::Delta { &before } else { &nothing };
        let mut out = Handover::new(request, sink, self.bare);
        let list = self.client.apis((&self.service.id, self.subscription), self.wanted).await?;
        let counts = list.counted;
        let (apis, left_out) = self.sorted_out(list.items, &mut out);
        let listed = apis.iter().map(Api::key).collect::<BTreeSet<String>>().len();
        let mut stopped = None;
        if request.mode == Mode::Sweep {
            for api in apis {
                out.key(&api.key()).await?;
            }
        } else {
            self.learn_version_sets(&apis).await?;
            let mut families: BTreeMap<String, Vec<Api>> = BTreeMap::new();
            apis.into_iter().for_each(|api| families.entry(api.family()).or_default().push(api));
            let this = &*self;
            let read = families.into_values().map(|family| Box::pin(this.family(family, known, freshness)));
            let outcomes = stream::iter(read).flatten_unordered(FAMILIES_AT_ONCE);
            stopped = out.take_all(outcomes, |batch, parts| push(batch, &MODEL.streams[0], parts)).await?;
        }
        out.flush().await?;
        let open = stopped.or(list.open).or_else(|| out.problem());
        let counted = counted(counts, left_out);
        let listed = u64::try_from(listed).unwrap_or(u64::MAX);
        if open.is_some() || counted.is_some_and(|count| listed < count.low || count.high < listed) {
            out.keep(before);
        }
        Ok(ScopeEnd { counted, ..out.end(open, self.client.traffic()) })
    }

    /// The APIs of the list that are read, and how many entries are others: earlier revisions, where they are not asked for.
    fn sorted_out(&self, items: Vec<Json>, out: &mut Handover<'_>) -> (Vec<Api>, u64) {
        let (mut apis, mut left_out) = (Vec::new(), BTreeSet::new());
        for item in items {
            match Api::of(&item) {
                Ok(api) if api.is_current() || self.revisions == Revisions::All => apis.push(api),
                Ok(api) => drop(left_out.insert(api.key())),
                Err(error) => {
                    let key = item["id"].as_str().map(str::to_ascii_lowercase);
                    out.reject(key, format!("an API of the list: {error}"));
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

    /// Reads what must not be exported at once, one after another; each is handed over before the next is read.
    fn family<'s>(
        &'s self,
        family: Vec<Api>,
        known: &'s Marks,
        freshness: Freshness,
    ) -> impl Stream<Item = Result<Vec<Outcome<Parts>>, ConnectorError>> + 's {
        stream::iter(family).then(move |api| async move {
            let mark = known.get(&api.key());
            match self.api(&api, mark, freshness).await {
                Ok(outcome) => Ok(vec![outcome]),
                // Not about this API alone.
                Err(error) if is_about_all(&error.kind) => Err(error),
                Err(error) => Ok(vec![Outcome::Unread(api.key(), error)]),
            }
        })
    }

    async fn api(
        &self,
        api: &Api,
        mark: Option<&Mark>,
        freshness: Freshness,
    ) -> Result<Outcome<Parts>, ConnectorError> {
        let lists = self.lists(api).await?;
        let print = self.fingerprint(api, &lists)?;
        if let Some(day) = freshness.unchanged(mark, &print) {
            return Ok(Outcome::Same(api.key(), (print, day)));
        }
        let found = self.definition(api, &lists).await?;
        if let State::Failed(reason) = found.state {
            let operation = format!("the definition of `{}` is none", api.id);
            return Ok(Outcome::Unread(api.key(), ConnectorError::new(ErrorKind::Protocol, operation, reason)));
        }
        // What is not believed is asked for again by the next run.
        let (day, note) = match &found.state {
            State::Suspect(reason) => (NEVER, Some(format!("the definition of `{}` is suspect: {reason}", api.id))),
            _ => (freshness.today, None),
        };
        let mark = (print.clone(), day);
        Ok(Outcome::Changed(api.key(), mark, Box::new(self.parts(api, &lists, (found, print))), note))
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
        Ok(HEXLOWER.encode(&fingerprint(&text)))
    }

    /// One API as it is now, whatever of it can be had, and whether that is all: for keys that are asked for again.
    pub(super) async fn single(&self, api: &Api) -> Result<(Parts, bool), ConnectorError> {
        let lists = match self.lists(api).await {
            Err(error) if is_about_all(&error.kind) || error.kind == ErrorKind::Unavailable => return Err(error),
            Err(error) => {
                let found = Found::nothing(State::Failed(error.to_string()));
                return Ok((self.parts(api, &Lists::default(), (found, String::new())), false));
            }
            Ok(lists) => lists,
        };
        let found = match self.definition(api, &lists).await {
            Err(error) if is_about_all(&error.kind) => return Err(error),
            Err(error) => Found::nothing(State::Failed(error.to_string())),
            Ok(found) => found,
        };
        let is_whole = !matches!(found.state, State::Failed(_));
        let print = self.fingerprint(api, &lists)?;
        Ok((self.parts(api, &lists, (found, print)), is_whole))
    }
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
