//! A browser that looks closely: every page it loads is held to what all pages promise.

use axum::body::Body;
use axum::http::{Request, StatusCode, header};

use super::world::CANARY;
use crate::app::{Answer, PASSWORD, TestApp};

/// Someone's browser.
pub(crate) struct Browser<'a> {
    pub(crate) app: &'a TestApp,
    cookie: String,
}

impl<'a> Browser<'a> {
    /// With the session of that token; nobody's where it is empty.
    pub(crate) fn of(app: &'a TestApp, token: &str) -> Self {
        let cookie = if token.is_empty() { String::new() } else { format!("muster_session={token}") };
        Self { app, cookie }
    }

    /// The administrator's.
    pub(crate) fn manager(app: &'a TestApp) -> Self {
        Self::of(app, &app.token)
    }

    /// That of somebody who may only look.
    pub(crate) async fn viewer(app: &'a TestApp) -> Self {
        let tenant = app.first_tenant().await;
        Self::of(app, &app.somebody(&tenant, "watcher", "viewer").await)
    }

    async fn send(&self, request: axum::http::request::Builder, body: Body) -> Answer {
        let request = if self.cookie.is_empty() { request } else { request.header(header::COOKIE, &self.cookie) };
        let answer = self.app.send(request.header("sec-fetch-site", "same-origin").body(body).unwrap()).await;
        let is_html = answer.headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind == "text/html; charset=utf-8");
        if is_html {
            check(&answer.text);
        }
        answer
    }

    /// Whatever is answered.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path), Body::empty()).await
    }

    /// A page that must be there.
    pub(crate) async fn page(&self, path: &str) -> String {
        let answer = self.get(path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text);
        assert!(answer.text.starts_with("<!doctype html>"), "{path} is no page");
        answer.text
    }

    /// The part of a page that htmx asks for.
    pub(crate) async fn part(&self, path: &str) -> Answer {
        self.send(Request::get(path).header("hx-request", "true"), Body::empty()).await
    }

    /// Sends a form as a page would: with the token of the session's pages.
    pub(crate) async fn submit(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let page = self.get("/console/users").await.text;
        let token = between(&page, "name=\"csrf\" value=\"", "\"").unwrap_or_default().to_owned();
        let mut all = vec![("csrf", token.as_str())];
        all.extend(fields);
        self.submit_bare(path, &all).await
    }

    /// Sends a form with these fields only.
    pub(crate) async fn submit_bare(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let pairs: Vec<String> =
            fields.iter().map(|(key, value)| format!("{}={}", encoded(key), encoded(value))).collect();
        let request = Request::post(path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(request, Body::from(pairs.join("&"))).await
    }
}

fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() || b"-_.".contains(&byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

/// Where a redirection leads.
pub(crate) fn place(answer: &Answer) -> &str {
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
    answer.headers[header::LOCATION].to_str().unwrap()
}

/// The text between two others.
pub(crate) fn between<'t>(text: &'t str, before: &str, behind: &str) -> Option<&'t str> {
    let start = text.find(before)? + before.len();
    text[start..].split_once(behind).map(|(found, _)| found)
}

/// The words of a page, without its tags, blanks as one.
pub(crate) fn words(html: &str) -> String {
    let main = between(html, "<main", "</main>").unwrap_or(html);
    let mut text = String::new();
    let mut inside = true;
    for letter in main.chars() {
        match letter {
            '<' => inside = true,
            '>' => {
                inside = false;
                text.push(' ');
            }
            letter if !inside => text.push(letter),
            _ => {}
        }
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// All elements of a name, with their attributes.
fn elements<'t>(html: &'t str, name: &str) -> Vec<&'t str> {
    let opening = format!("<{name}");
    let ends = |rest: &str| rest.starts_with([' ', '>', '\n']);
    html.match_indices(&opening)
        .filter(|(at, _)| ends(&html[at + opening.len()..]))
        .map(|(at, _)| html[at + opening.len()..].split_once('>').unwrap().0)
        .collect()
}

fn attribute<'t>(element: &'t str, name: &str) -> Option<&'t str> {
    between(element, &format!(" {name}=\""), "\"")
}

/// What every page and every part of one must be.
fn check(html: &str) {
    assert!(!html.contains(CANARY) && !html.contains(PASSWORD), "a secret stands in a page");
    assert!(elements(html, "style").is_empty() && !html.contains(" style=\""), "inline style");
    for script in elements(html, "script") {
        assert!(
            attribute(script, "src").is_some_and(|src| src.starts_with("/console/assets/")),
            "inline script {script}"
        );
    }
    let tags: Vec<&str> = html.split('<').skip(1).filter_map(|rest| rest.split_once('>')).map(|(tag, _)| tag).collect();
    for tag in &tags {
        assert!(
            !tag.contains(" on") || !tag.split_whitespace().any(|part| part.starts_with("on") && part.contains('=')),
            "handler in {tag}"
        );
        for name in ["href", "src", "action", "hx-get", "hx-post"] {
            if let Some(address) = attribute(tag, name) {
                assert!(
                    address.starts_with('/') && !address.starts_with("//") || address.starts_with('#'),
                    "foreign address in {tag}"
                );
            }
        }
        if let Some(of) = tag.strip_prefix("form ")
            && of.contains("method=\"post\"")
        {
            let form = between(html, tag, "</form>").unwrap();
            let open = ["/console/sign-in", "/console/theme"].contains(&attribute(tag, "action").unwrap_or_default());
            assert!(open || form.contains("name=\"csrf\""), "form without token: {tag}");
        }
    }
    labels(html);
    if html.starts_with("<!doctype html>") {
        whole(html);
    }
}

/// Every field has a name for those who do not see it.
fn labels(html: &str) {
    for name in ["input", "select", "textarea"] {
        for element in elements(html, name) {
            let hidden = attribute(element, "type").is_some_and(|kind| ["hidden", "checkbox", "radio"].contains(&kind));
            let labelled = attribute(element, "id").is_some_and(|id| html.contains(&format!("for=\"{id}\"")));
            assert!(hidden || labelled || element.contains("aria-label"), "no label: <{name}{element}>");
        }
    }
    let mut ids: Vec<&str> =
        html.match_indices(" id=\"").map(|(at, _)| html[at + 5..].split_once('"').unwrap().0).collect();
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count, "an id stands twice");
}

/// Language, landmarks, headings in order.
fn whole(html: &str) {
    assert!(html.contains("<html lang=\"en\""));
    assert_eq!(elements(html, "main").len(), 1);
    assert_eq!(elements(html, "title").len(), 1);
    let main = between(html, "<main", "</main>").unwrap();
    assert_eq!(elements(main, "h1").len(), 1, "one first heading: {main}");
    let mut level = 0;
    for (at, _) in main.match_indices("<h") {
        if let Some(next) = main[at + 2..].chars().next().and_then(|digit| digit.to_digit(10)) {
            assert!(next <= level + 1, "headings skip a level: {}", &main[at..main.len().min(at + 60)]);
            level = next;
        }
    }
}
