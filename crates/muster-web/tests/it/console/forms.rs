//! Forms: what is made, what is refused beside its field, and that no secret ever comes back.

use serde_json::{Value, json};

use super::browser::{Browser, between, place, words};
use super::world::CANARY;
use crate::app::{TestApp, both};

const NEW: &str = "/console/connectors/new/active_directory";

fn settings<'a>(name: &'a str, host: &'a str, password: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("name", name),
        ("description", "of the head office"),
        ("execution", "hub"),
        ("settings.authentication.host", host),
        ("settings.authentication.port", "389"),
        ("settings.authentication.bindDn", "CN=reader"),
        ("settings.authentication.password", password),
        ("settings.authentication.certificate", ""),
        ("settings.authentication.protocol", ""),
    ]
}

async fn connector(app: &TestApp, browser: &Browser<'_>) -> String {
    let made = browser.submit(NEW, &settings("Head office", "dc.example.test", CANARY)).await;
    assert!(!app.get("/api/v1/connectors").await.text.contains(CANARY));
    place(&made).to_owned()
}

#[tokio::test]
async fn connector_is_made_and_changed_and_its_secret_stays_unseen() {
    both(async |app| {
        let browser = Browser::manager(&app);
        let path = connector(&app, &browser).await;
        let page = words(&browser.page(&path).await);
        assert!(
            page.contains("Password set, sealed") && page.contains("Port 389") && page.contains("No profile yet"),
            "{page}"
        );
        let form = browser.page(&format!("{path}/edit")).await;
        assert!(form.contains("placeholder=\"kept as it is\"") && form.contains("value=\"dc.example.test\""));
        let version = between(&form, "name=\"version\" value=\"", "\"").unwrap().to_owned();
        let mut fields = settings("Head office 2", "dc2.example.test", "");
        fields.push(("version", &version));
        assert_eq!(place(&browser.submit(&format!("{path}/edit"), &fields).await), path);
        let id = path.rsplit('/').next().unwrap();
        let kept = app.get(&format!("/api/v1/connectors/{id}")).await.json();
        assert_eq!(kept["name"], "Head office 2");
        assert_eq!(kept["settings"]["authentication"]["password"], json!({ "set": true }));
        assert_eq!(kept["settings"]["authentication"]["port"], json!(389));
        let late = browser.submit(&format!("{path}/edit"), &fields).await;
        assert_eq!(late.status, 422);
        assert!(words(&late.text).contains("somebody saved it after this form was opened"));
    })
    .await;
}

#[tokio::test]
async fn what_cannot_work_is_said_beside_its_field() {
    both(async |app| {
        let browser = Browser::manager(&app);
        let again = browser.submit(NEW, &settings("", "dc.example.test", CANARY)).await;
        assert_eq!(again.status, 422);
        assert!(between(&again.text, "id=\"name-wrong\">", "</p>").unwrap().contains("1 to 200 characters"));
        let again = browser.submit(NEW, &settings("<b>office", "http://dc.example.test", CANARY)).await;
        assert_eq!(again.status, 422);
        let wrong = between(&again.text, "id=\"settings-authentication-host-wrong\">", "</p>").unwrap();
        assert!(wrong.contains("It is a URL.") && wrong.contains("Give only the name or address"), "{wrong}");
        assert!(
            again.text.contains("value=\"http://dc.example.test\"")
                && again.text.contains("value=\"&#60;b&#62;office\"")
        );
        connector(&app, &browser).await;
        let taken = browser.submit(NEW, &settings("head OFFICE", "dc.example.test", CANARY)).await;
        assert!(between(&taken.text, "id=\"name-wrong\">", "</p>").unwrap().contains("Another one has that name"));
        assert_eq!(browser.get("/console/connectors/new/nothing").await.status, 404);
    })
    .await;
}

#[tokio::test]
async fn connector_is_deleted_after_it_was_asked() {
    both(async |app| {
        let browser = Browser::manager(&app);
        let path = connector(&app, &browser).await;
        assert!(words(&browser.page(&format!("{path}/delete")).await).contains("Delete Head office ?"));
        let job = browser.submit(&format!("{path}/delete"), &[]).await;
        assert!(words(&browser.page(place(&job)).await).contains("Removal of Head office"));
        assert_eq!(browser.get(&path).await.status, 404);
    })
    .await;
}

fn profile<'a>(name: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut fields = vec![
        ("name", name),
        ("active", "true"),
        ("parameters.baseContext", "DC=example,DC=test"),
        ("parameters.searchScope", "subtree"),
        ("transformMaps.users", "default"),
        ("schedule.type", "recurring"),
        ("schedule.every", "2"),
        ("schedule.unit", "weeks"),
        ("schedule.weekdays", "monday"),
        ("schedule.weekdays", "friday"),
        ("schedule.at", "02:30"),
        ("schedule.zone", "Europe/Berlin"),
    ];
    for (key, value) in more {
        fields.retain(|(known, _)| known != key);
        fields.push((key, value));
    }
    fields
}

#[tokio::test]
async fn profile_is_made_run_and_changed() {
    both(async |app| {
        let browser = Browser::manager(&app);
        let path = connector(&app, &browser).await;
        let new = format!("{path}/profiles/new");
        let made = browser.submit(&new, &profile("Nightly", &[])).await;
        let place_of = place(&made).to_owned();
        let page = browser.page(&place_of).await;
        let said = words(&page);
        assert!(said.contains("every 2 weeks on monday, friday at 02:30 Europe/Berlin"), "{said}");
        assert!(said.contains("Base Context DC=example,DC=test") && said.contains("Scheduled"), "{said}");
        let id = place_of.rsplit('/').next().unwrap();
        let kept = app.get(&format!("/api/v1/profiles/{id}")).await.json();
        assert_eq!(kept["schedule"]["weekdays"], json!(["monday", "friday"]));
        let job = browser.submit(&format!("{place_of}/run"), &[("mode", "full")]).await;
        let job = place(&job).to_owned();
        assert!(words(&browser.page(&job).await).contains("Full run of Head office • waiting"));
        assert_eq!(
            place(&browser.submit(&format!("{place_of}/run"), &[("mode", "delta")]).await),
            job,
            "one at a time"
        );
        assert_eq!(place(&browser.submit(&format!("{job}/cancel"), &[]).await), job);
        assert!(words(&browser.page(&job).await).contains("• cancelled"));
        let edit = format!("{place_of}/edit");
        let form = browser.page(&edit).await;
        assert!(form.contains("value=\"friday\" checked") && !form.contains("value=\"sunday\" checked"));
        let lines = [("parameters.baseContext", "OU=a,DC=x\r\nOU=b,DC=x"), ("schedule.type", "none"), ("version", "1")];
        browser.submit(&edit, &profile("Nightly", &lines)).await;
        let kept = app.get(&format!("/api/v1/profiles/{id}")).await.json();
        assert_eq!(kept["parameters"]["baseContext"], json!(["OU=a,DC=x", "OU=b,DC=x"]));
        assert_eq!(kept["schedule"], Value::Null);
        browser.submit(&format!("{place_of}/delete"), &[]).await;
        assert_eq!(browser.get(&place_of).await.status, 404);
    })
    .await;
}

#[tokio::test]
async fn profile_that_cannot_work_comes_back_as_it_was_sent() {
    both(async |app| {
        let browser = Browser::manager(&app);
        let path = connector(&app, &browser).await;
        let new = format!("{path}/profiles/new");
        let cron = [("schedule.type", "cron"), ("schedule.expression", "0 99 * * *")];
        let again = browser.submit(&new, &profile("Nightly", &cron)).await;
        assert_eq!(again.status, 422);
        assert!(words(&again.text).contains("hour field"), "{}", words(&again.text));
        assert!(again.text.contains("value=\"0 99 * * *\""));
        let shown = browser.submit(&new, &profile("Nightly", &[("preview", "1")])).await;
        assert_eq!(shown.status, 200);
        assert!(words(&shown.text).contains("It would run next: 2026-03-09 01:30:00 UTC"), "{}", words(&shown.text));
        browser.submit(&new, &profile("Nightly", &[])).await;
        let overlap = browser.submit(&new, &profile("Again", &[])).await;
        assert_eq!(overlap.status, 422);
        assert!(words(&overlap.text).contains("what the active profile `Nightly` reads"), "{}", words(&overlap.text));
    })
    .await;
}

#[tokio::test]
async fn next_runs_are_shown_before_anything_is_saved() {
    both(async |app| {
        let browser = Browser::manager(&app);
        let ask = async |query: &str| words(&browser.part(&format!("/console/schedule?{query}")).await.text);
        let daily = "schedule.type=recurring&schedule.every=1&schedule.unit=days&schedule.at=06%3A00&schedule.zone=UTC";
        assert!(ask(daily).await.contains("2026-03-02 06:00:00 UTC in 18 hours"), "{}", ask(daily).await);
        assert!(ask("schedule.type=none").await.contains("only when somebody asks"));
        assert!(ask("schedule.type=single&schedule.start=2020-01-01T00%3A00").await.contains("It would never run."));
        assert!(ask("schedule.type=recurring&schedule.every=x&schedule.unit=days").await.contains("out of bounds"));
        let zone = ask("schedule.type=cron&schedule.expression=0+3+*+*+*&schedule.zone=Mars%2FBase").await;
        assert!(zone.to_lowercase().contains("zone") || zone.contains("unknown"), "{zone}");
    })
    .await;
}

#[tokio::test]
async fn accounts_are_added_and_changed() {
    both(async |app| {
        let browser = Browser::manager(&app);
        let fields = [("username", "erin"), ("password", CANARY), ("role", "viewer")];
        assert_eq!(place(&browser.submit("/console/accounts", &fields).await), "/console/accounts");
        let list = browser.page("/console/accounts").await;
        let erin = list.split("<tr>").skip(1).find(|row| row.contains("erin")).unwrap();
        let erin = between(erin, "href=\"", "\"").unwrap().to_owned();
        let taken = browser.submit("/console/accounts", &fields).await;
        assert_eq!(taken.status, 422);
        assert!(between(&taken.text, "id=\"username-wrong\">", "</p>").is_some());
        let short = [("username", "bob"), ("password", "short"), ("role", "viewer")];
        let short = browser.submit("/console/accounts", &short).await;
        assert!(between(&short.text, "id=\"password-wrong\">", "</p>").is_some(), "{}", short.text);
        assert!(short.text.contains("value=\"bob\""));
        browser.submit(&erin, &[("role", "manager"), ("password", "")]).await;
        let said = words(&browser.page("/console/accounts").await);
        assert!(said.contains("erin manager may not sign in"), "{said}");
        let own = list.split("<tr>").skip(1).find(|row| row.contains("admin")).unwrap();
        let last = browser
            .submit(between(own, "href=\"", "\"").unwrap(), &[("role", "viewer"), ("active", "true"), ("password", "")])
            .await;
        assert_eq!(last.status, 422);
        assert!(words(&last.text).contains("The last active manager cannot be taken away."), "{}", words(&last.text));
    })
    .await;
}

#[tokio::test]
async fn clients_secret_is_shown_once() {
    both(async |app| {
        let browser = Browser::manager(&app);
        let fields = [("name", "agent"), ("role", "viewer"), ("level", "subscription")];
        let made = browser.submit("/console/clients", &fields).await;
        assert_eq!(made.status, 201);
        let mut codes = made.text.split("<code class=\"secret\">").skip(1).map(|rest| rest.split_once('<').unwrap().0);
        let (id, secret) = (codes.next().unwrap().to_owned(), codes.next().unwrap().to_owned());
        let sign_in = || {
            let request =
                axum::http::Request::post("/auth/oidc").header("clientId", &id).header("clientSecret", &secret);
            app.send(request.body(axum::body::Body::empty()).unwrap())
        };
        assert_eq!(sign_in().await.status, 201);
        let list = browser.page("/console/clients").await;
        assert!(list.contains(&id) && !list.contains(&secret));
        let revoke = format!("/console/clients/{id}/revoke");
        browser.page(&revoke).await;
        assert_eq!(place(&browser.submit(&revoke, &[]).await), "/console/clients");
        assert_eq!(sign_in().await.status, 401);
        assert!(words(&browser.page("/console/clients").await).contains("revoked"));
        let taken = browser.submit("/console/clients", &fields).await;
        assert_eq!(taken.status, 422);
    })
    .await;
}
