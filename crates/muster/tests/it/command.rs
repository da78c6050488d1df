//! Running the binary.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value as Json;

/// What a run of the binary came to.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs `muster` with these arguments.
pub(crate) fn muster(arguments: &[&str]) -> Outcome {
    let output = Command::new(env!("CARGO_BIN_EXE_muster")).args(arguments).env_remove("MUSTER_LOG").output().unwrap();
    Outcome {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A connector's settings and its store, in a directory of their own.
pub(crate) struct Installation {
    pub(crate) directory: PathBuf,
    settings: PathBuf,
}

impl Installation {
    pub(crate) fn new(directory: &Path, settings: &str) -> Self {
        std::fs::create_dir_all(directory).unwrap();
        let path = directory.join("connector.toml");
        std::fs::write(&path, settings).unwrap();
        Self { directory: directory.to_path_buf(), settings: path }
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.directory.join("state")
    }

    /// Syncs with the store; gives the exit code, the ledger and the lines written.
    pub(crate) fn sync(&self, more: &[&str]) -> (i32, Json, Vec<Json>) {
        let (out, state) = (self.directory.join("out.jsonl"), self.state());
        let mut arguments = vec![
            "sync",
            self.settings.to_str().unwrap(),
            "--state",
            state.to_str().unwrap(),
            "--out",
            out.to_str().unwrap(),
            "--json",
        ];
        arguments.extend(more);
        let outcome = muster(&arguments);
        let last = outcome.stderr.lines().last().unwrap_or_default();
        let told: Json = serde_json::from_str(last).unwrap_or_else(|_| panic!("not a ledger: {}", outcome.stderr));
        let text = std::fs::read_to_string(&out).unwrap_or_default();
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        (outcome.code, told, lines)
    }

    /// Asks the inventory; a document for each asset.
    pub(crate) fn query(&self, query: &str, more: &[&str]) -> Vec<Json> {
        let state = self.state();
        let mut arguments = vec!["query", query, "--state", state.to_str().unwrap(), "--json", "--limit", "10000"];
        arguments.extend(more);
        let outcome = muster(&arguments);
        assert_eq!(outcome.code, 0, "{query}: {}", outcome.stderr);
        outcome.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    pub(crate) fn digest(&self) -> String {
        let outcome = muster(&["doctor", "--state", self.state().to_str().unwrap(), "--digest"]);
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        outcome.stdout.trim().to_owned()
    }
}

/// The ledger line of a stream.
pub(crate) fn line<'a>(told: &'a Json, stream: &str) -> &'a Json {
    told["ledger"].as_array().unwrap().iter().find(|line| line["stream"] == stream).unwrap()
}

/// One sync of these settings without a store; the outcome, and the files that are there afterwards.
pub(crate) fn sync_once(directory: &Path, settings: &str) -> (Outcome, Vec<String>) {
    let path = directory.join("connector.toml");
    std::fs::write(&path, settings).unwrap();
    let out = directory.join("out.jsonl");
    let outcome = muster(&["sync", path.to_str().unwrap(), "--out", out.to_str().unwrap()]);
    let names = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    (outcome, names.collect())
}
