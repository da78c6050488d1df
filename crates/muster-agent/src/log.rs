//! What the agent has to tell people: where it runs, and in the hub.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use muster_core::agent::Line;
use muster_core::clock::Clock;

use crate::failure::Failure;

/// Lines that wait for the hub, at the most; the oldest go first.
const WAITING: usize = 200;

/// Where a line is told besides.
pub type Tell = Box<dyn Fn(&Line) + Send + Sync>;

/// Lines on their way to the hub.
pub(crate) struct Log {
    clock: Arc<dyn Clock>,
    waiting: Mutex<VecDeque<Line>>,
    tell: Tell,
}

impl std::fmt::Debug for Log {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Log").finish_non_exhaustive()
    }
}

impl Log {
    pub(crate) fn new(clock: Arc<dyn Clock>, tell: Tell) -> Self {
        Self { clock, waiting: Mutex::default(), tell }
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Line>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn say(&self, level: &str, message: String) {
        let line = Line { at: self.clock.now().to_rfc3339(), level: level.to_owned(), message };
        (self.tell)(&line);
        let mut waiting = self.waiting();
        if waiting.len() >= WAITING {
            waiting.pop_front();
        }
        waiting.push_back(line);
    }

    pub(crate) fn info(&self, message: impl Into<String>) {
        self.say("info", message.into());
    }

    pub(crate) fn warn(&self, message: impl Into<String>) {
        self.say("warn", message.into());
    }

    pub(crate) fn failure(&self, failure: &Failure) {
        self.say("error", format!("{failure}; {}", failure.remedy));
    }

    /// Takes what waits; what does not arrive is put back.
    pub(crate) fn take(&self) -> Vec<Line> {
        self.waiting().drain(..).collect()
    }

    pub(crate) fn put_back(&self, lines: Vec<Line>) {
        let mut waiting = self.waiting();
        for line in lines.into_iter().rev() {
            if waiting.len() < WAITING {
                waiting.push_front(line);
            }
        }
    }
}
