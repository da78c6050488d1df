//! The simulated directory and the binary beside it.

use std::path::Path;

use muster_lab::directory::{DirectoryOptions, Faults, RunningDirectory, start};
use serde_json::{Value as Json, json};

use crate::command::{Installation, Outcome, muster};

/// The reading of users: not the counts beside it, which ask for no attributes.
pub(crate) const USERS: &str = "(objectClass=user)) attributes=objectGUID";

pub(crate) async fn directory(users: u64) -> RunningDirectory {
    start(DirectoryOptions { users, seed: 11, ..DirectoryOptions::default() }).await.unwrap()
}

/// The settings of a connector that reads it; with rights of an administrator where it is privileged.
pub(crate) fn settings(running: &RunningDirectory, privileged: bool) -> String {
    let banner = running.banner();
    let (dn, password) = if privileged { ("privilegedBindDn", "privilegedPassword") } else { ("bindDn", "password") };
    let text = |key: &str| banner[key].as_str().unwrap().to_owned();
    format!(
        "type = \"active_directory\"\nname = \"lab\"\n[authentication]\nhost = \"127.0.0.1\"\nport = {}\nprotocol = \"ldap\"\nbindDn = '{}'\npassword = '{}'\n",
        running.ldap_address().port(),
        text(dn),
        text(password),
    )
}

pub(crate) fn installation(running: &RunningDirectory, scratch: &Path, privileged: bool) -> Installation {
    Installation::new(scratch, &settings(running, privileged))
}

/// Runs the binary on a thread of its own: the directory is served by this runtime.
pub(crate) async fn sync(installation: &Installation, more: &[&str]) -> (i32, Json, Vec<Json>) {
    tokio::task::block_in_place(|| installation.sync(more))
}

/// Runs any command on a thread of its own.
pub(crate) async fn run(arguments: &[&str]) -> Outcome {
    tokio::task::block_in_place(|| muster(arguments))
}

pub(crate) fn only_users(mut faults: Faults) -> Faults {
    faults.only = Some(USERS.to_owned());
    faults
}

pub(crate) fn gone(lines: &[Json]) -> usize {
    lines.iter().filter(|line| line.get("gone").is_some()).count()
}

/// How a hub reaches it, as the REST interface takes it.
pub(crate) fn authentication(lab: &RunningDirectory) -> Json {
    let banner = lab.banner();
    json!({
        "host": "127.0.0.1", "port": lab.ldap_address().port(), "protocol": "ldap",
        "bindDn": banner["bindDn"], "password": banner["password"],
    })
}
