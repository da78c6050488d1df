//! Every page, for managers and viewers, with nothing to show and with much.

use axum::http::Method;
use muster_core::connector::Mode;
use muster_core::run::RunResult;
use muster_store::hub::NewEvent;
use serde_json::json;

use super::browser::{Browser, between, place, words};
use super::source::{Object, user};
use super::world::{World, people};
use crate::app::both;

const OPEN: [&str; 13] = [
    "/console/users",
    "/console/groups",
    "/console/roles",
    "/console/apis",
    "/console/sources",
    "/console/connectors",
    "/console/agents",
    "/console/runs",
    "/console/dead-letters",
    "/console/held",
    "/console/maps",
    "/console/account",
    "/console/schedule",
];
const MANAGED: [&str; 6] = [
    "/console/accounts",
    "/console/clients",
    "/console/audit",
    "/console/connectors/new",
    "/console/connectors/new/active_directory",
    "/console/connectors/new/azure_api_management",
];

#[tokio::test]
async fn empty_pages_are_there_for_whom_they_are() {
    both(async |app| {
        let (manager, viewer) = (Browser::manager(&app), Browser::viewer(&app).await);
        assert_eq!(place(&manager.get("/").await), "/console/sources");
        for page in OPEN {
            manager.page(page).await;
            assert!(!viewer.page(page).await.contains("\"/console/accounts\""), "{page}");
        }
        for page in MANAGED {
            manager.page(page).await;
            let refused = viewer.get(page).await;
            assert_eq!(refused.status, 403, "{page}");
            assert!(words(&refused.text).contains("Your role does not allow this."), "{page}");
        }
    })
    .await;
}

#[tokio::test]
async fn filled_pages_are_there_and_changes_are_the_managers() {
    both(async |app| {
        let world = World::new(&app, 1, people()).await;
        world.run(&app, Mode::Full).await;
        let (connector, profile) = (&world.connection.uuid, &world.profile.uuid);
        let jobs = app.get("/api/v1/jobs").await.json();
        let job = jobs["items"][0]["id"].as_str().unwrap();
        let open = [
            format!("/console/connectors/{connector}"),
            format!("/console/profiles/{profile}"),
            format!("/console/runs/{job}"),
        ];
        let managed = [
            format!("/console/connectors/{connector}/edit"),
            format!("/console/connectors/{connector}/delete"),
            format!("/console/connectors/{connector}/profiles/new"),
            format!("/console/profiles/{profile}/edit"),
            format!("/console/profiles/{profile}/delete"),
            format!("/console/profiles/{profile}/release"),
            format!("/console/profiles/{profile}/refuse"),
        ];
        let changes = [
            format!("/console/connectors/{connector}/test"),
            format!("/console/connectors/{connector}/delete"),
            format!("/console/profiles/{profile}/run"),
            format!("/console/runs/{job}/cancel"),
            "/console/accounts".to_owned(),
            "/console/clients".to_owned(),
        ];
        let (manager, viewer) = (Browser::manager(&app), Browser::viewer(&app).await);
        let tenant = app.other_tenant().await;
        let foreign = Browser::of(&app, &app.somebody(&tenant, "stranger", "manager").await);
        for page in OPEN.map(str::to_owned).iter().chain(&open) {
            manager.page(page).await;
            let seen = viewer.page(page).await;
            assert!(
                !seen.contains("/edit\"") && !seen.contains("class=\"danger\""),
                "{page} offers changes to a viewer"
            );
        }
        for page in open.iter().chain(&managed) {
            let answer = foreign.get(page).await;
            assert_eq!(answer.status, 404, "{page}");
            assert!(!answer.text.contains("Head office"));
        }
        for page in &managed {
            manager.page(page).await;
            assert_eq!(viewer.get(page).await.status, 403, "{page}");
        }
        for path in &changes {
            assert_eq!(
                viewer
                    .submit(
                        path,
                        &[
                            ("mode", "full"),
                            ("name", "x"),
                            ("username", "x"),
                            ("password", "x"),
                            ("role", "viewer"),
                            ("level", "user")
                        ]
                    )
                    .await
                    .status,
                403,
                "{path}"
            );
            assert_eq!(
                manager.submit_bare(path, &[("mode", "full")]).await.status,
                403,
                "{path} without the page's token"
            );
        }
        for path in &changes[..4] {
            assert_eq!(foreign.submit(path, &[("mode", "full")]).await.status, 404, "{path}");
        }
        assert_eq!(app.get("/api/v1/jobs").await.json()["items"].as_array().unwrap().len(), 1, "nothing was asked for");
    })
    .await;
}

#[tokio::test]
async fn sources_and_connectors_tell_counts_results_and_proof() {
    both(async |app| {
        let world = World::new(&app, 1, people()).await;
        let browser = Browser::viewer(&app).await;
        let before = words(&browser.page("/console/sources").await);
        assert!(
            before.contains("Registered") && before.contains("Presence has not been proven in full yet."),
            "{before}"
        );
        world.run(&app, Mode::Full).await;
        let after = words(&browser.page("/console/sources").await);
        assert!(after.contains("✓ complete") && after.contains("users 4 0 0 groups 4 0 0"), "{after}");
        assert!(after.contains("Presence last proven in full just now ."), "{after}");
        let list = words(&browser.page("/console/connectors").await);
        assert!(list.contains("Head office Microsoft Active Directory • Processed ✓ complete just now"), "{list}");
        let detail = words(&browser.page(&format!("/console/connectors/{}", world.connection.uuid)).await);
        assert!(detail.contains("The &#60;directory&#62; of the head office"), "{detail}");
        assert!(detail.contains("Nightly Active • Processed ✓ complete only when asked"), "{detail}");
        assert!(detail.contains("Full run Head office ✓ complete"), "{detail}");
    })
    .await;
}

#[tokio::test]
async fn run_page_names_gaps_and_what_is_held() {
    both(async |app| {
        let many: Vec<Object> = (0..80).map(|at| user(3000 + at, &format!("Person {at}"), json!({}))).collect();
        let world = World::new(&app, 1, many).await;
        world.run(&app, Mode::Full).await;
        *world.paper.cut.lock().unwrap() = Some("users");
        assert_eq!(world.run(&app, Mode::Full).await, RunResult::Partial);
        let browser = Browser::manager(&app);
        let runs = browser.page("/console/runs").await;
        let said = words(&runs);
        assert!(said.contains("Full run Head office ! partial"), "{said}");
        let page = browser.page(between(&runs, "<th scope=\"row\"><a href=\"", "\"").unwrap()).await;
        let said = words(&page);
        assert!(said.contains("Not everything was seen."), "{said}");
        assert!(said.contains("users in DC=example : the listing ended early"), "{said}");
        assert!(said.contains("the paper answers") && said.contains("4.0 KiB"), "{said}");
        assert!(!page.contains("hx-trigger=\"every"), "what has ended is not asked for again");

        *world.paper.cut.lock().unwrap() = None;
        world.paper.objects.lock().unwrap().retain(|object| object.stream != "users");
        assert_eq!(world.run(&app, Mode::Full).await, RunResult::Held);
        let profile = format!("/console/profiles/{}", world.profile.uuid);
        let page = browser.page(&profile).await;
        assert!(words(&page).contains("Held: 80 users"), "{}", words(&page));
        assert!(words(&page).contains("To keep them, do nothing"));
        let set = words(&browser.page("/console/held").await);
        assert!(
            set.contains("Head office users DC=example 80 just now 80 users are missing, more than the guard"),
            "{set}"
        );
        assert!(set.contains("Person 0 Person 1 Person 2 Person 3 Person 4 Release Refuse"), "{set}");
        let viewer = Browser::viewer(&app).await;
        assert!(!viewer.page("/console/held").await.contains("/release\""));
        assert_eq!(viewer.submit(&format!("{profile}/refuse"), &[]).await.status, 403);
        for page in ["/console/sources".to_owned(), format!("/console/connectors/{}", world.connection.uuid)] {
            assert!(browser.page(&page).await.contains("<a class=\"badge warn\" href=\"/console/held\">"), "{page}");
        }
        let asked = browser.page(&format!("{profile}/refuse")).await;
        assert!(words(&asked).contains("80 users") && words(&asked).contains("Keep what is held?"));
        let asked = browser.page(&format!("{profile}/release")).await;
        assert!(words(&asked).contains("80 users"));
        let job = browser.submit(&format!("{profile}/release"), &[]).await;
        let job = browser.page(place(&job)).await;
        assert!(words(&job).contains("Release of what is held of Head office"), "{}", words(&job));
        let held = words(&browser.page("/console/users?show=held").await);
        assert!(held.contains("80 users") && held.contains("! held"), "{held}");
    })
    .await;
}

#[tokio::test]
async fn live_page_asks_again_until_the_end_and_shows_steps() {
    both(async |app| {
        let world = World::new(&app, 1, people()).await;
        let browser = Browser::manager(&app);
        let answer = browser.submit(&format!("/console/connectors/{}/test", world.connection.uuid), &[]).await;
        let path = place(&answer).to_owned();
        let page = browser.page(&path).await;
        assert!(page.contains(&format!("hx-get=\"{path}\" hx-trigger=\"every 1s\"")));
        assert!(words(&page).contains("Waiting for a worker."));
        let now = app.hub.now();
        let (job, claim) = app.hub.store.claim_job("test", now, 60_000_000).await.unwrap().unwrap();
        let step = |name: &str, outcome: &str, remedy: Option<&str>| NewEvent {
            at: now,
            level: "info",
            kind: "step",
            message: name.to_owned(),
            data: Some(json!({ "name": name, "outcome": outcome, "message": "<b>found</b>", "remedy": remedy })),
        };
        let events = [step("Reach the host", "passed", None), step("Bind", "failed", Some("check the password"))];
        app.hub.store.tell(1, job.id, &events).await.unwrap();
        let part = browser.part(&path).await;
        assert!(
            !part.text.contains("<html") && part.text.trim_start().starts_with("<div id=\"live\""),
            "{}",
            part.text
        );
        let said = words(&part.text);
        assert!(said.contains("✓ passed Reach the host") && said.contains("✕ failed Bind"), "{said}");
        assert!(said.contains("What to do: check the password"));
        let end = muster_store::hub::JobEnd { result: "failed", message: Some("the bind failed"), now };
        app.hub.store.end_job(&claim, end).await.unwrap();
        let part = browser.part(&path).await;
        assert!(!part.text.contains("hx-trigger") && words(&part.text).contains("the bind failed"));
    })
    .await;
}

#[tokio::test]
async fn roles_are_derived_where_posture_is_asked_for() {
    both(async |app| {
        let world = World::new(&app, 1, people()).await;
        world.run(&app, Mode::Full).await;
        let browser = Browser::manager(&app);
        let said = words(&browser.page("/console/roles").await);
        assert!(said.contains("no profile here chooses that"), "{said}");
        let (maps, parameters) = (json!({}), json!({ "assets": "identities_with_posture" }));
        let change = muster_store::hub::ProfileChange {
            name: "Nightly",
            active: true,
            maps: &maps,
            parameters: &parameters,
            schedule: None,
            next_at: None,
            now: app.hub.now(),
        };
        app.hub.store.change_profile(&world.profile, &change, &app.audit(1)).await.unwrap().unwrap();
        let list = browser.page("/console/roles").await;
        assert!(words(&list).contains("Domain Admins Head office 5 derived from a group"), "{}", words(&list));
        let role = between(&list, "<th scope=\"row\"><a href=\"", "\"").unwrap();
        let detail = words(&browser.page(role).await);
        assert!(detail.contains("derived from a well-known privileged group"), "{detail}");
        assert!(detail.contains("Posture: attributes collected, rules not yet evaluated."));
        let other = browser.page("/console/groups").await;
        let other = super::inventory::href(&other, "Circle").replace("groups", "roles");
        assert_eq!(browser.get(&other).await.status, 404, "no other group is a role");
    })
    .await;
}

#[tokio::test]
async fn audit_says_what_was_done() {
    both(async |app| {
        app.call(Method::POST, "/api/v1/clients", Some(json!({ "name": "<i>agent</i>", "role": "viewer" }))).await;
        let page = Browser::manager(&app).page("/console/audit").await;
        let said = words(&page);
        assert!(said.contains("admin user client.create"), "{said}");
        assert!(!page.contains("<i>agent"));
    })
    .await;
}
