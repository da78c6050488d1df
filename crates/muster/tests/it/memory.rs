//! P8: peak memory does not grow with the directory.

use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use muster_lab::directory::{DirectoryOptions, start};

use crate::command::Installation;
use crate::simulated::settings;

const FEW: u64 = 2_000;
/// Read, mapped and written as text: nothing of a record stays. 18,000 records kept as they came take 10 MiB and more.
const MANY: u64 = 20_000;
const APART_AT_MOST_MIB: f64 = 6.0;
/// Into a store: its page cache and its log fill meanwhile, and are full at about 20,000 users. Beside them 8,000 mapped
/// assets that are kept take 40 MiB and more. The bar at 1,000,000 users is the bench's.
const MANY_INTO_A_STORE: u64 = 10_000;
const APART_AT_MOST_WITH_A_STORE_MIB: f64 = 80.0;

/// The highest resident set of a process, in MiB, as far as it has come.
pub(crate) fn highest(id: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0)
}

/// The peak of a first full sync of so many users, into a store or past it.
async fn peak(users: u64, into_a_store: bool) -> f64 {
    // Small groups: how a great one is read is another matter, and no larger here than there.
    let options = DirectoryOptions { users, groups: Some(200), staff: Some(2000), ..DirectoryOptions::default() };
    let running = start(options).await.unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let installation = Installation::new(scratch.path(), &settings(&running, false));
    let peak = tokio::task::block_in_place(|| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_muster"));
        command.arg("sync").arg(installation.directory.join("connector.toml")).args(["--out", "/dev/null"]);
        if into_a_store {
            command.arg("--state").arg(installation.state());
        }
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // Nobody sends: the channel is a clock that can be waited on.
        let (_sender, clock) = channel::<()>();
        let mut peak: f64 = 0.0;
        let status = loop {
            peak = highest(child.id()).map_or(peak, |now| peak.max(now));
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            assert_eq!(clock.recv_timeout(Duration::from_millis(2)), Err(RecvTimeoutError::Timeout));
        };
        assert!(status.success(), "{status}");
        peak
    });
    running.stop().await;
    peak
}

#[tokio::test(flavor = "multi_thread")]
async fn a_greater_directory_takes_no_more_memory() {
    for (into_a_store, many, bound) in
        [(false, MANY, APART_AT_MOST_MIB), (true, MANY_INTO_A_STORE, APART_AT_MOST_WITH_A_STORE_MIB)]
    {
        let (few, more) = (peak(FEW, into_a_store).await, peak(many, into_a_store).await);
        let told = format!("{few:.1} MiB at {FEW} users, {more:.1} MiB at {many}; into a store: {into_a_store}");
        eprintln!("{told}");
        assert!(few > 4.0 && more > 4.0, "this is no measure: {told}");
        assert!(more - few <= bound, "{told}");
    }
}
