//! Discovered APIs: their list, one of them, its definition, and the form of a connector that brings them.

use axum::http::Method;
use muster_core::run::RunResult;
use serde_json::json;

use super::browser::{Browser, between, place, words};
use super::inventory::href;
use crate::app::{TestApp, both};
use crate::gateway::{Gateway, connector, document};

/// A gateway that was read once, by a connector of that name.
async fn read(app: &TestApp, fill: impl Fn(&Gateway)) -> Gateway {
    let made = connector(app, &app.token, (1, "Contoso")).await;
    let gateway = Gateway::new(app, "gate");
    fill(&gateway);
    assert_eq!(gateway.read(app, (&made.0, made.1)).await.result, RunResult::Complete);
    gateway
}

/// The page of the API of that name.
async fn page(browser: &Browser<'_>, name: &str) -> (String, String) {
    let place = href(&browser.page("/console/apis").await, name).to_owned();
    (browser.page(&place).await, place)
}

#[tokio::test]
async fn where_no_api_is_known_the_list_says_how_to_get_some() {
    both(async |app| {
        // A connector that reads users brings no API.
        crate::configure::connector(&app, "Head office").await;
        let (manager, viewer) = (Browser::manager(&app), Browser::viewer(&app).await);
        let list = manager.page("/console/apis").await;
        let said = words(&list);
        assert!(
            said.contains("Nothing has been collected yet. Discovered APIs come from Azure API Management"),
            "{said}"
        );
        assert!(list.contains("href=\"/console/connectors/new/azure_api_management\""));
        assert!(!viewer.page("/console/apis").await.contains("/console/connectors/new"));
        assert!(words(&manager.page("/console/users").await).contains("See whether a run has been made"));
        connector(&app, &app.token, (1, "Contoso")).await;
        assert!(words(&manager.page("/console/apis").await).contains("No Discovered API here. See whether a run"));
    })
    .await;
}

#[tokio::test]
async fn apis_are_listed_asked_for_and_paged() {
    both(async |app| {
        let gateway = read(&app, |gateway| {
            for number in 0..120 {
                gateway.serve(&format!("Orders {number:03}"), &["GET /orders"]);
            }
            gateway.put("Chat & <b>talk", json!({ "type": "websocket" }));
        })
        .await;
        let browser = Browser::viewer(&app).await;
        let list = browser.page("/console/apis?sort=api.displayName&q=displayName:003").await;
        let said = words(&list);
        assert!(said.contains("1 Discovered API "), "{said}");
        assert!(
            said.contains(
                "Orders 003 https://gate.example.test/orders-003 1 v1 http ✓ stored ✓ ready Contoso just now ✓ present"
            ),
            "{said}"
        );
        let chat = browser.page("/console/apis?q=scanReady:false").await;
        assert!(chat.contains("<bdi>Chat &#38; &#60;b&#62;talk</bdi>"), "{chat}");
        assert!(words(&chat).contains("0 – websocket • none • not ready Contoso"), "{}", words(&chat));
        let facets = browser.page("/console/apis/facets").await;
        assert!(
            words(&facets).contains("Definition stored 120 none 1 Type http 120 websocket 1"),
            "{}",
            words(&facets)
        );
        let (mut next, mut seen) = ("/console/apis?sort=-api.displayName".to_owned(), Vec::new());
        loop {
            let page = browser.page(&next).await;
            assert!(words(&page).contains("121 Discovered APIs"));
            seen.extend(page.split("<bdi>Orders ").skip(1).map(|rest| rest[..3].to_owned()));
            match between(&page, "rel=\"next\" href=\"", "\"") {
                Some(place) => next = place.replace("&#38;", "&"),
                None => break,
            }
        }
        assert_eq!(seen, (0..120).rev().map(|number| format!("{number:03}")).collect::<Vec<_>>());
        gateway.remove("Orders 003");
        app.clock.advance(3_600_000_000);
        let again = connector(&app, &app.token, (1, "Another")).await;
        gateway.read(&app, (&again.0, again.1)).await;
        let sources = words(&browser.page("/console/sources").await);
        assert!(sources.contains("API Connector Azure API Management Discovered APIs 241 2 connectors"), "{sources}");
        let narrowed = "/console/apis?q=inventory.source%3D%27Azure%20API%20Management%27";
        assert!(browser.page("/console/sources").await.contains(narrowed));
        assert!(words(&browser.page(narrowed).await).contains("241 Discovered APIs"));
    })
    .await;
}

#[tokio::test]
async fn what_is_missing_says_since_when() {
    both(async |app| {
        let made = connector(&app, &app.token, (1, "Contoso")).await;
        let gateway = Gateway::new(&app, "gate");
        gateway.serve("Orders", &["GET /orders"]);
        gateway.serve("Users", &["GET /users"]);
        gateway.read(&app, (&made.0, made.1)).await;
        gateway.remove("Users");
        app.clock.advance(3_600_000_000);
        gateway.read(&app, (&made.0, made.1)).await;
        app.clock.advance(3_600_000_000);
        let browser = Browser::viewer(&app).await;
        let all = words(&browser.page("/console/apis?show=all&sort=api.displayName").await);
        assert!(all.contains("Contoso 1 hour ago ✓ present"), "{all}");
        assert!(all.contains("Contoso missing since 1 hour ago • gone"), "{all}");
    })
    .await;
}

#[tokio::test]
async fn one_definition_behind_two_gateways_is_known_as_one_and_what_it_lacks_is_told() {
    both(async |app| {
        let told = |reasons: &[&str]| {
            let reasons = json!(reasons).to_string();
            json!({ "definitionHash": "0a0b", "definitionState": "partial", "definitionReasons": reasons })
        };
        read(&app, |gateway| {
            let elsewhere = told(&["#/paths: <b>elsewhere</b> is not followed"]);
            gateway.define("East", ("json", b"{ \"servers\": 1 }"), elsewhere);
            gateway.define("Other", ("json", b"{}"), json!({ "definitionHash": "0c0d" }));
        })
        .await;
        let other = connector(&app, &app.token, (1, "Fabrikam")).await;
        let gateway = Gateway::new(&app, "west");
        gateway.define("West", ("json", b"{ \"servers\": 2 }"), told(&[]));
        gateway.read(&app, (&other.0, other.1)).await;
        let browser = Browser::viewer(&app).await;
        let (html, _) = page(&browser, "East").await;
        let said = words(&html);
        assert!(said.contains("The same definition as 1 other: West of Fabrikam . All that have it"), "{said}");
        assert!(said.contains("#/paths: &#60;b&#62;elsewhere&#60;/b&#62; is not followed"), "{said}");
        let all = between(&html, "of <bdi>Fabrikam</bdi></span>. <a href=\"", "\"").unwrap().replace("&#38;", "&");
        assert!(words(&browser.page(&all).await).contains("2 Discovered APIs"));
    })
    .await;
}

#[tokio::test]
async fn an_api_shows_endpoints_addresses_readiness_and_definition() {
    both(async |app| {
        read(&app, |gateway| {
            gateway.serve("Orders <i>", &["GET /orders", "DELETE /orders/{id}"]);
            gateway.define(
                "Two",
                ("json", document("Orders <i>", &["GET /orders", "DELETE /orders/{id}"]).as_bytes()),
                json!({}),
            );
        })
        .await;
        let browser = Browser::viewer(&app).await;
        let (html, at) = page(&browser, "Orders &#60;i&#62;").await;
        let said = words(&html);
        assert!(said.contains("2 endpoints Method Path Operation id Callers prove Deprecated"), "{said}");
        assert!(said.contains("DELETE /orders/{id} DELETE-id key deprecated"), "{said}");
        assert!(
            said.contains("✓ public https://gate.example.test/orders-&#60;i&#62; callers reach it from the internet"),
            "{said}"
        );
        assert!(said.contains("! backend https://10.0.0.1/secret-backend where the gateway itself turns to"), "{said}");
        assert!(said.contains("Readiness for a scan ✓ ready"), "{said}");
        assert!(said.contains("✓ stored It is kept as it came, and nothing speaks"), "{said}");
        assert!(said.contains("Its format: openapi 3.0.1 ."), "{said}");
        assert!(said.contains("Subscription required yes subscriptionRequired"), "{said}");
        assert!(said.contains("The same definition as 1 other: Two of Contoso . All that have it"), "{said}");
        assert!(!said.contains("Member of") && !html.contains("<i>"));
        let all = between(&html, "of <bdi>Contoso</bdi></span>. <a href=\"", "\"").unwrap().replace("&#38;", "&");
        assert!(words(&browser.page(&all).await).contains("2 Discovered APIs"));
        let id = at.rsplit('/').next().unwrap();
        let file = format!("/api/v1/inventory/apis/{id}/definition");
        assert!(html.contains(&format!("href=\"{file}\" download")));
        assert_eq!(browser.get(&file).await.status, 200, "the session's cookie opens it");
        let found = browser.part(&format!("{at}?find=DELETE")).await;
        assert!(!found.text.contains("<html") && words(&found.text).contains("1 of 2 endpoints"), "{}", found.text);
        assert!(!found.text.contains("GET-id"));
        assert!(
            words(&browser.page(&format!("{at}?find=nothing")).await).contains("Nothing holds what is looked for.")
        );
        let tenant = app.other_tenant().await;
        let foreign = Browser::of(&app, &app.somebody(&tenant, "stranger", "manager").await);
        for place in [at.clone(), format!("{at}/definition"), format!("{at}?find=a")] {
            assert_eq!(foreign.get(&place).await.status, 404, "{place}");
        }
        assert_eq!(browser.get(&at.replace("apis", "users")).await.status, 404, "an API is no user");
    })
    .await;
}

#[tokio::test]
async fn a_thousand_endpoints_are_paged() {
    both(async |app| {
        let all: Vec<String> = (0..1000).map(|number| format!("GET /path{number:03}")).collect();
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        read(&app, |gateway| drop(gateway.serve("Wide", &all))).await;
        let browser = Browser::viewer(&app).await;
        let (mut html, at) = page(&browser, "Wide").await;
        assert!(words(&html).contains("1,000 endpoints, 1–100 shown"), "{}", words(&html));
        let mut seen = 0;
        loop {
            assert!(html.len() < 100_000, "{}", html.len());
            seen += html.matches("<code>/path").count();
            match between(&html, "rel=\"next\" href=\"", "\"") {
                Some(next) => html = browser.page(&next.replace("&#38;", "&")).await,
                None => break,
            }
        }
        assert_eq!(seen, 1000);
        let found = words(&browser.page(&format!("{at}?find=path99")).await);
        assert!(found.contains("10 of 1,000 endpoints Method"), "{found}");
        for absurd in ["99999", "18446744073709551615"] {
            assert!(words(&browser.page(&format!("{at}?from={absurd}")).await).contains("There are no more."));
        }
        assert_eq!(browser.get(&format!("{at}?from=-1")).await.status, 400);
    })
    .await;
}

#[tokio::test]
async fn states_and_obstacles_are_said_in_words_with_what_to_do() {
    both(async |app| {
        let text = document("Mixed up", &[]);
        read(&app, |gateway| {
            let more = json!({
                "definitionState": "suspect", "scanReadyReasons": "[\"definition_suspect\",\"no_public_url\",\"new_<code>\"]",
                "urls": "[{\"kind\":\"private\",\"url\":\"https://inside\"},{\"kind\":\"<x>\",\"url\":\"https://odd\"}]",
            });
            gateway.define("Suspect", ("json", text.as_bytes()), more);
            gateway.put("Failed", json!({ "definitionState": "failed", "scanReadyReasons": "[\"definition_failed\"]" }));
            gateway.define("Nonsense", ("zip", b"no package"), json!({ "definitionState": "failed" }));
        })
        .await;
        let browser = Browser::viewer(&app).await;
        let said = words(&page(&browser, "Suspect").await.0);
        for part in [
            "! suspect It is kept and not believed: its title, version, path or operations are not those",
            "What to do: Each run asks for it anew. Where it stays suspect",
            "• not ready",
            "Its definition does not agree with what the gateway lists.",
            "No address of it, by HTTP and without placeholders, is reached from the internet. new_&#60;code&#62;",
            "• private https://inside callers reach it from inside its network only",
            "• &#60;x&#62; https://odd",
            "Nothing is known that can be called.",
        ] {
            assert!(said.contains(part), "{part}: {said}");
        }
        let (html, _) = page(&browser, "Nonsense").await;
        let said = words(&html);
        assert!(said.contains("✕ failed What its source has is kept as it came, and is no definition"), "{said}");
        assert!(html.contains("/definition\""));
        let (html, at) = page(&browser, "Failed").await;
        let said = words(&html);
        assert!(said.contains("✕ failed It could not be had from the source. What to do: The notes of"), "{said}");
        assert!(said.contains("No document is kept.") && !html.contains("/definition\""));
        assert_eq!(browser.get(&format!("{at}/definition")).await.status, 404);
    })
    .await;
}

#[tokio::test]
async fn a_definition_is_shown_as_letters_and_no_longer_than_a_page_takes() {
    both(async |app| {
        let hostile = "</pre><script>alert(1)</script>&amp;";
        read(&app, |gateway| {
            let text = format!("{hostile}{}end", "é".repeat(200_000));
            gateway.define("Long", ("yaml", text.as_bytes()), json!({}));
            gateway.define("Package", ("zip", b"PK\x03\x04"), json!({}));
            gateway.define("Short", ("graphql", b"\xfftype Query"), json!({}));
        })
        .await;
        let browser = Browser::viewer(&app).await;
        let text = async |name: &str| {
            let at = page(&browser, name).await.1;
            browser.page(&format!("{at}/definition")).await
        };
        let long = text("Long").await;
        assert!(long.contains("&#60;/pre&#62;&#60;script&#62;alert(1)&#60;/script&#62;&#38;amp;éé"));
        assert!(!long.contains("<script>alert") && !long.contains("end</pre>") && long.len() < 300_000);
        assert!(words(&long).contains("As its source gave it, 390.6 KiB. Download The first 256 KiB are shown"));
        assert!(words(&text("Package").await).contains("It is no text: download it."));
        let short = text("Short").await;
        assert!(short.contains(">\u{fffd}type Query</pre>") && !short.contains("256 KiB"));
    })
    .await;
}

#[tokio::test]
async fn history_says_what_callers_notice() {
    both(async |app| {
        let made = connector(&app, &app.token, (1, "Contoso")).await;
        let gateway = Gateway::new(&app, "gate");
        gateway.serve("Orders", &["GET /orders", "DELETE /<b>"]);
        gateway.put("Chat", json!({}));
        gateway.read(&app, (&made.0, made.1)).await;
        app.clock.advance(60_000_000);
        gateway.serve("Orders", &["GET /orders", "POST /orders"]);
        gateway
            .put("Chat", json!({ "urls": "[{\"kind\":\"private\",\"url\":\"https://inside\"}]", "endpoints": "[{}]" }));
        gateway.read(&app, (&made.0, made.1)).await;
        let browser = Browser::viewer(&app).await;
        let (html, _) = page(&browser, "Orders").await;
        let said = words(&html);
        let history = between(&html, "id=\"history\"", "</section>").unwrap();
        assert!(said.contains("2 changes in the definition, 1 breaking Added POST /orders"), "{said}");
        assert!(said.contains("Removed DELETE /&#60;b&#62; ✕ breaking"), "{said}");
        assert!(said.contains("Definition SHA-256 ") && !history.contains(".json"), "{said}");
        assert!(!history.contains("entries"), "the endpoints are told by their operations: {said}");
        let said = words(&page(&browser, "Chat").await.0);
        assert!(said.contains("Urls none → became https://inside (private)"), "{said}");
        assert!(said.contains("Endpoints none → became 1 entries"), "{said}");
    })
    .await;
}

const NEW: &str = "/console/connectors/new/azure_api_management";
const SECRET: &str = "canary-bind-password";

fn fields<'a>(name: &'a str, tenant: &'a str, secret: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("name", name),
        ("description", ""),
        ("execution", "hub"),
        ("settings.authentication.tenantId", tenant),
        ("settings.authentication.clientId", "5a0f0000-0000-4000-8000-000000000000"),
        ("settings.authentication.clientSecret", secret),
        ("settings.endpoints.cloud", "usGovernment"),
        ("settings.endpoints.login", ""),
    ]
}

#[tokio::test]
async fn the_form_of_a_connector_that_brings_apis_keeps_its_secret_and_tests_it() {
    both(async |app| {
        let browser = Browser::manager(&app);
        let form = browser.page(NEW).await;
        // A certificate does in place of the secret.
        for (key, is_required) in [("tenantId", true), ("clientId", true), ("clientSecret", false)] {
            let field = between(&form, &format!("name=\"settings.authentication.{key}\""), ">").unwrap();
            assert_eq!(field.contains("required"), is_required, "{key}: {field}");
        }
        let cloud = between(&form, "name=\"settings.endpoints.cloud\"", "</select>").unwrap();
        assert!(!cloud.contains("required\"") && cloud.contains("value=\"china\""), "{cloud}");
        for (missing, fields) in
            [("tenantId", fields("Contoso", "", SECRET)), ("clientSecret", fields("Contoso", "contoso.example", ""))]
        {
            let again = browser.submit(NEW, &fields).await;
            assert_eq!(again.status, 422, "{missing}");
            let wrong = format!("id=\"settings-authentication-{missing}-wrong\"");
            assert!(again.text.contains(&wrong), "{missing}: {}", words(&again.text));
        }
        let odd = browser.submit(NEW, &fields("Contoso", "contoso/../x", SECRET)).await;
        let wrong = between(&odd.text, "id=\"settings-authentication-tenantId-wrong\">", "</p>").unwrap();
        assert!(wrong.contains("no id") && wrong.contains("a UUID"), "{wrong}");
        let made = browser.submit(NEW, &fields("Contoso", "contoso.example", SECRET)).await;
        let at = place(&made).to_owned();
        let shown = words(&browser.page(&at).await);
        assert!(shown.contains("Client Secret set, sealed") && shown.contains("Cloud usGovernment"), "{shown}");
        browser.page(&format!("{at}/edit")).await;
        for path in ["/api/v1/connectors", "/api/v1/audit"] {
            assert!(!app.get(path).await.text.contains(SECRET), "{path}");
        }
        let job = browser.submit(&format!("{at}/test"), &[]).await;
        assert!(words(&browser.page(place(&job)).await).contains("Waiting for a worker."));
        let jobs = app.call(Method::GET, "/api/v1/jobs", None).await;
        assert_eq!(jobs.json()["items"][0]["kind"], "check");
        assert!(!jobs.text.contains(SECRET));
    })
    .await;
}
