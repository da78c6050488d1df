//! Timing of child processes and the figures made from it.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

/// What one command, or several in a row, took.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(crate) struct Cost {
    pub(crate) wall: f64,
    pub(crate) user: f64,
    pub(crate) system: f64,
    /// Highest resident set, in MiB; of several commands the highest.
    pub(crate) peak: f64,
}

impl Cost {
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            wall: self.wall + other.wall,
            user: self.user + other.user,
            system: self.system + other.system,
            peak: self.peak.max(other.peak),
        }
    }
}

/// Runs `command` under GNU time with stdout to /dev/null and stderr to `log`, and fails if it does not end with 0.
pub(crate) fn time(command: &Command, log: &Path) -> Result<Cost> {
    let report = log.with_extension("time");
    let errors = std::fs::File::create(log).with_context(|| format!("creating `{}`", log.display()))?;
    let mut timed = Command::new("/usr/bin/time");
    timed.args(["--format", "%U %S %M", "--output"]).arg(&report).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => timed.env(name, value),
            None => timed.env_remove(name),
        };
    }
    timed.stdin(Stdio::null()).stdout(Stdio::null()).stderr(errors);
    let start = Instant::now();
    let status = timed.status().context("starting `/usr/bin/time` (Debian's package `time`)")?;
    let wall = start.elapsed().as_secs_f64();
    if !status.success() {
        let said = std::fs::read_to_string(log).unwrap_or_default();
        let lines: Vec<&str> = said.lines().collect();
        let tail = lines[lines.len().saturating_sub(5)..].join("\n  ");
        bail!("`{}` ended with {status}:\n  {tail}", command.get_program().to_string_lossy());
    }
    let text = std::fs::read_to_string(&report).with_context(|| format!("reading `{}`", report.display()))?;
    parse(wall, &text).with_context(|| format!("reading the figures of `time`: `{}`", text.trim()))
}

fn parse(wall: f64, text: &str) -> Option<Cost> {
    let mut figures = text.lines().last()?.split_whitespace().map(str::parse::<f64>);
    let (user, system, kibibytes) = (figures.next()?.ok()?, figures.next()?.ok()?, figures.next()?.ok()?);
    figures.next().is_none().then_some(Cost { wall, user, system, peak: kibibytes / 1024.0 })
}

/// The median of each figure by itself; zero of nothing.
pub(crate) fn median(costs: &[Cost]) -> Cost {
    let of = |figure: fn(&Cost) -> f64| {
        let mut figures: Vec<f64> = costs.iter().map(figure).collect();
        figures.sort_by(f64::total_cmp);
        let middle = figures.len() / 2;
        match figures.len() {
            0 => 0.0,
            odd if odd % 2 == 1 => figures[middle],
            _ => f64::midpoint(figures[middle - 1], figures[middle]),
        }
    };
    Cost {
        wall: of(|cost| cost.wall),
        user: of(|cost| cost.user),
        system: of(|cost| cost.system),
        peak: of(|cost| cost.peak),
    }
}

/// One kind of pair: the reference's cost and the subject's, run by run.
pub(crate) struct Pairs {
    pub(crate) name: String,
    /// Absent where there is nothing to compare with.
    pub(crate) reference: Option<(String, Vec<Cost>)>,
    pub(crate) subject: Vec<Cost>,
}

/// A Markdown table: a line for the reference's median, one for the subject's with the ratio of the walls.
pub(crate) fn table(pairs: &[Pairs]) -> String {
    let mut table =
        "| what | wall s | user s | system s | peak MiB | × wall |\n| --- | --- | --- | --- | --- | --- |\n".to_owned();
    let mut row = |name: &str, cost: Cost, ratio: &str| {
        let Cost { wall, user, system, peak } = cost;
        table.push_str(&format!("| {name} | {wall:.2} | {user:.2} | {system:.2} | {peak:.0} | {ratio} |\n"));
    };
    for pair in pairs {
        let subject = median(&pair.subject);
        let Some((name, costs)) = &pair.reference else {
            row(&pair.name, subject, "");
            continue;
        };
        let reference = median(costs);
        row(name, reference, "");
        row(&pair.name, subject, &format!("**{:.2}**", subject.wall / reference.wall.max(0.001)));
    }
    table
}

/// The machine in one sentence.
pub(crate) fn machine() -> String {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    describe(cores, &read("/proc/meminfo"), &read("/proc/cpuinfo"))
}

fn describe(cores: usize, memory: &str, processor: &str) -> String {
    let kibibytes =
        memory.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB")?.parse::<f64>().ok());
    let model = processor.lines().find_map(|line| Some(line.strip_prefix("model name")?.split_once(':')?.1.trim()));
    format!(
        "{cores} cores ({}), {:.0} GiB",
        model.unwrap_or("model unknown"),
        kibibytes.unwrap_or(0.0) / 1024.0 / 1024.0
    )
}

#[cfg(test)]
mod tests;
