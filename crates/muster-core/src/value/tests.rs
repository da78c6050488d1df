use super::*;

fn text(value_type: ValueType, bytes: &[u8]) -> String {
    match decode(value_type, bytes) {
        Ok(Some(value)) => value.to_text(),
        Ok(None) => "none".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn guids_are_mixed_endian_and_come_back() {
    let bytes: Vec<u8> = (0..16).collect();
    assert_eq!(guid_text(&bytes).as_deref(), Ok("03020100-0504-0706-0809-0a0b0c0d0e0f"));
    assert_eq!(guid_bytes("03020100-0504-0706-0809-0a0b0c0d0e0f").as_ref().map(|b| b.to_vec()), Some(bytes));
    assert_eq!(guid_text(&[0; 15]), Err(DecodeError::Guid));
    assert_eq!(guid_bytes("03020100-0504-0706-0809-0a0b0c0d0e0f00"), None);
}

#[test]
fn sids_follow_ms_dtyp() {
    let bytes = sid_bytes("S-1-5-21-1000000001-2000000002-3000000003-512").unwrap();
    assert_eq!(sid_text(&bytes).as_deref(), Ok("S-1-5-21-1000000001-2000000002-3000000003-512"));
    assert_eq!(sid_text(&[1, 0, 0, 1, 0, 0, 0, 0]).as_deref(), Ok("S-1-0x000100000000"));
    for bad in [&[][..], &[1], &[2, 0, 0, 0, 0, 0, 0, 5], &[1, 1, 0, 0, 0, 0, 0, 5], &[1, 16, 0, 0, 0, 0, 0, 5]] {
        assert_eq!(sid_text(bad), Err(DecodeError::Sid), "{bad:?}");
    }
}

#[test]
fn filetimes_know_never() {
    assert_eq!(text(ValueType::Filetime, b"0"), "none");
    assert_eq!(text(ValueType::Filetime, b"9223372036854775807"), "none");
    assert_eq!(text(ValueType::Filetime, b"9223372036854775806"), "none");
    assert_eq!(text(ValueType::Filetime, b"133500000000000000"), "2024-01-17T21:20:00Z");
    assert_eq!(text(ValueType::Filetime, b"-1"), "not a date of the calendar");
    assert_eq!(text(ValueType::Filetime, b"soon"), "not a 64-bit integer");
}

#[test]
fn generalized_time_reads_every_form_of_rfc_4517() {
    for (given, expected) in [
        ("20260101000000.0Z", "2026-01-01T00:00:00Z"),
        ("202601010000Z", "2026-01-01T00:00:00Z"),
        ("2026010100.5Z", "2026-01-01T00:30:00Z"),
        ("20260101120000+0130", "2026-01-01T10:30:00Z"),
        ("20260101120000,25-05", "2026-01-01T17:00:00.25Z"),
        ("20161231235960Z", "2016-12-31T23:59:59Z"),
    ] {
        assert_eq!(text(ValueType::GeneralizedTime, given.as_bytes()), expected, "{given}");
    }
    for bad in [
        "",
        "2026",
        "20261301000000Z",
        "20260101000000",
        "20260101000000.Z",
        "20260101000000+25",
        "２０２６0101000000Z",
    ] {
        assert_eq!(text(ValueType::GeneralizedTime, bad.as_bytes()), "not a date of the calendar", "{bad}");
    }
}

#[test]
fn group_types_become_a_pair() {
    for (bits, pair) in [
        ("-2147483646", "Security, Global"),
        ("-2147483644", "Security, DomainLocal"),
        ("-2147483640", "Security, Universal"),
        ("-2147483643", "Security, BuiltinLocal"),
        ("2", "Distribution, Global"),
        ("0", "Distribution, Unknown"),
    ] {
        assert_eq!(text(ValueType::GroupType, bits.as_bytes()), pair);
    }
}

#[test]
fn intervals_are_positive_microseconds() {
    assert_eq!(decode(ValueType::Interval, b"-18000000000"), Ok(Some(Value::Integer(1_800_000_000))));
    assert_eq!(decode(ValueType::Interval, b"-9223372036854775808"), Ok(Some(Value::Integer(FOREVER_MICROSECONDS))));
    assert_eq!(decode(ValueType::Interval, b"0"), Ok(None));
}

#[test]
fn the_edges_of_every_type_are_values_or_errors() {
    for given in [
        "99991231235959Z",
        "99991231235959.999999999999Z",
        "99991231235959-2359",
        "00010101000000+2359",
        "00000101000000Z",
    ] {
        if let Ok(Some(value)) = decode(ValueType::GeneralizedTime, given.as_bytes()) {
            let _ = (value.to_json(), value.to_text());
        }
    }
    for given in [i64::MIN, i64::MIN + 1, -1, 0, 1, 9, i64::MAX - 1, i64::MAX] {
        let given = given.to_string();
        for value_type in [ValueType::Filetime, ValueType::Interval, ValueType::GroupType, ValueType::Integer] {
            if let Ok(Some(value)) = decode(value_type, given.as_bytes()) {
                let _ = (value.to_json(), value.to_text());
            }
        }
    }
}

#[test]
fn a_list_in_json_stays_one() {
    let read = |text: &str| decode(ValueType::JsonList, text.as_bytes());
    let list = read("[ {\"b\": 1, \"a\": \"x\"},\n \"y\" ]").unwrap().unwrap();
    assert_eq!(list.to_text(), r#"[{"a":"x","b":1},"y"]"#);
    assert_eq!(list.to_json(), serde_json::json!([{ "a": "x", "b": 1 }, "y"]));
    for text in ["", "{}", "[", "7", "[1] 2"] {
        assert_eq!(read(text), Err(DecodeError::JsonList), "{text}");
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { failure_persistence: None, ..proptest::prelude::ProptestConfig::with_cases(2000) })]

    #[test]
    fn identifiers_come_back(guid: [u8; 16], authority in 0_u64..1 << 48, parts in proptest::collection::vec(0..=u32::MAX, 0..=15)) {
        proptest::prop_assert_eq!(guid_bytes(&guid_text(&guid).unwrap()), Some(guid));
        let mut sid = vec![1, u8::try_from(parts.len()).unwrap()];
        sid.extend_from_slice(&authority.to_be_bytes()[2..]);
        sid.extend(parts.iter().flat_map(|part| part.to_le_bytes()));
        proptest::prop_assert_eq!(sid_bytes(&sid_text(&sid).unwrap()), Some(sid));
    }

    #[test]
    fn times_of_the_calendar_come_back(seconds in 0_i64..253_402_300_799) {
        let ticks = (seconds + 11_644_473_600) * 10_000_000;
        let Ok(Some(Value::Time(instant))) = decode(ValueType::Filetime, ticks.to_string().as_bytes()) else {
            panic!("{ticks} is a time");
        };
        proptest::prop_assert_eq!(instant.0, seconds * 1_000_000);
        let digits: String = instant.to_rfc3339().chars().filter(char::is_ascii_digit).collect();
        proptest::prop_assert_eq!(decode(ValueType::GeneralizedTime, format!("{digits}Z").as_bytes()), Ok(Some(Value::Time(instant))));
    }
}
