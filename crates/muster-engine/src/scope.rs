//! Reading one scope: the connector on one side of a bounded channel, the intake on the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use muster_core::clock::Clock;
use muster_core::connector::{
    Batch, BatchSink, ConnectorError, ErrorKind, Mode, ReadRequest, ScopeEnd, ScopePlan, SinkClosed, Verdict,
};
use muster_core::ledger::{Counters, Evidence, Expected};
use muster_core::run;
use muster_store::{Fence, ScopeClose, SeenKind, StoreError};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::EngineError;
use crate::executor::Context;
use crate::intake::{Intake, IntakeSettings, Taken};

/// Batches between reading and writing; each holds at most a few MiB.
const BATCHES_UNDER_WAY: usize = 1;
/// How often a scope is read anew after the source went away.
const ATTEMPTS: u32 = 3;
/// How often a call is made anew after the agent that worked at it went away: whoever ends one many times does not mean
/// the scope.
pub(crate) const INTERRUPTIONS: u32 = 200;

/// The connector's end of the channel.
pub(crate) struct Channel {
    sender: mpsc::Sender<Batch>,
    closed: Arc<AtomicBool>,
    cancel: Arc<AtomicBool>,
}

#[async_trait]
impl BatchSink for Channel {
    async fn send(&self, batch: Batch) -> Result<(), SinkClosed> {
        if self.is_closed() {
            return Err(SinkClosed);
        }
        self.sender.send(batch).await.map_err(|_| SinkClosed)
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst) || self.cancel.load(Ordering::SeqCst)
    }
}

/// Starts an intake of its own task; the channel ends when the sink is dropped.
pub(crate) fn start(intake: Intake, cancel: &Arc<AtomicBool>) -> (Channel, JoinHandle<Result<Taken, StoreError>>) {
    let (sender, receiver) = mpsc::channel(BATCHES_UNDER_WAY);
    let closed = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&closed);
    let task = tokio::spawn(async move {
        let taken = intake.take_all(receiver).await;
        if taken.is_err() {
            flag.store(true, Ordering::SeqCst);
        }
        taken
    });
    (Channel { sender, closed, cancel: Arc::clone(cancel) }, task)
}

/// Reads a scope to its end, again where the source went away, and closes it.
#[tracing::instrument(name = "scope", skip_all, fields(
    otel.name = format_args!("read {}", context.scopes[at].row.stream),
    stream = &*context.scopes[at].row.stream,
    mode = ?context.run.mode,
))]
pub(crate) async fn read(context: &mut Context<'_>, at: usize, clock: &dyn Clock) -> Result<(), EngineError> {
    let (mut attempt, mut interruptions) = (1, 0);
    loop {
        let (fence, taken, end) = read_once(context, at).await?;
        let error = match end {
            Ok(end) => return close(context, at, fence, taken, end).await,
            Err(error) => error,
        };
        // What the failed attempt created or changed is the run's doing all the same (P6).
        context.scopes[at].line.clone_from(&taken.line);
        if error.kind == ErrorKind::Cancelled || context.cancelled() {
            return Ok(());
        }
        if error.kind == ErrorKind::Interrupted && interruptions < INTERRUPTIONS {
            context.options.progress.phase(&format!("{error}; reading anew"));
            interruptions += 1;
            continue;
        }
        let again = matches!(error.kind, ErrorKind::Unavailable | ErrorKind::RateLimited { .. });
        if !again || attempt >= ATTEMPTS {
            return fail(context, at, fence, taken, &error).await;
        }
        tracing::warn!(error = %error, attempt, "reading a scope again");
        context.options.progress.phase(&format!("{error}; trying again"));
        wait(context, Duration::from_millis(500 << attempt), clock).await;
        attempt += 1;
    }
}

/// Waits, but no longer than the run is wanted.
async fn wait(context: &Context<'_>, duration: Duration, _clock: &dyn Clock) {
    let step = Duration::from_millis(100);
    let mut left = duration;
    while !left.is_zero() && !context.cancelled() {
        tokio::time::sleep(step.min(left)).await;
        left = left.saturating_sub(step);
    }
}

type Attempt = (Fence, Taken, Result<ScopeEnd, ConnectorError>);

async fn read_once(context: &mut Context<'_>, at: usize) -> Result<Attempt, EngineError> {
    let state = &context.scopes[at];
    let plan = ScopePlan { stream: state.row.stream.clone(), name: Arc::from(state.row.name.as_str()) };
    let fence = context.store.claim_scope(context.claim, state.row.id).await?;
    let mut intake = Intake::new(settings(context, at, fence)?, &state.line);
    if state.line.counters.touched() > 0 {
        intake.count_not_again(context.store.noted(context.run.id, Some(&plan.stream), SeenKind::Counted).await?);
    }
    let (sink, task) = start(intake, &context.options.cancel);
    let request = ReadRequest { scope: &plan, mode: context.run.mode, cursor: state.row.cursor.as_ref() };
    let mut end = context.connector.read(request, &sink).await;
    drop(sink);
    let mut taken = finish(task, &plan.name).await?;
    if let Ok(scope_end) = &mut end {
        if !taken.unknown.is_empty() {
            fetch_unknown(context, (at, fence), &mut taken, scope_end).await?;
        }
        if taken.stale > 0 {
            let stale = taken.stale;
            scope_end.open =
                Some(format!("{stale} objects changed in the inventory while the agent sent only that they had not"));
            // They were not read, whatever the cursor says of them.
            scope_end.cursor = None;
        }
    }
    Ok((fence, taken, end))
}

pub(crate) fn settings(context: &Context<'_>, at: usize, fence: Fence) -> Result<IntakeSettings, EngineError> {
    let stream = &context.scopes[at].row.stream;
    let (map_id, map) = context.map(stream)?;
    let scopes = context
        .scopes_of(stream)
        .into_iter()
        .map(|at| (context.scopes[at].row.name.clone(), context.scopes[at].row.id));
    Ok(IntakeSettings {
        store: context.store.clone(),
        connector: context.row.clone(),
        map,
        map_id,
        fence,
        scopes: scopes.collect(),
        as_of: context.run.as_of,
        origin: context.run.origin.clone(),
        progress: Arc::clone(&context.options.progress),
        retried: context.run.mode == Mode::Replay,
    })
}

pub(crate) async fn finish(task: JoinHandle<Result<Taken, StoreError>>, scope: &str) -> Result<Taken, EngineError> {
    match task.await {
        Ok(taken) => Ok(taken?),
        Err(_) => Err(EngineError::Pipeline { scope: scope.to_owned() }),
    }
}

/// A sweep met keys that the inventory does not know: their records are read now.
async fn fetch_unknown(
    context: &Context<'_>,
    (at, fence): (usize, Fence),
    taken: &mut Taken,
    end: &mut ScopeEnd,
) -> Result<(), EngineError> {
    let stream = context.scopes[at].row.stream.clone();
    let unknown = std::mem::take(&mut taken.unknown);
    if taken.too_many_unknown {
        end.open = Some("the sweep met more unknown objects than it can read one by one: run in full mode".to_owned());
        return Ok(());
    }
    let mut intake = Intake::new(settings(context, at, fence)?, &taken.line);
    intake.go_on(taken);
    let (sink, task) = start(intake, &context.options.cancel);
    let verdicts = context.connector.confirm(&stream, &unknown, &sink).await;
    drop(sink);
    *taken = finish(task, &stream).await?;
    match verdicts {
        Ok(verdicts) => {
            let lost = verdicts.iter().filter(|verdict| **verdict == Verdict::Unknown).count();
            if lost > 0 {
                end.open = Some(format!("{lost} objects met by the sweep could not be read"));
            }
        }
        Err(error) => end.open = Some(format!("objects met by the sweep could not be read: {error}")),
    }
    Ok(())
}

async fn close(
    context: &mut Context<'_>,
    at: usize,
    fence: Fence,
    mut taken: Taken,
    end: ScopeEnd,
) -> Result<(), EngineError> {
    let (evidence, expected) = run::evidence(&end, taken.line.counters.received, taken.keyless);
    taken.line.mode = end.mode;
    taken.line.evidence = evidence;
    taken.line.expected = expected;
    taken.line.notes.extend(end.notes);
    add_traffic(&mut taken.line.counters, end.traffic);
    let (map, _) = context.map(&context.scopes[at].row.stream)?;
    let cursor = end.cursor.filter(|_| taken.line.evidence.is_complete() || context.connector.marks_records());
    let close = ScopeClose { cursor, map, as_of: context.run.as_of };
    context.store.end_scope(fence, &taken.line, close).await?;
    let state = &mut context.scopes[at];
    context.options.progress.scope(&state.row.stream, &state.row.name, taken.line.counters.received, true);
    state.line = taken.line;
    state.ended = true;
    Ok(())
}

fn add_traffic(counters: &mut Counters, traffic: muster_core::connector::Traffic) {
    counters.calls += traffic.calls;
    counters.throttled_ms += traffic.throttled_ms;
    counters.bytes += traffic.bytes;
}

async fn fail(
    context: &mut Context<'_>,
    at: usize,
    fence: Fence,
    taken: Taken,
    error: &ConnectorError,
) -> Result<(), EngineError> {
    let mut line = taken.line;
    line.evidence = Evidence::Open { reason: error.to_string() };
    line.expected = Expected::Unknown;
    line.notes.extend(error.remedy.iter().map(|remedy| format!("remedy: {remedy}")));
    let (map, _) = context.map(&context.scopes[at].row.stream)?;
    let close = ScopeClose { cursor: None, map, as_of: context.run.as_of };
    context.store.end_scope(fence, &line, close).await?;
    let state = &mut context.scopes[at];
    state.line = line;
    state.ended = true;
    Ok(())
}
