//! Deltas and tombstones.

use std::collections::BTreeSet;

use ldap3::Scope;
use muster_lab::directory::{ChangeCounts, GroupCounts, MembershipCounts, RunningDirectory, UserCounts};

use crate::client::{BASE, GROUPS, SHOW_DELETED, USERS, administrator, bare, directory, list, list_with, service};

const TOMBSTONES: &str = "<WKGUID=18E2EA80684F11D2B9AA00C04F79F805,DC=muster,DC=test>";

fn usn(directory: &RunningDirectory) -> i64 {
    directory.change(0, &ChangeCounts::none()).highest_committed_usn
}

fn every_kind() -> ChangeCounts {
    ChangeCounts {
        users: UserCounts { modify: 9, disable: 3, rename: 4, r#move: 5, delete: 6, create: 7, change_sid: 2 },
        groups: GroupCounts { modify: 2, rename: 1, delete: 2, create: 1 },
        memberships: MembershipCounts { add: 8, remove: 8 },
        rename_ou: 2,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delta_holds_exactly_what_changed() {
    let directory = directory(1200).await;
    let mut ldap = service(&directory).await;
    for seed in 1..4 {
        let before = usn(&directory);
        let report = directory.change(seed, &every_kind());
        let users = &report.users;
        let expected: BTreeSet<_> =
            [&users.modified, &users.disabled, &users.renamed, &users.moved, &users.created, &users.new_sid]
                .into_iter()
                .flatten()
                .cloned()
                .collect();
        assert_eq!(expected.len(), 30);
        let filter = format!("(&{USERS}(uSNChanged>={}))", before + 1);
        let (found, _) = list(&mut ldap, (BASE, Scope::Subtree, &filter), &["*"], 10).await;
        assert_eq!(found.iter().map(|entry| entry.guid()).collect::<BTreeSet<_>>(), expected);
        assert!(found.iter().all(|entry| entry.texts("uSNChanged")[0].parse::<i64>().unwrap() > before));

        let groups = &report.groups;
        let deleted: BTreeSet<_> = groups.deleted.iter().cloned().collect();
        let mut expected: BTreeSet<_> =
            [&groups.modified, &groups.renamed, &groups.created].into_iter().flatten().cloned().collect();
        let pairs = report.memberships_added.iter().chain(&report.memberships_removed);
        expected.extend(pairs.map(|(group, _)| group.clone()));
        let filter = format!("(&{GROUPS}(uSNChanged>={}))", before + 1);
        let (found, _) = list(&mut ldap, (BASE, Scope::Subtree, &filter), &["*"], 10).await;
        assert_eq!(found.iter().map(|entry| entry.guid()).collect::<BTreeSet<_>>(), expected);
        assert!(expected.is_disjoint(&deleted));

        let filter = format!("(&(objectClass=organizationalUnit)(uSNChanged>={}))", before + 1);
        let (found, _) = list(&mut ldap, (BASE, Scope::Subtree, &filter), &["*"], 10).await;
        assert_eq!(
            found.iter().map(|entry| entry.guid()).collect::<BTreeSet<_>>(),
            report.renamed_ous.into_iter().collect()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn memberships_change_as_reported() {
    let directory = directory(500).await;
    let members = |directory: &RunningDirectory, group: &str| {
        directory.truth().into_iter().find(|record| record.guid == group).unwrap().members
    };
    let counts = ChangeCounts { memberships: MembershipCounts { add: 5, remove: 0 }, ..ChangeCounts::none() };
    for (group, user) in directory.change(1, &counts).memberships_added {
        assert!(members(&directory, &group).contains(&user));
    }
    let counts = ChangeCounts { memberships: MembershipCounts { add: 0, remove: 5 }, ..ChangeCounts::none() };
    for (group, user) in directory.change(2, &counts).memberships_removed {
        assert!(!members(&directory, &group).contains(&user));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tombstones_are_for_the_privileged() {
    let directory = directory(300).await;
    let before = usn(&directory);
    let report = directory.change(1, &every_kind());
    let mut administrator = administrator(&directory).await;
    let mut service = service(&directory).await;
    let filter = format!("(&(isDeleted=TRUE)(uSNChanged>={})(objectClass=user))", before + 1);
    let search = (TOMBSTONES, Scope::OneLevel, filter.as_str());
    let controls = vec![bare(SHOW_DELETED)];
    let (found, code) = list_with(&mut administrator, search, &["*"], (50, controls.clone())).await;
    assert_eq!(code, Some(0));
    assert_eq!(
        found.iter().map(|entry| entry.guid()).collect::<BTreeSet<_>>(),
        report.users.deleted.iter().cloned().collect()
    );
    for entry in &found {
        assert!(entry.dn.contains(&format!("\\0ADEL:{},CN=Deleted Objects,{BASE}", entry.guid())), "{}", entry.dn);
        assert!(entry.values.contains_key("lastKnownParent") && entry.values.contains_key("sAMAccountName"));
        assert!(!entry.values.contains_key("objectCategory") && !entry.values.contains_key("mail"));
    }
    let (found, code) = list_with(&mut service, search, &["*"], (50, controls)).await;
    assert_eq!((found.len(), code), (0, Some(0)));
    let (_, code) = list_with(&mut administrator, search, &["*"], (50, Vec::new())).await;
    assert_eq!(code, Some(32), "without the control the container is not there");
    let deleted = format!(
        "(|{})",
        report
            .users
            .deleted
            .iter()
            .map(|guid| {
                let bytes = muster_core::value::guid_bytes(guid).unwrap();
                format!("(objectGUID={})", bytes.iter().map(|byte| format!("\\{byte:02x}")).collect::<String>())
            })
            .collect::<String>()
    );
    assert_eq!(list(&mut administrator, (BASE, Scope::Subtree, &deleted), &["1.1"], 50).await.0.len(), 0);
}
