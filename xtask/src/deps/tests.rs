use super::*;
use serde_json::json;

/// A workspace whose package `from` has one dependency.
fn workspace(from: &str, to: &str, kind: Value) -> Value {
    let others = ARROWS.iter().map(|(name, _)| *name).filter(|name| *name != from);
    let mut packages: Vec<Value> = others.map(|name| json!({"name": name, "dependencies": []})).collect();
    packages.push(json!({"name": from, "dependencies": [{"name": to, "kind": kind}]}));
    json!({ "packages": packages })
}

#[test]
fn arrows_of_the_house_are_allowed() {
    for (from, to) in [
        ("muster-definition", "muster-core"),
        ("muster-connectors", "muster-definition"),
        ("muster-engine", "muster-connectors"),
        ("muster-engine", "muster-store"),
        ("muster-agent", "muster-connectors"),
        ("muster-web", "muster-store"),
        ("muster-lab", "muster-core"),
        ("muster", "muster-web"),
        ("muster-core", "serde"),
    ] {
        assert_eq!(arrows(&workspace(from, to, Value::Null)).unwrap(), Vec::<String>::new(), "{from} -> {to}");
    }
}

#[test]
fn forbidden_edges_are_named() {
    for (from, to) in [
        ("muster-web", "muster-connectors"),
        ("muster-web", "muster-engine"),
        ("muster-connectors", "muster-store"),
        ("muster-core", "muster-store"),
        ("muster-agent", "muster-store"),
        ("muster-store", "muster-engine"),
        ("muster-lab", "muster-connectors"),
        ("xtask", "muster-core"),
        ("muster-engine", "muster"),
    ] {
        let expected = vec![format!("`{from}` may not use `{to}`")];
        assert_eq!(arrows(&workspace(from, to, Value::Null)).unwrap(), expected);
        assert_eq!(arrows(&workspace(from, to, json!("build"))).unwrap(), expected, "a build script is no way round");
        assert!(arrows(&workspace(from, to, json!("dev"))).unwrap().is_empty(), "dev-dependencies are free");
    }
}

#[test]
fn pure_crates_stay_pure() {
    let wrong = arrows(&workspace("muster-core", "tokio", Value::Null)).unwrap();
    assert_eq!(wrong, ["`muster-core` is pure and may not use `tokio`"]);
    let tree = "muster-core v0.1.0 (/somewhere)\nserde v1.0.0\nquiet v1.0.0\ntokio v1.54.0\ntokio v1.54.0 (*)\n";
    assert_eq!(impure("muster-core", tree).len(), 1);
    assert!(impure("muster-core", "muster-core v0.1.0\ntokio-less v1.0.0\n").is_empty());
}

#[test]
fn a_crate_without_arrows_is_an_error() {
    let metadata = json!({"packages": [{"name": "muster-surprise", "dependencies": []}]});
    assert!(arrows(&metadata).unwrap()[0].starts_with("`muster-surprise` is not in the table of arrows"));
}

#[test]
fn banned_packages_are_found_in_the_lock() {
    let names = ["openssl-sys".to_owned()];
    let lock = "[[package]]\nname = \"ring\"\n\n[[package]]\nname = \"openssl-sys\"\nversion = \"1\"\n";
    assert_eq!(banned(lock, &names).len(), 1);
    assert!(banned("name = \"openssl-sys-not\"\n", &names).is_empty());
}
