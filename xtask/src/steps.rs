//! Named steps with their times, and the table at the end that says what ran.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};

/// What became of one step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    Passed,
    Failed,
    LeftOut,
}

pub(crate) struct Steps {
    begun: Instant,
    taken: Vec<(String, Duration, Outcome)>,
}

impl Default for Steps {
    fn default() -> Self {
        Self { begun: Instant::now(), taken: Vec::new() }
    }
}

impl Steps {
    /// Takes one step; its error says which step it was.
    pub(crate) fn take<T>(&mut self, name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        eprintln!("==== {name}");
        let start = Instant::now();
        let result = work();
        self.taken(name, start.elapsed(), result)
    }

    /// Takes one step on a thread of its own, while others are taken; ends when all have.
    pub(crate) fn beside(
        &mut self,
        name: &str,
        work: impl FnOnce() -> Result<()> + Send,
        others: impl FnOnce(&mut Self) -> Result<()>,
    ) -> Result<()> {
        eprintln!("==== {name}, beside what follows");
        let (result, time, others) = std::thread::scope(|scope| {
            let apart = scope.spawn(|| {
                let start = Instant::now();
                let result = work();
                (result, start.elapsed())
            });
            let others = others(self);
            let (result, time) = apart.join().unwrap_or_else(|_| (Err(anyhow!("it panicked")), Duration::ZERO));
            (result, time, others)
        });
        self.taken(name, time, result).and(others)
    }

    fn taken<T>(&mut self, name: &str, time: Duration, result: Result<T>) -> Result<T> {
        let outcome = if result.is_ok() { Outcome::Passed } else { Outcome::Failed };
        self.taken.push((name.to_owned(), time, outcome));
        result.with_context(|| format!("step `{name}` failed"))
    }

    pub(crate) fn leave_out(&mut self, name: &str) {
        self.taken.push((name.to_owned(), Duration::ZERO, Outcome::LeftOut));
    }

    /// How long it took by the clock on the wall: less than the sum, where steps ran beside one another.
    pub(crate) fn total(&self) -> Duration {
        self.begun.elapsed()
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
