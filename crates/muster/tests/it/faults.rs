//! The promises, by injected fault: a simulated controller fails, the binary says so and keeps what it knew.

use std::collections::BTreeSet;

use muster_lab::directory::{At, ChangeCounts, Faults, Unreadable, UserCounts};
use serde_json::Value as Json;

use crate::command::{line, muster};
use crate::simulated::{directory, gone, installation, only_users, sync};

/// P1, P2: what is cut short, lost or refused makes the run partial, names the gap, and retires nobody; the next clean
/// run is complete.
#[tokio::test(flavor = "multi_thread")]
async fn a_reading_with_a_gap_is_partial_and_retires_nobody() {
    let running = directory(1300).await;
    let scratch = tempfile::tempdir().unwrap();
    let first_page = Some(At { pages: 1, ..At::default() });
    let cases: [(&str, Faults, &str); 6] = [
        (
            "a page lost and one repeated",
            Faults { lost_and_repeated: first_page, ..Faults::default() },
            "distinct objects received",
        ),
        ("a page lost", Faults { lost_page: first_page, ..Faults::default() }, "distinct objects received"),
        ("a size limit", Faults { size_limit: first_page, ..Faults::default() }, "sizeLimitExceeded"),
        (
            "cut connections",
            Faults { cut: Some(At { pages: 1, entries: 10, times: None }), ..Faults::default() },
            "closed the connection",
        ),
        (
            "malformed bytes",
            Faults { malformed: Some(At { pages: 1, entries: 3, times: None }), ..Faults::default() },
            "malformed",
        ),
        (
            "a notice of disconnection",
            Faults { disconnect: Some(At { pages: 1, entries: 3, times: None }), ..Faults::default() },
            "ended the connection",
        ),
    ];
    for (index, (name, faults, reason)) in cases.into_iter().enumerate() {
        let installation = installation(&running, &scratch.path().join(index.to_string()), false);
        let (code, told, _) = sync(&installation, &[]).await;
        assert_eq!(code, 0, "{name}: {told}");
        let before = installation.digest();
        running.set_faults(only_users(faults));
        let (code, told, lines) = sync(&installation, &["--full"]).await;
        running.set_faults(Faults::default());
        assert_eq!((code, &told["result"]), (3, &"partial".into()), "{name}: {told}");
        let evidence = &line(&told, "users")["evidence"];
        assert_eq!(evidence["kind"], "open", "{name}: {told}");
        assert!(evidence["reason"].as_str().unwrap().contains(reason), "{name}: {evidence}");
        assert_eq!(gone(&lines), 0, "{name}: nobody goes");
        let (code, told, _) = sync(&installation, &["--full"]).await;
        assert_eq!((code, &told["result"]), (0, &"complete".into()), "{name}: {told}");
        assert_eq!(installation.digest(), before, "{name}: the same truth again");
    }
    running.stop().await;
}

/// P2: a listing that lies (success, and nobody in it) retires nobody: each is asked for again.
#[tokio::test(flavor = "multi_thread")]
async fn an_empty_success_retires_nobody() {
    let running = directory(300).await;
    let scratch = tempfile::tempdir().unwrap();
    let installation = installation(&running, scratch.path(), false);
    assert_eq!(sync(&installation, &[]).await.0, 0);
    let before = installation.digest();
    running.set_faults(only_users(Faults { empty: Some(At { times: None, ..At::default() }), ..Faults::default() }));
    let (code, told, lines) = sync(&installation, &["--full"]).await;
    running.set_faults(Faults::default());
    assert_ne!(code, 1, "{told}");
    assert_eq!(gone(&lines), 0, "{told}");
    let (code, told, _) = sync(&installation, &["--full"]).await;
    assert_eq!(code, 0, "{told}");
    assert_eq!(installation.digest(), before);
    running.stop().await;
}

/// P3: more than the guard lets go is held until it is released.
#[tokio::test(flavor = "multi_thread")]
async fn a_great_drop_is_held_until_it_is_released() {
    let running = directory(300).await;
    let scratch = tempfile::tempdir().unwrap();
    let installation = installation(&running, scratch.path(), false);
    assert_eq!(sync(&installation, &[]).await.0, 0);
    let mut counts = ChangeCounts::none();
    counts.users = UserCounts { delete: 90, ..UserCounts::default() };
    let deleted: BTreeSet<String> = running.change(5, &counts).users.deleted.into_iter().collect();
    let (code, told, lines) = sync(&installation, &["--sweep"]).await;
    assert_eq!((code, &told["result"], gone(&lines)), (3, &"held".into(), 0), "{told}");
    assert_eq!(line(&told, "users")["held"], 90, "{told}");
    let listed = muster(&[
        "query",
        "inventory.status:held",
        "--class",
        "user",
        "--state",
        installation.state().to_str().unwrap(),
        "--limit",
        "1000",
        "--json",
    ]);
    assert_eq!(listed.stdout.lines().count(), 90, "{}", listed.stderr);
    let (code, told, lines) = sync(&installation, &["--sweep", "--release"]).await;
    assert_eq!((code, gone(&lines)), (0, 90), "{told}");
    let retired: BTreeSet<String> =
        lines.iter().filter_map(|line| line["gone"]["vendorAssetId"].as_str().map(str::to_owned)).collect();
    assert_eq!(retired, deleted);
    running.stop().await;
}

/// D9: an attribute that the account can no longer read keeps its old values, and the ledger names it.
#[tokio::test(flavor = "multi_thread")]
async fn a_vanished_attribute_keeps_its_values() {
    let running = directory(400).await;
    let scratch = tempfile::tempdir().unwrap();
    let installation = installation(&running, scratch.path(), false);
    assert_eq!(sync(&installation, &[]).await.0, 0);
    let before = installation.digest();
    running.set_faults(Faults {
        unreadable: vec![Unreadable { attribute: "mail".to_owned(), percent: 100 }],
        ..Faults::default()
    });
    let (code, told, _) = sync(&installation, &["--full"]).await;
    assert_eq!((code, &told["result"]), (3, &"held".into()), "{told}");
    assert!(line(&told, "users")["notes"].to_string().contains("`mail` vanished from"), "{told}");
    assert_eq!(installation.digest(), before, "the old values stay");
    running.set_faults(Faults::default());
    let (code, told, lines) = sync(&installation, &["--full"]).await;
    assert_eq!((code, lines.len()), (0, 0), "it is back, nothing is written: {told}");
    running.stop().await;
}

/// D15: after a restore the controller has another invocationId: everything is read again.
#[tokio::test(flavor = "multi_thread")]
async fn a_restored_controller_is_read_fully() {
    let running = directory(300).await;
    let scratch = tempfile::tempdir().unwrap();
    let installation = installation(&running, scratch.path(), true);
    assert_eq!(sync(&installation, &[]).await.0, 0);
    let (_, told, _) = sync(&installation, &[]).await;
    assert_eq!(line(&told, "users")["mode"], "delta", "{told}");
    running.set_faults(Faults { restored: Some(50), ..Faults::default() });
    let (code, told, _) = sync(&installation, &[]).await;
    assert_eq!((code, &line(&told, "users")["mode"]), (0, &"full".into()), "{told}");
    assert!(line(&told, "users")["notes"].to_string().contains("invocationId is new"), "{told}");
    running.stop().await;
}

/// C36: another objectSid under the same objectGUID renames the asset in place, and history says so.
#[tokio::test(flavor = "multi_thread")]
async fn another_sid_renames_in_place() {
    let running = directory(200).await;
    let scratch = tempfile::tempdir().unwrap();
    let installation = installation(&running, scratch.path(), true);
    assert_eq!(sync(&installation, &[]).await.0, 0);
    let mut counts = ChangeCounts::none();
    counts.users = UserCounts { change_sid: 1, ..UserCounts::default() };
    running.change(5, &counts);
    let (code, told, lines) = sync(&installation, &[]).await;
    assert_eq!((code, lines.len(), gone(&lines)), (0, 1, 0), "{told}");
    let sid = lines[0]["asset"]["assetHeader"]["externalAssetId"].as_str().unwrap();
    let query = format!("user.id:`{sid}`");
    let asked = muster(&["query", &query, "--state", installation.state().to_str().unwrap(), "--json", "--history"]);
    let found: Json = serde_json::from_str(asked.stdout.lines().next().unwrap()).unwrap();
    let before = &found["history"][0]["before"];
    assert!(before["assetHeader.externalAssetId"].as_str().unwrap().starts_with("S-1-5-21-"), "{found}");
    running.stop().await;
}

/// The posture choice is accepted, reads the flat attributes, and says that rules come later.
#[tokio::test(flavor = "multi_thread")]
async fn the_posture_choice_says_that_rules_come_later() {
    let running = directory(30).await;
    let scratch = tempfile::tempdir().unwrap();
    let installation = installation(&running, scratch.path(), false);
    assert_eq!(sync(&installation, &[]).await.0, 0);
    let path = installation.directory.join("connector.toml");
    let settings = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{settings}[profile]\nassets = \"identities_with_posture\"\n")).unwrap();
    let (code, told, _) = sync(&installation, &[]).await;
    assert_eq!((code, &line(&told, "users")["mode"]), (0, &"full".into()), "other attributes are asked for: {told}");
    assert!(told["notes"].to_string().contains("rules are not evaluated yet"), "{told}");
    running.stop().await;
}
