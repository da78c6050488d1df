//! The embedded executor: drives the run's machine, with the store's rows as checkpoints (design D16).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use muster_core::clock::{Clock, Instant};
use muster_core::connector::{Connector, Mode};
use muster_core::ledger::{Counters, Evidence, Expected, LedgerLine};
use muster_core::map::TransformMap;
use muster_core::model::AttributeKind;
use muster_core::run::{self, Machine, RunResult};
use muster_store::{ConnectorRow, Letters, Order, RunClaim, RunClose, RunRow, ScopeRow, SeenKind, Store, StoreError};
use roaring::RoaringTreemap;

use crate::{EngineError, remap, retire, scope};

/// What is told while a run goes on.
pub trait Progress: Send + Sync {
    /// The run has its row in the store.
    fn begun(&self, _run: i64) {}
    /// A scope was read so far: so many objects.
    fn scope(&self, stream: &str, scope: &str, received: u64, ended: bool);
    /// A phase began, in words.
    fn phase(&self, words: &str);
    /// What an operator should know before anything is read.
    fn note(&self, _words: &str) {}
}

/// How to run.
#[derive(Clone)]
pub struct Options {
    /// How to read.
    pub mode: Mode,
    /// Retire what is held and still missing, whatever the guard says.
    pub release: bool,
    /// Set from outside to end the run early.
    pub cancel: Arc<AtomicBool>,
    /// Where progress goes.
    pub progress: Arc<dyn Progress>,
}

impl std::fmt::Debug for Options {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Options")
            .field("mode", &self.mode)
            .field("release", &self.release)
            .finish_non_exhaustive()
    }
}

/// What a run came to.
#[derive(Debug, Clone)]
pub struct Report {
    /// The run.
    pub run: RunRow,
    /// Its result.
    pub result: RunResult,
    /// Its ledger.
    pub ledger: Vec<LedgerLine>,
    /// Whether it went on with an earlier, interrupted run.
    pub resumed: bool,
    /// Assets it created, changed or retired.
    pub changed: RoaringTreemap,
    /// Members that no asset answers to.
    pub unresolved: u64,
}

/// All that the phases of a run share.
pub(crate) struct Context<'a> {
    pub(crate) store: &'a Store,
    pub(crate) connector: &'a dyn Connector,
    pub(crate) row: &'a ConnectorRow,
    pub(crate) maps: BTreeMap<String, (i64, Arc<TransformMap>)>,
    pub(crate) run: RunRow,
    pub(crate) claim: RunClaim,
    pub(crate) scopes: Vec<ScopeState>,
    pub(crate) options: Options,
    /// Of a replay: the dead letters it is about; without them all that is kept.
    pub(crate) letters: Option<Letters>,
}

/// A scope of the run.
pub(crate) struct ScopeState {
    pub(crate) row: ScopeRow,
    pub(crate) line: LedgerLine,
    pub(crate) ended: bool,
}

impl Context<'_> {
    pub(crate) fn map(&self, stream: &str) -> Result<(i64, Arc<TransformMap>), EngineError> {
        let found = self.maps.get(stream).map(|(id, map)| (*id, Arc::clone(map)));
        found.ok_or_else(|| EngineError::NoMap { stream: stream.to_owned() })
    }

    pub(crate) fn cancelled(&self) -> bool {
        self.options.cancel.load(Ordering::SeqCst)
    }

    async fn load_scopes(&mut self) -> Result<(), EngineError> {
        let scopes = self.store.run_scopes(self.row, self.run.id).await?;
        self.scopes = scopes.into_iter().map(|(row, line, ended)| ScopeState { row, line, ended }).collect();
        Ok(())
    }

    /// How many objects were read in all scopes.
    fn received(&self) -> u64 {
        self.scopes.iter().map(|state| state.line.counters.received).sum()
    }

    async fn end(&self, result: RunResult, now: Instant, ending: Ending) -> Result<(), EngineError> {
        let before_its_time = ending == Ending::BeforeItsTime;
        let close = RunClose { result, now, notes: &self.run.notes, before_its_time };
        Ok(self.store.end_run(self.claim, close).await?)
    }

    /// The positions of a stream's scopes.
    pub(crate) fn scopes_of(&self, stream: &str) -> Vec<usize> {
        (0..self.scopes.len()).filter(|&at| self.scopes[at].row.stream == stream).collect()
    }
}

/// Whether a run went through all its phases.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    InItsTime,
    BeforeItsTime,
}

/// What is run: a connector as the store knows it, opened, with the maps its profile chose.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Its row.
    pub row: &'a ConnectorRow,
    /// Its source.
    pub connector: &'a dyn Connector,
    /// Stream → map.
    pub maps: &'a BTreeMap<String, Arc<TransformMap>>,
    /// On whose behalf.
    pub order: Order,
}

/// Runs a connector once: goes on with an interrupted run, or begins a new one.
pub async fn run(
    store: &Store,
    subject: Subject<'_>,
    clock: &dyn Clock,
    options: Options,
) -> Result<Report, EngineError> {
    go(store, subject, clock, (options, None)).await
}

/// Maps again what is kept, with the subject's maps and without asking the source: these dead letters, or without them
/// every asset that another map made.
pub async fn replay(
    store: &Store,
    subject: Subject<'_>,
    clock: &dyn Clock,
    (options, letters): (Options, Option<Letters>),
) -> Result<Report, EngineError> {
    go(store, subject, clock, (Options { mode: Mode::Replay, ..options }, letters)).await
}

async fn go(
    store: &Store,
    subject: Subject<'_>,
    clock: &dyn Clock,
    (options, letters): (Options, Option<Letters>),
) -> Result<Report, EngineError> {
    let Subject { row, connector, maps, order } = subject;
    let mut known = BTreeMap::new();
    for (stream, map) in maps {
        let id = store.ensure_map(row.tenant, map, clock.now()).await?;
        known.insert(stream.clone(), (id, Arc::clone(map)));
    }
    let mut unfinished = store.unfinished_run(row, order.profile).await?;
    if let Some(left) = unfinished.take_if(|run| run.order.job != order.job) {
        // Its job is over: what it saw then proves nothing now.
        store.abandon_run(row, left.id, clock.now()).await?;
    }
    let resumed = unfinished.is_some();
    let (run, claim) = match unfinished {
        Some(run) => {
            let claim = store.claim_run(run.id, order.job).await?;
            (run, claim)
        }
        None => begin(store, subject, options.mode, clock.now()).await?,
    };
    options.progress.begun(run.id);
    let mut context = Context { store, connector, row, maps: known, run, claim, scopes: Vec::new(), options, letters };
    if let Err(error) = plan(&mut context).await {
        if let EngineError::Connector(error) = &error {
            context.load_scopes().await?;
            context.run.notes.push(error.to_string());
            context.run.notes.extend(error.remedy.iter().map(|remedy| format!("remedy: {remedy}")));
            let result = if context.received() > 0 { RunResult::Partial } else { RunResult::Failed };
            context.end(result, clock.now(), Ending::BeforeItsTime).await?;
        }
        return Err(error);
    }
    context.load_scopes().await?;
    let driven = drive(&mut context, clock).await;
    // However it ended, lists find the indexes that a first load went without.
    store.end_load().await?;
    let unresolved = match driven {
        // Its writers are refused once the run is cancelled: that is its end, not a failure.
        Err(EngineError::Store(StoreError::Fenced(_))) if store.run_is_cancelled(context.run.id).await? => {
            context.options.cancel.store(true, Ordering::SeqCst);
            0
        }
        driven => driven?,
    };
    finish(context, clock, resumed, unresolved).await
}

async fn begin(
    store: &Store,
    subject: Subject<'_>,
    mode: Mode,
    now: Instant,
) -> Result<(RunRow, RunClaim), EngineError> {
    let mut run = RunRow {
        id: 0,
        connector: subject.row.id,
        order: subject.order,
        mode,
        machine: Machine::begin(subject.connector.model().streams.len()),
        result: None,
        as_of: now,
        started_at: now,
        ended_at: None,
        origin: None,
        notes: Vec::new(),
    };
    let claim = store.begin_run(subject.row, &run).await?;
    run.id = claim.run;
    Ok((run, claim))
}

/// The ledger line of a scope that is still to be done.
pub(crate) fn pending(stream: &str, scope: &str, mode: Mode) -> LedgerLine {
    LedgerLine {
        stream: stream.to_owned(),
        scope: scope.to_owned(),
        mode,
        evidence: Evidence::Pending,
        expected: Expected::Unknown,
        counters: Counters::default(),
        notes: Vec::new(),
    }
}

/// Connects to the source. A new run learns what there is to read; one that goes on keeps its plan.
async fn plan(context: &mut Context<'_>) -> Result<(), EngineError> {
    if context.run.mode == Mode::Replay {
        return crate::replay::plan(context).await;
    }
    context.options.progress.phase("connecting");
    let plan = context.connector.plan().await?;
    let Machine::Plan { streams } = context.run.machine else { return Ok(()) };
    let mode = context.run.mode;
    let lines: Vec<LedgerLine> = plan.scopes.iter().map(|scope| pending(&scope.stream, &scope.name, mode)).collect();
    context.run.machine = Machine::planned(lines.len(), streams);
    plan.notes.iter().for_each(|note| context.options.progress.note(note));
    context.run.origin = plan.origin;
    context.run.notes = plan.notes;
    Ok(context.store.plan_run(context.row, context.claim, &context.run, &lines).await?)
}

/// Does what the machine asks for until it is finished; gives how many members stayed without an asset.
async fn drive(context: &mut Context<'_>, clock: &dyn Clock) -> Result<u64, EngineError> {
    let mut unresolved = 0;
    let streams: Vec<String> = context.connector.model().streams.iter().map(|stream| stream.name.clone()).collect();
    let mut machine = context.run.machine.clone();
    let mut loading = None;
    remap::note_several(context).await?;
    while machine != Machine::Finish {
        if context.cancelled() {
            break;
        }
        loading = turn(context, loading, &machine).await?;
        match &machine {
            // Learnt before the machine is driven.
            Machine::Plan { .. } => {}
            Machine::Read { scope, .. } if context.run.mode == Mode::Replay => {
                crate::replay::scope(context, *scope).await?
            }
            Machine::Read { scope, .. } => {
                if !context.scopes.get(*scope).is_none_or(|state| state.ended) {
                    scope::read(context, *scope, clock).await?;
                }
            }
            Machine::Retire { stream, .. } => {
                if let Some(name) = streams.get(*stream) {
                    context.options.progress.phase(&format!("looking for {name} that are gone"));
                    retire::retire(context, name).await?;
                }
            }
            Machine::Resolve => {
                context.options.progress.phase("resolving members");
                let read = owners_read(context).await?;
                unresolved = context.store.resolve_links(context.row, &read).await?;
            }
            Machine::Remap if context.letters.is_some() => {}
            Machine::Remap => {
                for name in &streams {
                    remap::remap(context, name).await?;
                }
            }
            Machine::Finish => {}
        }
        if context.cancelled() {
            break;
        }
        machine = machine.done();
        context.store.save_machine(context.claim, &machine).await?;
    }
    Ok(unresolved)
}

/// Between streams: the indexes that the load of one went without are made, and those of the next are dropped where it
/// is the first. Gives the stream that is being loaded.
async fn turn(
    context: &Context<'_>,
    loading: Option<String>,
    machine: &Machine,
) -> Result<Option<String>, EngineError> {
    let next = match machine {
        Machine::Read { scope, .. } => context.scopes.get(*scope).map(|state| state.row.stream.clone()),
        _ => None,
    };
    if next == loading {
        return Ok(next);
    }
    let never_read =
        |stream: &str| context.scopes_of(stream).iter().all(|&at| context.scopes[at].row.complete_at.is_none());
    if let Some(loaded) = &loading {
        context.options.progress.phase("making indexes");
        context.store.end_load().await?;
        if never_read(loaded) {
            context.store.gather_statistics().await?;
        }
    }
    if let Some(stream) = next.as_deref().filter(|stream| never_read(stream)) {
        let (_, map) = context.map(stream)?;
        let model = map.model();
        let links = model.attributes.iter().any(|attribute| attribute.kind == AttributeKind::Link);
        context.store.begin_load(model.class, links).await?;
    }
    Ok(next)
}

/// The assets whose records, and so whose links, this run has read: a sweep and a replay read none.
async fn owners_read(context: &Context<'_>) -> Result<RoaringTreemap, EngineError> {
    let mut read = RoaringTreemap::new();
    for stream in &context.connector.model().streams {
        let scopes = context.scopes_of(&stream.name);
        if scopes.iter().all(|&at| context.scopes[at].line.mode.reads_records()) {
            read |= context.store.noted(context.run.id, Some(&stream.name), SeenKind::Seen).await?;
        }
    }
    Ok(read)
}

async fn finish(
    context: Context<'_>,
    clock: &dyn Clock,
    resumed: bool,
    unresolved: u64,
) -> Result<Report, EngineError> {
    let evidence: Vec<Evidence> = context.scopes.iter().map(|state| state.line.evidence.clone()).collect();
    let held = context.scopes.iter().map(|state| state.line.counters.held).sum();
    let result = match run::result(&evidence, held) {
        _ if context.cancelled() => RunResult::Cancelled,
        RunResult::Failed if context.received() > 0 => RunResult::Partial,
        result => result,
    };
    let changed = context.store.noted(context.run.id, None, SeenKind::Changed).await?;
    let now = clock.now();
    let ending = if result == RunResult::Cancelled { Ending::BeforeItsTime } else { Ending::InItsTime };
    context.end(result, now, ending).await?;
    let ledger = context.scopes.into_iter().map(|state| state.line).collect();
    let run = RunRow { machine: Machine::Finish, result: Some(result), ended_at: Some(now), ..context.run };
    Ok(Report { run, result, ledger, resumed, changed, unresolved })
}
