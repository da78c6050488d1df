//! Files that are made to hurt who reads them.

use std::fmt::Write as _;
use std::io::{Cursor, Write as _};

use serde::{Deserialize, Serialize};
use zip::write::SimpleFileOptions;

/// What is wrong with an asset's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum HostileFile {
    /// A package of 60 kB that becomes 60 MB.
    ZipBomb,
    /// A package with entries whose names lead out of it, and a definition.
    Slip,
    /// A package whose main file is a symbolic link to a file of the machine.
    SymbolicLink,
    /// RAML whose files include one another.
    IncludeCycle,
    /// YAML whose aliases double and double.
    AliasBomb,
    /// 5 MB of RAML, with nothing wrong in it.
    Large,
    /// 5 MB of RAML, with as many resources as fit.
    TooMany,
    /// As it should be, with a SHA-1 that is another file's.
    WrongSha1,
    /// As it should be, with an MD5 that is another file's.
    WrongMd5,
    /// The files that Exchange generates are none; the others are as they should be.
    Generated,
}

const ROOT: &str = "#%RAML 1.0\ntitle: Hostile\nversion: v1\nbaseUri: https://hostile.example.com/api\n";
/// The most that Exchange takes.
const LARGE: usize = 5_000_000;

impl HostileFile {
    /// The package that stands for every file of the asset; none where its own do.
    pub(super) fn package(self) -> Option<Vec<u8>> {
        let text = |text: &str| text.to_owned();
        Some(match self {
            Self::ZipBomb => zipped(&[("api.raml", format!("{ROOT}# {}\n", "0".repeat(60_000_000)))]),
            Self::Slip => {
                let names = ["../../../tmp/slip.raml", "/etc/cron.d/slip", "C:/slip.raml", "a\\..\\slip.raml"];
                let placeholders: Vec<String> = names.iter().map(|name| "z".repeat(name.len())).collect();
                let mut files = vec![("api.raml", format!("{ROOT}/items:\n  get:\n"))];
                files.extend(placeholders.iter().map(|name| (name.as_str(), text("slipped"))));
                // The writer mends such names.
                placeholders.iter().zip(names).fold(zipped(&files), |bytes, (from, to)| replaced(bytes, from, to))
            }
            Self::SymbolicLink => {
                let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
                let _ = archive.add_symlink("api.raml", "/etc/passwd", SimpleFileOptions::default());
                finished(archive, &[("exchange.json", text("{\"main\":\"api.raml\"}"))])
            }
            Self::IncludeCycle => zipped(&[
                ("api.raml", format!("{ROOT}/items: !include a.raml\n")),
                ("a.raml", text("get:\n/parts: !include b.raml\n")),
                ("b.raml", text("put:\n/parts: !include a.raml\n")),
            ]),
            Self::AliasBomb => {
                let mut yaml = format!("{ROOT}x0: &x0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
                for n in 0..12 {
                    let _ = writeln!(yaml, "x{}: &x{} [{}]", n + 1, n + 1, vec![format!("*x{n}"); 9].join(", "));
                }
                zipped(&[("api.raml", yaml)])
            }
            Self::Large => zipped(&[(
                "api.raml",
                filled(|n| {
                    let words = "some words that fill the line a bit more than usual, so that it is large";
                    format!(
                        "/items{n}/{{id}}:\n  get:\n    queryParameters:\n      a{n}: {{type: string, required: false}}\n      \
                     b: integer\n    responses:\n      200: {{body: {{application/json: {{type: object, properties: \
                     {{x: string}}, description: \"{words}\"}}}}}}\n  post:\n    body: {{application/json: string}}\n"
                    )
                }),
            )]),
            Self::TooMany => zipped(&[(
                "api.raml",
                filled(|n| format!("/items{n}:\n  get:\n    responses:\n      200:\n  post:\n")),
            )]),
            Self::WrongSha1 | Self::WrongMd5 | Self::Generated => return None,
        })
    }
}

/// RAML of so many pieces that it is large.
fn filled(piece: impl Fn(usize) -> String) -> String {
    let mut raml = ROOT.to_owned();
    for n in 0.. {
        raml.push_str(&piece(n));
        if raml.len() >= LARGE {
            break;
        }
    }
    raml
}

fn zipped(files: &[(&str, String)]) -> Vec<u8> {
    finished(zip::ZipWriter::new(Cursor::new(Vec::new())), files)
}

fn finished(mut archive: zip::ZipWriter<Cursor<Vec<u8>>>, files: &[(&str, String)]) -> Vec<u8> {
    for (name, text) in files {
        // A writer into memory takes what fits.
        let started = archive.start_file(*name, SimpleFileOptions::default());
        let _ = started.and_then(|()| Ok(archive.write_all(text.as_bytes())?));
    }
    archive.finish().map(Cursor::into_inner).unwrap_or_default()
}

/// With one name for another of the same length, wherever it stands.
fn replaced(mut bytes: Vec<u8>, from: &str, to: &str) -> Vec<u8> {
    let places: Vec<usize> =
        bytes.windows(from.len()).enumerate().filter(|(_, part)| *part == from.as_bytes()).map(|(at, _)| at).collect();
    for at in places {
        bytes[at..at + from.len()].copy_from_slice(to.as_bytes());
    }
    bytes
}
