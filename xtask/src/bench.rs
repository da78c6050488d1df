//! `cargo xtask bench ad`: `muster sync` against `ldapsearch` of the same attributes, on the same lab, in alternating
//! pairs, so that both see the same machine at the same moment.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::labs::{Kind, Lab};
use crate::measure::{Cost, Pairs, machine, table, time};
use crate::shell::Shell;

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
const PAGE: &str = "pr=1000/noprompt";

struct Search {
    filter: &'static str,
    attributes: &'static [&'static str],
}

#[derive(PartialEq, Eq, Debug)]
struct Options {
    labs: Vec<Kind>,
    users: Option<u32>,
    runs: u32,
    muster: Option<PathBuf>,
}

pub(crate) fn run(shell: &Shell, words: &[&str]) -> Result<()> {
    let options = read_options(words)?;
    let muster = match &options.muster {
        Some(path) => path.canonicalize().with_context(|| format!("finding the binary `{}`", path.display()))?,
        None => build(shell)?,
    };
    println!(
        "Machine: {}. Medians of {} alternating pairs; wall clock, CPU and highest resident set by GNU time.",
        machine(),
        options.runs
    );
    for kind in &options.labs {
        let users = options.users.unwrap_or(if *kind == Kind::Directory { 20_000 } else { 200_000 }).to_string();
        let lab = match kind {
            Kind::Directory => {
                let lab = Lab::start(shell, *kind, &[])?;
                lab.run(shell, "populate", &[&users])?;
                lab
            }
            _ => Lab::start(shell, *kind, &[&users])?,
        };
        let bench = Bench::new(shell, &lab, *kind, &muster)?;
        let pairs = bench.all(options.runs)?;
        let server = if *kind == Kind::Directory { "Samba" } else { "OpenLDAP" };
        println!("\n### {server}, {users} users\n\n{}", table(&pairs));
    }
    Ok(())
}

fn read_options(words: &[&str]) -> Result<Options> {
    let ["ad", rest @ ..] = words else {
        bail!("`bench` measures `ad`, not `{}`; see `cargo xtask help`", words.first().unwrap_or(&"nothing"));
    };
    let mut options = Options { labs: vec![Kind::DirectoryScale], users: None, runs: 3, muster: None };
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
                options.labs = match *value {
                    "samba" => vec![Kind::Directory],
                    "scale" => vec![Kind::DirectoryScale],
                    "both" => vec![Kind::Directory, Kind::DirectoryScale],
                    _ => bail!("`--lab` is `samba`, `scale` or `both`, not `{value}`"),
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

fn build(shell: &Shell) -> Result<PathBuf> {
    shell.cargo(&["build", "--release", "--locked", "--package", "muster"])?;
    let metadata = shell.metadata(&["--no-deps"])?;
    let target = metadata["target_directory"].as_str().context("reading `target_directory` of `cargo metadata`")?;
    Ok(Path::new(target).join("release/muster"))
}

/// One lab, and the files of the bench inside the lab's folder: they go when it goes.
struct Bench<'a> {
    shell: &'a Shell,
    lab: &'a Lab,
    kind: Kind,
    muster: &'a Path,
    folder: PathBuf,
}

impl<'a> Bench<'a> {
    fn new(shell: &'a Shell, lab: &'a Lab, kind: Kind, muster: &'a Path) -> Result<Self> {
        let folder = lab.folder().join("bench");
        std::fs::create_dir_all(&folder).with_context(|| format!("creating `{}`", folder.display()))?;
        let bench = Self { shell, lab, kind, muster, folder };
        bench.write("connector.toml", &connector(lab)?)?;
        bench.write("password", lab.fact("svc_password")?)?;
        Ok(bench)
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.folder.join(name);
        std::fs::write(&path, text).with_context(|| format!("writing `{}`", path.display()))
    }

    fn all(&self, runs: u32) -> Result<Vec<Pairs>> {
        let search = "`ldapsearch`, users and groups";
        let mut pairs = vec![
            pair("`muster sync` without a store", Some(search)),
            pair("`muster sync`, first full into an empty store", Some(search)),
            pair("`muster sync --full` again, nothing changed", Some(search)),
            pair("`muster sync --sweep`", Some("`ldapsearch` of objectGUID, users and groups")),
        ];
        if self.kind == Kind::Directory {
            pairs.push(pair("`muster sync`, delta after one batch of `change`", None));
        }
        for run in 1..=runs {
            let state = self.folder.join(format!("state-{run}"));
            let ways: [&[&str]; 4] = [&[], &["--state"], &["--state", "--full"], &["--state", "--sweep"]];
            for (pair, way) in pairs.iter_mut().zip(ways) {
                eprintln!("---- run {run} of {runs}: {}", pair.name);
                if let Some((_, costs)) = &mut pair.reference {
                    costs.push(self.search(way.contains(&"--sweep"))?);
                }
                pair.subject.push(self.sync(way, &state)?);
            }
            if let Some(delta) = pairs.get_mut(4) {
                eprintln!("---- run {run} of {runs}: {}", delta.name);
                self.lab.run(self.shell, "change", &[&run.to_string()])?;
                delta.subject.push(self.sync(&["--state"], &state)?);
            }
            std::fs::remove_dir_all(&state).with_context(|| format!("deleting `{}`", state.display()))?;
        }
        Ok(pairs)
    }

    /// `ldapsearch` of users, then of groups, as the account that Muster uses.
    fn search(&self, guids_only: bool) -> Result<Cost> {
        let url = format!("ldap://{}:{}", self.lab.fact("host")?, self.lab.fact("ldap_port")?);
        let mut total = Cost::default();
        for search in [USERS, GROUPS] {
            let mut command = Command::new("ldapsearch");
            command
                .args(["-LLL", "-x", "-H", &url, "-D", self.lab.fact("svc_dn")?, "-y"])
                .arg(self.folder.join("password"));
            command.args(["-b", self.lab.fact("base_dn")?, "-E", PAGE, search.filter]);
            command.args(if guids_only { &["objectGUID"] } else { search.attributes });
            total = total.and(time(&command, &self.folder.join("ldapsearch.log"))?);
        }
        Ok(total)
    }

    /// `muster sync` with `way`; `--state` is followed by the folder `state`. Says how many lines it wrote.
    fn sync(&self, way: &[&str], state: &Path) -> Result<Cost> {
        let out = self.folder.join("out.jsonl");
        let mut command = Command::new(self.muster);
        command.arg("sync").arg(self.folder.join("connector.toml")).arg("--out").arg(&out).arg("--json");
        for word in way {
            command.arg(word);
            if *word == "--state" {
                command.arg(state);
            }
        }
        let cost = time(&command, &self.folder.join("muster.log"))?;
        let written = std::fs::read(&out).with_context(|| format!("reading `{}`", out.display()))?;
        let lines = written.iter().filter(|byte| **byte == b'\n').count();
        eprintln!("     {:.2} s, {:.0} MiB, {lines} lines written", cost.wall, cost.peak);
        Ok(cost)
    }
}

fn pair(name: &str, reference: Option<&str>) -> Pairs {
    Pairs { name: name.to_owned(), reference: reference.map(|name| (name.to_owned(), Vec::new())), subject: Vec::new() }
}

fn connector(lab: &Lab) -> Result<String> {
    let fact = |key: &str| lab.fact(key).map(|value| serde_json::Value::from(value).to_string());
    let lines = [
        "type = \"active_directory\"".to_owned(),
        "name = \"bench\"".to_owned(),
        "[authentication]".to_owned(),
        format!("host = {}", fact("host")?),
        format!("port = {}", lab.fact("ldap_port")?),
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
