//! `cargo xtask bench hub` is in [`hub`], `bench azure` in [`azure`]. `cargo xtask bench ad`: `muster sync` against `ldapsearch` of the same attributes, on the same lab, in alternating
//! pairs, so that both see the same machine at the same moment.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::measure::{Bar, Cost, Pairs, machine, median, table, time};
use crate::shell::Shell;
use site::{Site, SiteKind};

mod azure;
mod client;
mod hub;
mod site;

/// What the connector asks for of users and of groups: the one place that says what `ldapsearch` reads in comparison.
/// Keep it equal to the connector's own attribute lists; `memberOf` is in neither, for it is derived from `member`.
const USERS: Search = Search {
    filter: "(&(objectCategory=person)(objectClass=user))",
    attributes: &[
        "objectGUID",
        "objectSid",
        "name",
        "sAMAccountName",
        "userPrincipalName",
        "mail",
        "givenName",
        "sn",
        "displayName",
        "mobile",
        "title",
        "l",
        "co",
        "c",
        "st",
        "streetAddress",
        "whenCreated",
        "whenChanged",
        "uSNChanged",
        "lastLogon",
        "lastLogonTimestamp",
        "pwdLastSet",
        "accountExpires",
        "badPwdCount",
        "badPasswordTime",
        "lockoutTime",
        "userAccountControl",
        "department",
        "primaryGroupID",
    ],
};
const GROUPS: Search = Search {
    filter: "(objectClass=group)",
    attributes: &[
        "objectGUID",
        "objectSid",
        "name",
        "sAMAccountName",
        "displayName",
        "description",
        "mail",
        "groupType",
        "member",
        "whenCreated",
        "whenChanged",
        "uSNChanged",
    ],
};
/// How many objects change before a delta.
const CHANGES: u32 = 100;
/// Positions in the list of pairs.
const FULL_AGAIN: usize = 2;
const DELTA: usize = 4;
const PAGE: &str = "pr=1000/noprompt";

struct Search {
    filter: &'static str,
    attributes: &'static [&'static str],
}

#[derive(PartialEq, Eq, Debug)]
struct Options {
    sites: Vec<SiteKind>,
    users: Option<u32>,
    runs: u32,
    muster: Option<PathBuf>,
}

pub(crate) fn run(shell: &Shell, words: &[&str]) -> Result<()> {
    if let ["hub", rest @ ..] = words {
        return hub::run(shell, &hub::read_options(rest)?);
    }
    if let ["azure", rest @ ..] = words {
        return azure::run(shell, &azure::read_options(rest)?);
    }
    let options = read_options(words)?;
    let muster = binary(shell, options.muster.as_deref())?;
    println!(
        "Machine: {}. Medians of {} alternating pairs; wall clock, CPU and highest resident set by GNU time, \
         MiB read by the ledger.",
        machine(),
        options.runs
    );
    for kind in &options.sites {
        let users = options.users.unwrap_or(kind.usual_users()).to_string();
        let site = Site::start(shell, *kind, (&users, &muster))?;
        let bench = Bench::new(shell, &site, &muster)?;
        let pairs = bench.all(options.runs)?;
        println!("\n### {}, {users} users\n\n{}", kind.server(), table(&pairs));
        if let (Some(full), Some(delta)) = (pairs.get(FULL_AGAIN), pairs.get(DELTA)) {
            let (full, delta) = (median(&full.subject).traffic, median(&delta.subject).traffic);
            let share = 100.0 * delta / full.max(0.001);
            let verdict = if share <= 1.0 { "met" } else { "**missed**" };
            println!(
                "The delta of {CHANGES} changes read {share:.3} % of a full run's traffic (bar ≤ 1 %: {verdict})."
            );
        }
    }
    Ok(())
}

fn read_options(words: &[&str]) -> Result<Options> {
    let ["ad", rest @ ..] = words else {
        bail!(
            "`bench` measures `ad`, `hub` or `azure`, not `{}`; see `cargo xtask help`",
            words.first().unwrap_or(&"nothing")
        );
    };
    let mut options = Options { sites: vec![SiteKind::Scale], users: None, runs: 3, muster: None };
    let mut rest = rest.iter();
    while let Some(option) = rest.next() {
        let value = rest.next().with_context(|| format!("`{option}` needs a value; see `cargo xtask help`"))?;
        let number = || {
            value
                .parse::<u32>()
                .ok()
                .filter(|number| *number > 0)
                .with_context(|| format!("`{option}` takes a number above 0, not `{value}`"))
        };
        match *option {
            "--lab" => {
                options.sites = match *value {
                    "samba" => vec![SiteKind::Samba],
                    "scale" => vec![SiteKind::Scale],
                    "simulated" => vec![SiteKind::Simulated],
                    "all" => vec![SiteKind::Samba, SiteKind::Scale, SiteKind::Simulated],
                    _ => bail!("`--lab` is `samba`, `scale`, `simulated` or `all`, not `{value}`"),
                }
            }
            "--users" => options.users = Some(number()?),
            "--runs" => options.runs = number()?,
            "--muster" => options.muster = Some(PathBuf::from(value)),
            _ => bail!("`bench ad` does not take `{option}`; see `cargo xtask help`"),
        }
    }
    Ok(options)
}

/// The binary to measure: the one that was named, else a release build.
fn binary(shell: &Shell, named: Option<&Path>) -> Result<PathBuf> {
    if let Some(path) = named {
        return path.canonicalize().with_context(|| format!("finding the binary `{}`", path.display()));
    }
    shell.cargo(&["build", "--release", "--locked", "--package", "muster"])?;
    Ok(shell.target_directory()?.join("release/muster"))
}

/// One site, and the files of the bench inside its folder: they go when it goes.
struct Bench<'a> {
    shell: &'a Shell,
    site: &'a Site,
    muster: &'a Path,
    folder: PathBuf,
}

impl<'a> Bench<'a> {
    fn new(shell: &'a Shell, site: &'a Site, muster: &'a Path) -> Result<Self> {
        let folder = site.folder().join("bench");
        std::fs::create_dir_all(&folder).with_context(|| format!("creating `{}`", folder.display()))?;
        let bench = Self { shell, site, muster, folder };
        bench.write("connector.toml", &connector(site)?)?;
        bench.write("password", site.fact("svc_password")?)?;
        Ok(bench)
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.folder.join(name);
        std::fs::write(&path, text).with_context(|| format!("writing `{}`", path.display()))
    }

    fn all(&self, runs: u32) -> Result<Vec<Pairs>> {
        let mut pairs = kinds(self.site);
        for run in 1..=runs {
            let state = self.folder.join(format!("state-{run}"));
            let ways: [&[&str]; 4] = [&[], &["--state"], &["--state", "--full"], &["--state", "--sweep"]];
            for (pair, way) in pairs.iter_mut().zip(ways) {
                eprintln!("---- run {run} of {runs}: {}", pair.name);
                if let Some((_, costs)) = &mut pair.reference {
                    costs.push(self.search(way.contains(&"--sweep"))?);
                }
                pair.subject.push(self.sync(way, &state)?.0);
            }
            if let Some(delta) = pairs.get_mut(DELTA) {
                eprintln!("---- run {run} of {runs}: {}", delta.name);
                self.site.change(self.shell, run, CHANGES)?;
                let (cost, ledger) = self.sync(&["--state"], &state)?;
                if ledger.touched != u64::from(CHANGES) {
                    bail!("the ledger of the delta tells {} changes, not {CHANGES}", ledger.touched);
                }
                delta.subject.push(cost);
            }
            std::fs::remove_dir_all(&state).with_context(|| format!("deleting `{}`", state.display()))?;
        }
        Ok(pairs)
    }

    /// `ldapsearch` of users, then of groups, as the account that Muster uses.
    fn search(&self, guids_only: bool) -> Result<Cost> {
        let url = format!("ldap://{}:{}", self.site.fact("host")?, self.site.fact("ldap_port")?);
        let mut total = Cost::default();
        for search in [USERS, GROUPS] {
            let mut command = Command::new("ldapsearch");
            command
                .args(["-LLL", "-x", "-H", &url, "-D", self.site.fact("svc_dn")?, "-y"])
                .arg(self.folder.join("password"));
            command.args(["-b", self.site.fact("base_dn")?, "-E", PAGE, search.filter]);
            command.args(if guids_only { &["objectGUID"] } else { search.attributes });
            total = total.and(time(&command, &self.folder.join("ldapsearch.log"))?);
        }
        Ok(total)
    }

    /// `muster sync` with `way`; `--state` is followed by the folder `state`. Says how many lines it wrote.
    fn sync(&self, way: &[&str], state: &Path) -> Result<(Cost, Ledger)> {
        let out = self.folder.join("out.jsonl");
        let log = self.folder.join("muster.log");
        let mut command = Command::new(self.muster);
        command.arg("sync").arg(self.folder.join("connector.toml")).arg("--out").arg(&out).arg("--json");
        for word in way {
            command.arg(word);
            if *word == "--state" {
                command.arg(state);
            }
        }
        let cost = time(&command, &log)?;
        let told = std::fs::read_to_string(&log).with_context(|| format!("reading `{}`", log.display()))?;
        let ledger = Ledger::read(&told)?;
        let written = std::fs::read(&out).with_context(|| format!("reading `{}`", out.display()))?;
        let lines = written.iter().filter(|byte| **byte == b'\n').count();
        let cost = Cost { traffic: ledger.mebibytes, ..cost };
        eprintln!("     {:.2} s, {:.0} MiB, {:.2} MiB read, {lines} lines written", cost.wall, cost.peak, cost.traffic);
        Ok((cost, ledger))
    }
}

/// What the ledger of a run adds up to.
#[derive(PartialEq, Debug)]
struct Ledger {
    mebibytes: f64,
    /// Assets that were created, changed in any value, retired or found again.
    touched: u64,
}

impl Ledger {
    /// Reads the last line of what `muster sync --json` wrote to stderr.
    fn read(told: &str) -> Result<Self> {
        let last = told.lines().last().unwrap_or_default();
        let told: serde_json::Value = serde_json::from_str(last).context("reading the ledger")?;
        let lines = told["ledger"].as_array().context("the last line of stderr has no `ledger`")?;
        let sum = |keys: &[&str]| -> u64 {
            lines.iter().flat_map(|line| keys.iter().filter_map(|key| line[*key].as_u64())).sum()
        };
        #[expect(clippy::cast_precision_loss, reason = "a few GiB at the most")]
        let bytes = sum(&["bytes"]) as f64;
        let touched = sum(&["created", "updated", "refreshed", "gone", "reappeared"]);
        Ok(Self { mebibytes: bytes / 1024.0 / 1024.0, touched })
    }
}

/// The kinds of pairs, none measured yet.
fn kinds(site: &Site) -> Vec<Pairs> {
    let pair = |name: &str, reference: Option<&str>, bar: Bar| Pairs {
        name: name.to_owned(),
        reference: reference.map(|name| (name.to_owned(), Vec::new())),
        subject: Vec::new(),
        bar,
    };
    let search = Some("`ldapsearch`, users and groups");
    let guids = Some("`ldapsearch` of objectGUID, users and groups");
    let first = match site.kind() {
        SiteKind::Samba => Bar::Times(1.3),
        SiteKind::Scale => Bar::Times(6.0),
        // It answers `ldapsearch` faster than any directory would.
        SiteKind::Simulated => Bar::Unset,
    };
    let mut pairs = vec![
        pair("`muster sync` without a store", search, Bar::Unset),
        pair("`muster sync`, first full into an empty store", search, first),
        pair("`muster sync --full` again, nothing changed", search, Bar::Times(2.0)),
        pair("`muster sync --sweep`", guids, Bar::TimesAndSeconds(0.5, 1.0)),
    ];
    if site.counts_changes() {
        pairs.push(pair(&format!("`muster sync`, delta of {CHANGES} changes"), None, Bar::Seconds(2.0)));
    }
    pairs
}

fn connector(site: &Site) -> Result<String> {
    let fact = |key: &str| site.fact(key).map(|value| serde_json::Value::from(value).to_string());
    let lines = [
        "type = \"active_directory\"".to_owned(),
        "name = \"bench\"".to_owned(),
        "[authentication]".to_owned(),
        format!("host = {}", fact("host")?),
        format!("port = {}", site.fact("ldap_port")?),
        "protocol = \"ldap\"".to_owned(),
        format!("bindDn = {}", fact("svc_dn")?),
        format!("password = {}", fact("svc_password")?),
        "[profile]".to_owned(),
        format!("baseContext = {}", fact("base_dn")?),
    ];
    Ok(lines.join("\n") + "\n")
}

#[cfg(test)]
mod tests;
