//! P4 with an agent: killed, cut off, away; the same final state.

use std::path::Path;
use std::time::Duration;

use muster_lab::directory::{ChangeCounts, RunningDirectory, UserCounts};
use serde_json::json;

use crate::agents::{Daemon, Relay, Site};
use crate::command::Installation;
use crate::hub::{Hub, Place, digest, until};
use crate::simulated::{authentication, directory, settings};

/// How many kills must strike: 100, or what `MUSTER_KILLS` says.
fn kills_wanted() -> u64 {
    std::env::var("MUSTER_KILLS").map_or(100, |wanted| wanted.parse().unwrap())
}

fn direct(lab: &RunningDirectory, scratch: &Path) -> String {
    let twin = Installation::new(scratch, &settings(lab, false));
    assert_eq!(twin.sync(&[]).0, 0);
    twin.digest()
}

/// kill -9 of agent and hub in turn, and cuts between them, while one run after the other is asked for: nothing is lost,
/// nothing is there twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_kills_of_agent_and_hub_leave_the_same_truth() {
    let lab = directory(150).await;
    let scratch = tempfile::tempdir().unwrap();
    tokio::task::block_in_place(|| {
        let expected = direct(&lab, &scratch.path().join("twin"));
        let wanted = kills_wanted();
        let rounds = 4;
        for round in 0..rounds {
            let place = Place::Directory(scratch.path().join(format!("hub-{round}")));
            let mut hub = Hub::start(&place);
            let relay = Relay::start(None);
            relay.lead_to(Some(&hub));
            let site = Site::make(&hub, &authentication(&lab), &scratch.path().join(format!("site-{round}")));
            let more = format!("{}service.cron-expression=0 0 1 1 *\n", site.administrator(&hub));
            let env = site.env(&format!("http://{}", relay.address), &more);
            let log = site.scratch.join("log");
            let mut agent = Daemon::start(&env, &log);
            let mut job = hub.run(&site.profile, "full");
            let path = |job: &serde_json::Value| format!("/api/v1/jobs/{}", job["id"].as_str().unwrap());
            for kill in 0..wanted / rounds {
                // Another point each time; what is waited for is the clock itself.
                std::thread::sleep(Duration::from_millis((kill * 37 + round * 11) % 400));
                if kill % 3 == 0 {
                    hub.kill_and_start(&place);
                    relay.lead_to(Some(&hub));
                } else {
                    agent.kill();
                    agent = Daemon::start(&env, &log);
                }
                if hub.get(&path(&job))["state"] == "ended" {
                    job = hub.run(&site.profile, "full");
                }
            }
            hub.ended(&job);
            let last = hub.ended(&hub.run(&site.profile, "full"));
            assert_eq!(last["result"], "complete", "round {round}: {last}");
            assert_eq!(hub.get("/api/v1/agents")["items"][0]["spool"]["entries"], 0);
            agent.kill();
            drop(hub);
            let Place::Directory(data) = &place else { panic!("a directory") };
            assert_eq!(digest(data), expected, "round {round}");
        }
    });
    lab.stop().await;
}

/// The hub is away at the hour, the directory changes, agent and hub are killed: what was read ahead arrives once.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_read_while_the_hub_is_away_arrives_when_it_is_back() {
    away(|_| {}, 0).await;
}

/// The same with a byte of each segment altered on the disk: what is missing is read again, and nothing else is believed.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_altered_in_the_spool_is_read_again() {
    let alter = |path: &Path| {
        let mut bytes = std::fs::read(path).unwrap();
        bytes[30] ^= 1;
        std::fs::write(path, bytes).unwrap();
    };
    away(alter, 1).await;
}

/// Lets an agent read ahead; `meddle` gets each segment while neither hub nor agent runs.
async fn away(meddle: impl Fn(&Path), quarantined: u64) {
    let lab = directory(150).await;
    let scratch = tempfile::tempdir().unwrap();
    tokio::task::block_in_place(|| {
        let data = scratch.path().join("hub");
        let place = Place::Directory(data.clone());
        let mut hub = Hub::start(&place);
        let relay = Relay::start(None);
        relay.lead_to(Some(&hub));
        let site = Site::make(&hub, &authentication(&lab), &scratch.path().join("site"));
        let more = format!("{}service.cron-expression=*/2 * * * * *\n", site.administrator(&hub));
        let env = site.env(&format!("http://{}", relay.address), &more);
        let log = site.scratch.join("log");
        let ahead = site.scratch.join("spool/ahead.json");
        let mut agent = Daemon::start(&env, &log);
        let complete = |hub: &Hub| {
            let runs = hub.get("/api/v1/runs?limit=100");
            runs["items"].as_array().unwrap().iter().filter(|run| run["result"] == "complete").count()
        };
        until("a first run", || complete(&hub) > 0);
        relay.lead_to(None);
        hub.child.kill().unwrap();
        hub.child.wait().unwrap();
        let twin = Installation::new(&scratch.path().join("twin"), &settings(&lab, false));
        assert_eq!(twin.sync(&[]).0, 0);
        let users = UserCounts { modify: 9, create: 3, ..UserCounts::default() };
        let changes = ChangeCounts { users, ..ChangeCounts::default() };
        lab.change(5, &changes);
        until("a reading ahead", || ahead.exists());
        let segments = || std::fs::read_dir(site.scratch.join("spool/segments")).unwrap().count();
        assert!(segments() > 0);
        for path in std::fs::read_dir(site.scratch.join("spool/segments")).unwrap() {
            let bytes = std::fs::read(path.unwrap().path()).unwrap();
            let password = lab.banner()["password"].as_str().unwrap().to_owned();
            assert!(!bytes.windows(password.len()).any(|window| window == password.as_bytes()));
        }
        agent.kill();
        for path in std::fs::read_dir(site.scratch.join("spool/segments")).unwrap() {
            meddle(&path.unwrap().path());
        }
        agent = Daemon::start(&env, &log);
        hub.kill_and_start(&place);
        let before = complete(&hub);
        relay.lead_to(Some(&hub));
        until("a run of what was read ahead", || complete(&hub) > before && !ahead.exists());
        until("an empty spool", || {
            let spool = hub.get("/api/v1/agents")["items"][0]["spool"].clone();
            spool["entries"] == 0 && spool["quarantined"].as_u64() >= Some(quarantined)
        });
        let jobs = hub.get("/api/v1/jobs?limit=100").to_string();
        assert!(jobs.contains("agent "), "{jobs}");
        agent.kill();
        drop(hub);
        // The twin's way was the same: read, changed, read.
        assert_eq!(twin.sync(&[]).0, 0);
        assert_eq!(digest(&data), twin.digest());
        let said = std::fs::read_to_string(&log).unwrap();
        assert!(said.contains("read ahead and wait in the spool"), "{said}");
        for secret in [crate::hub::PASSWORD, lab.banner()["password"].as_str().unwrap()] {
            assert!(!said.contains(secret), "a secret is logged");
        }
    });
    lab.stop().await;
}

/// What `ps` shows of an agent names its env file, and nothing of what is in it.
#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_holds_no_secret() {
    let scratch = tempfile::tempdir().unwrap();
    let lab = directory(10).await;
    tokio::task::block_in_place(|| {
        let hub = Hub::start(&Place::Directory(scratch.path().join("hub")));
        let site = Site::make(&hub, &authentication(&lab), &scratch.path().join("site"));
        let more = format!("{}service.cron-expression=0 0 1 1 *\n", site.administrator(&hub));
        let env = site.env(&format!("http://{}", hub.address()), &more);
        let agent = Daemon::start(&env, &site.scratch.join("log"));
        until("the agent", || hub.get("/api/v1/agents")["items"].as_array().is_some_and(|agents| !agents.is_empty()));
        let shown = std::fs::read(format!("/proc/{}/cmdline", agent.child.id())).unwrap();
        let shown = String::from_utf8_lossy(&shown);
        assert!(shown.contains(&env) && !shown.contains(crate::hub::PASSWORD), "{shown}");
        let tested = hub.ended(&hub.post(&format!("/api/v1/connectors/{}/test", site.connector), &json!({})));
        assert_eq!(tested["result"], "passed", "{tested}");
    });
    lab.stop().await;
}
