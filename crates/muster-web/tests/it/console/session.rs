//! Signing in and out, pages about what went wrong, light and dark, files.

use axum::http::header;

use super::browser::{Browser, between, place, words};
use crate::app::{PASSWORD, both};

#[tokio::test]
async fn who_signs_in_comes_to_where_they_wanted() {
    both(async |app| {
        let nobody = Browser::of(&app, "");
        let answer = nobody.get("/console/groups?q=a%20b").await;
        assert_eq!(place(&answer), "/console/sign-in?next=%2Fconsole%2Fgroups%3Fq%3Da%2520b");
        let form = nobody.page(place(&answer)).await;
        assert_eq!(between(&form, "name=\"next\" value=\"/console/groups", "\""), Some("?q=a%20b"));
        let wrong = nobody.submit_bare("/console/sign-in", &[("username", "admin"), ("password", "x")]).await;
        assert_eq!(wrong.status, 401);
        assert!(words(&wrong.text).contains("Name or password is not right."));
        assert!(wrong.text.contains("value=\"admin\""), "the name is kept");
        let fields = [("username", "admin"), ("password", PASSWORD), ("next", "/console/groups?q=a%20b")];
        let right = nobody.submit_bare("/console/sign-in", &fields).await;
        assert_eq!(place(&right), "/console/groups?q=a%20b");
        let cookie = right.headers[header::SET_COOKIE].to_str().unwrap();
        assert!(cookie.contains("HttpOnly; SameSite=Strict"));
        let token = between(cookie, "muster_session=", ";").unwrap();
        let browser = Browser::of(&app, token);
        browser.page("/console/groups").await;
        assert_eq!(place(&browser.get("/console/sign-in").await), "/console/sources");
        assert_eq!(place(&browser.submit("/console/sign-out", &[]).await), "/console/sign-in");
        assert!(place(&browser.get("/console/groups").await).starts_with("/console/sign-in"));
        let again = browser.get("/console/sign-in").await;
        assert!(
            again.headers[header::SET_COOKIE].to_str().unwrap().contains("Max-Age=0"),
            "an old cookie is taken away"
        );
    })
    .await;
}

#[tokio::test]
async fn nobody_is_led_elsewhere() {
    both(async |app| {
        for next in ["https://evil.example/", "//evil.example", "/console/\\evil", "javascript:alert(1)", "/auth"] {
            let fields = [("username", "admin"), ("password", PASSWORD), ("next", next)];
            let answer = Browser::of(&app, "").submit_bare("/console/sign-in", &fields).await;
            assert_eq!(place(&answer), "/console/sources", "{next}");
        }
    })
    .await;
}

#[tokio::test]
async fn forms_without_the_pages_token_change_nothing() {
    both(async |app| {
        let browser = Browser::manager(&app);
        for path in ["/console/sign-out", "/console/theme"] {
            let answer = browser.submit_bare(path, &[("theme", "dark")]).await;
            assert_eq!(answer.status, 403);
            assert!(
                words(&answer.text).contains("did not come from Muster&#39;s own pages"),
                "{}",
                words(&answer.text)
            );
            let answer = browser.submit_bare(path, &[("theme", "dark"), ("csrf", "AAAA")]).await;
            assert_eq!(answer.status, 403);
        }
        browser.page("/console/users").await;
    })
    .await;
}

#[tokio::test]
async fn problems_are_pages_with_the_requests_id() {
    both(async |app| {
        let browser = Browser::manager(&app);
        for path in ["/console/nothing", "/console/users/99", "/console/users/x", "/console/assets/none.css"] {
            let answer = browser.get(path).await;
            assert_eq!(answer.status, 404, "{path}");
            let id = answer.headers["x-request-id"].to_str().unwrap();
            assert!(answer.text.contains(id) && answer.text.contains("<nav aria-label=\"Main\">"), "{path}");
        }
        assert_eq!(browser.submit("/console/users", &[]).await.status, 405);
        assert_eq!(app.get("/nothing").await.said().1, "not_found", "programs get documents");
    })
    .await;
}

#[tokio::test]
async fn choice_of_light_is_kept() {
    both(async |app| {
        let browser = Browser::manager(&app);
        let answer = browser.submit("/console/theme", &[("theme", "dark"), ("next", "/console/users?q=x")]).await;
        assert_eq!(place(&answer), "/console/users?q=x");
        assert!(answer.headers[header::SET_COOKIE].to_str().unwrap().starts_with("muster_theme=dark;"));
        let page = browser.page("/console/users").await;
        assert!(page.contains("data-theme=\"system\""));
    })
    .await;
}

#[tokio::test]
async fn files_are_kept_for_good_under_names_of_their_contents() {
    both(async |app| {
        let browser = Browser::of(&app, "");
        let page = browser.page("/console/sign-in").await;
        let files: Vec<&str> = page.split('"').filter(|part| part.starts_with("/console/assets/")).collect();
        assert!(files.len() >= 4, "{files:?}");
        for file in files {
            let answer = browser.get(file).await;
            assert_eq!(answer.status, 200, "{file}");
            assert!(answer.headers[header::CACHE_CONTROL].to_str().unwrap().contains("immutable"));
            let tag = answer.headers[header::ETAG].clone();
            let request = axum::http::Request::get(file).header(header::IF_NONE_MATCH, tag);
            assert_eq!(app.send(request.body(axum::body::Body::empty()).unwrap()).await.status, 304);
        }
    })
    .await;
}

#[tokio::test]
async fn link_from_elsewhere_does_not_lose_the_session() {
    both(async |app| {
        let request = |site: &str| {
            let request = axum::http::Request::get("/console/users?q=a%20b").header("sec-fetch-site", site);
            app.send(request.body(axum::body::Body::empty()).unwrap())
        };
        let answer = request("cross-site").await;
        assert_eq!(answer.status, 200);
        assert!(answer.text.contains("content=\"0;url=/console/users?q=a%20b\""), "{}", answer.text);
        assert!(place(&request("same-origin").await).starts_with("/console/sign-in"));
    })
    .await;
}
