//! Users and groups.

use axum::http::Method;
use muster_core::connector::Mode;
use muster_core::run::RunResult;
use serde_json::json;

use super::browser::{Browser, between, words};
use super::source::user;
use super::world::{World, people};
use crate::app::both;

/// The address of the asset of that name in a list.
pub(crate) fn href<'t>(page: &'t str, name: &str) -> &'t str {
    let row = page.split("<tr>").find(|row| row.contains(&format!("<bdi>{name}</bdi>"))).unwrap();
    between(row, "href=\"", "\"").unwrap()
}

#[tokio::test]
async fn empty_lists_say_what_to_do() {
    both(async |app| {
        let (manager, viewer) = (Browser::manager(&app), Browser::viewer(&app).await);
        for place in ["/console/users", "/console/groups"] {
            let page = manager.page(place).await;
            assert!(page.contains("href=\"/console/connectors/new\""), "{page}");
            let page = viewer.page(place).await;
            assert!(words(&page).contains("A manager adds the first connector."));
            assert!(!page.contains("/console/connectors/new"));
        }
    })
    .await;
}

#[tokio::test]
async fn names_are_text_and_nothing_else() {
    both(async |app| {
        let world = World::new(&app, 1, people()).await;
        assert_eq!(world.run(&app, Mode::Full).await, RunResult::Complete);
        let browser = Browser::viewer(&app).await;
        let list = browser.page("/console/users").await;
        assert!(words(&list).contains("4 users"), "{}", words(&list));
        assert!(list.contains("<bdi>&#60;script&#62;alert(1)&#60;/script&#62;</bdi>"));
        assert!(list.contains("<bdi>שלום עולם</bdi>"));
        let detail = browser.page(href(&list, "&#60;script&#62;alert(1)&#60;/script&#62;")).await;
        assert!(!detail.contains("<script>alert") && !detail.contains("<img src=x"));
        let groups = browser.page("/console/groups").await;
        assert!(!groups.contains("<b>team"));
    })
    .await;
}

#[tokio::test]
async fn query_finds_or_says_where_it_goes_wrong() {
    both(async |app| {
        let world = World::new(&app, 1, people()).await;
        world.run(&app, Mode::Full).await;
        let browser = Browser::manager(&app);
        let page = browser.page("/console/users?q=status%3ADISABLED").await;
        assert!(words(&page).contains("1 user") && page.contains("שלום עולם") && !page.contains("Ada Lovelace"));
        let wrong = browser.get("/console/users?q=nmae%3Ax").await;
        assert_eq!(wrong.status, 400);
        let said = words(&wrong.text);
        assert!(
            said.contains("The query cannot be read at column 1.") && said.contains("the nearest is `name`"),
            "{said}"
        );
        assert!(wrong.text.contains("<mark>n</mark>mae:x"), "{}", wrong.text);
        let part = browser.part("/console/users?q=hopper").await;
        assert!(!part.text.contains("<html") && part.text.contains("Grace Hopper") && !part.text.contains("Ada"));
        let none = browser.page("/console/users?q=nobody").await;
        assert!(words(&none).contains("Nothing matches."));
        let facets = browser.page("/console/users/facets").await;
        assert!(facets.contains("q=user.status%3A%27disabled%27"), "{facets}");
        let narrowed = browser.page("/console/users?q=user.status%3A%27disabled%27").await;
        assert!(narrowed.contains("שלום עולם") && !narrowed.contains("Grace Hopper"));
    })
    .await;
}

#[tokio::test]
async fn pages_follow_each_other_in_order() {
    both(async |app| {
        let many: Vec<_> = (0..120).map(|at| user(2000 + at, &format!("Person {at:03}"), json!({}))).collect();
        let world = World::new(&app, 1, many).await;
        world.run(&app, Mode::Full).await;
        let browser = Browser::manager(&app);
        let (mut place, mut seen) = ("/console/users?sort=-user.name".to_owned(), Vec::new());
        loop {
            let page = browser.page(&place).await;
            assert!(words(&page).contains("120 users"));
            let names = page.split("<bdi>Person ").skip(1).map(|rest| rest[..3].to_owned());
            seen.extend(names);
            match between(&page, "rel=\"next\" href=\"", "\"") {
                Some(next) => place = next.replace("&#38;", "&"),
                None => break,
            }
        }
        let expected: Vec<String> = (0..120).rev().map(|at| format!("{at:03}")).collect();
        assert_eq!(seen, expected);
        assert_eq!(browser.get("/console/users?after=nonsense").await.status, 400);
    })
    .await;
}

#[tokio::test]
async fn detail_tells_values_origins_memberships_and_history() {
    both(async |app| {
        let world = World::new(&app, 1, people()).await;
        world.run(&app, Mode::Full).await;
        app.clock.advance(86_400_000_000);
        {
            let mut objects = world.paper.objects.lock().unwrap();
            let grace = objects.iter_mut().find(|object| object.values["name"] == "Grace Hopper").unwrap();
            grace.values["department"] = "Computing".into();
            objects.retain(|object| object.values["name"] != "Ada Lovelace");
        }
        assert_eq!(world.run(&app, Mode::Full).await, RunResult::Complete);
        let browser = Browser::viewer(&app).await;
        let list = browser.page("/console/users").await;
        assert!(!list.contains("Ada Lovelace"), "what is gone is not here");
        let grace = browser.page(href(&list, "Grace Hopper")).await;
        let said = words(&grace);
        assert!(said.contains("Department Computing department"), "{said}");
        assert!(said.contains("active_directory/users, version 1"));
        assert!(
            said.contains("Circle group") && said.contains("Nested &#60;b&#62;team&#60;/b&#62; group, through Circle"),
            "{said}"
        );
        assert!(said.contains("Domain Users group"), "the primary group is one: {said}");
        assert!(said.contains("changed at the source Department Navy → became Computing"), "{said}");
        assert!(said.contains("CN=Grace Hopper,DC=example"));
        assert!(said.contains("attributes as the source gave them") && said.contains("sAMAccountName account1004"));
        let gone = browser.page("/console/users?show=gone").await;
        let ada = words(&browser.page(href(&gone, "Ada Lovelace")).await);
        assert!(ada.contains("Gone: it was deleted at the source."), "{ada}");
        let groups = browser.page("/console/groups").await;
        let admins = words(&browser.page(href(&groups, "Domain Admins")).await);
        assert!(admins.contains("Members Direct 1"), "{admins}");
        assert!(admins.contains("Grace Hopper user, through Circle"), "{admins}");
    })
    .await;
}

#[tokio::test]
async fn another_tenants_assets_are_not_there() {
    both(async |app| {
        let world = World::new(&app, 1, people()).await;
        world.run(&app, Mode::Full).await;
        let own = Browser::manager(&app);
        let place = href(&own.page("/console/users").await, "Ada Lovelace").to_owned();
        assert_eq!(own.get(&place).await.status, 200);
        let tenant = app.other_tenant().await;
        let foreign = Browser::of(&app, &app.somebody(&tenant, "stranger", "manager").await);
        let answer = foreign.get(&place).await;
        assert_eq!(answer.status, 404);
        assert!(!answer.text.contains("Ada"));
        assert!(words(&foreign.page("/console/users").await).contains("Nothing has been collected yet."));
        // A group's number is no user.
        assert_eq!(own.get(&place.replace("users", "groups")).await.status, 404);
        assert_eq!(app.call(Method::GET, &place, None).await.status, 200, "a token in a header opens pages, too");
    })
    .await;
}
