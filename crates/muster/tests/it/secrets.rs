//! P7: the password is in no output, no file that a run leaves, and no error.

use std::path::Path;
use std::process::Command;

use muster_lab::directory::{ChangeCounts, Faults};
use muster_store::{Location, Store};

use crate::simulated::{directory, installation};

/// Runs the binary with everything logged; gives its exit code and all it said.
fn loud(arguments: &[&str]) -> (Option<i32>, Vec<u8>) {
    let output = Command::new(env!("CARGO_BIN_EXE_muster"))
        .args(arguments)
        .env("MUSTER_LOG", "trace")
        .env("RUST_LOG", "trace")
        .env("RUST_BACKTRACE", "full")
        .output()
        .unwrap();
    (output.status.code(), [output.stdout, output.stderr].concat())
}

fn holds(bytes: &[u8], canary: &str) -> bool {
    bytes.windows(canary.len()).any(|window| window == canary.as_bytes())
}

/// The names of the files below a directory, each without the canary but for the settings.
fn looked_through(directory: &Path, canary: &str) -> Vec<String> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_dir() {
            names.extend(looked_through(&entry.path(), canary));
        } else if name != "connector.toml" {
            let bytes = std::fs::read(entry.path()).unwrap();
            assert!(!holds(&bytes, canary), "`{name}` holds the password");
            names.push(if bytes.is_empty() { format!("{name}, empty") } else { name });
        }
    }
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_found_nowhere() {
    let running = directory(60).await;
    let scratch = tempfile::tempdir().unwrap();
    let installation = installation(&running, scratch.path(), true);
    let banner = running.banner();
    let canary = banner["privilegedPassword"].as_str().unwrap();
    let (settings, out) = (installation.directory.join("connector.toml"), installation.directory.join("out.jsonl"));
    let state = installation.state();
    let (settings, out, state) = (settings.to_str().unwrap(), out.to_str().unwrap(), state.to_str().unwrap());
    assert!(holds(&std::fs::read(settings).unwrap(), canary), "the canary is the password");
    let kept = ["sync", settings, "--state", state, "--out", out];
    let said = |more: &[&str], code: i32| {
        let (ended, said) = tokio::task::block_in_place(|| loud(more));
        assert_eq!(ended, Some(code), "{more:?}: {}", String::from_utf8_lossy(&said));
        assert!(!holds(&said, canary), "{more:?} says the password");
        said
    };
    let log = said(&kept, 0);
    assert!(String::from_utf8_lossy(&log).contains("DEBUG"), "everything is logged");
    // As long as somebody else has the store open, its write-ahead log stays.
    let store = Store::open(&Location::Directory(installation.state())).await.unwrap();
    running.change(7, &ChangeCounts::default());
    said(&[&kept[..], &["--json"]].concat(), 0);
    let names = looked_through(&installation.directory, canary);
    for name in ["muster.db", "muster.db-wal", "out.jsonl"] {
        assert!(names.iter().any(|known| known == name), "`{name}` among {names:?}");
    }
    store.close().await;
    said(&["sync", settings], 0);
    said(&["sync", settings, "--check"], 0);
    said(&["sync", settings, "--check", "--json"], 0);
    said(&["doctor", "--state", state], 0);
    said(&["doctor", "--state", state, "--run", "last", "--json"], 0);
    said(&["query", "", "--state", state, "--json", "--history", "--memberships", "--provenance"], 0);
    for faults in [
        Faults { bind: Some("52e".to_owned()), ..Faults::default() },
        Faults { demands_encryption: true, ..Faults::default() },
    ] {
        running.set_faults(faults);
        said(&kept, 1);
        said(&[&kept[..], &["--json"]].concat(), 1);
        said(&["sync", settings, "--check"], 1);
    }
    running.set_faults(Faults::default());
    // A file of settings that cannot be read is told by its place, not by its text.
    let text = std::fs::read_to_string(settings).unwrap();
    for broken in [
        text.replace("password = '", "password = "),
        text.replace("password = '", "passwort = '"),
        text.replace("password = '", "password = ['").replace("'\n", "']\n"),
        text.replace("[authentication]", "[authentication"),
        text.replace("password = '", "password = '''"),
        text.replace("port =", "port = \"x\" #"),
    ] {
        assert!(holds(broken.as_bytes(), canary));
        std::fs::write(settings, broken).unwrap();
        said(&kept, 2);
        said(&[&kept[..], &["--json"]].concat(), 2);
    }
    looked_through(&installation.directory, canary);
    running.stop().await;
}
