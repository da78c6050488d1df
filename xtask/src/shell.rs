//! Running other programs: each is named on stderr before it starts, and a failure names it again.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// The repository and the variables every child gets.
pub(crate) struct Shell {
    root: PathBuf,
    variables: Vec<(String, String)>,
    /// What a program tells is shown when it has ended: it runs beside others.
    is_apart: bool,
}

impl Shell {
    pub(crate) fn new() -> Result<Self> {
        let mut variables = Vec::new();
        if std::env::var("CI").is_ok_and(|value| value == "true") {
            variables.push(("CARGO_INCREMENTAL".to_owned(), "0".to_owned()));
        }
        Ok(Self { root: root()?, variables, is_apart: false })
    }

    /// A shell in another repository than this one.
    #[cfg(test)]
    pub(crate) fn at(root: &Path) -> Self {
        Self { root: root.to_owned(), variables: Vec::new(), is_apart: false }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The same shell with one more variable for its children.
    pub(crate) fn with(&self, name: &str, value: &str) -> Self {
        let mut variables = self.variables.clone();
        variables.push((name.to_owned(), value.to_owned()));
        Self { root: self.root.clone(), variables, is_apart: self.is_apart }
    }

    /// The same shell for a thread of its own: what its children tell comes in one piece.
    pub(crate) fn apart(&self) -> Self {
        Self { is_apart: true, root: self.root.clone(), variables: self.variables.clone() }
    }

    /// A command that runs in the repository's root, free of what `cargo run` told this process about itself: build
    /// scripts that watch those variables would rebuild at every turn between `cargo` and `cargo xtask`.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root).stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(told_by_cargo) {
                command.env_remove(name);
            }
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs `program` with its output passed through.
    pub(crate) fn run(&self, program: &str, arguments: &[&str]) -> Result<()> {
        let mut command = self.command(program);
        command.args(arguments);
        if !self.is_apart {
            return finish(&mut command);
        }
        let line = line(&command);
        let output = command.output().with_context(|| format!("starting `{line}`"))?;
        let told = [output.stdout, output.stderr].concat();
        eprintln!("     $ {line}\n{}", String::from_utf8_lossy(&told));
        if !output.status.success() {
            bail!("`{line}` ended with {}", output.status);
        }
        Ok(())
    }

    pub(crate) fn cargo(&self, arguments: &[&str]) -> Result<()> {
        self.run("cargo", arguments)
    }

    /// Runs `program` and returns what it wrote to stdout.
    pub(crate) fn capture(&self, program: &str, arguments: &[&str]) -> Result<String> {
        let mut command = self.command(program);
        command.args(arguments).stderr(Stdio::inherit());
        let output = command.output().with_context(|| format!("starting `{program}`"))?;
        if !output.status.success() {
            bail!("`{}` ended with {}", line(&command), output.status);
        }
        String::from_utf8(output.stdout).with_context(|| format!("reading the output of `{}`", line(&command)))
    }

    /// Where cargo puts what it builds.
    pub(crate) fn target_directory(&self) -> Result<PathBuf> {
        let metadata = self.metadata(&["--no-deps"])?;
        let target = metadata["target_directory"].as_str();
        target.map(PathBuf::from).context("reading `target_directory` of `cargo metadata`")
    }

    pub(crate) fn metadata(&self, arguments: &[&str]) -> Result<Value> {
        let mut all = vec!["metadata", "--format-version", "1", "--locked"];
        all.extend_from_slice(arguments);
        let text = self.capture("cargo", &all)?;
        serde_json::from_str(&text).context("reading the output of `cargo metadata`")
    }
}

/// Runs `command` to its end, saying so, and fails if it does.
pub(crate) fn finish(command: &mut Command) -> Result<()> {
    let line = line(command);
    eprintln!("     $ {line}");
    let status = command.status().with_context(|| format!("starting `{line}`"))?;
    if !status.success() {
        bail!("`{line}` ended with {status}");
    }
    Ok(())
}

/// Whether this process may do what only root may.
pub(crate) fn is_root() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    effective_uid(&status) == Some(0)
}

/// Whether `program` is a file at that path, or is found on the PATH or in the administrators' folders.
pub(crate) fn is_installed(program: &str) -> bool {
    if program.starts_with('/') {
        return Path::new(program).exists();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin"), PathBuf::from("/usr/bin")]);
    folders.into_iter().any(|folder| folder.join(program).is_file())
}

fn effective_uid(status: &str) -> Option<u32> {
    let uids = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    uids.split_whitespace().nth(1)?.parse().ok()
}

fn told_by_cargo(name: &str) -> bool {
    ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "MUSTER_TEST_", "MUSTER_LAB_"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}

fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

fn root() -> Result<PathBuf> {
    let start = match std::env::var_os("CARGO_MANIFEST_DIR") {
        Some(folder) => PathBuf::from(folder),
        None => std::env::current_dir().context("finding the current folder")?,
    };
    for folder in start.ancestors() {
        let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap_or_default();
        if manifest.lines().any(|line| line.trim() == "[workspace]") {
            return Ok(folder.to_owned());
        }
    }
    bail!("no workspace at or above `{}`", start.display())
}

#[cfg(test)]
mod tests;
