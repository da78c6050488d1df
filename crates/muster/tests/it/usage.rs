//! Bad input: a sentence that names the field and the remedy, the right exit code, nothing written.

use crate::command::{muster, sync_once};

const GOOD: &str = "type = \"active_directory\"\nname = \"x\"\n[authentication]\nhost = \"127.0.0.1\"\nport = 1\nbindDn = \"a@b\"\npassword = \"Hidden-Canary-9\"\nprotocol = \"ldap\"\n";

/// What is replaced in the good settings, by what, the exit code, and what is said.
const SETTINGS: &[(&str, &str, i32, &[&str])] = &[
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
    ("host = \"127.0.0.1\"\n", "", 2, &["authentication.host", "it is missing", "Name or address"]),
    ("host = \"127.0.0.1\"", "host = \" \"", 2, &["authentication.host", "it is empty", "name or address"]),
    ("host = \"127.0.0.1\"", "host = \"dc1:636\"", 2, &["authentication.host", "it holds a port", "give the port as"]),
    ("host = \"127.0.0.1\"", "host = \"dc 1\"", 2, &["authentication.host", "characters that no host name has"]),
    ("host = \"127.0.0.1\"", "host = [\"a\"]", 2, &["authentication.host", "expected a string"]),
    ("port = 1", "port = 0", 2, &["authentication.port", "it is 0", "389 for LDAP"]),
    ("port = 1", "port = 70000", 2, &["authentication.port", "expected u16", "636 for LDAPS"]),
    ("port = 1", "port = -1", 2, &["authentication.port", "636 for LDAPS"]),
    ("port = 1", "port = \"ldap\"", 2, &["authentication.port", "636 for LDAPS"]),
    ("bindDn = \"a@b\"\n", "", 2, &["authentication.bindDn", "it is missing", "user principal name"]),
    ("bindDn = \"a@b\"", "bindDn = \"\"", 2, &["authentication.bindDn", "it is empty", "user principal name"]),
    (
        "password = \"Hidden-Canary-9\"\n",
        "",
        2,
        &["authentication.password", "it is missing", "The account's password"],
    ),
    ("bindDn =", "binddn =", 2, &["authentication.binddn", "unknown field"]),
    (
        "protocol = \"ldap\"",
        "protocol = \"ldapss\"",
        2,
        &["authentication.protocol", "expected one of `ldap`, `ldaps`, `starttls`", "ldap, ldaps or starttls"],
    ),
    (
        "protocol = \"ldap\"",
        "protocol = \"starttls\"",
        2,
        &["authentication.certificate", "it is missing", "root certificate"],
    ),
    ("port = 1\n", "port = 636\n", 1, &["127.0.0.1:636", "firewall"]),
    (
        "protocol = \"ldap\"",
        "certificate = \"-----BEGIN CERTIFICATE-----\\nnone\\n-----END CERTIFICATE-----\"",
        2,
        &["authentication.certificate", "Base-64 (PEM) or DER"],
    ),
    (
        "protocol = \"ldap\"",
        "certificate = \"connector.toml\"",
        2,
        &["authentication.certificate", "Base-64 (PEM) or DER"],
    ),
    (
        "protocol = \"ldap\"",
        "protocol = \"ldap\"\n[profile]\nbaseContext = [\"DC=a,DC=b\", \"OU=x,DC=a,DC=b\"]",
        2,
        &["profile.baseContext", "`DC=a,DC=b` and `OU=x,DC=a,DC=b` overlap", "leave out the lower one"],
    ),
    (
        "protocol = \"ldap\"",
        "protocol = \"ldap\"\n[profile]\nbaseContext = 7",
        2,
        &["profile.baseContext", "a DN or a list of DNs", "Root DN"],
    ),
    (
        "protocol = \"ldap\"",
        "protocol = \"ldap\"\n[profile]\nsearchScope = \"deep\"",
        2,
        &["profile.searchScope", "expected one of", "base, one or subtree"],
    ),
    (
        "protocol = \"ldap\"",
        "protocol = \"ldap\"\n[profile]\nassets = \"all\"",
        2,
        &["profile.assets", "identities, or identities_with_posture"],
    ),
    ("protocol = \"ldap\"", "protocol = \"ldap\"\n[profile]\npageSize = 0", 2, &["profile.pageSize", "1 to 100000"]),
    (
        "protocol = \"ldap\"",
        "protocol = \"ldap\"\n[profile]\ntimeoutSeconds = 4000",
        2,
        &["profile.timeoutSeconds", "1 to 3600 seconds"],
    ),
    (
        "protocol = \"ldap\"",
        "protocol = \"ldap\"\n[profile]\ntransformMaps = \"default\"",
        2,
        &["profile.transformMaps", "it is not a table", "users = \"default\""],
    ),
    (
        "protocol = \"ldap\"",
        "protocol = \"ldap\"\n[profile]\ntransformMaps = { users = 1 }",
        2,
        &["profile.transformMaps.users", "it is not text", "`default` or the path"],
    ),
    (
        "protocol = \"ldap\"",
        "protocol = \"ldap\"\n[profile]\ntransformMaps = { users = \"connector.toml\" }",
        2,
        &["profile.transformMaps.users", "connector.toml", "muster map lint"],
    ),
    (
        "protocol = \"ldap\"",
        "protocol = \"ldap\"\n[profile]\ntransformMaps = { users = \"lame.yaml\" }",
        2,
        &["profile.transformMaps.users", "12:29: M002 `mial` is not an attribute", "muster map lint", "lame.yaml"],
    ),
    ("port = 1", "port = 1", 1, &["127.0.0.1:1", "firewall"]),
];

#[test]
fn bad_settings_are_told_with_field_and_remedy() {
    let default = muster(&["map", "show", "active_directory/users"]).stdout;
    for (old, new, code, words) in SETTINGS {
        let scratch = tempfile::tempdir().unwrap();
        assert!(GOOD.contains(old), "{old}");
        std::fs::write(scratch.path().join("lame.yaml"), default.replace("source: mail,", "source: mial,")).unwrap();
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
        (&["query", "user.statsu:ACTIVE", "--state", "/nonexistent"], "the nearest is `user.status`"),
        (&["query", "user.status:", "--state", "/nonexistent"], "column 13: expected a value"),
        (&["query", "user.activationDate > yesterday", "--state", "/nonexistent"], "`yesterday` is none"),
        (&["query", "", "--class", "dog", "--state", "/nonexistent"], "there is no such class"),
        (&["query", "", "--limit", "many", "--state", "/nonexistent"], "--limit"),
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
        (0, 5),
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
