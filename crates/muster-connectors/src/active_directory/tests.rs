use std::sync::Arc;

use muster_core::map;

use super::*;

mod counting;
mod reading;

#[test]
fn default_maps_compile_without_lints_and_pass_their_cases() {
    for (stream, text) in DEFAULT_MAPS {
        let model = MODEL.stream(stream).unwrap();
        let file = map::parse(text).unwrap();
        assert_eq!(map::lint(&file, model), [], "{stream}");
        let compiled = map::compile(text, &Arc::clone(model)).unwrap();
        assert_eq!(map::run_cases(&file, &compiled), [], "{stream}");
        assert!(!file.cases.is_empty(), "{stream}");
    }
}

#[test]
fn default_maps_begin_with_the_rows_of_s3() {
    let table = |stream: &str| -> Vec<(String, String)> {
        let text = CONNECTOR.default_map(stream).unwrap();
        let file = map::parse(text).unwrap();
        let first_addition = file.rows.iter().position(|row| row.addition).unwrap_or(file.rows.len());
        assert!(file.rows[first_addition..].iter().all(|row| row.addition), "additions stand last in {stream}");
        let source = |row: &map::Row| row.document.clone().unwrap_or_else(|| row.sources().join(", "));
        file.rows[..first_addition].iter().map(|row| (source(row), row.target.value.clone())).collect()
    };
    let expect = |rows: &[(&str, &str)]| -> Vec<(String, String)> {
        rows.iter().map(|(source, target)| ((*source).to_owned(), format!("asset.{target}"))).collect()
    };
    assert_eq!(
        table("users"),
        expect(&[
            ("objectSid", "assetHeader.externalAssetId"),
            ("objectGUID", "assetHeader.vendorAssetId"),
            ("objectSid", "assetDetail.userAssetClass.id"),
            ("name", "assetDetail.userAssetClass.name"),
            ("name", "assetDetail.name"),
            ("", "assetDetail.userAssetClass.email"),
            ("givenName", "assetDetail.userAssetClass.firstName"),
            ("sn", "assetDetail.userAssetClass.lastName"),
            ("displayName", "assetDetail.userAssetClass.displayName"),
            ("mobile", "assetDetail.userAssetClass.phone"),
            ("title", "assetDetail.userAssetClass.jobTitle"),
            ("whenCreated", "assetDetail.userAssetClass.activationDate"),
            ("lastLogon", "assetDetail.userAssetClass.lastSuccessfulLoginAt"),
            ("pwdLastSet", "assetDetail.userAssetClass.passwordLastChangedAt"),
            ("accountExpires", "assetDetail.userAssetClass.accountExpirationAt"),
            ("badPwdCount", "assetDetail.userAssetClass.failedPasswordAttemptCount"),
            ("badPasswordTime", "assetDetail.userAssetClass.lastFailedPasswordAttemptAt"),
            ("city", "assetDetail.userAssetClass.currentAddress.city"),
            ("Country", "assetDetail.userAssetClass.currentAddress.country"),
            ("streetAddress", "assetDetail.userAssetClass.currentAddress.streetAddress"),
            ("State", "assetDetail.userAssetClass.currentAddress.state"),
            ("FUNCTION_PICKER", "assetDetail.userAssetClass.status"),
        ])
    );
    assert_eq!(
        table("groups"),
        expect(&[
            ("objectSid", "assetHeader.externalAssetId"),
            ("objectGUID", "assetHeader.vendorAssetId"),
            ("objectSid", "assetDetail.groupAssetClass.id"),
            ("name", "assetDetail.groupAssetClass.name"),
            ("name", "assetDetail.name"),
            ("displayName", "assetDetail.groupAssetClass.displayName"),
            ("description", "assetDetail.groupAssetClass.description"),
            ("groupType", "assetDetail.groupAssetClass.type"),
            ("FUNCTION_PICKER (based on groupType[1] lookup)", "assetDetail.groupAssetClass.visibility"),
        ])
    );
}

#[test]
fn secrets_are_never_asked_for() {
    for model in &MODEL.streams {
        let secrets = model.attributes.iter().filter(|found| found.kind == muster_core::model::AttributeKind::Secret);
        let settings = serde_json::json!({
            "authentication": { "host": "h", "bindDn": "u", "password": "p" },
            "profile": { "assets": "identities_with_posture", "computedAttributes": true },
        });
        let sections = settings.as_object().unwrap().clone();
        let config = Config::read(&Settings { sections, base_directory: Some(".".into()) }).unwrap();
        let asked = records::attributes(model, &config);
        for secret in secrets {
            assert!(!asked.iter().any(|name| name.eq_ignore_ascii_case(&secret.name)), "{}", secret.name);
        }
    }
}
