//! A disk that fills up while a run writes: the hub reads on, says so, and goes on by itself.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use muster_lab::directory::{ChangeCounts, DirectoryOptions, Faults, Slow, start};
use serde_json::json;

use crate::command::Installation;
use crate::hub::{Hub, Place, digest, until};
use crate::simulated::{authentication, settings};

/// A small disk of its own, in memory.
struct Disk(PathBuf);

impl Disk {
    /// None where this process may not mount one.
    fn mount(path: &Path) -> Option<Self> {
        std::fs::create_dir_all(path).unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=24m", "tmpfs"]).arg(path).status();
        mounted.is_ok_and(|status| status.success()).then(|| Self(path.to_owned()))
    }

    /// Fills it to the last byte.
    fn fill(&self) {
        let mut file = std::fs::File::create(self.0.join("filler")).unwrap();
        for size in [1 << 20, 4096, 1] {
            while file.write_all(&vec![0x6d; size]).is_ok() {}
        }
    }

    fn free(&self) {
        std::fs::remove_file(self.0.join("filler")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_gives_a_hub_that_reads_and_goes_on_once_there_is_space() {
    let scratch = tempfile::tempdir().unwrap();
    let Some(disk) = Disk::mount(&scratch.path().join("disk")) else {
        eprintln!("SKIPPED: a disk in memory cannot be mounted, this test needs root");
        return;
    };
    let options = DirectoryOptions { users: 400, staff: Some(400), seed: 11, ..DirectoryOptions::default() };
    let lab = start(options).await.unwrap();
    let reference = Installation::new(&scratch.path().join("reference"), &settings(&lab, false));
    tokio::task::block_in_place(|| {
        let data = disk.0.join("hub");
        let log = scratch.path().join("log");
        let told = std::fs::File::create(&log).unwrap();
        let mut hub = Hub::start_telling(&Place::Directory(data.clone()), told.into());
        let (_, profile) = hub.configure(authentication(&lab), None);
        assert_eq!(hub.ended(&hub.run(&profile, "full"))["result"], "complete");
        assert_eq!(hub.text("/healthz"), (200, "ready\n".to_owned()));
        let users =
            hub.get("/api/v1/inventory/users?filter=not%20user.status:DISABLED")["count"]["value"].as_u64().unwrap();
        assert!(users > 100, "{users}");

        assert_eq!(reference.sync(&[]).0, 0);
        lab.change(7, &ChangeCounts::default());
        lab.set_faults(Faults { slow: Some(Slow { milliseconds: 1_000, ..Slow::default() }), ..Faults::default() });
        let job = hub.run(&profile, "full");
        let path = format!("/api/v1/jobs/{}", job["id"].as_str().unwrap());
        until("the run", || hub.get(&path)["runId"].is_number());
        disk.fill();
        lab.set_faults(Faults::default());
        until("the hub to notice", || hub.text("/healthz").1.starts_with("read-only: "));
        until("the run to fail", || std::fs::read_to_string(&log).unwrap().contains("doing a job"));
        // Reading goes on: lists, search, pages, figures.
        let found = hub.get("/api/v1/inventory/users?filter=not%20user.status:DISABLED");
        assert!(found["count"]["value"].as_u64().unwrap() > 100, "{found}");
        assert!(hub.text("/metrics").1.contains("\nmuster_store_read_only 1\n"));
        for page in ["/console/users", "/console/runs", "/console/connectors"] {
            let (status, text) = hub.text(page);
            assert_eq!(status, 200, "{page}");
            assert!(text.contains("Nothing can be changed at the moment"), "{page}: {text}");
        }
        // Every write is refused, with what to do.
        let connector =
            json!({ "name": "b", "type": "active_directory", "settings": { "authentication": authentication(&lab) } });
        let user = json!({ "username": "second", "password": "long enough", "role": "viewer" });
        let run = json!({ "mode": "full" });
        for (place, body) in [
            ("/api/v1/connectors", &connector),
            ("/api/v1/users", &user),
            (&*format!("/api/v1/profiles/{profile}/run"), &run),
            (&*format!("{path}/cancel"), &json!({})),
        ] {
            let (status, problem) = hub.try_post(place, body).unwrap();
            assert_eq!((status, &problem["code"]), (503, &json!("read_only")), "{place}: {problem}");
            assert!(problem["remedy"].as_str().unwrap().contains("free space"), "{problem}");
        }
        assert_ne!(hub.get(&path)["state"], "ended", "the job waits");

        disk.free();
        until("the hub to go on", || hub.text("/healthz").1 == "ready\n");
        assert!(!hub.text("/console/users").1.contains("Nothing can be changed"));
        assert!(hub.text("/metrics").1.contains("\nmuster_store_read_only 0\n"));
        let ended = hub.ended(&job);
        assert_eq!(ended["result"], "complete", "{ended}");
        assert_eq!(hub.get("/api/v1/users")["items"].as_array().unwrap().len(), 1, "what was refused was not done");
        hub.signal("-TERM");
        hub.child.wait().unwrap();
        assert_eq!(reference.sync(&["--full"]).0, 0);
        assert_eq!(digest(&data), reference.digest());
    });
    lab.stop().await;
}
