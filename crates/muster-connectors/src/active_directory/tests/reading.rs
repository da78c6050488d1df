//! Reading from a scripted directory: what real servers of the labs do not do on demand.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ldap3_proto::proto::{LdapOp, LdapResultCode, LdapSearchRequest};
use muster_core::connector::{Cursor, SinkClosed};
use muster_core::link::Member;
use muster_core::value::guid_text;

use super::*;
use crate::testkit::{HEAD, Reply, directory, entry};

#[derive(Default)]
pub(super) struct Keeping {
    batches: Mutex<Vec<muster_core::connector::Batch>>,
    closed: AtomicBool,
}

#[async_trait]
impl BatchSink for Keeping {
    async fn send(&self, batch: muster_core::connector::Batch) -> Result<(), SinkClosed> {
        self.batches.lock().unwrap().push(batch);
        Ok(())
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }
}

/// Attribute name and value, in the record's order.
pub(super) type Values = Vec<(String, Vec<u8>)>;

impl Keeping {
    pub(super) fn records(&self) -> Vec<(String, Values)> {
        let batches = self.batches.lock().unwrap();
        let mut records = Vec::new();
        for batch in batches.iter() {
            let stream = MODEL.stream(&batch.stream).unwrap();
            for record in batch.records.iter() {
                let named = |(id, value): (_, &[u8])| (stream.by_id(id).unwrap().name.clone(), value.to_vec());
                records.push((record.key().to_owned(), record.all().map(named).collect()));
            }
        }
        records
    }

    fn values(&self, index: usize, name: &str) -> Vec<String> {
        let values = self.records()[index].1.clone().into_iter().filter(|(found, _)| found == name);
        values.map(|(_, value)| String::from_utf8(value).unwrap()).collect()
    }
}

pub(super) fn connector(port: u16, profile: serde_json::Value) -> Arc<dyn Connector> {
    let sections = serde_json::json!({
        "authentication": { "host": "127.0.0.1", "port": port, "bindDn": "u", "password": "p" },
        "profile": profile,
    });
    let sections = sections.as_object().unwrap().clone();
    (CONNECTOR.open)(&Settings { sections, base_directory: Some(".".into()) }).unwrap()
}

pub(super) fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap().block_on(work)
}

pub(super) fn read_with(
    connector: &dyn Connector,
    stream: &str,
    (mode, cursor): (muster_core::connector::Mode, Option<&Cursor>),
    sink: &Keeping,
) -> Result<ScopeEnd, ConnectorError> {
    let scope = ScopePlan { stream: stream.to_owned(), name: Arc::from(HEAD) };
    run(connector.read(ReadRequest { scope: &scope, mode, cursor }, sink))
}

pub(super) use muster_core::connector::Mode::{Delta, Full, Sweep};

pub(super) fn read(
    port: u16,
    stream: &str,
    mode: muster_core::connector::Mode,
) -> (Keeping, Result<ScopeEnd, ConnectorError>) {
    let sink = Keeping::default();
    let end = read_with(&*connector(port, serde_json::json!({})), stream, (mode, None), &sink);
    (sink, end)
}

const SID: &[u8] = &[1, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0, 0];

fn guid(number: u8) -> [u8; 16] {
    [number; 16]
}

pub(super) fn key(number: u8) -> String {
    guid_text(&guid(number)).unwrap()
}

pub(super) fn user(number: u8) -> LdapOp {
    entry(&format!("CN=u{number},OU=x,{HEAD}"), &[("objectGUID", &[&guid(number)]), ("objectSid", &[SID])])
}

pub(super) fn is_count(search: &LdapSearchRequest) -> bool {
    search.attrs == ["1.1"]
}

/// The answer to a look at the container of the entries, where it is one.
pub(super) fn container(search: &LdapSearchRequest) -> Option<Reply> {
    (search.base == format!("OU=x,{HEAD}"))
        .then(|| Reply::all(vec![entry(&search.base, &[("objectGUID", &[&guid(200)])])]))
}

/// Answers listings and counts with these users.
fn users(listed: &'static [u8], counted: &'static [u8]) -> u16 {
    let of = |numbers: &[u8]| Reply::all(numbers.iter().map(|&number| user(number)).collect());
    directory(move |search, _| container(search).unwrap_or_else(|| of(if is_count(search) { counted } else { listed })))
        .0
}

#[test]
fn a_swept_entry_without_a_key_opens_its_scope() {
    let (port, _) =
        directory(|search, _| Reply::all(vec![user(1), entry(&format!("CN=blind,{}", search.base), &[]), user(2)]));
    let (sink, end) = read(port, "users", Sweep);
    let end = end.unwrap();
    let batches = sink.batches.lock().unwrap();
    assert!(batches.iter().all(|batch| batch.keys_only));
    let rejects: Vec<_> = batches.iter().flat_map(|batch| &batch.rejects).collect();
    assert_eq!(rejects.len(), 1);
    assert_eq!(rejects[0].key, None);
    assert!(rejects[0].reason.contains("CN=blind"));
    let (evidence, _) = muster_core::run::evidence(&end, 2, 1);
    assert!(matches!(evidence, muster_core::ledger::Evidence::Open { .. }));
}

#[test]
fn counts_before_and_after_bracket_what_was_listed() {
    let (_, end) = read(users(&[1, 2], &[1, 2]), "users", Full);
    let counted = end.unwrap().counted.unwrap();
    assert_eq!((counted.low, counted.high), (2, 2));
    // A lost object: both counts know of it.
    let (_, end) = read(users(&[1, 2], &[1, 2, 3]), "users", Full);
    let counted = end.unwrap().counted.unwrap();
    assert_eq!((counted.low, counted.high), (3, 3));
}

#[test]
fn an_estimate_that_is_no_count_proves_nothing() {
    // Three are there, one is lost, and the estimate happens to be what was listed.
    let (port, _) = directory(|search, _| {
        let numbers: &[u8] = if is_count(search) { &[1, 2, 3] } else { &[1, 2] };
        let reply = Reply::all(numbers.iter().map(|&number| user(number)).collect());
        container(search).unwrap_or(Reply { estimate: 2, ..reply })
    });
    let (_, end) = read(port, "users", Full);
    assert_eq!(end.unwrap().counted.unwrap().low, 3);
}

#[test]
fn an_estimate_that_was_a_count_saves_the_next_ones() {
    let (port, asked) = directory(|search, _| {
        let reply = Reply::all(vec![user(1), user(2)]);
        container(search).unwrap_or(Reply { estimate: 2, ..reply })
    });
    let connector = connector(port, serde_json::json!({}));
    for counts in [1, 1] {
        let end = read_with(&*connector, "users", (Full, None), &Keeping::default()).unwrap();
        assert_eq!(end.counted.unwrap().high, 2);
        let asked = asked.lock().unwrap();
        assert_eq!(asked.iter().filter(|(_, attributes, _)| *attributes == ["1.1"]).count(), counts);
    }
}

#[test]
fn a_closed_sink_ends_the_waiting_for_a_silent_server() {
    for silent_count in [true, false] {
        let (port, asked) =
            directory(
                move |search, _| {
                    if is_count(search) == silent_count { Reply::silence() } else { Reply::all(vec![]) }
                },
            );
        let sink = Arc::new(Keeping::default());
        let reading = Arc::clone(&sink);
        let thread = std::thread::spawn(move || {
            read_with(&*connector(port, serde_json::json!({})), "users", (Full, None), &reading)
        });
        let until = Instant::now() + Duration::from_secs(10);
        let last_is_silent = || {
            let asked = asked.lock().unwrap();
            asked.last().is_some_and(|(base, attributes, _)| base == HEAD && (*attributes == ["1.1"]) == silent_count)
        };
        while !last_is_silent() {
            assert!(Instant::now() < until, "the search never came");
            std::thread::yield_now();
        }
        let closed = Instant::now();
        sink.closed.store(true, Ordering::Relaxed);
        let error = thread.join().unwrap().unwrap_err();
        assert_eq!(error.kind, muster_core::connector::ErrorKind::Cancelled);
        assert!(closed.elapsed() < Duration::from_secs(1), "{:?}", closed.elapsed());
    }
}

#[test]
fn what_was_not_asked_for_enters_no_record() {
    let (port, _) = directory(|search, _| {
        let dn = format!("CN=u,OU=x,{HEAD}");
        container(search).unwrap_or_else(|| {
            Reply::all(vec![entry(
                &dn,
                &[
                    ("objectGUID", &[&guid(1)]),
                    ("OBJECTSID", &[SID]),
                    ("name", &[b"right"]),
                    ("cn", &[b"wrong"]),
                    ("displayName;lang-en", &[b"wrong"]),
                    ("adminCount", &[b"1"]),
                    ("parent", &[b"wrong"]),
                    ("lockoutDuration", &[b"-1"]),
                    ("unicodePwd", &[b"wrong"]),
                    ("userPassword", &[b"wrong"]),
                ],
            )])
        })
    });
    let (sink, end) = read(port, "users", Full);
    end.unwrap();
    let records = sink.records();
    let names: Vec<&str> = records[0].1.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["objectGUID", "objectSid", "name", "parent", "rdn"]);
    assert_eq!((sink.values(0, "name"), sink.values(0, "parent")), (vec!["right".to_owned()], vec![key(200)]));
}

#[test]
fn forced_ranges_of_content_are_completed_by_guid() {
    let (port, asked) = directory(|search, _| {
        let dn = format!("CN=u1,OU=x,{HEAD}");
        if search.base == format!("<GUID={}>", key(1)) {
            assert_eq!(search.attrs, ["servicePrincipalName;range=2-*"]);
            return Reply::all(vec![entry(&dn, &[("servicePrincipalName;range=2-*", &[b"c"])])]);
        }
        container(search).unwrap_or_else(|| {
            let values: &[&[u8]] = &[b"a", b"b"];
            Reply::all(vec![entry(
                &dn,
                &[
                    ("objectGUID", &[&guid(1)]),
                    ("objectSid", &[SID]),
                    ("servicePrincipalName", &[]),
                    ("servicePrincipalName;range=0-1", values),
                ],
            )])
        })
    });
    let sink = Keeping::default();
    let connector = connector(port, serde_json::json!({ "assets": "identities_with_posture" }));
    read_with(&*connector, "users", (Full, None), &sink).unwrap();
    assert_eq!(sink.values(0, "servicePrincipalName"), ["a", "b", "c"]);
    assert_eq!((sink.values(0, "rdn"), sink.values(0, "parent")), (vec!["CN=u1".to_owned()], vec![key(200)]));
    assert_eq!(asked.lock().unwrap().iter().filter(|(base, ..)| base.starts_with("OU=x")).count(), 1);
}

fn group(number: u8, attributes: &[(&str, &[&[u8]])]) -> LdapOp {
    let guid = guid(number);
    let extended = format!("<GUID={}>;<SID=S-1-5-18>;CN=g{number},OU=x,{HEAD}", key(number));
    let id: [&[u8]; 1] = [&guid];
    let mut all: Vec<(&str, &[&[u8]])> = vec![("objectGUID", &id), ("objectSid", &[SID])];
    all.extend(attributes);
    entry(&extended, &all)
}

#[test]
fn the_members_of_a_group_in_ranges_follow_it_in_one_piece() {
    let (port, _) = directory(|search, _| {
        let named = |number: u8| format!("<GUID={}>;CN=u{number},{HEAD}", key(number)).into_bytes();
        if search.base.starts_with("<GUID=") {
            let from: u8 = search.attrs[0].trim_start_matches("member;range=").trim_end_matches("-*").parse().unwrap();
            let option =
                if from < 4 { format!("member;range={from}-{}", from + 1) } else { format!("member;range={from}-*") };
            return Reply::all(vec![group(1, &[(&option, &[&named(from), &named(from + 1)])])]);
        }
        container(search).unwrap_or_else(|| {
            Reply::all(vec![
                group(1, &[("member", &[]), ("member;range=0-1", &[&named(0), &named(1)])]),
                group(2, &[("member", &[&named(9), b"CN=elsewhere,DC=other"])]),
                group(3, &[]),
            ])
        })
    });
    let (sink, end) = read(port, "groups", Full);
    end.unwrap();
    assert_eq!(sink.records().len(), 3);
    assert_eq!(sink.values(0, "rdn").len(), 1);
    let batches = sink.batches.lock().unwrap();
    let pages: Vec<_> = batches.iter().flat_map(|batch| &batch.links).collect();
    let mut sets: Vec<(String, Vec<Member>)> = Vec::new();
    let mut open = false;
    for page in pages {
        assert_eq!(page.first, !open, "{page:?}");
        if page.first {
            sets.push((page.owner.clone(), Vec::new()));
        }
        let set = sets.last_mut().unwrap();
        assert_eq!(set.0, page.owner);
        set.1.extend(page.members.clone());
        open = !page.last;
    }
    assert!(!open);
    sets.sort_by(|left, right| left.0.cmp(&right.0));
    let keys = |numbers: &[u8]| numbers.iter().map(|&number| Member::Key(key(number))).collect::<Vec<_>>();
    assert_eq!(sets[0], (key(1), keys(&[0, 1, 2, 3, 4, 5])));
    assert_eq!(sets[1], (key(2), [keys(&[9]), vec![Member::Text("CN=elsewhere,DC=other".to_owned())]].concat()));
    assert_eq!(sets[2], (key(3), vec![]));
}

#[test]
fn a_range_that_is_not_the_one_asked_for_is_no_answer() {
    for option in ["member;range=0-1", "member;range=3-*", "member"] {
        let (port, _) = directory(move |search, _| {
            if search.base.starts_with("<GUID=") {
                return Reply::all(vec![group(1, &[(option, &[b"CN=b"])])]);
            }
            container(search)
                .unwrap_or_else(|| Reply::all(vec![group(1, &[("member;range=0-1", &[b"CN=a", b"CN=b"])])]))
        });
        let (_, end) = read(port, "groups", Full);
        assert_eq!(end.unwrap_err().kind, muster_core::connector::ErrorKind::Protocol, "{option}");
    }
}

#[test]
fn a_large_group_comes_in_bounded_pages_and_batches() {
    let (port, _) = directory(|search, _| {
        container(search).unwrap_or_else(|| {
            let members: Vec<Vec<u8>> =
                (0..90_000).map(|n| format!("CN=member number {n},DC=other").into_bytes()).collect();
            let members: Vec<&[u8]> = members.iter().map(Vec::as_slice).collect();
            Reply::all(vec![group(1, &[("member", &members)])])
        })
    });
    // Its container is known before: only then nothing needs to be kept.
    let connector = connector(port, serde_json::json!({}));
    let (first, second) = (Keeping::default(), Keeping::default());
    read_with(&*connector, "groups", (Full, None), &first).unwrap();
    read_with(&*connector, "groups", (Full, None), &second).unwrap();
    for sink in [first, second] {
        let batches = sink.batches.into_inner().unwrap();
        for batch in &batches {
            assert!(batch.links.iter().map(|page| page.members.len()).sum::<usize>() <= 80_000);
        }
        let pages: Vec<_> = batches.iter().flat_map(|batch| &batch.links).collect();
        assert!(pages.iter().all(|page| page.members.len() <= 2000));
        assert_eq!(pages.iter().map(|page| page.members.len()).sum::<usize>(), 90_000);
        assert!(pages[0].first && pages[pages.len() - 1].last);
        assert_eq!(pages.iter().filter(|page| page.first || page.last).count(), 2);
    }
}

#[test]
fn deltas_need_a_cursor_of_this_controllers() {
    let invocation = guid_text(&[7; 16]).unwrap();
    let (port, _) = directory(|search, _| container(search).unwrap_or_else(|| Reply::all(vec![user(1)])));
    let first = read(port, "users", Full).1.unwrap().cursor.unwrap().0;
    let question = serde_json::from_str::<serde_json::Value>(&first).unwrap()["asked"].as_str().unwrap().to_owned();
    let cursor = |asked: &str, invocation: &str, usn: i64| {
        Some(serde_json::json!({ "asked": asked, "usns": { invocation: usn } }).to_string())
    };
    let other = cursor(&question, &key(9), 5);
    for (cursor, mode, note) in [
        (None, Full, "there is no cursor yet"),
        (Some("not json".to_owned()), Full, "there is no cursor yet"),
        (other.clone(), Full, "invocationId is new"),
        (cursor("another", &invocation, 900), Full, "other attributes or another search scope"),
        (cursor(&question, &invocation, 1001), Full, "USN went back"),
        (cursor(&question, &invocation, 1000), Delta, ""),
        (cursor(&question, &invocation, 900), Delta, ""),
    ] {
        let (port, asked) = directory(|search, _| container(search).unwrap_or_else(|| Reply::all(vec![user(1)])));
        let given = cursor.clone().map(Cursor);
        let connector = connector(port, serde_json::json!({}));
        let end = read_with(&*connector, "users", (Delta, given.as_ref()), &Keeping::default()).unwrap();
        assert_eq!(end.mode, mode, "{cursor:?}");
        assert!(note.is_empty() || end.notes.iter().any(|found| found.contains(note)), "{:?}", end.notes);
        let next = end.cursor.unwrap().0;
        assert!(next.contains(&format!("\"{invocation}\":1000")), "{next}");
        assert_eq!(next.contains(&key(9)), cursor == other, "what other controllers told is kept");
        let unchanged = cursor.is_some_and(|cursor| cursor.ends_with(":1000}}"));
        assert_eq!(asked.lock().unwrap().iter().any(|(base, ..)| base.starts_with("OU=x")), !unchanged);
    }
}

#[test]
fn a_listing_cut_short_stays_open_and_a_busy_server_is_asked_again_later() {
    for (code, kind) in [
        (LdapResultCode::SizeLimitExceeded, None),
        (LdapResultCode::TimeLimitExceeded, None),
        (LdapResultCode::Busy, Some(muster_core::connector::ErrorKind::Unavailable)),
    ] {
        let refused = code.clone();
        let (port, _) = directory(move |search, _| {
            let mut reply = container(search).unwrap_or_else(|| Reply::all(vec![user(1)]));
            if search.attrs.len() > 1 {
                reply.code = Some(refused.clone());
            }
            reply
        });
        let (sink, end) = read(port, "users", Full);
        match kind {
            Some(kind) => assert_eq!(end.unwrap_err().kind, kind),
            None => {
                let end = end.unwrap();
                assert!(end.open.unwrap().contains("cut the listing"), "{code:?}");
                assert_eq!((end.counted, sink.records().len()), (None, 1));
            }
        }
    }
}

#[test]
fn empty_pages_without_end_are_an_error() {
    let (port, _) = directory(|_, _| Reply { cookie: b"again".to_vec(), ..Reply::all(vec![]) });
    let (_, end) = read(port, "users", Full);
    assert_eq!(end.unwrap_err().kind, muster_core::connector::ErrorKind::Protocol);
}

#[test]
fn a_page_beyond_any_limit_is_halved_until_it_fits() {
    let mut refusals = 0;
    let (port, _) = directory(move |search, _| {
        if refusals < 3 {
            refusals += 1;
            return Reply::refusal(LdapResultCode::AdminLimitExceeded);
        }
        container(search).unwrap_or_else(|| Reply::all(vec![user(1)]))
    });
    let sink = Keeping::default();
    let connector = connector(port, serde_json::json!({ "pageSize": 5000 }));
    let end = read_with(&*connector, "users", (Full, None), &sink).unwrap();
    assert_eq!((end.open, sink.records().len()), (None, 1));
}
