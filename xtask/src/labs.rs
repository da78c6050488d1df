//! Starting and stopping the labs of `tests/labs`: real servers on loopback, each in a temporary folder of its own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, bail};

use crate::shell::{Shell, finish};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// Samba as an Active Directory domain controller; needs root.
    Directory,
    /// OpenLDAP with Active Directory's attribute names.
    DirectoryScale,
    Postgres,
}

impl Kind {
    fn folder(self) -> &'static str {
        match self {
            Self::Directory => "directory",
            Self::DirectoryScale => "directory-scale",
            Self::Postgres => "postgres",
        }
    }
}

/// A running lab. Dropping it stops its server and deletes its folder; should this process be killed, the lab's own
/// watcher does the same.
#[derive(Debug)]
pub(crate) struct Lab {
    scripts: PathBuf,
    folder: PathBuf,
    facts: BTreeMap<String, String>,
}

impl Lab {
    /// Runs the lab's `up` with `arguments`.
    pub(crate) fn start(shell: &Shell, kind: Kind, arguments: &[&str]) -> Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("muster-{}-{}-{number}", kind.folder(), std::process::id());
        let scripts = shell.root().join("tests/labs").join(kind.folder());
        let mut lab = Self { scripts, folder: std::env::temp_dir().join(name), facts: BTreeMap::new() };
        let mut up = lab.script(shell, "up");
        up.args(arguments).env("MUSTER_LAB_OWNER", std::process::id().to_string()).stderr(Stdio::inherit());
        eprintln!("     $ {}/up {}", lab.scripts.display(), arguments.join(" "));
        let output = up.output().with_context(|| format!("starting the lab `{}`", kind.folder()))?;
        if !output.status.success() {
            bail!("the lab `{}` did not start: `up` ended with {}", kind.folder(), output.status);
        }
        lab.facts = facts(&String::from_utf8_lossy(&output.stdout));
        Ok(lab)
    }

    /// Runs one of the lab's other scripts, such as `populate`.
    pub(crate) fn run(&self, shell: &Shell, script: &str, arguments: &[&str]) -> Result<()> {
        finish(self.script(shell, script).args(arguments).stdout(Stdio::null()))
    }

    /// What `up` printed under `key`.
    pub(crate) fn fact(&self, key: &str) -> Result<&str> {
        let value = self.facts.get(key).map(String::as_str);
        value.with_context(|| format!("the lab in `{}` did not print `{key}=`", self.folder.display()))
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    fn script(&self, shell: &Shell, name: &str) -> Command {
        let mut command = shell.command(self.scripts.join(name));
        command.env("MUSTER_LAB_DIR", &self.folder);
        command
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let mut down = Command::new(self.scripts.join("down"));
        let status = down.arg("--purge").env("MUSTER_LAB_DIR", &self.folder).stdin(Stdio::null()).status();
        if !status.is_ok_and(|status| status.success()) {
            eprintln!("warning: stopping the lab in `{}` failed", self.folder.display());
        }
    }
}

fn facts(text: &str) -> BTreeMap<String, String> {
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    pairs.map(|(key, value)| (key.trim().to_owned(), value.to_owned())).collect()
}

#[cfg(test)]
mod tests;
