//! A connection test's steps, told as they end.

use muster_core::connector::{ConnectorError, Step, StepOutcome, StepSink};

/// Names steps in their order.
pub(crate) struct Steps<'a> {
    names: &'static [&'static str],
    sink: &'a dyn StepSink,
    done: usize,
}

impl<'a> Steps<'a> {
    /// None has ended yet.
    pub(crate) fn new(names: &'static [&'static str], sink: &'a dyn StepSink) -> Self {
        Self { names, sink, done: 0 }
    }

    /// The next one passed.
    pub(crate) fn passed(&mut self, message: String) {
        self.report(StepOutcome::Passed, message, None);
    }

    /// The next one passed, and something can be done all the same.
    pub(crate) fn passed_with(&mut self, message: String, remedy: Option<String>) {
        self.report(StepOutcome::Passed, message, remedy);
    }

    /// The end: what follows a failed step is skipped. True when every step passed.
    pub(crate) fn ended(mut self, result: Result<(), ConnectorError>) -> bool {
        let Err(error) = result else { return true };
        self.report(StepOutcome::Failed, error.message, error.remedy);
        while self.done < self.names.len() {
            self.report(StepOutcome::Skipped, "an earlier step failed".to_owned(), None);
        }
        false
    }

    fn report(&mut self, outcome: StepOutcome, message: String, remedy: Option<String>) {
        let name = self.names.get(self.done).copied().unwrap_or_default().to_owned();
        self.done += 1;
        self.sink.step(Step { name, outcome, message, remedy });
    }
}
