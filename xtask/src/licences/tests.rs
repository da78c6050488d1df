use super::*;
use serde_json::json;

const DENY: &str = r#"
[licenses]
allow = [
# a comment
"MIT",
"Apache-2.0",
"Apache-2.0 WITH LLVM-exception",
]
exceptions = [
{ crate = "odd", allow = ["MPL-2.0"] },
]

[bans]
allow = [
"Evil",
]
"#;

#[test]
fn expressions_are_judged_as_they_are_written() {
    let policy = Policy::read(DENY).unwrap();
    for allowed in [
        "MIT",
        "MIT/Apache-2.0",
        "GPL-3.0-only OR MIT",
        "(GPL-3.0-only OR MIT) AND Apache-2.0",
        "Apache-2.0 WITH LLVM-exception AND MIT",
    ] {
        assert!(policy.allows("any", allowed), "{allowed}");
    }
    for refused in [
        "GPL-3.0-only",
        "MIT AND GPL-3.0-only",
        "GPL-3.0-only OR MIT AND BSD-3-Clause",
        "MPL-2.0",
        "Evil",
        "MIT WITH LLVM-exception",
        "(MIT",
        "MIT )",
        "MIT MIT",
        "MIT OR",
        "",
    ] {
        assert!(!policy.allows("any", refused), "{refused}");
    }
    assert!(policy.allows("odd", "MPL-2.0"), "an exception holds for its package");
}

#[test]
fn packages_without_a_good_licence_are_named() {
    let policy = Policy::read(DENY).unwrap();
    let metadata = json!({"packages": [
        {"name": "good", "license": "MIT"}, {"name": "bare", "license": null}, {"name": "bad", "license": "AGPL-3.0"}]});
    let wrong = wrong(&policy, &metadata);
    assert_eq!(wrong.len(), 2);
    assert_eq!(wrong[0], "`bare` names no licence");
    assert!(wrong[1].starts_with("`bad` has the licence `AGPL-3.0`"));
}

#[test]
fn an_empty_policy_is_an_error() {
    assert!(Policy::read("[licenses]\n").is_err());
    assert!(Policy::read("[licenses]\nallow = [\n\"MIT\",\n]\nexceptions = [\n\"odd\",\n]\n").is_err());
}

#[test]
fn banned_packages_are_those_of_their_own_section() {
    let text = "[licenses]\ndeny = [\n\"x\",\n]\n[bans]\ndeny = [\n# why\n{ crate = \"openssl-sys\" },\n]\n";
    assert_eq!(banned(text).unwrap(), ["openssl-sys"]);
    assert!(banned(DENY).is_err(), "an empty list would check nothing");
}

#[test]
fn the_projects_own_policy_can_be_read() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../deny.toml")).unwrap();
    let policy = Policy::read(&text).unwrap();
    assert!(policy.allows("any", "MIT OR Apache-2.0"));
    assert!(!policy.allows("any", "AGPL-3.0-only"));
    assert_eq!(banned(&text).unwrap(), ["openssl-sys", "native-tls", "aws-lc-sys"]);
}
