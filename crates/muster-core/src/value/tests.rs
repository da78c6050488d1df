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
