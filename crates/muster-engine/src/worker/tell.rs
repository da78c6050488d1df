//! What a job tells: collected and written in batches, progress at most once per scope and batch.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use muster_core::clock::Clock;
use muster_core::connector::{Step, StepOutcome, StepSink};
use muster_store::Store;
use muster_store::hub::NewEvent;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::Progress;

/// How long events wait for others.
const GATHER: Duration = Duration::from_millis(200);
/// The most events that wait; what comes beyond them is counted, not kept.
const WAITING: usize = 10_000;

#[derive(Default)]
struct Waiting {
    events: Vec<NewEvent>,
    /// Stream and scope → how far it is.
    progress: BTreeMap<(String, String), (u64, bool)>,
    left_out: usize,
}

/// Takes what a job tells.
pub(super) struct Teller {
    store: Store,
    clock: Arc<dyn Clock>,
    tenant: i64,
    job: i64,
    waiting: Mutex<Waiting>,
    writing: tokio::sync::Mutex<()>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Teller {
    /// Starts one for a job: (tenant, job).
    pub(super) fn start(store: Store, clock: Arc<dyn Clock>, (tenant, job): (i64, i64)) -> Arc<Self> {
        let waiting = Mutex::default();
        let (writing, task) = (tokio::sync::Mutex::default(), Mutex::default());
        let teller = Arc::new(Self { store, clock, tenant, job, waiting, writing, task });
        let writer = Arc::clone(&teller);
        let task = tokio::spawn(async move {
            loop {
                tokio::time::sleep(GATHER).await;
                writer.flush().await;
            }
        });
        *teller.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
        teller
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an event.
    pub(super) fn event(&self, level: &'static str, kind: &'static str, message: String, data: Option<Value>) {
        let at = self.clock.now();
        let mut waiting = self.waiting();
        if waiting.events.len() < WAITING {
            waiting.events.push(NewEvent { at, level, kind, message, data });
        } else {
            waiting.left_out += 1;
        }
    }

    /// Writes what waits.
    pub(super) async fn flush(&self) {
        let _turn = self.writing.lock().await;
        let Waiting { events: told, progress, left_out } = std::mem::take(&mut *self.waiting());
        let at = self.clock.now();
        // First how far it is: the last thing that a job tells is that it ended.
        let mut events = Vec::with_capacity(told.len() + progress.len());
        for ((stream, scope), (received, ended)) in progress {
            let message = format!("{stream}: {received} objects of {scope}");
            let data = json!({ "stream": stream, "scope": scope, "received": received, "ended": ended });
            events.push(NewEvent { at, level: "info", kind: "progress", message, data: Some(data) });
        }
        events.extend(told);
        if left_out > 0 {
            let message = format!("{left_out} more events were left out");
            events.push(NewEvent { at, level: "warn", kind: "log", message, data: None });
        }
        if let Err(error) = self.store.tell(self.tenant, self.job, &events).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "telling what a job does");
        }
    }

    /// Writes what waits and ends.
    pub(super) async fn stop(&self) {
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            task.abort();
        }
        self.flush().await;
    }
}

impl Progress for Teller {
    fn begun(&self, run: i64) {
        self.event("info", "state", "the run has begun".to_owned(), Some(json!({ "run": run.to_string() })));
    }

    fn scope(&self, stream: &str, scope: &str, received: u64, ended: bool) {
        self.waiting().progress.insert((stream.to_owned(), scope.to_owned()), (received, ended));
    }

    fn phase(&self, words: &str) {
        self.event("info", "log", words.to_owned(), None);
    }
}

impl StepSink for Teller {
    fn step(&self, step: Step) {
        let level = if step.outcome == StepOutcome::Failed { "error" } else { "info" };
        let data = serde_json::to_value(&step).unwrap_or_default();
        self.event(level, "step", format!("{}: {}", step.name, step.message), Some(data));
    }
}
