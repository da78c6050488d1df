//! Agents in the console: how one is set up, and how far it is.

use serde_json::json;

use super::browser::{Browser, between, words};
use crate::agent::scripted::{Agent, Site};
use crate::app::both;

#[tokio::test]
async fn a_connector_of_an_agent_shows_how_to_start_one_and_then_how_it_is() {
    both(async |app| {
        let (manager, viewer) = (Browser::manager(&app), Browser::viewer(&app).await);
        let nobody = words(&manager.page("/console/agents").await);
        assert!(nobody.contains("No agent has called yet") && nobody.contains("enrolment token"), "{nobody}");
        let site = Site::new(&app).await;
        let place = format!("/console/connectors/{}", site.connector);
        let page = manager.page(&place).await;
        for shown in [&site.customer, &site.connector, &site.profile] {
            assert!(page.contains(shown.as_str()), "{shown}");
        }
        assert!(words(&page).contains("as its agent decides") && page.contains("/enrol\""));
        let seen = viewer.page(&place).await;
        assert!(!seen.contains("/enrol\"") && !seen.contains("class=\"danger\""), "a viewer changes nothing");
        // Before it has called: the file to start it with.
        let own = format!("/console/agents/{}", site.profile);
        let page = manager.page(&own).await;
        assert!(words(&page).contains("No agent has called yet") && page.contains("docker run --name agent-site"));
        let file = manager.get(&format!("{own}/env")).await;
        assert_eq!(file.headers["content-disposition"], "attachment; filename=\"agent-site.env\"");
        assert!(file.text.contains(&format!("qualys.profileUuid={}\n", site.profile)), "{}", file.text);
        // It calls: its page says so, and is drawn again as it goes on.
        let agent = Agent::begin(&app, &site).await;
        let line = json!({ "at": "2026-03-01T12:00:00Z", "level": "warn", "message": "<b>spooled" });
        let spool = json!({ "entries": 3, "bytes": 4096, "quarantined": 1, "dropped": 0 });
        let report = json!({ "nextRun": "2026-03-01T12:10:00Z", "spool": spool, "lines": [line] });
        agent.call(axum::http::Method::POST, "/agent/v1/poll", report).await;
        let list = words(&manager.page("/console/agents").await);
        for shown in ["machine", "site · all", "connected", "*/10 * * * *", "in 10 minutes", "3 (4.0 KiB)"] {
            assert!(list.contains(shown), "{shown}: {list}");
        }
        let part = manager.part(&own).await.text;
        assert!(!part.contains("<!doctype") && part.contains("&#60;b&#62;spooled"), "{part}");
        assert!(words(&part).contains("1 parcels on its disk were torn"), "{part}");
        // Revoked in the page, it is refused.
        manager.submit(&format!("{own}/revoke"), &[]).await;
        assert_eq!(viewer.submit(&format!("{own}/revoke"), &[]).await.status, 403);
        let (status, told) = agent.call(axum::http::Method::POST, "/agent/v1/poll", json!({})).await;
        assert_eq!((status, told["code"].as_str()), (403, Some("agent_revoked")));
        assert!(words(&manager.page(&own).await).contains("revoked"));
    })
    .await;
}

#[tokio::test]
async fn a_manager_binds_and_enrols_in_the_connectors_page() {
    both(async |app| {
        let manager = Browser::manager(&app);
        let site = Site::new(&app).await;
        let place = format!("/console/connectors/{}", site.connector);
        app.somebody(&app.first_tenant().await, "reader", "viewer").await;
        let page = manager.page(&place).await;
        let choice = page.split("<option value=\"").find(|part| part.contains("user reader")).unwrap();
        let choice = choice.split('"').next().unwrap();
        assert_eq!(manager.submit(&format!("{place}/agents"), &[("subject", choice)]).await.status, 303);
        assert_eq!(manager.submit(&format!("{place}/agents"), &[("subject", "x")]).await.status, 422);
        let page = manager.page(&place).await;
        let binding = page.split("/console/agent-bindings/").nth(2).unwrap().split('/').next().unwrap();
        assert!(words(&page).contains("reader user"));
        manager.submit(&format!("/console/agent-bindings/{binding}/revoke"), &[]).await;
        assert!(words(&manager.page(&place).await).contains("revoked just now"));
        let made = manager.submit(&format!("{place}/enrol"), &[]).await;
        assert_eq!(made.status, 201);
        let token = between(&made.text, "muster.enrolment.token=", "<").unwrap().to_owned();
        let body = json!({ "token": token, "host": "machine" });
        app.call_as("", (axum::http::Method::POST, "/agent/v1/enrol"), Some(body)).await.expect(201);
    })
    .await;
}
