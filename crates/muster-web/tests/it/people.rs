//! Users, clients, roles.

use axum::body::Body;
use axum::http::{Method, Request};
use serde_json::json;

use crate::app::{Answer, PASSWORD, TestApp, both};
use crate::console::browser::{Browser, place, words};

async fn oidc(app: &TestApp, id: &str, secret: &str) -> Answer {
    let request = Request::post("/auth/oidc").header("clientId", id).header("clientSecret", secret);
    app.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn a_clients_secret_is_shown_once() {
    both(async |app| {
        let made = app.post("/api/v1/clients", json!({ "name": "pipeline", "role": "viewer" })).await.expect(201);
        let (id, secret) = (made["id"].as_str().unwrap(), made["clientSecret"].as_str().unwrap());
        let token = oidc(&app, id, secret).await;
        assert_eq!((token.status.as_u16(), token.text.split('.').count()), (201, 3));
        assert_eq!(oidc(&app, id, "wrong").await.said(), (401, "wrong_credentials".to_owned()));
        assert_eq!(oidc(&app, "nobody", secret).await.said(), (401, "wrong_credentials".to_owned()));
        assert_eq!(oidc(&app, id, "").await.said(), (400, "missing_field".to_owned()));
        for path in ["/api/v1/clients".to_owned(), format!("/api/v1/clients/{id}")] {
            assert!(!app.get(&path).await.text.contains(secret));
        }
        let session = app.call_as(&token.text, (Method::GET, "/api/v1/session"), None).await.expect(200);
        assert_eq!((&session["kind"], &session["role"]), (&json!("client"), &json!("viewer")));
        let refused = app.call_as(&token.text, (Method::GET, "/api/v1/users"), None).await;
        assert_eq!(refused.said(), (403, "forbidden".to_owned()));
        assert_eq!(app.call(Method::DELETE, &format!("/api/v1/clients/{id}"), None).await.status, 204);
        let ended = app.call_as(&token.text, (Method::GET, "/api/v1/session"), None).await;
        assert_eq!(ended.said(), (401, "session_ended".to_owned()));
        assert_eq!(oidc(&app, id, secret).await.status, 401);
    })
    .await;
}

#[tokio::test]
async fn the_last_manager_stays() {
    both(async |app| {
        let users = app.get("/api/v1/users").await.expect(200);
        let own = format!("/api/v1/users/{}", users["items"][0]["id"].as_str().unwrap());
        for change in [json!({ "role": "viewer" }), json!({ "active": false })] {
            let answer = app.call(Method::PATCH, &own, Some(change)).await;
            assert_eq!(answer.said(), (409, "last_manager".to_owned()));
        }
        let new = json!({ "username": "second", "password": "canary-second-password", "role": "manager" });
        let second = app.post("/api/v1/users", new.clone()).await;
        assert!(!second.text.contains("canary"));
        let second = second.expect(201);
        assert_eq!(app.post("/api/v1/users", new).await.said(), (409, "name_taken".to_owned()));
        let token = app.signed_in("second", "canary-second-password").await.token.reveal().to_owned();
        let path = format!("/api/v1/users/{}", second["id"].as_str().unwrap());
        app.call(Method::PATCH, &path, Some(json!({ "role": "viewer" }))).await.expect(200);
        assert_eq!(app.call_as(&token, (Method::GET, "/api/v1/session"), None).await.status, 401);
        for bad in [
            json!({ "username": "a@b", "password": "long enough", "role": "viewer" }),
            json!({ "username": "c", "password": "short", "role": "viewer" }),
            json!({ "username": "c", "password": "long enough", "role": "owner" }),
        ] {
            assert_eq!(app.post("/api/v1/users", bad).await.said(), (422, "invalid_value".to_owned()));
        }
        let tenant = app.get("/api/v1/tenant").await.expect(200);
        assert_eq!(tenant["name"], "default");
    })
    .await;
}

#[tokio::test]
async fn somebody_of_another_tenant_signs_in_by_its_name() {
    both(async |app| {
        let other = app.other_tenant().await;
        let token = app.signed_in(&format!("admin@{}", other.name), PASSWORD).await.token.reveal().to_owned();
        let tenant = app.call_as(&token, (Method::GET, "/api/v1/tenant"), None).await.expect(200);
        assert_eq!(tenant["name"], "other");
        assert_eq!(tenant["id"], other.uuid);
        let users = app.call_as(&token, (Method::GET, "/api/v1/users"), None).await.expect(200);
        assert_eq!(users["items"].as_array().unwrap().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_client_may_no_more_than_whom_it_stands_for() {
    both(async |app| {
        let new = json!({ "username": "second", "password": "canary-second-password", "role": "manager" });
        let second = app.post("/api/v1/users", new).await.expect(201);
        let client = json!({ "name": "c", "role": "manager", "level": "user", "userId": second["id"] });
        let client = app.post("/api/v1/clients", client).await.expect(201);
        let (id, secret) = (client["id"].as_str().unwrap(), client["clientSecret"].as_str().unwrap());
        let before = oidc(&app, id, secret).await.text;
        let path = format!("/api/v1/users/{}", second["id"].as_str().unwrap());
        app.call(Method::PATCH, &path, Some(json!({ "role": "viewer" }))).await.expect(200);
        let session = async |token: &str| app.call_as(token, (Method::GET, "/api/v1/session"), None).await;
        assert_eq!(session(&before).await.said(), (401, "session_ended".to_owned()));
        let after = oidc(&app, id, secret).await.text;
        assert_eq!(session(&after).await.expect(200)["role"], "viewer");
        app.call(Method::PATCH, &path, Some(json!({ "active": false }))).await.expect(200);
        assert_eq!(oidc(&app, id, secret).await.status, 401);
        let wrong = json!({ "name": "d", "role": "viewer", "level": "user", "userId": "nobody" });
        assert_eq!(app.post("/api/v1/clients", wrong).await.said(), (422, "invalid_value".to_owned()));
    })
    .await;
}

#[tokio::test]
async fn people_change_their_own_password_and_their_other_sessions_end() {
    both(async |app| {
        let tenant = app.first_tenant().await;
        let here = app.somebody(&tenant, "watcher", "viewer").await;
        let other = app.signed_in("watcher", PASSWORD).await;
        let change = async |token: &str, current: &str, new: &str| {
            let body = json!({ "current": current, "new": new });
            app.call_as(token, (Method::POST, "/api/v1/me/password"), Some(body)).await
        };
        let new = "canary-another-password";
        let wrong = change(&here, "canary-wrong", new).await;
        assert_eq!((wrong.said(), &wrong.json()["field"]), ((422, "invalid_value".to_owned()), &json!("current")));
        assert_eq!(change(&here, PASSWORD, "short").await.json()["field"], "new");
        assert_eq!(change(&here, PASSWORD, &"x".repeat(1025)).await.json()["field"], "new");
        assert!(!wrong.text.contains("canary"));
        change(&here, PASSWORD, new).await.expect(204);
        let session =
            async |token: &str| app.call_as(token, (Method::GET, "/api/v1/session"), None).await.status.as_u16();
        assert_eq!((session(&here).await, session(other.token.reveal()).await), (200, 401));
        assert_eq!(session(&app.token).await, 200, "nobody else's ended");
        app.signed_in("watcher", new).await;
        let audit = app.get("/api/v1/audit").await.text;
        assert!(audit.contains("user.password") && audit.contains("session.refuse"), "{audit}");
        assert!(!audit.contains("canary"), "{audit}");
        for _ in 0..10 {
            assert_eq!(change(&here, "canary-wrong", new).await.status, 422);
        }
        let limited = change(&here, new, PASSWORD).await;
        assert_eq!(limited.said(), (429, "too_many_attempts".to_owned()));
        assert!(limited.headers.contains_key("retry-after"));
        app.clock.advance(6 * 60_000_000);
        change(&here, new, PASSWORD).await.expect(204);
        let made = app.post("/api/v1/clients", json!({ "name": "c", "role": "manager" })).await.expect(201);
        let token = oidc(&app, made["id"].as_str().unwrap(), made["clientSecret"].as_str().unwrap()).await.text;
        assert_eq!(change(&token, PASSWORD, new).await.said(), (403, "forbidden".to_owned()));
    })
    .await;
}

#[tokio::test]
async fn the_console_has_a_page_for_ones_own_password() {
    both(async |app| {
        let viewer = Browser::viewer(&app).await;
        let page = words(&viewer.page("/console/account").await);
        assert!(page.contains("signed in as watcher , a viewer"), "{page}");
        let wrong = viewer.submit("/console/account", &[("current", "nonsense"), ("new", "canary-another")]).await;
        assert_eq!(wrong.status, 422);
        assert!(words(&wrong.text).contains("This is not the password of the account"), "{}", wrong.text);
        assert!(!wrong.text.contains("canary-another"));
        let done = viewer.submit("/console/account", &[("current", PASSWORD), ("new", "canary-another")]).await;
        assert!(words(&viewer.page(place(&done)).await).contains("Your password is changed."));
        assert_eq!(viewer.submit_bare("/console/account", &[("current", "x"), ("new", "y")]).await.status, 403);
    })
    .await;
}
