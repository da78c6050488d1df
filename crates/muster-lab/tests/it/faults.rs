//! Each fault does what it says.

use std::collections::BTreeSet;

use ldap3::Scope;
use muster_lab::directory::{At, Faults, Moving, RunningDirectory, Slow, Unreadable};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::{BASE, Found, GROUPS, USERS, ask, directory, list, page, paging, service, unbound};

const SEARCH: (&str, Scope, &str) = (BASE, Scope::Subtree, USERS);

/// Lists all users by pages of 50 under a fault: entries as they came, distinct ones, and the last code.
async fn under(directory: &RunningDirectory, faults: Faults) -> (Vec<Found>, usize, Option<u32>) {
    directory.set_faults(faults);
    let mut ldap = service(directory).await;
    let (found, code) = list(&mut ldap, SEARCH, &["objectGUID"], 50).await;
    let distinct = found.iter().map(Found::guid).collect::<BTreeSet<_>>().len();
    (found, distinct, code)
}

fn at(pages: u32, entries: u32) -> Option<At> {
    Some(At { pages, entries, times: None })
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_lost_and_repeated() {
    let directory = directory(196).await;
    let (found, distinct, code) = under(&directory, Faults::default()).await;
    assert_eq!((found.len(), distinct, code), (200, 200, Some(0)));
    let (found, distinct, code) = under(&directory, Faults { lost_page: at(1, 0), ..Faults::default() }).await;
    assert_eq!((found.len(), distinct, code), (150, 150, Some(0)));
    let (found, distinct, code) = under(&directory, Faults { repeated_page: at(2, 0), ..Faults::default() }).await;
    assert_eq!((found.len(), distinct, code), (250, 200, Some(0)));
    for page in 1..4 {
        let faults = Faults { lost_and_repeated: at(page, 0), ..Faults::default() };
        let (found, distinct, code) = under(&directory, faults).await;
        assert_eq!((found.len(), distinct, code), (200, 150, Some(0)), "{page}");
    }
    let once = Some(At { pages: 0, entries: 0, times: Some(1) });
    directory.set_faults(Faults { empty: once, only: Some("(objectClass=GROUP)".to_owned()), ..Faults::default() });
    let mut ldap = service(&directory).await;
    assert_eq!(list(&mut ldap, SEARCH, &["1.1"], 50).await.0.len(), 200);
    assert_eq!(list(&mut ldap, (BASE, Scope::Subtree, GROUPS), &["1.1"], 50).await.0.len(), 0);
    assert!(!list(&mut ldap, (BASE, Scope::Subtree, GROUPS), &["1.1"], 50).await.0.is_empty());
    assert_eq!(directory.struck().into_iter().collect::<Vec<_>>(), [("empty".to_owned(), 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn listings_are_refused_and_cut_short() {
    let directory = directory(196).await;
    let (found, _, code) = under(&directory, Faults { busy: at(2, 0), ..Faults::default() }).await;
    assert_eq!((found.len(), code), (100, Some(51)));
    let (found, _, code) = under(&directory, Faults { size_limit: at(1, 20), ..Faults::default() }).await;
    assert_eq!((found.len(), code), (70, Some(4)));
    let (found, _, code) = under(&directory, Faults { empty: at(0, 0), ..Faults::default() }).await;
    assert_eq!((found.len(), code), (0, Some(0)));
    let (found, _, code) = under(&directory, Faults { page_clamp: Some(30), ..Faults::default() }).await;
    assert_eq!((found.len(), code), (200, Some(0)));
    let mut ldap = service(&directory).await;
    assert_eq!(page(&mut ldap, SEARCH, &["1.1"], vec![paging(50, &[])]).await.unwrap().entries.len(), 30);
    let gone = Faults { no_such_object: Some("dc=muster,dc=test".to_owned()), ..Faults::default() };
    let (found, _, code) = under(&directory, gone).await;
    assert_eq!((found.len(), code), (0, Some(32)));
    let (found, _, code) = under(&directory, Faults { cut: at(2, 5), ..Faults::default() }).await;
    assert_eq!((found.len(), code), (100, None), "the connection ended within the third page");
    let (found, _, code) = under(&directory, Faults { disconnect: at(1, 0), ..Faults::default() }).await;
    assert_eq!((found.len(), code), (50, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_pages_come_late() {
    let directory = directory(96).await;
    let started = std::time::Instant::now();
    let faults = Faults { slow: Some(Slow { milliseconds: 60, times: None }), ..Faults::default() };
    let (found, _, _) = under(&directory, faults).await;
    assert_eq!(found.len(), 100);
    assert!(started.elapsed() >= std::time::Duration::from_millis(120));
}

#[tokio::test(flavor = "multi_thread")]
async fn binds_are_refused_with_a_sub_code() {
    let directory = directory(10).await;
    directory.set_faults(Faults { bind: Some("775".to_owned()), ..Faults::default() });
    let mut ldap = unbound(&directory).await;
    let result = ldap.simple_bind("svc-muster@muster.test", "x").await.unwrap();
    assert_eq!(result.rc, 49);
    assert!(result.text.contains("data 775,"));
    directory.set_faults(Faults { demands_encryption: true, ..Faults::default() });
    let result = ldap.simple_bind("svc-muster@muster.test", "x").await.unwrap();
    assert!(result.rc == 8 && result.text.contains("integrity checking"), "{result:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn attributes_disappear() {
    let directory = directory(396).await;
    let with = |found: &[Found]| found.iter().filter(|entry| entry.values.contains_key("title")).count();
    let mut ldap = service(&directory).await;
    let (found, _) = list(&mut ldap, SEARCH, &["title"], 100).await;
    let all = with(&found);
    assert!(all > 300);
    for (percent, low, high) in [(100, 0, 0), (30, all * 6 / 10, all * 8 / 10)] {
        let unreadable = vec![Unreadable { attribute: "TITLE".to_owned(), percent }];
        directory.set_faults(Faults { unreadable, ..Faults::default() });
        let (found, _) = list(&mut ldap, SEARCH, &["title", "name"], 100).await;
        assert!((low..=high).contains(&with(&found)), "{percent}");
        assert_eq!(found.iter().filter(|entry| entry.values.contains_key("name")).count(), 400);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_controller_is_another_one_with_lower_numbers() {
    let directory = directory(50).await;
    let mut ldap = service(&directory).await;
    let mut look = async || {
        let (root, _) =
            ask(&mut ldap, ("", Scope::Base, "(objectClass=*)"), &["highestCommittedUSN", "dsServiceName"]).await;
        let usn: i64 = root[0].texts("highestCommittedUSN")[0].parse().unwrap();
        let (server, _) =
            ask(&mut ldap, (&root[0].texts("dsServiceName")[0], Scope::Base, "(objectClass=*)"), &["invocationId"])
                .await;
        let filter = format!("(&{USERS}(uSNChanged>={}))", usn - 9);
        let (changed, _) = ask(&mut ldap, (BASE, Scope::Subtree, &filter), &["uSNChanged"]).await;
        let highest = changed.iter().map(|entry| entry.texts("uSNChanged")[0].parse::<i64>().unwrap()).max();
        (usn, server[0].values["invocationId"].clone(), changed.len(), highest)
    };
    directory.change(1, &Default::default());
    let before = look().await;
    directory.set_faults(Faults { restored: Some(5000), ..Faults::default() });
    let after = look().await;
    assert_eq!(after.0, before.0 - 5000);
    assert_ne!(after.1, before.1);
    assert_eq!((after.2, after.3), (before.2, before.3.map(|usn| usn - 5000)));
    directory.set_faults(Faults::default());
    assert_eq!(look().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn users_move_while_they_are_listed() {
    let directory = directory(396).await;
    let places: Vec<String> =
        ["Sales", "Finance"].iter().map(|unit| format!("OU={unit},OU=Spain,OU=Muster,{BASE}")).collect();
    let mut ldap = service(&directory).await;
    let count = async |ldap: &mut ldap3::Ldap, place: &str| {
        list(ldap, (place, Scope::Subtree, USERS), &["objectGUID"], 2).await.0.len()
    };
    let before = (count(&mut ldap, &places[0]).await, count(&mut ldap, &places[1]).await);
    let moving =
        Moving { pages: 1, from: Some(places[1].clone()), to: Some(places[0].clone()), users: 1, times: Some(1) };
    directory.set_faults(Faults { moving: Some(moving), only: Some("ou=finance".to_owned()), ..Faults::default() });
    let during = (count(&mut ldap, &places[0]).await, count(&mut ldap, &places[1]).await);
    assert_eq!(during, (before.0, before.1 - 1), "who moved is in neither listing");
    assert_eq!(count(&mut ldap, &places[0]).await, before.0 + 1);
}

/// A search by a bare socket, after a bind: what a client with a parser would choke on.
async fn raw_answer(directory: &RunningDirectory) -> Vec<u8> {
    let banner = directory.banner();
    let string = |tag: u8, text: &str| [&[tag, u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    let wrap = |tag: u8, inner: &[u8]| [&[tag, u8::try_from(inner.len()).unwrap()], inner].concat();
    let bind = [vec![2, 1, 3], string(4, "svc-muster@muster.test"), string(0x80, banner["password"].as_str().unwrap())]
        .concat();
    let bind = wrap(0x30, &[vec![2, 1, 1], wrap(0x60, &bind)].concat());
    let fields = [
        string(4, BASE),
        vec![0x0a, 1, 2, 0x0a, 1, 0, 2, 1, 0, 2, 1, 0, 1, 1, 0],
        string(0x87, "objectClass"),
        wrap(0x30, &string(4, "1.1")),
    ]
    .concat();
    let search = wrap(0x30, &[vec![2, 1, 2], wrap(0x63, &fields)].concat());
    let mut stream = TcpStream::connect(directory.ldap_address()).await.unwrap();
    stream.write_all(&[bind, search].concat()).await.unwrap();
    let mut bytes = Vec::new();
    // The oversized message never comes to its end: what there is within a moment is all.
    let read = stream.read_to_end(&mut bytes);
    let _ = tokio::time::timeout(std::time::Duration::from_millis(500), read).await;
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_malformed_and_oversized() {
    let directory = directory(20).await;
    let contains = |bytes: &[u8], part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
    let malformed = b"\x30\x0c\x02\x01\x05\x64\x7f";
    let oversized = b"\x30\x84\x7f\xff\xff\xff";
    assert!(!contains(&raw_answer(&directory).await, malformed));
    directory.set_faults(Faults { malformed: at(0, 3), ..Faults::default() });
    assert!(contains(&raw_answer(&directory).await, malformed));
    directory.set_faults(Faults { oversized: at(0, 3), ..Faults::default() });
    let answer = raw_answer(&directory).await;
    assert!(contains(&answer, oversized) && answer.ends_with(b"\x02\x01\x05"));
}
