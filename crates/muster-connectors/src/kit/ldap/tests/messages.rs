//! Our codec against another one, both ways.

use ldap3_proto::control::LdapControl;
use ldap3_proto::proto::{
    LdapBindCred, LdapBindRequest, LdapDerefAliases, LdapFilter, LdapMsg, LdapOp, LdapResult, LdapResultCode,
    LdapSearchRequest, LdapSearchResultReference, LdapSearchScope,
};
use proptest::prelude::*;

use crate::kit::ldap::message::{self, Range, ResultCode};
use crate::kit::ldap::{Entry, Filter, LdapError, Scope, Search, SearchControls};
use crate::testkit::{self, decode, encode};

fn search(filter: Filter) -> Search {
    Search {
        base: "OU=Ünit,DC=muster,DC=test".to_owned(),
        scope: Scope::Subtree,
        filter,
        attributes: vec!["objectGUID".to_owned(), "member;range=0-*".to_owned()],
        page_size: 1000,
        controls: SearchControls::default(),
    }
}

fn sent(search: &Search, cookie: &[u8]) -> LdapMsg {
    decode(&message::envelope(77, &message::search(search), &message::search_controls(search, cookie)))
}

#[test]
fn a_bind_is_what_the_other_codec_reads() {
    let bytes = message::envelope(1, &message::simple_bind("CN=svc,DC=b", "p\u{e4}ss"), &[]);
    let LdapOp::BindRequest(LdapBindRequest { dn, cred, version: 3 }) = decode(&bytes).op else { panic!("not a bind") };
    assert_eq!((dn.as_str(), cred), ("CN=svc,DC=b", LdapBindCred::Simple("p\u{e4}ss".to_owned())));
}

#[test]
fn start_tls_is_an_extended_request() {
    let bytes = message::envelope(i64::from(i32::MAX), &message::extended("1.3.6.1.4.1.1466.20037"), &[]);
    let sent = decode(&bytes);
    assert_eq!(sent.msgid, i32::MAX);
    let LdapOp::ExtendedRequest(request) = sent.op else { panic!("not an extended request") };
    assert_eq!((request.name.as_str(), request.value), ("1.3.6.1.4.1.1466.20037", None));
}

#[test]
fn a_search_is_what_the_other_codec_reads() {
    for (scope, theirs) in [
        (Scope::Base, LdapSearchScope::Base),
        (Scope::One, LdapSearchScope::OneLevel),
        (Scope::Subtree, LdapSearchScope::Subtree),
    ] {
        let ours = Search { scope, ..search(Filter::equal("objectClass", "user")) };
        let found = sent(&ours, b"cook\xffie");
        assert_eq!(found.msgid, 77);
        let expected = LdapSearchRequest {
            base: ours.base,
            scope: theirs,
            aliases: LdapDerefAliases::Never,
            sizelimit: 0,
            timelimit: 0,
            typesonly: false,
            filter: LdapFilter::Equality("objectClass".to_owned(), "user".to_owned()),
            attrs: ours.attributes,
        };
        assert_eq!(found.op, LdapOp::SearchRequest(expected));
        assert_eq!(found.ctrl, [LdapControl::SimplePagedResults { size: 1000, cookie: b"cook\xffie".to_vec() }]);
    }
}

#[test]
fn controls_are_what_the_other_codec_reads() {
    let mut ours = search(Filter::Present("cn".to_owned()));
    ours.page_size = 0;
    ours.controls = SearchControls { show_deleted: true, extended_dn: true };
    let expected =
        [LdapControl::ShowDeleted { criticality: true }, LdapControl::ExtendedDn { criticality: false, format: 1 }];
    assert_eq!(sent(&ours, &[]).ctrl, expected);
    ours.controls = SearchControls::default();
    assert_eq!(sent(&ours, &[]).ctrl, []);
}

#[test]
fn the_text_of_a_filter_is_its_bytes() {
    let filter = Filter::And(vec![
        Filter::Or(vec![Filter::equal("cn", "a*(b)\\c"), Filter::Present("mail".to_owned())]),
        Filter::Not(Box::new(Filter::at_least("uSNChanged", "17"))),
        Filter::And(vec![]),
    ]);
    assert_eq!(filter.to_string(), r"(&(|(cn=a\2a\28b\29\5cc)(mail=*))(!(uSNChanged>=17))(&))");
    assert_eq!(Filter::equal("objectGUID", [0, 255, b'z']).to_string(), r"(objectGUID=\00\ffz)");
    assert_eq!(Filter::equal("cn", "é").to_string(), r"(cn=\c3\a9)");
}

fn filters() -> impl Strategy<Value = Filter> {
    let leaf = prop_oneof![
        ("[a-z][a-z0-9-]{0,8}", "[ -~éж]{1,12}").prop_map(|(name, value)| Filter::equal(&name, value)),
        ("[a-z][a-z0-9-]{0,8}", "[0-9]{1,12}").prop_map(|(name, value)| Filter::at_least(&name, value)),
        "[a-z][a-z0-9-]{0,8}".prop_map(Filter::Present),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(Filter::And),
            prop::collection::vec(inner.clone(), 1..4).prop_map(Filter::Or),
            inner.prop_map(|part| Filter::Not(Box::new(part))),
        ]
    })
}

fn theirs(filter: &Filter) -> LdapFilter {
    let text = |value: &[u8]| String::from_utf8(value.to_vec()).unwrap();
    match filter {
        Filter::And(parts) => LdapFilter::And(parts.iter().map(theirs).collect()),
        Filter::Or(parts) => LdapFilter::Or(parts.iter().map(theirs).collect()),
        Filter::Not(part) => LdapFilter::Not(Box::new(theirs(part))),
        Filter::Equal(name, value) => LdapFilter::Equality(name.clone(), text(value)),
        Filter::AtLeast(name, value) => LdapFilter::GreaterOrEqual(name.clone(), text(value)),
        Filter::Present(name) => LdapFilter::Present(name.clone()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn every_filter_is_what_the_other_codec_reads(filter in filters()) {
        let LdapOp::SearchRequest(found) = sent(&search(filter.clone()), &[]).op else { panic!("not a search") };
        prop_assert_eq!(found.filter, theirs(&filter));
    }

    #[test]
    fn every_entry_of_the_other_codec_is_read_as_it_was_written(
        dn in "[ -~é山]{0,30}",
        attributes in prop::collection::vec(("[a-zA-Z][a-zA-Z0-9-]{0,10}", prop::collection::vec(any::<Vec<u8>>(), 0..4)), 0..6),
        id in 1..i32::MAX,
    ) {
        let borrowed: Vec<(&str, Vec<&[u8]>)> =
            attributes.iter().map(|(name, values)| (name.as_str(), values.iter().map(Vec::as_slice).collect())).collect();
        let lent: Vec<(&str, &[&[u8]])> = borrowed.iter().map(|(name, values)| (*name, values.as_slice())).collect();
        let bytes = encode(testkit::message(id.into(), testkit::entry(&dn, &lent)));
        let header = crate::kit::ldap::ber::header(&bytes).unwrap().unwrap();
        let response = message::response(&bytes[header.size..]).unwrap();
        prop_assert_eq!((response.message_id, response.tag), (i64::from(id), message::ENTRY));
        let entry = Entry::parse(response.contents).unwrap();
        prop_assert_eq!(entry.dn, dn.as_str());
        let read: Vec<(&str, Vec<&[u8]>)> =
            entry.attributes().map(|found| (found.description, found.values().collect())).collect();
        prop_assert_eq!(read, borrowed);
    }
}

fn contents(bytes: &[u8]) -> &[u8] {
    &bytes[crate::kit::ldap::ber::header(bytes).unwrap().unwrap().size..]
}

#[test]
fn results_and_their_paging_are_read() {
    let result = LdapResult {
        code: LdapResultCode::SizeLimitExceeded,
        matcheddn: "DC=b".to_owned(),
        message: "too\u{7} much ".to_owned(),
        referral: vec!["ldap://elsewhere/".to_owned()],
    };
    let mut done = testkit::message(9, LdapOp::SearchResultDone(result));
    done.ctrl.push(LdapControl::ShowDeleted { criticality: true });
    done.ctrl.push(LdapControl::SimplePagedResults { size: 20_015, cookie: vec![0, 255] });
    let bytes = encode(done);
    let response = message::response(contents(&bytes)).unwrap();
    assert_eq!(response.tag, message::SEARCH_DONE);
    let expected = (ResultCode::SIZE_LIMIT_EXCEEDED, "too much".to_owned());
    assert_eq!(message::result(response.contents).unwrap(), expected);
    assert_eq!(message::paging(response.controls).unwrap(), Some((20_015, vec![0, 255])));
    let bytes = encode(testkit::message(9, LdapOp::SearchResultDone(testkit::result(LdapResultCode::Success))));
    assert_eq!(message::paging(message::response(contents(&bytes)).unwrap().controls).unwrap(), None);
}

#[test]
fn references_are_known_by_their_tag() {
    let reference = LdapSearchResultReference { uris: vec!["ldap://elsewhere/".to_owned()] };
    let bytes = encode(testkit::message(3, LdapOp::SearchResultReference(reference)));
    assert_eq!(message::response(contents(&bytes)).unwrap().tag, message::REFERENCE);
}

fn described(description: &str) -> Result<(String, Option<Range>), LdapError> {
    let bytes = encode(testkit::message(1, testkit::entry("", &[(description, &[b"x"])])));
    let entry = Entry::parse(message::response(contents(&bytes))?.contents)?;
    let attribute = entry.attributes().next().unwrap();
    let (name, range) = attribute.name_and_range();
    Ok((name.to_owned(), range))
}

#[test]
fn ranges_are_read_and_other_options_make_other_attributes() {
    for (description, name, range) in [
        ("member", "member", None),
        ("member;range=0-1499", "member", Some(Range { low: 0, high: Some(1499) })),
        ("MEMBER;Range=1500-*", "MEMBER", Some(Range { low: 1500, high: None })),
        ("displayName;lang-en", "displayName;lang-en", None),
        ("cn;", "cn;", None),
        ("cn;rangé", "cn;rangé", None),
    ] {
        assert_eq!(described(description).unwrap(), (name.to_owned(), range), "{description}");
    }
    for bad in [
        "range=",
        "range=5",
        "range=5-4",
        "range=-1-4",
        "range=0-18446744073709551615",
        "range=*-*",
        "range=0-1;binary",
    ] {
        assert!(matches!(described(&format!("member;{bad}")), Err(LdapError::Malformed(_))), "{bad}");
    }
    assert_eq!(Range { low: 0, high: Some(1499) }.next(), Some(1500));
    assert_eq!(Range { low: 1500, high: None }.next(), None);
}
