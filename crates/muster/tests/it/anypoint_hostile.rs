//! Files of Exchange that are made to hurt who reads them.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use muster_lab::anypoint::{AnypointChange, AnypointFaults, AnypointOptions, HostileFile, RunningAnypoint, start};
use serde_json::Value as Json;

use crate::anypoint::{counter, documents, settings};
use crate::command::Installation;
use crate::memory::highest;
use crate::simulated::sync;

/// Of this machine's processors, whatever else they do; operators have the optimised program.
const MOST_SECONDS: f64 = if cfg!(debug_assertions) { 4.0 } else { 2.0 };
const MOST_MIB: f64 = 200.0;

/// Seconds of processors that a process took so far.
fn spent(id: u32) -> Option<f64> {
    // Hundredths of a second, after the name in parentheses: user and system are the 12th and 13th.
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    Some(fields[11..13].iter().map(|field| field.parse::<f64>().unwrap()).sum::<f64>() / 100.0)
}

/// A first sync of a small platform, what it took of processors, its highest resident set, and what it said.
async fn measured(installation: &Installation) -> (i32, f64, f64, String) {
    tokio::task::block_in_place(|| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_muster"));
        command.arg("sync").arg(installation.directory.join("connector.toml"));
        command.args(["--out", "/dev/null", "--json", "--state"]).arg(installation.state());
        let said = installation.directory.join("said");
        let ledger = std::fs::File::create(&said).unwrap();
        let mut child = command.stdout(Stdio::null()).stderr(ledger).spawn().unwrap();
        // Nobody sends: the channel is a clock that can be waited on.
        let (_sender, clock) = channel::<()>();
        let (mut took, mut peak): (f64, f64) = (0.0, 0.0);
        loop {
            peak = highest(child.id()).map_or(peak, |now| peak.max(now));
            took = spent(child.id()).map_or(took, |now| took.max(now));
            if let Some(status) = child.try_wait().unwrap() {
                return (status.code().unwrap_or(-1), took, peak, std::fs::read_to_string(said).unwrap());
            }
            assert_eq!(clock.recv_timeout(Duration::from_millis(2)), Err(RecvTimeoutError::Timeout));
        }
    })
}

/// Ids of the assets that instances serve, with the formats that their definitions have.
fn assets(found: &[Json]) -> BTreeMap<String, String> {
    let one = |document: &Json| {
        let api = &document["asset"]["assetDetail"]["apiAssetClass"];
        Some((api["assetId"].as_str()?.to_owned(), api["specFormat"].as_str()?.to_owned()))
    };
    found.iter().filter_map(one).collect()
}

async fn one_environment(apis: u64) -> RunningAnypoint {
    start(AnypointOptions { seed: 3, groups: 0, environments: 1, apis, page: 20, ..AnypointOptions::default() })
        .await
        .unwrap()
}

const PROFILE: &str = "callsPerSecond = 1000\n";

#[tokio::test(flavor = "multi_thread")]
async fn hostile_files_cost_little_and_their_apis_are_kept_with_the_reason() {
    let platform = one_environment(8).await;
    let scratch = tempfile::tempdir().unwrap();
    let known = Installation::new(&scratch.path().join("known"), &settings(&platform, PROFILE));
    sync(&known, &[]).await;
    let all = documents(&known, "inventory.status:present").len();
    let stored = documents(&known, "definitionState:stored");
    let serves = |asset: &str| stored.iter().filter(|one| one.to_string().contains(&format!("\"{asset}\""))).count();
    let asset = assets(&stored).into_keys().find(|asset| serves(asset) == 1).unwrap();
    for (kind, state, reason, exit) in [
        (HostileFile::ZipBomb, "failed", "200 bytes for each packed byte", 0),
        (HostileFile::Slip, "partial", "a name that leads elsewhere: left out", 0),
        (HostileFile::SymbolicLink, "failed", "what has that name is a symbolic link", 0),
        (HostileFile::IncludeCycle, "partial", "leads back to where it stands", 0),
        (HostileFile::AliasBomb, "failed", "2000000 objects, lists and values", 0),
        (HostileFile::TooMany, "failed", "50000 endpoints", 0),
        (HostileFile::WrongSha1, "failed", "its SHA-1 is not the one that Exchange has", 3),
        (HostileFile::WrongMd5, "failed", "its MD5 is not the one that Exchange has", 3),
    ] {
        let hostile_files = BTreeMap::from([(asset.clone(), kind)]);
        platform.set_faults(AnypointFaults { hostile_files, ..AnypointFaults::default() });
        let first = Installation::new(&scratch.path().join(format!("{kind:?}")), &settings(&platform, PROFILE));
        let (code, took, peak, said) = measured(&first).await;
        eprintln!("{kind:?}: {took:.2} s, {peak:.1} MiB");
        assert!(took <= MOST_SECONDS && peak <= MOST_MIB, "{kind:?}: {took:.2} s, {peak:.1} MiB");
        assert_eq!(code, exit, "{kind:?}");
        let found = documents(&first, &format!("assetId:'{asset}'"));
        let api = &found[0]["asset"]["assetDetail"]["apiAssetClass"];
        assert_eq!((api["definitionState"].as_str(), api["scanReady"].as_bool()), (Some(state), Some(false)), "{api}");
        assert!(api["definitionReasons"].to_string().contains(reason), "{kind:?}: {}", api["definitionReasons"]);
        assert_eq!(documents(&first, "inventory.status:present").len(), all, "{kind:?}");
        // A definition that is read in part is whole in the run's eyes.
        assert_eq!(said.contains(reason), state == "failed", "{kind:?}: {said}");
    }
    // What is large, and right, is read.
    let hostile_files = BTreeMap::from([(asset.clone(), HostileFile::Large)]);
    platform.set_faults(AnypointFaults { hostile_files, ..AnypointFaults::default() });
    let large = Installation::new(&scratch.path().join("large"), &settings(&platform, PROFILE));
    let (code, took, peak, _) = measured(&large).await;
    eprintln!("28,000 endpoints: {took:.2} s, {peak:.1} MiB");
    // Without optimisation most of it is the record, of which there is one an instance: that is no measure.
    let in_time = cfg!(debug_assertions) || took <= MOST_SECONDS;
    assert!(code == 0 && in_time && peak <= MOST_MIB, "{code}: {took:.2} s, {peak:.1} MiB");
    let found = documents(&large, &format!("assetId:'{asset}'"));
    let api = &found[0]["asset"]["assetDetail"]["apiAssetClass"];
    assert_eq!(api["definitionState"], "stored");
    assert!(api["endpointCount"].as_u64() > Some(20_000), "{}", api["endpointCount"]);
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_a_generated_file_is_none_the_next_kind_is_read_and_that_is_told() {
    let platform = one_environment(40).await;
    let scratch = tempfile::tempdir().unwrap();
    let installation = Installation::new(scratch.path(), &settings(&platform, PROFILE));
    sync(&installation, &[]).await;
    let generated = documents(&installation, "specFormat:'openapi 2.0'");
    let (asset, _) = assets(&generated).pop_first().unwrap();
    let hostile_files = BTreeMap::from([(asset.clone(), HostileFile::Generated)]);
    platform.set_faults(AnypointFaults { hostile_files, ..AnypointFaults::default() });
    let (code, ledger, _) = sync(&installation, &[]).await;
    assert_eq!(code, 0, "{ledger}");
    assert!(ledger.to_string().contains("is another file: `oas`, generated: this is "), "{ledger}");
    let before = &generated[0]["asset"]["assetDetail"]["apiAssetClass"];
    let found = documents(&installation, &format!("assetId:'{asset}'"));
    let api = &found[0]["asset"]["assetDetail"]["apiAssetClass"];
    assert_eq!((api["specFormat"].as_str(), api["definitionState"].as_str()), (Some("raml 1.0"), Some("stored")));
    let endpoints = |api: &Json| -> Vec<String> {
        let all = api["endpoints"].as_array().unwrap().iter();
        let mut all: Vec<String> = all.map(|one| format!("{} {}", one["method"], one["path"])).collect();
        all.sort();
        all
    };
    assert_eq!(endpoints(api), endpoints(before));
    platform.stop().await;
}

/// Exchange names another main file than the package does: history is about that one.
#[tokio::test(flavor = "multi_thread")]
async fn history_compares_the_file_that_exchange_names() {
    let platform = one_environment(40).await;
    let scratch = tempfile::tempdir().unwrap();
    let installation = Installation::new(scratch.path(), &settings(&platform, PROFILE));
    sync(&installation, &[]).await;
    platform.change(&AnypointChange { seed: 1, publish: 40, ..AnypointChange::default() });
    let (code, ledger, _) = sync(&installation, &[]).await;
    assert!(code == 0 && counter(&ledger, "updated") > 0, "{ledger}");
    let changed = documents(&installation, "definitionFile:api.yaml and not version:'1.0.1'");
    let own_differs = |one: &&Json| {
        let asset = one["asset"]["assetDetail"]["apiAssetClass"]["assetId"].as_str().unwrap();
        asset.rsplit('-').next().unwrap().parse::<u64>().unwrap() % 2 == 1
    };
    assert!(changed.iter().filter(own_differs).count() > 0, "{changed:?}");
    for one in &changed {
        let told = one["history"][0]["definition"].to_string();
        assert!(told.contains("/items") && !told.contains("/internal"), "{told}");
    }
    platform.stop().await;
}
