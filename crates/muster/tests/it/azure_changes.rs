//! A simulated tenant that changes, throttles and is signed in to in other ways.

use std::collections::BTreeSet;

use muster_lab::azure::{AzureChange, AzureFaults, AzureOptions, start};

use crate::azure::{counter, gaps, installation, inventory, tenant, truth, truth_of, with_profile};
use crate::simulated::{gone, run, sync};

fn causes(lines: &[serde_json::Value]) -> BTreeSet<&str> {
    lines.iter().filter_map(|line| line["gone"]["cause"].as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_moved_is_at_its_new_place_and_deleted_at_the_old_one() {
    let options = AzureOptions { seed: 12, apis: 3, workspace: 2, ..AzureOptions::default() };
    let tenant = start(options).await.unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let installation = installation(&tenant, scratch.path());
    sync(&installation, &[]).await;
    tenant.change(&AzureChange { seed: 3, move_services: 1, ..AzureChange::default() });
    let (code, ledger, lines) = sync(&installation, &[]).await;
    assert_eq!((code, counter(&ledger, "created"), gone(&lines)), (0, 5, 5), "{ledger}");
    assert_eq!(causes(&lines), BTreeSet::from(["deleted_at_source"]));
    assert_eq!(inventory(&installation), truth(&tenant));
    tenant.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_version_or_revision_is_the_same_api_changed() {
    let tenant = tenant(13).await;
    let scratch = tempfile::tempdir().unwrap();
    let installation = installation(&tenant, scratch.path());
    sync(&installation, &[]).await;
    for change in [
        AzureChange { seed: 1, version: 1, ..AzureChange::default() },
        AzureChange { seed: 2, revise: 1, ..AzureChange::default() },
    ] {
        let before = inventory(&installation);
        tenant.change(&change);
        tenant.set_faults(AzureFaults::default());
        let (code, ledger, lines) = sync(&installation, &[]).await;
        assert_eq!((code, lines.len(), counter(&ledger, "updated")), (0, 1, 1), "{change:?}: {ledger}");
        assert_eq!((tenant.calls()["export"], tenant.calls()["download"]), (1, 1), "{change:?}");
        let after = inventory(&installation);
        assert_eq!(after, truth(&tenant), "{change:?}");
        assert!(before != after && before.keys().eq(after.keys()), "{change:?}");
    }
    tenant.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn earlier_revisions_are_apis_of_their_own_where_they_are_asked_for() {
    let tenant = tenant(14).await;
    tenant.change(&AzureChange { seed: 5, revise: 6, ..AzureChange::default() });
    let scratch = tempfile::tempdir().unwrap();
    let installation = with_profile(&tenant, scratch.path(), "revisions = \"all\"");
    let (code, ledger, _) = sync(&installation, &[]).await;
    let all = truth_of(&tenant, |_| true);
    assert_eq!((code, inventory(&installation)), (0, all.clone()), "{ledger}");
    assert_eq!(all.values().filter(|told| told.url.contains(";rev=")).count(), 6);
    // An unchanged tenant costs no export: revisions are known by their marks as others are.
    tenant.set_faults(AzureFaults::default());
    let (code, ledger, lines) = sync(&installation, &[]).await;
    assert_eq!((code, lines.len(), tenant.calls().get("export")), (0, 0, None), "{ledger}");
    // Not asked for any more, they are there and none of its business.
    let text = std::fs::read_to_string(scratch.path().join("connector.toml")).unwrap();
    std::fs::write(scratch.path().join("connector.toml"), text.replace("\"all\"", "\"current\"")).unwrap();
    let (code, ledger, lines) = sync(&installation, &[]).await;
    assert_eq!((code, gone(&lines), causes(&lines)), (0, 6, BTreeSet::from(["out_of_scope"])), "{ledger}");
    assert_eq!(inventory(&installation), truth(&tenant));
    tenant.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partial_run_is_not_all_read_again() {
    let tenant = tenant(15).await;
    let scratch = tempfile::tempdir().unwrap();
    let installation = installation(&tenant, scratch.path());
    let all = tenant.truth();
    let victim = all.as_array().unwrap().iter().find(|api| api["type"] == "http").unwrap()["id"].as_str().unwrap();
    let name = victim.rsplit('/').next().map(str::to_owned);
    let faults = || AzureFaults { html_export: name.clone(), ..AzureFaults::default() };
    tenant.set_faults(faults());
    let (code, ledger, lines) = sync(&installation, &[]).await;
    assert_eq!((code, lines.len()), (3, 52), "{ledger}");
    for _ in 0..2 {
        tenant.set_faults(faults());
        let (code, ledger, lines) = sync(&installation, &[]).await;
        assert_eq!((code, lines.len(), tenant.calls()["export"]), (3, 0, 1), "{ledger}");
    }
    // A page that is lost loses no marks.
    tenant.set_faults(AzureFaults { lose_page: true, ..AzureFaults::default() });
    let (code, ledger, lines) = sync(&installation, &[]).await;
    assert_eq!((code, lines.len(), tenant.calls()["export"]), (3, 1, 1), "{ledger}");
    tenant.set_faults(AzureFaults::default());
    let (code, ledger, lines) = sync(&installation, &[]).await;
    assert_eq!((code, lines.len(), tenant.calls().get("export")), (0, 0, None), "{ledger}");
    assert_eq!(inventory(&installation), truth(&tenant));
    tenant.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn exports_of_one_family_take_turns() {
    let tenant = start(AzureOptions { seed: 16, apis: 24, ..AzureOptions::default() }).await.unwrap();
    tenant.change(&AzureChange { seed: 5, revise: 12, ..AzureChange::default() });
    tenant.set_faults(AzureFaults { mix_families: true, ..AzureFaults::default() });
    let scratch = tempfile::tempdir().unwrap();
    let installation = with_profile(&tenant, scratch.path(), "revisions = \"all\"");
    let (code, ledger, _) = sync(&installation, &[]).await;
    assert_eq!((code, tenant.calls().get("mixed")), (0, None), "{ledger}");
    assert_eq!(inventory(&installation), truth_of(&tenant, |_| true));
    tenant.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_service_that_throttles_for_minutes_keeps_no_other_waiting() {
    let tenant = tenant(17).await;
    let scratch = tempfile::tempdir().unwrap();
    let installation = installation(&tenant, scratch.path());
    tenant.set_faults(AzureFaults { storm: Some("gate-0-0".to_owned()), ..AzureFaults::default() });
    let begun = std::time::Instant::now();
    let (code, ledger, _) = sync(&installation, &[]).await;
    assert!(gaps(&ledger).contains("asks to wait 372 s"), "{ledger}");
    assert_eq!(code, 3);
    assert!(begun.elapsed().as_secs() < 50, "it waits for nobody: {:?}", begun.elapsed());
    // The subscription's rate is shut for all of it; the other one's is not.
    let other: BTreeSet<String> = truth(&tenant).into_keys().filter(|id| id.contains("/gate-1-")).collect();
    assert!(!other.is_empty() && inventory(&installation).into_keys().collect::<BTreeSet<_>>().is_superset(&other));
    tenant.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_keep_to_what_azure_allows_and_says() {
    let options =
        AzureOptions { seed: 18, subscriptions: 1, services: 1, apis: 80, limited: true, ..AzureOptions::default() };
    let limited = start(options).await.unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let installation_of_limited = installation(&limited, scratch.path());
    let (code, ledger, _) = sync(&installation_of_limited, &[]).await;
    assert_eq!((code, limited.calls().get("throttled")), (0, None), "{ledger}");
    assert!(counter(&ledger, "calls") > 300 && counter(&ledger, "throttledMs") > 1_000, "{ledger}");
    limited.stop().await;

    // Another client of the same app has left so many.
    let shared = start(AzureOptions { seed: 19, apis: 5, ..AzureOptions::default() }).await.unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let installation = installation(&shared, scratch.path());
    let (_, ledger, _) = sync(&installation, &["--full"]).await;
    assert_eq!(counter(&ledger, "throttledMs"), 0, "{ledger}");
    shared.set_faults(AzureFaults { reads_left: Some(1), ..AzureFaults::default() });
    let (code, ledger, _) = sync(&installation, &["--full"]).await;
    assert!(code == 0 && counter(&ledger, "throttledMs") > 500, "{ledger}");
    shared.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_signs_in_as_a_secret_does() {
    let tenant = start(AzureOptions { seed: 20, apis: 2, ..AzureOptions::default() }).await.unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let installation = installation(&tenant, scratch.path());
    let banner = tenant.banner();
    let text = |key: &str| banner[key].as_str().unwrap().to_owned();
    std::fs::write(scratch.path().join("app.pem"), text("certificate")).unwrap();
    let settings = scratch.path().join("connector.toml");
    let secret = format!("clientSecret = \"{}\"", text("clientSecret"));
    let original = std::fs::read_to_string(&settings).unwrap();
    let with = |version: &str, key: &str| {
        let credential = format!("certificate = \"app.pem\"\nprivateKey = '''{key}'''");
        let version = format!("[endpoints]\ntokenVersion = \"{version}\"");
        let changed = original.replace(&secret, &credential).replace("[endpoints]", &version);
        std::fs::write(&settings, changed).unwrap();
    };
    for version in ["v1", "v2"] {
        with(version, &text("privateKey"));
        let (code, ledger, _) = sync(&installation, &["--full"]).await;
        assert_eq!((code, inventory(&installation)), (0, truth(&tenant)), "{version}: {ledger}");
    }
    // One line, as a form has it; and what is no key of the certificate's.
    let line = text("privateKey").replace('\n', " ");
    let body: String = line.split_whitespace().rev().skip(3).take(1).collect();
    for (key, told) in [
        (line.clone(), "ok "),
        (line.replace(&body, ""), "authentication.privateKey"),
        ("no-key-at-all".to_owned(), "it is neither PEM text nor a file"),
    ] {
        with("v2", &key);
        let outcome = run(&["sync", settings.to_str().unwrap(), "--check"]).await;
        let all = format!("{}{}", outcome.stdout, outcome.stderr);
        assert!(all.contains(told) && !all.contains(&body) && !all.contains("no-key-at-all"), "{told}: {all}");
    }
    tenant.stop().await;
}
