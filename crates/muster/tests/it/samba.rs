//! A real Active Directory domain controller: the inventory equals a brute-force reading, after the first run and
//! after each change.

use std::collections::{BTreeMap, BTreeSet};

use muster_store::{Location, Store};
use serde_json::Value as Json;

use crate::command::{Installation, line};
use crate::directory::{Truth, truth};
use crate::lab::{Lab, TURN};

/// The whole inventory as the binary writes it, by class and vendor id.
fn inventory(installation: &Installation) -> BTreeMap<(String, String), Json> {
    let (code, told, lines) = installation.sync(&["--all"]);
    assert_eq!(code, 0, "{told}");
    let present = lines.into_iter().filter(|line| line.get("asset").is_some());
    present
        .map(|line| {
            let vendor = line["asset"]["assetHeader"]["vendorAssetId"].as_str().unwrap().to_owned();
            ((line["class"].as_str().unwrap().to_owned(), vendor), line["asset"].clone())
        })
        .collect()
}

fn assert_equal(installation: &Installation, truth: &Truth, when: &str) {
    let found = inventory(installation);
    let users = truth.users.iter().map(|(guid, user)| (("user".to_owned(), guid.clone()), user));
    let groups = truth.groups.iter().map(|(guid, group)| (("group".to_owned(), guid.clone()), group));
    let expected: BTreeMap<_, _> = users.chain(groups).collect();
    for (key, document) in &expected {
        // The account that reads logs on meanwhile: its own times and counters move between the two readings.
        let mut pair = [(*document).clone(), found.get(key).cloned().unwrap_or(Json::Null)];
        if is_reader(document) {
            pair.iter_mut().for_each(forget_logons);
        }
        assert_eq!(pair[0], pair[1], "{when}: {key:?}");
    }
    let more: Vec<_> = found.keys().filter(|key| !expected.contains_key(key)).collect();
    assert!(more.is_empty(), "{when}: in the inventory alone: {more:?}");
}

fn is_reader(document: &Json) -> bool {
    ["Administrator", "svc-muster"].contains(&document["assetDetail"]["name"].as_str().unwrap_or_default())
}

fn forget_logons(document: &mut Json) {
    if let Some(class) = document["assetDetail"]["userAssetClass"].as_object_mut() {
        for key in ["lastSuccessfulLoginAt", "failedPasswordAttemptCount", "lastFailedPasswordAttemptAt"] {
            class.remove(key);
        }
    }
}

async fn members(installation: &Installation) -> BTreeSet<(String, String)> {
    let store = Store::open(&Location::Directory(installation.state())).await.unwrap();
    let connector = store.connectors().await.unwrap().remove(0);
    let mut found = BTreeSet::new();
    let mut after = 0;
    loop {
        let page = store.memberships(&connector, "groups", after).await.unwrap();
        let Some(last) = page.last() else { break };
        after = last.owner;
        found.extend(page.into_iter().filter(|edge| edge.kind == "member").map(|edge| (edge.owner_key, edge.member)));
    }
    store.close().await;
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn inventory_equals_the_directory_through_three_changes() {
    let Some(lab) = Lab::samba() else { return };
    let _turn = TURN.lock().await;
    let scratch = tempfile::tempdir().unwrap();
    let admin = Installation::new(&scratch.path().join("admin"), &lab.connector("bind_upn", "password"));
    let service = Installation::new(&scratch.path().join("service"), &lab.connector("svc_dn", "svc_password"));
    for installation in [&admin, &service] {
        let (code, told, lines) = installation.sync(&[]);
        assert_eq!((code, &told["result"]), (0, &"complete".into()), "{told}");
        let created: u64 =
            ["users", "groups"].iter().map(|stream| line(&told, stream)["created"].as_u64().unwrap()).sum();
        assert_eq!(lines.len() as u64, created, "a first run writes everything");
        assert_eq!(line(&told, "users")["evidence"]["kind"], "counted", "{told}");
        compare(installation, &lab, "first run").await;
    }
    for round in 1..=3 {
        let seed = lab.change();
        let when = format!("change {seed}, round {round}");
        follow_as_admin(&admin, &lab, seed, &when).await;
        follow_as_service(&service, &lab, seed, &when).await;
    }
}

async fn compare(installation: &Installation, lab: &Lab, when: &str) {
    let truth = truth(lab);
    assert_equal(installation, &truth, when);
    assert_members(&members(installation).await, &truth.members, when);
}

/// Members outside users and groups (computers, foreign principals) are named by GUID on one side and by DN on the other.
fn assert_members(found: &BTreeSet<(String, String)>, expected: &BTreeSet<(String, String)>, when: &str) {
    let known = |set: &BTreeSet<(String, String)>, other: &BTreeSet<(String, String)>| -> Vec<(String, String)> {
        set.difference(other).filter(|(_, member)| !member.contains('=')).cloned().collect()
    };
    assert_eq!(known(expected, found), Vec::new(), "{when}: in the directory alone");
    let strangers = expected.iter().filter(|(_, member)| member.contains('=')).count();
    assert_eq!(known(found, expected).len(), strangers, "{when}: members that are neither user nor group");
    assert_eq!(found.len(), expected.len(), "{when}: memberships");
}

/// The administrator sees tombstones: a delta alone is enough.
async fn follow_as_admin(installation: &Installation, lab: &Lab, seed: u32, when: &str) {
    let (code, told, lines) = installation.sync(&[]);
    assert_eq!((code, &told["result"]), (0, &"complete".into()), "{when}: {told}");
    assert_eq!(line(&told, "users")["mode"], "delta", "{when}");
    let deleted = deleted(lab, seed);
    let gone: BTreeMap<&str, &Json> = lines
        .iter()
        .filter_map(|line| line.get("gone"))
        .map(|gone| (gone["vendorAssetId"].as_str().unwrap(), &gone["cause"]))
        .collect();
    let expected: BTreeMap<&str, Json> =
        deleted.iter().map(|guid| (guid.as_str(), "deleted_at_source".into())).collect();
    assert_eq!(
        gone,
        expected.iter().map(|(guid, cause)| (*guid, cause)).collect(),
        "{when}: deletions and their causes"
    );
    compare(installation, lab, when).await;
}

/// A plain account sees no tombstones: its deletions are found by the sweep.
async fn follow_as_service(installation: &Installation, lab: &Lab, seed: u32, when: &str) {
    let (code, told, lines) = installation.sync(&[]);
    assert_eq!(code, 0, "{when}: {told}");
    assert!(lines.iter().all(|line| line.get("gone").is_none()), "{when}: nothing goes without evidence");
    let (code, told, lines) = installation.sync(&["--sweep"]);
    assert_eq!((code, &told["result"]), (0, &"complete".into()), "{when}: {told}");
    let gone: BTreeSet<String> = lines
        .iter()
        .filter_map(|line| line.get("gone"))
        .map(|gone| gone["vendorAssetId"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(gone, deleted(lab, seed), "{when}: deletions by the sweep");
    assert!(
        lines.iter().filter_map(|line| line.get("gone")).all(|gone| gone["cause"] == "deleted_at_source"),
        "{when}: {lines:?}"
    );
    compare(installation, lab, when).await;
}

fn deleted(lab: &Lab, seed: u32) -> BTreeSet<String> {
    lab.changes(seed).into_iter().filter(|change| change[0] == "delete").map(|change| change[1].clone()).collect()
}
