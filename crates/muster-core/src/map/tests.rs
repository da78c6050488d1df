use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::clock::Instant;
use crate::model::DataModel;

fn model() -> Arc<StreamModel> {
    let text = "data_model: test\nstreams:\n  - name: users\n    class: user\n    source_key: key\n    attributes:\n      \
                - { id: 1, name: key, type: text, kind: identity }\n      - { id: 2, name: mail, type: text }\n      \
                - { id: 3, name: bits, type: integer }\n      - { id: 4, name: seen, type: filetime, kind: volatile }\n      \
                - { id: 5, name: ends, type: filetime }\n      - { id: 6, name: span, type: interval }\n      \
                - { id: 7, name: password, type: text, kind: secret }\n      - { id: 8, name: both, type: text }\n";
    DataModel::parse(text).unwrap().streams.remove(0)
}

fn map_of(rows: &str) -> String {
    format!(
        "map: test/users\nversion: 3\ndata_model: test\nstream: users\nrows:\n  \
         - {{ source: key, target: asset.assetHeader.externalAssetId, required: true }}\n{rows}"
    )
}

/// What one row makes of a record, as JSON; null where it gives nothing.
fn made(row: &str, given: serde_json::Value) -> serde_json::Value {
    let text = map_of(&format!("  - {{ {row} }}\n"));
    let map = compile(&text, &model()).unwrap_or_else(|error| panic!("{row}: {error}"));
    let mut given = given.as_object().unwrap().clone();
    given.insert("key".to_owned(), json!("k"));
    let batch = record_from_json(&given.into_iter().collect(), &model()).unwrap();
    let mapped = map.apply(batch.get(0).unwrap(), Instant::from_rfc3339("2024-01-17T21:20:00Z").unwrap()).unwrap();
    let document = json!({ "asset": mapped.asset.to_document() });
    let target = map.targets().last().unwrap().to_owned();
    target.split('.').try_fold(&document, |value, key| value.get(key)).cloned().unwrap_or_default()
}

const EMAIL: &str = "target: asset.assetDetail.userAssetClass.email";

#[test]
fn each_function_does_what_its_name_says() {
    for (function, source, given, expected) in [
        ("copy", "source: mail", json!({"mail": "A@b"}), json!("A@b")),
        ("constant: fixed", "source: mail", json!({}), json!("fixed")),
        ("coalesce", "sources: [mail, both]", json!({"both": "x"}), json!("x")),
        ("lower", "source: mail", json!({"mail": "ÄÖ"}), json!("äö")),
        ("upper", "source: mail", json!({"mail": "äö"}), json!("ÄÖ")),
        ("join: { separator: '-' }", "sources: [mail, both]", json!({"mail": "a", "both": "b"}), json!("a-b")),
        (
            "lookup: [{ when: { value: a }, then: one }, { then: other }]",
            "source: mail",
            json!({"mail": "a"}),
            json!("one"),
        ),
        (
            "lookup: [{ when: { value: a }, then: one }, { then: other }]",
            "source: mail",
            json!({"mail": "b"}),
            json!("other"),
        ),
        ("lookup: [{ when: { absent: { attribute: both } }, then: none }]", "source: mail", json!({}), json!("none")),
        (
            "lookup: [{ when: { raw: { attribute: ends, text: '0' } }, then: zero }]",
            "source: mail",
            json!({"ends": "0"}),
            json!("zero"),
        ),
        ("date: { precision: day }", "source: ends", json!({"ends": "133500000000000000"}), json!("2024-01-17")),
        ("bit_test: { mask: 2 }", "source: bits", json!({"bits": 6}), json!("true")),
    ] {
        assert_eq!(
            made(
                &format!("{source}, {EMAIL}, functions: [{{ {function} }}]")
                    .replace("[{ copy }]", "[copy]")
                    .replace("[{ coalesce }]", "[coalesce]")
                    .replace("[{ lower }]", "[lower]")
                    .replace("[{ upper }]", "[upper]"),
                given
            ),
            expected,
            "{function}"
        );
    }
    let split = "source: mail, target: asset.assetDetail.userAssetClass.email, functions: [{ split: { separator: '@' } }, { index: -1 }]";
    assert_eq!(made(split, json!({"mail": "a@b@c"})), json!("c"));
    assert_eq!(made(&split.replace("-1", "9"), json!({"mail": "a@b"})), json!(null));
}

#[test]
fn lints_name_code_line_and_column() {
    let lints = |rows: &str| -> Vec<String> {
        lint(&parse(&map_of(rows)).unwrap(), &model()).iter().map(ToString::to_string).collect()
    };
    let only = |rows: &str| {
        let found = lints(rows);
        assert_eq!(found.len(), 1, "{found:?}");
        found[0].clone()
    };
    assert_eq!(&only("  - { source: mail, target: asset.assetDetail.userAssetClass.emial }\n")[..10], "7:29: M001");
    assert!(
        only("  - { source: mail, target: asset.assetDetail.userAssetClass.emial }\n")
            .contains("nearest: `asset.assetDetail.userAssetClass.email`")
    );
    assert!(
        only(&format!("  - {{ source: mial, {EMAIL} }}\n")).starts_with("7:15: M002"),
        "{}",
        only(&format!("  - {{ source: mial, {EMAIL} }}\n"))
    );
    assert!(only(&format!("  - {{ source: mail, {EMAIL} }}\n  - {{ source: both, {EMAIL} }}\n")).contains("M003"));
    assert!(only(&format!("  - {{ {EMAIL} }}\n")).contains("M004"));
    assert!(only(&format!("  - {{ source: password, {EMAIL} }}\n")).contains("M005"));
    assert!(
        only(&format!("  - {{ source: mail, {EMAIL}, functions: [{{ lookup: [{{ then: a }}, {{ then: b }}] }}] }}\n"))
            .contains("M007")
    );
    assert!(only(&format!("  - {{ sources: [mail, both], {EMAIL} }}\n")).contains("M008"));
    assert!(lints("").is_empty());
}

#[test]
fn unreadable_texts_are_refused_with_their_place() {
    for (text, place) in [("rows: [", ""), ("map: x\nversion: one\n", "line 2"), ("map: x\nnonsense: 1\n", "line 2")] {
        let error = parse(text).unwrap_err().to_string();
        assert!(error.starts_with("reading the transform map: ") && error.contains(place), "{error}");
    }
    assert!(parse(&" ".repeat((1 << 20) + 1)).unwrap_err().to_string().contains("at most"));
}

#[test]
fn provenance_names_map_version_and_every_source() {
    let row = format!(
        "  - {{ source: mail, {EMAIL}, functions: [{{ lookup: [{{ when: {{ past: {{ attribute: ends }} }}, then: x }}] }}] }}\n"
    );
    let map = compile(&map_of(&row), &model()).unwrap();
    let found = map.provenance("asset.assetDetail.userAssetClass.email").unwrap();
    assert_eq!((found.map.as_str(), found.version), ("test/users", 3));
    assert_eq!(
        (found.sources, found.functions),
        (vec!["mail".to_owned(), "ends".to_owned()], vec!["lookup".to_owned()])
    );
    assert_eq!(map.provenance("asset.assetDetail.userAssetClass.phone"), None);
}

#[test]
fn targets_of_volatile_sources_alone_have_no_history() {
    let rows = "  - { source: seen, target: asset.assetDetail.userAssetClass.lastSuccessfulLoginAt }\n";
    let map = compile(&map_of(rows), &model()).unwrap();
    assert!(map.is_volatile("assetDetail.userAssetClass.lastSuccessfulLoginAt"));
    assert!(!map.is_volatile("assetHeader.externalAssetId"));
}
