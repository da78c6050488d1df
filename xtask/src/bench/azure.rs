//! `cargo xtask bench azure`: a tenant that limits reads as Azure does, and one with large definitions. How near to the
//! limit a first run comes, how many calls an API takes, and how much memory.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::client::Client;
use crate::measure::{Cost, machine, time};
use crate::shell::Shell;

/// In the tenant that limits reads: one service, small definitions.
const LIMITED: u32 = 1_000;
/// In each service of the other tenant. Each lies in a subscription of its own, and so under its limit.
const A_SERVICE: u32 = 60;
/// Azure's limit: so many reads at once, and so many a second.
const BURST: f64 = 250.0;
const PER_SECOND: f64 = 25.0;

#[derive(PartialEq, Eq, Debug)]
pub(super) struct Options {
    pub(super) apis: u32,
    /// Bytes of each definition.
    pub(super) definition: u32,
    pub(super) muster: Option<PathBuf>,
}

pub(super) fn read_options(words: &[&str]) -> Result<Options> {
    let mut options = Options { apis: 10_000, definition: 100 << 10, muster: None };
    for pair in words.chunks(2) {
        let number = |value: &str| {
            let number = value.parse::<u32>().ok().filter(|number| *number > 0);
            number.with_context(|| format!("`{}` takes a number above 0, not `{value}`", pair[0]))
        };
        match pair {
            ["--apis", value] => options.apis = number(value)?,
            ["--definition", value] => options.definition = number(value)?,
            ["--muster", value] => options.muster = Some(PathBuf::from(value)),
            _ => bail!("`bench azure` does not take `{}`; see `cargo xtask help`", pair.join(" ")),
        }
    }
    Ok(options)
}

pub(super) fn run(shell: &Shell, options: &Options) -> Result<()> {
    let muster = super::binary(shell, options.muster.as_deref())?;
    let folder = shell.target_directory()?.join("bench-azure");
    println!("Machine: {}.\n", machine());
    println!("| what | | bar |\n| --- | --- | --- |");
    let lab = Tenant::start(
        &muster,
        &["--subscriptions", "1", "--services", "1", "--apis", &LIMITED.to_string(), "--limited"],
    )?;
    let first = lab.sync(&muster, &folder)?;
    let fastest = (first.reads - BURST) / PER_SECOND;
    let ratio = first.cost.wall / fastest;
    let an_api = first.calls / f64::from(LIMITED);
    println!("| {LIMITED} APIs of one service, first run | {:.0} s, {:.0} calls | |", first.cost.wall, first.calls);
    println!("| against (reads − 250) / 25 s | {ratio:.2} × | ≤ 1.1 ×{} |", met(ratio <= 1.1));
    println!("| calls an API, pages included | {an_api:.2} | ≤ 5 and pages{} |", met(an_api <= 5.3));
    println!("| answers of 429 | {} | 0{} |", first.throttled, met(first.throttled == 0));
    let again = lab.sync(&muster, &folder)?;
    println!("| the same again, nothing changed | {:.0} s, {:.0} calls | |", again.cost.wall, again.calls);
    drop(lab);
    remove(&folder)?;

    let services = options.apis.div_ceil(A_SERVICE);
    let sizes = [services.to_string(), A_SERVICE.to_string(), options.definition.to_string()];
    let [subscriptions, apis, definition] = &sizes;
    let words = ["--subscriptions", subscriptions, "--services", "1", "--apis", apis, "--definition", definition];
    let large = Tenant::start(&muster, &words)?.sync(&muster, &folder)?;
    remove(&folder)?;
    let (total, kibibytes) = (services * A_SERVICE, options.definition >> 10);
    println!("| {total} APIs of {services} services, {kibibytes} KiB each | {:.0} s | |", large.cost.wall);
    println!("| its peak | {:.0} MiB | ≤ 128 MiB{} |", large.cost.peak, met(large.cost.peak <= 128.0));
    Ok(())
}

fn met(met: bool) -> &'static str {
    if met { ": met" } else { ": **missed**" }
}

fn remove(folder: &Path) -> Result<()> {
    std::fs::remove_dir_all(folder).with_context(|| format!("deleting `{}`", folder.display()))
}

/// A simulated tenant that ends with this.
struct Tenant {
    child: Child,
    told: Value,
}

/// What a run came to.
struct Figures {
    cost: Cost,
    /// Of all kinds.
    calls: f64,
    /// Those of them that Azure counts.
    reads: f64,
    throttled: u64,
}

impl Tenant {
    fn start(muster: &Path, sizes: &[&str]) -> Result<Self> {
        let mut command = Command::new(muster);
        command.args(["lab", "azure"]).args(sizes).stdin(Stdio::null()).stdout(Stdio::piped());
        let child = command.spawn().context("starting `muster lab azure`")?;
        let mut tenant = Self { child, told: Value::Null };
        let stdout = tenant.child.stdout.as_mut().context("reading what `muster lab azure` prints")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).context("reading what `muster lab azure` prints")?;
        tenant.told = serde_json::from_str(&line).with_context(|| format!("`muster lab azure` printed `{line}`"))?;
        Ok(tenant)
    }

    /// Reads it into the store of that folder.
    fn sync(&self, muster: &Path, folder: &Path) -> Result<Figures> {
        std::fs::create_dir_all(folder).with_context(|| format!("creating `{}`", folder.display()))?;
        let settings = folder.join("connector.toml");
        std::fs::write(&settings, self.connector()).with_context(|| format!("writing `{}`", settings.display()))?;
        let before = self.counts()?;
        let mut command = Command::new(muster);
        command.arg("sync").arg(&settings).arg("--json").arg("--out").arg(folder.join("out.jsonl"));
        command.arg("--state").arg(folder.join("state"));
        let log = folder.join("muster.log");
        let cost = time(&command, &log)?;
        let told = std::fs::read_to_string(&log).with_context(|| format!("reading `{}`", log.display()))?;
        let told: Value =
            serde_json::from_str(told.lines().last().unwrap_or_default()).context("reading the ledger")?;
        if told["result"] != "complete" {
            bail!("the run ended {}", told["result"]);
        }
        let after = self.counts()?;
        let count = |kinds: &[&str]| {
            let of = |counts: &Value| kinds.iter().filter_map(|kind| counts[*kind].as_u64()).sum::<u64>();
            of(&after) - of(&before)
        };
        let float = |count: u64| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        Ok(Figures {
            cost,
            calls: float(count(&["token", "list", "detail", "export", "download"])),
            reads: float(count(&["list", "detail", "export"])),
            throttled: count(&["throttled"]),
        })
    }

    fn counts(&self) -> Result<Value> {
        let url = self.told["url"].as_str().and_then(|url| url.strip_prefix("http://"));
        Client::connect(url.context("`muster lab azure` did not print its `url`")?, "")?.json("/_lab/calls")
    }

    fn connector(&self) -> String {
        let told = &self.told;
        let lines = [
            "type = \"azure_api_management\"".to_owned(),
            "name = \"bench\"".to_owned(),
            "[authentication]".to_owned(),
            format!("tenantId = {}", told["tenantId"]),
            format!("clientId = {}", told["clientId"]),
            format!("clientSecret = {}", told["clientSecret"]),
            "[endpoints]".to_owned(),
            format!("login = {}", told["url"]),
            format!("management = {}", told["url"]),
            format!("storage = {}", told["storage"]),
        ];
        lines.join("\n") + "\n"
    }
}

impl Drop for Tenant {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
