//! `muster lab`: simulated sources, for tries and tests.

use std::process::ExitCode;

use muster_lab::anypoint::AnypointOptions;
use muster_lab::azure::AzureOptions;
use muster_lab::directory::DirectoryOptions;
use muster_lab::{LabError, anypoint, azure, directory};

use crate::cli::{LabAnypointArguments, LabArguments, LabAzureArguments, LabCommand, LabDirectoryArguments};
use crate::console::say_line;
use crate::failure::Failure;

pub(crate) async fn run(arguments: &LabArguments) -> Result<ExitCode, Failure> {
    match &arguments.command {
        LabCommand::Directory(arguments) => {
            let running = directory::start(directory_options(arguments)).await?;
            say_line(running.banner());
            interrupted().await;
            running.stop().await;
        }
        LabCommand::Azure(arguments) => {
            let running = azure::start(azure_options(arguments)).await?;
            say_line(running.banner());
            interrupted().await;
            running.stop().await;
        }
        LabCommand::Anypoint(arguments) => {
            let running = anypoint::start(anypoint_options(arguments)).await?;
            say_line(running.banner());
            interrupted().await;
            running.stop().await;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A lab serves until it is interrupted; its data goes with it.
async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

fn directory_options(arguments: &LabDirectoryArguments) -> DirectoryOptions {
    DirectoryOptions {
        listen: arguments.listen,
        control: arguments.control,
        seed: arguments.seed,
        users: arguments.users,
        groups: arguments.groups,
        staff: arguments.staff,
        ..DirectoryOptions::default()
    }
}

fn azure_options(arguments: &LabAzureArguments) -> AzureOptions {
    let LabAzureArguments { listen, seed, subscriptions, services, apis, workspace, definition, page, limited } =
        *arguments;
    let sizes = AzureOptions { subscriptions, services, apis, workspace, ..AzureOptions::default() };
    AzureOptions { listen, seed, definition, page, limited, ..sizes }
}

fn anypoint_options(arguments: &LabAnypointArguments) -> AnypointOptions {
    let LabAnypointArguments { listen, seed, groups, environments, apis, page } = *arguments;
    AnypointOptions { listen, seed, groups, environments, apis, page }
}

impl From<LabError> for Failure {
    fn from(error: LabError) -> Self {
        Self::failed(error)
    }
}
