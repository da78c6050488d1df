//! `muster map`: lint, test, preview, show.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use muster_connectors::REGISTRY;
use muster_core::clock::{Clock, Instant, SystemClock};
use muster_core::map::{self, MapFile};
use muster_core::model::StreamModel;

use crate::cli::{MapArguments, MapCommand, MapFiles, PreviewArguments, ShowArguments};
use crate::console::{say, say_line};
use crate::failure::{COMPLETE, FAILED, Failure};

/// A map's text, where it came from, and the stream it is for.
struct Found {
    shown: String,
    text: String,
}

pub(crate) fn run(arguments: &MapArguments, json: bool) -> Result<ExitCode, Failure> {
    match &arguments.command {
        MapCommand::Lint(files) => lint(files, json),
        MapCommand::Test(files) => test(files, json),
        MapCommand::Preview(arguments) => preview(arguments, json),
        MapCommand::Show(arguments) => show(arguments),
    }
}

fn defaults() -> Vec<Found> {
    let all = REGISTRY.iter().flat_map(|kind| kind.default_maps.iter().map(move |map| (kind.spec.type_name, map)));
    all.map(|(type_name, (stream, text))| Found { shown: format!("{type_name}/{stream}"), text: (*text).to_owned() })
        .collect()
}

fn read(path: &Path) -> Result<Found, Failure> {
    let shown = path.display().to_string();
    let text = std::fs::read_to_string(path).with_context(|| format!("reading `{shown}`")).map_err(Failure::usage)?;
    Ok(Found { shown, text })
}

fn all(files: &MapFiles) -> Result<Vec<Found>, Failure> {
    if files.files.is_empty() { Ok(defaults()) } else { files.files.iter().map(|path| read(path)).collect() }
}

/// Parses a map and finds the stream that its head names.
fn parse(found: &Found) -> Result<(MapFile, Arc<StreamModel>), Failure> {
    let file = map::parse(&found.text).with_context(|| format!("map `{}`", found.shown)).map_err(Failure::usage)?;
    let (model, stream) = (&file.data_model.value, &file.stream.value);
    let kinds = REGISTRY.iter().map(|kind| (kind.model)());
    let found_model =
        kinds.into_iter().find(|known| known.name == *model).and_then(|known| known.stream(stream).cloned());
    let known = REGISTRY.iter().flat_map(|kind| {
        let model = (kind.model)();
        let names: Vec<_> = model.streams.iter().map(|stream| format!("`{}`/`{}`", model.name, stream.name)).collect();
        names
    });
    let streams = found_model.ok_or_else(|| {
        Failure::usage(anyhow!("map `{}`: there is no stream `{stream}` in data model `{model}`", found.shown))
            .with_hint(format!("one of {}", known.collect::<Vec<_>>().join(", ")))
    })?;
    Ok((file, streams))
}

fn lint(files: &MapFiles, json: bool) -> Result<ExitCode, Failure> {
    let mut errors = 0;
    for found in all(files)? {
        let (file, model) = parse(&found)?;
        let lints = map::lint(&file, &model);
        errors += lints.iter().filter(|lint| lint.code.is_error()).count();
        for lint in &lints {
            if json {
                let severity = if lint.code.is_error() { "error" } else { "warning" };
                say_line(format_args!(
                    "{}",
                    serde_json::json!({ "map": found.shown, "code": lint.code.word(), "severity": severity, "line": lint.line, "column": lint.column, "message": lint.message })
                ));
            } else {
                say_line(format_args!("{}:{lint}", found.shown));
            }
        }
        if !json && lints.is_empty() {
            say_line(format_args!("{}: nothing to say", found.shown));
        }
    }
    Ok(ExitCode::from(if errors == 0 { COMPLETE } else { FAILED }))
}

fn test(files: &MapFiles, json: bool) -> Result<ExitCode, Failure> {
    let mut failed = 0;
    for found in all(files)? {
        let (file, model) = parse(&found)?;
        let compiled = map::compile(&found.text, &model)
            .with_context(|| format!("map `{}`", found.shown))
            .map_err(Failure::usage)?;
        let failures = map::run_cases(&file, &compiled);
        failed += failures.len();
        let passed = file.cases.len() - failures.len();
        if json {
            let failures: Vec<_> = failures.iter().map(|failure| serde_json::json!({ "case": failure.case, "line": failure.line, "message": failure.message })).collect();
            say_line(serde_json::json!({ "map": found.shown, "passed": passed, "failed": failures }));
        } else {
            say_line(format_args!("{}: {passed} cases passed, {} failed", found.shown, failures.len()));
            failures.iter().for_each(|failure| say_line(format_args!("  {failure}")));
        }
    }
    Ok(ExitCode::from(if failed == 0 { COMPLETE } else { FAILED }))
}

fn find(name: &str) -> Result<Found, Failure> {
    match defaults().into_iter().find(|found| found.shown == name) {
        Some(found) => Ok(found),
        None => read(Path::new(name)),
    }
}

fn show(arguments: &ShowArguments) -> Result<ExitCode, Failure> {
    let known: Vec<_> = defaults().iter().map(|found| format!("`{}`", found.shown)).collect();
    let found = defaults().into_iter().find(|found| found.shown == arguments.map).ok_or_else(|| {
        Failure::usage(anyhow!("there is no default map `{}`", arguments.map))
            .with_hint(format!("one of {}", known.join(", ")))
    })?;
    say(&found.text);
    Ok(ExitCode::SUCCESS)
}

fn preview(arguments: &PreviewArguments, json: bool) -> Result<ExitCode, Failure> {
    let found = find(&arguments.map)?;
    let (_, model) = parse(&found)?;
    let compiled =
        map::compile(&found.text, &model).with_context(|| format!("map `{}`", found.shown)).map_err(Failure::usage)?;
    let as_of = match &arguments.as_of {
        None => SystemClock.now(),
        Some(text) => Instant::from_rfc3339(text).ok_or_else(|| {
            Failure::usage(anyhow!("`--as-of {text}` is not RFC 3339")).with_hint("write it like 2026-01-31T12:00:00Z")
        })?,
    };
    let text = if arguments.record == Path::new("-") {
        std::io::read_to_string(std::io::stdin()).context("reading stdin").map_err(Failure::usage)?
    } else {
        read(&arguments.record)?.text
    };
    let given = serde_json::from_str(&text).context("reading the record as a JSON object").map_err(Failure::usage)?;
    let batch = map::record_from_json(&given, &model)
        .map_err(|message| Failure::usage(anyhow!("reading the record: {message}")))?;
    let Some(record) = batch.get(0) else { return Err(Failure::usage(anyhow!("the record is empty"))) };
    let (mapped, origins) = compiled.preview(record, as_of);
    let mapped = mapped.map_err(|rejection| {
        Failure::failed(anyhow::Error::new(rejection).context("the record would go to the dead letters"))
    })?;
    let values: Vec<_> = origins
        .iter()
        .map(|origin| {
            let provenance = compiled.provenance(&origin.target);
            serde_json::json!({ "target": origin.target, "attribute": origin.attribute, "provenance": provenance })
        })
        .collect();
    let dropped: Vec<_> = mapped
        .dropped
        .iter()
        .map(|dropped| serde_json::json!({ "attribute": dropped.attribute, "reason": dropped.reason }))
        .collect();
    let document = serde_json::json!({
        "asset": mapped.asset.to_document(), "values": values, "dropped": dropped,
        "recheckAt": mapped.recheck_at.map(Instant::to_rfc3339),
    });
    let text = if json { document.to_string() } else { serde_json::to_string_pretty(&document).unwrap_or_default() };
    say_line(format_args!("{text}"));
    Ok(ExitCode::SUCCESS)
}
