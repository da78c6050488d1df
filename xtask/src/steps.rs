//! Named steps with their times, and the table at the end that says what ran.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// What became of one step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    Passed,
    Failed,
    LeftOut,
}

#[derive(Default)]
pub(crate) struct Steps {
    taken: Vec<(String, Duration, Outcome)>,
}

impl Steps {
    /// Takes one step; its error says which step it was.
    pub(crate) fn take<T>(&mut self, name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        eprintln!("==== {name}");
        let start = Instant::now();
        let result = work();
        let outcome = if result.is_ok() { Outcome::Passed } else { Outcome::Failed };
        self.taken.push((name.to_owned(), start.elapsed(), outcome));
        result.with_context(|| format!("step `{name}` failed"))
    }

    pub(crate) fn leave_out(&mut self, name: &str) {
        self.taken.push((name.to_owned(), Duration::ZERO, Outcome::LeftOut));
    }

    pub(crate) fn total(&self) -> Duration {
        self.taken.iter().map(|(_, time, _)| *time).sum()
    }

    pub(crate) fn table(&self) -> String {
        let width = self.taken.iter().map(|(name, ..)| name.chars().count()).max().unwrap_or(0).max(5);
        let mut table = format!("{:width$}  {:>8}  outcome\n", "step", "seconds");
        for (name, time, outcome) in &self.taken {
            let outcome = match outcome {
                Outcome::Passed => "passed",
                Outcome::Failed => "FAILED",
                Outcome::LeftOut => "left out",
            };
            table.push_str(&format!("{name:width$}  {:>8.1}  {outcome}\n", time.as_secs_f64()));
        }
        table.push_str(&format!("{:width$}  {:>8.1}\n", "total", self.total().as_secs_f64()));
        table
    }
}

#[cfg(test)]
mod tests;
