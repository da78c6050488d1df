//! What happens while a run reads: objects that move between its scopes, a controller that is restored, a source that
//! does not answer when it is asked again. Nobody goes.

use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use muster_lab::directory::{At, ChangeCounts, Faults, Moving, RunningDirectory, Slow, TruthClass, UserCounts};

use crate::command::{Installation, line};
use crate::simulated::{directory, gone, installation, only_users, settings, sync};

const SPAIN: &str = "OU=Spain,OU=Muster,DC=muster,DC=test";
const GERMANY: &str = "OU=Germany,OU=Muster,DC=muster,DC=test";

/// The names of all users, by GUID.
fn users(running: &RunningDirectory) -> Vec<(String, String)> {
    let users = running.truth().into_iter().filter(|record| record.class == TruthClass::User && !record.deleted);
    users.map(|record| (record.guid, record.dn)).collect()
}

/// Two base contexts are two scopes: users leave the one that is read later for the one that was read already, and no
/// listing has them.
#[tokio::test(flavor = "multi_thread")]
async fn what_moves_between_scopes_while_they_are_read_is_not_gone() {
    let running = directory(900).await;
    let scratch = tempfile::tempdir().unwrap();
    let settings = format!("{}[profile]\nbaseContext = [\"{SPAIN}\", \"{GERMANY}\"]\n", settings(&running, false));
    let installation = Installation::new(scratch.path(), &settings);
    let (code, told, _) = sync(&installation, &[]).await;
    assert_eq!(code, 0, "{told}");
    let scopes: Vec<&str> =
        told["ledger"].as_array().unwrap().iter().map(|line| line["scope"].as_str().unwrap()).collect();
    assert_eq!(scopes, [SPAIN, GERMANY, SPAIN, GERMANY, SPAIN, GERMANY]);
    let before = users(&running);
    running.set_faults(Faults {
        only: Some(format!("base={GERMANY} (&(objectCategory=person)(objectClass=user)) attributes=objectGUID")),
        moving: Some(Moving {
            from: Some(GERMANY.to_owned()),
            to: Some(format!("OU=Sales,{SPAIN}")),
            users: 3,
            times: Some(1),
            ..Moving::default()
        }),
        ..Faults::default()
    });
    let (code, told, lines) = sync(&installation, &["--full"]).await;
    assert_eq!(running.struck().get("moving"), Some(&1), "the fault struck");
    running.set_faults(Faults::default());
    let after = users(&running);
    let moved: Vec<_> = after.iter().filter(|(guid, dn)| !before.contains(&(guid.clone(), dn.clone()))).collect();
    assert_eq!(moved.len(), 3);
    assert_eq!((code, &told["result"], gone(&lines)), (0, &"complete".into(), 0), "{told}");
    for (guid, dn) in moved {
        let found = installation.query("", &["--class", "user"]);
        let here = found.iter().find(|user| user["asset"]["assetHeader"]["vendorAssetId"] == guid.as_str()).unwrap();
        assert_eq!((&here["status"], &here["path"]), (&"present".into(), &dn.as_str().into()));
    }
    running.stop().await;
}

fn begin(installation: &Installation) -> Child {
    Command::new(env!("CARGO_BIN_EXE_muster"))
        .arg("sync")
        .arg(installation.directory.join("connector.toml"))
        .arg("--state")
        .arg(installation.state())
        .args(["--full", "--json", "--out"])
        .arg(installation.directory.join("out.jsonl"))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits until a fault has struck, a minute at the most.
fn struck(running: &RunningDirectory, fault: &str) {
    let deadline = Instant::now() + Duration::from_secs(60);
    // Nobody sends: the channel is a clock that can be waited on.
    let (_sender, clock) = channel::<()>();
    while !running.struck().contains_key(fault) {
        assert!(Instant::now() < deadline, "`{fault}` never struck");
        assert_eq!(clock.recv_timeout(Duration::from_millis(2)), Err(RecvTimeoutError::Timeout));
    }
}

/// D15: the connection breaks in the middle of a reading, and who answers then is a copy restored from a backup, with
/// another invocationId and lower numbers. Nobody goes, and no cursor of the old copy is believed afterwards.
#[tokio::test(flavor = "multi_thread")]
async fn a_controller_restored_during_the_run_loses_nobody() {
    let running = directory(2400).await;
    let scratch = tempfile::tempdir().unwrap();
    let installation = installation(&running, scratch.path(), true);
    assert_eq!(sync(&installation, &[]).await.0, 0);
    running.set_faults(only_users(Faults {
        slow: Some(Slow { milliseconds: 1000, times: Some(1) }),
        ..Faults::default()
    }));
    let output = tokio::task::block_in_place(|| {
        let child = begin(&installation);
        struck(&running, "slow");
        running.set_faults(only_users(Faults {
            restored: Some(50),
            cut: Some(At { pages: 1, entries: 10, times: Some(1) }),
            ..Faults::default()
        }));
        child.wait_with_output().unwrap()
    });
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    assert_eq!(running.struck().get("cut"), Some(&1), "the connection broke");
    let text = std::fs::read_to_string(installation.directory.join("out.jsonl")).unwrap();
    assert!(!text.contains("\"gone\""), "{text}");
    // The copy stays: what was read before it came is read again, the users' delta is its own.
    running.set_faults(Faults { restored: Some(50), ..Faults::default() });
    let (code, told, lines) = sync(&installation, &[]).await;
    assert_eq!((code, gone(&lines)), (0, 0), "{told}");
    assert_eq!(line(&told, "containers")["mode"], "full", "{told}");
    assert!(line(&told, "containers")["notes"].to_string().contains("invocationId is new"), "{told}");
    assert_eq!(line(&told, "users")["mode"], "delta", "{told}");
    let users = |query: &str| installation.query(query, &["--class", "user"]).len() as u64;
    assert_eq!((users(""), users("inventory.status:[held, gone]")), (running.counts().users, 0));
    running.stop().await;
}

/// D3: what was not listed is asked for again, and the asking fails: nothing is retired, and the ledger names it.
#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_cannot_be_asked_again_retires_nobody() {
    let running = directory(300).await;
    let scratch = tempfile::tempdir().unwrap();
    let installation = installation(&running, scratch.path(), false);
    assert_eq!(sync(&installation, &[]).await.0, 0);
    let mut counts = ChangeCounts::none();
    counts.users = UserCounts { delete: 3, ..UserCounts::default() };
    running.change(5, &counts);
    let asking = Some("(objectGUID=".to_owned());
    let each = Some(At { times: None, ..At::default() });
    for faults in [
        Faults { only: asking.clone(), cut: each, ..Faults::default() },
        Faults { only: asking.clone(), busy: each, ..Faults::default() },
        Faults { only: asking.clone(), malformed: each, ..Faults::default() },
    ] {
        running.set_faults(faults.clone());
        let (code, told, lines) = sync(&installation, &["--sweep"]).await;
        assert!(!running.struck().is_empty(), "{faults:?} struck");
        assert_eq!((code, gone(&lines)), (0, 0), "{faults:?}: {told}");
        let notes = line(&told, "users")["notes"].to_string();
        assert!(notes.contains("3 users were not seen and could not be asked for"), "{faults:?}: {notes}");
        assert_eq!(line(&told, "users")["gone"], 0, "{told}");
    }
    running.set_faults(Faults::default());
    let (code, told, lines) = sync(&installation, &["--sweep"]).await;
    assert_eq!((code, gone(&lines)), (0, 3), "answered, they go: {told}");
    running.stop().await;
}
