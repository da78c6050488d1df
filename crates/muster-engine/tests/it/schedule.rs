//! Ten thousand profiles on a simulated clock: none early, none late, none lost, none twice.

use std::collections::BTreeMap;
use std::time::{Duration, Instant as Stopwatch};

use muster_core::clock::Instant;
use muster_core::schedule::Schedule;
use muster_engine::scheduler;
use muster_store::hub::{AuditLine, ConnectionChange, JobEnd, ProfileChange};
use muster_store::{Location, Store};
use serde_json::json;

const PROFILES: usize = 10_000;
const SECOND: i64 = 1_000_000;
const BEGINNING: Instant = Instant(1_750_000_000_000_000);
/// How often a hub looks.
const LOOK: i64 = SECOND / 2;
/// A hundred starts a minute.
const MINUTES: i64 = 100;

fn audit() -> AuditLine {
    AuditLine {
        tenant: 1,
        at: BEGINNING,
        actor_kind: "user",
        actor: "admin".to_owned(),
        action: "test",
        object_kind: "profile",
        object: "p".to_owned(),
        detail: json!({}),
        request: "r".to_owned(),
    }
}

/// A store with all profiles; gives when each is due.
async fn filled(location: Location) -> (Store, BTreeMap<i64, Instant>) {
    let store = Store::open(&location).await.unwrap();
    let tenant = store.first_tenant("t-1", BEGINNING).await.unwrap().id;
    let empty = json!({});
    let change = ConnectionChange {
        name: "lab",
        description: "",
        settings: &empty,
        execution: "hub",
        secrets: &[],
        now: BEGINNING,
    };
    let kind = ("active_directory", "Microsoft Active Directory");
    let connection = store.add_connection(kind, (tenant, "c-1"), &change, &audit()).await.unwrap().unwrap();
    let mut due = BTreeMap::new();
    for n in 0..PROFILES {
        let minute = n % usize::try_from(MINUTES).unwrap();
        let start = Instant(BEGINNING.0 + i64::try_from(minute).unwrap() * 60 * SECOND);
        let start = start.to_rfc3339();
        let schedule = json!({ "type": "recurring", "every": MINUTES, "unit": "minutes", "start": start[..16] });
        let uuid = format!("p-{n}");
        let read = Schedule::from_json(&schedule).unwrap();
        let next_at = read.next_of(&uuid, BEGINNING);
        let change = ProfileChange {
            name: &uuid,
            active: true,
            maps: &empty,
            parameters: &empty,
            schedule: Some(&schedule),
            next_at,
            now: BEGINNING,
        };
        let made = store.add_profile((tenant, connection.id), &uuid, &change, &audit()).await.unwrap().unwrap();
        due.insert(made.id, next_at.unwrap());
    }
    (store, due)
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_profiles_start_when_they_are_due() {
    let directory = tempfile::tempdir().unwrap();
    let (store, due) = filled(Location::Directory(directory.path().to_owned())).await;
    let last = due.values().max().copied().unwrap();
    let mut started: BTreeMap<i64, Instant> = BTreeMap::new();
    let mut looks = Vec::new();
    let mut now = BEGINNING;
    while now <= last {
        now = now.plus(LOOK);
        let begun = Stopwatch::now();
        scheduler::tick(&store, now).await.unwrap();
        let took = begun.elapsed();
        let mut starts = 0;
        while let Some((job, claim)) = store.claim_job("w", now, 15 * SECOND).await.unwrap() {
            starts += 1;
            let profile = job.profile.unwrap();
            assert!(due[&profile] <= now, "profile {profile} is early");
            assert!(now.0 - due[&profile].0 <= LOOK, "profile {profile} is late by {}", now.0 - due[&profile].0);
            assert_eq!(started.insert(profile, now), None, "profile {profile} started twice");
            store.end_job(&claim, JobEnd { result: "complete", message: None, now }).await.unwrap();
        }
        if starts > 0 {
            looks.push(took);
        }
    }
    assert_eq!(started.len(), PROFILES, "lost");
    looks.sort_unstable();
    let p99 = looks[looks.len() * 99 / 100];
    eprintln!("p99 of a look that starts something: {p99:?}, of {} looks", looks.len());
    // Half a second until the next look, and the look itself.
    assert!(Duration::from_millis(500) + p99 <= Duration::from_secs(1), "{p99:?}");
}
