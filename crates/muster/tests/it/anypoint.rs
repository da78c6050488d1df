//! MuleSoft's Anypoint Platform, simulated, and the binary beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use muster_lab::anypoint::{AnypointChange, AnypointFaults, AnypointOptions, RunningAnypoint, start};
use serde_json::Value as Json;

use crate::command::Installation;
use crate::simulated::{gone, run, sync};

pub(crate) async fn platform(seed: u64) -> RunningAnypoint {
    start(AnypointOptions { seed, ..AnypointOptions::default() }).await.unwrap()
}

pub(crate) const EVERYTHING: &str = "businessGroups = \"below\"\nallEnvironments = true\nunmanagedAssets = true\n\
                          callsPerSecond = 1000\n";

pub(crate) fn text(banner: &Json, key: &str) -> String {
    banner[key].as_str().unwrap().to_owned()
}

pub(crate) fn settings(platform: &RunningAnypoint, profile: &str) -> String {
    let banner = platform.banner();
    let text = |key: &str| text(&banner, key);
    format!(
        "type = \"mulesoft\"\nname = \"lab\"\n[authentication]\norganizationId = \"{}\"\nenvironmentId = \"{}\"\n\
         clientId = \"{}\"\nclientSecret = \"{}\"\n[endpoints]\nbase = \"{}\"\nstorage = \"{}\"\n[profile]\n{profile}",
        text("organizationId"),
        text("environmentId"),
        text("clientId"),
        text("clientSecret"),
        text("url"),
        text("storage"),
    )
}

pub(crate) fn installation(platform: &RunningAnypoint, scratch: &Path) -> Installation {
    Installation::new(scratch, &settings(platform, EVERYTHING))
}

/// What one API is, in the words that truth and inventory share: name, address, state of its definition, endpoints.
pub(crate) type Told = (String, String, String, BTreeSet<String>);

pub(crate) fn truth(platform: &RunningAnypoint) -> BTreeMap<String, Told> {
    let one = |api: &Json| {
        let text = |key: &str| api[key].as_str().unwrap_or_default().to_owned();
        let endpoints = api["endpoints"].as_array().unwrap().iter().map(|line| line.as_str().unwrap().to_owned());
        (text("id"), (text("name"), text("url"), text("definitionState"), endpoints.collect()))
    };
    platform.truth().as_array().unwrap().iter().map(one).collect()
}

/// What one has and the other has not, both ways.
pub(crate) fn differences(found: &BTreeMap<String, Told>, wanted: &BTreeMap<String, Told>) -> Vec<String> {
    let only = |one: &BTreeMap<String, Told>, other: &BTreeMap<String, Told>, side: &str| -> Vec<String> {
        let lines = one.iter().filter(|(id, told)| other.get(*id) != Some(told));
        lines.map(|(id, told)| format!("{side}: {id} {told:?}")).collect()
    };
    [only(found, wanted, "found"), only(wanted, found, "wanted")].concat()
}

/// The inventory's APIs that are there.
pub(crate) fn inventory(installation: &Installation) -> BTreeMap<String, Told> {
    let one = |document: Json| {
        let detail = &document["asset"]["assetDetail"];
        let api = &detail["apiAssetClass"];
        let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
        let endpoints = api["endpoints"].as_array().unwrap().iter();
        let endpoints = endpoints.map(|found| format!("{} {}", text(&found["method"]), text(&found["path"])));
        let told = (text(&detail["name"]), text(&api["url"]), text(&api["definitionState"]), endpoints.collect());
        (text(&document["asset"]["assetHeader"]["externalAssetId"]), told)
    };
    documents(installation, "inventory.status:present").into_iter().map(one).collect()
}

pub(crate) fn documents(installation: &Installation, query: &str) -> Vec<Json> {
    let state = installation.state();
    let state = state.to_str().unwrap();
    let arguments =
        ["query", "--state", state, "--class", "api", query, "--limit", "2000", "--format", "json", "--history"];
    let outcome = crate::command::muster(&arguments);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    outcome.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

pub(crate) fn counter(ledger: &Json, name: &str) -> u64 {
    ledger["ledger"].as_array().unwrap().iter().map(|line| line[name].as_u64().unwrap_or(0)).sum()
}

/// Why scopes are open, joined.
pub(crate) fn gaps(ledger: &Json) -> String {
    let lines = ledger["ledger"].as_array().unwrap();
    lines.iter().map(|line| line["evidence"].to_string()).collect::<Vec<_>>().join("; ")
}

pub(crate) fn causes(lines: &[Json]) -> BTreeSet<String> {
    lines.iter().filter_map(|line| line["gone"]["cause"].as_str().map(str::to_owned)).collect()
}

/// A part of an id of the truth, of the first that fits: business group, environment, instance; or Exchange's.
pub(crate) fn part(platform: &RunningAnypoint, at: usize, fits: impl Fn(&Json) -> bool) -> String {
    let all = platform.truth();
    let one = all.as_array().unwrap().iter().find(|api| fits(api)).unwrap();
    one["id"].as_str().unwrap().split('/').nth(at).unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_inventory_is_the_platforms_truth_and_the_second_run_fetches_nothing() {
    for seed in [1, 2, 3] {
        let platform = platform(seed).await;
        let scratch = tempfile::tempdir().unwrap();
        let installation = installation(&platform, scratch.path());
        let (code, ledger, lines) = sync(&installation, &[]).await;
        assert_eq!((code, ledger["result"].as_str()), (0, Some("complete")), "{ledger}");
        let wanted = truth(&platform);
        assert!(wanted.len() > 72 && lines.len() == wanted.len(), "{} {}", wanted.len(), lines.len());
        assert_eq!(differences(&inventory(&installation), &wanted), [""; 0], "seed {seed}");
        for line in &lines {
            let api = &line["asset"]["assetDetail"]["apiAssetClass"];
            match api["masifLocation"].as_str() {
                Some(location) => assert!(scratch.path().join(location).exists(), "{location}"),
                None => assert_eq!(api["definitionState"], "none"),
            }
            // A backend or a listener is no address to call.
            assert!(!api["url"].as_str().unwrap_or_default().contains("internal"), "{api}");
        }
        platform.set_faults(AnypointFaults::default());
        let (code, ledger, lines) = sync(&installation, &[]).await;
        let unchanged = usize::try_from(counter(&ledger, "unchanged")).unwrap();
        assert_eq!((code, lines.len(), unchanged), (0, 0, wanted.len()), "{ledger}");
        assert_eq!(platform.calls().get("file"), None);
        platform.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_environment_is_read_as_the_source_document_has_it() {
    let platform = platform(4).await;
    let scratch = tempfile::tempdir().unwrap();
    let installation = Installation::new(scratch.path(), &settings(&platform, "callsPerSecond = 1000\n"));
    let (code, ledger, _) = sync(&installation, &[]).await;
    let banner = platform.banner();
    let place = format!("{}/{}/", text(&banner, "organizationId"), text(&banner, "environmentId"));
    let wanted: BTreeMap<_, _> = truth(&platform).into_iter().filter(|(id, _)| id.starts_with(&place)).collect();
    assert_eq!((code, wanted.len(), inventory(&installation)), (0, 8, wanted), "{ledger}");
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changed_is_fetched_and_what_went_is_gone_for_its_cause() {
    // Few enough in each environment that the guard lets one go that is empty.
    let platform = start(AnypointOptions { seed: 5, apis: 3, ..AnypointOptions::default() }).await.unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let installation = installation(&platform, scratch.path());
    sync(&installation, &[]).await;
    platform.set_faults(AnypointFaults::default());
    let touched = platform.change(&AnypointChange { seed: 1, publish: 1, ..AnypointChange::default() });
    let touched = touched["published"].as_array().unwrap().len();
    let (code, ledger, lines) = sync(&installation, &[]).await;
    assert_eq!((code, lines.len()), (0, touched), "{ledger}");
    assert_eq!(platform.calls()["file"], 1, "instances of one version share its file");
    assert_eq!(differences(&inventory(&installation), &truth(&platform)), [""; 0]);
    let changed = documents(&installation, "version:'1.0.2'");
    let change = &changed[0]["history"][0]["definition"][0];
    assert_eq!(
        (change["aspect"].as_str(), change["breaking"].as_bool()),
        (Some("operation"), Some(false)),
        "{changed:?}"
    );

    platform.change(&AnypointChange { seed: 2, add: 2, remove: 3, ..AnypointChange::default() });
    let (code, ledger, lines) = sync(&installation, &[]).await;
    assert!(code == 0 && gone(&lines) >= 3, "{ledger}");
    assert_eq!(causes(&lines), BTreeSet::from(["deleted_at_source".to_owned()]));
    assert_eq!(differences(&inventory(&installation), &truth(&platform)), [""; 0]);

    platform.change(&AnypointChange { seed: 3, remove_environments: 1, ..AnypointChange::default() });
    let (code, ledger, lines) = sync(&installation, &[]).await;
    assert_eq!((code, causes(&lines)), (0, BTreeSet::from(["deleted_at_source".to_owned()])), "{ledger}");
    assert_eq!(differences(&inventory(&installation), &truth(&platform)), [""; 0]);
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_business_group_that_was_taken_away_is_told_as_such() {
    let platform = start(AnypointOptions { seed: 6, apis: 3, ..AnypointOptions::default() }).await.unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let installation = installation(&platform, scratch.path());
    sync(&installation, &[]).await;
    let root = text(&platform.banner(), "organizationId");
    // The last group has none below it.
    let all = truth(&platform);
    let group = all.keys().filter_map(|id| id.split('/').next()).rfind(|id| *id != root).unwrap().to_owned();
    let lost = all.keys().filter(|id| id.starts_with(&group)).count();
    platform.set_faults(AnypointFaults { hide_group: Some(group.clone()), ..AnypointFaults::default() });
    let (code, ledger, lines) = sync(&installation, &[]).await;
    let causes = causes(&lines);
    // Whatever lies below it is hidden with it.
    assert!(code == 0 && gone(&lines) >= lost, "{causes:?} {ledger}");
    assert_eq!(causes, BTreeSet::from(["permission_lost".to_owned()]));
    platform.set_faults(AnypointFaults::default());
    sync(&installation, &[]).await;
    assert_eq!(differences(&inventory(&installation), &all), [""; 0]);
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_list_of_a_missing_scope_is_noted_and_what_it_held_is_held() {
    let platform = platform(8).await;
    let scratch = tempfile::tempdir().unwrap();
    let installation = Installation::new(scratch.path(), &settings(&platform, "callsPerSecond = 1000\n"));
    sync(&installation, &[]).await;
    let before = inventory(&installation);
    let environment = text(&platform.banner(), "environmentId");
    platform.set_faults(AnypointFaults { empty_environment: Some(environment), ..AnypointFaults::default() });
    let (code, ledger, lines) = sync(&installation, &[]).await;
    // They answer when they are asked for by their ids, which proves the list short.
    assert_eq!((code, gone(&lines)), (1, 0), "{ledger}");
    assert!(ledger.to_string().contains("apis answer when they are asked for, and were not listed"), "{ledger}");
    assert!(ledger.to_string().contains("lacks the scope `View APIs Configuration`"), "{ledger}");
    assert_eq!(inventory(&installation), before);
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_definition_is_kept_with_its_reason_and_cannot_be_scanned() {
    let platform = platform(10).await;
    let scratch = tempfile::tempdir().unwrap();
    let installation = installation(&platform, scratch.path());
    let name = part(&platform, 3, |api| {
        api["definitionState"] == "stored" && api["id"].as_str().unwrap().contains("/exchange/")
    });
    platform.set_faults(AnypointFaults { nonsense_file: Some(name.clone()), ..AnypointFaults::default() });
    let (code, ledger, _) = sync(&installation, &[]).await;
    assert_eq!(code, 0, "{ledger}");
    let found = documents(&installation, &format!("assetId:'{name}'"));
    let api = &found[0]["asset"]["assetDetail"]["apiAssetClass"];
    assert_eq!((api["definitionState"].as_str(), api["scanReady"].as_bool()), (Some("failed"), Some(false)), "{api}");
    assert_eq!(api["scanReadyReasons"][0], "definition_failed");
    assert!(ledger.to_string().contains("cannot be read"), "{ledger}");
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_test_tells_the_failures_apart() {
    let platform = start(AnypointOptions { seed: 11, apis: 3, ..AnypointOptions::default() }).await.unwrap();
    let scratch = tempfile::tempdir().unwrap();
    installation(&platform, scratch.path());
    let settings = scratch.path().join("connector.toml");
    let check = async || run(&["sync", settings.to_str().unwrap(), "--check"]).await;
    let outcome = check().await;
    assert_eq!((outcome.code, outcome.stdout.matches("ok ").count()), (0, 5), "{}", outcome.stdout);
    let off = AnypointFaults::default;
    let environment = text(&platform.banner(), "environmentId");
    for (faults, failed, remedy) in [
        (AnypointFaults { hide_environments: true, ..off() }, "FAILED  business groups", "View Environment"),
        (AnypointFaults { forbid_environment: Some(environment), ..off() }, "FAILED  APIs", "View APIs Configuration"),
        (AnypointFaults { forbid_exchange: true, ..off() }, "FAILED  Exchange asset", "Exchange Viewer"),
        (AnypointFaults { foreign_link: true, ..off() }, "FAILED  definition", "none of the hosts"),
    ] {
        platform.set_faults(faults);
        let outcome = check().await;
        assert_eq!(outcome.code, 1);
        assert!(outcome.stdout.contains(failed) && outcome.stdout.contains(remedy), "{}", outcome.stdout);
    }
    platform.set_faults(off());
    let right = std::fs::read_to_string(&settings).unwrap();
    std::fs::write(&settings, right.replace("Lab-a-client", "wrong")).unwrap();
    let outcome = check().await;
    assert!(outcome.stdout.contains("FAILED  sign in"), "{}", outcome.stdout);
    assert!(!outcome.stdout.contains("wrong-secret"), "{}", outcome.stdout);
    // A user in place of the app.
    let banner = platform.banner();
    let app = right.lines().filter(|line| !line.starts_with("client")).collect::<Vec<_>>().join("\n");
    let (name, password) = (text(&banner, "username"), text(&banner, "password"));
    let user = app.replace("[endpoints]", &format!("username = \"{name}\"\npassword = \"{password}\"\n[endpoints]"));
    std::fs::write(&settings, user).unwrap();
    let outcome = check().await;
    assert_eq!(outcome.code, 0, "{}", outcome.stdout);
    platform.stop().await;
}
