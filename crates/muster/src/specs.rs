//! `muster spec`: what an API definition says.

use std::io::Read;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use muster_definition::{Definition, DefinitionError, Limits, Seen, read, read_main};

use crate::cli::{SpecArguments, SpecCommand, SpecFile};
use crate::console::{say, say_line};
use crate::failure::Failure;

pub(crate) fn run(arguments: &SpecArguments, json: bool) -> Result<ExitCode, Failure> {
    match &arguments.command {
        SpecCommand::Endpoints(file) => endpoints(file, json),
    }
}

fn endpoints(file: &SpecFile, json: bool) -> Result<ExitCode, Failure> {
    let limits = Limits::default();
    let name = if file.file == Path::new("-") { "stdin".to_owned() } else { format!("`{}`", file.file.display()) };
    let bytes = bytes(&file.file, limits.bytes).with_context(|| format!("reading {name}")).map_err(Failure::failed)?;
    let read = match &file.main {
        Some(main) => read_main(&bytes, main, &limits),
        None => read(&bytes, &limits),
    };
    let definition = read.map_err(|error| {
        let hint = hint(&error);
        Failure::failed(anyhow::Error::new(error).context(format!("reading {name}"))).with_hint(hint)
    })?;
    if json {
        let document =
            serde_json::to_string(&definition).context("writing the reading as JSON").map_err(Failure::failed)?;
        say_line(document);
    } else {
        notes(&definition);
        let lines = definition.endpoints.iter().map(|found| format!("{} {}\n", found.method, found.path));
        say(&lines.collect::<String>());
    }
    Ok(ExitCode::SUCCESS)
}

/// A file's bytes, one more than may be read at most.
fn bytes(file: &Path, most: usize) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let most = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    if file == Path::new("-") {
        std::io::stdin().lock().take(most).read_to_end(&mut bytes)?;
    } else {
        std::fs::File::open(file)?.take(most).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

fn notes(definition: &Definition) {
    definition.partial.iter().for_each(|reason| eprintln!("partial: {reason}"));
    definition.notes.iter().for_each(|note| eprintln!("note: {note}"));
    if definition.notes_left_out > 0 {
        eprintln!("note: and {} more", definition.notes_left_out);
    }
    if definition.endpoints.is_empty() {
        eprintln!("note: the document has no endpoints");
    }
}

fn hint(error: &DefinitionError) -> &'static str {
    match error {
        DefinitionError::NotADefinition { seen: Seen::HtmlPage } => {
            "whatever fetched it was sent to a page for people: a sign-in, a portal or an error; fetch the document itself"
        }
        DefinitionError::NotADefinition { seen: Seen::Nothing } => "whatever wrote it got nothing; fetch it again",
        DefinitionError::NotADefinition { .. } => {
            "Swagger 2.0, OpenAPI 3, RAML 0.8 and 1.0 and WSDL 1.1 are read, alone or in a zip package"
        }
        DefinitionError::Version { .. } => "convert the document to OpenAPI 3",
        DefinitionError::Package { .. } => "name its root file with `--main`, or fetch it again if it is damaged",
        DefinitionError::NoPackage { .. } => "leave out `--main`",
        DefinitionError::Syntax { .. } => "correct the document at that place, or fetch it again if it is cut short",
        DefinitionError::Limit { .. } => "split the document, or leave out what describes no endpoint",
    }
}
