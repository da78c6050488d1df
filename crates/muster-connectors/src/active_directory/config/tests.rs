use serde_json::{Value, json};

use super::*;

fn read(authentication: &Value, profile: &Value) -> Result<Config, SettingError> {
    let mut base = json!({ "host": "dc1.muster.test", "bindDn": "svc@muster.test", "password": "canary-5e" });
    let (Value::Object(base), Value::Object(changes)) = (&mut base, authentication) else { panic!("not objects") };
    for (key, value) in changes {
        if value.is_null() {
            base.remove(key);
        } else {
            base.insert(key.clone(), value.clone());
        }
    }
    let sections = json!({ "authentication": base, "profile": profile });
    let sections = sections.as_object().unwrap().clone();
    Config::read(&Settings { sections, base_directory: Some(std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR"))) })
}

/// Bad settings: the section's changes, the field, a word of the problem, a word of the remedy.
#[test]
fn bad_authentication_names_field_problem_and_remedy() {
    let no_certificate = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA==\n-----END PRIVATE KEY-----\n";
    let broken = "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n";
    for (change, field, problem, remedy) in [
        (json!({ "host": null }), "host", "missing", "domain controller"),
        (json!({ "host": " " }), "host", "empty", "domain controller"),
        (json!({ "host": 5 }), "host", "expected a string", "domain controller"),
        (json!({ "host": "ldap://dc1" }), "host", "URL", "only the name or address"),
        (json!({ "host": "dc1:389" }), "host", "port", "`port`"),
        (json!({ "host": "[::1]:389" }), "host", "port", "`port`"),
        (json!({ "host": "dc 1" }), "host", "characters", "domain controller"),
        (json!({ "host": "dc1/x" }), "host", "characters", "domain controller"),
        (json!({ "port": 0 }), "port", "0", "636"),
        (json!({ "port": 65536 }), "port", "expected u16", "636"),
        (json!({ "port": "canary" }), "port", "expected u16", "636"),
        (json!({ "bindDn": null }), "bindDn", "missing", "user principal name"),
        (json!({ "bindDn": "" }), "bindDn", "empty", "user principal name"),
        (json!({ "password": null }), "password", "missing", "password"),
        (json!({ "password": "" }), "password", "empty", "password"),
        (json!({ "password": 12345 }), "password", "number", "password"),
        (json!({ "password": true }), "password", "quotes", "password"),
        (json!({ "password": ["canary"] }), "password", "secret as text", "password"),
        (json!({ "protocol": "ldapx" }), "protocol", "none of those known", "starttls"),
        (json!({ "protocol": "ldaps" }), "certificate", "missing", "root certificate"),
        (json!({ "protocol": "starttls" }), "certificate", "missing", "root certificate"),
        (json!({ "port": 636 }), "certificate", "missing", "root certificate"),
        (json!({ "certificate": "no/such/file.pem" }), "certificate", "no/such/file.pem", "path"),
        (json!({ "certificate": "Cargo.toml" }), "certificate", "neither PEM", "Base-64"),
        (json!({ "certificate": no_certificate }), "certificate", "no certificate", "Base-64"),
        (json!({ "certificate": broken }), "certificate", "neither PEM", "Base-64"),
        (json!({ "hots": "x" }), "hots", "unknown field `hots`", "docs/reference"),
    ] {
        let error = read(&change, &json!({})).unwrap_err();
        assert_eq!(error.field, format!("authentication.{field}"), "{change}");
        assert!(error.problem.contains(problem), "{change}: {}", error.problem);
        assert!(error.remedy.contains(remedy), "{change}: {}", error.remedy);
        let text = format!("{error} {error:?}");
        assert!(!text.contains("canary") && !text.contains("12345"), "{text}");
    }
}

#[test]
fn bad_profiles_name_field_problem_and_remedy() {
    for (profile, field, problem, remedy) in [
        (json!({ "baseContext": "muster.test" }), "baseContext", "`muster.test` is not", "OU=Sales,DC="),
        (json!({ "baseContext": ["DC=a", "b"] }), "baseContext", "`b` is not", "OU=Sales,DC="),
        (json!({ "baseContext": 7 }), "baseContext", "a DN or a list", "Root DN"),
        (json!({ "baseContext": ["DC=b", "ou=X, dc=B"] }), "baseContext", "overlap", "leave out the lower"),
        (json!({ "baseContext": ["DC=b", "dc=B"], "searchScope": "base" }), "baseContext", "overlap", "leave out"),
        (json!({ "searchScope": "sub" }), "searchScope", "none of those known", "subtree"),
        (json!({ "assets": "everything" }), "assets", "none of those known", "identities_with_posture"),
        (
            json!({ "computedAttributes": "yes" }),
            "computedAttributes",
            "expected a boolean",
            "msDS-User-Account-Control-Computed",
        ),
        (json!({ "pageSize": 0 }), "pageSize", "out of range", "100000"),
        (json!({ "pageSize": -1 }), "pageSize", "expected u32", "100000"),
        (json!({ "timeoutSeconds": 0 }), "timeoutSeconds", "out of range", "3600"),
        (json!({ "baseContexts": "DC=b" }), "baseContexts", "unknown field", "docs/reference"),
    ] {
        let error = read(&json!({}), &profile).unwrap_err();
        assert_eq!(error.field, format!("profile.{field}"), "{profile}");
        assert!(error.problem.contains(problem), "{profile}: {}", error.problem);
        assert!(error.remedy.contains(remedy), "{profile}: {}", error.remedy);
    }
}

#[test]
fn a_section_that_is_none_is_told() {
    let sections = json!({ "authentication": "x" }).as_object().unwrap().clone();
    let error = Config::read(&Settings { sections, base_directory: Some(".".into()) }).unwrap_err();
    assert_eq!((error.field.as_str(), error.problem.as_str()), ("authentication", "it is not a section with keys"));
}

#[test]
fn absent_protocols_and_ports_follow_from_each_other() {
    let certificate = include_str!("../../../tests/it/other_ca.pem");
    for (change, encryption, port) in [
        (json!({}), Encryption::Ldap, 389),
        (json!({ "port": 1389 }), Encryption::Ldap, 1389),
        (json!({ "certificate": certificate }), Encryption::Ldaps, 636),
        (json!({ "certificate": certificate, "port": 636 }), Encryption::Ldaps, 636),
        (json!({ "certificate": "tests/it/other_ca.pem", "protocol": "starttls" }), Encryption::StartTls, 389),
        (json!({ "certificate": certificate, "protocol": "ldap" }), Encryption::Ldap, 389),
    ] {
        let connection = read(&change, &json!({})).unwrap().connection;
        assert_eq!((connection.encryption, connection.port), (encryption, port), "{change}");
    }
}

#[test]
fn good_settings_are_taken_as_they_are_meant() {
    for (given, host) in [("[::1]", "::1"), ("::1", "::1"), (" dc1 ", "dc1"), ("fe80::1%eth0", "fe80::1%eth0")] {
        assert_eq!(read(&json!({ "host": given }), &json!({})).unwrap().connection.host, host);
    }
    let siblings = json!({ "baseContext": ["OU=a,DC=b", "OU=b,DC=b"] });
    assert_eq!(read(&json!({}), &siblings).unwrap().bases.len(), 2);
    let nested = json!({ "baseContext": ["DC=b", "OU=b,DC=b"], "searchScope": "one" });
    assert_eq!(read(&json!({}), &nested).unwrap().search_scope, Scope::One);
    assert!(!format!("{:?}", read(&json!({}), &json!({})).unwrap()).contains("canary"));
}
