//! Muster's workshop: the checks, tests, benches and generators that the project runs on itself.
//!
//! It is not part of the product and depends on none of its crates. A new verb is a module with a `run`, a line in
//! [`HELP`] and an arm in [`dispatch`].
#![expect(clippy::print_stdout, reason = "a command-line tool: tables and help are its data, progress goes to stderr")]

mod bench;
mod browser;
mod definitions;
mod deps;
mod generate;
mod house;
mod judges;
mod labs;
mod licences;
mod measure;
mod new_connector;
mod openapi;
mod quick;
mod shell;
mod soak;
mod steps;
mod test;

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::shell::Shell;

const HELP: &str = "\
Muster's workshop.

usage: cargo xtask <verb> [options]

  quick                    before every commit, 3 minutes warm: formatting, lints, unit tests and the integration tests
                           that need no server (with a tenth of the kills), crate arrows, licences, file sizes, paths
  test [--without samba] [--without browser]
                           what CI runs, 25 minutes: sets up the tools, then what `quick` looks at, then every suite
                           over SQLite and PostgreSQL, a real Active Directory domain controller (Samba) and OpenLDAP,
                           the console in a browser (Chromium), the API against its description, the reader of
                           definitions against another, the docs and the generated files, and the connectors of Azure
                           and MuleSoft against their makers' specifications and clients where `../shared/labs` is
                           there; starts what it needs on loopback and stops it.
                           Without root the domain controller cannot run, nor a browser be installed: the rest runs, and
                           it ends in failure unless `--without` says that this is meant
  bench ad [options]       times `muster sync` against `ldapsearch` on the labs, in alternating pairs, and prints a
                           table for docs/benchmarks.md: first full, full again, sweep, delta of 100 changes
      --lab samba|scale|simulated|all
                               which lab (default: scale; `simulated` is `muster lab directory`)
      --users N                its size (default: 20000 on samba, 200000 on the others)
      --runs K                 pairs of each kind (default: 3)
      --muster PATH            a binary to measure (default: builds `muster` in release)
  bench hub [options]      readers over REST beside runs of a hub with a large store: times of answers, memory, and that
                           no change is lost
      --users N                (default: 1000000)
      --readers N              (default: 50)
      --data DIR               keeps the store after its first run, which takes minutes, and begins with it next time
      --muster PATH            as above
  bench azure [options]    a first run over a simulated Azure that limits reads, against that limit, and its memory over
                           large definitions
      --apis N                 with large definitions (default: 10000)
      --definition BYTES       (default: 102400)
      --muster PATH            as above
  soak [options]           what finds rare faults by going on for long: random input to the wire reader and the
                           decoders, property tests with ever new cases, and syncs killed at any point
      --seconds N              for each of the random ones (default: 600)
      --kills N                (default: 1000)
  definitions              reads some hundred published API definitions with `muster spec endpoints` and with another
                           reader, and compares what they see; part of `test`
  azure                    reads a mock made of Microsoft's specifications, and `muster lab azure` with a judge before it
                           that holds every request and answer against them; part of `test`
  mulesoft                 the same with MuleSoft's specifications and `muster lab anypoint`, whose business groups,
                           environments and APIs MuleSoft's command line and a Python SDK list, too; part of `test`
  deps                     the crate arrows, banned packages and licences
  gen [--check]            writes the generated files; with --check only says which are stale
  new-connector NAME       lays out the folder of a new connector and its changelog fragment
  help                     this text

environment: CI=true turns incremental compilation off.
The labs are in tests/labs, each with a script `up` and `down`; see tests/labs/README.md.";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            for cause in error.chain().skip(1) {
                eprintln!("caused by: {cause}");
            }
            ExitCode::FAILURE
        }
    }
}

fn dispatch(arguments: &[String]) -> Result<()> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if words.is_empty() || words.iter().any(|word| ["help", "--help", "-h"].contains(word)) {
        println!("{HELP}");
        return Ok(());
    }
    let shell = Shell::new()?;
    match words.as_slice() {
        ["quick"] => quick::run(&shell),
        ["test", options @ ..] => test::run(&shell, options),
        ["bench", options @ ..] => bench::run(&shell, options),
        ["soak", options @ ..] => soak::run(&shell, options),
        ["definitions"] => definitions::alone(&shell),
        ["azure"] => judges::AZURE.alone(&shell),
        ["mulesoft"] => judges::MULESOFT.alone(&shell),
        ["deps"] => deps::run(&shell),
        ["gen"] => generate::run(&shell, generate::Mode::Write),
        ["gen", "--check"] => generate::run(&shell, generate::Mode::Check),
        ["new-connector", name] => new_connector::run(&shell, name),
        ["new-connector", ..] => bail!("`new-connector` takes one name, such as `azure_api_management`"),
        ["quick" | "definitions" | "azure" | "mulesoft" | "deps" | "gen", option, ..] => {
            bail!("`{}` does not take `{option}`; see `cargo xtask help`", words[0])
        }
        [verb, ..] => bail!("there is no verb `{verb}`; see `cargo xtask help`"),
        [] => Ok(()),
    }
}
