//! The binary: command line, settings, wiring. Data to stdout, all else to stderr.

mod cli;
mod connector_file;
mod console;
mod demo;
mod doctor;
mod failure;
mod keys;
mod lab;
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
mod tenant;

use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use cli::{Cli, Command};
use failure::Failure;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // clap prints help to stdout and errors to stderr itself; wrong usage is exit code 2.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    if let Err(failure) = start_log(cli.log.as_deref()) {
        return failure.report(cli.json);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return Failure::failed(anyhow::Error::new(error).context("starting the runtime")).report(cli.json);
        }
    };
    match runtime.block_on(run(&cli)) {
        Ok(code) => code,
        Err(failure) => failure.report(cli.json),
    }
}

async fn run(cli: &Cli) -> Result<ExitCode, Failure> {
    match &cli.command {
        Command::Serve(arguments) => serve::run(arguments, cli.json).await,
        Command::Sync(arguments) => sync::sync(arguments, cli.json).await,
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

fn start_log(filter: Option<&str>) -> Result<(), Failure> {
    let given = filter.unwrap_or("error");
    let refused = |why: anyhow::Error| {
        Failure::usage(why.context(format!("reading the log filter `{given}`")))
            .with_hint("one of error, warn, info, debug, trace and off, or parts like `muster_engine=debug`, by commas")
    };
    // A word alone that is no level would be taken for the name of a part of the program, and nothing be logged.
    let is_level = |word: &str| word.parse::<LevelFilter>().is_ok();
    if let Some(word) = given.split(',').map(str::trim).find(|word| !word.contains(['=', '[']) && !is_level(word)) {
        return Err(refused(anyhow::anyhow!("`{word}` is no level")));
    }
    let filter = EnvFilter::try_new(given).map_err(|error| refused(error.into()))?;
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    Ok(())
}
