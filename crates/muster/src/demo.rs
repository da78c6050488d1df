//! `muster demo`: the whole way on a machine that has nothing but this program: a simulated directory, a first sync,
//! changes, a delta, and what can be asked afterwards.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use muster_lab::directory::{ChangeCounts, DirectoryOptions, RunningDirectory, start};
use serde_json::Value as Json;

use crate::cli::{DemoArguments, DoctorArguments, Format, QueryArguments, SyncArguments};
use crate::console::say_line;
use crate::failure::Failure;
use crate::{doctor, query, sync};

pub(crate) async fn run(arguments: &DemoArguments) -> Result<ExitCode, Failure> {
    let directory = match &arguments.data {
        Some(directory) => directory.clone(),
        None => std::env::temp_dir().join(format!("muster-demo-{}", std::process::id())),
    };
    std::fs::create_dir_all(&directory)
        .with_context(|| format!("making `{}`", directory.display()))
        .map_err(Failure::failed)?;
    let options = DirectoryOptions {
        listen: arguments.listen,
        seed: arguments.seed,
        users: arguments.users,
        ..DirectoryOptions::default()
    };
    let running = start(options).await?;
    let done = tour(&running, &directory).await;
    running.stop().await;
    done
}

async fn tour(running: &RunningDirectory, directory: &Path) -> Result<ExitCode, Failure> {
    let counts = serde_json::to_value(running.counts()).unwrap_or_default();
    say_line(format!("A simulated Active Directory answers at ldap://{}: {}", running.ldap_address(), words(&counts)));
    let connector = write_connector(running, directory)?;
    let state = directory.join("state");
    say_line(format!(
        "\n== The first run reads everything: muster sync {} --state {}",
        connector.display(),
        state.display()
    ));
    let out = directory.join("first.jsonl");
    sync::sync(&arguments(&connector, &state, &out), false).await?;
    say_line(format!("\nWhat it created stands in {}, a line of JSON each.", out.display()));
    let changed = running.change(7, &ChangeCounts { rename_ou: 1, ..ChangeCounts::default() });
    let renamed = changed.users.renamed.first().cloned();
    say_line(
        "\n== The directory changes: users are modified, disabled, renamed, moved, deleted, made; a department gets another name",
    );
    let out = directory.join("second.jsonl");
    sync::sync(&arguments(&connector, &state, &out), false).await?;
    say_line(format!("\nThe second run read only what changed; it stands in {}.", out.display()));
    say_line(
        "\n== Deletions are invisible to a plain account: the sweep finds them, by asking for the keys of everything",
    );
    let mut sweep = arguments(&connector, &state, &directory.join("third.jsonl"));
    sweep.sweep = true;
    sync::sync(&sweep, false).await?;
    let first = "inventory.source:(\"Microsoft Active Directory\") and user.status:DISABLED";
    say_line(format!("\n== muster query '{first}' --sort user.lastSuccessfulLoginAt --descending --limit 5"));
    let mut asked = asking(&state, first);
    asked.sort = Some("user.lastSuccessfulLoginAt".to_owned());
    asked.descending = true;
    query::run(&asked, false).await?;
    if let Some(guid) = renamed {
        ask_history(&state, &guid, running).await?;
    }
    say_line("\n== muster doctor --digest: two stores with this digest hold the same");
    doctor::run(&DoctorArguments { state: state.clone(), digest: true, run: None }, false).await?;
    say_line(format!("\nTo go on by yourself: muster query '' --class group --state {}", state.display()));
    Ok(ExitCode::SUCCESS)
}

/// Shows the history and the groups of a user that was renamed.
async fn ask_history(state: &Path, guid: &str, running: &RunningDirectory) -> Result<(), Failure> {
    let truth = running.truth();
    let found = truth
        .iter()
        .filter_map(|record| serde_json::to_value(record).ok())
        .find(|record| record["objectGuid"] == guid || record["guid"] == guid);
    let Some(sid) = found.as_ref().and_then(|record| record["objectSid"].as_str().or(record["sid"].as_str())) else {
        return Ok(());
    };
    let text = format!("user.id:`{sid}`");
    say_line(format!("\n== muster query '{text}' --format json --history --memberships"));
    let mut asked = asking(state, &text);
    asked.format = Format::Json;
    asked.history = true;
    asked.memberships = true;
    query::run(&asked, false).await?;
    Ok(())
}

fn words(counts: &Json) -> String {
    let entries = counts.as_object().into_iter().flatten();
    entries.map(|(what, count)| format!("{count} {what}")).collect::<Vec<_>>().join(", ")
}

fn write_connector(running: &RunningDirectory, directory: &Path) -> Result<PathBuf, Failure> {
    let banner = running.banner();
    let text = |key: &str| banner[key].as_str().unwrap_or_default().to_owned();
    let address = running.ldap_address();
    let settings = format!(
        "type = \"active_directory\"\nname = \"demo\"\n\n[authentication]\nhost = \"{}\"\nport = {}\nprotocol = \"ldap\"\nbindDn = '{}'\npassword = '{}'\n",
        address.ip(),
        address.port(),
        text("bindDn"),
        text("password"),
    );
    let path = directory.join("connector.toml");
    std::fs::write(&path, settings)
        .with_context(|| format!("writing `{}`", path.display()))
        .map_err(Failure::failed)?;
    Ok(path)
}

fn arguments(connector: &Path, state: &Path, out: &Path) -> SyncArguments {
    SyncArguments {
        connector: connector.to_path_buf(),
        out: Some(out.to_path_buf()),
        state: Some(state.to_path_buf()),
        full: false,
        sweep: false,
        all: false,
        release: false,
        check: false,
    }
}

fn asking(state: &Path, query: &str) -> QueryArguments {
    QueryArguments {
        query: query.to_owned(),
        state: state.to_path_buf(),
        class: None,
        format: Format::Table,
        sort: None,
        descending: false,
        limit: 5,
        after: None,
        exact: false,
        facet: None,
        history: false,
        memberships: false,
        provenance: false,
    }
}
