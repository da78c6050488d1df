//! Our reader of the wire against `ldap3`'s, byte for byte.

use std::collections::BTreeSet;

use muster_connectors::active_directory::asked;
use muster_connectors::kit::ldap::{Connection, DirectoryReader, Filter, ResultCode, Scope, Search, SearchControls};

use crate::lab::{Lab, config};
use crate::oracle::{Entries, LdapThree, read_all};

fn search(lab: &Lab, stream: &str) -> Search {
    let mut sections = lab.sections();
    sections["profile"]["assets"] = "identities_with_posture".into();
    let (filter, attributes) = asked(&config(&sections), stream).unwrap();
    Search {
        base: lab.fact("base_dn").to_owned(),
        scope: Scope::Subtree,
        filter,
        attributes,
        page_size: 1000,
        controls: SearchControls::default(),
    }
}

fn oracle(lab: &Lab) -> LdapThree {
    LdapThree::connect(&lab.url(), lab.fact("bind_dn"), lab.fact("password"))
}

/// Both read the same, but for what changed while they did: that shows between two readings of ours.
fn agree(lab: &Lab, search: &Search) -> Entries {
    let mut ours = lab.connection();
    let (before, _) = read_all(&mut ours, search);
    let (theirs, _) = read_all(&mut oracle(lab), search);
    let (after, _) = read_all(&mut ours, search);
    assert!(!before.is_empty());
    assert_eq!(before.keys().collect::<BTreeSet<_>>(), theirs.keys().collect::<BTreeSet<_>>());
    for (dn, values) in &before {
        if values == &after[dn] {
            assert_eq!(values, &theirs[dn], "{dn}");
        }
    }
    before
}

fn agree_on_everything(lab: &Lab) -> usize {
    let mut utf8 = 0;
    for stream in ["containers", "users", "groups"] {
        for extended_dn in [false, true] {
            let mut search = search(lab, stream);
            search.controls.extended_dn = extended_dn;
            let entries = agree(lab, &search);
            let guids = entries.values().filter_map(|values| values.get("objectGUID"));
            utf8 += guids.filter(|guid| std::str::from_utf8(&guid[0]).is_ok()).count();
        }
    }
    utf8
}

#[test]
fn every_value_of_the_domain_controller_is_the_oracles() {
    let Some(lab) = Lab::samba() else { return };
    agree_on_everything(&lab);
}

#[test]
fn every_value_of_the_scale_lab_is_the_oracles_even_guids_that_are_text() {
    let Some(lab) = Lab::scale() else { return };
    assert!(agree_on_everything(&lab) > 0, "no objectGUID of the lab is valid UTF-8");
}

#[test]
fn the_size_of_pages_changes_nothing() {
    for lab in [Lab::samba(), Lab::scale()].into_iter().flatten() {
        let mut search = search(&lab, "groups");
        search.attributes = vec!["objectGUID".to_owned(), "member".to_owned()];
        let [small, usual, large] = [7, 1000, 5000].map(|size| {
            search.page_size = size;
            read_all(&mut lab.connection(), &search).0
        });
        assert_eq!(small, usual);
        assert_eq!(usual, large);
    }
}

#[test]
fn scopes_are_as_deep_as_they_say() {
    for lab in [Lab::samba(), Lab::scale()].into_iter().flatten() {
        for scope in [Scope::Base, Scope::One, Scope::Subtree] {
            let search = Search { scope, ..search(&lab, "containers") };
            let found = agree(&lab, &search);
            let head = found.keys().any(|dn| dn.eq_ignore_ascii_case(lab.fact("base_dn")));
            assert_eq!(head, scope != Scope::One, "{scope:?} {:?}", found.keys());
            assert_eq!(found.len() == 1, scope == Scope::Base);
        }
    }
}

#[test]
fn an_organizational_unit_with_an_odd_name_is_a_base() {
    let Some(lab) = Lab::samba() else { return };
    for base in [
        r#"OU=Odd\, \"names\" \+ more,OU=Muster,DC=muster,DC=test"#,
        r"ou=odd\2C \22names\22 \2B more,ou=muster,DC=muster,DC=test",
    ] {
        let search = Search { base: base.to_owned(), ..search(&lab, "users") };
        assert_eq!(agree(&lab, &search).len(), 20, "{base}");
    }
}

#[test]
fn references_to_other_servers_are_counted_and_not_followed() {
    let Some(lab) = Lab::samba() else { return };
    let (entries, references) = read_all(&mut lab.connection(), &search(&lab, "containers"));
    assert_eq!(references, 3);
    assert!(!entries.keys().any(|dn| dn.contains("CN=Configuration") || dn.contains("DC=DomainDnsZones")));
}

fn members(connection: &mut Connection, dn: &str, attribute: &str) -> (Vec<Vec<u8>>, Option<u64>) {
    let search = Search {
        base: dn.to_owned(),
        scope: Scope::Base,
        filter: Filter::Present("objectClass".to_owned()),
        attributes: vec![attribute.to_owned()],
        page_size: 0,
        controls: SearchControls::default(),
    };
    let (mut values, mut next) = (Vec::new(), None);
    let ticket = connection.begin(&search, &[]).unwrap();
    let end = connection.receive(ticket, &mut |entry| {
        for attribute in entry.into_iter().flat_map(|entry| entry.attributes()) {
            let (name, range) = attribute.name_and_range();
            assert!(name.eq_ignore_ascii_case("member"), "{name}");
            next = range.and_then(|range| range.next());
            values.extend(attribute.values().map(<[u8]>::to_vec));
        }
        Ok(())
    });
    assert_eq!(end.unwrap().code, ResultCode::SUCCESS);
    (values, next)
}

#[test]
fn a_set_read_in_ranges_is_the_whole_set() {
    let Some(lab) = Lab::samba() else { return };
    let dn = "CN=All staff,OU=Groups,OU=Muster,DC=muster,DC=test";
    let mut connection = lab.connection();
    let (mut whole, none) = members(&mut connection, dn, "member");
    // The suite of the binary changes this lab: some of the 6,000 may have been deleted by now.
    assert!((5900..=6000).contains(&whole.len()) && none.is_none(), "{} {none:?}", whole.len());
    for step in [1500, 999] {
        let (mut parts, mut from, mut answers) = (Vec::new(), Some(0), 0);
        while let Some(low) = from {
            let high = low + step - 1;
            let (values, next) = members(&mut connection, dn, &format!("member;range={low}-{high}"));
            assert!(next.is_none_or(|next| next == low + step));
            parts.extend(values);
            from = next;
            answers += 1;
        }
        parts.sort();
        whole.sort();
        assert_eq!(parts, whole);
        assert!(answers >= 4);
    }
}

#[test]
fn a_base_that_is_not_there_is_refused_by_its_code() {
    for lab in [Lab::samba(), Lab::scale()].into_iter().flatten() {
        let mut connection = lab.connection();
        let search = Search { base: format!("OU=Nowhere,{}", lab.fact("base_dn")), ..search(&lab, "users") };
        let ticket = connection.begin(&search, &[]).unwrap();
        let end = connection.receive(ticket, &mut |_| Ok(())).unwrap();
        assert_eq!(end.code, ResultCode::NO_SUCH_OBJECT);
    }
}
