//! A real domain controller, by name: odd names, GUIDs that look like text, great and nested groups, primary groups, and
//! a container that is renamed.

use std::collections::{BTreeMap, BTreeSet};

use muster_store::{Location, Store};
use serde_json::Value as Json;

use crate::command::{Installation, line};
use crate::directory::{Truth, guid, truth};
use crate::lab::{Lab, TURN};

/// The names that the lab gives its first twenty users; the first is `u000001`'s.
const ODD_NAMES: [&str; 20] = [
    "Doe, John",
    "Ann \"Annie\" Lee",
    "back\\slash",
    "#hash first",
    "plus+sign",
    "semi;colon",
    "less<than>more",
    "equals=sign",
    "slash/name",
    "rocket 🚀 engineer",
    "山田 太郎（経理）",
    "Zoë d'Ærø",
    " leading space",
    "trailing space ",
    "مرحبا",
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "(paren*star)",
    "tab\tinside",
    "zero\u{200b}width",
    "İstanbul ı",
];
/// Names of accounts, and the sixteen bytes of their objectGUIDs.
const TEXT_GUIDS: [(&str, &str); 2] = [("guidtext1", "Muster GUID 0001"), ("guidtext2", "ñandú año 002")];
const LEGAL: &str = "OU=Legal,OU=Spain,OU=Muster,DC=muster,DC=test";
const RENAMED: &str = "OU=Legal\\, \\\"and\\\" more,OU=Spain,OU=Muster,DC=muster,DC=test";

fn vendor_id(document: &Json) -> &str {
    document["asset"]["assetHeader"]["vendorAssetId"].as_str().unwrap()
}

fn by_account(installation: &Installation, account: &str) -> Json {
    let mut found = installation.query(&format!("user.accountName:`{account}`"), &[]);
    assert_eq!(found.len(), 1, "{account}: {found:?}");
    found.remove(0)
}

#[tokio::test]
async fn names_members_and_places_are_those_of_the_directory() {
    let Some(lab) = Lab::samba() else { return };
    let _turn = TURN.lock().await;
    let scratch = tempfile::tempdir().unwrap();
    let installation = Installation::new(scratch.path(), &lab.connector("bind_upn", "password"));
    let (code, told, _) = installation.sync(&[]);
    assert_eq!((code, &told["result"]), (0, &"complete".into()), "{told}");
    odd_names_and_text_guids(&installation, &lab);
    memberships_both_ways(&installation, &lab);
    a_renamed_container_is_one_entry_and_names_follow(&installation, &lab).await;
}

/// Names that need escaping, fold, or are cut by careless clients; GUIDs that a client takes for text.
fn odd_names_and_text_guids(installation: &Installation, lab: &Lab) {
    let touched: BTreeSet<String> = lab.all_changes().into_iter().map(|change| change[1].clone()).collect();
    let mut literal = 0;
    for (number, name) in (1..).zip(ODD_NAMES) {
        let account = format!("u{number:06}");
        let entries = lab.ldapsearch(&format!("(sAMAccountName={account})"), &["objectGUID", "name"]);
        // A change of another suite may have deleted or renamed it.
        let Some(entry) = entries.first() else { continue };
        let found = by_account(installation, &account);
        assert_eq!((vendor_id(&found), found["path"].as_str().unwrap()), (guid(entry).as_str(), entry.dn.as_str()));
        let shown = &found["asset"]["assetDetail"]["userAssetClass"]["name"];
        assert_eq!(shown.as_str(), entry.text("name"), "{account}");
        if touched.contains(&guid(entry)) {
            continue;
        }
        assert_eq!(shown, name, "{account}");
        let quoted = name.replace('`', "``");
        let again = installation.query(&format!("user.name:`{quoted}`"), &[]);
        assert!(again.iter().any(|other| vendor_id(other) == vendor_id(&found)), "{name}: found by its name");
        literal += 1;
    }
    assert!(literal >= 15, "only {literal} of the odd names are left in the lab");
    for (account, text) in TEXT_GUIDS {
        let entries = lab.ldapsearch(&format!("(sAMAccountName={account})"), &["objectGUID"]);
        assert_eq!(entries[0].text("objectGUID"), Some(text), "the lab gave it that GUID");
        assert_eq!(vendor_id(&by_account(installation, account)), guid(&entries[0]));
    }
}

/// Who is in what, direct, by GUID: `member` values between users and groups, and users' primary groups.
struct Membership {
    above: BTreeMap<String, BTreeSet<String>>,
    below: BTreeMap<String, BTreeSet<String>>,
}

impl Membership {
    fn of(truth: &Truth) -> Self {
        let group_of_sid: BTreeMap<&str, &String> = truth
            .groups
            .iter()
            .map(|(guid, group)| (group["assetHeader"]["externalAssetId"].as_str().unwrap(), guid))
            .collect();
        let mut membership = Self { above: BTreeMap::new(), below: BTreeMap::new() };
        for (group, member) in truth.members.iter().filter(|(_, member)| !member.contains('=')) {
            membership.add(group, member);
        }
        for (guid, user) in &truth.users {
            let (domain, _) = user["assetHeader"]["externalAssetId"].as_str().unwrap().rsplit_once('-').unwrap();
            let primary = &user["assetDetail"]["userAssetClass"]["primaryGroupId"];
            if let Some(group) = group_of_sid.get(format!("{domain}-{primary}").as_str()) {
                membership.add(group, guid);
            }
        }
        membership
    }

    fn add(&mut self, group: &str, member: &str) {
        self.above.entry(member.to_owned()).or_default().insert(group.to_owned());
        self.below.entry(group.to_owned()).or_default().insert(member.to_owned());
    }

    /// All that is reached from an asset, with its distance; a cycle is walked once.
    fn reached(steps: &BTreeMap<String, BTreeSet<String>>, from: &str) -> BTreeMap<String, u64> {
        let mut found = BTreeMap::new();
        let mut front = BTreeSet::from([from.to_owned()]);
        for depth in 1.. {
            let next: BTreeSet<String> = front.iter().filter_map(|id| steps.get(id)).flatten().cloned().collect();
            front = next.into_iter().filter(|id| id != from && !found.contains_key(id)).collect();
            if front.is_empty() {
                break;
            }
            found.extend(front.iter().map(|id| (id.clone(), depth)));
        }
        found
    }
}

fn shown(document: &Json, key: &str) -> BTreeMap<String, u64> {
    let list = document[key].as_array().unwrap();
    let found: BTreeMap<String, u64> = list
        .iter()
        .map(|other| (other["vendorAssetId"].as_str().unwrap().to_owned(), other["depth"].as_u64().unwrap()))
        .collect();
    assert_eq!(found.len(), list.len(), "nothing stands twice");
    found
}

/// Both ways, nested, by primary group, in a cycle, and in a group greater than a page of members.
fn memberships_both_ways(installation: &Installation, lab: &Lab) {
    let truth = truth(lab);
    let membership = Membership::of(&truth);
    let groups = installation.query("", &["--class", "group", "--memberships"]);
    assert_eq!(groups.len(), truth.groups.len());
    let mut by_name = BTreeMap::new();
    for group in &groups {
        let id = vendor_id(group);
        let name = group["asset"]["assetDetail"]["groupAssetClass"]["accountName"].as_str().unwrap();
        assert_eq!(shown(group, "members"), Membership::reached(&membership.below, id), "members of {name}");
        assert_eq!(shown(group, "memberOf"), Membership::reached(&membership.above, id), "groups of {name}");
        by_name.insert(name, group);
    }
    let direct =
        |name: &str| by_name[name]["members"].as_array().unwrap().iter().filter(|m| m["direct"] == true).count();
    assert!(direct("all-staff") >= 5900, "the great group: {}", direct("all-staff"));
    assert!(direct("Domain Users") >= 5900, "the primary group of nearly all: {}", direct("Domain Users"));
    // The lab's cycle, unless a change has opened it: each of its groups is above and below each other, never itself.
    let cycle = ["g00001", "g00002", "g00005", "g00014", "g00040"].map(|name| vendor_id(by_name[name]));
    let closed = (0..5).all(|at| membership.below[cycle[at]].contains(cycle[(at + 1) % 5]));
    for id in cycle.iter().filter(|_| closed) {
        let reached = Membership::reached(&membership.below, id);
        assert!(cycle.iter().all(|other| other == id || reached.contains_key(*other)) && !reached.contains_key(*id));
    }
    assert!(closed || !lab.all_changes().is_empty(), "the lab has no cycle");
    for query in ["user.accountName:u0000*", "not user.accountName:u0*"] {
        let users = installation.query(query, &["--class", "user", "--memberships"]);
        assert!(users.len() > 10, "{query}: {}", users.len());
        for user in users {
            let id = vendor_id(&user);
            assert_eq!(shown(&user, "memberOf"), Membership::reached(&membership.above, id), "groups of {id}");
        }
    }
}

/// All entries of the history, oldest first: class, key, what was before.
async fn history(installation: &Installation) -> Vec<(String, String, Json)> {
    let store = Store::open(&Location::Directory(installation.state())).await.unwrap();
    let sql = "SELECT a.class, a.source_key, c.before FROM change c JOIN asset a ON a.id = c.asset ORDER BY c.id";
    let mut reader = store.reader().await.unwrap();
    let rows = reader.conn().fetch("reading the history", sql.to_owned(), Vec::new()).await.unwrap();
    let json = |text: String| serde_json::from_str(&text).unwrap();
    let entries = rows.iter().map(|row| (row.text(0).unwrap(), row.text(1).unwrap(), json(row.text(2).unwrap())));
    let entries = entries.collect();
    drop(reader);
    store.close().await;
    entries
}

/// The names of all users as the inventory composes them, and as the directory tells them, by GUID.
fn names(installation: &Installation, lab: &Lab) -> [BTreeMap<String, String>; 2] {
    let found = installation.query("", &["--class", "user"]);
    let composed = found.iter().map(|user| (vendor_id(user).to_owned(), user["path"].as_str().unwrap().to_owned()));
    let told = lab.ldapsearch("(&(objectCategory=person)(objectClass=user))", &["objectGUID"]);
    [composed.collect(), told.iter().map(|entry| (guid(entry), entry.dn.clone())).collect()]
}

/// D8: a container's rename changes the names of all below it, and is one row and one entry of the history.
async fn a_renamed_container_is_one_entry_and_names_follow(installation: &Installation, lab: &Lab) {
    let [composed, told] = names(installation, lab);
    assert_eq!(composed, told);
    let below = told.values().filter(|dn| dn.ends_with(&format!(",{LEGAL}"))).count();
    assert!(below > 50, "{below} users below {LEGAL}");
    assert_eq!(history(installation).await, []);
    lab.rename(LEGAL, RENAMED.split_once(",OU=Spain").unwrap().0);
    let after = installation.sync(&[]);
    let entries = history(installation).await;
    let [composed, told] = names(installation, lab);
    lab.rename(RENAMED, "OU=Legal");
    let (code, ledger, lines) = after;
    assert_eq!((code, line(&ledger, "containers")["updated"].as_u64()), (0, Some(1)), "{ledger}");
    assert_eq!((line(&ledger, "users")["updated"].as_u64(), lines.len()), (Some(0), 0), "no user was written");
    assert_eq!(composed, told);
    let renamed = composed.values().filter(|dn| dn.contains("OU=Legal\\, ")).count();
    assert_eq!(renamed, below, "every name below it follows");
    let [(class, key, before)] = entries.as_slice() else { panic!("one entry, not {entries:?}") };
    assert_eq!((class.as_str(), &before["relativeName"]), ("container", &"OU=Legal".into()), "{before}");
    let shown = installation.query("container.name:`Legal, \"and\" more`", &["--class", "container", "--history"]);
    let shown = shown.iter().find(|document| document["asset"]["assetHeader"]["vendorAssetId"] == key.as_str());
    assert_eq!(shown.unwrap()["history"].as_array().unwrap().len(), 1);
}
