//! `muster agent`: the on-prem agent, once, by its cron, or as a check.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use muster_agent::settings::{Gathered, Settings, Sources, Told, gather};
use muster_agent::{ALIVE, Agent, Ended, Tell};
use muster_core::agent::Line;
use muster_core::clock::{Clock, Instant, SystemClock};

use crate::cli::AgentArguments;
use crate::console::say_line;
use crate::failure::{COMPLETE, FAILED, Failure, PARTIAL};
use crate::output;
use crate::serve::until_told_to_end;
use crate::sync::Steps;

/// The oldest sign of life of an agent that is well.
const ALIVE_WITHIN: Duration = Duration::from_secs(180);

pub(crate) async fn run(arguments: &AgentArguments, json: bool) -> Result<ExitCode, Failure> {
    let environment: Vec<(String, String)> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let gathered = gather(Sources {
        file: arguments.env_file.as_deref(),
        environment: &environment,
        allow_http: arguments.allow_http,
        needs_cron: !(arguments.once || arguments.check || arguments.healthy),
    });
    let Gathered { settings, told, warnings } = gathered;
    warnings.iter().for_each(|warning| eprintln!("warning: {warning}"));
    if arguments.check {
        told.iter().for_each(|told| show(told, json));
        let ca = arguments.hub_ca.as_deref();
        muster_agent::check(settings?, ca, Arc::new(SystemClock), &Steps { json }).await?;
        return Ok(ExitCode::from(COMPLETE));
    }
    if arguments.healthy {
        return healthy(&settings?);
    }
    let agent = Agent::new(settings?, arguments.hub_ca.as_deref(), Arc::new(SystemClock), tell(json))?;
    let agent = Arc::new(agent);
    let ending = Arc::clone(&agent);
    tokio::spawn(async move {
        until_told_to_end().await;
        ending.end();
    });
    if !arguments.once {
        agent.serve().await?;
        return Ok(ExitCode::from(COMPLETE));
    }
    let ended = agent.once().await?;
    say_ended(&ended, json);
    let code = match ended.state.result.as_deref() {
        Some("complete") => COMPLETE,
        Some("partial" | "held") => PARTIAL,
        Some("failed") => return Err(why_failed(ended)),
        _ => FAILED,
    };
    Ok(ExitCode::from(code))
}

fn show(told: &Told, json: bool) {
    if json {
        say_line(serde_json::to_string(told).unwrap_or_default());
        return;
    }
    let Told { key, value, source, wins_over, note } = told;
    let over: String = wins_over.iter().map(|other| format!("; wins over {other}")).collect();
    say_line(format_args!("{key} = {value}    ({source}{over})"));
    if let Some(note) = note {
        say_line(format_args!("    note: {note}"));
    }
}

/// What the agent tells goes to stderr: stdout is for data.
fn tell(json: bool) -> Tell {
    Box::new(move |line: &Line| {
        if json {
            eprintln!("{}", serde_json::to_string(line).unwrap_or_default());
        } else {
            eprintln!("{} {} {}", line.at, line.level, line.message);
        }
    })
}

fn say_ended(ended: &Ended, json: bool) {
    let state = &ended.state;
    if json {
        eprintln!(
            "{}",
            serde_json::json!({ "result": state.result, "message": state.message, "ledger": state.ledger })
        );
        return;
    }
    output::print_ledger(&state.ledger);
    state.message.iter().for_each(|message| eprintln!("{message}"));
    eprintln!("{}", state.result.as_deref().unwrap_or("ended"));
}

/// A run that failed: for the directory's sake, where that refused something, else for the hub's.
fn why_failed(ended: Ended) -> Failure {
    use muster_agent::failure::{Failure as Agents, Kind};
    let message = ended.state.message.unwrap_or_else(|| "the hub gives no reason".to_owned());
    let of_hub = || Agents::new(Kind::Hub, "running", message, "the run's page in the hub tells it in full");
    ended.directory.unwrap_or_else(of_hub).into()
}

fn healthy(settings: &Settings) -> Result<ExitCode, Failure> {
    let path = settings.spool.directory.join(ALIVE);
    let sign = std::fs::read_to_string(&path).ok().and_then(|text| Instant::from_rfc3339(text.trim()));
    let age = sign.map(|sign| Duration::from_micros(SystemClock.now().0.saturating_sub(sign.0).unsigned_abs()));
    if age.is_some_and(|age| age < ALIVE_WITHIN) {
        return Ok(ExitCode::from(COMPLETE));
    }
    Err(Failure::failed(anyhow!("there is no sign of life of an agent in `{}`", path.display()))
        .with_hint("`muster agent --check` goes through the connection; the agent's own log says why it ended"))
}
