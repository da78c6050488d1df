//! What `bench` reads from: a lab of tests/labs, or the directory that `muster lab` simulates.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::labs::{Kind, Lab};
use crate::shell::Shell;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum SiteKind {
    /// A real domain controller.
    Samba,
    /// OpenLDAP.
    Scale,
    /// `muster lab directory`.
    Simulated,
}

impl SiteKind {
    pub(super) fn usual_users(self) -> u32 {
        if self == Self::Samba { 20_000 } else { 200_000 }
    }

    pub(super) fn server(self) -> &'static str {
        match self {
            Self::Samba => "Samba",
            Self::Scale => "OpenLDAP",
            Self::Simulated => "`muster lab directory`",
        }
    }
}

/// A running site. Dropping it stops its server and deletes its folder.
pub(super) struct Site {
    kind: SiteKind,
    server: Server,
}

enum Server {
    Lab(Lab),
    Simulated(Simulated),
}

impl Site {
    /// Starts a site with so many users; `muster` is the binary that simulates.
    pub(super) fn start(shell: &Shell, kind: SiteKind, (users, muster): (&str, &Path)) -> Result<Self> {
        let server = match kind {
            SiteKind::Samba => {
                let lab = Lab::start(shell, Kind::Directory, &[])?;
                lab.run(shell, "populate", &[users])?;
                Server::Lab(lab)
            }
            SiteKind::Scale => Server::Lab(Lab::start(shell, Kind::DirectoryScale, &[users])?),
            SiteKind::Simulated => Server::Simulated(Simulated::start(muster, users)?),
        };
        Ok(Self { kind, server })
    }

    pub(super) fn kind(&self) -> SiteKind {
        self.kind
    }

    pub(super) fn folder(&self) -> &Path {
        match &self.server {
            Server::Lab(lab) => lab.folder(),
            Server::Simulated(simulated) => &simulated.folder,
        }
    }

    /// What it said of itself under `key`; keys are those of the labs' `up`.
    pub(super) fn fact(&self, key: &str) -> Result<&str> {
        match &self.server {
            Server::Lab(lab) => lab.fact(key),
            Server::Simulated(simulated) => simulated
                .facts
                .get(key)
                .map(String::as_str)
                .with_context(|| format!("the simulation did not tell `{key}`")),
        }
    }

    /// Whether it can be asked what changed.
    pub(super) fn counts_changes(&self) -> bool {
        self.kind != SiteKind::Scale
    }

    /// Changes exactly so many objects.
    pub(super) fn change(&self, shell: &Shell, seed: u32, count: u32) -> Result<()> {
        match &self.server {
            Server::Lab(lab) => lab.run(shell, "change", &[&seed.to_string(), &count.to_string()]),
            Server::Simulated(simulated) => simulated.change(seed, count),
        }
    }
}

/// `muster lab directory`, a child process.
struct Simulated {
    child: Child,
    folder: PathBuf,
    facts: BTreeMap<String, String>,
}

impl Simulated {
    fn start(muster: &Path, users: &str) -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("muster-simulated-{}", std::process::id()));
        std::fs::create_dir_all(&folder).with_context(|| format!("creating `{}`", folder.display()))?;
        eprintln!("     $ {} lab directory --users {users}", muster.display());
        let mut command = Command::new(muster);
        command.args(["lab", "directory", "--users", users]).stdin(Stdio::null()).stdout(Stdio::piped());
        let child = command.spawn().context("starting `muster lab directory`")?;
        let mut simulated = Self { child, folder, facts: BTreeMap::new() };
        let stdout = simulated.child.stdout.as_mut().context("reading what `muster lab directory` prints")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).context("reading what `muster lab directory` prints")?;
        let banner: Value =
            serde_json::from_str(&line).with_context(|| format!("`muster lab directory` printed `{}`", line.trim()))?;
        simulated.facts = facts(&banner);
        Ok(simulated)
    }

    fn change(&self, seed: u32, count: u32) -> Result<()> {
        // No deletions: an account without rights on Deleted Objects learns of them by the sweep only.
        let (few, rest) = (count / 20, count - 3 * (count / 20));
        let users = json!({ "modify": rest, "rename": few, "move": few, "create": few });
        let none = json!({ "add": 0, "remove": 0 });
        let change = json!({ "seed": seed, "users": users, "memberships": none, "renameOu": 0 });
        let url = self.facts.get("url").context("the simulation did not tell its `url`")?;
        post(url, "/_lab/change", &change.to_string())
    }
}

impl Drop for Simulated {
    fn drop(&mut self) {
        // It may have ended by itself; its folder goes all the same.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The banner under the keys of the labs' `up`.
fn facts(banner: &Value) -> BTreeMap<String, String> {
    let keys = [
        ("host", "host"),
        ("port", "ldap_port"),
        ("bindDn", "svc_dn"),
        ("password", "svc_password"),
        ("baseContext", "base_dn"),
        ("url", "url"),
    ];
    let told = |key: &str| match &banner[key] {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    keys.into_iter().filter_map(|(theirs, ours)| Some((ours.to_owned(), told(theirs)?))).collect()
}

fn post(url: &str, path: &str, body: &str) -> Result<()> {
    let host = url.strip_prefix("http://").with_context(|| format!("`{url}` is no address of a lab"))?;
    let mut stream = TcpStream::connect(host).with_context(|| format!("connecting to `{url}`"))?;
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).with_context(|| format!("asking `{url}{path}`"))?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).with_context(|| format!("reading the answer of `{url}{path}`"))?;
    let answer = String::from_utf8_lossy(&answer);
    if !answer.starts_with("HTTP/1.1 200") {
        bail!("`{url}{path}` answered `{}`", answer.lines().next().unwrap_or_default());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_banner_is_told_in_the_words_of_the_labs() {
        let banner = json!({ "host": "127.0.0.1", "port": 4000, "bindDn": "CN=x", "truth": {} });
        let facts = facts(&banner);
        assert_eq!(facts.get("ldap_port").map(String::as_str), Some("4000"));
        assert_eq!(facts.get("svc_dn").map(String::as_str), Some("CN=x"));
        assert_eq!(facts.len(), 3);
    }
}
