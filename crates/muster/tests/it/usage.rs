//! Bad input: a sentence that names the field and the remedy, the right exit code, nothing written.

use crate::command::{muster, sync_once};

const GOOD: &str = "type = \"active_directory\"\nname = \"x\"\n[authentication]\nhost = \"127.0.0.1\"\nport = 1\nbindDn = \"a@b\"\npassword = \"Hidden-Canary-9\"\nprotocol = \"ldap\"\n";

#[test]
fn bad_settings_are_told_with_field_and_remedy() {
    let cases: &[(&str, &str, i32, &[&str])] = &[
        (
            "type = \"active_directory\"",
            "type = \"activedirectory\"",
            2,
            &["there is no connector type `activedirectory`", "one of `active_directory`"],
        ),
        ("name = \"x\"", "name = \" \"", 2, &["setting `name`", "give the connector a name"]),
        ("name = \"x\"", "name = \"x\"\nnonsense = 1", 2, &["line 3", "unknown field `nonsense`"]),
        ("[authentication]", "[authentication", 2, &["line 3"]),
        ("host = \"127.0.0.1\"", "host = \"ldap://127.0.0.1\"", 2, &["authentication.host", "URL"]),
        ("password = \"Hidden-Canary-9\"", "password = \"\"", 2, &["authentication.password", "empty"]),
        ("password = \"Hidden-Canary-9\"", "password = 12345678", 2, &["quotes"]),
        ("protocol = \"ldap\"", "protocol = \"ldaps\"", 2, &["authentication.certificate"]),
        ("protocol = \"ldap\"", "protocol = \"ldap\"\ncertificate = \"missing.pem\"", 2, &["missing.pem"]),
        (
            "protocol = \"ldap\"",
            "protocol = \"ldap\"\n[profile]\nbaseContext = \"muster.test\"",
            2,
            &["profile.baseContext", "distinguished name"],
        ),
        (
            "protocol = \"ldap\"",
            "protocol = \"ldap\"\n[profile]\ntransformMaps = { people = \"default\" }",
            2,
            &["profile.transformMaps.people", "`users`"],
        ),
        (
            "protocol = \"ldap\"",
            "protocol = \"ldap\"\n[profile]\ntransformMaps = { users = \"none.yaml\" }",
            2,
            &["profile.transformMaps.users", "none.yaml"],
        ),
        ("port = 1", "port = 1", 1, &["127.0.0.1:1", "firewall"]),
    ];
    for (old, new, code, words) in cases {
        let scratch = tempfile::tempdir().unwrap();
        let (outcome, left) = sync_once(scratch.path(), &GOOD.replace(old, new));
        assert_eq!(outcome.code, *code, "{new}: {}", outcome.stderr);
        for word in *words {
            assert!(outcome.stderr.contains(word), "{new}: {word}: {}", outcome.stderr);
        }
        assert!(outcome.stderr.starts_with("error: "), "{new}: {}", outcome.stderr);
        assert!(
            !outcome.stderr.contains("Hidden-Canary-9") && !outcome.stderr.contains("12345678"),
            "{new}: {}",
            outcome.stderr
        );
        assert!(outcome.stdout.is_empty(), "{new}");
        assert!(!left.iter().any(|name| name.contains("out.jsonl")), "{new}: {left:?}");
    }
}

#[test]
fn wrong_usage_is_exit_code_two() {
    let missing = ["sync", "/nonexistent/connector.toml"];
    for (arguments, words) in [
        (&["sync"][..], "CONNECTOR.toml"),
        (&missing, "reading `/nonexistent/connector.toml`"),
        (&["sync", "x.toml", "--full"], "--state"),
        (&["sync", "x.toml", "--full", "--sweep", "--state", "s"], "--sweep"),
        (&["query", "", "--state", "/nonexistent"], "there is no store in `/nonexistent`"),
        (&["query", "user.name:(", "--state", "/nonexistent"], "column"),
        (&["query", "x.y:1", "--state", "/nonexistent"], "there is no token `x.y`"),
        (&["query", "", "--class", "dog", "--state", "/nonexistent"], "there is no such class"),
        (&["map", "lint", "/nonexistent.yaml"], "reading `/nonexistent.yaml`"),
        (&["map", "show", "nobody/knows"], "one of `active_directory/containers`"),
        (&["doctor", "--state", "/nonexistent"], "there is no store"),
    ] {
        let outcome = muster(arguments);
        assert_eq!(outcome.code, 2, "{arguments:?}: {}", outcome.stderr);
        assert!(outcome.stderr.contains(words), "{arguments:?}: {}", outcome.stderr);
    }
}

#[test]
fn default_maps_lint_clean_and_pass_their_cases() {
    let lint = muster(&["map", "lint"]);
    assert_eq!(
        (lint.code, lint.stdout.lines().filter(|line| line.ends_with("nothing to say")).count()),
        (0, 3),
        "{}",
        lint.stdout
    );
    let test = muster(&["map", "test", "--json"]);
    assert_eq!(test.code, 0, "{}", test.stdout);
    assert!(
        test.stdout.lines().all(|line| line.contains("\"failed\":[]") && !line.contains("\"passed\":0")),
        "{}",
        test.stdout
    );
}

#[test]
fn a_clone_of_a_default_map_is_previewed_with_the_source_of_each_value() {
    let scratch = tempfile::tempdir().unwrap();
    let map = scratch.path().join("mine.yaml");
    let default = muster(&["map", "show", "active_directory/users"]).stdout;
    std::fs::write(&map, default.replace("source: mail, target", "source: userPrincipalName, target")).unwrap();
    let record = scratch.path().join("record.json");
    std::fs::write(
        &record,
        r#"{"objectGUID":"03020100-0504-0706-0809-0a0b0c0d0e0f","objectSid":"S-1-5-18","userPrincipalName":"a@b"}"#,
    )
    .unwrap();
    let arguments = ["map", "preview", map.to_str().unwrap(), "--record", record.to_str().unwrap(), "--json"];
    let shown: serde_json::Value = serde_json::from_str(&muster(&arguments).stdout).unwrap();
    assert_eq!(shown["asset"]["assetDetail"]["userAssetClass"]["email"], "a@b");
    let email = shown["values"]
        .as_array()
        .unwrap()
        .iter()
        .find(|value| value["target"] == "asset.assetDetail.userAssetClass.email")
        .unwrap();
    assert_eq!((&email["attribute"], &email["provenance"]["version"]), (&"userPrincipalName".into(), &1.into()));
}
