//! Muster against Azure as Microsoft's specifications describe it: `tests/azure`, with the labs beside the repository.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::shell::Shell;

const SCRIPT: &str = "tests/azure/judge.mjs";

/// `cargo xtask azure`: installs what the labs need, builds the binary, lets it be judged.
pub(crate) fn alone(shell: &Shell) -> Result<()> {
    let Some(labs) = labs(shell) else { bail!("there is no `../shared/labs/azure` beside the repository") };
    set_up(shell)?;
    shell.cargo(&["build", "--package", "muster", "--locked"])?;
    run(shell, &labs)
}

/// Where the labs are; none where the repository stands alone.
pub(crate) fn labs(shell: &Shell) -> Option<PathBuf> {
    Some(shell.root().parent()?.join("shared/labs/azure")).filter(|labs| labs.join("prism-up").is_file())
}

/// Installs what the labs need, unless it is there.
pub(crate) fn set_up(shell: &Shell) -> Result<()> {
    let Some(labs) = labs(shell) else { return Ok(()) };
    shell.run("node", &[SCRIPT, "set-up", &labs.to_string_lossy(), &work(shell)?])
}

pub(crate) fn run(shell: &Shell, labs: &Path) -> Result<()> {
    let muster = shell.target_directory()?.join("debug/muster");
    let muster = muster.to_str().context("the target directory's path is not text")?;
    shell.run("node", &[SCRIPT, "check", &labs.to_string_lossy(), &work(shell)?, muster])
}

fn work(shell: &Shell) -> Result<String> {
    Ok(shell.target_directory()?.join("azure").to_string_lossy().into_owned())
}
