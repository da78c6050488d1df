//! Parcels that no honest agent sends: never a fault, always a gap that is named, and nothing retired.

use std::time::Duration;

use axum::http::Method;
use muster_core::agent::{
    BatchParcel, Failure, LONGEST_PACKED, LONGEST_UNPACKED, Parcel, PlanParcel, ScopeParcel, Task, pack,
};
use muster_core::connector::{Cursor, ErrorKind, Mode, Verdict};
use serde_json::{Value, json};

use super::scripted::{Agent, Site, read, worker};
use crate::app::{TestApp, both};
use crate::directory::Directory;

const FAR: u64 = 1 << 63;

/// What the users' scope is answered with.
type Bytes = Vec<Vec<u8>>;

fn end() -> ScopeParcel {
    ScopeParcel {
        mode: Mode::Full,
        open: None,
        counted: None,
        cursor: None,
        notes: vec![],
        traffic: (u64::MAX, u64::MAX, u64::MAX),
    }
}

/// Parcels of users that no honest agent sends, and what is said of them.
async fn hostile(app: &TestApp, directory: &Directory) -> Vec<(Bytes, &'static str)> {
    let model = app.hub.offer("active_directory").unwrap().model.clone();
    let (mut batches, _) = read(directory, ("users", "all"), None).await;
    let batch = batches.remove(0);
    let users = model.stream("users").unwrap();
    let honest = BatchParcel::of(batch.clone(), users, None);
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut value = json!(honest);
        change(&mut value);
        pack(&Parcel::Batch(serde_json::from_value(value).unwrap())).unwrap()
    };
    let good = pack(&Parcel::Batch(honest.clone())).unwrap();
    let (groups, _) = read(directory, ("groups", "all"), None).await;
    let groups = BatchParcel::of(groups[0].clone(), model.stream("groups").unwrap(), None);
    let bomb = zstd::bulk::compress(&vec![0; LONGEST_UNPACKED + 1], 1).unwrap();
    let ending = |end: ScopeParcel| pack(&Parcel::End(end)).unwrap();
    vec![
        (vec![good[..good.len() / 2].to_vec()], "torn"),
        (vec![b"nonsense".to_vec()], "torn"),
        (vec![Vec::new()], "torn"),
        (vec![bomb], "unpacked"),
        (vec![pack(&Parcel::Batch(groups)).unwrap()], "another stream"),
        (vec![changed(&|value| value["attributes"] = json!([]))], "attribute"),
        (vec![changed(&|value| value["keys_only"] = json!(true))], "kind of record"),
        (vec![changed(&|value| value["documents"] = json!([{ "name": "../../etc/passwd", "bytes": [] }]))], "document"),
        (vec![pack(&Parcel::Verdicts(vec![Verdict::Deleted])).unwrap()], "another call"),
        (vec![pack(&Parcel::Checked(true)).unwrap()], "another call"),
        (vec![good.clone(), ending(ScopeParcel { mode: Mode::Sweep, ..end() })], "mode"),
        (vec![ending(ScopeParcel { cursor: Some(Cursor("a\0b".to_owned())), ..end() })], "cursor"),
        (
            vec![
                pack(&Parcel::Failed(Failure {
                    kind: ErrorKind::Auth,
                    operation: "reading\0".to_owned(),
                    message: "x".repeat(1 << 20),
                    remedy: None,
                }))
                .unwrap(),
            ],
            "xxxx",
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn parcels_of_nonsense_leave_the_scope_open_and_are_named() {
    both(async |app| {
        let site = Site::new(&app).await;
        let agent = Agent::begin(&app, &site).await;
        let directory = Directory::new(&app, 4);
        let job = agent.run("first", "full").await.job;
        let engine = worker(&app, "w");
        agent.follow(&job, &directory).await;
        engine.await.unwrap();
        for (number, (parcels, words)) in hostile(&app, &directory).await.into_iter().enumerate() {
            let job = agent.run(&format!("hostile {number}"), "full").await.job;
            let engine = worker(&app, "w");
            let mut known = Vec::new();
            while agent.state(&job).await.state != "ended" {
                let told = agent.poll(&known, 200).await;
                for order in told.orders.iter().filter(|order| !known.contains(&order.id)) {
                    let answers = match &order.task {
                        Task::Read { stream, .. } if stream == "users" => parcels.clone(),
                        _ => agent.answers(order, &directory).await.iter().map(|one| pack(one).unwrap()).collect(),
                    };
                    for (sequence, bytes) in answers.into_iter().enumerate() {
                        let put = agent.put_bytes(order.id, u64::try_from(sequence).unwrap(), bytes).await;
                        assert!(put.0 == 204 || put.1 == "order_over", "{words}: {put:?}");
                    }
                }
                known = told.orders.iter().map(|order| order.id).collect();
            }
            engine.await.unwrap();
            let state = agent.state(&job).await;
            assert_eq!(state.result.as_deref(), Some("partial"), "{words}: {state:?}");
            let users = state.ledger.iter().find(|line| line.stream == "users").unwrap();
            let evidence = json!(users.evidence).to_string();
            assert!(evidence.contains(words) && evidence.len() < 5000, "{words}: {evidence:.400}");
            assert_eq!(users.counters.gone, 0);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn plans_of_nonsense_fail_the_run_with_a_sentence() {
    both(async |app| {
        let site = Site::new(&app).await;
        let agent = Agent::begin(&app, &site).await;
        let scope = |stream: &str, name: &str| (stream.to_owned(), name.to_owned());
        let many = (0..10_001).map(|number| scope("users", &number.to_string())).collect();
        let plan = |scopes, origin| PlanParcel { scopes, notes: vec!["\0".repeat(10)], origin };
        for (number, plan) in [
            plan(vec![scope("nothing", "all")], None),
            plan(vec![scope("users", "a\0b")], None),
            plan(vec![scope("users", "all"), scope("users", "all")], None),
            plan(many, None),
            plan(vec![scope("users", "all")], Some("\0".to_owned())),
        ]
        .into_iter()
        .enumerate()
        {
            let job = agent.run(&number.to_string(), "full").await.job;
            let engine = worker(&app, "w");
            let order = agent.order(&[]).await;
            agent.put(order.id, 0, &Parcel::Plan(plan)).await;
            let ended = tokio::time::timeout(Duration::from_secs(20), engine).await;
            ended.expect("the run ends with its plan").unwrap();
            let state = agent.state(&job).await;
            assert_eq!(state.result.as_deref(), Some("failed"), "{number}: {state:?}");
            assert!(state.message.unwrap().contains("makes no sense"), "{number}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_far_too_long_or_anothers_is_refused() {
    both(async |app| {
        let site = Site::new(&app).await;
        let agent = Agent::begin(&app, &site).await;
        let job = agent.run("first", "full").await.job;
        let engine = worker(&app, "w");
        let order = agent.order(&[]).await;
        let far = (429, "too_far_ahead".to_owned());
        for sequence in [64, 65, FAR - 1, FAR, u64::MAX] {
            assert_eq!(agent.put_bytes(order.id, sequence, vec![1]).await, far, "{sequence}");
        }
        assert_eq!(agent.put_bytes(order.id, 63, vec![1]).await.0, 204);
        let long = agent.put_bytes(order.id, 1, vec![0; LONGEST_PACKED + 1]).await;
        assert_eq!(long, (413, "too_large".to_owned()));
        assert_eq!(agent.put_bytes(order.id, 1, vec![0; LONGEST_PACKED]).await.0, 204);
        let over = (409, "order_over".to_owned());
        // Of another profile, of another tenant, or of nobody: one answer.
        let second = Site::new_named(&app, "second").await;
        let other = Agent::begin(&app, &second).await;
        for id in [order.id, order.id + 1_000_000, i64::MAX, -1] {
            assert_eq!(other.put_bytes(id, 0, vec![1]).await, over);
            assert_eq!(other.lost(id).await, 409);
            let (status, told) = other.call(Method::GET, &format!("/agent/v1/runs/{job}"), Value::Null).await;
            assert_eq!((status, told["code"].as_str()), (404, Some("not_found")));
        }
        app.post(&format!("/api/v1/jobs/{job}/cancel"), json!({})).await.expect(200);
        engine.await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn bodies_of_nonsense_are_refused_in_a_session_too() {
    both(async |app| {
        let site = Site::new(&app).await;
        let agent = Agent::begin(&app, &site).await;
        for path in ["/agent/v1/poll", "/agent/v1/runs"] {
            for (kind, body, expected) in [
                ("text/plain", "{}".to_owned(), 415),
                ("application/json", "{".to_owned(), 400),
                ("application/json", "[]".to_owned(), 400),
                ("application/json", r#"{"waitMs":"x","request":7}"#.to_owned(), 400),
                ("application/json", r#"{"request":"\u0000"}"#.to_owned(), 400),
                ("application/json", " ".repeat((1 << 20) + 1), 413),
            ] {
                let answer = agent.send((Method::POST, path), kind, body.clone().into_bytes()).await;
                assert_eq!(answer.0, expected, "{path} {kind} {body:.40}");
            }
        }
        for (field, value) in [("mode", json!("replay")), ("request", json!("")), ("readAt", json!("x".repeat(101)))] {
            let mut body = json!({ "request": "r" });
            body[field] = value;
            let (status, told) = agent.call(Method::POST, "/agent/v1/runs", body).await;
            assert_eq!((status, told["field"].as_str()), (422, Some(field)));
        }
        let (status, told) =
            agent.call(Method::POST, "/agent/v1/poll", json!({ "waitMs": 0, "working": [1, 2] })).await;
        assert_eq!((status, &told["orders"]), (200, &json!([])));
    })
    .await;
}
