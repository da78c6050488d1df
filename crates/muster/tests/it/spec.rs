//! `muster spec endpoints`: what it prints, where, and how it ends.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::command::muster;

const PETS: &str = "swagger: '2.0'\ninfo: {title: Pets, version: 1.10}\nbasePath: /v1\npaths:\n  /pets:\n    get: {}\n    post: {parameters: 7}\n  /pets/{id}:\n    delete: {security: []}\n";

/// A file of a test's own, and how the command ends that reads it.
fn read(text: &str, json: bool) -> (PathBuf, crate::command::Outcome) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("definition");
    std::fs::write(&file, text).unwrap();
    let mut arguments = vec!["spec", "endpoints", file.to_str().unwrap()];
    arguments.extend(json.then_some("--json"));
    (file.clone(), muster(&arguments))
}

#[test]
fn endpoints_are_lines_and_notes_go_elsewhere() {
    let (_, outcome) = read(PETS, false);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (0, "GET /pets\nPOST /pets\nDELETE /pets/{id}\n"));
    assert_eq!(outcome.stderr, "note: /paths/~1pets/post/parameters: a number where a list belongs\n");
    let (_, outcome) = read("openapi: 3.1.0\npaths: {}\n", false);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (0, ""));
    assert_eq!(outcome.stderr, "note: the document has no endpoints\n");
}

/// Two definitions in one package, which does not say which of them it is.
fn package(file: &std::path::Path) {
    let mut writer = zip::ZipWriter::new(std::fs::File::create(file).unwrap());
    for (name, text) in [
        ("a.raml", "#%RAML 1.0\ntitle: a\n/a:\n  get:\n    is: [none]\n"),
        ("b.raml", "#%RAML 1.0\ntitle: b\n/b: !include parts/b.raml\n"),
        ("parts/b.raml", "put:\n"),
    ] {
        writer.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(text.as_bytes()).unwrap();
    }
    writer.finish().unwrap();
}

#[test]
fn packages_are_read_from_their_root_file_and_say_what_is_missing() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("package");
    package(&file);
    let file = file.to_str().unwrap();
    let one = muster(&["spec", "endpoints", file, "--main", "b.raml"]);
    assert_eq!((one.code, one.stdout.as_str(), one.stderr.as_str()), (0, "PUT /b\n", ""));
    let other = muster(&["spec", "endpoints", file, "--main", "a.raml"]);
    assert_eq!((other.code, other.stdout.as_str()), (0, "GET /a\n"));
    assert_eq!(other.stderr, "partial: /~1a/get/is/0: the trait `none` is declared nowhere\n");
    let neither = muster(&["spec", "endpoints", file]);
    let cause = "caused by: the package holds several files that look like an API definition, and does not say which is it: \
                 `a.raml`, `b.raml`\n\nhint: name its root file with `--main`";
    assert!(neither.code == 1 && neither.stderr.contains(cause), "{}", neither.stderr);
}

#[test]
fn the_whole_reading_is_one_line_of_json() {
    let (_, outcome) = read(PETS, true);
    assert_eq!((outcome.code, outcome.stderr.as_str(), outcome.stdout.lines().count()), (0, "", 1));
    let read: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(read["format"], "swagger");
    assert_eq!(read["apiVersion"], "1.10", "as written");
    assert_eq!(read["servers"], serde_json::json!([{"url": "/v1"}]));
    assert_eq!(read["endpoints"][1]["method"], "POST");
    assert_eq!(read["notes"][0]["pointer"], "/paths/~1pets/post/parameters");
    assert_eq!(read["partial"], serde_json::json!([]));
}

#[test]
fn what_cannot_be_read_says_what_was_seen_and_what_to_do() {
    let (file, outcome) = read("<!DOCTYPE html><html><title>Sign in</title>", false);
    let expected = format!(
        "error: reading `{}`\ncaused by: this is an HTML page, not an OpenAPI or Swagger document\n\nhint: whatever fetched it \
         was sent to a page for people: a sign-in, a portal or an error; fetch the document itself\n",
        file.display()
    );
    assert_eq!((outcome.code, outcome.stdout.as_str(), outcome.stderr), (1, "", expected));
    let (_, outcome) = read("{\"openapi\": ", true);
    let failure: serde_json::Value = serde_json::from_str(&outcome.stderr).unwrap();
    assert_eq!(outcome.code, 1);
    assert!(failure["causes"][0].as_str().unwrap().starts_with("this is not readable as JSON, line 1"), "{failure}");
    let outcome = muster(&["spec", "endpoints", "/does/not/exist"]);
    assert_eq!(outcome.code, 1);
    assert!(
        outcome.stderr.starts_with("error: reading `/does/not/exist`\ncaused by: No such file"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn a_document_may_come_by_stdin() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_muster"))
        .args(["spec", "endpoints", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(PETS.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "GET /pets\nPOST /pets\nDELETE /pets/{id}\n");
}
