//! `cargo xtask bench hub`: readers beside a writer. A hub with a large store answers many readers over REST, alone and
//! while runs write; what was written is read again in full, and nothing of it may be missing.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::client::Client;
use super::site::{Site, SiteKind};
use crate::measure::machine;
use crate::shell::Shell;

const PASSWORD: &str = "a-password-for-tests-1";
/// Of a thousand users so many change before the delta.
const CHANGED: u32 = 10;
/// How long each phase reads, where no run says when it ends.
const PHASE: Duration = Duration::from_secs(15);
/// How long the hub rests before its memory is read.
const REST: Duration = Duration::from_secs(20);
const RUN_ENDS: Duration = Duration::from_secs(3600);

/// What readers ask for.
const KINDS: [Kind; 5] = [
    Kind { name: "a page, sorted by name", path: "?limit=50&sort=name" },
    Kind { name: "a page of a search", path: "?limit=50&filter=status:DISABLED" },
    Kind { name: "a search with a capped count", path: "?limit=1&filter=status:ACTIVE" },
    Kind { name: "facets", path: "?limit=1&filter=status:DISABLED&facets=status" },
    Kind { name: "one user", path: "/{id}" },
];

struct Kind {
    name: &'static str,
    path: &'static str,
}

#[derive(PartialEq, Eq, Debug)]
pub(super) struct Options {
    pub(super) users: u32,
    pub(super) readers: usize,
    /// Where the store is kept that was read once; made there where it is not.
    pub(super) data: Option<PathBuf>,
    pub(super) muster: Option<PathBuf>,
}

pub(super) fn read_options(words: &[&str]) -> Result<Options> {
    let mut options = Options { users: 1_000_000, readers: 50, data: None, muster: None };
    for pair in words.chunks(2) {
        let number = |value: &str| {
            let number = value.parse::<u32>().ok().filter(|number| *number > 0);
            number.with_context(|| format!("`{}` takes a number above 0, not `{value}`", pair[0]))
        };
        match pair {
            ["--users", value] => options.users = number(value)?,
            ["--readers", value] => options.readers = usize::try_from(number(value)?)?,
            ["--data", value] => options.data = Some(PathBuf::from(value)),
            ["--muster", value] => options.muster = Some(PathBuf::from(value)),
            _ => bail!("`bench hub` does not take `{}`; see `cargo xtask help`", pair.join(" ")),
        }
    }
    Ok(options)
}

pub(super) fn run(shell: &Shell, options: &Options) -> Result<()> {
    let muster = super::binary(shell, options.muster.as_deref())?;
    let site = Site::start(shell, SiteKind::Simulated, (&options.users.to_string(), &muster))?;
    let kept = options.data.as_deref();
    let data = site.folder().join("hub");
    if kept.is_some_and(|kept| !kept.join("muster.db").exists()) || kept.is_none() {
        first_run(&muster, &site, &data)?;
        if let Some(kept) = kept {
            copy(&data, kept)?;
        }
    } else if let Some(kept) = kept {
        copy(kept, &data)?;
    }
    println!("Machine: {}. {} users, SQLite.\n", machine(), options.users);
    let hub = Hub::start(&muster, &data)?;
    println!("| what | | bar |\n| --- | --- | --- |");
    println!("| start to the first `/healthz` with 200 | {} ms | ≤ 300 ms{} |", hub.began, met(hub.began <= 300));
    let profile = hub.connect(&site)?;
    let mut rows = Vec::new();
    rows.push(hub.read("one reader, no run", 1, || Ok(after(PHASE)))?);
    rows.push(hub.read(&format!("{} readers, no run", options.readers), options.readers, || Ok(after(PHASE)))?);
    let changes = options.users / 1000 * CHANGED;
    site.change(shell, 1, changes)?;
    let mut ledgers = Vec::new();
    for mode in ["delta", "full"] {
        let job = hub.client()?.post(&format!("/api/v1/profiles/{profile}/run"), &json!({ "mode": mode }))?;
        let what = format!("{} readers beside a {mode} run", options.readers);
        rows.push(hub.read(&what, options.readers, || hub.end_of(&job))?);
        ledgers.push(hub.ledger(&job)?);
    }
    std::thread::sleep(REST);
    let rest = hub.memory("VmRSS")?;
    println!("| at rest, {} s after all of it | {rest} MiB | ≤ 60 MiB{} |", REST.as_secs(), met(rest <= 60));
    println!("| highest resident set | {} MiB | |", hub.memory("VmHWM")?);
    let (delta, full) = (ledgers[0], ledgers[1]);
    println!("| written by the delta, of {changes} changes | {delta} | all{} |", met(delta == u64::from(changes)));
    println!("| left for the full run to write | {full} | 0{} |", met(full == 0));
    println!(
        "\n| what | readers ask for | answers | p50 ms | p95 ms | p99 ms | not 200 | bar |\n{}",
        "| --- ".repeat(8) + "|"
    );
    for phase in &rows {
        phase.print();
    }
    let failed: usize = rows.iter().map(|phase| phase.failed()).sum();
    if failed > 0 || delta != u64::from(changes) || full != 0 {
        bail!("{failed} answers were not 200; the delta wrote {delta} of {changes} changes, the full run {full} more");
    }
    Ok(())
}

fn met(met: bool) -> &'static str {
    if met { ": met" } else { ": **missed**" }
}

/// Whether a phase that lasts so long has ended.
fn after(long: Duration) -> Box<dyn FnMut() -> Result<bool>> {
    let begun = Instant::now();
    Box::new(move || Ok(begun.elapsed() >= long))
}

/// Copies the files of a store that nobody has open.
fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to).with_context(|| format!("creating `{}`", to.display()))?;
    for name in ["muster.db", "secret.key"] {
        let (from, to) = (from.join(name), to.join(name));
        std::fs::copy(&from, &to).with_context(|| format!("copying `{}` to `{}`", from.display(), to.display()))?;
    }
    Ok(())
}

/// Makes the store: a connector, a profile, a full run.
fn first_run(muster: &Path, site: &Site, data: &Path) -> Result<()> {
    let hub = Hub::start(muster, data)?;
    let mut client = hub.client()?;
    let connector = client.post("/api/v1/connectors", &connector(site)?)?;
    let profiles = format!("/api/v1/connectors/{}/profiles", id(&connector)?);
    let profile = client.post(&profiles, &json!({ "name": "all" }))?;
    eprintln!("---- the first run");
    let job = client.post(&format!("/api/v1/profiles/{}/run", id(&profile)?), &json!({ "mode": "full" }))?;
    let mut ended = hub.end_of(&job)?;
    while !ended()? {
        std::thread::sleep(Duration::from_millis(500));
    }
    hub.ledger(&job)?;
    println!("After the first run: {} MiB resident, {} MiB at most.", hub.memory("VmRSS")?, hub.memory("VmHWM")?);
    hub.stop()
}

fn connector(site: &Site) -> Result<Value> {
    let port: u16 = site.fact("ldap_port")?.parse().context("reading the lab's port")?;
    let authentication = json!({
        "host": site.fact("host")?, "port": port, "protocol": "ldap",
        "bindDn": site.fact("svc_dn")?, "password": site.fact("svc_password")?,
    });
    Ok(json!({ "name": "bench", "type": "active_directory", "settings": { "authentication": authentication } }))
}

fn id(value: &Value) -> Result<&str> {
    value["id"].as_str().with_context(|| format!("`{value}` has no id"))
}

/// `muster serve`, a child process.
struct Hub {
    child: Child,
    address: String,
    token: String,
    /// Milliseconds from its start to its first answer.
    began: u128,
}

impl Hub {
    fn start(muster: &Path, data: &Path) -> Result<Self> {
        let mut command = Command::new(muster);
        command.args(["serve", "--listen", "127.0.0.1:0", "--json", "--data"]).arg(data);
        command.env("MUSTER_ADMIN_PASSWORD", PASSWORD).stdin(Stdio::null()).stdout(Stdio::piped());
        let begun = Instant::now();
        let child = command.spawn().context("starting `muster serve`")?;
        let mut hub = Self { child, address: String::new(), token: String::new(), began: 0 };
        let stdout = hub.child.stdout.as_mut().context("reading what `muster serve` prints")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).context("reading what `muster serve` prints")?;
        let told: Value = serde_json::from_str(&line).with_context(|| format!("`muster serve` printed `{line}`"))?;
        let url = told["url"].as_str().context("`muster serve` did not print its `url`")?;
        url.strip_prefix("http://").context("`muster serve` speaks TLS")?.clone_into(&mut hub.address);
        let mut client = Client::connect(&hub.address, "")?;
        let (status, _) = client.get("/healthz")?;
        hub.began = begun.elapsed().as_millis();
        if status != 200 {
            bail!("`/healthz` answered {status}");
        }
        hub.token = client.sign_in("admin", PASSWORD)?;
        Ok(hub)
    }

    fn client(&self) -> Result<Client> {
        Client::connect(&self.address, &self.token)
    }

    /// Points the connector at this site, and gives its profile.
    fn connect(&self, site: &Site) -> Result<String> {
        let mut client = self.client()?;
        let found = client.json("/api/v1/connectors")?["items"][0].clone();
        let path = format!("/api/v1/connectors/{}", id(&found)?);
        let mut body = connector(site)?;
        body.as_object_mut().context("a connector is an object")?.remove("type");
        client.send("PUT", &path, &body)?;
        Ok(id(&client.json(&format!("{path}/profiles"))?["items"][0])?.to_owned())
    }

    /// Asks whether a job has ended.
    fn end_of(&self, job: &Value) -> Result<Box<dyn FnMut() -> Result<bool>>> {
        let mut client = self.client()?;
        let path = format!("/api/v1/jobs/{}", id(job)?);
        let begun = Instant::now();
        Ok(Box::new(move || {
            if begun.elapsed() > RUN_ENDS {
                bail!("the run did not end");
            }
            Ok(client.json(&path)?["state"] == "ended")
        }))
    }

    /// How many assets the run of a job wrote; it has to be complete.
    fn ledger(&self, job: &Value) -> Result<u64> {
        let mut client = self.client()?;
        let job = client.json(&format!("/api/v1/jobs/{}", id(job)?))?;
        if job["result"] != "complete" {
            bail!("the run did not end complete: {job}");
        }
        let run = client.json(&format!("/api/v1/runs/{}", job["runId"]))?;
        eprintln!("     {} run: {} to {}: {}", run["mode"], run["startedAt"], run["endedAt"], run["totals"]);
        let keys = ["created", "updated", "refreshed", "gone", "reappeared"];
        Ok(keys.iter().filter_map(|key| run["totals"][*key].as_u64()).sum())
    }

    /// Reads with so many readers until `phase` has ended.
    fn read(
        &self,
        what: &str,
        readers: usize,
        phase: impl FnOnce() -> Result<Box<dyn FnMut() -> Result<bool>>>,
    ) -> Result<Phase> {
        eprintln!("---- {what}");
        let mut ended = phase()?;
        let ids: Vec<String> = {
            let page = self.client()?.json("/api/v1/inventory/users?limit=1000")?;
            page["items"].as_array().into_iter().flatten().map(|item| item["id"].to_string()).collect()
        };
        let over = AtomicBool::new(false);
        let answers = std::thread::scope(|scope| -> Result<Vec<Vec<Answer>>> {
            let reader = |number: usize| {
                let (over, ids) = (&over, &ids);
                move || self.one_reader(number, ids, over)
            };
            let threads: Vec<_> = (0..readers).map(|number| scope.spawn(reader(number))).collect();
            let outcome = loop {
                match ended() {
                    Ok(false) => std::thread::sleep(Duration::from_millis(200)),
                    Ok(true) => break Ok(()),
                    Err(error) => break Err(error),
                }
            };
            over.store(true, Ordering::SeqCst);
            let all = threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| bail!("a reader panicked")));
            let all: Result<Vec<_>> = all.collect();
            outcome.and(all)
        })?;
        Ok(Phase { what: what.to_owned(), is_alone: readers == 1, answers: answers.into_iter().flatten().collect() })
    }

    fn one_reader(&self, number: usize, ids: &[String], over: &AtomicBool) -> Result<Vec<Answer>> {
        let mut client = self.client()?;
        let mut answers = Vec::new();
        while !over.load(Ordering::SeqCst) {
            let turn = number + answers.len();
            let kind = turn % KINDS.len();
            let user = ids.get(turn * 7 % ids.len().max(1)).map_or("0", String::as_str);
            let path = format!("/api/v1/inventory/users{}", KINDS[kind].path.replace("{id}", user));
            let begun = Instant::now();
            let (status, _) = client.get(&path)?;
            answers.push(Answer { kind, took: begun.elapsed(), status });
        }
        Ok(answers)
    }

    /// A line of `/proc/…/status`, in MiB.
    fn memory(&self, line: &str) -> Result<u64> {
        let path = format!("/proc/{}/status", self.child.id());
        let text = std::fs::read_to_string(&path).with_context(|| format!("reading `{path}`"))?;
        let found = text.lines().find_map(|one| one.strip_prefix(line)?.strip_prefix(':'));
        let kibibytes = found.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
        Ok(kibibytes.with_context(|| format!("`{path}` has no `{line}`"))?.div_ceil(1024))
    }

    /// Ends it, so that its store is one file.
    fn stop(mut self) -> Result<()> {
        let done = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().context("ending it")?;
        if !done.success() || !self.child.wait().context("waiting for the hub's end")?.success() {
            bail!("the hub did not end as it should");
        }
        Ok(())
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Answer {
    kind: usize,
    took: Duration,
    status: u16,
}

/// What readers met.
struct Phase {
    what: String,
    is_alone: bool,
    answers: Vec<Answer>,
}

impl Phase {
    fn failed(&self) -> usize {
        self.answers.iter().filter(|answer| answer.status != 200).count()
    }

    fn print(&self) {
        for (number, kind) in KINDS.iter().enumerate() {
            let answers: Vec<&Answer> = self.answers.iter().filter(|answer| answer.kind == number).collect();
            let mut took: Vec<Duration> = answers.iter().map(|answer| answer.took).collect();
            took.sort();
            let failed = answers.iter().filter(|answer| answer.status != 200).count();
            let bar = match (self.is_alone, kind.path.contains("limit=1&")) {
                (true, false) => 50,
                (true, true) => 100,
                (false, _) => 150,
            };
            let [p50, p95, p99] = [50, 95, 99].map(|share| percentile(&took, share));
            let verdict = met(p95 <= f64::from(bar));
            println!(
                "| {} | {} | {} | {p50:.1} | {p95:.1} | {p99:.1} | {failed} | ≤ {bar} ms{verdict} |",
                self.what,
                kind.name,
                answers.len()
            );
        }
    }
}

/// The time within which that share of the answers came, in milliseconds.
fn percentile(sorted: &[Duration], share: usize) -> f64 {
    let place = (sorted.len() * share).div_ceil(100).max(1) - 1;
    sorted.get(place).map_or(0.0, |took| took.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_time_that_was_measured() {
        let took: Vec<Duration> = (1..=100).map(Duration::from_millis).collect();
        assert_eq!([50, 95, 99].map(|share| percentile(&took, share)), [50.0, 95.0, 99.0]);
        assert_eq!(percentile(&took[..1], 99), 1.0);
        assert_eq!(percentile(&[], 50), 0.0);
    }

    #[test]
    fn options_come_in_pairs() {
        let options = read_options(&["--users", "20000", "--data", "store"]).unwrap();
        assert_eq!((options.users, options.readers), (20_000, 50));
        assert!(read_options(&["--users"]).is_err());
        assert!(read_options(&["--readers", "0"]).is_err());
    }
}
