//! D14: what is gone keeps its records and history for so many days; what is present loses nothing.

use muster_core::clock::Instant;
use muster_core::connector::Mode;
use muster_engine::purge::purge;
use muster_store::FIRST_TENANT;
use muster_store::hub::{Enqueued, JobEnd, NewEvent, NewJob, Page, Purged, SessionRow};
use serde_json::json;

use crate::bench::{Bench, HOUR, both};
use crate::world::{Fault, World};

const DAY: i64 = 24 * HOUR;

fn world() -> World {
    let mut world = World::new();
    world.people("n", 12, "north");
    world
}

/// Whether the record of a person is kept, and how long its history is.
async fn kept(bench: &Bench, key: &str) -> (bool, usize) {
    let id = bench.asset("people", key).await.id;
    (bench.store.documents(&[id]).await.unwrap()[0].raw.is_some(), bench.history("people", key).await.len())
}

/// A job that has ended, told something, and was asked for now.
async fn job(bench: &Bench, uuid: &str) {
    let (now, payload) = (bench.clock_now(), json!({}));
    let new = NewJob {
        tenant: FIRST_TENANT,
        uuid,
        kind: "check",
        connector: bench.row.id,
        profile: None,
        payload: &payload,
        exclusive: None,
        requested_by: "admin",
        now,
    };
    let Enqueued::Added(id) = bench.store.enqueue(&new, None).await.unwrap() else { panic!("none is open") };
    let event = NewEvent { at: now, level: "info", kind: "log", message: uuid.to_owned(), data: None };
    bench.store.tell(FIRST_TENANT, id, &[event]).await.unwrap();
    let (_, claim) = bench.store.claim_job("w", now, HOUR).await.unwrap().unwrap();
    bench.store.end_job(&claim, JobEnd { result: "passed", message: None, now }).await.unwrap();
}

async fn jobs(bench: &Bench) -> Vec<String> {
    let all = bench.store.jobs(FIRST_TENANT, muster_store::hub::JobFilter::default(), 10).await.unwrap();
    let mut told = Vec::new();
    for job in all {
        let events = bench.store.events(FIRST_TENANT, job.id, 0, 10).await.unwrap();
        told.extend(events.into_iter().map(|event| event.message));
    }
    told
}

async fn session(bench: &Bench, id: &str, expires_at: Instant) {
    let text = |text: &str| text.to_owned();
    let session = SessionRow {
        id: text(id),
        tenant: FIRST_TENANT,
        kind: text("user"),
        subject: text("u"),
        name: text("admin"),
        role: text("manager"),
        created_at: Instant(0),
        expires_at,
    };
    bench.store.begin_session(&session).await.unwrap();
}

#[tokio::test]
async fn what_is_gone_for_long_keeps_neither_record_nor_history() {
    both(world, |bench| async move {
        bench.source.world().fault("people", "north", &[Fault::Unreadable("n0011".to_owned())]);
        bench.full().await;
        for key in ["n0001", "n0002", "n0003"] {
            bench.source.world().set("people", key, "mail", "another@example.org");
        }
        bench.run(Mode::Delta).await;
        bench.source.world().delete("people", "n0001");
        bench.run(Mode::Delta).await;
        assert_eq!(bench.store.dead_letters(&bench.row, 10).await.unwrap().len(), 1);
        job(&bench, "j-old").await;
        session(&bench, "over", bench.clock_now().plus(4 * HOUR)).await;
        bench.clock.advance(80 * DAY);
        bench.source.world().delete("people", "n0002");
        bench.run(Mode::Delta).await;
        job(&bench, "j-young").await;
        bench.clock.advance(15 * DAY);
        let now = bench.clock_now();
        let truth = bench.store.digest().await.unwrap();

        purge(&bench.store, 96, now).await.unwrap();
        assert_eq!((kept(&bench, "n0001").await, jobs(&bench).await.len()), ((true, 2), 2), "a day too early");
        session(&bench, "lasting", now.plus(HOUR)).await;
        purge(&bench.store, 90, now).await.unwrap();
        assert_eq!(kept(&bench, "n0001").await, (false, 0));
        assert_eq!(kept(&bench, "n0002").await, (true, 2), "gone for fifteen days");
        assert_eq!(kept(&bench, "n0003").await, (true, 1), "present");
        assert_eq!(bench.store.dead_letters(&bench.row, 10).await.unwrap(), []);
        assert_eq!(jobs(&bench).await, ["j-young"]);
        assert!(bench.store.session(FIRST_TENANT, "lasting", now).await.unwrap().is_some());
        assert_eq!(bench.store.digest().await.unwrap(), truth);
        let lines =
            || async { bench.store.audit_lines(FIRST_TENANT, Page { after: i64::MAX, limit: 10 }).await.unwrap() };
        let line = &lines().await[0];
        let counts =
            ["rawRecords", "historyEntries", "deadLetters", "events", "jobs"].map(|key| line.detail[key].clone());
        assert_eq!((line.action.as_str(), json!(counts)), ("retention.purge", json!([1, 2, 1, 1, 1])));
        let before = lines().await.len();
        purge(&bench.store, 90, now).await.unwrap();
        assert_eq!(lines().await.len(), before, "there is nothing more to let go of");

        // One at a time comes to the same.
        bench.source.world().delete("people", "n0003");
        bench.run(Mode::Delta).await;
        let later = bench.clock_now().plus(DAY);
        let purged = bench.store.purge(FIRST_TENANT, (later, later), 1).await.unwrap();
        let expected = Purged { raw: 2, changes: 4, blobs: 0, letters: 0, events: 1, jobs: 1, sessions: 1 };
        assert_eq!(purged, expected);
        // Whoever comes back is there with all that is read of them.
        bench.source.world().person("n0001", "north");
        bench.run(Mode::Delta).await;
        assert_eq!(bench.status("n0001").await.0, "present");
        assert!(kept(&bench, "n0001").await.0);
    })
    .await;
}
