use proptest::prelude::*;

use crate::kit::ldap::ber::{self, Header, Reader};

#[test]
fn lengths_take_the_form_that_fits() {
    for (length, header) in [
        (0, &[0x04, 0x00][..]),
        (127, &[0x04, 0x7f]),
        (128, &[0x04, 0x81, 0x80]),
        (255, &[0x04, 0x81, 0xff]),
        (256, &[0x04, 0x82, 0x01, 0x00]),
        (65_535, &[0x04, 0x82, 0xff, 0xff]),
        (65_536, &[0x04, 0x83, 0x01, 0x00, 0x00]),
    ] {
        let mut out = Vec::new();
        ber::put(&mut out, ber::OCTET_STRING, &vec![7; length]);
        assert!(out.starts_with(header), "{length}: {:?}", &out[..header.len()]);
        assert_eq!(out.len(), header.len() + length);
        let mut reader = Reader(&out);
        assert_eq!(reader.expect(ber::OCTET_STRING, "").unwrap().len(), length);
        assert!(reader.is_empty());
    }
}

#[test]
fn lengths_longer_than_needed_are_read() {
    for header in [&[0x04, 0x81, 0x01][..], &[0x04, 0x84, 0, 0, 0, 1], &[0x04, 0x88, 0, 0, 0, 0, 0, 0, 0, 1]] {
        let bytes = [header, &[9]].concat();
        assert_eq!(Reader(&bytes).element().unwrap(), (0x04, &[9][..]));
    }
}

#[test]
fn integers_take_the_least_bytes() {
    for (value, contents) in [
        (0, &[0x00][..]),
        (127, &[0x7f]),
        (128, &[0x00, 0x80]),
        (-1, &[0xff]),
        (-128, &[0x80]),
        (-129, &[0xff, 0x7f]),
        (i64::MAX, &[0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        (i64::MIN, &[0x80, 0, 0, 0, 0, 0, 0, 0]),
    ] {
        let mut out = Vec::new();
        ber::put_integer(&mut out, ber::INTEGER, value);
        assert_eq!(&out[2..], contents, "{value}");
        assert_eq!(Reader(&out).integer(ber::INTEGER, "").unwrap(), value);
    }
}

#[test]
fn headers_wait_for_bytes_or_refuse_them() {
    for unfinished in [&[][..], &[0x30], &[0x30, 0x82], &[0x30, 0x82, 0x01], &[0x30, 0x88, 0, 0, 0]] {
        assert_eq!(ber::header(unfinished).unwrap(), None, "{unfinished:?}");
    }
    assert_eq!(ber::header(&[0x30, 0x82, 1, 2]).unwrap(), Some(Header { tag: 0x30, length: 258, size: 4 }));
    // An indefinite length, one of more than 8 bytes, a tag of more than one byte.
    for bad in [&[0x30, 0x80][..], &[0x30, 0x89], &[0x30, 0xff], &[0x1f, 0x81], &[0xbf, 0x20, 0]] {
        assert!(ber::header(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn hostile_elements_are_errors() {
    for bad in [
        &[][..],
        &[0x04],
        &[0x04, 0x05, 1, 2],
        &[0x04, 0x80],
        &[0x04, 0x88, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        &[0x04, 0x88, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
    ] {
        assert!(Reader(bad).element().is_err(), "{bad:?}");
    }
    for bad in [&[0x02, 0x00][..], &[0x02, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9], &[0x04, 1, 1], &[0x02, 2, 1]] {
        assert!(Reader(bad).integer(ber::INTEGER, "").is_err(), "{bad:?}");
    }
    assert_eq!(Reader(&[0x02, 1, 5]).optional(ber::BOOLEAN).unwrap(), None);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn integers_come_back(value: i64) {
        let mut out = Vec::new();
        ber::put_integer(&mut out, ber::ENUMERATED, value);
        prop_assert_eq!(Reader(&out).integer(ber::ENUMERATED, "").unwrap(), value);
        prop_assert!(out.len() <= 10);
    }

    #[test]
    fn elements_come_back(contents: Vec<u8>, tag in 0_u8..0x1f, rest: Vec<u8>) {
        let mut out = Vec::new();
        ber::put(&mut out, tag, &contents);
        out.extend(&rest);
        let mut reader = Reader(&out);
        prop_assert_eq!(reader.element().unwrap(), (tag, &contents[..]));
        prop_assert_eq!(reader.0, &rest[..]);
    }
}
