//! The work: a session with the hub, its orders, and the connector's calls that answer them.
//!
//! ```text
//! poll ─orders→ Work::take ─┬ new, nothing of it came     → execute: connector ─→ Delivery
//!                           ├ whole in the spool           → drain: spool ─→ hub
//!                           ├ what was read ahead          → drain
//!                           └ begun by a predecessor       → lost
//! ```

mod ahead;
mod delivery;
mod drain;
mod execute;
mod pieces;
mod session;
mod shared;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use muster_core::agent::{Answer, BatchParcel, Failure as Told, Order, Parcel, Report, ScopeCursor};
use muster_core::clock::Clock;
use muster_core::connector::{Batch, Connector, ErrorKind, SettingError};
use muster_core::model::StreamModel;
use tokio::time::Instant;

use crate::client::CallError;
use crate::failure::{Failure, Kind};
use crate::settings::Settings;
use delivery::Delivery;
pub(crate) use session::Source;
pub(crate) use shared::Shared;

/// How long the hub may hold a poll.
const POLL: u64 = 15_000;
/// Polls follow each other no faster.
const PACE: Duration = Duration::from_millis(100);
const SOON: Duration = Duration::from_millis(200);
const LATER: Duration = Duration::from_secs(5);
/// How long an opened connector is kept that nobody calls.
const IDLE: Duration = Duration::from_secs(300);

/// The work of one process.
pub(crate) struct Work {
    pub(crate) shared: Arc<Shared>,
    pub(crate) settings: Settings,
    pub(crate) clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    source: Option<Arc<Source>>,
    cursors: Vec<ScopeCursor>,
    next_run: Option<String>,
    working: HashMap<i64, Working>,
    connectors: HashMap<String, (Arc<dyn Connector>, Instant)>,
    ahead: Vec<ahead::Part>,
    reading_ahead: bool,
    directory: Option<Failure>,
    /// The configuration changed, or the session is no more.
    stale: bool,
}

/// An order that is worked at.
struct Working {
    closed: Arc<AtomicBool>,
    delivery: Option<Arc<Delivery>>,
}

impl std::fmt::Debug for Work {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Work").field("shared", &self.shared).finish_non_exhaustive()
    }
}

impl Work {
    pub(crate) fn new(shared: Arc<Shared>, settings: Settings, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { shared, settings, clock, state: Mutex::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn source(&self) -> Option<Arc<Source>> {
        self.state().source.clone()
    }

    pub(crate) fn cursors(&self) -> Vec<ScopeCursor> {
        self.state().cursors.clone()
    }

    pub(crate) fn set_cursors(&self, cursors: Vec<ScopeCursor>) {
        self.state().cursors = cursors;
    }

    pub(crate) fn set_next_run(&self, next: Option<String>) {
        self.state().next_run = next;
    }

    /// What the source refused last, since this was asked.
    pub(crate) fn take_directory_failure(&self) -> Option<Failure> {
        self.state().directory.take()
    }

    /// Begins a session.
    pub(crate) async fn begin(&self) -> Result<(), Failure> {
        let source = Source::begin(&self.shared.link, &self.settings).await?;
        let configuration = &source.configuration;
        let (connector, profile) = (&configuration.connector, &configuration.profile);
        self.shared.log.info(format!("reads `{connector}` by profile `{profile}`"));
        let mut state = self.state();
        state.cursors.clone_from(&configuration.cursors);
        state.source = Some(Arc::new(source));
        state.stale = false;
        Ok(())
    }

    fn needs_session(&self) -> bool {
        let state = self.state();
        state.source.is_none() || state.stale
    }

    /// Asks for orders and works at them until everything is to end.
    pub(crate) async fn serve(self: &Arc<Self>) {
        tokio::select! {
            () = self.poll_on() => {}
            () = self.shared.ended() => {}
        }
    }

    async fn poll_on(self: &Arc<Self>) {
        let mut pause = SOON;
        loop {
            let polled = Instant::now();
            match self.once_around().await {
                Ok(()) => {
                    pause = SOON;
                    tokio::time::sleep(PACE.saturating_sub(polled.elapsed())).await;
                }
                Err(failure) => {
                    self.shared.fails(failure);
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LATER);
                }
            }
        }
    }

    async fn once_around(self: &Arc<Self>) -> Result<(), Failure> {
        if self.needs_session() {
            self.begin().await?;
        }
        // A hub that was away is asked for its answer at once: what waits for it goes on.
        let answer = self.poll(if self.shared.is_away() { 0 } else { POLL }).await.map_err(|error| {
            if matches!(error, CallError::Refused(_)) {
                self.state().stale = true;
            }
            error.into_failure("asking for orders")
        })?;
        self.shared.answered();
        self.take(answer);
        Ok(())
    }

    /// A poll; what it had to tell goes back where it did not arrive.
    async fn poll(&self, wait_ms: u64) -> Result<Answer, CallError> {
        let lines = self.shared.log.take();
        let report = {
            let state = self.state();
            let (next_run, working) = (state.next_run.clone(), state.working.keys().copied().collect());
            Report { wait_ms, next_run, spool: self.shared.spool.told(), working, lines }
        };
        let answer = self.shared.link.poll(&report).await;
        if answer.is_err() {
            self.shared.log.put_back(report.lines);
        }
        answer
    }

    /// How many parcels of an order the hub holds without a gap; none where the order is over.
    async fn have(&self, order: i64) -> Result<Option<u64>, CallError> {
        let answer = self.poll(0).await?;
        self.shared.answered();
        Ok(answer.orders.iter().find(|one| one.id == order).map(|one| one.have))
    }

    fn take(self: &Arc<Self>, answer: Answer) {
        let Some(source) = self.source() else { return };
        let mut state = self.state();
        state.stale |= answer.revision != source.configuration.revision;
        let is_open = |id: i64| answer.orders.iter().any(|order| order.id == id);
        state.working.retain(|id, working| {
            let open = is_open(*id);
            if !open {
                working.closed.store(true, Ordering::SeqCst);
                working.delivery.iter().for_each(|delivery| delivery.close());
            }
            open
        });
        state
            .connectors
            .retain(|job, (_, used)| answer.orders.iter().any(|order| order.job == *job) || used.elapsed() < IDLE);
        for (order, _) in self.shared.spool.orders() {
            // What is over, and what was read ahead for nothing.
            let ahead = state.ahead.iter().any(|part| part.order == order);
            if order > 0 && !is_open(order) || order < 0 && !ahead && !state.reading_ahead {
                self.forget(order);
            }
        }
        for order in answer.orders {
            if !state.working.contains_key(&order.id) {
                let working = self.begin_order(&source, &mut state, order);
                state.working.extend(working);
            }
        }
    }

    fn begin_order(self: &Arc<Self>, source: &Arc<Source>, state: &mut State, order: Order) -> Option<(i64, Working)> {
        let id = order.id;
        let spool = &self.shared.spool;
        let closed = Arc::new(AtomicBool::new(false));
        let ahead = state.ahead.iter().find(|part| order.have == 0 && part.task == order.task).map(|part| part.order);
        let from = if spool.is_whole(id) { Some(id) } else { ahead.filter(|ahead| spool.is_whole(*ahead)) };
        if let Some(from) = from {
            let (work, flag) = (Arc::clone(self), Arc::clone(&closed));
            tokio::spawn(async move { work.drain(&order, from, &flag, &AtomicBool::new(true)).await });
            return Some((id, Working { closed, delivery: None }));
        }
        self.forget(id);
        if order.have > 0 {
            let work = Arc::clone(self);
            self.shared.log.info(format!("order {id} was begun by another process: it is read anew"));
            tokio::spawn(async move { work.give_back(id).await });
            return Some((id, Working { closed, delivery: None }));
        }
        let model = source.model();
        let delivery = Delivery::new(&self.shared, (id, order.known), &model, &source.configuration.attributes);
        let (work, source, one, flag) =
            (Arc::clone(self), Arc::clone(source), Arc::clone(&delivery), Arc::clone(&closed));
        tokio::spawn(async move {
            let read = Arc::new(AtomicBool::new(false));
            let (draining, until, order) = (Arc::clone(&work), Arc::clone(&read), Arc::new(order));
            let drained = Arc::clone(&order);
            // A task of its own: connectors may block the one they are called in.
            tokio::spawn(async move { draining.drain(&drained, drained.id, &flag, &until).await });
            work.execute(&source, &order, &one).await;
            read.store(true, Ordering::SeqCst);
        });
        Some((id, Working { closed, delivery: Some(delivery) }))
    }

    fn forget(&self, order: i64) {
        if self.shared.spool.has(order)
            && let Err(error) = self.shared.spool.remove(order)
        {
            self.shared.log.warn(format!("{error}: order {order} stays in the spool"));
        }
    }

    /// Says that an order's place in the source is lost, until the hub has heard it.
    async fn give_back(&self, order: i64) {
        loop {
            match self.shared.link.lost(order).await {
                Ok(()) | Err(CallError::Over | CallError::Refused(_)) => return,
                Err(CallError::Wait(wait)) => tokio::time::sleep(wait).await,
                Err(CallError::Failed(failure)) => {
                    self.shared.fails(failure);
                    tokio::time::sleep(SOON).await;
                }
            }
            if self.shared.is_ending() {
                return;
            }
        }
    }

    /// The opened connector of a job, and whether it was opened just now.
    fn connector(&self, source: &Source, job: &str) -> Result<(Arc<dyn Connector>, bool), SettingError> {
        let mut state = self.state();
        if let Some((connector, used)) = state.connectors.get_mut(job) {
            *used = Instant::now();
            return Ok((Arc::clone(connector), false));
        }
        let connector = source.open()?;
        state.connectors.insert(job.to_owned(), (Arc::clone(&connector), Instant::now()));
        Ok((connector, true))
    }

    /// Remembers what the source refused.
    fn refused(&self, told: &Told) {
        let remedy =
            told.remedy.clone().unwrap_or_else(|| "`muster agent --check` goes through the connection".to_owned());
        let failure = Failure::new(Kind::Directory, told.operation.clone(), told.message.clone(), remedy);
        self.shared.log.failure(&failure);
        self.state().directory = Some(failure);
    }
}

/// A batch with nothing in it, to stand where one is missing.
fn nothing(model: &StreamModel, scope: &str) -> Parcel {
    Parcel::Batch(BatchParcel::of(Batch::new(model.name.as_str().into(), scope.into()), model, None))
}

/// What the end of an order says where something of it is missing: nothing is proven by it.
fn amend(last: Parcel, missing: &str) -> Parcel {
    match last {
        Parcel::End(mut end) => {
            end.open = Some(match end.open {
                Some(open) => format!("{open}; {missing}"),
                None => missing.to_owned(),
            });
            Parcel::End(end)
        }
        Parcel::Verdicts(_) | Parcel::Plan(_) => Parcel::Failed(Told {
            kind: ErrorKind::Unavailable,
            operation: "delivering what was read".to_owned(),
            message: missing.to_owned(),
            remedy: None,
        }),
        other => other,
    }
}

#[cfg(test)]
mod tests;
