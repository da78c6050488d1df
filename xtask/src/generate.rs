//! `cargo xtask gen`: files that the product writes about itself, so that a fact is written once.

use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::shell::Shell;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mode {
    Write,
    Check,
}

/// One generated file: where it lies, and the arguments with which `muster` prints it.
struct Generator {
    output: &'static str,
    arguments: &'static [&'static str],
}

/// Every generated file. A reference page, schema or form description gets a line here.
const GENERATORS: &[Generator] = &[
    Generator { output: "docs/reference/cli.md", arguments: &["reference", "cli"] },
    Generator { output: "docs/reference/connector-toml.md", arguments: &["reference", "connector-toml"] },
    Generator { output: "docs/reference/data-model.md", arguments: &["reference", "data-model"] },
    Generator { output: "docs/reference/query-tokens.md", arguments: &["reference", "query-tokens"] },
    Generator { output: "docs/reference/transform-maps.md", arguments: &["reference", "transform-maps"] },
    Generator {
        output: "docs/reference/connectors/active_directory.md",
        arguments: &["reference", "connectors/active_directory"],
    },
    Generator {
        output: "docs/reference/connectors/azure_api_management.md",
        arguments: &["reference", "connectors/azure_api_management"],
    },
    Generator { output: "docs/reference/connectors/mulesoft.md", arguments: &["reference", "connectors/mulesoft"] },
];

pub(crate) fn run(shell: &Shell, mode: Mode) -> Result<()> {
    shell.cargo(&["build", "--quiet", "--locked", "--package", "muster"])?;
    all(shell.root(), GENERATORS, mode, &mut |arguments| {
        let mut words = vec!["run", "--quiet", "--locked", "--package", "muster", "--"];
        words.extend_from_slice(arguments);
        shell.capture("cargo", &words)
    })
}

fn all(
    root: &Path,
    generators: &[Generator],
    mode: Mode,
    print: &mut dyn FnMut(&[&str]) -> Result<String>,
) -> Result<()> {
    let mut stale = Vec::new();
    for generator in generators {
        let wanted = print(generator.arguments).with_context(|| format!("generating `{}`", generator.output))?;
        let path = root.join(generator.output);
        if std::fs::read_to_string(&path).is_ok_and(|found| found == wanted) {
            continue;
        }
        match mode {
            Mode::Check => stale.push(format!("`{}`", generator.output)),
            Mode::Write => {
                let folder = path.parent().unwrap_or(root);
                std::fs::create_dir_all(folder).with_context(|| format!("creating `{}`", folder.display()))?;
                std::fs::write(&path, wanted).with_context(|| format!("writing `{}`", path.display()))?;
                eprintln!("gen: wrote {}", generator.output);
            }
        }
    }
    if !stale.is_empty() {
        bail!("stale: {}; run `cargo xtask gen`", stale.join(", "));
    }
    eprintln!("gen: {} generated files are fresh", generators.len());
    Ok(())
}

#[cfg(test)]
mod tests;
