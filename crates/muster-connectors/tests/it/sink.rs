//! A sink that keeps what it gets.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use muster_core::connector::{Batch, BatchSink, Connector, SinkClosed, Step, StepSink};

#[derive(Default)]
pub(crate) struct Keeping {
    batches: Mutex<Vec<Batch>>,
    closed: AtomicBool,
}

impl Keeping {
    pub(crate) fn into_batches(self) -> Vec<Batch> {
        self.batches.into_inner().unwrap()
    }
}

#[async_trait]
impl BatchSink for Keeping {
    async fn send(&self, batch: Batch) -> Result<(), SinkClosed> {
        if self.is_closed() {
            return Err(SinkClosed);
        }
        self.batches.lock().unwrap().push(batch);
        Ok(())
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }
}

#[derive(Default)]
struct Steps(Mutex<Vec<Step>>);

impl StepSink for Steps {
    fn step(&self, step: Step) {
        self.0.lock().unwrap().push(step);
    }
}

/// The steps of a connection test.
pub(crate) fn check(connector: &dyn Connector) -> (bool, Vec<Step>) {
    let steps = Steps::default();
    let passed = run(connector.check(&steps));
    (passed, steps.0.into_inner().unwrap())
}

/// Runs on a runtime like the product's.
pub(crate) fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap().block_on(work)
}
