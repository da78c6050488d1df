//! The hub as a whole: what it reads, and what it keeps when it is killed, paused or doubled.

use std::time::{Duration, Instant};

use muster_lab::directory::{ChangeCounts, DirectoryOptions, Faults, RunningDirectory, Slow, start};
use muster_store::{Location, Store};
use serde_json::json;

use crate::command::Installation;
use crate::hub::{Hub, Place, Schema, digest, until};
use crate::lab::{Lab, TURN};
use crate::simulated::{authentication, settings};

pub(crate) async fn lab(users: u64) -> RunningDirectory {
    start(DirectoryOptions { users, staff: Some(users), seed: 11, ..DirectoryOptions::default() }).await.unwrap()
}

/// The Samba lab through the hub: configured by REST, tested, read, and kept in step by its schedule.
#[tokio::test(flavor = "multi_thread")]
async fn a_directory_is_kept_in_step_by_a_schedule() {
    let Some(lab) = Lab::samba() else { return };
    let _turn = TURN.lock().await;
    let scratch = tempfile::tempdir().unwrap();
    let settings = lab.connector("bind_dn", "password");
    let twin = Installation::new(&scratch.path().join("twin"), &settings);
    tokio::task::block_in_place(|| {
        let data = scratch.path().join("hub");
        let hub = Hub::start(&Place::Directory(data.clone()));
        let authentication = json!({
            "host": lab.get("host"), "port": lab.get("ldap_port").parse::<u16>().unwrap(), "protocol": "ldap",
            "bindDn": lab.get("bind_dn"), "password": lab.get("password"),
        });
        let every_five_seconds = json!({ "type": "cron", "expression": "*/5 * * * * *" });
        let (connector, profile) = hub.configure(authentication, Some(every_five_seconds));
        let tested = hub.ended(&hub.post(&format!("/api/v1/connectors/{connector}/test"), &json!({})));
        assert_eq!(tested["result"], "passed", "{tested}");
        let first = hub.ended(&hub.run(&profile, "full"));
        assert_eq!(first["result"], "complete", "{first}");
        assert_eq!(twin.sync(&[]).0, 0);
        for round in 1..=3 {
            let seed = lab.change();
            let changed = lab.changes(seed).len();
            assert!(changed > 0);
            // The account that reads leaves its own traces, so the twin is asked again until both saw the same.
            until(&format!("change {round}"), || {
                twin.sync(&[]);
                digest(&data) == digest(&twin.state())
            });
        }
        let runs = hub.get("/api/v1/runs?limit=100");
        assert!(runs["items"].as_array().unwrap().iter().all(|run| run["result"] != "failed"), "{runs}");
    });
}

/// kill -9 at a hundred points, while scheduled and manual runs go on: no run is lost or doubled, the truth is right.
#[tokio::test(flavor = "multi_thread")]
async fn a_hub_killed_a_hundred_times_loses_no_run() {
    let kills = std::env::var("MUSTER_KILLS").map_or(100_u64, |wanted| wanted.parse().unwrap());
    let lab = lab(600).await;
    let scratch = tempfile::tempdir().unwrap();
    let reference = Installation::new(&scratch.path().join("reference"), &settings(&lab, false));
    tokio::task::block_in_place(|| {
        let data = scratch.path().join("hub");
        let place = Place::Directory(data.clone());
        let mut hub = Hub::start(&place);
        let every_second = json!({ "type": "cron", "expression": "* * * * * *" });
        let (_, profile) = hub.configure(authentication(&lab), Some(every_second));
        let (_, other) = {
            let connector = json!({
                "name": "by hand", "type": "active_directory", "settings": { "authentication": authentication(&lab) },
            });
            let connector = hub.post("/api/v1/connectors", &connector)["id"].as_str().unwrap().to_owned();
            let profile = hub.post(&format!("/api/v1/connectors/{connector}/profiles"), &json!({ "name": "all" }));
            (connector, profile["id"].as_str().unwrap().to_owned())
        };
        let mut promised = Vec::new();
        for kill in 0..kills {
            if kill % 25 == 0 {
                lab.change(kill, &ChangeCounts::default());
            }
            let mode = if kill % 2 == 0 { "full" } else { "delta" };
            // Answered, so promised: it has to end, once, however often the hub dies.
            if let Some((status, job)) =
                hub.try_post(&format!("/api/v1/profiles/{other}/run"), &json!({ "mode": mode }))
                && status < 300
            {
                promised.push(job["id"].as_str().unwrap().to_owned());
            }
            let wait = Duration::from_millis(kill * 37 % 401);
            let begun = Instant::now();
            until("the moment of the kill", || begun.elapsed() >= wait);
            hub.kill_and_start(&place);
        }
        promised.dedup();
        for job in &promised {
            let job = hub.ended(&json!({ "id": job }));
            assert_eq!(job["result"], "complete", "{job}");
        }
        for profile in [&profile, &other] {
            // A plain account sees no deletions in a delta: the last run has to be a full one, not one by schedule.
            let mut last = json!({});
            until("a full run", || {
                last = hub.ended(&hub.run(profile, "full"));
                last["mode"] == "full"
            });
            assert_eq!(last["result"], "complete", "{last}");
        }
        // A run that the schedule began just now would be open when the hub is asked to end.
        let idle = json!({ "name": "all", "active": false }).to_string();
        let (status, _, answer) = hub.ask(("PUT", &format!("/api/v1/profiles/{profile}")), &[], Some(&idle));
        assert_eq!(status, 200, "{answer}");
        until("the last scheduled run", || {
            let jobs = hub.get("/api/v1/jobs?limit=10");
            jobs["items"].as_array().unwrap().iter().all(|job| job["state"] == "ended")
        });
        hub.signal("-TERM");
        hub.child.wait().unwrap();
        assert_eq!(reference.sync(&[]).0, 0);
        tokio::runtime::Handle::current().block_on(no_run_doubled(&data, promised.len()));
    });
    lab.stop().await;
}

/// Each job has at most one run, and every run has ended.
async fn no_run_doubled(data: &std::path::Path, promised: usize) {
    let store = Store::open(&Location::Directory(data.to_path_buf())).await.unwrap();
    let connectors = store.connectors().await.unwrap();
    assert_eq!(connectors.len(), 2);
    let mut inventories = Vec::new();
    for connector in &connectors {
        let runs = store.latest_runs(connector, 100_000).await.unwrap();
        assert!(runs.iter().all(|run| run.result.is_some()), "a run is open");
        let mut jobs: Vec<_> = runs.iter().map(|run| run.order.job.unwrap()).collect();
        jobs.sort_unstable();
        let all = jobs.len();
        jobs.dedup();
        assert_eq!(jobs.len(), all, "a job ran twice");
        assert!(connector.name != "by hand" || all >= promised, "{all} runs of {promised} promised");
        let mut totals = Vec::new();
        for stream in ["users", "groups", "containers"] {
            totals.push(store.totals(connector, stream).await.unwrap().present);
        }
        inventories.push(totals);
    }
    assert_eq!(inventories[0], inventories[1], "both read the same directory");
    store.close().await;
}

/// Two hubs on one database: one is paused past its lease, the other takes over, and the first, awake, writes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_paused_hub_writes_nothing_when_it_wakes() {
    let Some(schema) = Schema::make("hub") else {
        eprintln!("SKIPPED: MUSTER_TEST_POSTGRES is not set, this test needs PostgreSQL");
        return;
    };
    let database = schema.url.clone();
    let place = Place::Database(database.clone());
    let lab = lab(300).await;
    let slow = Slow { milliseconds: 2_000, ..Slow::default() };
    lab.set_faults(Faults { slow: Some(slow), ..Faults::default() });
    tokio::task::block_in_place(|| {
        let first = Hub::start(&place);
        let (_, profile) = first.configure(authentication(&lab), None);
        let job = first.run(&profile, "full");
        let path = format!("/api/v1/jobs/{}", job["id"].as_str().unwrap());
        until("the first hub's run", || first.get(&path)["runId"].is_number());
        first.signal("-STOP");
        lab.set_faults(Faults::default());
        let second = Hub::start(&place);
        let ended = second.ended(&job);
        assert_eq!((&ended["result"], &ended["attempt"]), (&json!("complete"), &json!(2)), "{ended}");
        let before = tokio::runtime::Handle::current().block_on(whole(&database));
        first.signal("-CONT");
        // Awake again it serves, and lets go of what it had.
        assert_eq!(first.get(&path)["result"], "complete");
        until("the first hub to notice", || first.get("/api/v1/jobs?limit=10")["items"].as_array().unwrap().len() == 1);
        let again = first.ended(&first.run(&profile, "delta"));
        assert_eq!(again["result"], "complete");
        let after = tokio::runtime::Handle::current().block_on(whole(&database));
        assert_eq!(before.0, after.0, "the truth is as the second hub left it");
        assert_eq!((before.1, after.1), (1, 2), "runs");
    });
    lab.stop().await;
}

/// The digest of a store, and how many runs it knows.
async fn whole(database: &str) -> (String, usize) {
    let location = Location::Url(muster_core::secret::Secret::new(database.to_owned()));
    let store = Store::open(&location).await.unwrap();
    let connector = store.connectors().await.unwrap().remove(0);
    let found = (store.digest().await.unwrap(), store.latest_runs(&connector, 100).await.unwrap().len());
    store.close().await;
    found
}
