//! The hub held to its own description: `tests/openapi`, in a Python environment of the target directory.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::browser::{is_current, keep};
use crate::shell::Shell;

const FOLDER: &str = "tests/openapi";

pub(crate) fn set_up(shell: &Shell) -> Result<()> {
    install(shell, FOLDER, &environment(shell)?)
}

/// Installs what the requirements of a folder name, unless that is what is there.
pub(crate) fn install(shell: &Shell, folder: &str, environment: &Path) -> Result<()> {
    let requirements = shell.root().join(folder).join("requirements.txt");
    let made_from = environment.join("requirements.txt");
    if is_current(&requirements, &made_from) {
        return Ok(());
    }
    let place = environment.to_string_lossy();
    shell.run("python3", &["-m", "venv", "--clear", &place])?;
    let pip = environment.join("bin/pip");
    let requirements = requirements.to_string_lossy().into_owned();
    let options = ["install", "--quiet", "--disable-pip-version-check", "--no-deps", "--requirement", &requirements];
    shell.run(&pip.to_string_lossy(), &options)?;
    keep(requirements.as_ref(), &made_from)
}

/// Whether Python can make an environment: Debian keeps that in a package of its own.
pub(crate) fn has_environments(shell: &Shell) -> bool {
    shell.command("python3").args(["-c", "import ensurepip"]).status().is_ok_and(|status| status.success())
}

pub(crate) fn run(shell: &Shell) -> Result<()> {
    let python = environment(shell)?.join("bin/python");
    let muster = shell.target_directory()?.join("debug/muster");
    let muster = muster.to_str().context("the target directory's path is not text")?;
    shell.run(&python.to_string_lossy(), &[&format!("{FOLDER}/run.py"), muster])
}

fn environment(shell: &Shell) -> Result<PathBuf> {
    Ok(shell.target_directory()?.join("openapi"))
}
