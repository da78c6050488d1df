//! Muster against sources as their makers describe them, and beside others' clients: `tests/azure` and `tests/mulesoft`,
//! with the labs beside the repository.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::shell::Shell;
use crate::{browser, openapi};

/// What judges one source.
pub(crate) struct Judge {
    /// The folder below `tests`, of the labs and of the target directory, and the verb.
    pub(crate) name: &'static str,
    /// Whether the folder says what to install, for Node and for Python; else the script installs.
    has_packages: bool,
}

pub(crate) const AZURE: Judge = Judge { name: "azure", has_packages: false };
pub(crate) const MULESOFT: Judge = Judge { name: "mulesoft", has_packages: true };
pub(crate) const ALL: [Judge; 2] = [AZURE, MULESOFT];

impl Judge {
    /// `cargo xtask NAME`: installs what the labs need, builds the binary, lets it be judged.
    pub(crate) fn alone(&self, shell: &Shell) -> Result<()> {
        if !self.has_labs(shell) {
            bail!("there is no `{}` beside the repository", self.labs(shell)?.display());
        }
        self.set_up(shell)?;
        shell.cargo(&["build", "--package", "muster", "--locked"])?;
        self.run(shell)
    }

    /// Whether the labs are there: they are not where the repository stands alone.
    pub(crate) fn has_labs(&self, shell: &Shell) -> bool {
        self.labs(shell).is_ok_and(|labs| labs.join("prism-up").is_file())
    }

    /// Installs what the labs need, unless it is there.
    pub(crate) fn set_up(&self, shell: &Shell) -> Result<()> {
        if !self.has_labs(shell) {
            return Ok(());
        }
        if self.has_packages {
            let folder = format!("tests/{}", self.name);
            browser::install(shell, &folder)?;
            return openapi::install(shell, &folder, &self.work(shell)?.join("python"));
        }
        self.node(shell, "set-up", &[])
    }

    pub(crate) fn run(&self, shell: &Shell) -> Result<()> {
        let muster = shell.target_directory()?.join("debug/muster");
        let muster = muster.to_str().context("the target directory's path is not text")?;
        self.node(shell, "check", &[muster])
    }

    fn node(&self, shell: &Shell, verb: &str, more: &[&str]) -> Result<()> {
        let script = format!("tests/{}/judge.mjs", self.name);
        let (labs, work) = (self.labs(shell)?, self.work(shell)?);
        let arguments = [&script, verb, &labs.to_string_lossy(), &work.to_string_lossy()];
        shell.run("node", &[&arguments, more].concat())
    }

    fn labs(&self, shell: &Shell) -> Result<PathBuf> {
        let beside = shell.root().parent().context("the repository lies in no folder")?;
        Ok(beside.join("shared/labs").join(self.name))
    }

    fn work(&self, shell: &Shell) -> Result<PathBuf> {
        Ok(shell.target_directory()?.join(self.name))
    }
}
