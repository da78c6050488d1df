//! Signing in, sessions, and requests from elsewhere.

use axum::body::Body;
use axum::http::{Method, Request, header};

use crate::app::{Answer, PASSWORD, TestApp, both};

async fn sign_in(app: &TestApp, form: &str) -> Answer {
    let request = Request::post("/auth").header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    app.send(request.body(Body::from(form.to_owned())).unwrap()).await
}

#[tokio::test]
async fn form_gives_a_bare_token_that_lasts_four_hours() {
    both(async |app| {
        let answer = sign_in(&app, &format!("username=admin&password={PASSWORD}&token=true")).await;
        assert_eq!(answer.status, 201);
        assert_eq!(answer.text.split('.').count(), 3);
        let signed_out = || app.call_as(&answer.text, (Method::DELETE, "/api/v1/session"), None);
        app.clock.advance(4 * 3600 * 1_000_000 - 1_000_000);
        assert_eq!(signed_out().await.status, 204);
        assert_eq!(signed_out().await.said(), (401, "session_ended".to_owned()));
    })
    .await;
}

#[tokio::test]
async fn what_is_missing_or_wrong_is_said() {
    both(async |app| {
        for (form, status, code) in [
            ("username=admin", 400, "missing_field"),
            ("password=x", 400, "missing_field"),
            ("username=&password=x", 400, "missing_field"),
            ("username=admin&password=wrong", 401, "wrong_credentials"),
            ("username=nobody&password=wrong", 401, "wrong_credentials"),
            ("username=admin@nowhere&password=wrong", 401, "wrong_credentials"),
            ("username=a%00b&password=x", 400, "invalid_body"),
        ] {
            assert_eq!(sign_in(&app, form).await.said(), (status, code.to_owned()), "{form}");
        }
    })
    .await;
}

#[tokio::test]
async fn ten_failures_are_enough() {
    both(async |app| {
        for _ in 0..10 {
            assert_eq!(sign_in(&app, "username=admin&password=wrong").await.status, 401);
        }
        let answer = sign_in(&app, &format!("username=ADMIN&password={PASSWORD}")).await;
        assert_eq!(answer.said(), (429, "too_many_attempts".to_owned()));
        assert_eq!(answer.headers[header::RETRY_AFTER], "301");
        app.clock.advance(301 * 1_000_000);
        assert_eq!(sign_in(&app, &format!("username=admin&password={PASSWORD}")).await.status, 201);
    })
    .await;
}

#[tokio::test]
async fn cookie_changes_nothing_without_the_pages_own_token() {
    both(async |app| {
        let signed = app.signed_in("admin", PASSWORD).await;
        let cookie = muster_web::auth::session_cookie(&app.hub, &signed).to_str().unwrap().to_owned();
        assert!(cookie.contains("HttpOnly; SameSite=Strict"));
        let cookie = cookie.split(';').next().unwrap().to_owned();
        let send = async |headers: &[(&str, &str)]| {
            let mut request = Request::delete("/api/v1/session").header(header::COOKIE, &cookie);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            app.send(request.body(Body::empty()).unwrap()).await.said()
        };
        let foreign = (403, "foreign_request".to_owned());
        assert_eq!(send(&[]).await, foreign);
        assert_eq!(send(&[("sec-fetch-site", "same-origin")]).await, foreign);
        assert_eq!(send(&[("sec-fetch-site", "cross-site"), ("x-csrf-token", "x")]).await, foreign);
        assert_eq!(send(&[("origin", "http://evil.example"), ("host", "muster.example")]).await, foreign);
        assert_eq!(send(&[("sec-fetch-site", "same-origin"), ("x-csrf-token", "AAAA")]).await, foreign);
        let principal = principal(&app, &signed.session.id);
        let token = muster_web::auth::form_token(&app.hub, &principal);
        assert_eq!(send(&[("sec-fetch-site", "cross-site"), ("x-csrf-token", &token)]).await, foreign);
        assert_eq!(send(&[("sec-fetch-site", "same-origin"), ("x-csrf-token", &token)]).await, (204, String::new()));
    })
    .await;
}

fn principal(app: &TestApp, session: &str) -> muster_web::auth::Principal {
    muster_web::auth::Principal {
        tenant: 1,
        kind: muster_web::auth::Kind::User,
        subject: String::new(),
        name: "admin".to_owned(),
        role: muster_web::auth::Role::Manager,
        session: session.to_owned(),
        through: muster_web::auth::Through::Cookie,
        request: app.hub.random.uuid(),
    }
}

#[tokio::test]
async fn every_answer_has_its_id_and_headers() {
    both(async |app| {
        for path in ["/healthz", "/nothing", "/openapi.json"] {
            let answer = app.get(path).await;
            assert_eq!(answer.headers["x-request-id"].len(), 24);
            assert_eq!(answer.headers["x-content-type-options"], "nosniff");
            assert_eq!(answer.headers["cache-control"], "no-store");
            assert!(answer.headers["content-security-policy"].to_str().unwrap().contains("frame-ancestors 'none'"));
        }
        let problem = app.get("/nothing").await;
        assert_eq!(problem.said(), (404, "not_found".to_owned()));
        assert_eq!(problem.json()["requestId"].as_str().unwrap(), problem.headers["x-request-id"]);
        let wrong = app.call(Method::PATCH, "/auth", None).await;
        assert_eq!(wrong.said(), (405, "method_not_allowed".to_owned()));
        let large = Request::post("/auth").header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let large = app.send(large.body(Body::from("x".repeat(2 << 20))).unwrap()).await;
        assert_eq!(large.said(), (413, "too_large".to_owned()));
    })
    .await;
}
