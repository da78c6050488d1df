//! Reading a scope: its list, and of each API what changed since the cursor.
//!
//! ```text
//! list → APIs by asset ─a few at a time→ instance → asset (once a version) → fingerprint
//!                                         └ as before → key      └ another → file (once a version) → record
//! ```

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{Stream, StreamExt as _, stream};
use muster_core::connector::{BatchSink, ConnectorError, CountRange, ErrorKind, Mode, ReadRequest, ScopeEnd};
use serde_json::Value as Json;

use super::asset::{Asset, File};
use super::client::{Client, List};
use super::instance::{Instance, Parts, push, text};
use super::plan::Place;
use super::{MODEL, refused};
use crate::kit::definition::{Found, State};
use crate::kit::http::Wanted;
use crate::kit::marks::{Bare, Freshness, Handover, Mark, Marks, Outcome, is_about_all};

/// Assets under way at once.
const ASSETS_AT_ONCE: usize = 4;
/// What the definitions that are kept for other environments may hold.
const CACHE_BYTES: usize = 32 << 20;
/// About what an endpoint takes: packages tell many in few bytes.
const ENDPOINT_BYTES: usize = 512;
/// Files of one asset that are tried.
const FILES_TRIED: usize = 4;

/// Group and asset in Exchange.
type Coordinates = (Option<String>, Option<String>);

/// What has an instance; or why that is not known.
type Served = Result<BTreeSet<Coordinates>, String>;

/// Assets of this run by their coordinates: environments share them.
#[derive(Debug, Default)]
pub(super) struct Shared {
    assets: Mutex<BTreeMap<String, Arc<Asset>>>,
    definitions: Mutex<VecDeque<(String, Arc<Found>)>>,
    /// What has an instance anywhere in the plan's business groups; or why that is not known.
    served: tokio::sync::Mutex<Option<Arc<Served>>>,
    pub(super) bare: Bare,
}

impl Shared {
    /// Another run begins.
    pub(super) async fn forget(&self) {
        self.assets.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.definitions.lock().unwrap_or_else(PoisonError::into_inner).clear();
        *self.served.lock().await = None;
        self.bare.clear();
    }

    fn asset(&self, name: &str) -> Option<Arc<Asset>> {
        self.assets.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    pub(super) fn definition(&self, name: &str) -> Option<Arc<Found>> {
        let kept = self.definitions.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|(known, _)| known == name).map(|(_, found)| Arc::clone(found))
    }

    /// Keeps a definition; the oldest go where there is no room.
    pub(super) fn keep(&self, name: String, found: &Arc<Found>) {
        let mut kept = self.definitions.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push_back((name, Arc::clone(found)));
        let size = |found: &Found| {
            let told = found.endpoints.as_ref().map_or(0, Vec::len);
            found.blob.as_ref().map_or(0, |blob| blob.bytes.len()) + told * ENDPOINT_BYTES
        };
        while kept.iter().map(|(_, found)| size(found)).sum::<usize>() > CACHE_BYTES {
            kept.pop_front();
        }
    }
}

/// One scope, while it is read.
pub(super) struct Job<'a> {
    pub(super) client: &'a Client,
    pub(super) place: &'a Place,
    pub(super) shared: &'a Shared,
    pub(super) wanted: Wanted<'a>,
    /// The business groups of the plan.
    pub(super) organizations: BTreeSet<String>,
}

impl Job<'_> {
    pub(super) async fn run(
        &self,
        request: &ReadRequest<'_>,
        freshness: Freshness,
        sink: &dyn BatchSink,
    ) -> Result<ScopeEnd, ConnectorError> {
        let (before, nothing) = (Marks::of(request.cursor), Marks::default());
        let known = if request.mode == Mode::Delta { &before } else { &nothing };
        let mut out = Handover::new(request, sink, &self.shared.bare);
        let (instances, list, expected) = self.instances(&mut out).await?;
        let is_all = expected.is_none_or(|count| u64::try_from(instances.len()) == Ok(count));
        let mut stopped = None;
        if request.mode == Mode::Sweep {
            for instance in instances {
                out.key(&instance.key(self.place)).await?;
            }
        } else {
            let mut assets: BTreeMap<Coordinates, Vec<Instance>> = BTreeMap::new();
            for instance in instances {
                assets.entry((instance.group.clone(), instance.asset.clone())).or_default().push(instance);
            }
            let read = assets.into_values().map(|instances| Box::pin(self.asset_of(instances, known, freshness)));
            let outcomes = stream::iter(read).flatten_unordered(ASSETS_AT_ONCE);
            stopped =
                out.take_all(outcomes, |batch, parts| push(batch, &MODEL.streams[0], (self.place, parts))).await?;
        }
        out.flush().await?;
        let open = stopped.or(list.open).or_else(|| out.problem());
        if open.is_some() || !is_all {
            out.keep(before);
        }
        let counted = expected.map(|count| CountRange { low: count, high: count });
        Ok(ScopeEnd { counted, ..out.end(open, self.client.traffic()) })
    }

    /// What the scope's list holds, and how many that should be where something counts.
    async fn instances(&self, out: &mut Handover<'_>) -> Result<(Vec<Instance>, List, Option<u64>), ConnectorError> {
        let Some((environment, _)) = &self.place.environment else {
            let mut list = self.client.published(&self.place.organization, self.wanted).await?;
            let served = self.served().await?;
            let nothing = BTreeSet::new();
            let served = match &*served {
                Ok(served) => served,
                // What is served cannot be told from what is not.
                Err(reason) => {
                    list.open.get_or_insert(reason.clone());
                    list.items.clear();
                    &nothing
                }
            };
            let mut found = Vec::new();
            for entry in &list.items {
                match Instance::published(entry) {
                    Ok(one) if served.contains(&(one.group.clone(), one.asset.clone())) => {}
                    Ok(one) => found.push(one),
                    Err(reason) => out.reject(None, format!("an asset of the list: {reason}")),
                }
            }
            return Ok((found, list, None));
        };
        let list = self.client.assets((&self.place.organization, environment), self.wanted).await?;
        list.note.iter().for_each(|note| out.note(note));
        let mut found = Vec::new();
        let mut expected = 0;
        for entry in &list.items {
            // Whether there is one, and it is as long as it should be, the list told.
            let instances = entry["apis"].as_array().map(Vec::as_slice).unwrap_or_default();
            // Older answers do not count.
            let count = entry["totalApis"].as_u64().unwrap_or_else(|| u64::try_from(instances.len()).unwrap_or(0));
            expected = u64::saturating_add(expected, count);
            for instance in instances {
                match Instance::of(entry, instance) {
                    Ok(one) => found.push(one),
                    Err(reason) => out.reject(None, format!("an API of the list: {reason}")),
                }
            }
        }
        if list.items.is_empty() {
            out.note(
                "the list of APIs is empty; where that is not so, the connected app lacks the scope `View APIs \
                 Configuration` for this environment",
            );
        }
        let counts = list.total.is_some() && list.open.is_none();
        Ok((found, list, counts.then_some(expected)))
    }

    /// The assets that have an instance in any environment of the plan's business groups, asked once a run: groups share
    /// their assets.
    pub(super) async fn served(&self) -> Result<Arc<Served>, ConnectorError> {
        let mut known = self.shared.served.lock().await;
        if let Some(served) = &*known {
            return Ok(Arc::clone(served));
        }
        let (mut open, mut served) = (None, BTreeSet::new());
        for organization in &self.organizations {
            let environments = self.client.environments(organization, self.wanted).await?;
            open = open.or(environments.open);
            if environments.items.is_empty() {
                open.get_or_insert("no environment is visible: what is served there is not known".to_owned());
            }
            for environment in environments.items.iter().filter_map(|environment| text(&environment["id"])) {
                let list = self.client.assets((organization, environment), self.wanted).await?;
                open = open.or(list.open);
                for entry in &list.items {
                    let part = |value: &Json, key: &str| text(&value[key]).map(str::to_owned);
                    served.insert((part(entry, "groupId"), part(entry, "assetId")));
                    let instances = entry["apis"].as_array().into_iter().flatten();
                    served.extend(instances.map(|one| (part(one, "groupId"), part(one, "assetId"))));
                }
            }
        }
        let served = Arc::new(open.map_or(Ok(served), Err));
        *known = Some(Arc::clone(&served));
        Ok(served)
    }

    /// Whether an asset of Exchange's list has an instance.
    pub(super) fn serves(&self, served: &Served, entry: &Json) -> bool {
        let part = |key: &str| text(&entry[key]).map(str::to_owned);
        served.as_ref().is_ok_and(|served| served.contains(&(part("groupId"), part("assetId"))))
    }

    /// Reads the APIs of one asset, one after another: they share its definition. Each is handed over before the next is
    /// read.
    fn asset_of<'s>(
        &'s self,
        instances: Vec<Instance>,
        known: &'s Marks,
        freshness: Freshness,
    ) -> impl Stream<Item = Result<Vec<Outcome<Parts>>, ConnectorError>> + 's {
        stream::iter(instances).then(move |instance| async move {
            let key = instance.key(self.place);
            let mark = known.get(&key);
            match self.api(instance, (&key, mark), freshness).await {
                Ok(outcome) => Ok(vec![outcome]),
                // Not about this API alone.
                Err(error) if is_about_all(&error.kind) => Err(error),
                Err(error) => Ok(vec![Outcome::Unread(key, error)]),
            }
        })
    }

    async fn api(
        &self,
        instance: Instance,
        (key, mark): (&str, Option<&Mark>),
        freshness: Freshness,
    ) -> Result<Outcome<Parts>, ConnectorError> {
        let instance = self.with_detail(instance).await?;
        let asset = self.asset(&instance).await?;
        let print = instance.fingerprint(self.place, asset.as_deref())?;
        if let Some(day) = freshness.unchanged(mark, &print) {
            return Ok(Outcome::Same(key.to_owned(), (print, day)));
        }
        let found = self.definition(&instance, asset.as_deref()).await?;
        let note = match &found.state {
            State::Failed(reason) => Some(format!("the definition of `{key}` cannot be read: {reason}")),
            _ => found.passed_over.first().map(|reason| format!("the definition of `{key}` is another file: {reason}")),
        };
        let mark = (print.clone(), freshness.today);
        let parts = Parts { instance, asset, found, fingerprint: print };
        Ok(Outcome::Changed(key.to_owned(), mark, Box::new(parts), note))
    }

    async fn with_detail(&self, instance: Instance) -> Result<Instance, ConnectorError> {
        let (Some(id), Some((environment, _))) = (instance.id.clone(), &self.place.environment) else {
            return Ok(instance);
        };
        let answer = self.client.instance((&self.place.organization, environment, &id), self.wanted).await?;
        let operation = format!("reading API instance `{id}`");
        if !answer.status.is_success() {
            return Err(refused::call(&operation, &answer));
        }
        let detail: Json = answer.json(&operation)?;
        let wrong = |message| ConnectorError::new(ErrorKind::Protocol, operation, message);
        instance.with_detail(&detail).map_err(wrong)
    }

    /// The asset of an API; none where it has none.
    pub(super) async fn asset(&self, instance: &Instance) -> Result<Option<Arc<Asset>>, ConnectorError> {
        let Some((group, asset, version)) = instance.coordinates() else { return Ok(None) };
        let name = format!("{group}/{asset}/{version}");
        if let Some(known) = self.shared.asset(&name) {
            return Ok(Some(known));
        }
        let found = Arc::new(self.fresh_asset((group, asset, version)).await?);
        let mut assets = self.shared.assets.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Some(Arc::clone(assets.entry(name).or_insert(found))))
    }

    async fn fresh_asset(&self, (group, asset, version): (&str, &str, &str)) -> Result<Asset, ConnectorError> {
        let answer = self.client.asset((group, asset, version), self.wanted).await?;
        let operation = format!("reading Exchange asset `{group}/{asset}/{version}`");
        // What no longer shows proves nothing of the API that is made of it.
        if refused::is_not_found(&answer) {
            return Err(refused::hidden(&operation));
        }
        if !answer.status.is_success() {
            return Err(refused::call(&operation, &answer));
        }
        let wrong = |message| ConnectorError::new(ErrorKind::Protocol, operation.as_str(), message);
        Asset::of(&answer.json(&operation)?).map_err(wrong)
    }

    /// The definition of an API's asset.
    pub(super) async fn definition(
        &self,
        instance: &Instance,
        asset: Option<&Asset>,
    ) -> Result<Arc<Found>, ConnectorError> {
        let nothing = || Ok(Arc::new(Found::nothing(State::None)));
        let (Some((group, id, version)), Some(asset)) = (instance.coordinates(), asset) else { return nothing() };
        let name = format!("{group}/{id}/{version}");
        if let Some(found) = self.shared.definition(&name) {
            return Ok(found);
        }
        let unlinked = |kind: &String| format!("{kind}: Exchange gives no link to it");
        let (mut best, mut passed_over) = (None, asset.unlinked.iter().map(unlinked).collect::<Vec<_>>());
        if asset.files.is_empty() {
            if passed_over.is_empty() {
                return nothing();
            }
            // It may come within minutes.
            let operation = format!("fetching the definition of `{name}`");
            return Err(ConnectorError::new(ErrorKind::Protocol, operation, passed_over.join("; ")));
        }
        // Where nothing that is read can be, the best file is kept as it is.
        let tried = asset.files.iter().enumerate().filter(|(at, file)| *at == 0 || file.is_read());
        for (_, file) in tried.take(FILES_TRIED) {
            let (found, go_on) = self.file((group, id, version), file).await?;
            let State::Failed(reason) = &found.state else {
                best = Some(found);
                break;
            };
            passed_over.push(format!("{}: {reason}", file.kind()));
            best.get_or_insert(found);
            if !go_on {
                break;
            }
        }
        let mut found = best.unwrap_or_else(|| Found::nothing(State::None));
        if matches!(found.state, State::Failed(_)) && passed_over.len() > 1 {
            found.state = State::Failed(passed_over.join("; "));
        }
        let found = Arc::new(Found { passed_over, ..found });
        self.shared.keep(name, &found);
        Ok(found)
    }

    /// Fetches and reads a file of an asset; whether another one may say it better.
    async fn file(
        &self,
        (group, id, version): (&str, &str, &str),
        file: &File,
    ) -> Result<(Found, bool), ConnectorError> {
        let operation = format!("fetching the definition of `{group}/{id}/{version}`");
        let refused = || ConnectorError::new(ErrorKind::Unavailable, &operation, "the storage refuses the link");
        let link = file.link().ok_or_else(refused)?;
        if let Some(bytes) = self.client.file(&operation, link, self.wanted).await? {
            file.check(&operation, &bytes)?;
            return file.read(&operation, bytes);
        }
        // Links end. A fresh one comes with the asset.
        let again = self.fresh_asset((group, id, version)).await?;
        let file = again.files.iter().find(|other| other.is(file)).ok_or_else(refused)?;
        let link = file.link().ok_or_else(refused)?;
        let bytes = self.client.file(&operation, link, self.wanted).await?.ok_or_else(refused)?;
        file.check(&operation, &bytes)?;
        file.read(&operation, bytes)
    }

    /// One API as it is now, whatever of it can be had, and whether that is all: for keys that are asked for again.
    pub(super) async fn single(&self, instance: Instance) -> Result<(Parts, bool), ConnectorError> {
        let (asset, found) = match self.asset(&instance).await {
            Err(error) => (None, Err(error)),
            Ok(asset) => {
                let found = self.definition(&instance, asset.as_deref()).await;
                (asset, found)
            }
        };
        let found = match found {
            Err(error) if is_about_all(&error.kind) || error.kind == ErrorKind::Unavailable && asset.is_none() => {
                return Err(error);
            }
            Err(error) => Arc::new(Found::nothing(State::Failed(error.to_string()))),
            Ok(found) => found,
        };
        let is_whole = !matches!(found.state, State::Failed(_));
        let fingerprint = instance.fingerprint(self.place, asset.as_deref())?;
        Ok((Parts { instance, asset, found, fingerprint }, is_whole))
    }
}
