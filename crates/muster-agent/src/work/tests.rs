use std::collections::{BTreeMap, BTreeSet};

use axum::body::Bytes;
use axum::extract::{Path, State as Given};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{post, put};
use axum::{Json, Router};
use muster_core::agent::{Answer, Configuration, Offer, Task, bits, unpack};
use muster_core::clock::{FixedClock, Instant as Time};
use muster_core::connector::{BatchSink as _, Blob, Mode, Reject};
use muster_core::link::{LinkPage, Member};
use muster_core::model::DataModel;
use serde_json::json;

use super::*;
use crate::client::Link;
use crate::log::Log;
use crate::settings::{Settings, Sources, WhenFull, gather};
use crate::spool::{Entry, Spool};

/// A hub that does as it is told, and remembers.
#[derive(Default)]
struct Script {
    parcels: BTreeMap<u64, Parcel>,
    offers: u64,
    sign_ins: u64,
    /// Tokens that are taken.
    good: BTreeSet<String>,
    /// What is answered to a parcel instead of taking it, once for each entry.
    refusals: Vec<(u64, StatusCode, &'static str)>,
    /// Parcels that arrived while their order's first one had not.
    early: u64,
    away: bool,
    over: bool,
}

type Scripted = Arc<Mutex<Script>>;

fn problem(status: StatusCode, code: &str) -> Response {
    (status, Json(json!({ "code": code, "title": "as told" }))).into_response()
}

fn guard(script: &Script, headers: &HeaderMap) -> Option<Response> {
    if script.away {
        return Some(StatusCode::BAD_GATEWAY.into_response());
    }
    let token = headers["authorization"].to_str().unwrap().trim_start_matches("Bearer ");
    (!script.good.contains(token)).then(|| problem(StatusCode::UNAUTHORIZED, "session_ended"))
}

async fn sign_in(Given(script): Given<Scripted>) -> Response {
    let mut script = script.lock().unwrap();
    script.sign_ins += 1;
    let token = format!("token-{}", script.sign_ins);
    script.good.insert(token.clone());
    (StatusCode::CREATED, token).into_response()
}

async fn take(
    Given(script): Given<Scripted>,
    Path((_, sequence)): Path<(i64, u64)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut script = script.lock().unwrap();
    if let Some(refusal) = guard(&script, &headers) {
        return refusal;
    }
    if script.over {
        return problem(StatusCode::CONFLICT, "order_over");
    }
    if let Some(at) = script.refusals.iter().position(|(refused, ..)| *refused == sequence) {
        let (_, status, code) = script.refusals.remove(at);
        return problem(status, code);
    }
    script.early += u64::from(sequence > 0 && !script.parcels.contains_key(&0));
    script.parcels.entry(sequence).or_insert(unpack(&body).unwrap());
    StatusCode::NO_CONTENT.into_response()
}

/// Of each offer every other record is wanted.
async fn wanted(Given(script): Given<Scripted>, headers: HeaderMap, body: Bytes) -> Response {
    let mut script = script.lock().unwrap();
    if let Some(refusal) = guard(&script, &headers) {
        return refusal;
    }
    script.offers += 1;
    let offer: Offer = unpack(&body).unwrap();
    bits((0..offer.pairs.len()).map(|at| at % 2 == 0)).into_response()
}

async fn poll(Given(script): Given<Scripted>, headers: HeaderMap) -> Response {
    let script = script.lock().unwrap();
    if let Some(refusal) = guard(&script, &headers) {
        return refusal;
    }
    let have = (0..).take_while(|sequence| script.parcels.contains_key(sequence)).count() as u64;
    let orders = if script.over { Vec::new() } else { vec![Order { have, ..order(false) }] };
    Json(Answer { revision: "r".to_owned(), orders }).into_response()
}

async fn hub(script: &Scripted) -> String {
    let router = Router::new()
        .route("/auth", post(sign_in))
        .route("/agent/v1/poll", post(poll))
        .route("/agent/v1/orders/{id}/wanted", post(wanted))
        .route("/agent/v1/orders/{id}/parcels/{sequence}", put(take))
        .layer(axum::extract::DefaultBodyLimit::max(muster_core::agent::LONGEST_PACKED))
        .with_state(Arc::clone(script));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

fn settings(url: &str, spool: &std::path::Path) -> Settings {
    let uuid = "35664649-0000-4000-8000-0e54079e1ee9";
    let spool = spool.display().to_string();
    let given = [
        ("connector.api.url", url),
        ("qualys.customerUuid", uuid),
        ("qualys.connectionUuid", uuid),
        ("qualys.profileUuid", uuid),
        ("qualys.user.username", "u"),
        ("qualys.user.password", "p"),
        ("muster.spool.directory", &spool),
    ];
    let environment: Vec<_> = given.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    gather(Sources { file: None, environment: &environment, allow_http: true, needs_cron: false }).settings.unwrap()
}

fn order(known: bool) -> Order {
    let task = Task::Read { stream: "users".to_owned(), scope: "s".to_owned(), mode: Mode::Full, cursor: None };
    Order { id: 7, job: "job".to_owned(), task, known, have: 0 }
}

fn model() -> Arc<DataModel> {
    (muster_connectors::find("active_directory").unwrap().model)()
}

/// Everything but secrets may leave.
fn list() -> BTreeMap<String, Vec<String>> {
    let names = |stream: &Arc<StreamModel>| stream.attributes.iter().map(|one| one.name.clone()).collect();
    model().streams.iter().map(|stream| (stream.name.clone(), names(stream))).collect()
}

struct Rig {
    script: Scripted,
    clock: Arc<FixedClock>,
    work: Arc<Work>,
    _scratch: tempfile::TempDir,
}

impl Rig {
    async fn new() -> Self {
        let (script, scratch) = (Scripted::default(), tempfile::tempdir().unwrap());
        let settings = settings(&hub(&script).await, scratch.path());
        let clock = Arc::new(FixedClock::at(Time(1_800_000_000_000_000)));
        let link = Link::new(&settings, None, clock.clone()).unwrap();
        let mut spooled = settings.spool.clone();
        (spooled.limit, spooled.when_full) = (40 << 20, WhenFull::DropOldest);
        let spool = Spool::open(&spooled).unwrap();
        let log = Log::new(clock.clone(), Box::new(|_| {}));
        let shared = Shared::new(link, spool, log, settings.parallel);
        let work = Work::new(shared, settings, clock.clone());
        let configuration = Configuration {
            revision: "r".to_owned(),
            connector_type: "active_directory".to_owned(),
            connector: "c".to_owned(),
            profile: "p".to_owned(),
            sections: serde_json::Map::new(),
            sealed: BTreeMap::new(),
            attributes: list(),
            cursors: Vec::new(),
        };
        let none = BTreeMap::new();
        work.state().source = Some(Arc::new(Source::of(configuration, &none, &none).unwrap()));
        Self { script, clock, work, _scratch: scratch }
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap()
    }

    fn delivery(&self, known: bool) -> Arc<Delivery> {
        Delivery::new(&self.work.shared, (7, known), &model(), &list())
    }

    async fn drain(&self) {
        self.work.drain(&order(false), 7, &AtomicBool::new(false), &AtomicBool::new(true)).await;
    }

    /// The keys of all records that arrived whole, in the order of their parcels, and the end.
    fn arrived(&self) -> (Vec<String>, Parcel) {
        let (model, script) = (model(), self.script());
        let mut parcels: Vec<Parcel> = script.parcels.values().cloned().collect();
        let last = parcels.pop().unwrap();
        let mut keys = Vec::new();
        for parcel in parcels {
            let Parcel::Batch(batch) = parcel else { panic!("{parcel:?}") };
            let (batch, strange) = batch.into_batch(model.stream("users").unwrap()).unwrap();
            assert!(strange.is_empty());
            keys.extend(batch.records.iter().filter(|one| !one.is_known()).map(|one| one.key().to_owned()));
        }
        (keys, last)
    }
}

fn batch(numbers: std::ops::Range<u32>, weight: usize) -> Batch {
    let model = model();
    let stream = model.stream("users").unwrap();
    let mut batch = Batch::new("users".into(), "s".into());
    for number in numbers {
        // Nothing that packs well.
        let mut noise = vec![0; weight];
        blake3::Hasher::new().update(&number.to_le_bytes()).finalize_xof().fill(&mut noise);
        batch.records.push(stream.attribute("displayName").unwrap().id, &noise);
        batch.records.finish(stream, &format!("{number:05}"));
    }
    batch
}

fn end() -> Parcel {
    let end = muster_core::connector::ScopeEnd {
        mode: Mode::Full,
        open: None,
        counted: None,
        cursor: None,
        notes: Vec::new(),
        traffic: muster_core::connector::Traffic::default(),
    };
    Parcel::End(end.into())
}

fn keys(numbers: std::ops::Range<u32>) -> Vec<String> {
    numbers.map(|number| format!("{number:05}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn parcels_arrive_whole_the_first_alone_and_the_last_at_last() {
    let rig = Rig::new().await;
    // The hub is not ready for two of them, and refuses a token in between.
    let too_far = (StatusCode::TOO_MANY_REQUESTS, "too_far_ahead");
    rig.script().refusals =
        vec![(0, too_far.0, too_far.1), (3, too_far.0, too_far.1), (5, StatusCode::UNAUTHORIZED, "session_ended")];
    let delivery = rig.delivery(false);
    for number in 0..20 {
        delivery.send(batch(number * 10..number * 10 + 10, 100)).await.unwrap();
    }
    delivery.end(end()).await.unwrap();
    assert_eq!(rig.arrived(), (keys(0..200), end()));
    {
        let script = rig.script();
        assert_eq!((script.early, script.offers, script.parcels.len()), (0, 0, 21));
    }
    assert_eq!(rig.work.shared.spool.told().entries, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_known_scope_only_what_is_wanted_goes_whole() {
    let rig = Rig::new().await;
    let delivery = rig.delivery(true);
    delivery.send(batch(0..10, 100)).await.unwrap();
    delivery.end(end()).await.unwrap();
    assert_eq!(rig.arrived().0, ["00000", "00002", "00004", "00006", "00008"]);
    assert_eq!(rig.script().offers, 1);
}

/// A batch that no parcel takes goes in pieces; each thing of it arrives once.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_much_for_a_parcel_is_split() {
    let rig = Rig::new().await;
    let mut sent = batch(0..100, 100_000);
    let members = |number: usize| vec![Member::Text(format!("{number:0>900}")); 1000];
    for number in 0..6 {
        let page = LinkPage {
            owner: "00001".into(),
            kind: "member".into(),
            first: number == 0,
            last: number == 5,
            members: members(number),
        };
        sent.links.push(page);
    }
    sent.tombstones = keys(500..600);
    sent.rejects = vec![Reject { key: None, reason: "r".into(), raw: Vec::new() }];
    sent.blobs = vec![Blob { name: format!("{}.json", "0".repeat(64)).into(), bytes: vec![7; 1 << 20] }];
    let delivery = rig.delivery(false);
    delivery.send(sent).await.unwrap();
    delivery.end(end()).await.unwrap();
    assert_eq!(rig.arrived().0, keys(0..100));
    let (model, script) = (model(), rig.script());
    assert!(script.parcels.len() > 6, "{} parcels", script.parcels.len());
    let (mut links, mut tombstones, mut rejects, mut blobs) = (0, 0, 0, 0);
    for parcel in script.parcels.values() {
        if let Parcel::Batch(batch) = parcel.clone() {
            let (batch, _) = batch.into_batch(model.stream("users").unwrap()).unwrap();
            (links, tombstones) = (links + batch.links.len(), tombstones + batch.tombstones.len());
            (rejects, blobs) = (rejects + batch.rejects.len(), blobs + batch.blobs.len());
        }
    }
    assert_eq!((links, tombstones, rejects, blobs), (6, 100, 1, 1));
}

/// D14: an attribute that is not on the list does not leave.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_on_the_closed_list_stays() {
    let rig = Rig::new().await;
    let narrow = BTreeMap::from([("users".to_owned(), vec!["objectGUID".to_owned()])]);
    let delivery = Delivery::new(&rig.work.shared, (7, false), &model(), &narrow);
    delivery.send(batch(0..3, 100)).await.unwrap();
    delivery.end(end()).await.unwrap();
    let Some(Parcel::Batch(first)) = rig.script().parcels.get(&0).cloned() else { panic!("a batch") };
    let (first, _) = first.into_batch(model().stream("users").unwrap()).unwrap();
    assert_eq!(first.records.iter().map(|record| record.all().count()).sum::<usize>(), 0);
    assert_eq!(first.records.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_is_over_stops_the_reading() {
    let rig = Rig::new().await;
    let delivery = rig.delivery(false);
    rig.script().over = true;
    delivery.send(batch(0..3, 100)).await.unwrap();
    assert!(delivery.send(batch(3..6, 100)).await.is_err(), "the first one was refused");
    assert!(delivery.is_closed());
    assert!(delivery.broken().await.is_none());
}

/// The hub goes away in the middle: nothing is lost, and all arrives in its order once it is back.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_hub_misses_waits_in_the_spool() {
    let rig = Rig::new().await;
    let delivery = rig.delivery(false);
    for number in 0..20 {
        if number == 5 {
            rig.script().away = true;
        }
        delivery.send(batch(number * 10..number * 10 + 10, 100)).await.unwrap();
    }
    delivery.end(end()).await.unwrap();
    assert!(rig.work.shared.is_away());
    let waiting = rig.work.shared.spool.told().entries;
    assert_eq!(waiting, 21 - rig.script().parcels.len() as u64);
    assert!(rig.work.shared.spool.is_whole(7) && waiting > 14);
    rig.script().away = false;
    rig.drain().await;
    assert_eq!(rig.arrived(), (keys(0..200), end()));
    assert_eq!(rig.work.shared.spool.told().entries, 0);
}

/// More than the spool takes, the oldest dropped: its place is filled with nothing, and the end says that it is open.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_dropped_leaves_its_scope_open() {
    let rig = Rig::new().await;
    rig.script().away = true;
    rig.work.shared.fails(Failure::new(Kind::Hub, "a test", "away", "none"));
    let delivery = rig.delivery(false);
    for number in 0..30 {
        delivery.send(batch(number..number + 1, 2 << 20)).await.unwrap();
    }
    delivery.end(end()).await.unwrap();
    let dropped = rig.work.shared.spool.told().dropped;
    assert!(dropped >= 8, "{dropped}");
    rig.script().away = false;
    rig.drain().await;
    let (arrived, last) = rig.arrived();
    assert_eq!(arrived, keys(u32::try_from(dropped).unwrap()..30));
    let Parcel::End(last) = last else { panic!("{last:?}") };
    assert!(last.open.unwrap().contains(&format!("{dropped} parts of what was read were lost")));
    assert_eq!(rig.script().parcels.len(), 31);
}

/// What of a confirmation was lost proves nothing: it fails, and nothing is retired.
#[test]
fn an_end_of_which_something_is_missing_proves_nothing() {
    let verdicts = Parcel::Verdicts(vec![muster_core::connector::Verdict::Deleted]);
    assert!(matches!(amend(verdicts, "two are lost"), Parcel::Failed(failed) if failed.message == "two are lost"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_renewed_before_its_end_and_once_on_refusal() {
    let rig = Rig::new().await;
    let entry = |sequence| Entry { order: 7, sequence, last: false, parcel: pack(sequence) };
    let deliver = async |sequence| rig.work.shared.deliver(entry(sequence), &AtomicBool::new(false)).await.is_ok();
    assert!(deliver(0).await && deliver(1).await);
    assert_eq!(rig.script().sign_ins, 1);
    rig.clock.advance(4 * 3600 * 1_000_000 - 299_000_000);
    assert!(deliver(2).await);
    assert_eq!(rig.script().sign_ins, 2, "five minutes before its end");
    rig.script().good.clear();
    assert!(deliver(3).await);
    assert_eq!(rig.script().sign_ins, 3);
    rig.script().refusals = vec![(4, StatusCode::UNAUTHORIZED, "not_signed_in"); 2];
    assert!(!deliver(4).await);
    assert_eq!(rig.script().sign_ins, 4, "once, not for ever");
}

fn pack(sequence: u64) -> Bytes {
    let parcel = Parcel::Checked(sequence == 0);
    muster_core::agent::pack(&parcel).unwrap().into()
}
