//! Runs that an agent reads: what arrives is what a reading by the hub brings, whatever happens on the way.

use std::time::Duration;

use muster_core::agent::{Parcel, Task};
use muster_core::connector::Mode;
use serde_json::json;

use super::scripted::{Agent, Site, worker};
use crate::app::both;
use crate::directory::Directory;

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_read_by_the_agent_and_then_only_what_changed_travels() {
    both(async |app| {
        let site = Site::new(&app).await;
        let agent = Agent::begin(&app, &site).await;
        let directory = Directory::new(&app, 30);
        let first = agent.run("r1", "full").await;
        let engine = worker(&app, "w");
        let (state, tasks) = agent.follow(&first.job, &directory).await;
        assert_eq!(engine.await.unwrap(), 1);
        assert_eq!(state.result.as_deref(), Some("complete"), "{state:?}");
        let users = state.ledger.iter().find(|line| line.stream == "users").unwrap();
        assert_eq!((users.counters.received, users.counters.created), (30, 30));
        assert_eq!(tasks.len(), 4, "a plan and three scopes: {tasks:?}");
        assert!(agent.offered.lock().unwrap().is_empty(), "of what was never read nothing is offered");
        // The same again: everything is offered, nothing is wanted, nothing is written.
        directory.title(1003, "another title");
        let second = agent.run("r2", "full").await;
        assert_ne!(second.job, first.job);
        let engine = worker(&app, "w");
        let (state, _) = agent.follow(&second.job, &directory).await;
        engine.await.unwrap();
        let users = state.ledger.iter().find(|line| line.stream == "users").unwrap();
        assert_eq!((users.counters.unchanged, users.counters.updated), (29, 1), "{state:?}");
        assert_eq!(*agent.offered.lock().unwrap(), [(0, 0), (30, 1), (3, 0)], "containers, users, groups");
        assert_eq!(state.result.as_deref(), Some("complete"));
        // Asked again with the same request, it is the same run.
        assert_eq!(agent.run("r1", "full").await.job, first.job);
        assert_eq!(agent.run("r2", "full").await.state, "ended");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_finds_what_is_gone_and_asks_for_it_again() {
    both(async |app| {
        let site = Site::new(&app).await;
        let agent = Agent::begin(&app, &site).await;
        let directory = Directory::new(&app, 30);
        for (request, mode) in [("r1", "full"), ("r2", "sweep")] {
            let job = agent.run(request, mode).await.job;
            let engine = worker(&app, "w");
            let (state, tasks) = agent.follow(&job, &directory).await;
            engine.await.unwrap();
            assert_eq!(state.result.as_deref(), Some("complete"), "{state:?}");
            let users = state.ledger.iter().find(|line| line.stream == "users").unwrap();
            let asked: Vec<_> = tasks.iter().filter(|task| matches!(task, Task::Confirm { .. })).collect();
            if mode == "full" {
                directory.forget_from(1028);
                assert!(asked.is_empty());
            } else {
                assert_eq!((users.counters.received, users.counters.gone, users.mode), (27, 3, Mode::Sweep));
                assert_eq!(asked.len(), 1);
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parcels_may_come_twice_and_in_any_order() {
    both(async |app| {
        let site = Site::new(&app).await;
        let agent = Agent::begin(&app, &site).await;
        let directory = Directory::new(&app, 5);
        let job = agent.run("r1", "full").await.job;
        let engine = worker(&app, "w");
        let mut known = Vec::new();
        while agent.state(&job).await.state != "ended" {
            let told = agent.poll(&known, 200).await;
            for order in told.orders.iter().filter(|order| !known.contains(&order.id)) {
                let parcels = agent.answers(order, &directory).await;
                for (sequence, parcel) in parcels.iter().enumerate().rev().chain(parcels.iter().enumerate()) {
                    let packed = muster_core::agent::pack(parcel).unwrap();
                    let put = agent.put_bytes(order.id, u64::try_from(sequence).unwrap(), packed).await;
                    // Once the last was taken, a late second one is told that all is over.
                    assert!(put.0 == 204 || put.1 == "order_over", "{put:?}");
                }
            }
            known = told.orders.iter().map(|order| order.id).collect();
        }
        engine.await.unwrap();
        let state = agent.state(&job).await;
        let users = state.ledger.iter().find(|line| line.stream == "users").unwrap();
        assert_eq!((users.counters.received, users.counters.created), (5, 5));
        assert_eq!(state.result.as_deref(), Some("complete"), "{state:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_went_away_gets_a_new_order_and_the_scope_is_read_anew() {
    both(async |app| {
        let site = Site::new(&app).await;
        let agent = Agent::begin(&app, &site).await;
        let directory = Directory::new(&app, 8);
        let job = agent.run("r1", "full").await.job;
        let engine = worker(&app, "w");
        let plan = agent.order(&[]).await;
        assert_eq!(plan.task, Task::Plan);
        // Killed before it answered: another process of it loses what it does not know.
        assert_eq!(agent.lost(plan.id).await, 204);
        assert_eq!(agent.lost(plan.id).await, 409);
        let plan = agent.order(&[plan.id]).await;
        agent.put(plan.id, 0, &agent.answers(&plan, &directory).await[0]).await;
        agent.over(plan.id).await;
        let first = agent.order(&[]).await;
        let half = agent.answers(&first, &directory).await;
        agent.put(first.id, 0, &half[0]).await;
        assert_eq!(agent.lost(first.id).await, 204);
        let again = agent.order(&[first.id]).await;
        assert_eq!((again.task == first.task, again.have), (true, 0));
        assert_eq!(agent.put_bytes(first.id, 1, Vec::new()).await, (409, "order_over".to_owned()));
        let (state, _) = agent.follow(&job, &directory).await;
        engine.await.unwrap();
        assert_eq!(state.result.as_deref(), Some("complete"), "{state:?}");
        let users = state.ledger.iter().find(|line| line.stream == "users").unwrap();
        assert_eq!((users.counters.received, users.counters.created), (8, 8));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_was_killed_goes_on_with_the_order_it_had() {
    both(async |app| {
        let site = Site::new(&app).await;
        let agent = Agent::begin(&app, &site).await;
        let directory = Directory::new(&app, 8);
        let job = agent.run("r1", "full").await.job;
        let engine = worker(&app, "first");
        let plan = agent.order(&[]).await;
        agent.put(plan.id, 0, &agent.answers(&plan, &directory).await[0]).await;
        agent.over(plan.id).await;
        let read = agent.order(&[]).await;
        let parcels = agent.answers(&read, &directory).await;
        agent.put(read.id, 0, &parcels[0]).await;
        // It is killed; another takes the job when its lease ran out.
        engine.abort();
        app.free(&job).await;
        let engine = worker(&app, "second");
        // Neither the plan nor the scope is ordered again: the same order, with what it has.
        let known = agent.poll(&[read.id], 300).await.orders;
        assert_eq!(known.iter().map(|order| (order.id, order.have)).collect::<Vec<_>>(), [(read.id, 1)]);
        for (sequence, parcel) in parcels.iter().enumerate().skip(1) {
            agent.put(read.id, u64::try_from(sequence).unwrap(), parcel).await;
        }
        agent.over(read.id).await;
        let (state, tasks) = agent.follow(&job, &directory).await;
        engine.await.unwrap();
        assert_eq!(state.result.as_deref(), Some("complete"), "{state:?}");
        assert_eq!(tasks.len(), 2, "the two scopes that were left: {tasks:?}");
        let users = state.ledger.iter().find(|line| line.stream == "users").unwrap();
        assert_eq!((users.counters.received, users.counters.created), (8, 8));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changed_meanwhile_leaves_the_scope_open_and_says_so() {
    both(async |app| {
        let site = Site::new(&app).await;
        let agent = Agent::begin(&app, &site).await;
        let directory = Directory::new(&app, 8);
        let job = agent.run("r1", "full").await.job;
        let engine = worker(&app, "w");
        agent.follow(&job, &directory).await;
        engine.await.unwrap();
        // An agent that says of a record what is not so: it has another title, and the hub is told it is known.
        let job = agent.run("r2", "full").await.job;
        let engine = worker(&app, "w");
        let mut known = Vec::new();
        while agent.state(&job).await.state != "ended" {
            let told = agent.poll(&known, 200).await;
            for order in told.orders.iter().filter(|order| !known.contains(&order.id)) {
                let mut parcels = agent.answers(order, &directory).await;
                if matches!(&order.task, Task::Read { stream, .. } if stream == "users") {
                    directory.title(1002, "changed");
                    let (mut batches, _) = super::scripted::read(&directory, ("users", "all"), None).await;
                    let model = directory_model(&app);
                    let none = vec![0];
                    let parcel = muster_core::agent::BatchParcel::of(batches.remove(0), &model, Some(&none));
                    parcels[0] = Parcel::Batch(parcel);
                }
                for (sequence, parcel) in parcels.iter().enumerate() {
                    agent.put(order.id, u64::try_from(sequence).unwrap(), parcel).await;
                }
            }
            known = told.orders.iter().map(|order| order.id).collect();
        }
        engine.await.unwrap();
        let state = agent.state(&job).await;
        assert_eq!(state.result.as_deref(), Some("partial"), "{state:?}");
        let users = state.ledger.iter().find(|line| line.stream == "users").unwrap();
        let evidence = json!(users.evidence).to_string();
        assert!(evidence.contains("1 objects changed in the inventory"), "{evidence}");
        assert_eq!((users.counters.unchanged, users.counters.gone), (7, 0));
    })
    .await;
}

fn directory_model(app: &crate::app::TestApp) -> std::sync::Arc<muster_core::model::StreamModel> {
    std::sync::Arc::clone(app.hub.offer("active_directory").unwrap().model.stream("users").unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_agent_ends_the_run_as_the_source_being_away() {
    both(async |app| {
        let site = Site::new(&app).await;
        let agent = Agent::begin(&app, &site).await;
        let job = agent.run("r1", "full").await.job;
        let mut engine = worker(&app, "w");
        agent.order(&[]).await;
        app.clock.advance(119_000_000);
        let ended = tokio::time::timeout(Duration::from_millis(700), &mut engine).await;
        assert!(ended.is_err(), "it waits for two minutes");
        app.clock.advance(2_000_000);
        engine.await.unwrap();
        let state = agent.state(&job).await;
        assert_eq!(state.result.as_deref(), Some("failed"));
        let message = state.message.unwrap();
        assert!(message.contains("the agent has not called since") && message.contains("start the agent"), "{message}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_run_ends_and_its_order_with_it() {
    both(async |app| {
        let site = Site::new(&app).await;
        let agent = Agent::begin(&app, &site).await;
        let directory = Directory::new(&app, 8);
        let job = agent.run("r1", "full").await.job;
        let engine = worker(&app, "w");
        let plan = agent.order(&[]).await;
        agent.put(plan.id, 0, &agent.answers(&plan, &directory).await[0]).await;
        agent.over(plan.id).await;
        let read = agent.order(&[]).await;
        app.post(&format!("/api/v1/jobs/{job}/cancel"), json!({})).await.expect(200);
        engine.await.unwrap();
        assert_eq!(agent.state(&job).await.result.as_deref(), Some("cancelled"));
        assert!(agent.poll(&[read.id], 0).await.orders.is_empty());
        let answer = agent.put_bytes(read.id, 0, Vec::new()).await;
        assert_eq!(answer, (409, "order_over".to_owned()));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_test_and_a_run_from_the_console_reach_through_the_agent() {
    both(async |app| {
        let site = Site::new(&app).await;
        let agent = Agent::begin(&app, &site).await;
        let directory = Directory::new(&app, 3);
        let test = app.post(&format!("/api/v1/connectors/{}/test", site.connector), json!({})).await.expect(202);
        let engine = worker(&app, "w");
        let order = agent.order(&[]).await;
        for (sequence, parcel) in agent.answers(&order, &directory).await.iter().enumerate() {
            agent.put(order.id, u64::try_from(sequence).unwrap(), parcel).await;
        }
        engine.await.unwrap();
        let path = format!("/api/v1/jobs/{}", test["id"].as_str().unwrap());
        assert_eq!(app.get(&path).await.expect(200)["result"], "passed");
        let steps = app.call_as(&app.token, (axum::http::Method::GET, &path), None).await.expect(200);
        assert_eq!(steps["state"], "ended");
        let asked = app.post(&format!("/api/v1/profiles/{}/run", site.profile), json!({ "mode": "full" })).await;
        let job = asked.expect(202)["id"].as_str().unwrap().to_owned();
        let engine = worker(&app, "w");
        let (state, _) = agent.follow(&job, &directory).await;
        engine.await.unwrap();
        assert_eq!(state.result.as_deref(), Some("complete"));
    })
    .await;
}
