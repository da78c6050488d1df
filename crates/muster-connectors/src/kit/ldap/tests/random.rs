//! Random and mutated bytes: nothing panics. `MUSTER_SOAK_SECONDS` makes it go on for longer.

use std::time::{Duration, Instant};

use ldap3_proto::control::LdapControl;
use ldap3_proto::proto::{LdapOp, LdapResultCode};
use muster_core::model::ValueType;
use muster_core::record::decode_values;
use muster_core::value::{decode, guid_bytes, guid_text, sid_bytes, sid_text};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::kit::ldap::ber::{self, Reader};
use crate::kit::ldap::{Entry, message};
use crate::testkit::{self, encode};

const TYPES: [ValueType; 9] = [
    ValueType::Text,
    ValueType::Integer,
    ValueType::Boolean,
    ValueType::Guid,
    ValueType::Sid,
    ValueType::Filetime,
    ValueType::GeneralizedTime,
    ValueType::Interval,
    ValueType::GroupType,
];

/// Everything that reads what a server sent. What comes out is never larger than what went in.
fn read(bytes: &[u8]) {
    let _ = ber::header(bytes);
    let mut reader = Reader(bytes);
    while !reader.is_empty() && reader.element().is_ok() {}
    for tag in [ber::INTEGER, ber::ENUMERATED] {
        let _ = Reader(bytes).integer(tag, "");
    }
    let inner = ber::header(bytes).ok().flatten().and_then(|header| bytes.get(header.size..)).unwrap_or(bytes);
    for contents in [bytes, inner] {
        if let Ok(response) = message::response(contents) {
            entry(response.contents);
            answer(response.contents, response.controls);
        }
        entry(contents);
        answer(contents, contents);
    }
    for value_type in TYPES {
        let _ = decode(value_type, bytes);
    }
    let _ = (guid_text(bytes), sid_text(bytes));
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = (guid_bytes(text), sid_bytes(text));
    }
    assert!(decode_values(bytes).iter().map(|(_, value)| value.len() + 6).sum::<usize>() <= bytes.len());
}

fn entry(contents: &[u8]) {
    let Ok(entry) = Entry::parse(contents) else { return };
    let mut size = entry.dn.len();
    for attribute in entry.attributes() {
        let (name, range) = attribute.name_and_range();
        assert!(attribute.description.starts_with(name));
        assert!(range.is_none_or(|range| range.next() != Some(0)));
        size += attribute.description.len() + attribute.values().map(<[u8]>::len).sum::<usize>();
        let _ = (entry.first(name), entry.text(name));
    }
    assert!(size <= contents.len());
}

fn answer(contents: &[u8], controls: &[u8]) {
    if let Ok((_, words)) = message::result(contents) {
        // A replacement character is three bytes for one.
        assert!(words.len() <= 3 * contents.len() && words.chars().count() <= 500);
    }
    if let Ok(Some((_, cookie))) = message::paging(controls) {
        assert!(cookie.len() <= controls.len());
    }
}

/// A message as servers send them.
fn valid() -> impl Strategy<Value = Vec<u8>> {
    let name = prop_oneof![
        Just("objectGUID".to_owned()),
        "[a-zA-Z]{1,12}",
        (any::<u16>(), any::<u16>()).prop_map(|(low, high)| format!("member;range={low}-{high}")),
    ];
    let attributes = prop::collection::vec((name, prop::collection::vec(any::<Vec<u8>>(), 0..3)), 0..5);
    let entry = ("[ -~é]{0,20}", attributes).prop_map(|(dn, attributes)| {
        let lent: Vec<(&str, Vec<&[u8]>)> = attributes
            .iter()
            .map(|(name, values)| (name.as_str(), values.iter().map(Vec::as_slice).collect()))
            .collect();
        let lent: Vec<(&str, &[&[u8]])> = lent.iter().map(|(name, values)| (*name, values.as_slice())).collect();
        encode(testkit::message(1, testkit::entry(&dn, &lent)))
    });
    let done = (any::<Vec<u8>>(), 0..i64::from(i32::MAX)).prop_map(|(cookie, size)| {
        let mut done = testkit::message(1, LdapOp::SearchResultDone(testkit::result(LdapResultCode::Success)));
        done.ctrl.push(LdapControl::SimplePagedResults { size, cookie });
        encode(done)
    });
    prop_oneof![entry, done]
}

/// The same with a few bytes changed, added or cut.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let change = (any::<prop::sample::Index>(), any::<u8>(), 0..4_u8);
    (valid(), prop::collection::vec(change, 0..6)).prop_map(|(mut bytes, changes)| {
        for (place, byte, kind) in changes {
            let place = place.index(bytes.len().max(1));
            match kind {
                0 => bytes.truncate(place),
                1 => bytes.insert(place.min(bytes.len()), byte),
                _ => {
                    if let Some(slot) = bytes.get_mut(place) {
                        *slot = if kind == 2 { byte } else { *slot ^ 1 << (byte % 8) };
                    }
                }
            }
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(3000) })]

    #[test]
    fn random_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        read(&bytes);
    }

    #[test]
    fn mutated_messages_are_read_without_panic(bytes in mutated()) {
        read(&bytes);
    }

    #[test]
    fn random_text_is_decoded_without_panic(text in "[-+0-9TZ.,A-F]{0,24}") {
        read(text.as_bytes());
    }
}

#[test]
fn soak() {
    let seconds = std::env::var("MUSTER_SOAK_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    let until = Instant::now() + Duration::from_secs(seconds);
    let mut runner = TestRunner::new(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() });
    let strategy = prop_oneof![mutated(), prop::collection::vec(any::<u8>(), 0..2000)];
    let mut cases = 0_u64;
    while Instant::now() < until {
        let bytes = strategy.new_tree(&mut runner).unwrap().current();
        if std::panic::catch_unwind(|| read(&bytes)).is_err() {
            panic!("after {cases} cases: {bytes:02x?}");
        }
        cases += 1;
    }
    assert!(cases > 0);
}
