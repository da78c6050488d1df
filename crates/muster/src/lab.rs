//! `muster lab`: simulated sources, for tries and tests.

use std::process::ExitCode;

use muster_lab::LabError;
use muster_lab::directory::{DirectoryOptions, start};

use crate::cli::{LabArguments, LabCommand};
use crate::console::say_line;
use crate::failure::Failure;

pub(crate) async fn run(arguments: &LabArguments) -> Result<ExitCode, Failure> {
    let LabCommand::Directory(directory) = &arguments.command;
    let options = DirectoryOptions {
        listen: directory.listen,
        control: directory.control,
        seed: directory.seed,
        users: directory.users,
        groups: directory.groups,
        staff: directory.staff,
        ..DirectoryOptions::default()
    };
    let running = start(options).await?;
    say_line(running.banner());
    // It serves until it is interrupted; its data goes with it.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
    running.stop().await;
    Ok(ExitCode::SUCCESS)
}

impl From<LabError> for Failure {
    fn from(error: LabError) -> Self {
        Self::failed(error)
    }
}
