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
    /// What it read from the source, in MiB, where it says so.
    pub(crate) traffic: f64,
}

impl Cost {
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            wall: self.wall + other.wall,
            user: self.user + other.user,
            system: self.system + other.system,
            peak: self.peak.max(other.peak),
            traffic: self.traffic + other.traffic,
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
    figures.next().is_none().then_some(Cost { wall, user, system, peak: kibibytes / 1024.0, traffic: 0.0 })
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
        traffic: of(|cost| cost.traffic),
    }
}

/// What the subject may take at the most.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Bar {
    Unset,
    /// So many times the reference's wall clock.
    Times(f64),
    /// A share of the reference's wall clock, and so many seconds.
    TimesAndSeconds(f64, f64),
    /// So many seconds.
    Seconds(f64),
}

impl Bar {
    /// The bar in words, and whether it was met.
    fn judge(self, reference: f64, subject: f64) -> String {
        let (words, limit) = match self {
            Self::Unset => return String::new(),
            Self::Times(times) => (format!("{times} ×"), times * reference),
            Self::TimesAndSeconds(times, seconds) => {
                let limit = times * reference + seconds;
                (format!("{times} × + {seconds} s = {limit:.2} s"), limit)
            }
            Self::Seconds(seconds) => (format!("{seconds} s"), seconds),
        };
        format!("≤ {words}: {}", if subject <= limit { "met" } else { "**missed**" })
    }
}

/// One kind of pair: the reference's cost and the subject's, run by run.
pub(crate) struct Pairs {
    pub(crate) name: String,
    /// Absent where there is nothing to compare with.
    pub(crate) reference: Option<(String, Vec<Cost>)>,
    pub(crate) subject: Vec<Cost>,
    pub(crate) bar: Bar,
}

/// A Markdown table: a line for the reference's median, one for the subject's with the ratio of the walls and the bar.
pub(crate) fn table(pairs: &[Pairs]) -> String {
    let mut table = "| what | wall s | user s | system s | peak MiB | MiB read | × wall | bar |\n\
                     | --- | --- | --- | --- | --- | --- | --- | --- |\n"
        .to_owned();
    let mut row = |name: &str, cost: Cost, ratio: &str, bar: &str| {
        let Cost { wall, user, system, peak, traffic } = cost;
        let traffic = if traffic > 0.0 { format!("{traffic:.2}") } else { String::new() };
        table.push_str(&format!(
            "| {name} | {wall:.2} | {user:.2} | {system:.2} | {peak:.0} | {traffic} | {ratio} | {bar} |\n"
        ));
    };
    for pair in pairs {
        let subject = median(&pair.subject);
        let Some((name, costs)) = &pair.reference else {
            row(&pair.name, subject, "", &pair.bar.judge(0.0, subject.wall));
            continue;
        };
        let reference = median(costs);
        row(name, reference, "", "");
        let ratio = format!("**{:.2}**", subject.wall / reference.wall.max(0.001));
        row(&pair.name, subject, &ratio, &pair.bar.judge(reference.wall, subject.wall));
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
