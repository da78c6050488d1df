//! The console in a real browser: `tests/browser`, driven by Node. Packages come from its lock in the set-up.

use std::path::Path;

use anyhow::{Context, Result};

use crate::shell::Shell;

/// Debian's.
pub(crate) const CHROMIUM: &str = "/usr/bin/chromium";
const FOLDER: &str = "tests/browser";
/// Inside `node_modules`: the lock that it was made from.
const MADE_FROM: &str = "node_modules/.made-from.json";

pub(crate) fn set_up(shell: &Shell) -> Result<()> {
    install(shell, FOLDER)
}

/// Installs what the lock of a folder names, unless that is what is there.
pub(crate) fn install(shell: &Shell, folder: &str) -> Result<()> {
    let folder = shell.root().join(folder);
    let lock = folder.join("package-lock.json");
    if is_current(&lock, &folder.join(MADE_FROM)) {
        return Ok(());
    }
    let prefix = folder.to_string_lossy();
    shell
        .run("npm", &["ci", "--prefix", &prefix, "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])?;
    keep(&lock, &folder.join(MADE_FROM))
}

pub(crate) fn run(shell: &Shell) -> Result<()> {
    script(shell, "console.mjs")
}

/// The console against a real directory: the lab that `shell` names in `MUSTER_TEST_SAMBA`.
pub(crate) fn run_samba(shell: &Shell) -> Result<()> {
    script(shell, "samba.mjs")
}

fn script(shell: &Shell, name: &str) -> Result<()> {
    let muster = shell.target_directory()?.join("debug/muster");
    let shell = shell.with("MUSTER_BINARY", &muster.to_string_lossy()).with("CHROMIUM", CHROMIUM);
    shell.run("node", &["--test", "--test-reporter=spec", &format!("{FOLDER}/{name}")])
}

/// Whether `copy` says the same as `original`.
pub(crate) fn is_current(original: &Path, copy: &Path) -> bool {
    matches!((std::fs::read(original), std::fs::read(copy)), (Ok(original), Ok(copy)) if original == copy)
}

/// Remembers what something was made from, for [`is_current`].
pub(crate) fn keep(original: &Path, copy: &Path) -> Result<()> {
    std::fs::copy(original, copy).with_context(|| format!("writing `{}`", copy.display()))?;
    Ok(())
}
