//! What happens to a batch: hash → prefilter → decode → map → reconcile → write.

mod definitions;
mod moved;
mod parked;
mod told;
mod turns;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use muster_core::clock::Instant;
use muster_core::connector::Batch;
use muster_core::ledger::{Counters, LedgerLine};
use muster_core::link::LinkPage;
use muster_core::map::TransformMap;
use muster_core::model::AttributeKind;
use muster_core::reconcile::{self, Cause, Decision, Known};
use muster_core::record::{RecordBatch, RecordView};
use muster_store::{
    Asked, AssetWrite, BatchWrite, ChangeWrite, ConnectorRow, DeadLetterWrite, DocumentRow, Fence, Parked, Prior,
    RefreshWrite, Store, StoreError,
};
use roaring::RoaringTreemap;

use crate::executor::Progress;
use moved::moved;
pub(crate) use parked::release_parked;
use told::Told;

/// Keys that a sweep may meet without knowing them, before it asks for a full run instead.
const UNKNOWN_KEYS: usize = 10_000;
/// Ids reserved at once.
const IDS_AT_ONCE: i64 = 20_000;

/// What an intake works with.
pub(crate) struct IntakeSettings {
    pub(crate) store: Store,
    pub(crate) connector: ConnectorRow,
    pub(crate) map: Arc<TransformMap>,
    pub(crate) map_id: i64,
    pub(crate) fence: Fence,
    /// The stream's scopes by name.
    pub(crate) scopes: BTreeMap<String, i64>,
    pub(crate) as_of: Instant,
    pub(crate) origin: Option<String>,
    pub(crate) progress: Arc<dyn Progress>,
    /// The records come from the dead letters: nothing was read.
    pub(crate) retried: bool,
}

/// What an intake took.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) line: LedgerLine,
    pub(crate) keyless: u64,
    /// Keys that a sweep met and the inventory does not know.
    pub(crate) unknown: Vec<String>,
    pub(crate) too_many_unknown: bool,
    /// Records of which only the hashes came, and that the inventory does not have just so.
    pub(crate) stale: u64,
    seen: RoaringTreemap,
    /// What an earlier attempt of this run counted as written.
    counted: RoaringTreemap,
    rejected: HashSet<[u8; 16]>,
    batches: i64,
}

/// Takes the batches of one scope.
pub(crate) struct Intake {
    settings: Arc<IntakeSettings>,
    taken: Taken,
    free_ids: std::ops::Range<i64>,
    /// The scope has ended: what is seen now was not received by its reading.
    beside: bool,
}

impl Intake {
    /// An intake that goes on counting where an interrupted run's ledger line stood: what was created stays created,
    /// what was received is received anew.
    pub(crate) fn new(settings: IntakeSettings, line: &LedgerLine) -> Self {
        let kept = line.counters;
        let mut line = line.clone();
        line.notes.clear();
        line.counters =
            Counters { received: 0, rejected: 0, unchanged: 0, held: 0, calls: 0, bytes: 0, throttled_ms: 0, ..kept };
        let taken = Taken {
            line,
            keyless: 0,
            unknown: Vec::new(),
            too_many_unknown: false,
            stale: 0,
            seen: RoaringTreemap::new(),
            counted: RoaringTreemap::new(),
            rejected: HashSet::new(),
            batches: 0,
        };
        Self { settings: Arc::new(settings), taken, free_ids: 0..0, beside: false }
    }

    /// An intake beside a scope that has ended: its line goes on as it is.
    pub(crate) fn beside(settings: IntakeSettings, line: &LedgerLine) -> Self {
        let mut intake = Self::new(settings, line);
        intake.taken.line = line.clone();
        intake.beside = true;
        intake
    }

    /// What an earlier attempt of this run counted as written is not counted again, whatever becomes of it.
    pub(crate) fn count_not_again(&mut self, counted: RoaringTreemap) {
        self.taken.counted = counted;
    }

    /// Goes on within the same attempt.
    pub(crate) fn go_on(&mut self, taken: &mut Taken) {
        self.taken.line = taken.line.clone();
        self.taken.keyless = taken.keyless;
        self.taken.stale = taken.stale;
        self.taken.seen = std::mem::take(&mut taken.seen);
        self.taken.counted = std::mem::take(&mut taken.counted);
        self.taken.rejected = std::mem::take(&mut taken.rejected);
        self.taken.batches = taken.batches;
    }

    /// Looks a batch up, decides and maps: all that is to be written of it.
    async fn prepare(&mut self, batch: Batch) -> Result<BatchWrite, StoreError> {
        let settings = Arc::clone(&self.settings);
        let model = settings.map.model();
        let scope = settings.scopes.get(&*batch.scope).copied().unwrap_or(settings.fence.scope);
        let asked: Vec<Asked<'_>> = batch
            .records
            .iter()
            .map(|record| Asked {
                key: record.key(),
                hash: (!batch.keys_only).then(|| record.hash()),
                volatile: record.volatile_hash(),
            })
            .collect();
        let priors =
            settings.store.prefilter(&settings.connector, &model.name, (scope, settings.map_id), &asked).await?;
        let mut write = self.next_write();
        write.blobs = batch.blobs;
        let keys: Vec<String> = batch.rejects.iter().filter_map(|reject| reject.key.clone()).collect();
        let known = settings.store.ids_of_keys(&settings.connector, &model.name, &keys).await?;
        let known: HashMap<String, i64> = known.into_iter().collect();
        for reject in batch.rejects {
            let id = reject.key.as_ref().and_then(|key| known.get(key)).copied();
            if let Some(id) = id {
                self.receive(id);
                write.seen.push(id);
            }
            let told = Told { reason: reject.reason, raw: reject.raw, target: None };
            self.reject(&mut write, (reject.key, id.is_some()), told);
        }
        let mut owners = HashMap::new();
        if batch.keys_only {
            self.take_keys(&batch.records, &priors, scope, &mut write);
        } else {
            let mut work = Work { write: &mut write, owners: &mut owners };
            self.take_records(&batch.records, &priors, scope, &mut work).await?;
        }
        self.take_links(batch.links, &owners, &mut write).await?;
        if !batch.tombstones.is_empty() {
            let known = settings.store.ids_of_keys(&settings.connector, &model.name, &batch.tombstones).await?;
            write.deleted = known.into_iter().map(|(_, id)| id).collect();
        }
        if settings.retried {
            write.touches.clear();
        }
        self.compare_definitions(&mut write).await?;
        Ok(write)
    }

    /// Counts a key as received, once.
    fn receive(&mut self, id: i64) -> bool {
        let new = self.taken.seen.insert(id.cast_unsigned());
        self.taken.line.counters.received += u64::from(new && !self.beside);
        new
    }

    /// The counters for an asset; none where it was counted as written before.
    fn counters(&mut self, id: i64) -> Option<&mut Counters> {
        let fresh = !self.taken.counted.contains(id.cast_unsigned());
        fresh.then_some(&mut self.taken.line.counters)
    }

    fn unchanged(&mut self, id: i64) {
        if let Some(counters) = self.counters(id) {
            counters.unchanged += 1;
        }
    }

    fn take_keys(&mut self, records: &RecordBatch, priors: &[Option<Prior>], scope: i64, write: &mut BatchWrite) {
        for (record, prior) in records.iter().zip(priors) {
            match prior {
                Some(prior) if prior.known.as_ref().is_none_or(|known| !known.gone) => {
                    if self.receive(prior.id) {
                        self.unchanged(prior.id);
                    }
                    write.seen.push(prior.id);
                    if prior.known.as_ref().is_some_and(|known| known.missing || known.scope != scope) {
                        write.touches.push((prior.id, scope));
                    }
                }
                _ if self.taken.unknown.len() < UNKNOWN_KEYS => self.taken.unknown.push(record.key().to_owned()),
                _ => self.taken.too_many_unknown = true,
            }
        }
    }

    async fn take_records(
        &mut self,
        records: &RecordBatch,
        priors: &[Option<Prior>],
        scope: i64,
        work: &mut Work<'_>,
    ) -> Result<(), StoreError> {
        let model = Arc::clone(self.settings.map.model());
        let changed: Vec<i64> = priors.iter().flatten().filter(|prior| !prior.same).map(|prior| prior.id).collect();
        let documents: HashMap<i64, DocumentRow> =
            self.settings.store.documents(&changed).await?.into_iter().map(|row| (row.id, row)).collect();
        let mut created: HashSet<&str> = HashSet::new();
        for (record, prior) in records.iter().zip(priors) {
            let bits = reconcile::attribute_bits(record, &model);
            let Some(prior) = prior else {
                if record.is_known() {
                    self.taken.stale += 1;
                    continue;
                }
                if created.insert(record.key()) {
                    self.create(record, (scope, bits), work).await?;
                }
                continue;
            };
            work.owners.insert(record.key().to_owned(), prior.id);
            if !self.receive(prior.id) && !self.mended(record.key(), work.write) {
                continue;
            }
            work.write.seen.push(prior.id);
            let decision = match &prior.known {
                None => Decision::Unchanged,
                known => reconcile::decide(known.as_ref(), record, self.settings.map_id, scope),
            };
            match (decision, &prior.known, documents.get(&prior.id)) {
                // Nothing is guessed: its values did not come.
                (Decision::Update | Decision::Reappear | Decision::Refresh, ..) if record.is_known() => {
                    self.taken.stale += 1;
                }
                (Decision::Update | Decision::Reappear | Decision::Refresh, Some(known), Some(document)) => {
                    self.rewrite(record, (prior.id, known, document), (decision, scope, bits), work);
                }
                (decision, ..) => {
                    if decision == Decision::Touch {
                        work.write.touches.push((prior.id, scope));
                    }
                    work.write.readable.push(prior.id);
                    self.unchanged(prior.id);
                }
            }
        }
        Ok(())
    }

    async fn create(
        &mut self,
        record: RecordView<'_>,
        (scope, bits): (i64, u64),
        work: &mut Work<'_>,
    ) -> Result<(), StoreError> {
        let mapped = match self.settings.map.apply(record, self.settings.as_of) {
            Ok(mapped) => mapped,
            Err(rejection) => {
                let raw = record.encode(self.settings.map.model(), |_| true);
                self.reject(work.write, (Some(record.key().to_owned()), false), Told::of(rejection, raw));
                return Ok(());
            }
        };
        if self.free_ids.is_empty() {
            let first = self.settings.store.reserve_ids(IDS_AT_ONCE).await?;
            self.free_ids = first..first + IDS_AT_ONCE;
        }
        let Some(id) = self.free_ids.next() else { return Ok(()) };
        let counted = self.mended(record.key(), work.write) && !self.beside;
        self.receive(id);
        self.taken.line.counters.received -= u64::from(counted);
        self.taken.line.counters.created += 1;
        self.taken.line.counters.dropped_values += length(mapped.dropped.len());
        work.write.counted.push(id);
        work.owners.insert(record.key().to_owned(), id);
        work.write.seen.push(id);
        work.write.changed.push(id);
        let as_of = self.settings.as_of;
        work.write.assets.push(self.asset(
            record,
            mapped,
            Place { id, created: true, scope, bits, first_seen: as_of, changed_at: as_of },
        ));
        Ok(())
    }

    /// Rewrites an asset whose record, map or volatile values changed.
    fn rewrite(
        &mut self,
        record: RecordView<'_>,
        (id, known, document): (i64, &Known, &DocumentRow),
        (decision, scope, bits): (Decision, i64, u64),
        work: &mut Work<'_>,
    ) {
        let model = Arc::clone(self.settings.map.model());
        let lost = known.attributes & !bits;
        // What a confirmation hands over is bounded, and comes when the guard has looked at its scope already.
        if decision == Decision::Update && lost != 0 && !self.beside {
            // The guard decides when it has seen all of them (D9); until then the old values stay.
            if known.missing || known.scope != scope {
                work.write.touches.push((id, scope));
            }
            let all = record.encode(&model, |_| true);
            work.write.parked.push(Parked { asset: id, lost, record: all });
            return;
        }
        self.rewrite_now(record, (id, document), (decision, scope, bits), work);
    }

    fn rewrite_now(
        &mut self,
        record: RecordView<'_>,
        (id, document): (i64, &DocumentRow),
        (decision, scope, bits): (Decision, i64, u64),
        work: &mut Work<'_>,
    ) {
        let model = Arc::clone(self.settings.map.model());
        let merged = reconcile::merge_volatile(&model, record, &document.volatile);
        let Some(view) = merged.batch.get(0) else { return };
        let mapped = match self.settings.map.apply(view, self.settings.as_of) {
            Ok(mapped) => mapped,
            Err(rejection) => {
                let raw = record.encode(&model, |_| true);
                self.reject(work.write, (Some(record.key().to_owned()), true), Told::of(rejection, raw));
                return;
            }
        };
        let before = muster_core::asset::Asset {
            external_id: document.external_id.clone(),
            vendor_id: document.vendor_id.clone(),
            detail: document.detail.clone(),
        };
        let map = Arc::clone(&self.settings.map);
        let mut difference = reconcile::difference(&before, &mapped.asset, |path| map.is_volatile(path));
        let refreshed = decision == Decision::Refresh && difference.is_empty();
        if let Some(counters) = self.counters(id) {
            counters.dropped_values += length(mapped.dropped.len());
            let counter = match decision {
                _ if refreshed && !merged.changed => &mut counters.unchanged,
                _ if refreshed => &mut counters.refreshed,
                Decision::Reappear => &mut counters.reappeared,
                _ => &mut counters.updated,
            };
            *counter += 1;
            if !refreshed || merged.changed {
                work.write.counted.push(id);
            }
        }
        // The same content mapped later may give something else: that is time's doing, and has a history.
        if refreshed {
            if document.scope != scope {
                work.write.touches.push((id, scope));
            }
            work.write.refreshes.push(RefreshWrite {
                id,
                volatile_hash: Some(record.volatile_hash()),
                volatile: view.encode(&model, |kind| kind == AttributeKind::Volatile),
                detail: mapped.asset.detail,
                recheck_at: mapped.recheck_at,
            });
            return;
        }
        moved(&model, document, view, &mut difference);
        if decision == Decision::Reappear {
            difference.insert("state".to_owned(), "gone".into());
        }
        let cause = match decision {
            Decision::Refresh => Cause::Time,
            _ if document.map != self.settings.map_id => Cause::Map,
            _ => Cause::Source,
        };
        work.write.changes.push(ChangeWrite { asset: id, cause, before: difference, definition: None });
        work.write.changed.push(id);
        let place =
            Place { id, created: false, scope, bits, first_seen: document.first_seen, changed_at: self.settings.as_of };
        let mut asset = self.asset(view, mapped, place);
        asset.volatile_hash = record.volatile_hash();
        work.write.assets.push(asset);
    }

    fn asset(&self, record: RecordView<'_>, mapped: muster_core::map::Mapped, place: Place) -> AssetWrite {
        let model = self.settings.map.model();
        let text = |id: Option<muster_core::model::AttributeId>| {
            id.and_then(|id| record.values(id).next()).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
        };
        AssetWrite {
            id: place.id,
            created: place.created,
            source_key: record.key().to_owned(),
            record_hash: record.hash(),
            volatile_hash: record.volatile_hash(),
            attributes: place.bits,
            first_seen: place.first_seen,
            changed_at: place.changed_at,
            recheck_at: mapped.recheck_at,
            external_id: mapped.asset.external_id,
            vendor_id: mapped.asset.vendor_id,
            container: text(model.container),
            relative_name: text(model.relative_name),
            detail: mapped.asset.detail,
            volatile: record.encode(model, |kind| kind == AttributeKind::Volatile),
            raw: record.encode(model, |kind| matches!(kind, AttributeKind::Content | AttributeKind::Identity)),
            scope: place.scope,
            map: self.settings.map_id,
        }
    }

    /// Puts a record into the dead letters; with a readable key it still counts as seen (P9).
    fn reject(
        &mut self,
        write: &mut BatchWrite,
        (key, received): (Option<String>, bool),
        Told { reason, raw, target }: Told,
    ) {
        let Some(source_key) = key else {
            self.taken.keyless += 1;
            self.taken.line.counters.rejected += 1;
            self.taken.line.notes.push(reason);
            self.taken.line.notes.truncate(20);
            return;
        };
        if self.taken.rejected.insert(muster_core::fold::fingerprint(source_key.as_bytes())) {
            self.taken.line.counters.rejected += 1;
            self.taken.line.counters.received += u64::from(!received && !self.beside);
        }
        write.dead_letters.retain(|letter| letter.source_key != source_key);
        let map = target.is_some().then_some(self.settings.map_id);
        write.dead_letters.push(DeadLetterWrite { source_key, reason, raw, map, target });
    }

    /// Whether a record was rejected before in this reading and is listed again; what comes now counts.
    fn mended(&mut self, key: &str, write: &mut BatchWrite) -> bool {
        let rejected = &mut self.taken.rejected;
        let mended = !rejected.is_empty() && rejected.remove(&muster_core::fold::fingerprint(key.as_bytes()));
        if mended {
            self.taken.line.counters.rejected -= 1;
            write.dead_letters.retain(|letter| letter.source_key != key);
        }
        mended
    }

    async fn take_links(
        &mut self,
        links: Vec<LinkPage>,
        owners: &HashMap<String, i64>,
        write: &mut BatchWrite,
    ) -> Result<(), StoreError> {
        let strangers: Vec<String> =
            links.iter().map(|page| &page.owner).filter(|owner| !owners.contains_key(*owner)).cloned().collect();
        let model = Arc::clone(self.settings.map.model());
        let found = self.settings.store.ids_of_keys(&self.settings.connector, &model.name, &strangers).await?;
        let found: HashMap<String, i64> = found.into_iter().collect();
        for page in links {
            // An owner without an asset was rejected: its links wait for it in the dead letters' place.
            if let Some(&id) = owners.get(&page.owner).or_else(|| found.get(&page.owner)) {
                write.links.push((id, page));
            }
        }
        Ok(())
    }
}

struct Work<'w> {
    write: &'w mut BatchWrite,
    owners: &'w mut HashMap<String, i64>,
}

struct Place {
    id: i64,
    created: bool,
    scope: i64,
    bits: u64,
    first_seen: Instant,
    changed_at: Instant,
}

fn length(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
