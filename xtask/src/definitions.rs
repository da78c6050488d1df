//! Muster's reader of definitions held against others: `tests/definitions`, over documents out of npm packages, our own
//! examples of RAML and the real packages of the shared folder.

use anyhow::{Context, Result};

use crate::browser;
use crate::shell::Shell;

const FOLDER: &str = "tests/definitions";
const SCRIPT: &str = "tests/definitions/compare.mjs";

/// `cargo xtask definitions`: fetches what is not there yet, builds the binary, compares.
pub(crate) fn alone(shell: &Shell) -> Result<()> {
    set_up(shell)?;
    shell.cargo(&["build", "--package", "muster", "--locked"])?;
    run(shell)
}

/// Installs the other readers and fetches the documents, unless they are there.
pub(crate) fn set_up(shell: &Shell) -> Result<()> {
    browser::install(shell, FOLDER)?;
    shell.run("node", &[SCRIPT, "fetch", &documents(shell)?])
}

pub(crate) fn run(shell: &Shell) -> Result<()> {
    let muster = shell.target_directory()?.join("debug/muster");
    let muster = muster.to_str().context("the target directory's path is not text")?;
    shell.run("node", &[SCRIPT, "check", &documents(shell)?, muster])
}

fn documents(shell: &Shell) -> Result<String> {
    Ok(shell.target_directory()?.join("definitions").to_string_lossy().into_owned())
}
