//! Connectors and profiles: what is kept, what is refused, what is never shown.

use axum::http::Method;
use serde_json::{Value, json};

use crate::app::{TestApp, both};

const CANARY: &str = "canary-directory-password";

fn directory(name: &str) -> Value {
    json!({
        "name": name, "type": "active_directory",
        "settings": { "authentication": { "host": "dc1.example.com", "bindDn": "CN=reader", "password": CANARY } },
    })
}

pub(crate) async fn connector(app: &TestApp, name: &str) -> Value {
    app.post("/api/v1/connectors", directory(name)).await.expect(201)
}

pub(crate) async fn profile(app: &TestApp, connector: &Value, body: Value) -> Value {
    let path = format!("/api/v1/connectors/{}/profiles", connector["id"].as_str().unwrap());
    app.post(&path, body).await.expect(201)
}

#[tokio::test]
async fn a_secret_goes_in_and_never_comes_out() {
    both(async |app| {
        let made = connector(&app, "Head office").await;
        assert_eq!(made["settings"]["authentication"]["password"], json!({ "set": true }));
        assert_eq!(made["state"], "Registered");
        let path = format!("/api/v1/connectors/{}", made["id"].as_str().unwrap());
        let found = app.get(&path).await;
        assert_eq!(found.headers["etag"], "\"1\"");
        // What an answer shows can be sent back: the secret stays.
        let mut changed = json!({ "name": "Head office two", "settings": made["settings"], "version": 1 });
        let after = app.call(Method::PUT, &path, Some(changed.clone())).await.expect(200);
        assert_eq!(after["settings"]["authentication"]["password"], json!({ "set": true }));
        // To another place it is not sent: there it has to be given again.
        changed["version"] = json!(2);
        changed["settings"]["authentication"]["port"] = json!(390);
        let refused = app.call(Method::PUT, &path, Some(changed.clone())).await;
        assert_eq!(refused.said(), (422, "invalid_value".to_owned()));
        assert_eq!(refused.json()["field"], "settings.authentication.password");
        changed["settings"]["authentication"]["password"] = json!(CANARY);
        let after = app.call(Method::PUT, &path, Some(changed.clone())).await.expect(200);
        assert_eq!(after["settings"]["authentication"]["port"], 390);
        assert_eq!(after["settings"]["authentication"]["password"], json!({ "set": true }));
        let again = app.call(Method::PUT, &path, Some(changed)).await;
        assert_eq!(again.said(), (409, "version_conflict".to_owned()));
        let uuid = made["id"].as_str().unwrap();
        let sealed = app.hub.store.secrets(1, uuid).await.unwrap();
        assert_eq!(sealed.len(), 1);
        assert!(!sealed[0].sealed.contains(CANARY));
        let row = app.hub.store.connection(1, uuid).await.unwrap().unwrap();
        let opened = muster_web::settings::open(&app.hub, &row).await.unwrap();
        assert_eq!((opened[0].0.as_str(), opened[0].1.reveal()), ("authentication.password", CANARY));
        for path in ["/api/v1/connectors", &path, "/api/v1/audit", "/api/v1/jobs", "/openapi.json"] {
            assert!(!app.get(path).await.text.contains("canary"), "{path}");
        }
    })
    .await;
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused_with_field_and_remedy() {
    both(async |app| {
        let mut body = directory("d");
        body["settings"]["authentication"]["host"] = json!("ldap://dc1");
        let answer = app.post("/api/v1/connectors", body).await;
        assert_eq!(answer.said(), (422, "invalid_setting".to_owned()));
        assert_eq!(answer.json()["field"], "settings.authentication.host");
        assert!(answer.json()["remedy"].is_string());
        for (change, status, code) in [
            (json!({ "name": "" }), 422, "invalid_value"),
            (json!({ "type": "nothing" }), 422, "invalid_value"),
            (json!({ "execution": "elsewhere" }), 422, "invalid_value"),
            (json!({ "settings": { "profile": {} } }), 422, "invalid_setting"),
            (json!({ "settings": { "authentication": { "password": { "x": CANARY } } } }), 422, "invalid_setting"),
            (json!({ "settings": { "authentication": { "passwort": CANARY } } }), 422, "invalid_setting"),
            (json!({ "settings": CANARY }), 400, "invalid_body"),
            (json!({ "passwort": CANARY }), 400, "invalid_body"),
        ] {
            let mut body = directory("d");
            body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
            let answer = app.post("/api/v1/connectors", body).await;
            assert_eq!(answer.said(), (status, code.to_owned()), "{change}: {}", answer.text);
            assert!(!answer.text.contains("canary"), "{}", answer.text);
        }
        connector(&app, "Head office").await;
        let twice = app.post("/api/v1/connectors", directory("HEAD OFFICE")).await;
        assert_eq!(twice.said(), (409, "name_taken".to_owned()));
    })
    .await;
}

#[tokio::test]
async fn active_profiles_may_not_read_the_same() {
    both(async |app| {
        let made = connector(&app, "d").await;
        let path = format!("/api/v1/connectors/{}/profiles", made["id"].as_str().unwrap());
        let sales = json!({ "name": "sales", "parameters": { "baseContext": "OU=Sales,DC=example,DC=com" } });
        let first = profile(&app, &made, sales).await;
        assert_eq!(first["active"], true);
        let below = json!({ "name": "emea", "parameters": { "baseContext": "OU=EMEA,OU=Sales,DC=example,DC=com" } });
        assert_eq!(app.post(&path, below.clone()).await.said(), (409, "scopes_overlap".to_owned()));
        let all = json!({ "name": "all" });
        assert_eq!(app.post(&path, all).await.said(), (409, "scopes_overlap".to_owned()));
        profile(&app, &made, json!({ "name": "it", "parameters": { "baseContext": "OU=IT,DC=example,DC=com" } })).await;
        let mut idle = below;
        idle["active"] = json!(false);
        let idle = profile(&app, &made, idle).await;
        let change = json!({ "name": "emea", "active": true, "parameters": idle["parameters"] });
        let own = format!("/api/v1/profiles/{}", idle["id"].as_str().unwrap());
        assert_eq!(app.call(Method::PUT, &own, Some(change)).await.said(), (409, "scopes_overlap".to_owned()));
        assert_eq!(app.get(&path).await.expect(200)["items"].as_array().unwrap().len(), 3);
        let wrong = json!({ "name": "x", "parameters": { "baseContext": "nonsense" } });
        let wrong = app.post(&path, wrong).await;
        assert_eq!(wrong.said(), (422, "invalid_setting".to_owned()));
        assert_eq!(wrong.json()["field"], "parameters.baseContext");
        let map = json!({ "name": "x", "active": false, "transformMaps": { "users": "nothing" } });
        assert_eq!(app.post(&path, map).await.said(), (422, "invalid_value".to_owned()));
    })
    .await;
}

#[tokio::test]
async fn a_schedule_is_shown_before_it_is_kept() {
    both(async |app| {
        let schedule =
            json!({ "type": "recurring", "every": 1, "unit": "days", "at": "03:00", "zone": "Europe/Berlin" });
        let preview = app.post("/api/v1/profiles/preview-schedule", json!({ "schedule": schedule })).await.expect(200);
        let upcoming: Vec<&str> =
            preview["upcoming"].as_array().unwrap().iter().map(|at| at.as_str().unwrap()).collect();
        assert_eq!(upcoming.len(), 5);
        assert_eq!(upcoming[0], "2026-03-02T02:00:00Z");
        assert_eq!(preview["zone"], "Europe/Berlin");
        let made = connector(&app, "d").await;
        let kept = profile(&app, &made, json!({ "name": "daily", "schedule": schedule })).await;
        // Its slot, and the few seconds by which profiles are spread.
        let next = kept["nextRunAt"].as_str().unwrap();
        assert!(next.starts_with("2026-03-02T02:00:0") && kept["state"] == "Scheduled", "{kept}");
        let wrong = json!({ "schedule": { "type": "cron", "expression": "0 99 * * *" } });
        let wrong = app.post("/api/v1/profiles/preview-schedule", wrong).await;
        assert_eq!(wrong.said(), (422, "invalid_schedule".to_owned()));
        assert_eq!(wrong.json()["field"], "schedule.expression");
    })
    .await;
}

#[tokio::test]
async fn a_schedule_that_never_runs_is_refused_and_one_that_is_over_stays() {
    both(async |app| {
        let made = connector(&app, "d").await;
        let path = format!("/api/v1/connectors/{}/profiles", made["id"].as_str().unwrap());
        for (schedule, field) in [
            (json!({ "type": "cron", "expression": "0 0 30 2 *" }), "schedule.expression"),
            (json!({ "type": "single", "start": "2026-03-01T11:00" }), "schedule.start"),
            (json!({ "type": "cron", "expression": "0 3 * * *", "end": "2026-03-02T00:00" }), "schedule.end"),
        ] {
            let refused = app.post(&path, json!({ "name": "x", "schedule": schedule })).await;
            assert_eq!(refused.said(), (422, "invalid_schedule".to_owned()), "{schedule}");
            let told = refused.json();
            assert_eq!(told["field"], field, "{schedule}");
            assert!(told["detail"].as_str().unwrap().contains("would never run") && told["remedy"].is_string());
        }
        let once = json!({ "type": "single", "start": "2026-03-01T13:00" });
        let kept = profile(&app, &made, json!({ "name": "once", "schedule": once })).await;
        app.clock.advance(7_200_000_000);
        // Its time has come; the profile can be given another name all the same, but no other time that is over.
        let own = format!("/api/v1/profiles/{}", kept["id"].as_str().unwrap());
        let again = json!({ "name": "was once", "schedule": kept["schedule"] });
        assert_eq!(app.call(Method::PUT, &own, Some(again)).await.expect(200)["name"], "was once");
        let earlier = json!({ "name": "x", "schedule": { "type": "single", "start": "2026-03-01T13:01" } });
        assert_eq!(app.call(Method::PUT, &own, Some(earlier)).await.said().1, "invalid_schedule");
    })
    .await;
}

#[tokio::test]
async fn a_run_is_one_job_however_often_it_is_asked_for() {
    both(async |app| {
        let made = connector(&app, "d").await;
        let kept = profile(&app, &made, json!({ "name": "all" })).await;
        let own = format!("/api/v1/profiles/{}", kept["id"].as_str().unwrap());
        let first = app.post(&format!("{own}/run"), json!({ "mode": "full" })).await.expect(202);
        assert_eq!((first["kind"].as_str(), first["mode"].as_str()), (Some("run"), Some("full")));
        let again = app.call(Method::POST, &format!("{own}/run"), None).await.expect(200);
        assert_eq!(again["id"], first["id"]);
        assert_eq!(app.get(&own).await.expect(200)["state"], "Scheduled");
        assert_eq!(app.call(Method::DELETE, &own, None).await.said(), (409, "busy".to_owned()));
        let job = format!("/api/v1/jobs/{}", first["id"].as_str().unwrap());
        let cancelled = app.call(Method::POST, &format!("{job}/cancel"), None).await.expect(200);
        assert_eq!((cancelled["state"].as_str(), cancelled["result"].as_str()), (Some("ended"), Some("cancelled")));
        assert_eq!(app.post(&format!("{own}/run"), json!({ "mode": "all" })).await.said().0, 422);
        assert_eq!(
            app.call(Method::POST, &format!("{own}/release"), None).await.said(),
            (409, "nothing_held".to_owned())
        );
        let id = made["id"].as_str().unwrap();
        let test = app.call(Method::POST, &format!("/api/v1/connectors/{id}/test"), None).await.expect(202);
        let open = app.call(Method::POST, &format!("/api/v1/connectors/{id}/test"), None).await.expect(200);
        assert_eq!((&test["kind"], &test["id"]), (&json!("check"), &open["id"]));
        let gone = app.call(Method::DELETE, &format!("/api/v1/connectors/{id}"), None).await.expect(202);
        assert_eq!(gone["kind"], "remove");
        assert_eq!(app.get(&own).await.status, 404);
        assert_eq!(app.get(&format!("/api/v1/connectors/{id}")).await.status, 404);
        let actions: Vec<String> = app.get("/api/v1/audit").await.expect(200)["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|line| line["action"].as_str().unwrap().to_owned())
            .collect();
        for action in
            ["connector.create", "profile.create", "profile.run", "job.cancel", "connector.test", "connector.delete"]
        {
            assert!(actions.iter().any(|known| known == action), "{action}");
        }
    })
    .await;
}

#[tokio::test]
async fn lists_page_by_cursor() {
    both(async |app| {
        for number in 0..5 {
            connector(&app, &format!("d{number}")).await;
        }
        let mut names = Vec::new();
        let mut path = "/api/v1/connectors?limit=2".to_owned();
        loop {
            let page = app.get(&path).await.expect(200);
            names
                .extend(page["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap().to_owned()));
            let Some(next) = page["nextCursor"].as_str() else { break };
            path = format!("/api/v1/connectors?limit=2&cursor={next}");
        }
        assert_eq!(names, ["d0", "d1", "d2", "d3", "d4"]);
        for bad in ["limit=0", "limit=1001", "limit=x"] {
            let answer = app.get(&format!("/api/v1/connectors?{bad}")).await;
            assert_eq!(answer.said(), (400, "invalid_parameter".to_owned()), "{bad}");
            assert_eq!(answer.json()["field"], "limit", "{bad}");
            assert!(answer.json()["remedy"].is_string(), "{bad}");
        }
        let first = app.get("/api/v1/connectors?limit=2").await.expect(200)["nextCursor"].as_str().unwrap().to_owned();
        for path in [format!("/api/v1/jobs?cursor={first}"), "/api/v1/connectors?cursor=x".to_owned()] {
            let answer = app.get(&path).await;
            assert_eq!(answer.said(), (400, "invalid_cursor".to_owned()));
            assert_eq!(answer.json()["field"], "cursor");
        }
    })
    .await;
}
