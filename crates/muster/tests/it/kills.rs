//! P4: kill -9 at any point, start again: the same final state.

use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use muster_lab::directory::{DirectoryOptions, start};

use crate::command::Installation;
use crate::simulated::settings;

/// How many kills must strike: 100, or what `MUSTER_KILLS` says.
fn kills_wanted() -> u32 {
    std::env::var("MUSTER_KILLS").map_or(100, |wanted| wanted.parse().unwrap())
}

/// Runs a sync and kills it after that long; if it had ended by then, how long it took.
fn killed(installation: &Installation, after: Duration) -> Option<Duration> {
    let settings = installation.directory.join("connector.toml");
    let mut child = Command::new(env!("CARGO_BIN_EXE_muster"))
        .arg("sync")
        .arg(settings)
        .arg("--state")
        .arg(installation.state())
        .args(["--json", "--out", "/dev/null"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    // Nobody sends: the channel is a clock that can be waited on.
    let (_sender, clock) = channel::<()>();
    while begun.elapsed() < after {
        if child.try_wait().unwrap().is_some() {
            return Some(begun.elapsed());
        }
        assert_eq!(clock.recv_timeout(Duration::from_millis(2)), Err(RecvTimeoutError::Timeout));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    None
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_kills_leave_the_same_truth() {
    let options = DirectoryOptions { users: 800, staff: Some(800), seed: 3, ..DirectoryOptions::default() };
    let running = start(options).await.unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let settings = settings(&running, false);
    tokio::task::block_in_place(|| {
        let reference = Installation::new(&scratch.path().join("reference"), &settings);
        let begun = Instant::now();
        assert_eq!(reference.sync(&[]).0, 0);
        // How long a run takes from its start, on this machine at this moment: learnt anew whenever one ends.
        let mut whole = begun.elapsed();
        let expected = reference.digest();
        let wanted = kills_wanted();
        let (mut kills, mut rounds, mut resumed) = (0, 0, 0);
        while kills < wanted {
            let installation = Installation::new(&scratch.path().join(format!("round-{rounds}")), &settings);
            rounds += 1;
            assert!(rounds < 4 * wanted, "only {kills} kills struck in {rounds} rounds: runs end before they can");
            // A few kills, each at another point of the run; then it may go on to its end.
            for attempt in 0..6 {
                let share = f64::from(kills * 37 % 101) / 101.0;
                match killed(&installation, whole.mul_f64(share)) {
                    Some(took) if attempt == 0 => whole = took,
                    Some(_) => break,
                    None => kills += 1,
                }
            }
            let (code, told, _) = installation.sync(&["--all"]);
            assert_eq!(code, 0, "{told}");
            resumed += u32::from(told["resumed"] == true);
            assert_eq!(installation.digest(), expected, "after kill {kills}: {told}");
            std::fs::remove_dir_all(&installation.directory).unwrap();
        }
        assert!(resumed > 0, "no kill struck a run that had begun");
    });
    running.stop().await;
}
