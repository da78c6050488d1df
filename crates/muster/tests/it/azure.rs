//! Azure API Management, simulated, and the binary beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use muster_lab::azure::{AzureChange, AzureFaults, AzureOptions, RunningAzure, start};
use serde_json::Value as Json;

use crate::command::Installation;
use crate::simulated::{gone, run, sync};

pub(crate) async fn tenant(seed: u64) -> RunningAzure {
    start(AzureOptions { seed, workspace: 3, ..AzureOptions::default() }).await.unwrap()
}

pub(crate) fn installation(tenant: &RunningAzure, scratch: &Path) -> Installation {
    with_profile(tenant, scratch, "")
}

/// With parameters of the profile, a line each.
pub(crate) fn with_profile(tenant: &RunningAzure, scratch: &Path, profile: &str) -> Installation {
    let banner = tenant.banner();
    let text = |key: &str| banner[key].as_str().unwrap().to_owned();
    let (url, storage) = (tenant.url(), text("storage"));
    Installation::new(
        scratch,
        &format!(
            "type = \"azure_api_management\"\nname = \"lab\"\n[authentication]\ntenantId = \"{}\"\nclientId = \"{}\"\n\
             clientSecret = \"{}\"\n[endpoints]\nlogin = \"{url}\"\nmanagement = \"{url}\"\nstorage = \"{storage}\"\n\
             [profile]\n{profile}\n",
            text("tenantId"),
            text("clientId"),
            text("clientSecret"),
        ),
    )
}

/// What one API is, in the words that truth and inventory share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) name: String,
    pub(crate) url: String,
    pub(crate) state: String,
    pub(crate) endpoints: BTreeSet<String>,
    /// Whether a call needs a key; empty where that is not known.
    pub(crate) access: String,
    pub(crate) products: BTreeSet<String>,
}

impl Told {
    /// Of a document with these keys, and its endpoints.
    fn of(document: &Json, name: &Json, endpoints: BTreeSet<String>) -> Self {
        let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
        let products = document["products"].as_array().into_iter().flatten().map(text).collect();
        let (url, state, access) =
            (text(&document["url"]), text(&document["definitionState"]), text(&document["access"]));
        Self { name: text(name), url, state, endpoints, access, products }
    }
}

/// The tenant's APIs as callers reach them.
pub(crate) fn truth(tenant: &RunningAzure) -> BTreeMap<String, Told> {
    truth_of(tenant, |api| api["current"] == true)
}

pub(crate) fn truth_of(tenant: &RunningAzure, wanted: impl Fn(&Json) -> bool) -> BTreeMap<String, Told> {
    let truth = tenant.truth();
    let one = |api: &Json| {
        let endpoints = api["endpoints"].as_array().unwrap().iter().map(|line| line.as_str().unwrap().to_owned());
        (api["id"].as_str().unwrap().to_owned(), Told::of(api, &api["name"], endpoints.collect()))
    };
    truth.as_array().unwrap().iter().filter(|api| wanted(api)).map(one).collect()
}

/// The inventory's APIs that are there.
pub(crate) fn inventory(installation: &Installation) -> BTreeMap<String, Told> {
    let state = installation.state();
    let outcome = crate::command::muster(&[
        "query",
        "--state",
        state.to_str().unwrap(),
        "--class",
        "api",
        "inventory.status:present",
        "--limit",
        "1000",
        "--format",
        "json",
    ]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let one = |line: &str| {
        let document: Json = serde_json::from_str(line).unwrap();
        let detail = &document["asset"]["assetDetail"];
        let api = &detail["apiAssetClass"];
        let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
        let endpoints = api["endpoints"].as_array().unwrap().iter();
        let endpoints = endpoints.map(|found| format!("{} {}", text(&found["method"]), text(&found["path"])));
        let told = Told::of(api, &detail["name"], endpoints.collect());
        (text(&document["asset"]["assetHeader"]["externalAssetId"]), told)
    };
    outcome.stdout.lines().map(one).collect()
}

pub(crate) fn counter(ledger: &Json, name: &str) -> u64 {
    let lines = ledger["ledger"].as_array().unwrap();
    lines.iter().map(|line| line[name].as_u64().unwrap_or(0)).sum()
}

/// Why scopes are open, joined.
pub(crate) fn gaps(ledger: &Json) -> String {
    let lines = ledger["ledger"].as_array().unwrap();
    lines.iter().map(|line| line["evidence"].to_string()).collect::<Vec<_>>().join("; ")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_inventory_is_the_tenants_truth_and_the_second_run_asks_for_no_definition() {
    for seed in [1, 2, 3] {
        let tenant = tenant(seed).await;
        let scratch = tempfile::tempdir().unwrap();
        let installation = installation(&tenant, scratch.path());
        let (code, ledger, lines) = sync(&installation, &[]).await;
        assert_eq!((code, ledger["result"].as_str(), lines.len()), (0, Some("complete"), 52), "{ledger}");
        let figures = "52 APIs in 4 services: about 156 calls and 0 s at the least, 208 calls and 0 s where every definition is exported";
        assert_eq!(ledger["notes"], serde_json::json!([figures]));
        assert_eq!(inventory(&installation), truth(&tenant), "seed {seed}");
        for line in &lines {
            let api = &line["asset"]["assetDetail"]["apiAssetClass"];
            match api["masifLocation"].as_str() {
                // What an exact location names is there, beside the output.
                Some(location) => {
                    let bytes = std::fs::read(scratch.path().join(location)).unwrap();
                    assert!(location.starts_with("definitions/") && !bytes.is_empty(), "{location}");
                }
                None => assert_eq!(api["definitionState"], "none"),
            }
        }
        tenant.set_faults(AzureFaults::default());
        let (code, ledger, lines) = sync(&installation, &[]).await;
        let asked = tenant.calls();
        assert_eq!((code, lines.len(), counter(&ledger, "unchanged")), (0, 0, 52), "{ledger}");
        assert_eq!((asked.get("export"), asked.get("download")), (None, None), "{asked:?}");
        tenant.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changed_is_exported_and_what_went_is_gone_for_its_cause() {
    let tenant = tenant(4).await;
    let scratch = tempfile::tempdir().unwrap();
    let installation = installation(&tenant, scratch.path());
    sync(&installation, &[]).await;
    tenant.set_faults(AzureFaults::default());
    tenant.change(&AzureChange { seed: 1, edit: 1, ..AzureChange::default() });
    let (code, ledger, lines) = sync(&installation, &[]).await;
    assert_eq!((code, lines.len(), counter(&ledger, "updated")), (0, 1, 1), "{ledger}");
    assert_eq!((tenant.calls()["export"], tenant.calls()["download"]), (1, 1));
    assert_eq!(inventory(&installation), truth(&tenant));
    let state = installation.state();
    let outcome = run(&[
        "query",
        "--state",
        state.to_str().unwrap(),
        "--class",
        "api",
        "--history",
        "--format",
        "json",
        "inventory.lastUpdated>now-1h",
        "--limit",
        "1000",
    ])
    .await;
    let documents = outcome.stdout.lines().map(|line| serde_json::from_str::<Json>(line).unwrap());
    let told: Vec<Json> = documents.flat_map(|document| document["history"].as_array().cloned().unwrap()).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    let change = &told[0]["definition"][0];
    assert_eq!((change["aspect"].as_str(), change["breaking"].as_bool()), (Some("operation"), Some(false)), "{told:?}");
    let added = change["after"].as_str().unwrap();
    assert!(truth(&tenant).values().any(|told| told.endpoints.contains(added)), "{added}");

    tenant.change(&AzureChange { seed: 2, add: 1, remove: 2, ..AzureChange::default() });
    let (code, ledger, lines) = sync(&installation, &[]).await;
    assert_eq!((code, counter(&ledger, "created"), gone(&lines)), (0, 1, 2), "{ledger}");
    let causes: BTreeSet<&str> = lines.iter().filter_map(|line| line["gone"]["cause"].as_str()).collect();
    assert_eq!(causes, BTreeSet::from(["deleted_at_source"]));
    assert_eq!(inventory(&installation), truth(&tenant));
    tenant.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_was_taken_away_is_told_as_such() {
    let tenant = start(AzureOptions { seed: 5, apis: 4, ..AzureOptions::default() }).await.unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let installation = installation(&tenant, scratch.path());
    sync(&installation, &[]).await;
    tenant.set_faults(AzureFaults { hide_service: Some("gate-0-1".to_owned()), ..AzureFaults::default() });
    let (code, ledger, lines) = sync(&installation, &[]).await;
    assert_eq!((code, gone(&lines)), (0, 4), "{ledger}");
    let causes: BTreeSet<&str> = lines.iter().filter_map(|line| line["gone"]["cause"].as_str()).collect();
    assert_eq!(causes, BTreeSet::from(["permission_lost"]));
    tenant.set_faults(AzureFaults::default());
    let (_, ledger, _) = sync(&installation, &[]).await;
    assert_eq!(counter(&ledger, "reappeared"), 4, "{ledger}");
    assert_eq!(inventory(&installation), truth(&tenant));
    tenant.stop().await;
}

/// A list without end mark that was cut short: what answers when it is asked for is there.
#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_not_listed_and_answers_keeps_its_apis() {
    let tenant = start(AzureOptions { seed: 5, apis: 4, ..AzureOptions::default() }).await.unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let installation = installation(&tenant, scratch.path());
    sync(&installation, &[]).await;
    let before = inventory(&installation);
    tenant.set_faults(AzureFaults { unlist_service: Some("gate-0-1".to_owned()), ..AzureFaults::default() });
    let (code, ledger, lines) = sync(&installation, &[]).await;
    assert_eq!((code, gone(&lines), inventory(&installation)), (3, 0, before), "{ledger}");
    assert!(ledger.to_string().contains("apis answer when they are asked for, and were not listed"), "{ledger}");
    tenant.set_faults(AzureFaults::default());
    assert_eq!(sync(&installation, &[]).await.0, 0);
    tenant.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_leaves_a_partial_run_that_names_the_gap_and_takes_nothing() {
    let tenant = tenant(6).await;
    let scratch = tempfile::tempdir().unwrap();
    let installation = installation(&tenant, scratch.path());
    sync(&installation, &[]).await;
    let before = inventory(&installation);
    let victim = before.values().find(|told| told.state == "stored" && told.url.ends_with("/v1")).unwrap().name.clone();
    let name = tenant.truth().as_array().unwrap().iter().find(|api| api["name"] == victim.as_str()).unwrap()["id"]
        .as_str()
        .and_then(|id| id.rsplit('/').next())
        .unwrap()
        .to_owned();
    let off = AzureFaults::default;
    let some = |name: &str| Some(name.to_owned());
    let faults = [
        (AzureFaults { lose_page: true, ..off() }, "distinct objects received, the source counts 10"),
        (AzureFaults { repeat_page: true, ..off() }, "distinct objects received, the source counts 10"),
        (AzureFaults { loop_pages: true, ..off() }, "leads back to an earlier one"),
        (AzureFaults { foreign_page: true, ..off() }, "storage.attacker.example"),
        (AzureFaults { forbid_service: some("gate-1-0"), ..off() }, "AuthorizationFailed"),
        (AzureFaults { hide_subscriptions: true, ..off() }, "no subscription is visible"),
        (AzureFaults { html_list: true, ..off() }, "status 403 with a page of HTML"),
        (AzureFaults { storm: some("gate-0-1"), ..off() }, "the server asks to wait 372 s, longer than a run does"),
        (AzureFaults { fail_export: Some(name.clone()), ..off() }, name.as_str()),
        (AzureFaults { html_export: Some(name.clone()), ..off() }, name.as_str()),
        (AzureFaults { foreign_link: true, ..off() }, "storage.attacker.example"),
        (AzureFaults { redirect_link: true, ..off() }, "a redirect to"),
        (AzureFaults { expire_links: 1_000, ..off() }, "the storage answers with status 403"),
    ];
    for (fault, told) in faults {
        tenant.set_faults(fault.clone());
        let (code, ledger, lines) = sync(&installation, &["--full"]).await;
        // Where no scope could be read, the run failed.
        let wanted = if fault.hide_subscriptions || fault.html_list { 1 } else { 3 };
        assert_eq!((code, gone(&lines)), (wanted, 0), "{fault:?}: {ledger}");
        assert!(gaps(&ledger).contains(told), "{fault:?}: {}", gaps(&ledger));
        assert_eq!(inventory(&installation), before, "{fault:?}");
    }
    tenant.set_faults(off());
    let (code, ..) = sync(&installation, &["--full"]).await;
    assert_eq!((code, inventory(&installation)), (0, before));
    tenant.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_that_can_be_lived_with_leave_a_complete_run() {
    for fault in [
        AzureFaults { empty_link: true, ..AzureFaults::default() },
        AzureFaults { odd_link: true, ..AzureFaults::default() },
        AzureFaults { reorder_pages: true, ..AzureFaults::default() },
        AzureFaults { slow_drip: true, ..AzureFaults::default() },
        AzureFaults { throttle_every: 40, ..AzureFaults::default() },
        AzureFaults { expire_links: 1, ..AzureFaults::default() },
        AzureFaults { envelope: Some("specified".to_owned()), ..AzureFaults::default() },
        AzureFaults { envelope: Some("bare".to_owned()), ..AzureFaults::default() },
    ] {
        let tenant = start(AzureOptions { seed: 7, apis: 6, ..AzureOptions::default() }).await.unwrap();
        let scratch = tempfile::tempdir().unwrap();
        let installation = installation(&tenant, scratch.path());
        tenant.set_faults(fault.clone());
        let (code, ledger, _) = sync(&installation, &[]).await;
        assert_eq!((code, inventory(&installation)), (0, truth(&tenant)), "{fault:?}: {ledger}");
        tenant.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_apis_document_is_fetched_again_and_else_told_as_suspect() {
    let tenant = tenant(8).await;
    let scratch = tempfile::tempdir().unwrap();
    let installation = installation(&tenant, scratch.path());
    let all = tenant.truth();
    let id = |api: &Json| api["id"].as_str().unwrap().to_owned();
    let victim = all.as_array().unwrap().iter().rfind(|api| api["type"] == "http").map(id).unwrap();
    let name = victim.rsplit('/').next().map(str::to_owned);
    tenant.set_faults(AzureFaults { mix_up: name.clone(), mix_up_times: 1, ..AzureFaults::default() });
    let (code, ..) = sync(&installation, &[]).await;
    assert_eq!((code, inventory(&installation)), (0, truth(&tenant)), "the second document is the API's own");
    tenant.set_faults(AzureFaults { mix_up: name, mix_up_times: 2, ..AzureFaults::default() });
    let (_, ledger, lines) = sync(&installation, &["--full"]).await;
    assert_eq!(lines.len(), 1, "{ledger}");
    let api = &lines[0]["asset"]["assetDetail"]["apiAssetClass"];
    assert_eq!((api["definitionState"].as_str(), api["scanReady"].as_bool()), (Some("suspect"), Some(false)), "{api}");
    assert!(ledger.to_string().contains("is suspect: its title is"), "{ledger}");
    tenant.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_test_tells_the_failures_apart() {
    let tenant = start(AzureOptions { seed: 9, apis: 3, ..AzureOptions::default() }).await.unwrap();
    let scratch = tempfile::tempdir().unwrap();
    installation(&tenant, scratch.path());
    let settings = scratch.path().join("connector.toml");
    let check = async || run(&["sync", settings.to_str().unwrap(), "--check"]).await;
    let outcome = check().await;
    assert_eq!((outcome.code, outcome.stdout.matches("ok ").count()), (0, 5), "{}", outcome.stdout);
    let some = |name: &str| Some(name.to_owned());
    let all = tenant.truth();
    let exported = all.as_array().unwrap().iter().find(|api| api["type"] == "http" || api["type"] == "soap").unwrap();
    let exported = exported["id"].as_str().and_then(|id| id.rsplit('/').next()).map(str::to_owned);
    for (faults, failed, remedy) in [
        (
            AzureFaults { hide_subscriptions: true, ..AzureFaults::default() },
            "FAILED  subscriptions no subscription is visible",
            "az role assignment create --assignee aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee --role Reader",
        ),
        (
            AzureFaults { forbid_service: some("gate-0-0"), ..AzureFaults::default() },
            "FAILED  APIs",
            "az role assignment create",
        ),
        (AzureFaults { fail_export: exported, ..AzureFaults::default() }, "FAILED  export", ""),
    ] {
        tenant.set_faults(faults);
        let outcome = check().await;
        assert_eq!(outcome.code, 1);
        assert!(outcome.stdout.contains(failed) && outcome.stdout.contains(remedy), "{}", outcome.stdout);
    }
    tenant.set_faults(AzureFaults::default());
    let text = std::fs::read_to_string(&settings).unwrap();
    std::fs::write(&settings, text.replace("Lab8Q~", "wrong")).unwrap();
    let outcome = check().await;
    assert!(outcome.stdout.contains("FAILED  sign in      the client secret is wrong"), "{}", outcome.stdout);
    assert!(!outcome.stdout.contains("wronga-client"), "{}", outcome.stdout);
    tenant.stop().await;
}
