//! What is listed is what the directory says is true, and the same for the same seed.

use std::collections::{BTreeMap, BTreeSet};

use ldap3::Scope;
use muster_lab::directory::{DirectoryOptions, TruthClass, TruthRecord, start};

use crate::client::{BASE, Found, GROUPS, USERS, ask, directory, extended_dn, list, list_with, service};

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

const BINARY: [&str; 3] = ["objectGUID", "objectSid", "sIDHistory"];

/// An entry as the truth tells it.
fn told(found: &Found) -> BTreeMap<String, Vec<String>> {
    let text = |name: &str, value: &Vec<u8>| match BINARY.contains(&name) {
        true => hexadecimal(value),
        false => String::from_utf8(value.clone()).unwrap(),
    };
    let plain = found.values.iter().filter(|(name, _)| !name.starts_with("member;") && *name != "member");
    plain.map(|(name, values)| (name.clone(), values.iter().map(|value| text(name, value)).collect())).collect()
}

fn assert_equal(truth: &TruthRecord, found: &Found) {
    assert_eq!(truth.dn, found.dn);
    let mut attributes = truth.attributes.clone();
    attributes.remove("msDS-User-Account-Control-Computed");
    assert_eq!(attributes, told(found), "{}", truth.dn);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paged_listing_is_the_truth() {
    let directory = directory(2500).await;
    let mut ldap = service(&directory).await;
    let truth = directory.truth();
    for (class, filter) in [
        (TruthClass::User, USERS),
        (TruthClass::Group, GROUPS),
        (
            TruthClass::Container,
            "(|(objectClass=organizationalUnit)(objectClass=container)(objectClass=domain)(objectClass=builtinDomain)(objectClass=lostAndFound))",
        ),
    ] {
        let (found, code) = list(&mut ldap, (BASE, Scope::Subtree, filter), &["*"], 250).await;
        assert_eq!(code, Some(0));
        let expected: Vec<_> = truth.iter().filter(|record| record.class == class && !record.deleted).collect();
        assert_eq!(found.len(), expected.len(), "{class:?}");
        for (record, entry) in expected.into_iter().zip(&found) {
            assert_equal(record, entry);
        }
    }
    directory.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_are_those_of_the_truth() {
    let directory = directory(700).await;
    let (truth, counts) = (directory.truth(), directory.counts());
    let count = |class| truth.iter().filter(|record| record.class == class && !record.deleted).count() as u64;
    assert_eq!(counts.users, count(TruthClass::User));
    assert_eq!(counts.users, 704);
    assert_eq!(counts.groups, count(TruthClass::Group));
    assert_eq!(counts.containers, count(TruthClass::Container));
    assert_eq!(counts.memberships, truth.iter().map(|record| record.members.len() as u64).sum::<u64>());
    let guids: BTreeSet<_> = truth.iter().map(|record| &record.guid).collect();
    let sids: BTreeSet<_> = truth.iter().filter_map(|record| record.sid.as_ref()).collect();
    let names: BTreeSet<_> = truth.iter().map(|record| record.dn.to_lowercase()).collect();
    assert_eq!((guids.len(), names.len()), (truth.len(), truth.len()));
    assert_eq!(sids.len() as u64, counts.users + counts.groups + 1);
    let text = |guid: &&&String| std::str::from_utf8(&muster_core::value::guid_bytes(guid).unwrap()).is_ok();
    assert!(guids.iter().filter(|guid| text(guid)).count() >= 1, "some GUIDs are text in UTF-8");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_seed_gives_the_same_directory() {
    let same = [directory(300).await, directory(300).await];
    for directory in &same {
        directory.change(5, &Default::default());
    }
    assert_eq!(same[0].truth(), same[1].truth());
    let other = start(DirectoryOptions { users: 300, seed: 2, ..DirectoryOptions::default() }).await.unwrap();
    assert_ne!(same[0].truth()[80].guid, other.truth()[80].guid);
}

#[tokio::test(flavor = "multi_thread")]
async fn memberships_agree_from_both_sides() {
    let directory = directory(900).await;
    directory.change(3, &Default::default());
    let truth = directory.truth();
    let names: BTreeMap<_, _> = truth.iter().map(|record| (record.guid.clone(), record.dn.clone())).collect();
    let mut of_groups = BTreeSet::new();
    let mut of_members = BTreeSet::new();
    for record in &truth {
        of_groups.extend(record.members.iter().map(|member| (record.dn.clone(), names[member].clone())));
        let groups = record.attributes.get("memberOf").into_iter().flatten();
        of_members.extend(groups.map(|group| (group.clone(), record.dn.clone())));
    }
    assert!(of_groups.len() > 1500, "{}", of_groups.len());
    assert_eq!(of_groups, of_members);
    let group = |place: usize| {
        truth
            .iter()
            .find(|record| record.attributes.get("sAMAccountName") == Some(&vec![format!("g{place:06}")]))
            .unwrap()
    };
    for (outer, inner) in [(0, 1), (1, 4), (4, 13), (13, 39), (39, 0)] {
        assert!(group(outer).members.contains(&group(inner).guid), "{inner} is nested in {outer}");
    }
    assert!(truth.iter().any(|record| record.class == TruthClass::Group && record.members.is_empty()));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_name_leads_to_its_object() {
    let directory = directory(300).await;
    directory.change(1, &Default::default());
    let mut ldap = service(&directory).await;
    for record in directory.truth().iter().filter(|record| !record.deleted) {
        let by_name = (record.dn.as_str(), Scope::Base, "(objectClass=*)");
        let (found, code) = ask(&mut ldap, by_name, &["objectGUID"]).await;
        assert_eq!(code, 0, "{}", record.dn);
        assert_eq!(found[0].guid(), record.guid, "{}", record.dn);
        let by_guid = format!("<GUID={}>", record.guid);
        let (found, _) = ask(&mut ldap, (&by_guid, Scope::Base, "(objectClass=*)"), &["1.1"]).await;
        assert_eq!((found[0].dn.as_str(), found[0].values.len()), (record.dn.as_str(), 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_group_comes_in_forced_ranges() {
    let directory = directory(4000).await;
    let mut ldap = service(&directory).await;
    let truth = directory.truth();
    let staff = truth.iter().find(|record| record.dn.starts_with("CN=All staff")).unwrap();
    assert_eq!(staff.members.len(), 4000);
    let search = (staff.dn.as_str(), Scope::Base, "(objectClass=*)");
    let (found, _) = ask(&mut ldap, search, &["member", "objectGUID"]).await;
    assert_eq!(found[0].values["member"].len(), 0, "the plain attribute is there and empty");
    let mut members = found[0].texts("member;range=0-1499");
    for (asked, given) in [
        ("member;range=1500-*", "member;range=1500-2999"),
        ("Member;Range=3000-3499", "member;range=3000-3499"),
        ("member;range=3500-*", "member;range=3500-*"),
    ] {
        let (found, _) = ask(&mut ldap, search, &[asked]).await;
        members.extend(found[0].texts(given));
    }
    let names: BTreeMap<_, _> = truth.iter().map(|record| (&record.guid, &record.dn)).collect();
    let expected: Vec<_> = staff.members.iter().map(|guid| names[guid].clone()).collect();
    assert_eq!(members, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn extended_names_carry_guid_and_sid() {
    let directory = directory(200).await;
    let mut ldap = service(&directory).await;
    let search = (BASE, Scope::Subtree, GROUPS);
    let (found, _) = list_with(&mut ldap, search, &["member"], (100, vec![extended_dn()])).await;
    let truth = directory.truth();
    let by_guid: BTreeMap<_, _> = truth.iter().map(|record| (record.guid.as_str(), record)).collect();
    let mut checked = 0;
    for value in found.iter().flat_map(|entry| entry.texts("member")) {
        let (guid, rest) = value.strip_prefix("<GUID=").unwrap().split_once(">;<SID=").unwrap();
        let (sid, dn) = rest.split_once(">;").unwrap();
        let record = by_guid[guid];
        assert_eq!((record.sid.as_deref(), record.dn.as_str()), (Some(sid), dn));
        checked += 1;
    }
    assert_eq!(checked, directory.counts().memberships);
    assert!(found[0].dn.starts_with("<GUID="));
}
