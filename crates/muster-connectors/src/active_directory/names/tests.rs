use proptest::prelude::*;

use super::*;

#[test]
fn splits_at_the_first_bare_comma() {
    for (dn, component, rest) in [
        ("CN=a,DC=b", "CN=a", "DC=b"),
        (r"CN=Doe\, John,OU=x,DC=b", r"CN=Doe\, John", "OU=x,DC=b"),
        (r"CN=a\\,DC=b", r"CN=a\\", "DC=b"),
        ("CN=\"a,b\",DC=b", "CN=\"a,b\"", "DC=b"),
        (r#"CN=a\"b,DC=c"#, r#"CN=a\"b"#, "DC=c"),
        ("CN=a;DC=b", "CN=a", "DC=b"),
        ("CN=a, DC=b", "CN=a", "DC=b"),
        ("DC=b", "DC=b", ""),
        ("", "", ""),
        ("\\", "\\", ""),
    ] {
        assert_eq!(split(dn), (component, rest), "{dn}");
    }
}

#[test]
fn tells_names_from_other_text() {
    for good in ["DC=b", "OU=Sales, DC=muster, DC=test", r"CN=x\=y,DC=b", "CN=山田,DC=b", "2.5.4.3=x,DC=b"] {
        assert!(is_dn(good), "{good}");
    }
    for bad in ["", " ", "muster.test", "DC=a,,DC=b", "=x", "CN=,DC=b", "CN= ,DC=b", "OU Sales=x", "DC=b,", ",DC=b"] {
        assert!(!is_dn(bad), "{bad}");
    }
}

#[test]
fn below_means_below() {
    assert!(is_below("cn=A, dc=B", "DC=b"));
    assert!(is_below(r"CN=x,OU=a\2Cb,DC=c", r"ou=A\,B,DC=c"));
    assert!(is_below("OU=MÜLLER,DC=b", "dc=B"));
    assert!(!is_below("DC=b", "DC=b"));
    assert!(!is_below("DC=ab", "DC=b"));
    // An escaped comma separates nothing.
    assert!(!is_below(r"CN=x\,DC=b", "DC=b"));
    assert!(!is_below(r"OU=x\2COU=a,DC=b", "OU=a,DC=b"));
}

#[test]
fn every_way_to_write_a_name_is_the_same_name() {
    for (left, right) in [
        (r#"OU=Odd\, \"names\" \+ more,DC=b"#, r"ou=odd\2c \22names\22 \2b more, dc=B"),
        (r"CN=\ lead,DC=b", r"CN=\20lead,DC=b"),
        (r"CN=trail\ ,DC=b", r"CN=trail\20,DC=b"),
        (r"CN=Z\C3\B6e,DC=b", "cn=zöe,dc=b"),
        (r"CN=a\\b,DC=c", r"CN=a\5Cb,DC=c"),
        ("CN=\"a,b\",DC=c", r"CN=a\,b,DC=c"),
        ("CN = a , DC = b", "cn=a,dc=b"),
    ] {
        assert!(same(left, right), "{left} and {right}: {:?} {:?}", key(left), key(right));
    }
    for (left, right) in
        [(r"CN=\ lead,DC=b", "CN=lead,DC=b"), (r"CN=trail\ ,DC=b", "CN=trail,DC=b"), ("CN=a,DC=b", "CN=a,DC=c")]
    {
        assert!(!same(left, right), "{left} and {right}");
    }
}

#[test]
fn parts_extended_names() {
    assert_eq!(extended("<GUID=aa-bb>;<SID=S-1-5-18>;CN=x,DC=b"), (Some("aa-bb"), "CN=x,DC=b"));
    assert_eq!(extended("<guid=aa-bb>;CN=x,DC=b"), (Some("aa-bb"), "CN=x,DC=b"));
    assert_eq!(extended("CN=<x>,DC=b"), (None, "CN=<x>,DC=b"));
    assert_eq!(extended("<GUID=aa"), (None, "<GUID=aa"));
    assert_eq!(extended("<é>;CN=x").1, "CN=x");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn any_text_is_taken(text in r#"[a-zé,;=\\"<>\- 0-9+]{0,40}"#, other in "\\PC{0,20}") {
        for dn in [&text, &other] {
            let (component, rest) = split(dn);
            prop_assert!(component.len() + rest.len() <= dn.len());
            prop_assert!(same(dn, dn));
            let _ = (is_dn(dn), extended(dn), is_below(dn, &text));
        }
    }

    #[test]
    fn escaped_text_means_itself(text in "[ -~é山]{1,20}") {
        let by_hex: String = text.bytes().map(|byte| format!("\\{byte:02X}")).collect();
        let by_sign: String = text
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || !c.is_ascii() { c.to_string() } else { format!("\\{c}") })
            .collect();
        prop_assert_eq!(key(&format!("CN={by_hex},DC=b")), key(&format!("CN={by_sign},DC=b")));
        let dn = format!("CN={by_hex},DC=b");
        prop_assert_eq!(split(&dn).1, "DC=b");
    }
}

#[test]
fn a_path_runs_from_the_root_and_begins_the_paths_below() {
    use muster_core::connector::overlap;
    let of = |dn: &str| super::path(dn);
    assert_eq!(of("OU=Sales,DC=Lab,DC=test"), ["dc=test", "dc=lab", "ou=sales"]);
    assert_eq!(of(r"OU=Sales\, East,DC=test").len(), 2);
    assert!(overlap(&of("dc=lab, dc=test"), &of("OU=Sales,DC=Lab,DC=test")));
    assert!(overlap(&Vec::new(), &of("DC=test")), "everything overlaps each");
    assert!(!overlap(&of("OU=West,DC=test"), &of("OU=Sales,DC=test")));
}
