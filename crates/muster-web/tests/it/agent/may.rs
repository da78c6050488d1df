//! Who may be an agent, and for how long; what it is told, and what not.

use axum::http::Method;
use muster_core::seal::Place;
use serde_json::{Value, json};

use super::scripted::{Agent, CANARY, Site, worker};
use crate::app::{PASSWORD, TestApp, both};
use crate::directory::Directory;
use crate::tables::everything;

fn said(answer: &(u16, Value)) -> (u16, &str) {
    (answer.0, answer.1["code"].as_str().unwrap_or_default())
}

async fn refused(app: &TestApp, token: &str, hello: Value) -> (u16, String) {
    app.call_as(token, (Method::POST, "/agent/v1/sessions"), Some(hello)).await.said()
}

/// A key that is one.
const KEY: &str = "3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08";

#[tokio::test]
async fn each_reason_to_refuse_a_session_has_its_own_code() {
    both(async |app| {
        let site = Site::new(&app).await;
        let hello = site.hello(KEY);
        let with = |field: &str, value: Value| {
            let mut hello = hello.clone();
            hello[field] = value;
            hello
        };
        let nobodys = "00000000-0000-4000-8000-000000000000";
        let other = app.other_tenant().await;
        for (field, value, status, code) in [
            ("customer", json!(nobodys), 404, "unknown_customer"),
            // Another tenant's id is none.
            ("customer", json!(other.uuid), 404, "unknown_customer"),
            ("connection", json!(nobodys), 404, "unknown_connection"),
            ("profile", json!(nobodys), 404, "unknown_profile"),
            ("publicKey", json!("AAAA"), 422, "invalid_value"),
            // A key of small order makes no secret.
            ("publicKey", json!("A".repeat(43)), 422, "invalid_value"),
            ("host", json!("x".repeat(257)), 422, "invalid_value"),
        ] {
            assert_eq!(
                refused(&app, &app.token, with(field, value.clone())).await,
                (status, code.to_owned()),
                "{value}"
            );
        }
        let unbound = app.somebody(&app.first_tenant().await, "unbound", "manager").await;
        assert_eq!(refused(&app, &unbound, hello.clone()).await, (403, "agent_not_bound".to_owned()));
        let theirs = app.somebody(&other, "theirs", "manager").await;
        assert_eq!(refused(&app, &theirs, hello.clone()).await, (404, "unknown_customer".to_owned()));
        let path = format!("/api/v1/connectors/{}", site.connector);
        let mut before = app.get(&path).await.expect(200);
        let settings = before["settings"].take();
        let body = json!({ "name": "site", "execution": "hub", "settings": settings });
        app.call(Method::PUT, &path, Some(body)).await.expect(200);
        assert_eq!(refused(&app, &app.token, hello).await, (409, "not_run_by_agent".to_owned()));
    })
    .await;
}

#[tokio::test]
async fn the_newest_session_counts_and_a_revoked_agent_is_told_so_at_once() {
    both(async |app| {
        let site = Site::new(&app).await;
        let bound = site.bind(&app, "admin").await;
        let old = Agent::begin(&app, &site).await;
        let new = Agent::begin(&app, &site).await;
        let report = json!({ "waitMs": 0 });
        let poll = async |agent: &Agent<'_>| agent.call(Method::POST, "/agent/v1/poll", report.clone()).await;
        assert_eq!(said(&poll(&old).await), (409, "session_replaced"));
        assert_eq!(poll(&new).await.0, 200);
        // The session is one's own: nobody else's token goes with it.
        let somebody = app.somebody(&app.first_tenant().await, "second", "manager").await;
        site.bind(&app, "second").await;
        let thief = Agent {
            app: &app,
            token: somebody,
            session: new.session.clone(),
            keyring: new.keyring.clone(),
            configuration: new.configuration.clone(),
            offered: Default::default(),
        };
        assert_eq!(said(&poll(&thief).await), (409, "session_replaced"));
        let own = format!("/api/v1/agents/{}", site.profile);
        let line = json!({ "at": "", "level": "info", "message": "it waits" });
        let long = new.call(Method::POST, "/agent/v1/poll", json!({ "waitMs": 20_000, "lines": [line] }));
        let revoke = async {
            while !app.get(&own).await.text.contains("it waits") {
                tokio::task::yield_now().await;
            }
            app.call(Method::DELETE, &format!("/api/v1/agent-bindings/{bound}"), None).await.expect(204)
        };
        let (answer, _) = tokio::join!(long, revoke);
        assert_eq!(said(&answer), (403, "agent_revoked"), "while it waits");
        assert_eq!(said(&poll(&new).await), (403, "agent_revoked"));
        assert_eq!(new.lost(1).await, 403);
        assert_eq!(new.put_bytes(1, 0, Vec::new()).await, (403, "agent_revoked".to_owned()));
        assert_eq!(refused(&app, &app.token, site.hello(KEY)).await, (403, "agent_revoked".to_owned()));
        let agents = app.get("/api/v1/agents").await.expect(200);
        assert_eq!(agents["items"][0]["state"], "revoked");
        // Bound again, it may again.
        assert_eq!(site.bind(&app, "admin").await, bound);
        assert_eq!(poll(&new).await.0, 200);
    })
    .await;
}

#[tokio::test]
async fn an_enrolled_agent_has_a_credential_of_its_own_for_nothing_else() {
    both(async |app| {
        let site = Site::new(&app).await;
        let path = format!("/api/v1/connectors/{}/agent-enrolments", site.connector);
        let token = app.post(&path, Value::Null).await.expect(201)["token"].as_str().unwrap().to_owned();
        let enrol = async |token: &str| {
            let body = json!({ "token": token, "host": "machine" });
            app.call_as("", (Method::POST, "/agent/v1/enrol"), Some(body)).await
        };
        assert_eq!(enrol("something else").await.said(), (401, "enrolment_refused".to_owned()));
        let made = enrol(&token).await.expect(201);
        assert_eq!(enrol(&token).await.said(), (401, "enrolment_refused".to_owned()), "it goes once");
        let late = app.post(&path, Value::Null).await.expect(201)["token"].as_str().unwrap().to_owned();
        let (id, secret) = (made["clientId"].as_str().unwrap(), made["clientSecret"].as_str().unwrap());
        let signed =
            muster_web::auth::sign_in_client(&app.hub, id, muster_core::secret::Secret::new(secret), ("test", "test"));
        let own = signed.await.unwrap().token.reveal().to_owned();
        let agent = Agent::begin_with(&app, &own, |key| site.hello(key)).await;
        assert!(agent.poll(&[], 0).await.orders.is_empty());
        for path in ["/api/v1/connectors", "/api/v1/inventory/users", "/api/v1/agents", "/api/v1/audit"] {
            assert_eq!(
                app.call_as(&own, (Method::GET, path), None).await.said(),
                (403, "forbidden".to_owned()),
                "{path}"
            );
        }
        let kept = format!("{:?}", everything(&app.hub.store).await);
        assert!(!kept.contains(&token) && !kept.contains(secret), "only hashes are kept");
        app.call(Method::DELETE, &format!("/api/v1/agents/{}", site.profile), None).await.expect(204);
        let (status, told) = agent.call(Method::POST, "/agent/v1/poll", json!({})).await;
        assert_eq!((status, told["code"].as_str()), (403, Some("agent_revoked")));
        app.clock.advance(25 * 60 * 60 * 1_000_000);
        assert_eq!(enrol(&late).await.said(), (401, "enrolment_refused".to_owned()), "a day is over");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_secret_leaves_sealed_for_the_session_and_is_nowhere_else() {
    both(async |app| {
        let site = Site::new(&app).await;
        let agent = Agent::begin(&app, &site).await;
        let sealed = &agent.configuration.sealed["authentication.password"];
        let place = Place { tenant: &site.customer, owner: &agent.session, field: "authentication.password" };
        assert_eq!(agent.keyring.open(&place, sealed).unwrap().reveal(), CANARY);
        assert!(!json!(agent.configuration).to_string().contains(CANARY));
        assert_eq!(
            agent.configuration.sections["authentication"],
            json!({ "host": "dc1.example.com", "bindDn": "CN=x" })
        );
        let audit = app.get("/api/v1/audit").await.text;
        assert!(audit.contains("secretsSent") && audit.contains("authentication.password"), "{audit}");
        // What the agent holds itself is not sent.
        let holding = Agent::begin_with(&app, &app.token, |key| {
            let mut hello = site.hello(key);
            hello["holds"] = json!(["authentication.password"]);
            hello
        });
        assert!(holding.await.configuration.sealed.is_empty());
        let agent = Agent::begin(&app, &site).await;
        let directory = Directory::new(&app, 3);
        let job = agent.run("r1", "full").await.job;
        let engine = worker(&app, "w");
        agent.follow(&job, &directory).await;
        engine.await.unwrap();
        let kept = format!("{:?}", everything(&app.hub.store).await);
        assert!(!kept.contains(CANARY));
        for path in ["/api/v1/agents", "/api/v1/audit", "/api/v1/connectors", "/api/v1/jobs"] {
            assert!(!app.get(path).await.text.contains(CANARY), "{path}");
        }
        let request = axum::http::Request::get(format!("/api/v1/profiles/{}/agent-env", site.profile))
            .header("host", "hub.example.com:8443")
            .header("authorization", format!("Bearer {}", app.token));
        let env = app.send(request.body(axum::body::Body::empty()).unwrap()).await.expect(200);
        let text = env["text"].as_str().unwrap();
        assert!(!text.contains(CANARY) && !text.contains(PASSWORD), "{text}");
        for line in [
            format!("qualys.customerUuid={}", site.customer),
            format!("qualys.connectionUuid={}", site.connector),
            format!("qualys.profileUuid={}", site.profile),
            "qualys.user.username=admin".to_owned(),
            "connector.api.url=http://hub.example.com:8443".to_owned(),
        ] {
            assert!(text.lines().any(|known| known == line), "{line}: {text}");
        }
        assert_eq!(text.matches('<').count(), 2, "the heading and one secret: {text}");
    })
    .await;
}

#[tokio::test]
async fn the_agent_is_told_of_another_configuration_and_asks_only_for_the_closed_list() {
    both(async |app| {
        let site = Site::new(&app).await;
        let agent = Agent::begin(&app, &site).await;
        let users = &agent.configuration.attributes["users"];
        assert!(users.contains(&"objectGUID".to_owned()) && !users.contains(&"adminCount".to_owned()), "{users:?}");
        assert!(!users.iter().any(|name| name.contains("unicodePwd")));
        assert_eq!(agent.poll(&[], 0).await.revision, agent.configuration.revision);
        let path = format!("/api/v1/profiles/{}", site.profile);
        let body = json!({ "name": "all", "parameters": { "assets": "identities_with_posture" } });
        app.call(Method::PUT, &path, Some(body)).await.expect(200);
        assert_ne!(agent.poll(&[], 20_000).await.revision, agent.configuration.revision);
        let agent = Agent::begin(&app, &site).await;
        assert!(agent.configuration.attributes["users"].contains(&"adminCount".to_owned()));
        // A connector with a schedule is not handed to an agent (C39).
        let settings = json!({ "authentication": { "host": "dc1.example.com", "bindDn": "CN=x", "password": CANARY } });
        let body = json!({ "name": "by day", "type": "active_directory", "settings": settings });
        let made = app.post("/api/v1/connectors", body).await.expect(201);
        let path = format!("/api/v1/connectors/{}", made["id"].as_str().unwrap());
        let schedule = json!({ "type": "recurring", "every": 1, "unit": "days", "at": "03:00" });
        let profile = json!({ "name": "daily", "schedule": schedule });
        app.post(&format!("{path}/profiles"), profile).await.expect(201);
        let body = json!({ "name": "by day", "execution": "agent", "settings": settings });
        let answer = app.call(Method::PUT, &path, Some(body)).await;
        assert_eq!(answer.said(), (422, "invalid_value".to_owned()));
        assert_eq!(answer.json()["field"], "execution");
        // An agent's connector may be without its secret: then the agent holds it.
        let settings = json!({ "authentication": { "host": "dc1.example.com", "bindDn": "CN=x" } });
        let body = |execution: &str| {
            json!({ "name": "own", "type": "active_directory", "execution": execution, "settings": settings })
        };
        assert_eq!(app.post("/api/v1/connectors", body("hub")).await.said(), (422, "invalid_setting".to_owned()));
        let made = app.post("/api/v1/connectors", body("agent")).await.expect(201);
        let path = format!("/api/v1/connectors/{}/profiles", made["id"].as_str().unwrap());
        app.post(&path, json!({ "name": "all" })).await.expect(201);
        let schedule = json!({ "type": "recurring", "every": 1, "unit": "days", "at": "03:00" });
        let answer = app.post(&path, json!({ "name": "late", "active": false, "schedule": schedule })).await;
        assert_eq!(answer.said(), (422, "invalid_schedule".to_owned()));
    })
    .await;
}

#[tokio::test]
async fn what_an_agent_reports_is_shown_and_bounded() {
    both(async |app| {
        let site = Site::new(&app).await;
        let agent = Agent::begin(&app, &site).await;
        let line = |number: usize| json!({ "at": "2026-03-01T12:00:00Z", "level": "info", "message": format!("line {number}") });
        let report = |lines: Vec<Value>| {
            let spool = json!({ "entries": 3, "bytes": 4096, "quarantined": 1, "dropped": 0 });
            json!({ "nextRun": "2026-03-01T12:10:00Z", "spool": spool, "lines": lines })
        };
        for from in [0, 150] {
            let lines = (from..from + 150).map(line).collect();
            assert_eq!(agent.call(Method::POST, "/agent/v1/poll", report(lines)).await.0, 200);
        }
        let shown = app.get(&format!("/api/v1/agents/{}", site.profile)).await.expect(200);
        assert_eq!((&shown["state"], &shown["host"], &shown["cron"]), (&json!("connected"), &json!("machine"), &json!("*/10 * * * *")));
        assert_eq!((&shown["nextRun"], &shown["spool"]["bytes"]), (&json!("2026-03-01T12:10:00Z"), &json!(4096)));
        let lines = shown["lines"].as_array().unwrap();
        assert_eq!((lines.len(), &lines[0]["message"], &lines[199]["message"]), (200, &json!("line 100"), &json!("line 299")));
        app.clock.advance(121_000_000);
        assert_eq!(app.get("/api/v1/agents").await.expect(200)["items"][0]["state"], "silent");
    })
    .await;
}
