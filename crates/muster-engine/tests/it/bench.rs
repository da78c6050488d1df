//! One store of either database, one scripted source, and runs between the two.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use muster_core::clock::{Clock as _, FixedClock, Instant};
use muster_core::connector::{Connector, Mode};
use muster_core::ledger::{Counters, LedgerLine};
use muster_core::map::{TransformMap, compile};
use muster_core::secret::Secret;
use muster_engine::{EngineError, Options, Progress, Report};
use muster_store::hub::{AuditLine, ProfileChange};
use muster_store::{AssetRow, ConnectorRow, Letters, Location, NewConnector, Order, Store};
use sqlx::{Connection as _, Executor as _};

use crate::source::Source;
use crate::world::World;

pub(crate) const HOUR: i64 = 3_600_000_000;
const START: Instant = Instant(1_790_000_000_000_000);

pub(crate) struct Bench {
    pub(crate) store: Store,
    pub(crate) location: Location,
    pub(crate) row: ConnectorRow,
    pub(crate) source: Source,
    pub(crate) maps: BTreeMap<String, Arc<TransformMap>>,
    pub(crate) clock: FixedClock,
    cancel: Arc<AtomicBool>,
}

struct Silent;

impl Progress for Silent {
    fn scope(&self, _stream: &str, _scope: &str, _received: u64, _ended: bool) {}
    fn phase(&self, _words: &str) {}
}

impl Bench {
    pub(crate) async fn open(location: Location, world: World) -> Self {
        let store = Store::open(&location).await.unwrap();
        let new = NewConnector { type_name: "roster", name: "roster", source_name: "Roster", uuid: "u" };
        let row = store.ensure_connector(new, START).await.unwrap();
        let cancel = Arc::new(AtomicBool::new(false));
        let source = Source::new(world, Arc::clone(&cancel));
        let texts = [include_str!("places.yaml"), include_str!("people.yaml"), include_str!("teams.yaml")];
        let streams = source.model().streams.clone();
        let maps = streams
            .iter()
            .zip(texts)
            .map(|(stream, text)| (stream.name.clone(), Arc::new(compile(text, stream).unwrap())));
        let maps = maps.collect();
        Self { store, location, row, source, maps, clock: FixedClock::at(START), cancel }
    }

    pub(crate) fn clock_now(&self) -> Instant {
        self.clock.now()
    }

    /// Replaces text in the map of a stream: another map.
    pub(crate) fn change_map(&mut self, stream: &str, from: &str, to: &str) {
        let map = &self.maps[stream];
        assert!(map.text.contains(from), "the map has no `{from}`");
        let changed = compile(&map.text.replace(from, to), map.model()).unwrap();
        self.maps.insert(stream.to_owned(), Arc::new(changed));
    }

    pub(crate) fn options(&self, mode: Mode, release: bool) -> Options {
        Options { mode, release, cancel: Arc::clone(&self.cancel), progress: Arc::new(Silent) }
    }

    pub(crate) async fn try_run(&self, mode: Mode, release: bool) -> Result<Report, EngineError> {
        self.run_by(Order::default(), (mode, release)).await
    }

    /// Runs on behalf of somebody.
    async fn run_by(&self, order: Order, (mode, release): (Mode, bool)) -> Result<Report, EngineError> {
        self.clock.advance(60_000_000);
        self.cancel.store(false, Ordering::SeqCst);
        let options = self.options(mode, release);
        let subject = muster_engine::Subject { row: &self.row, connector: &self.source, maps: &self.maps, order };
        muster_engine::run(&self.store, subject, &self.clock, options).await
    }

    /// Maps again what is kept: these letters, or without them all assets that another map made.
    pub(crate) async fn replay(&self, letters: Option<Letters>) -> Report {
        self.clock.advance(60_000_000);
        self.cancel.store(false, Ordering::SeqCst);
        let subject = muster_engine::Subject {
            row: &self.row,
            connector: &self.source,
            maps: &self.maps,
            order: Order::default(),
        };
        muster_engine::replay(&self.store, subject, &self.clock, (self.options(Mode::Full, false), letters))
            .await
            .unwrap()
    }

    /// Key and reason of each dead letter.
    pub(crate) async fn letters(&self) -> Vec<(String, String)> {
        let letters = self.store.dead_letters(&self.row, 1000).await.unwrap();
        letters.into_iter().map(|letter| (letter.source_key, letter.reason)).collect()
    }

    pub(crate) async fn run(&self, mode: Mode) -> Report {
        self.try_run(mode, false).await.unwrap()
    }

    /// Adds a profile of the connector.
    pub(crate) async fn profile(&self, name: &str) -> i64 {
        let (empty, now) = (serde_json::json!({}), self.clock.now());
        let (maps, parameters) = (&empty, &empty);
        let change = ProfileChange { name, active: true, maps, parameters, schedule: None, next_at: None, now };
        let audit = AuditLine {
            tenant: self.row.tenant,
            at: now,
            actor_kind: "user",
            actor: "admin".to_owned(),
            action: "test",
            object_kind: "profile",
            object: name.to_owned(),
            detail: empty.clone(),
            request: "r".to_owned(),
        };
        self.store.add_profile((self.row.tenant, self.row.id), name, &change, &audit).await.unwrap().unwrap().id
    }

    /// Runs a profile that reads these scopes of people.
    pub(crate) async fn run_profile(
        &self,
        profile: i64,
        scopes: &[&'static str],
        (mode, release): (Mode, bool),
    ) -> Report {
        self.source.world().scopes.insert("people", scopes.to_vec());
        self.run_by(Order { profile: Some(profile), job: None }, (mode, release)).await.unwrap()
    }

    pub(crate) async fn full(&self) -> Report {
        self.run(Mode::Full).await
    }

    pub(crate) async fn release(&self, mode: Mode) -> Report {
        self.try_run(mode, true).await.unwrap()
    }

    /// The inventory of a stream by key, gone assets included.
    pub(crate) async fn inventory(&self, stream: &str) -> BTreeMap<String, AssetRow> {
        let (mut found, mut after) = (BTreeMap::new(), 0);
        loop {
            let ids = self.store.asset_ids(&self.row, stream, after).await.unwrap();
            let Some(&last) = ids.last() else { return found };
            after = last;
            let assets = self.store.assets(self.row.tenant, &ids).await.unwrap();
            found.extend(assets.into_iter().map(|asset| (asset.source_key.clone(), asset)));
        }
    }

    pub(crate) async fn asset(&self, stream: &str, key: &str) -> AssetRow {
        self.inventory(stream).await.remove(key).unwrap_or_else(|| panic!("no `{key}` among {stream}"))
    }

    /// Status and cause of a person.
    pub(crate) async fn status(&self, key: &str) -> (&'static str, Option<String>) {
        let asset = self.asset("people", key).await;
        (asset.status, asset.gone_cause)
    }

    /// The scope an asset lies in, by name.
    pub(crate) async fn scope_of(&self, stream: &str, key: &str) -> String {
        let id = self.asset(stream, key).await.id;
        let scope = self.store.documents(&[id]).await.unwrap()[0].scope;
        self.store.scopes(&self.row).await.unwrap().into_iter().find(|row| row.id == scope).unwrap().name
    }

    pub(crate) async fn cursor(&self, stream: &str, scope: &str) -> Option<String> {
        let scopes = self.store.scopes(&self.row).await.unwrap();
        let found = scopes.into_iter().find(|row| row.stream == stream && row.name == scope);
        found.and_then(|row| row.cursor).map(|cursor| cursor.0)
    }

    /// All that the stored ledger of a run says in words.
    pub(crate) async fn stored_words(&self, report: &Report) -> String {
        let lines = self.store.run_scopes(&self.row, report.run.id).await.unwrap();
        lines.iter().flat_map(|(_, line, _)| line.notes.clone()).collect::<Vec<_>>().join("\n")
    }

    /// The history of an asset, newest first: cause and what was before.
    pub(crate) async fn history(&self, stream: &str, key: &str) -> Vec<(String, serde_json::Value)> {
        let id = self.asset(stream, key).await.id;
        let rows = self.store.history(self.row.tenant, id).await.unwrap();
        rows.into_iter().map(|row| (row.cause, row.before)).collect()
    }

    /// Members by team.
    pub(crate) async fn members(&self, team: &str) -> Vec<String> {
        let mut found = Vec::new();
        let mut after = 0;
        loop {
            let rows = self.store.memberships(&self.row, "teams", after).await.unwrap();
            let Some(last) = rows.last() else { break };
            after = last.owner;
            found.extend(rows.into_iter().filter(|row| row.owner_key == team).map(|row| row.member));
        }
        found.sort();
        found
    }

    pub(crate) async fn present(&self, stream: &str) -> u64 {
        self.store.totals(&self.row, stream).await.unwrap().present
    }

    pub(crate) async fn held(&self, stream: &str) -> u64 {
        self.store.totals(&self.row, stream).await.unwrap().held
    }
}

/// The line of a scope.
pub(crate) fn line<'a>(report: &'a Report, stream: &str, scope: &str) -> &'a LedgerLine {
    report.ledger.iter().find(|line| line.stream == stream && line.scope == scope).unwrap()
}

/// The counters of a stream, added up.
pub(crate) fn counters(report: &Report, stream: &str) -> Counters {
    let mut sum = Counters::default();
    report.ledger.iter().filter(|line| line.stream == stream).for_each(|line| sum.add(&line.counters));
    sum
}

/// All that the ledger says in words.
pub(crate) fn words(report: &Report) -> String {
    let lines = report.ledger.iter().map(|line| format!("{:?} {}", line.evidence, line.notes.join("; ")));
    lines.collect::<Vec<_>>().join("\n")
}

static SCHEMAS: AtomicU64 = AtomicU64::new(0);

/// A schema of its own in the PostgreSQL that `MUSTER_TEST_POSTGRES` names.
pub(crate) struct Schema {
    url: String,
    name: String,
}

impl Schema {
    pub(crate) async fn create() -> Option<Self> {
        let Ok(url) = std::env::var("MUSTER_TEST_POSTGRES") else {
            eprintln!("SKIPPED over PostgreSQL: MUSTER_TEST_POSTGRES is not set");
            return None;
        };
        let name = format!("engine_{}_{}", std::process::id(), SCHEMAS.fetch_add(1, Ordering::SeqCst));
        let schema = Self { url, name };
        schema.command(&format!("CREATE SCHEMA {}", schema.name)).await;
        Some(schema)
    }

    pub(crate) fn location(&self) -> Location {
        Location::Url(Secret::new(format!("{}?options=-c%20search_path%3D{}", self.url, self.name)))
    }

    async fn command(&self, sql: &str) {
        let mut connection = sqlx::PgConnection::connect(&self.url).await.unwrap();
        connection.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(sql))).await.unwrap();
    }

    pub(crate) async fn drop(self) {
        self.command(&format!("DROP SCHEMA {} CASCADE", self.name)).await;
    }
}

/// Runs a test over both databases, each with a world of its own.
pub(crate) async fn both<F, Done>(world: impl Fn() -> World, test: F)
where
    F: Fn(Bench) -> Done,
    Done: Future<Output = ()>,
{
    let directory = tempfile::tempdir().unwrap();
    test(Bench::open(Location::Directory(directory.path().to_owned()), world()).await).await;
    if let Some(schema) = Schema::create().await {
        test(Bench::open(schema.location(), world()).await).await;
        schema.drop().await;
    }
}
