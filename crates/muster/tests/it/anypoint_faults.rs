//! Faults of MuleSoft's Anypoint Platform, and its size: what a run says, and what it must not do.

use muster_lab::anypoint::{AnypointFaults, AnypointOptions, RunningAnypoint, WrongTotal, start};

use crate::anypoint::{
    counter, differences, documents, gaps, installation, inventory, platform, settings, text, truth,
};
use crate::command::Installation;
use crate::simulated::{gone, sync};

/// An asset that has a definition and an instance.
fn served_asset(installation: &Installation) -> Option<String> {
    let served = documents(installation, "definitionState:stored and runtimeStatus:active");
    served[0]["asset"]["assetDetail"]["apiAssetClass"]["assetId"].as_str().map(str::to_owned)
}

/// Each fault that must be told, and words of what is told.
fn faults(platform: &RunningAnypoint, installation: &Installation) -> Vec<(AnypointFaults, &'static str)> {
    let root = text(&platform.banner(), "organizationId");
    let all = truth(platform);
    let below = all.keys().filter_map(|id| id.split('/').next()).find(|id| *id != root).map(str::to_owned);
    let environment = Some(text(&platform.banner(), "environmentId"));
    let asset = served_asset(installation);
    let off = AnypointFaults::default;
    vec![
        (AnypointFaults { lose_page: true, ..off() }, "came of"),
        (AnypointFaults { ignore_offset: true, ..off() }, "brings nothing new"),
        (AnypointFaults { lose_instance: true, ..off() }, "of its"),
        (AnypointFaults { total: Some(WrongTotal::Greater), ..off() }, "came of"),
        (AnypointFaults { total: Some(WrongTotal::Changing), ..off() }, "the total changes while the list is read"),
        (AnypointFaults { forbid_group: below.clone(), ..off() }, "View Environment"),
        (AnypointFaults { cut_group: below, ..off() }, "is named and not shown"),
        (AnypointFaults { forbid_environment: environment, ..off() }, "View APIs Configuration"),
        (AnypointFaults { hide_environments: true, ..off() }, "no environment is visible"),
        (AnypointFaults { forbid_exchange: true, ..off() }, "Exchange Viewer"),
        (AnypointFaults { fail_asset: asset.clone(), retry_after: Some(0), ..off() }, "status 500"),
        (AnypointFaults { html_asset: asset.clone(), ..off() }, "cannot be read as what was asked for"),
        (AnypointFaults { hide_asset: asset.clone(), ..off() }, "Exchange Viewer"),
        (AnypointFaults { empty_asset: asset.clone(), ..off() }, "the answer is no asset"),
        (AnypointFaults { no_link: asset.clone(), ..off() }, "Exchange gives no link to it"),
        (AnypointFaults { damage_file: asset, ..off() }, "its SHA-1 is not the one that Exchange has"),
        (AnypointFaults { foreign_link: true, ..off() }, "storage.attacker.example"),
        (AnypointFaults { redirect_link: true, ..off() }, "a redirect to"),
        (AnypointFaults { expire_links: 10_000, ..off() }, "the storage refuses the link"),
        (AnypointFaults { throttle_sign_in: 10_000, retry_after: Some(0), ..off() }, "status 429"),
        (AnypointFaults { throttle_every: 1, retry_after: Some(0), ..off() }, "status 429"),
        (AnypointFaults { throttle_every: 1, reset_after: Some(900), ..off() }, "asks to wait 900 s"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_leaves_a_partial_run_that_names_the_gap_and_takes_nothing() {
    let platform = platform(7).await;
    let scratch = tempfile::tempdir().unwrap();
    let installation = installation(&platform, scratch.path());
    sync(&installation, &[]).await;
    let before = inventory(&installation);
    for (fault, told) in faults(&platform, &installation) {
        platform.set_faults(fault.clone());
        let (code, ledger, lines) = sync(&installation, &["--full"]).await;
        // A run that read nothing failed.
        let read_nothing = fault.hide_environments || fault.throttle_sign_in > 0 || fault.throttle_every == 1;
        assert_eq!((code, gone(&lines)), (if read_nothing { 1 } else { 3 }, 0), "{fault:?}: {ledger}");
        assert!(ledger.to_string().contains(told), "{fault:?}: {} {}", gaps(&ledger), ledger["notes"]);
        assert_eq!(differences(&inventory(&installation), &before), [""; 0], "{fault:?}");
    }
    platform.set_faults(AnypointFaults::default());
    let (code, ..) = sync(&installation, &["--full"]).await;
    assert_eq!((code, inventory(&installation)), (0, before));
    platform.stop().await;
}

/// Nothing is known yet, so nothing can stay: what comes is right, or is told as not known.
#[tokio::test(flavor = "multi_thread")]
async fn no_fault_of_a_first_run_makes_a_wrong_definition() {
    let sizes = AnypointOptions { groups: 1, environments: 2, apis: 4, ..AnypointOptions::default() };
    let platform = start(AnypointOptions { seed: 13, ..sizes }).await.unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let known = installation(&platform, &scratch.path().join("known"));
    sync(&known, &[]).await;
    let right = truth(&platform);
    // Those under which nothing at all is read make nothing.
    let reads = |fault: &AnypointFaults| fault.throttle_sign_in == 0 && fault.throttle_every == 0;
    let faults = faults(&platform, &known).into_iter().map(|(fault, _)| fault).filter(reads);
    for (n, fault) in faults.enumerate() {
        platform.set_faults(fault.clone());
        let first = installation(&platform, &scratch.path().join(n.to_string()));
        let (code, ledger, _) = sync(&first, &[]).await;
        assert!(code == 3 || code == 1, "{fault:?}: {ledger}");
        if code == 3 {
            for (id, (name, url, state, endpoints)) in inventory(&first) {
                match state.as_str() {
                    "failed" => assert!(endpoints.is_empty(), "{fault:?}: {id} {endpoints:?}"),
                    _ => assert_eq!(right.get(&id), Some(&(name, url, state, endpoints)), "{fault:?}: {id}"),
                }
            }
        }
        platform.set_faults(AnypointFaults::default());
        let (code, ledger, _) = sync(&first, &[]).await;
        assert_eq!((code, differences(&inventory(&first), &right)), (0, Vec::new()), "{fault:?}: {ledger}");
    }
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_that_is_not_listed_keeps_its_definition_while_that_cannot_be_had() {
    let platform = platform(14).await;
    let scratch = tempfile::tempdir().unwrap();
    let installation = Installation::new(scratch.path(), &settings(&platform, "callsPerSecond = 1000\n"));
    sync(&installation, &[]).await;
    let before = inventory(&installation);
    let environment = text(&platform.banner(), "environmentId");
    assert!(before.values().any(|told| told.2 == "stored"));
    let (empty_environment, expire_links) = (Some(environment), 10_000);
    platform.set_faults(AnypointFaults { empty_environment, expire_links, ..AnypointFaults::default() });
    let (_, ledger, lines) = sync(&installation, &[]).await;
    assert_eq!((gone(&lines), differences(&inventory(&installation), &before)), (0, Vec::new()), "{ledger}");
    platform.stop().await;
}

/// A thousand instances, forty environments, ten business groups.
#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_instances_are_the_platforms_truth_and_the_second_run_fetches_nothing() {
    let sizes = AnypointOptions { groups: 9, environments: 4, apis: 25, page: 20, ..AnypointOptions::default() };
    let platform = start(AnypointOptions { seed: 15, ..sizes }).await.unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let installation = installation(&platform, scratch.path());
    let (code, ledger, _) = sync(&installation, &[]).await;
    let wanted = truth(&platform);
    let banner = platform.banner();
    let size = |key: &str| banner[key].as_u64().unwrap();
    assert_eq!((code, size("apis"), size("environments"), size("businessGroups")), (0, 1000, 40, 10), "{ledger}");
    assert!(wanted.len() > 1000, "and what no instance serves");
    let all = documents(&installation, "inventory.status:present");
    let legacy = all.iter().filter(|one| one["asset"]["assetDetail"]["apiAssetClass"]["assetId"].is_null());
    assert!(legacy.count() > 50, "and legacy rows");
    assert_eq!(differences(&inventory(&installation), &wanted), [""; 0]);
    platform.set_faults(AnypointFaults::default());
    let (code, ledger, lines) = sync(&installation, &[]).await;
    let unchanged = usize::try_from(counter(&ledger, "unchanged")).unwrap();
    assert_eq!((code, lines.len(), unchanged), (0, 0, wanted.len()), "{ledger}");
    assert_eq!(platform.calls().get("file"), None);
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_that_can_be_lived_with_leave_a_complete_run() {
    let off = AnypointFaults::default;
    for fault in [
        AnypointFaults { throttle_every: 40, retry_after: Some(0), ..off() },
        AnypointFaults { throttle_every: 100, throttle_status: Some(503), reset_after: Some(1), ..off() },
        AnypointFaults { throttle_every: 40, throttle_status: Some(500), retry_after: Some(0), ..off() },
        AnypointFaults { throttle_sign_in: 2, retry_after: Some(0), ..off() },
        // It ends in the middle of each list and of each environment.
        AnypointFaults { token_lasts: 7, ..off() },
        AnypointFaults { expire_links: 1, ..off() },
        AnypointFaults { drip: true, ..off() },
        AnypointFaults { total: Some(WrongTotal::Smaller), ..off() },
        AnypointFaults { total: Some(WrongTotal::ChangedOnce), ..off() },
    ] {
        let platform =
            start(AnypointOptions { seed: 9, groups: 1, apis: 5, ..AnypointOptions::default() }).await.unwrap();
        let scratch = tempfile::tempdir().unwrap();
        let installation = installation(&platform, scratch.path());
        platform.set_faults(fault.clone());
        let (code, ledger, _) = sync(&installation, &[]).await;
        assert_eq!(code, 0, "{fault:?}: {ledger}");
        assert_eq!(differences(&inventory(&installation), &truth(&platform)), [""; 0], "{fault:?}");
        platform.stop().await;
    }
}
