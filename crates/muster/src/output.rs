//! What `sync` writes: a line of JSON per asset, and the ledger.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use muster_core::asset::{self, Class};
use muster_core::ledger::{Counters, Evidence, Expected, LedgerLine};
use muster_store::{AssetText, Store};
use serde::Serialize;

use crate::failure::Failure;

/// The folder of definitions beside an output file.
const DEFINITIONS: &str = "definitions";

/// Where assets go: a file that appears whole at the end, a device or pipe as it is, or stdout.
pub(crate) enum Sink {
    File { writer: BufWriter<File>, temporary: PathBuf, target: PathBuf },
    Device(BufWriter<File>),
    Stdout(BufWriter<std::io::Stdout>),
}

impl Sink {
    pub(crate) fn open(path: Option<&Path>) -> anyhow::Result<Self> {
        let Some(target) = path else { return Ok(Self::Stdout(BufWriter::new(std::io::stdout()))) };
        // A link is written through; a device or a pipe is never replaced by a file.
        let target = &target.canonicalize().unwrap_or_else(|_| target.to_path_buf());
        match std::fs::metadata(target) {
            Ok(found) if found.is_dir() => bail!("writing `{}`: it is a directory", target.display()),
            Ok(found) if !found.is_file() => {
                let device = File::options().write(true).open(target);
                let device = device.with_context(|| format!("writing `{}`", target.display()))?;
                return Ok(Self::Device(BufWriter::new(device)));
            }
            _ => {}
        }
        let mut name = target.file_name().map(std::ffi::OsStr::to_os_string).unwrap_or_default();
        name.push(".part");
        let temporary = target.with_file_name(name);
        let file = File::create(&temporary).with_context(|| format!("writing `{}`", temporary.display()))?;
        Ok(Self::File { writer: BufWriter::new(file), temporary, target: target.to_path_buf() })
    }

    fn writer(&mut self) -> &mut dyn Write {
        match self {
            Self::File { writer, .. } | Self::Device(writer) => writer,
            Self::Stdout(writer) => writer,
        }
    }

    pub(crate) fn line(&mut self, document: &impl Serialize) -> std::io::Result<()> {
        let writer = self.writer();
        serde_json::to_writer(&mut *writer, document)?;
        writer.write_all(b"\n")
    }

    /// Where the documents that assets name are written: `definitions` beside a file; nowhere beside all else.
    fn definitions(&self) -> Option<PathBuf> {
        let Self::File { target, .. } = self else { return None };
        Some(target.with_file_name(DEFINITIONS))
    }

    /// Writes a document that assets name, unless it is there: its name is made of its content.
    pub(crate) fn blob(&self, name: &str, bytes: &[u8]) -> std::io::Result<()> {
        let Some(directory) = self.definitions() else { return Ok(()) };
        let (target, temporary) = (directory.join(name), directory.join(format!("{name}.part")));
        if target.exists() {
            return Ok(());
        }
        std::fs::create_dir_all(&directory)?;
        std::fs::write(&temporary, bytes)?;
        std::fs::rename(temporary, target)
    }

    /// Where a document is shown that this output holds.
    pub(crate) fn place(&self, name: &str) -> Option<String> {
        self.definitions().map(|_| format!("{DEFINITIONS}/{name}"))
    }

    /// Makes the file appear under its name.
    pub(crate) fn finish(mut self) -> anyhow::Result<()> {
        self.writer().flush().context("writing the output")?;
        if let Self::File { temporary, target, .. } = &self {
            std::fs::rename(temporary, target).with_context(|| format!("writing `{}`", target.display()))?;
        }
        Ok(())
    }

    /// Removes what was written so far.
    pub(crate) fn discard(self) {
        if let Self::File { temporary, .. } = &self {
            let _ = std::fs::remove_file(temporary);
        }
    }
}

/// Writes assets by id, a thousand at a time.
pub(crate) async fn write_assets(
    store: &Store,
    tenant: i64,
    ids: impl Iterator<Item = i64>,
    sink: &mut Sink,
) -> Result<(), Failure> {
    let mut ids = ids.peekable();
    while ids.peek().is_some() {
        let chunk: Vec<i64> = ids.by_ref().take(1000).collect();
        let mut rows = store.asset_texts(tenant, &chunk).await?;
        rows.sort_by_key(|row| row.id);
        for row in rows.iter_mut().filter(|row| row.class == Class::Api.word()) {
            write_definition(store, tenant, row, sink).await?;
        }
        for row in rows.iter().filter(|row| row.class != "container") {
            sink.line(&line_of(row)).context("writing the output").map_err(Failure::failed)?;
        }
    }
    Ok(())
}

/// Writes an API's definition beside the output, and says in its line where.
async fn write_definition(store: &Store, tenant: i64, row: &mut AssetText, sink: &Sink) -> Result<(), Failure> {
    let told = "writing a definition";
    let mut detail: serde_json::Map<_, _> =
        serde_json::from_str(row.detail.get()).context(told).map_err(Failure::failed)?;
    let Some(name) = asset::definition(&detail).map(str::to_owned) else { return Ok(()) };
    let place = match store.blob(tenant, &name).await? {
        Some(bytes) => {
            sink.blob(&name, &bytes).context(told).map_err(Failure::failed)?;
            sink.place(&name)
        }
        None => None,
    };
    asset::show_definition(&mut detail, place);
    row.detail = serde_json::value::to_raw_value(&detail).context(told).map_err(Failure::failed)?;
    Ok(())
}

/// A line of output; keys in the order in which JSON objects are written everywhere here.
#[derive(Serialize)]
#[serde(untagged)]
enum Line<'a> {
    Asset { asset: Document<'a>, class: &'a str },
    Gone { class: &'a str, gone: Gone<'a> },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    asset_detail: &'a serde_json::value::RawValue,
    asset_header: Header<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Header<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    external_asset_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vendor_asset_id: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Gone<'a> {
    cause: Option<&'a str>,
    external_asset_id: Option<&'a str>,
    vendor_asset_id: Option<&'a str>,
}

fn line_of(row: &AssetText) -> Line<'_> {
    let class = row.class.as_str();
    let (external_asset_id, vendor_asset_id) = (row.external_id.as_deref(), row.vendor_id.as_deref());
    match &row.gone {
        None => {
            let asset_header = Header { external_asset_id, vendor_asset_id };
            Line::Asset { asset: Document { asset_detail: &row.detail, asset_header }, class }
        }
        Some(cause) => Line::Gone { class, gone: Gone { cause: cause.as_deref(), external_asset_id, vendor_asset_id } },
    }
}

/// Prints the ledger as a table on stderr.
pub(crate) fn print_ledger(ledger: &[LedgerLine]) {
    let head = [
        "stream",
        "mode",
        "evidence",
        "expected",
        "received",
        "created",
        "updated",
        "refreshed",
        "unchanged",
        "back",
        "gone",
        "held",
        "rejected",
    ];
    let mut rows: Vec<Vec<String>> = vec![head.iter().map(|&word| word.to_owned()).collect()];
    rows.extend(ledger.iter().map(row_of));
    let widths: Vec<usize> =
        (0..head.len()).map(|at| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0)).collect();
    for row in &rows {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(at, (cell, &width))| if at < 3 { format!("{cell:<width$}") } else { format!("{cell:>width$}") })
            .collect();
        eprintln!("{}", cells.join("  ").trim_end());
    }
    for line in ledger {
        if let Evidence::Open { reason } = &line.evidence {
            eprintln!("{} of {}: {reason}", line.stream, line.scope);
        }
        for note in &line.notes {
            eprintln!("{} of {}: {note}", line.stream, line.scope);
        }
    }
}

fn row_of(line: &LedgerLine) -> Vec<String> {
    let Counters { received, rejected, created, updated, refreshed, unchanged, reappeared, gone, held, .. } =
        line.counters;
    let expected = match line.expected {
        Expected::Unknown => "unknown".to_owned(),
        Expected::NotApplicable => "-".to_owned(),
        Expected::Between { low, high } if low == high => low.to_string(),
        Expected::Between { low, high } => format!("{low}-{high}"),
    };
    let mut row = vec![line.stream.clone(), line.mode.word().to_owned(), line.evidence.word().to_owned(), expected];
    row.extend(
        [received, created, updated, refreshed, unchanged, reappeared, gone, held, rejected]
            .map(|number| number.to_string()),
    );
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_appear_whole_and_devices_stay_devices() {
        let directory = tempfile::tempdir().unwrap();
        let (file, link) = (directory.path().join("out.jsonl"), directory.path().join("link"));
        std::fs::write(&file, "before").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let mut sink = Sink::open(Some(&link)).unwrap();
        sink.line(&serde_json::json!({})).unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "before", "nothing is seen of an unfinished output");
        sink.finish().unwrap();
        assert_eq!(std::fs::read_to_string(&link).unwrap(), "{}\n");
        assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
        let sink = Sink::open(Some(&file)).unwrap();
        sink.discard();
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 2, "nothing is left beside it");
        let null = Sink::open(Some(Path::new("/dev/null"))).unwrap();
        assert!(matches!(null, Sink::Device(_)));
        assert!(Sink::open(Some(directory.path())).is_err());
    }
}
