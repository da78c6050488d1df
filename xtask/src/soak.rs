//! `cargo xtask soak`: what finds rare faults by going on for long, and so is no part of `test`.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::labs::{Kind, Lab};
use crate::shell::{Shell, is_installed};
use crate::steps::Steps;

const SECONDS: u64 = 600;
const KILLS: u32 = 1000;

/// Property tests whose cases are new at each start: they are started again until the time is over.
const PROPERTIES: &[(&str, &[&str])] = &[
    ("values and queries", &["--package", "muster-core", "--lib"]),
    ("query agreement of memory and databases", &["--package", "muster-store", "--lib", "agree"]),
    ("scripted sources", &["--package", "muster-engine", "--test", "it", "script"]),
];

#[derive(PartialEq, Eq, Debug)]
struct Options {
    seconds: u64,
    kills: u32,
}

pub(crate) fn run(shell: &Shell, words: &[&str]) -> Result<()> {
    let options = read_options(words)?;
    let mut steps = Steps::default();
    let result = all(shell, &options, &mut steps);
    eprintln!("\n{}", steps.table());
    result
}

fn read_options(words: &[&str]) -> Result<Options> {
    let mut options = Options { seconds: SECONDS, kills: KILLS };
    let mut words = words.iter();
    while let Some(option) = words.next() {
        let value = words.next().with_context(|| format!("`{option}` needs a value; see `cargo xtask help`"))?;
        let wrong = || format!("`{option}` takes a number above 0, not `{value}`");
        match *option {
            "--seconds" => options.seconds = value.parse().ok().filter(|&number| number > 0).with_context(wrong)?,
            "--kills" => options.kills = value.parse().ok().filter(|&number| number > 0).with_context(wrong)?,
            _ => bail!("`soak` does not take `{option}`; see `cargo xtask help`"),
        }
    }
    Ok(options)
}

fn all(shell: &Shell, options: &Options, steps: &mut Steps) -> Result<()> {
    let seconds = options.seconds.to_string();
    let mut shell = shell.with("MUSTER_SOAK_SECONDS", &seconds).with("MUSTER_KILLS", &options.kills.to_string());
    let postgres = if is_installed("/usr/lib/postgresql") {
        Some(steps.take("lab: postgres", || Lab::start(&shell, Kind::Postgres, &[]))?)
    } else {
        steps.leave_out("lab: postgres");
        None
    };
    if let Some(lab) = &postgres {
        shell = shell.with("MUSTER_TEST_POSTGRES", lab.fact("url")?);
    }
    steps.take("build", || shell.cargo(&["test", "--workspace", "--locked", "--no-run"]))?;
    steps.take("wire reader and decoders", || test(&shell, &["--package", "muster-connectors", "--lib", "soak"]))?;
    for (name, which) in PROPERTIES {
        steps.take(name, || until(Duration::from_secs(options.seconds), || test(&shell, which)))?;
    }
    steps.take("kills", || test(&shell, &["--package", "muster", "--test", "it", "kills"]))
}

fn test(shell: &Shell, which: &[&str]) -> Result<()> {
    let mut words = vec!["test", "--locked", "--quiet"];
    words.extend(which);
    shell.cargo(&words)
}

/// Does something again and again, at least once, until the time is over.
fn until(time: Duration, mut work: impl FnMut() -> Result<()>) -> Result<()> {
    let start = Instant::now();
    loop {
        work()?;
        if start.elapsed() >= time {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read() {
        assert_eq!(read_options(&[]).unwrap(), Options { seconds: 600, kills: 1000 });
        let read = read_options(&["--kills", "5", "--seconds", "7"]).unwrap();
        assert_eq!(read, Options { seconds: 7, kills: 5 });
        let error = read_options(&["--seconds", "0"]).unwrap_err().to_string();
        assert_eq!(error, "`--seconds` takes a number above 0, not `0`");
        let error = read_options(&["--fast", "1"]).unwrap_err().to_string();
        assert_eq!(error, "`soak` does not take `--fast`; see `cargo xtask help`");
    }

    #[test]
    fn work_is_done_once_at_least_and_ends_with_its_first_failure() {
        let mut done = 0;
        until(Duration::ZERO, || {
            done += 1;
            Ok(())
        })
        .unwrap();
        assert_eq!(done, 1);
        assert!(until(Duration::from_secs(60), || bail!("no")).is_err());
    }
}
