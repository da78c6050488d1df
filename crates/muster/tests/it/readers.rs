//! Many readers beside a run that writes: none is refused, and nothing that was written is lost.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use muster_lab::directory::{ChangeCounts, UserCounts};
use serde_json::Value as Json;

use crate::command::Installation;
use crate::hub::{Hub, Place, digest, until};
use crate::serving::lab;
use crate::simulated::{authentication, settings};

const USERS: u64 = 20_000;
const READERS: usize = 50;

/// Reads as long as the run of a job takes; gives how many answers there were.
fn read_beside(hub: &Hub, job: &Json, user: &str) -> usize {
    let paths = [
        "/api/v1/inventory/users?limit=50&sort=name".to_owned(),
        "/api/v1/inventory/users?limit=50&filter=status:DISABLED&count=exact".to_owned(),
        "/api/v1/inventory/users?limit=1&facets=status&filter=status:ACTIVE".to_owned(),
        format!("/api/v1/inventory/users/{user}/memberships"),
        format!("/api/v1/inventory/users/{user}"),
    ];
    let (over, answers) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for number in 0..READERS {
            let (paths, over, answers) = (&paths, &over, &answers);
            scope.spawn(move || {
                // At least once each: a run may be over before the last reader began.
                for turn in number.. {
                    // Anything but 200 fails the test.
                    hub.get(&paths[turn % paths.len()]);
                    answers.fetch_add(1, Ordering::SeqCst);
                    if over.load(Ordering::SeqCst) {
                        break;
                    }
                }
            });
        }
        let path = format!("/api/v1/jobs/{}", job["id"].as_str().unwrap());
        until("the run", || hub.get(&path)["state"] == "ended");
        over.store(true, Ordering::SeqCst);
        assert_eq!(hub.get(&path)["result"], "complete");
    });
    answers.into_inner()
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_beside_a_writer_are_answered_and_lose_nothing() {
    let lab = lab(USERS).await;
    let scratch = tempfile::tempdir().unwrap();
    tokio::task::block_in_place(|| {
        let data = scratch.path().join("hub");
        let hub = Hub::start(&Place::Directory(data.clone()));
        let (_, profile) = hub.configure(authentication(&lab), None);
        let first = hub.ended(&hub.run(&profile, "full"));
        assert_eq!(first["result"], "complete", "{first}");
        let twin = Installation::new(&scratch.path().join("twin"), &settings(&lab, false));
        assert_eq!(twin.sync(&[]).0, 0);
        let user = hub.get("/api/v1/inventory/users?limit=1")["items"][0]["id"].to_string();
        for (round, mode) in ["delta", "full"].into_iter().enumerate() {
            lab.change(round.try_into().unwrap(), &many());
            let answers = read_beside(&hub, &hub.run(&profile, mode), &user);
            assert!(answers >= READERS, "{answers}");
            // In step with the hub: what a round makes and the next one deletes is known to both, as gone.
            assert_eq!(twin.sync(if mode == "full" { &["--full"] } else { &[] }).0, 0);
        }
        assert_eq!(digest(&data), twin.digest(), "what the hub wrote beside its readers is what there is");
    });
    lab.stop().await;
}

/// Changes enough to fill several batches.
fn many() -> ChangeCounts {
    let users = UserCounts { modify: 3000, rename: 50, r#move: 50, create: 100, delete: 50, ..UserCounts::default() };
    ChangeCounts { users, ..ChangeCounts::default() }
}
