//! `muster doctor`: looks a store over.

use std::process::ExitCode;

use muster_core::clock::Instant;

use crate::cli::DoctorArguments;
use crate::failure::Failure;
use crate::state;

#[expect(clippy::print_stdout, reason = "what the doctor finds is the data of this command")]
pub(crate) async fn run(arguments: &DoctorArguments, json: bool) -> Result<ExitCode, Failure> {
    let state = state::open_existing(&arguments.state).await?;
    let store = &state.store;
    if arguments.digest {
        println!("{}", store.digest().await?);
        return Ok(ExitCode::SUCCESS);
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
        println!("{}", serde_json::Value::Array(found));
    } else {
        println!("{}", serde_json::to_string_pretty(&found).unwrap_or_default());
    }
    Ok(ExitCode::SUCCESS)
}
