//! Users, clients, roles.

use axum::body::Body;
use axum::http::{Method, Request};
use serde_json::json;

use crate::app::{Answer, PASSWORD, TestApp, both};

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
