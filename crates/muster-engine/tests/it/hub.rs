//! A hub's worker and scheduler on a simulated directory, over both databases.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant as Stopwatch};

use muster_core::clock::{Clock, Instant};
use muster_core::run::RunResult;
use muster_core::seal::{Key, Keyring, Place};
use muster_core::secret::Secret;
use muster_engine::scheduler;
use muster_engine::worker::Worker;
use muster_lab::directory::{DirectoryOptions, Faults, RunningDirectory, Slow, start};
use muster_store::dialect::Dialect;
use muster_store::hub::{
    AuditLine, ConnectionChange, ConnectionRow, Enqueued, EventRow, JobFilter, JobRow, NewJob, Page, ProfileChange,
    ProfileRow, SealedSecret,
};
use muster_store::{ConnectorRow, Location, Order, RunRow, Store};
use rand::SeedableRng as _;
use serde_json::json;
use tokio::sync::watch;

use crate::bench::Schema;

const CANARY: &str = "authentication.password";
const MINUTE: i64 = 60_000_000;

/// A clock that only moves when it is told to.
#[derive(Debug)]
struct Still(AtomicI64);

impl Clock for Still {
    fn now(&self) -> Instant {
        Instant(self.0.load(Ordering::SeqCst))
    }
}

impl Still {
    fn advance(&self, microseconds: i64) -> Instant {
        Instant(self.0.fetch_add(microseconds, Ordering::SeqCst) + microseconds)
    }
}

struct Hub {
    store: Store,
    lab: RunningDirectory,
    clock: Arc<Still>,
    worker: Worker,
    connection: ConnectionRow,
    profile: ProfileRow,
}

fn audit(tenant: i64) -> AuditLine {
    AuditLine {
        tenant,
        at: Instant(0),
        actor_kind: "user",
        actor: "admin".to_owned(),
        action: "test",
        object_kind: "connector",
        object: "lab".to_owned(),
        detail: json!({}),
        request: "r".to_owned(),
    }
}

impl Hub {
    async fn open(location: Location, schedule: Option<serde_json::Value>) -> Self {
        let store = Store::open(&location).await.unwrap();
        let lab = start(DirectoryOptions { users: 120, staff: Some(60), seed: 5, ..DirectoryOptions::default() });
        let lab = lab.await.unwrap();
        let mut random = rand::rngs::StdRng::seed_from_u64(7);
        let keyring = Arc::new(Keyring::new(Key::generate(&mut random), Vec::new()));
        let clock = Arc::new(Still(AtomicI64::new(1_750_000_000_000_000)));
        let now = clock.now();
        let tenant = store.first_tenant("t-1", now).await.unwrap().id;
        let banner = lab.banner();
        let password = Secret::new(banner["password"].as_str().unwrap().to_owned());
        let place = Place { tenant: &tenant.to_string(), owner: "c-1", field: CANARY };
        let sealed = keyring.seal(&place, &password, &mut random).unwrap();
        let settings = json!({ "authentication": {
            "host": "127.0.0.1", "port": lab.ldap_address().port(), "protocol": "ldap", "bindDn": banner["bindDn"],
        }});
        let secrets = [SealedSecret { field: CANARY.to_owned(), sealed }];
        let change = ConnectionChange {
            name: "lab",
            description: "",
            settings: &settings,
            execution: "hub",
            secrets: &secrets,
            now,
        };
        let kind = ("active_directory", "Microsoft Active Directory");
        let connection = store.add_connection(kind, (tenant, "c-1"), &change, &audit(tenant)).await.unwrap().unwrap();
        let empty = json!({});
        let next_at = schedule.as_ref().map(|_| now.plus(MINUTE));
        let change = ProfileChange {
            name: "all",
            active: true,
            maps: &empty,
            parameters: &empty,
            schedule: schedule.as_ref(),
            next_at,
            now,
        };
        let profile = store.add_profile((tenant, connection.id), "p-1", &change, &audit(tenant)).await;
        let profile = profile.unwrap().unwrap();
        let worker = Worker {
            store: store.clone(),
            kinds: muster_connectors::REGISTRY,
            keyring,
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            owner: "w".to_owned(),
            parallel: 2,
        };
        Self { store, lab, clock, worker, connection, profile }
    }

    async fn ask(&self, kind: &str, uuid: &str) -> JobRow {
        let payload = json!({ "mode": "full" });
        let job = NewJob {
            tenant: self.connection.tenant,
            uuid,
            kind,
            connector: self.connection.id,
            profile: (kind == "run").then_some(self.profile.id),
            payload: &payload,
            exclusive: Some(format!("{kind}:{}", self.profile.id)),
            requested_by: "admin",
            now: self.clock.now(),
        };
        assert!(matches!(self.store.enqueue(&job, None).await.unwrap(), Enqueued::Added(_)));
        self.job(uuid).await
    }

    /// Removes the connector; its assets are the job's to retire.
    async fn remove(&self, uuid: &str) {
        let payload = json!({});
        let retiring = NewJob {
            tenant: self.connection.tenant,
            uuid,
            kind: "remove",
            connector: self.connection.id,
            profile: None,
            payload: &payload,
            exclusive: None,
            requested_by: "admin",
            now: self.clock.now(),
        };
        let audit = audit(self.connection.tenant);
        self.store.remove_connection(&self.connection, &retiring, &audit).await.unwrap().unwrap();
    }

    async fn job(&self, uuid: &str) -> JobRow {
        self.store.job(self.connection.tenant, uuid).await.unwrap().unwrap()
    }

    async fn told(&self, job: &JobRow) -> Vec<EventRow> {
        self.store.events(job.tenant, job.id, 0, 1000).await.unwrap()
    }

    fn row(&self) -> ConnectorRow {
        let ConnectionRow { id, tenant, name, .. } = self.connection.clone();
        ConnectorRow { id, tenant, name }
    }

    /// A run that has just begun.
    fn begun(&self, order: Order) -> RunRow {
        RunRow {
            id: 0,
            connector: self.connection.id,
            order,
            mode: muster_core::connector::Mode::Full,
            machine: muster_core::run::Machine::begin(3),
            result: None,
            as_of: self.clock.now(),
            started_at: self.clock.now(),
            ended_at: None,
            origin: None,
            notes: Vec::new(),
        }
    }

    async fn users(&self) -> u64 {
        self.store.totals(&self.row(), "users").await.unwrap().present
    }

    /// Lets a database's clock go on for its leases; those of an embedded one go by the hub's.
    async fn pass(&self, microseconds: i64) {
        if self.store.dialect() == Dialect::Postgres {
            let sql = "UPDATE job SET lease_until = lease_until - $1";
            let mut reader = self.store.reader().await.unwrap();
            reader.conn().execute("ageing leases", sql, vec![microseconds.into()]).await.unwrap();
        }
    }

    /// Waits until `done`, no longer than 20 seconds.
    async fn until<Done: Future<Output = bool>>(&self, what: &str, done: impl Fn() -> Done) {
        let begun = Stopwatch::now();
        while !done().await {
            assert!(begun.elapsed() < Duration::from_secs(20), "waiting for {what}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn both<Done: Future<Output = ()>>(schedule: Option<serde_json::Value>, test: impl Fn(Hub) -> Done) {
    let directory = tempfile::tempdir().unwrap();
    test(Hub::open(Location::Directory(directory.path().to_owned()), schedule.clone()).await).await;
    if let Some(schema) = Schema::create().await {
        test(Hub::open(schema.location(), schedule).await).await;
        schema.drop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_job_reads_the_source_and_tells_how_it_goes() {
    both(None, |hub| async move {
        hub.ask("run", "j-1").await;
        assert_eq!(hub.worker.drain().await.unwrap(), 1);
        let job = hub.job("j-1").await;
        assert_eq!((job.state.as_str(), job.result.as_deref()), ("ended", Some("complete")), "{job:?}");
        assert_eq!(hub.users().await, hub.lab.counts().users);
        let told = hub.told(&job).await;
        let kinds: Vec<&str> = told.iter().map(|event| event.kind.as_str()).collect();
        assert!(kinds.contains(&"progress") && kinds.contains(&"log"), "{kinds:?}");
        assert_eq!(kinds.last(), Some(&"state"));
        let run = hub.store.run(&hub.row(), job.run.unwrap()).await.unwrap().unwrap();
        assert_eq!((run.result, run.order.profile), (Some(RunResult::Complete), Some(hub.profile.id)));
        let password = hub.lab.banner()["password"].as_str().unwrap().to_owned();
        assert!(!format!("{told:?}{run:?}{job:?}").contains(&password));
        // A second hub's worker that claims a job whose run has ended ends it without another run.
        assert_eq!(hub.worker.drain().await.unwrap(), 0);
        assert_eq!(hub.store.latest_runs(&hub.row(), 10).await.unwrap().len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_test_tells_each_step_and_its_remedy() {
    both(None, |hub| async move {
        hub.ask("check", "j-1").await;
        hub.worker.drain().await.unwrap();
        assert_eq!(hub.job("j-1").await.result.as_deref(), Some("passed"));
        hub.lab.set_faults(Faults { bind: Some("775".to_owned()), ..Faults::default() });
        hub.ask("check", "j-2").await;
        hub.worker.drain().await.unwrap();
        let job = hub.job("j-2").await;
        assert_eq!(job.result.as_deref(), Some("failed"));
        let told = hub.told(&job).await;
        let failed = told.iter().find(|event| event.kind == "step" && event.level == "error").unwrap();
        let step = failed.data.as_ref().unwrap();
        assert_eq!(step["outcome"], "failed");
        assert!(step["message"].as_str().unwrap().contains("locked"), "{step}");
        assert!(step["remedy"].as_str().is_some_and(|remedy| !remedy.is_empty()));
        // A run then fails, is recorded, and says the same.
        hub.ask("run", "j-3").await;
        hub.worker.drain().await.unwrap();
        let job = hub.job("j-3").await;
        assert_eq!(job.result.as_deref(), Some("failed"));
        assert!(job.message.unwrap().contains("locked"));
        let run = hub.store.latest_runs(&hub.row(), 1).await.unwrap().remove(0);
        assert_eq!(run.result, Some(RunResult::Failed));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_job_ends_within_a_second_though_the_source_is_silent() {
    both(None, |hub| async move {
        hub.ask("run", "j-1").await;
        hub.worker.drain().await.unwrap();
        let truth = hub.store.digest().await.unwrap();
        let slow = Slow { milliseconds: 30_000, ..Slow::default() };
        hub.lab.set_faults(Faults { slow: Some(slow), ..Faults::default() });
        let (stop, stopped) = watch::channel(false);
        let serving = tokio::spawn(hub.worker.clone().serve(stopped));
        hub.ask("run", "j-2").await;
        hub.until("the run to begin", || async { hub.job("j-2").await.run.is_some() }).await;
        let job = hub.job("j-2").await;
        let begun = Stopwatch::now();
        assert!(hub.store.cancel_job(&job, hub.clock.now(), None).await.unwrap());
        hub.until("the job to end", || async { hub.job("j-2").await.state == "ended" }).await;
        let took = begun.elapsed();
        assert_eq!(hub.job("j-2").await.result.as_deref(), Some("cancelled"));
        assert!(took < Duration::from_secs(3), "{took:?} (1 s on a quiet machine)");
        let run = hub.store.run(&hub.row(), job.run.unwrap()).await.unwrap().unwrap();
        assert_eq!(run.result, Some(RunResult::Cancelled));
        hub.lab.set_faults(Faults::default());
        hub.ask("run", "j-3").await;
        hub.until("the next run to end", || async { hub.job("j-3").await.state == "ended" }).await;
        assert_eq!(hub.job("j-3").await.result.as_deref(), Some("complete"));
        assert_eq!(hub.store.digest().await.unwrap(), truth);
        stop.send(true).unwrap();
        serving.await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_lease_ran_out_goes_on_elsewhere_and_its_first_worker_writes_nothing() {
    both(None, |hub| async move {
        let slow = Slow { milliseconds: 1_500, ..Slow::default() };
        hub.lab.set_faults(Faults { slow: Some(slow), ..Faults::default() });
        hub.ask("run", "j-1").await;
        let first = hub.worker.clone();
        let paused = tokio::spawn(async move { first.drain().await });
        hub.until("the first worker to begin", || async { hub.job("j-1").await.run.is_some() }).await;
        // Its machine sleeps: the lease runs out, and another worker takes the job.
        hub.clock.advance(MINUTE);
        hub.pass(MINUTE).await;
        hub.lab.set_faults(Faults::default());
        let second = Worker { owner: "second".to_owned(), ..hub.worker.clone() };
        assert_eq!(second.drain().await.unwrap(), 1);
        let job = hub.job("j-1").await;
        assert_eq!((job.attempt, job.result.as_deref()), (2, Some("complete")));
        let (truth, runs) = (hub.store.digest().await.unwrap(), hub.store.latest_runs(&hub.row(), 10).await.unwrap());
        paused.await.unwrap().unwrap();
        assert_eq!(hub.store.digest().await.unwrap(), truth);
        assert_eq!(hub.store.latest_runs(&hub.row(), 10).await.unwrap(), runs);
        assert_eq!(runs.len(), 1, "neither lost nor doubled");
        assert_eq!(hub.job("j-1").await, job);
    })
    .await;
}

/// The process that does it goes away, again and again: what waits is claimed `times` times by processes that end.
async fn lose(hub: &Hub, times: i64) {
    for _ in 0..times {
        let now = hub.clock.now();
        let claimed = hub.store.claim_job(&format!("lost at {now}"), now, MINUTE).await.unwrap();
        assert!(claimed.is_some());
        hub.clock.advance(2 * MINUTE);
        hub.pass(2 * MINUTE).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_no_process_survives_is_given_up() {
    both(None, |hub| async move {
        let asked = hub.ask("run", "j-1").await;
        lose(&hub, 19).await;
        let order = Order { profile: Some(hub.profile.id), job: Some(asked.id) };
        let left = hub.store.begin_run(&hub.row(), &hub.begun(order)).await.unwrap();
        // It moves on: what was lost before counts no more.
        lose(&hub, 1).await;
        assert_eq!(hub.job("j-1").await.lost, 19);
        hub.store.save_machine(left, &muster_core::run::Machine::Resolve).await.unwrap();
        assert_eq!(hub.job("j-1").await.lost, 0);
        lose(&hub, 19).await;
        assert_eq!(hub.worker.drain().await.unwrap(), 1);
        let job = hub.job("j-1").await;
        assert_eq!((job.state.as_str(), job.result.as_deref()), ("ended", Some("failed")), "{job:?}");
        assert!(job.message.as_ref().unwrap().starts_with("given up after 20 attempts"), "{job:?}");
        let last = hub.told(&job).await.pop().unwrap();
        assert_eq!((last.level.as_str(), last.kind.as_str(), last.message), ("error", "state", job.message.unwrap()));
        let runs = hub.store.latest_runs(&hub.row(), 10).await.unwrap();
        assert_eq!(runs.iter().map(|run| run.result).collect::<Vec<_>>(), [Some(RunResult::Cancelled)]);
        // The next one is begun as ever.
        hub.ask("run", "j-2").await;
        hub.worker.drain().await.unwrap();
        assert_eq!(hub.job("j-2").await.result.as_deref(), Some("complete"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_connector_takes_its_assets_along() {
    both(None, |hub| async move {
        hub.ask("run", "j-1").await;
        hub.worker.drain().await.unwrap();
        assert!(hub.users().await > 0);
        hub.remove("j-2").await;
        hub.worker.drain().await.unwrap();
        assert_eq!(hub.job("j-2").await.result.as_deref(), Some("complete"));
        for stream in ["users", "groups", "containers"] {
            let totals = hub.store.totals(&hub.row(), stream).await.unwrap();
            assert_eq!(totals.present, 0, "{stream}");
            assert!(totals.gone > 0, "{stream}");
        }
        let ids = hub.store.asset_ids(&hub.row(), "users", 0).await.unwrap();
        let assets = hub.store.assets(hub.connection.tenant, &ids[..1]).await.unwrap();
        assert_eq!(assets[0].gone_cause.as_deref(), Some("connector_removed"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_runs_each_slot_once_and_a_missed_one_once() {
    let schedule = json!({ "type": "recurring", "every": 1, "unit": "minutes" });
    both(Some(schedule), |hub| async move {
        let jobs = || async {
            let all = hub.store.jobs(hub.connection.tenant, JobFilter::default(), 100).await.unwrap();
            all.into_iter().map(|job| (job.requested_by, job.state)).collect::<Vec<_>>()
        };
        assert_eq!(scheduler::tick(&hub.store, hub.clock.now()).await.unwrap(), 0, "none early");
        let now = hub.clock.advance(MINUTE);
        let ticks = tokio::join!(scheduler::tick(&hub.store, now), scheduler::tick(&hub.store, now));
        assert_eq!(ticks.0.unwrap() + ticks.1.unwrap(), 1, "two hubs, one slot");
        assert_eq!(jobs().await.len(), 1);
        hub.worker.drain().await.unwrap();
        // Away for an hour: sixty slots are missed, one run makes up for them.
        let now = hub.clock.advance(60 * MINUTE);
        assert_eq!(scheduler::tick(&hub.store, now).await.unwrap(), 1);
        assert_eq!(scheduler::tick(&hub.store, now).await.unwrap(), 0);
        assert_eq!(jobs().await.len(), 2);
        // Still under way at the next slot: it never overlaps itself.
        let now = hub.clock.advance(2 * MINUTE);
        assert_eq!(scheduler::tick(&hub.store, now).await.unwrap(), 1);
        assert_eq!(jobs().await.len(), 2);
        hub.worker.drain().await.unwrap();
        assert!(jobs().await.iter().all(|(by, state)| by == "schedule" && state == "ended"));
        let next = hub.store.profile(hub.connection.tenant, "p-1").await.unwrap().unwrap().next_at.unwrap();
        assert!(next > now && next <= now.plus(MINUTE + muster_core::schedule::SPREAD_MICROSECONDS), "{next}");
        let lines = hub.store.audit_lines(hub.connection.tenant, Page { after: i64::MAX, limit: 10 }).await.unwrap();
        assert_eq!(lines.len(), 2, "a schedule is no person's act");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_job_is_over_is_not_gone_on_with() {
    both(None, |hub| async move {
        // A run that its worker left open: it was begun for a job that is over.
        let order = Order { profile: Some(hub.profile.id), job: Some(4_242) };
        let left = hub.begun(order);
        hub.store.begin_run(&hub.row(), &left).await.unwrap();
        let second = hub.store.begin_run(&hub.row(), &left).await;
        assert!(second.is_err(), "a profile has one open run");
        hub.clock.advance(MINUTE);
        hub.ask("run", "j-1").await;
        hub.worker.drain().await.unwrap();
        assert_eq!(hub.job("j-1").await.result.as_deref(), Some("complete"));
        let runs = hub.store.latest_runs(&hub.row(), 10).await.unwrap();
        let results: Vec<_> = runs.iter().map(|run| run.result).collect();
        assert_eq!(results, [Some(RunResult::Complete), Some(RunResult::Cancelled)]);
        assert_eq!(runs[0].as_of, hub.clock.now(), "the new one sees its own time");
        // A removed connector begins nothing more.
        hub.remove("j-2").await;
        let begun = hub.store.begin_run(&hub.row(), &left).await;
        assert!(matches!(begun, Err(muster_store::StoreError::Fenced(_))), "{begun:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_job_maps_the_letters_again_with_the_profiles_map_of_now() {
    both(None, |hub| async move {
        let strict = muster_connectors::REGISTRY[0].default_map("users").unwrap().replace(
            "  - { source: objectSid, target: asset.assetHeader.externalAssetId, required: true }",
            "  - { source: title, target: asset.assetHeader.externalAssetId, required: true }",
        );
        let new = muster_store::hub::NewMap {
            tenant: hub.connection.tenant,
            uuid: "m-1",
            type_name: "active_directory",
            stream: "users",
            name: "strict",
            text: &strict,
        };
        hub.store.add_map(new, &audit(hub.connection.tenant)).await.unwrap().unwrap();
        let choose = async |maps: serde_json::Value| {
            let row = hub.store.profile(hub.connection.tenant, "p-1").await.unwrap().unwrap();
            let (parameters, now) = (json!({}), hub.clock.now());
            let change = ProfileChange {
                name: "all",
                active: true,
                maps: &maps,
                parameters: &parameters,
                schedule: None,
                next_at: None,
                now,
            };
            hub.store.change_profile(&row, &change, &audit(row.tenant)).await.unwrap().unwrap();
        };
        choose(json!({ "users": "m-1" })).await;
        hub.ask("run", "j-1").await;
        hub.worker.drain().await.unwrap();
        let (all, before) = (hub.lab.counts().users, hub.users().await);
        assert!(before > 0 && before < all, "{before} of {all} have a title");
        choose(json!({})).await;
        // The source may be away: a replay does not ask it.
        hub.lab.set_faults(Faults { bind: Some("775".to_owned()), ..Faults::default() });
        let payload = json!({ "letters": { "stream": "users" } });
        let now = hub.clock.now();
        let row = hub.store.profile(hub.connection.tenant, "p-1").await.unwrap().unwrap();
        let job = NewJob::replay_of(&row, "j-2", &payload, "admin", now);
        assert!(matches!(hub.store.enqueue(&job, None).await.unwrap(), Enqueued::Added(_)));
        let payload = json!({ "mode": "full" });
        let run = NewJob::run_of(&row, "j-3", &payload, "admin", now);
        assert!(matches!(hub.store.enqueue(&run, None).await.unwrap(), Enqueued::Open(_)), "they exclude each other");
        hub.worker.drain().await.unwrap();
        let job = hub.job("j-2").await;
        assert_eq!(job.result.as_deref(), Some("complete"), "{job:?}");
        assert_eq!(job.message.as_deref(), Some(&*format!("{} created, 0 changed, 0 rejected still", all - before)));
        assert_eq!(hub.users().await, all);
    })
    .await;
}
