//! `muster doctor`: looks a store over.

use std::process::ExitCode;

use muster_core::clock::Instant;

use crate::cli::DoctorArguments;
use crate::console::say_line;
use crate::failure::Failure;
use crate::state;

pub(crate) async fn run(arguments: &DoctorArguments, json: bool) -> Result<ExitCode, Failure> {
    let state = state::open_existing(&arguments.state).await?;
    let store = &state.store;
    if arguments.digest {
        say_line(store.digest().await?);
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(run) = &arguments.run {
        return ledger(store, run, json).await;
    }
    let mut found = Vec::new();
    for connector in store.connectors().await? {
        let mut streams = Vec::new();
        for scope in store.scopes(&connector).await? {
            let totals = store.totals(&connector, &scope.stream).await?;
            streams.push(serde_json::json!({
                "stream": scope.stream, "scope": scope.name, "present": totals.present, "held": totals.held, "gone": totals.gone,
                "completeAt": scope.complete_at.map(Instant::to_rfc3339),
                "presenceProvenAt": scope.presence_proven_at.map(Instant::to_rfc3339),
                "cursor": scope.cursor,
            }));
        }
        let runs: Vec<_> = store.latest_runs(&connector, 10).await?.iter().map(|run| serde_json::json!({
            "run": run.id, "mode": run.mode, "result": run.result, "asOf": run.as_of.to_rfc3339(), "origin": run.origin,
            "endedAt": run.ended_at.map(Instant::to_rfc3339),
        })).collect();
        let letters = store.dead_letters(&connector, 100).await?;
        let letters: Vec<_> = letters.iter().map(|letter| serde_json::json!({
            "stream": letter.stream, "sourceKey": letter.source_key, "reason": letter.reason, "at": letter.at.to_rfc3339(),
        })).collect();
        found.push(
            serde_json::json!({ "connector": connector.name, "scopes": streams, "runs": runs, "deadLetters": letters }),
        );
    }
    if json {
        say_line(serde_json::Value::Array(found));
    } else {
        say_line(serde_json::to_string_pretty(&found).unwrap_or_default());
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints the ledger of a run.
async fn ledger(store: &muster_store::Store, run: &str, json: bool) -> Result<ExitCode, Failure> {
    for connector in store.connectors().await? {
        let runs = store.latest_runs(&connector, 1000).await?;
        let found = if run == "last" { runs.first() } else { runs.iter().find(|known| known.id.to_string() == run) };
        let Some(found) = found else { continue };
        let ledger: Vec<_> =
            store.run_scopes(&connector, found.id).await?.into_iter().map(|(_, line, _)| line).collect();
        if json {
            say_line(format_args!(
                "{}",
                serde_json::json!({ "connector": connector.name, "run": found.id, "result": found.result, "notes": found.notes, "ledger": ledger })
            ));
        } else {
            say_line(format_args!(
                "run {} of `{}`, as of {}: {}",
                found.id,
                connector.name,
                found.as_of,
                found.result.map_or("unfinished", muster_core::run::RunResult::word)
            ));
            found.notes.iter().for_each(say_line);
            crate::output::print_ledger(&ledger);
        }
        return Ok(ExitCode::SUCCESS);
    }
    Err(Failure::usage(anyhow::anyhow!("there is no run `{run}`"))
        .with_hint("`muster doctor --state DIR` lists the runs"))
}
