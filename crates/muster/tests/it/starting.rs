//! How a hub starts: where it cannot, it says what is wrong, and what to do, soon; its log is what was asked for.

use std::fs::File;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::command::muster;
use crate::hub::{Hub, Place};

/// What `serve` with these arguments says; it ends with that code.
fn refused(arguments: &[&str], code: i32) -> String {
    let begun = Instant::now();
    let outcome = muster(&[&["serve", "--listen", "127.0.0.1:0"], arguments].concat());
    let took = begun.elapsed();
    assert_eq!((outcome.code, outcome.stdout.as_str()), (code, ""), "{arguments:?}: {}", outcome.stderr);
    assert!(took < Duration::from_secs(15), "{arguments:?}: {took:?} (5 s on a quiet machine)");
    outcome.stderr
}

fn says(said: &str, parts: &[&str]) {
    assert!(said.starts_with("error: "), "{said}");
    let mut rest = said;
    for part in parts {
        let at = rest.find(part).unwrap_or_else(|| panic!("`{part}` is missing, or out of order: {said}"));
        rest = &rest[at + part.len()..];
    }
}

#[test]
fn an_address_that_is_taken_is_said() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let data = tempfile::tempdir().unwrap();
    let outcome = muster(&["serve", "--listen", &address, "--data", data.path().to_str().unwrap()]);
    assert_eq!(outcome.code, 1);
    let parts =
        [&format!("listening at `{address}`"), "\ncaused by: ", "in use", "\n\nhint: ", "another program listens"];
    says(&outcome.stderr, &parts);
}

#[test]
fn a_database_that_is_away_or_silent_is_said_soon() {
    let opening = "opening the store at `the PostgreSQL database`";
    let away = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let said = refused(&["--database", &format!("postgres://u:canary@{away}/d")], 1);
    says(&said, &[opening, "\ncaused by: ", "refused", "\n\nhint: ", "whether the database runs"]);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgres://u:canary@{}/d", silent.local_addr().unwrap());
    let silent = refused(&["--database", &url], 1);
    says(&silent, &[opening, "\ncaused by: ", "did not answer within 5 seconds", "\n\nhint: "]);
    let no_url = refused(&["--database", "canary"], 1);
    says(&no_url, &[opening, "\ncaused by: ", "\n\nhint: ", "postgres://user:password@host"]);
    for said in [said, silent, no_url] {
        assert!(!said.contains("canary"), "{said}");
    }
}

#[test]
fn a_wrong_password_of_the_database_is_said() {
    let Ok(url) = std::env::var("MUSTER_TEST_POSTGRES") else {
        eprintln!("SKIPPED: MUSTER_TEST_POSTGRES is not set, this test needs PostgreSQL");
        return;
    };
    let (before, host) = url.rsplit_once('@').unwrap();
    let (user, _) = before.rsplit_once(':').unwrap();
    let said = refused(&["--database", &format!("{user}:canary@{host}")], 1);
    says(&said, &["opening the store", "\ncaused by: ", "password", "\n\nhint: ", "user and the password"]);
    assert!(!said.contains("canary"), "{said}");
}

#[test]
fn a_log_filter_that_says_nothing_is_refused() {
    for filter in ["loud", "info,loud", "muster_engine=loud", "[broken"] {
        let said = refused(&["--data", "/nowhere", "--log", filter], 2);
        says(
            &said,
            &[&format!("reading the log filter `{filter}`"), "\ncaused by: ", "\n\nhint: ", "muster_engine=debug"],
        );
    }
}

#[test]
fn a_directory_that_cannot_be_written_is_said() {
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("file");
    std::fs::write(&file, "").unwrap();
    let below = file.join("hub");
    let said = refused(&["--data", below.to_str().unwrap()], 1);
    says(&said, &[&format!("making `{}`", below.display()), "\ncaused by: ", "\n\nhint: ", "may make and write to"]);
    let held = scratch.path().join("held");
    std::fs::create_dir_all(held.join("lock")).unwrap();
    let said = refused(&["--data", held.to_str().unwrap()], 1);
    says(&said, &["opening `", "lock`", "\ncaused by: ", "\n\nhint: ", "may make and write to"]);
}

#[test]
fn the_log_is_lines_of_json_where_it_shall_be() {
    let scratch = tempfile::tempdir().unwrap();
    let log = scratch.path().join("log");
    let mut hub = Hub::start_told(
        &Place::Directory(scratch.path().join("hub")),
        File::create(&log).unwrap().into(),
        (&["--log-format", "json"], &[("MUSTER_LOG", "muster=debug")]),
    );
    assert_eq!(hub.text("/api/v1/nothing").0, 404);
    hub.signal("-TERM");
    assert!(hub.child.wait().unwrap().success());
    let text = std::fs::read_to_string(&log).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let refused = lines.iter().find(|line| line["code"] == "not_found").unwrap_or_else(|| panic!("{text}"));
    assert_eq!(
        (&refused["level"], &refused["message"]),
        (&json!("DEBUG"), &json!("a request was refused")),
        "{refused}"
    );
    assert!(refused["timestamp"].is_string() && refused["request.id"].is_string(), "{refused}");
}

#[test]
fn a_demo_has_read_its_sources_when_it_says_where_it_is() {
    let data = tempfile::tempdir().unwrap();
    let complete = |hub: &Hub| {
        let runs = hub.get("/api/v1/runs?limit=10");
        let mut names: Vec<String> = runs["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|run| {
                assert_eq!(run["result"], "complete", "{run}");
                let connector = hub.get(&format!("/api/v1/connectors/{}", run["connectorId"].as_str().unwrap()));
                connector["name"].as_str().unwrap().to_owned()
            })
            .collect();
        names.sort();
        names
    };
    let hub = Hub::demo(&data.path().join("whole"), &["--users", "20", "--apis", "3"]);
    assert_eq!(complete(&hub), ["Demo Azure", "Demo MuleSoft", "Demo directory"]);
    // Four services of three APIs, four environments of three instances, and an asset of each business group unserved.
    let apis = hub.get("/api/v1/inventory/apis?limit=1&count=exact");
    assert_eq!(apis["count"]["value"], 4 * 3 + 4 * 3 + 2, "{apis}");
    let small = Hub::demo(&data.path().join("small"), &["--users", "20", "--apis", "0"]);
    assert_eq!(complete(&small), ["Demo directory"]);
}
