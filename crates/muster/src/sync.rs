//! `muster sync`: a source, once.

use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use muster_core::asset::{self, Class};
use muster_core::clock::{Clock, SystemClock};
use muster_core::connector::{Blob, Mode, Step, StepOutcome, StepSink};
use muster_core::ledger::{Evidence, LedgerLine};
use muster_core::run::RunResult;
use muster_engine::print::Output;
use muster_engine::{Options, Report, Subject};
use muster_store::{ConnectorRow, NewConnector, Order, Store};

use crate::cli::SyncArguments;
use crate::connector_file::{self, ConnectorFile};
use crate::console::say_line;
use crate::failure::{COMPLETE, FAILED, Failure, PARTIAL};
use crate::output::{self, Sink};
use crate::{progress, state};

pub(crate) async fn sync(arguments: &SyncArguments, json: bool) -> Result<ExitCode, Failure> {
    let file = connector_file::read(&arguments.connector)?;
    if arguments.check {
        return check(&file, json).await;
    }
    match &arguments.state {
        None => print(&file, arguments, json).await,
        Some(directory) => keep(&file, arguments, directory, json).await,
    }
}

/// Prints the steps of a connection test as they end.
pub(crate) struct Steps {
    pub(crate) json: bool,
}

impl StepSink for Steps {
    fn step(&self, step: Step) {
        if self.json {
            say_line(serde_json::to_string(&step).unwrap_or_default());
            return;
        }
        let sign = match step.outcome {
            StepOutcome::Passed => "ok     ",
            StepOutcome::Failed => "FAILED ",
            StepOutcome::Skipped => "skipped",
        };
        say_line(format_args!("{sign} {:<12} {}", step.name, step.message));
        if let Some(remedy) = &step.remedy {
            say_line(format_args!("        {:<12} remedy: {remedy}", ""));
        }
    }
}

async fn check(file: &ConnectorFile, json: bool) -> Result<ExitCode, Failure> {
    let passed = file.connector.check(&Steps { json }).await;
    Ok(ExitCode::from(if passed { COMPLETE } else { FAILED }))
}

/// Writes what is read as it comes.
struct Lines(Mutex<Sink>);

impl Output for Lines {
    fn asset(&self, class: Class, document: &serde_json::Value) -> std::io::Result<()> {
        if class == Class::Container {
            return Ok(());
        }
        let mut sink = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut document = document.clone();
        if let Some(detail) = document["assetDetail"].as_object_mut()
            && let Some(name) = asset::definition(detail)
        {
            let place = sink.place(name);
            asset::show_definition(detail, place);
        }
        sink.line(&serde_json::json!({ "class": class, "asset": document }))
    }

    fn blob(&self, blob: &Blob) -> std::io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).blob(&blob.name, &blob.bytes)
    }
}

/// Without a store: everything is read, mapped and written.
async fn print(file: &ConnectorFile, arguments: &SyncArguments, json: bool) -> Result<ExitCode, Failure> {
    let lines = Lines(Mutex::new(Sink::open(arguments.out.as_deref()).map_err(Failure::usage)?));
    let ledger = muster_engine::print::run(file.connector.as_ref(), &file.maps, SystemClock.now(), &lines).await;
    let sink = lines.0.into_inner().unwrap_or_else(PoisonError::into_inner);
    let ledger = match ledger {
        Ok(ledger) => ledger,
        Err(error) => {
            sink.discard();
            return Err(error.into());
        }
    };
    sink.finish().map_err(Failure::failed)?;
    let evidence: Vec<Evidence> = ledger.iter().map(|line| line.evidence.clone()).collect();
    let result = muster_core::run::result(&evidence, 0);
    tell(&Told { result, ledger: &ledger, notes: &[], resumed: false, unresolved: 0 }, json);
    Ok(exit(result))
}

async fn keep(
    file: &ConnectorFile,
    arguments: &SyncArguments,
    directory: &Path,
    json: bool,
) -> Result<ExitCode, Failure> {
    let mut sink = Sink::open(arguments.out.as_deref()).map_err(Failure::usage)?;
    let state = state::open(directory).await?;
    let clock = SystemClock;
    let uuid = muster_core::value::guid_text(&muster_core::fold::fingerprint(
        format!("{}{}", file.name, clock.now()).as_bytes(),
    ));
    let new = NewConnector {
        type_name: file.kind.spec.type_name,
        name: &file.name,
        source_name: file.kind.spec.source_name,
        uuid: &uuid.unwrap_or_default(),
    };
    let row = state.store.ensure_connector(new, clock.now()).await?;
    let mode = if arguments.full {
        Mode::Full
    } else if arguments.sweep {
        Mode::Sweep
    } else {
        Mode::Delta
    };
    let options =
        Options { mode, release: arguments.release, cancel: cancel_on_interrupt(), progress: progress::progress(json) };
    let subject = Subject { row: &row, connector: file.connector.as_ref(), maps: &file.maps, order: Order::default() };
    let report = match muster_engine::run(&state.store, subject, &clock, options).await {
        Ok(report) => report,
        Err(error) => {
            sink.discard();
            return Err(error.into());
        }
    };
    write(&state.store, &row, (arguments, &report, file), &mut sink).await?;
    sink.finish().map_err(Failure::failed)?;
    state.store.close().await;
    let told = Told {
        result: report.result,
        ledger: &report.ledger,
        notes: &report.run.notes,
        resumed: report.resumed,
        unresolved: report.unresolved,
    };
    tell(&told, json);
    Ok(exit(report.result))
}

async fn write(
    store: &Store,
    row: &ConnectorRow,
    (arguments, report, file): (&SyncArguments, &Report, &ConnectorFile),
    sink: &mut Sink,
) -> Result<(), Failure> {
    if arguments.all {
        for stream in &file.connector.model().streams {
            let mut after = 0;
            loop {
                let ids = store.asset_ids(row, &stream.name, after).await?;
                let Some(&last) = ids.last() else { break };
                after = last;
                output::write_assets(store, row.tenant, ids.into_iter(), sink).await?;
            }
        }
    } else if arguments.out.is_some() {
        output::write_assets(store, row.tenant, report.changed.iter().map(u64::cast_signed), sink).await?;
    }
    Ok(())
}

/// The first interrupt ends the run in order; what was committed stays.
fn cancel_on_interrupt() -> Arc<AtomicBool> {
    let cancel = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&cancel);
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            eprintln!("ending the run; again to end at once");
            flag.store(true, Ordering::SeqCst);
            if tokio::signal::ctrl_c().await.is_ok() {
                std::process::exit(130);
            }
        }
    });
    cancel
}

struct Told<'a> {
    result: RunResult,
    ledger: &'a [LedgerLine],
    notes: &'a [String],
    resumed: bool,
    unresolved: u64,
}

/// Says what the run came to; with `--json` the ledger is the last line of stderr.
fn tell(told: &Told<'_>, json: bool) {
    if json {
        let document = serde_json::json!({
            "result": told.result, "resumed": told.resumed, "notes": told.notes,
            "unresolvedMembers": told.unresolved, "ledger": told.ledger,
        });
        eprintln!("{document}");
        return;
    }
    // A new run's were told before it read anything.
    if told.resumed {
        told.notes.iter().for_each(|note| eprintln!("{note}"));
        eprintln!("went on with an interrupted run");
    }
    output::print_ledger(told.ledger);
    if told.unresolved > 0 {
        eprintln!(
            "{} members are not in the inventory (outside the base context, or of another kind)",
            told.unresolved
        );
    }
    eprintln!("{}", told.result.word());
}

fn exit(result: RunResult) -> ExitCode {
    ExitCode::from(match result {
        RunResult::Complete => COMPLETE,
        RunResult::Partial | RunResult::Held => PARTIAL,
        RunResult::Failed | RunResult::Cancelled => FAILED,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_the_documented_ones() {
        let codes = [
            (RunResult::Complete, COMPLETE),
            (RunResult::Partial, PARTIAL),
            (RunResult::Held, PARTIAL),
            (RunResult::Failed, FAILED),
            (RunResult::Cancelled, FAILED),
        ];
        for (result, code) in codes {
            assert_eq!(format!("{:?}", exit(result)), format!("{:?}", ExitCode::from(code)));
        }
    }
}
