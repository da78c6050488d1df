//! `cargo xtask quick`: what runs before every commit. Needs no server, no network and no root.

use anyhow::Result;

use crate::shell::Shell;
use crate::steps::Steps;
use crate::{deps, house};

const KILLS: &str = "10";

pub(crate) fn run(shell: &Shell) -> Result<()> {
    let mut steps = Steps::default();
    let result = looks(shell, &mut steps).and_then(|()| {
        // Suites that would use a server find its variable unset (see `Shell::command`). What is killed a hundred times
        // by `test` is killed here to see that it still can be.
        let shell = shell.with("MUSTER_KILLS", KILLS);
        steps.take("tests", || shell.cargo(&["test", "--workspace", "--locked", "--lib", "--bins", "--tests"]))
    });
    eprintln!("\n{}", steps.table());
    result
}

/// The steps that run nothing of ours, cheapest first.
pub(crate) fn looks(shell: &Shell, steps: &mut Steps) -> Result<()> {
    steps.take("fmt", || shell.cargo(&["fmt", "--all", "--", "--check"]))?;
    steps.take("deps", || deps::run(shell))?;
    steps.take("sizes", || house::sizes(shell.root()))?;
    steps.take("paths", || house::paths(shell.root()))?;
    steps.take("changelog", || house::changelog(shell.root()))?;
    steps
        .take("clippy", || shell.cargo(&["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]))
}
