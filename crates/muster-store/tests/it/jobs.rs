//! Jobs: claimed once, by one; what is due fires once, whoever looks.

use muster_core::clock::Instant;
use muster_store::dialect::Dialect;
use muster_store::hub::{
    AuditLine, ConnectionChange, ConnectionRow, Enqueued, JobEnd, JobFilter, NewAccount, NewEvent, NewJob, Page,
    ProfileChange, Refusal, SealedSecret, TenantRow,
};
use muster_store::{Store, StoreError};
use serde_json::json;

use crate::both::both;

const SECOND: i64 = 1_000_000;
const LEASE: i64 = 15 * SECOND;

fn at(second: i64) -> Instant {
    Instant(second * SECOND)
}

fn audit(tenant: i64, action: &'static str) -> AuditLine {
    AuditLine {
        tenant,
        at: at(1),
        actor_kind: "user",
        actor: "admin".to_owned(),
        action,
        object_kind: "connector",
        object: "lab".to_owned(),
        detail: json!({}),
        request: "r1".to_owned(),
    }
}

fn change<'a>(name: &'a str, settings: &'a serde_json::Value, secrets: &'a [SealedSecret]) -> ConnectionChange<'a> {
    ConnectionChange { name, description: "", settings, execution: "hub", secrets, now: at(1) }
}

async fn connection(store: &Store, tenant: i64, uuid: &str, name: &str) -> ConnectionRow {
    let settings = json!({ "authentication": { "host": "dc1" } });
    let secrets = [SealedSecret { field: "authentication.password".to_owned(), sealed: "m1.k.x".to_owned() }];
    let kind = ("active_directory", "Microsoft Active Directory");
    let (change, audit) = (change(name, &settings, &secrets), audit(tenant, "connector.create"));
    let made = store.add_connection(kind, (tenant, uuid), &change, &audit);
    made.await.unwrap().unwrap()
}

async fn open(store: &Store) -> ConnectionRow {
    let tenant = store.first_tenant("t-1", at(0)).await.unwrap();
    connection(store, tenant.id, "c-1", "Lab").await
}

fn job<'a>(connection: &ConnectionRow, uuid: &'a str, second: i64, payload: &'a serde_json::Value) -> NewJob<'a> {
    NewJob {
        tenant: connection.tenant,
        uuid,
        kind: "run",
        connector: connection.id,
        profile: None,
        payload,
        exclusive: None,
        requested_by: "admin",
        now: at(second),
    }
}

/// Lets so many seconds pass for leases, whichever clock they are reckoned by.
async fn pass(store: &Store, seconds: i64) {
    let sql = "UPDATE job SET lease_until = lease_until - $1, available_at = available_at - $1";
    store.reader().await.unwrap().conn().execute("ageing leases", sql, vec![(seconds * SECOND).into()]).await.unwrap();
}

#[tokio::test]
async fn a_job_is_claimed_by_one_and_again_when_its_lease_ran_out() {
    both(|store| async move {
        let connection = open(&store).await;
        let payload = json!({ "mode": "full" });
        let Enqueued::Added(first) = store.enqueue(&job(&connection, "j-1", 5, &payload), None).await.unwrap() else {
            panic!("an open job in an empty store");
        };
        let claims = tokio::join!(store.claim_job("a", at(5), LEASE), store.claim_job("b", at(5), LEASE));
        let mut claimed: Vec<_> = [claims.0.unwrap(), claims.1.unwrap()].into_iter().flatten().collect();
        assert_eq!(claimed.len(), 1);
        let (row, old) = claimed.remove(0);
        assert_eq!((row.id, row.attempt, row.lost, row.state.as_str()), (first, 1, 0, "running"));
        pass(&store, 14).await;
        assert!(!store.renew_job(&old, at(5), LEASE).await.unwrap());
        pass(&store, 14).await;
        assert!(store.claim_job("c", at(5), LEASE).await.unwrap().is_none(), "while the lease lasts");
        pass(&store, 2).await;
        let (row, new) = store.claim_job("c", at(5), LEASE).await.unwrap().unwrap();
        assert_eq!((row.attempt, row.lost), (2, 1));
        let end = JobEnd { result: "complete", message: None, now: at(22) };
        for refused in [store.renew_job(&old, at(5), LEASE).await.map(drop), store.end_job(&old, end).await] {
            assert!(matches!(refused, Err(StoreError::Fenced(_))), "{refused:?}");
        }
        // Given back it is not lost, and waits its time.
        store.postpone_job(&new, at(5), 10 * SECOND).await.unwrap();
        pass(&store, 9).await;
        assert!(store.claim_job("c", at(5), LEASE).await.unwrap().is_none(), "before its time");
        pass(&store, 2).await;
        let (row, new) = store.claim_job("c", at(5), LEASE).await.unwrap().unwrap();
        assert_eq!((row.attempt, row.lost), (3, 1));
        store.end_job(&new, end).await.unwrap();
        let ended = store.job(connection.tenant, "j-1").await.unwrap().unwrap();
        assert_eq!((ended.state.as_str(), ended.result.as_deref()), ("ended", Some("complete")));
        pass(&store, 99).await;
        assert!(store.claim_job("c", at(5), LEASE).await.unwrap().is_none());
    })
    .await;
}

#[tokio::test]
async fn leases_of_hubs_that_share_a_database_go_by_its_clock() {
    both(|store| async move {
        let connection = open(&store).await;
        let payload = json!({});
        let hour = 60 * 60;
        // A hub whose clock is an hour ahead asks, one whose clock is right claims.
        store.enqueue(&job(&connection, "j-1", hour, &payload), None).await.unwrap();
        let found = store.claim_job("right", at(0), LEASE).await.unwrap();
        let shared = store.dialect() == Dialect::Postgres;
        assert_eq!(found.is_some(), shared, "one process has one clock");
        let claim = match found {
            Some((_, claim)) => claim,
            None => store.claim_job("right", at(hour), LEASE).await.unwrap().unwrap().1,
        };
        let ahead = store.claim_job("ahead", at(2 * hour), LEASE).await.unwrap();
        assert_eq!(ahead.is_none(), shared, "no lease ends by a clock that is ahead");
        if shared {
            // Nor does one last by a clock that is ahead.
            store.renew_job(&claim, at(9 * hour), LEASE).await.unwrap();
            pass(&store, 16).await;
            assert!(store.claim_job("third", at(0), LEASE).await.unwrap().is_some());
        }
    })
    .await;
}

#[tokio::test]
async fn what_excludes_another_is_open_once() {
    both(|store| async move {
        let connection = open(&store).await;
        let payload = json!({});
        let exclusive = |uuid| NewJob { exclusive: Some("run:7".to_owned()), ..job(&connection, uuid, 5, &payload) };
        assert!(matches!(store.enqueue(&exclusive("j-1"), None).await.unwrap(), Enqueued::Added(_)));
        let Enqueued::Open(open) = store.enqueue(&exclusive("j-2"), None).await.unwrap() else {
            panic!("two open jobs exclude each other");
        };
        assert_eq!(open.uuid, "j-1");
        assert!(store.cancel_job(&open, at(6), Some(&audit(connection.tenant, "job.cancel"))).await.unwrap());
        let cancelled = store.job(connection.tenant, "j-1").await.unwrap().unwrap();
        assert_eq!(cancelled.result.as_deref(), Some("cancelled"), "nobody had begun it");
        assert!(!store.cancel_job(&open, at(7), None).await.unwrap());
        assert!(matches!(store.enqueue(&exclusive("j-3"), None).await.unwrap(), Enqueued::Added(_)));
        let all = store.jobs(connection.tenant, JobFilter::default(), 10).await.unwrap();
        assert_eq!(all.iter().map(|job| job.uuid.as_str()).collect::<Vec<_>>(), ["j-3", "j-1"]);
        let (_, claim) = store.claim_job("a", at(8), LEASE).await.unwrap().unwrap();
        let running = store.job(connection.tenant, "j-3").await.unwrap().unwrap();
        assert!(store.cancel_job(&running, at(9), None).await.unwrap());
        assert!(store.renew_job(&claim, at(9), LEASE).await.unwrap(), "its worker is told");
    })
    .await;
}

#[tokio::test]
async fn a_due_profile_fires_once() {
    both(|store| async move {
        let connection = open(&store).await;
        let empty = json!({});
        let schedule = json!({ "kind": "minutes" });
        let change = ProfileChange {
            name: "hourly",
            active: true,
            maps: &empty,
            parameters: &empty,
            schedule: Some(&schedule),
            next_at: Some(at(100)),
            now: at(1),
        };
        let place = (connection.tenant, connection.id);
        let made = store.add_profile(place, "p-1", &change, &audit(connection.tenant, "profile.create")).await;
        let profile = made.unwrap().unwrap();
        assert!(store.due_profiles(at(99), 10).await.unwrap().is_empty());
        let due = store.due_profiles(at(100), 10).await.unwrap();
        assert_eq!(due, std::slice::from_ref(&profile));
        let run = |uuid| NewJob {
            profile: Some(profile.id),
            exclusive: Some(format!("run:{}", profile.id)),
            ..job(&connection, uuid, 100, &empty)
        };
        let (one, two) = (run("j-1"), run("j-2"));
        let fired = tokio::join!(
            store.fire(&profile, Some(at(200)), Some(&one)),
            store.fire(&profile, Some(at(200)), Some(&two))
        );
        assert_eq!(u8::from(fired.0.unwrap()) + u8::from(fired.1.unwrap()), 1);
        assert_eq!(store.jobs(connection.tenant, JobFilter::default(), 10).await.unwrap().len(), 1);
        // Due again while its job is open: it moves on, and that job stands for this time, too.
        let due = store.due_profiles(at(200), 10).await.unwrap().remove(0);
        assert!(store.fire(&due, Some(at(300)), Some(&run("j-3"))).await.unwrap());
        assert_eq!(store.jobs(connection.tenant, JobFilter::default(), 10).await.unwrap().len(), 1);
        let refused = store.remove_profile(&profile, &audit(connection.tenant, "profile.delete")).await.unwrap();
        assert_eq!(refused, Err(Refusal::Busy));
    })
    .await;
}

#[tokio::test]
async fn a_connector_is_made_changed_and_removed_with_all_that_is_its_own() {
    both(|store| async move {
        let made = open(&store).await;
        let (tenant, settings) = (made.tenant, json!({ "authentication": { "host": "dc2" } }));
        assert_eq!(store.secrets(tenant, "c-1").await.unwrap()[0].sealed, "m1.k.x");
        let again = store
            .add_connection(
                ("t", "T"),
                (tenant, "c-2"),
                &change("LAB", &settings, &[]),
                &audit(tenant, "connector.create"),
            )
            .await
            .unwrap();
        assert_eq!(again, Err(Refusal::Taken), "names differ by more than case");
        let changed = store
            .change_connection(&made, &change("Lab two", &settings, &[]), &audit(tenant, "connector.update"))
            .await;
        let changed = changed.unwrap().unwrap();
        assert_eq!((changed.version, changed.settings["authentication"]["host"].as_str()), (2, Some("dc2")));
        assert_eq!(store.secrets(tenant, "c-1").await.unwrap().len(), 1, "what is not given stays");
        let stale =
            store.change_connection(&made, &change("x", &settings, &[]), &audit(tenant, "connector.update")).await;
        assert_eq!(stale.unwrap(), Err(Refusal::Changed));
        let payload = json!({});
        let retiring = NewJob { kind: "remove", ..job(&changed, "j-9", 5, &payload) };
        store.remove_connection(&changed, &retiring, &audit(tenant, "connector.delete")).await.unwrap().unwrap();
        assert!(store.secrets(tenant, "c-1").await.unwrap().is_empty());
        assert_eq!(store.connection(tenant, "c-1").await.unwrap(), None);
        connection(&store, tenant, "c-3", "lab two").await;
        let lines = store.audit_lines(tenant, Page { after: i64::MAX, limit: 10 }).await.unwrap();
        let actions: Vec<&str> = lines.iter().map(|line| line.action.as_str()).collect();
        assert_eq!(actions, ["connector.create", "connector.delete", "connector.update", "connector.create"]);
    })
    .await;
}

/// Adds the tenant `acme` with an administrator.
async fn tenant(store: &Store, uuid: &str) -> Result<TenantRow, Refusal> {
    let id = store.tenant_id().await.unwrap();
    let new = TenantRow { id, uuid: uuid.to_owned(), name: "acme".to_owned(), created_at: at(1) };
    let first = NewAccount { tenant: id, uuid, username: "admin", role: "manager", password: "$", now: at(1) };
    store.add_tenant(&new, first, &audit(id, "user.create")).await.unwrap().map(|()| new)
}

#[tokio::test]
async fn another_tenant_finds_nothing() {
    both(|store| async move {
        let made = open(&store).await;
        let other = tenant(&store, "t-2").await.unwrap();
        assert_eq!(tenant(&store, "t-3").await, Err(Refusal::Taken), "its name is taken");
        let accounts = store.accounts(other.id, Page { after: 0, limit: 10 }).await.unwrap();
        assert_eq!(accounts.iter().map(|account| account.uuid.as_str()).collect::<Vec<_>>(), ["t-2"]);
        assert_eq!(store.connection(other.id, "c-1").await.unwrap(), None);
        assert!(store.secrets(other.id, "c-1").await.unwrap().is_empty());
        // The same public id and name in another tenant are another connector.
        connection(&store, other.id, "c-1", "Lab").await;
        let payload = json!({});
        let Enqueued::Added(id) = store.enqueue(&job(&made, "j-1", 5, &payload), None).await.unwrap() else {
            panic!("an open job in an empty store");
        };
        assert_eq!(store.job(other.id, "j-1").await.unwrap(), None);
        let event = NewEvent { at: at(6), level: "info", kind: "log", message: "begun".to_owned(), data: None };
        store.tell(made.tenant, id, &[event.clone(), NewEvent { message: "read".to_owned(), ..event }]).await.unwrap();
        assert!(store.events(other.id, id, 0, 10).await.unwrap().is_empty());
        let told = store.events(made.tenant, id, 0, 10).await.unwrap();
        assert_eq!(told.iter().map(|event| event.message.as_str()).collect::<Vec<_>>(), ["begun", "read"]);
        assert_eq!(store.events(made.tenant, id, told[0].id, 10).await.unwrap().len(), 1);
        let lines = store.audit_lines(other.id, Page { after: i64::MAX, limit: 10 }).await.unwrap();
        let actions: Vec<&str> = lines.iter().map(|line| line.action.as_str()).collect();
        assert_eq!(actions, ["connector.create", "user.create"]);
    })
    .await;
}
