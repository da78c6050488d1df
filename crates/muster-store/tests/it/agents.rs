//! Orders and parcels, and who may be an agent.

use muster_core::agent::Task;
use muster_core::clock::Instant;
use muster_store::Store;
use muster_store::hub::{
    AgentRow, AgentSubject, AuditLine, ConnectionChange, ConnectionRow, Enqueued, Enrolment, JobEnd, JobPlace,
    NewClient, NewJob, NewOrder, OrderState, ProfileChange, ProfileRow, Put,
};
use serde_json::json;

use crate::both::both;

const LEASE: i64 = 15_000_000;
const WAITING: i64 = 4;

fn at(second: i64) -> Instant {
    Instant(second * 1_000_000)
}

fn audit(tenant: i64) -> AuditLine {
    AuditLine {
        tenant,
        at: at(1),
        actor_kind: "user",
        actor: "admin".to_owned(),
        action: "test",
        object_kind: "connector",
        object: String::new(),
        detail: json!({}),
        request: String::new(),
    }
}

async fn connection(store: &Store, uuid: &str, execution: &str) -> (ConnectionRow, ProfileRow) {
    let tenant = store.first_tenant("t-1", at(0)).await.unwrap().id;
    let settings = json!({});
    let change =
        ConnectionChange { name: uuid, description: "", settings: &settings, execution, secrets: &[], now: at(1) };
    let kind = ("active_directory", "Microsoft Active Directory");
    let made = store.add_connection(kind, (tenant, uuid), &change, &audit(tenant)).await.unwrap().unwrap();
    let change = ProfileChange {
        name: "all",
        active: true,
        maps: &settings,
        parameters: &settings,
        schedule: None,
        next_at: None,
        now: at(1),
    };
    let profile = store.add_profile((tenant, made.id), &format!("p-{uuid}"), &change, &audit(tenant)).await;
    (made, profile.unwrap().unwrap())
}

fn agent(profile: &ProfileRow, session: &str) -> AgentRow {
    let text = |text: &str| text.to_owned();
    AgentRow {
        tenant: profile.tenant,
        profile: profile.id,
        connector: profile.connector,
        session: text(session),
        subject_kind: text("user"),
        subject: text("u-1"),
        subject_name: text("admin"),
        host: text("machine"),
        version: text("1"),
        cron: None,
        time_zone: text("UTC"),
        began_at: at(1),
        seen_at: at(1),
        revision: String::new(),
        report: json!({}),
        lines: Vec::new(),
    }
}

/// A job of a profile, claimed, and an order of it.
async fn ordered(store: &Store, profile: &ProfileRow) -> (muster_store::hub::JobClaim, i64) {
    let payload = json!({});
    let job = NewJob::run_of(profile, "j-1", &payload, "admin", at(1));
    let added = match store.enqueue(&job, None).await.unwrap() {
        Enqueued::Added(id) => Some(id),
        Enqueued::Open(_) => None,
    };
    let job = added.unwrap();
    let (_, claim) = store.claim_job("w", at(1), LEASE).await.unwrap().unwrap();
    let new = NewOrder {
        tenant: profile.tenant,
        connector: profile.connector,
        profile: Some(profile.id),
        job,
        task: &Task::Plan,
        map: None,
        known: false,
    };
    (claim, store.add_order(&new).await.unwrap())
}

#[tokio::test]
async fn parcels_are_kept_once_counted_without_gaps_and_bounded() {
    both(|store| async move {
        let (_, profile) = connection(&store, "c-1", "agent").await;
        let (claim, order) = ordered(&store, &profile).await;
        let agent = agent(&profile, "s-1");
        let put = async |sequence: i64, byte: u8| {
            store.put_parcel(&agent, (order, sequence), vec![byte], WAITING).await.unwrap()
        };
        let have = async || store.order_state(profile.tenant, order).await.unwrap();
        assert_eq!((put(2, 2).await, put(1, 1).await), (Put::Kept, Put::Kept));
        assert_eq!(have().await, Some((OrderState::Open, 0)), "the first is missing");
        assert_eq!(put(0, 0).await, Put::Kept);
        assert_eq!(have().await, Some((OrderState::Open, 3)));
        // A second one changes nothing.
        assert_eq!(put(1, 9).await, Put::Kept);
        assert_eq!(store.parcel(profile.tenant, order, 1).await.unwrap(), Some(vec![1]));
        for (sequence, expected) in [(4, Put::TooFar), (i64::MAX, Put::TooFar), (3, Put::Kept)] {
            assert_eq!(put(sequence, 0).await, expected, "{sequence}");
        }
        store.parcels_taken(profile.tenant, order, 2).await.unwrap();
        assert_eq!((put(5, 5).await, put(6, 6).await), (Put::Kept, Put::TooFar));
        // Taken from the first on again, those that are here stay acknowledged.
        store.retake_order(profile.tenant, order).await.unwrap();
        assert_eq!((put(3, 3).await, put(5, 5).await), (Put::Kept, Put::TooFar));
        assert_eq!(have().await, Some((OrderState::Open, 4)));
        store.end_order(profile.tenant, order).await.unwrap();
        assert_eq!(put(7, 7).await, Put::Over);
        assert!(!store.lose_order(&agent, order).await.unwrap());
        assert_eq!(store.orders_of_job(profile.tenant, claim.job).await.unwrap().len(), 1);
        // The job's end takes all of it.
        store.end_job(&claim, JobEnd { result: "complete", message: None, now: at(2) }).await.unwrap();
        assert_eq!(have().await, None);
        assert_eq!(store.parcel(profile.tenant, order, 0).await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn an_order_is_its_profiles_agents_alone() {
    both(|store| async move {
        let (_, profile) = connection(&store, "c-1", "agent").await;
        let (_, other) = connection(&store, "c-2", "agent").await;
        let (_, order) = ordered(&store, &profile).await;
        let stranger = AgentRow { tenant: profile.tenant + 1, ..agent(&profile, "s-3") };
        for agent in [&agent(&other, "s-2"), &stranger] {
            assert_eq!(store.put_parcel(agent, (order, 0), vec![1], WAITING).await.unwrap(), Put::Over);
            assert!(!store.lose_order(agent, order).await.unwrap());
            assert_eq!(store.order_for(agent, order).await.unwrap(), None);
            assert!(store.orders_for(agent).await.unwrap().is_empty());
        }
        let own = agent(&profile, "s-1");
        assert_eq!(store.orders_for(&own).await.unwrap()[0].id, order);
        assert!(store.lose_order(&own, order).await.unwrap());
        assert!(store.orders_for(&own).await.unwrap().is_empty());
        assert_eq!(store.order_for(&own, order).await.unwrap().unwrap().state, OrderState::Lost);
        store.drop_orders(profile.tenant, &[order]).await.unwrap();
        assert_eq!(store.order_for(&own, order).await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn jobs_that_wait_for_an_agent_have_their_own_places() {
    both(|store| async move {
        let (_, by_agent) = connection(&store, "c-1", "agent").await;
        let (_, by_hub) = connection(&store, "c-2", "hub").await;
        let payload = json!({});
        let run = |profile: &ProfileRow, uuid| NewJob::run_of(profile, uuid, &payload, "admin", at(1));
        store.enqueue(&run(&by_agent, "agents"), None).await.unwrap();
        store.enqueue(&run(&by_hub, "hubs"), None).await.unwrap();
        let claim = async |place, owner| {
            let claimed = store.claim_job_of(Some(place), owner, at(2), LEASE).await.unwrap();
            claimed.map(|(job, _)| job.uuid)
        };
        assert_eq!(claim(JobPlace::Hub, "w").await.as_deref(), Some("hubs"), "though the agent's waits longer");
        assert_eq!(claim(JobPlace::Hub, "w").await, None);
        assert_eq!(claim(JobPlace::Agent, "w").await.as_deref(), Some("agents"));
        // What needs no source is the hub's.
        let (_, third) = connection(&store, "c-3", "agent").await;
        store.enqueue(&NewJob::replay_of(&third, "replay", &payload, "admin", at(1)), None).await.unwrap();
        assert_eq!(claim(JobPlace::Agent, "w").await, None);
        assert_eq!(claim(JobPlace::Hub, "w").await.as_deref(), Some("replay"));
        // Asked for again under its own name, a job is itself, though another is open.
        let Enqueued::Open(open) = store.enqueue(&run(&by_agent, "hubs"), None).await.unwrap() else {
            panic!("a second job of that name");
        };
        assert_eq!(open.uuid, "hubs");
    })
    .await;
}

#[tokio::test]
async fn an_enrolment_goes_once_and_a_binding_comes_back() {
    both(|store| async move {
        let (connector, _) = connection(&store, "c-1", "agent").await;
        let (tenant, place) = (connector.tenant, (connector.tenant, connector.id));
        let new = Enrolment { tenant, connector: connector.id, hash: "h", now: at(1), expires_at: at(10) };
        store.add_enrolment(new, &audit(tenant)).await.unwrap();
        assert_eq!(store.enrolment("h", at(9)).await.unwrap(), Some(place));
        assert_eq!(store.enrolment("h", at(10)).await.unwrap(), None);
        let client = |uuid| NewClient {
            tenant,
            uuid,
            name: uuid,
            level: "agent",
            role: "viewer",
            account: None,
            secret_hash: "x",
            now: at(2),
        };
        let line = audit(tenant);
        let (one, two) = tokio::join!(
            store.enrol(("h", "b-1"), connector.id, client("k-1"), &line),
            store.enrol(("h", "b-2"), connector.id, client("k-2"), &line),
        );
        assert_eq!([one.unwrap(), two.unwrap()].iter().filter(|used| **used).count(), 1);
        let bound = store.bindings(tenant, connector.id).await.unwrap();
        assert_eq!((bound.len(), bound[0].subject_kind.as_str()), (1, "agent"));
        let subject = AgentSubject { kind: "user", id: "u-1", name: "admin" };
        let first = store.bind_agent(place, ("b-3", subject), &line).await.unwrap();
        store.revoke_binding(tenant, &first.uuid, &line).await.unwrap().unwrap();
        assert!(store.binding_of(place, ("user", "u-1")).await.unwrap().unwrap().revoked_at.is_some());
        assert_eq!(store.binding_of((tenant + 1, connector.id), ("user", "u-1")).await.unwrap(), None);
        let again = store.bind_agent(place, ("b-4", subject), &line).await.unwrap();
        assert_eq!((again.uuid.as_str(), again.revoked_at), ("b-3", None));
    })
    .await;
}

#[tokio::test]
async fn the_newest_session_takes_the_place_and_the_log_goes_on() {
    both(|store| async move {
        let (_, profile) = connection(&store, "c-1", "agent").await;
        let line = audit(profile.tenant);
        store.begin_agent(&agent(&profile, "old"), &line).await.unwrap();
        let report = json!({ "n": 1 });
        let told = [json!("a"), json!("b"), json!("c")];
        let told = || muster_store::hub::AgentTold { report: &report, lines: &told, keep: 4 };
        for _ in 0..2 {
            store.agent_called((profile.tenant, "old"), Some(told()), at(5)).await.unwrap();
        }
        store.begin_agent(&agent(&profile, "new"), &line).await.unwrap();
        assert_eq!(store.agent_of_session(profile.tenant, "old").await.unwrap(), None);
        store.agent_called((profile.tenant, "old"), Some(told()), at(99)).await.unwrap();
        let row = store.agent_of_session(profile.tenant, "new").await.unwrap().unwrap();
        assert_eq!(row.lines, [json!("c"), json!("a"), json!("b"), json!("c")]);
        assert_eq!(row.seen_at, at(1), "an old session is heard no more");
        assert_eq!(store.agent_of_session(profile.tenant + 1, "new").await.unwrap(), None);
    })
    .await;
}
