//! Counting beside the reading (docs/adr/0004): what it proves, and what it does not.

use std::sync::Condvar;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use muster_core::ledger::Evidence;
use muster_core::run::evidence;

use super::reading::{Full, Keeping, connector, container, is_count, key, read, read_with, run, user};
use super::*;
use crate::testkit::{HEAD, Reply, parallel_directory};

/// A page of these users; another follows unless it is the last.
fn page(numbers: &[u8], more: bool) -> Reply {
    let cookie = if more { b"more".to_vec() } else { Vec::new() };
    Reply { cookie, ..Reply::all(numbers.iter().map(|&number| user(number)).collect()) }
}

/// Two pages of users, told apart by the cookie.
fn pages(first: &[u8], second: &[u8], cookie: &[u8]) -> Reply {
    if cookie.is_empty() { page(first, true) } else { page(second, false) }
}

fn distinct(sink: &Keeping) -> u64 {
    let keys: std::collections::HashSet<String> = sink.records().into_iter().map(|(key, _)| key).collect();
    u64::try_from(keys.len()).unwrap()
}

fn proof(sink: &Keeping, end: &ScopeEnd) -> Evidence {
    evidence(end, distinct(sink), 0).0
}

#[test]
fn a_count_on_a_second_connection_proves_a_listing_of_many_pages() {
    let (port, asked) =
        parallel_directory(|_, search, cookie| container(search).unwrap_or_else(|| pages(&[1, 2], &[3, 4], cookie)));
    let (sink, end) = read(port, "users", Full);
    let end = end.unwrap();
    assert_eq!((end.counted.unwrap().low, end.counted.unwrap().high), (4, 4));
    assert_eq!(proof(&sink, &end), Evidence::Counted);
    // A small page and a full one on the run's connection, then both on the second one: nothing is counted afterwards.
    let counts = asked.lock().unwrap().iter().filter(|(_, attributes, _)| *attributes == ["1.1"]).count();
    assert_eq!(counts, 4);
}

#[test]
fn lost_and_repeated_pages_are_found_beside_the_reading() {
    // The listing loses its second page, or gets the first one twice in its place.
    for second in [&[][..], &[1, 2]] {
        let (port, _) = parallel_directory(move |_, search, cookie| {
            container(search).unwrap_or_else(|| pages(&[1, 2], if is_count(search) { &[3, 4] } else { second }, cookie))
        });
        let (sink, end) = read(port, "users", Full);
        let end = end.unwrap();
        assert_eq!((end.counted.unwrap().low, end.counted.unwrap().high), (4, 4));
        assert!(matches!(proof(&sink, &end), Evidence::Open { .. }), "{second:?}");
    }
}

#[test]
fn sets_of_equal_size_are_told_apart() {
    // The listing has another object than the count beside it: only a further count may prove it.
    let (port, asked) = parallel_directory(|_, search, cookie| {
        container(search).unwrap_or_else(|| pages(&[1, 2], if is_count(search) { &[3] } else { &[4] }, cookie))
    });
    let (_, end) = read(port, "users", Full);
    assert_eq!(end.unwrap().counted.unwrap().low, 3);
    let counts = asked.lock().unwrap().iter().filter(|(_, attributes, _)| *attributes == ["1.1"]).count();
    assert_eq!(counts, 6);
}

#[test]
fn the_listing_never_overtakes_the_count_beside_it() {
    const PAGES: u8 = 5;
    let listed = (Mutex::new(0_u8), Condvar::new());
    let (port, _) = parallel_directory(move |connection, search, cookie| {
        container(search).unwrap_or_else(|| {
            let number = cookie.first().copied().unwrap_or(0);
            if connection == 1 {
                // The count's answer is held back: a listing that does not wait for it would ask for its page now.
                let asked = listed.0.lock().unwrap();
                let held = listed.1.wait_timeout_while(asked, Duration::from_millis(30), |asked| *asked <= number);
                assert!(*held.unwrap().0 <= number, "page {number} was listed before it was counted");
            } else if !is_count(search) {
                *listed.0.lock().unwrap() = number + 1;
                listed.1.notify_all();
            }
            let cookie = if number + 1 == PAGES { Vec::new() } else { vec![number + 1] };
            Reply { cookie, ..Reply::all(vec![user(number)]) }
        })
    });
    let sink = Keeping::default();
    let connector = connector(port, serde_json::json!({ "pageSize": 1 }));
    let end = read_with(&*connector, "users", (Full, None), &sink).unwrap();
    assert_eq!((end.counted.unwrap().low, distinct(&sink)), (PAGES.into(), PAGES.into()));
    assert_eq!(proof(&sink, &end), Evidence::Counted);
}

#[test]
fn a_server_that_refuses_a_second_connection_is_counted_before_the_reading() {
    let (port, asked) = crate::testkit::lonely_directory(|search, cookie| {
        container(search).unwrap_or_else(|| pages(&[1, 2], &[3, 4], cookie))
    });
    let (sink, end) = read(port, "users", Full);
    let end = end.unwrap();
    assert_eq!(proof(&sink, &end), Evidence::Counted);
    assert!(end.notes.iter().any(|note| note.contains("no second connection")), "{:?}", end.notes);
    let asked = asked.lock().unwrap();
    let counts: Vec<bool> = asked
        .iter()
        .filter(|(base, attributes, _)| base == HEAD && !attributes.contains(&"maxPwdAge".to_owned()))
        .map(|(_, attributes, _)| *attributes == ["1.1"])
        .collect();
    assert_eq!(counts, [true, true, true, false, false]);
}

#[test]
fn a_count_that_breaks_off_is_made_good_afterwards() {
    for (afterwards, proven) in [(&[3, 4][..], true), (&[3], false)] {
        let counts = AtomicUsize::new(0);
        let (port, _) = parallel_directory(move |connection, search, cookie| {
            container(search).unwrap_or_else(|| {
                if connection == 1 {
                    // Its second page is refused.
                    return if cookie.is_empty() {
                        page(&[1, 2], true)
                    } else {
                        Reply::refusal(ldap3_proto::proto::LdapResultCode::Other)
                    };
                }
                let again = is_count(search) && counts.fetch_add(1, Ordering::SeqCst) > 0;
                pages(&[1, 2], if again { afterwards } else { &[3, 4] }, cookie)
            })
        });
        let (sink, end) = read(port, "users", Full);
        let end = end.unwrap();
        assert_eq!(proof(&sink, &end) == Evidence::Counted, proven, "{:?}", end.open);
        assert_eq!(sink.records().iter().filter(|(found, _)| *found == key(4)).count(), 1);
    }
}

#[test]
fn an_estimate_is_tried_on_a_small_stream_and_saves_the_counts_of_large_ones() {
    // Like Samba: an estimate comes only where another page follows.
    let (port, asked) = parallel_directory(|_, search, cookie| {
        let small = search.base == HEAD && cookie.is_empty();
        let mut reply = container(search).unwrap_or_else(|| pages(&[1, 2], &[3, 4], cookie));
        reply.estimate = if small { 4 } else { 0 };
        reply
    });
    let connector = connector(port, serde_json::json!({ "pageSize": 2 }));
    for (stream, counts) in [("containers", 4), ("users", 4), ("groups", 4)] {
        let sink = Keeping::default();
        let scope = ScopePlan { stream: stream.to_owned(), name: Arc::from(HEAD) };
        let request = ReadRequest { scope: &scope, mode: Full, cursor: None };
        let end = run(connector.read(request, &sink)).unwrap();
        assert_eq!(proof(&sink, &end), Evidence::Counted, "{stream}");
        let asked = asked.lock().unwrap();
        assert_eq!(asked.iter().filter(|(_, attributes, _)| *attributes == ["1.1"]).count(), counts, "{stream}");
    }
}
