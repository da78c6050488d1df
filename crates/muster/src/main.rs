//! The binary: command line, settings, wiring. Data to stdout, all else to stderr.

mod agent;
mod cli;
mod connector_file;
mod console;
mod demo;
mod doctor;
mod failure;
mod keys;
mod lab;
mod listen;
mod maps;
mod metrics;
mod output;
mod progress;
mod query;
mod reference;
mod serve;
mod specs;
mod state;
mod sync;
mod table;
mod telemetry;
mod tenant;

use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command};
use failure::Failure;
use telemetry::Telemetry;

/// What a run has freed goes back to the machine (docs/adr/0008): glibc keeps a heap for each thread.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // clap prints help to stdout and errors to stderr itself; wrong usage is exit code 2.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let telemetry = match Telemetry::start(cli.log.as_deref(), cli.log_format) {
        Ok(telemetry) => telemetry,
        Err(failure) => return failure.report(cli.json),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return Failure::failed(anyhow::Error::new(error).context("starting the runtime")).report(cli.json);
        }
    };
    let ended = runtime.block_on(run(&cli));
    telemetry.end();
    match ended {
        Ok(code) => code,
        Err(failure) => failure.report(cli.json),
    }
}

async fn run(cli: &Cli) -> Result<ExitCode, Failure> {
    match &cli.command {
        Command::Serve(arguments) => serve::run(arguments, cli.json).await,
        Command::Sync(arguments) => sync::sync(arguments, cli.json).await,
        Command::Agent(arguments) => agent::run(arguments, cli.json).await,
        Command::Map(arguments) => maps::run(arguments, cli.json),
        Command::Spec(arguments) => specs::run(arguments, cli.json),
        Command::Lab(arguments) => lab::run(arguments).await,
        Command::Demo(arguments) => demo::run(arguments).await,
        Command::Query(arguments) => query::run(arguments, cli.json).await,
        Command::Doctor(arguments) => doctor::run(arguments, cli.json).await,
        Command::Tenant(arguments) => tenant::run(&arguments.command, cli.json).await,
        Command::Reference(arguments) => {
            console::say(&reference::page(&arguments.name)?);
            Ok(ExitCode::SUCCESS)
        }
    }
}
