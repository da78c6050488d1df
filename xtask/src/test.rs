//! `cargo xtask test`: everything that decides whether a change is good. It fetches tools first, then runs offline.

use std::time::Duration;

use anyhow::{Result, bail};

use crate::labs::{Kind, Lab};
use crate::shell::{Shell, is_installed, is_root};
use crate::steps::Steps;
use crate::{generate, quick};

const BUDGET: Duration = Duration::from_secs(25 * 60);
const SAMBA_USERS: &str = "6000";
const SCALE_USERS: &str = "5000";

/// A program that the suites need, and the Debian packages that bring it. The release of Debian pins the versions.
struct Tool {
    program: &'static str,
    packages: &'static [&'static str],
}

const TOOLS: &[Tool] = &[
    Tool { program: "slapd", packages: &["slapd"] },
    Tool { program: "ldapsearch", packages: &["ldap-utils"] },
    Tool { program: "openssl", packages: &["openssl"] },
    Tool { program: "python3", packages: &["python3"] },
    Tool { program: "/usr/lib/postgresql", packages: &["postgresql"] },
];
const SAMBA_TOOLS: &[Tool] = &[
    Tool {
        program: "samba",
        packages: &["samba", "samba-ad-dc", "samba-dsdb-modules", "samba-vfs-modules", "winbind", "krb5-user"],
    },
    Tool { program: "/usr/share/samba/setup/ad-schema", packages: &["samba-ad-provision"] },
    Tool { program: "samba-tool", packages: &["python3-samba"] },
    Tool { program: "ldbsearch", packages: &["ldb-tools"] },
];

/// What to do about the domain controller.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Samba {
    Run,
    /// Asked for by `--without samba`.
    Without,
    /// Not possible, and not asked for: the rest runs, and the end is a failure.
    NeedsRoot,
}

pub(crate) fn run(shell: &Shell, options: &[&str]) -> Result<()> {
    let samba = samba(options, is_root())?;
    let mut steps = Steps::default();
    let result = all(shell, samba, &mut steps);
    eprintln!("\n{}", steps.table());
    if steps.total() > BUDGET {
        eprintln!("warning: over the budget of {} minutes", BUDGET.as_secs() / 60);
    }
    result?;
    match samba {
        Samba::Run => Ok(()),
        Samba::Without => {
            eprintln!("left out, as asked: the suite on a real domain controller (samba)");
            Ok(())
        }
        Samba::NeedsRoot => {
            bail!(
                "all that ran passed, but the suite on a real domain controller was left out: \
                 samba needs root; run as root, or say `--without samba`"
            )
        }
    }
}

fn samba(options: &[&str], root: bool) -> Result<Samba> {
    match (options, root) {
        ([], true) => Ok(Samba::Run),
        ([], false) => Ok(Samba::NeedsRoot),
        (["--without", "samba"], _) => Ok(Samba::Without),
        _ => bail!("`test` takes `--without samba` or nothing, not `{}`", options.join(" ")),
    }
}

fn all(shell: &Shell, samba: Samba, steps: &mut Steps) -> Result<()> {
    steps.take("set-up", || set_up(shell, samba))?;
    let offline = shell.with("CARGO_NET_OFFLINE", "true");
    steps.take("build", || offline.cargo(&["build", "--package", "muster", "--locked"]))?;
    quick::steps_of(&offline, steps)?;
    suites(&offline, samba, steps)?;
    let strict = offline.with("RUSTDOCFLAGS", "-D warnings");
    steps.take("doc", || strict.cargo(&["doc", "--workspace", "--no-deps", "--locked"]))?;
    steps.take("gen", || generate::run(&offline, generate::Mode::Check))
}

/// The full suites, with every server there is. The labs stop at the end of this function, whatever happens.
fn suites(shell: &Shell, samba: Samba, steps: &mut Steps) -> Result<()> {
    let postgres = steps.take("lab: postgres", || Lab::start(shell, Kind::Postgres, &[]))?;
    let mut shell = shell.with("MUSTER_TEST_POSTGRES", postgres.fact("url")?);
    let scale = steps.take("lab: directory-scale", || Lab::start(&shell, Kind::DirectoryScale, &[SCALE_USERS]))?;
    shell = shell.with("MUSTER_TEST_SCALE", &scale.folder().to_string_lossy());
    let directory = match samba {
        Samba::Run => Some(steps.take("lab: directory", || {
            let lab = Lab::start(&shell, Kind::Directory, &[])?;
            lab.run(&shell, "populate", &[SAMBA_USERS])?;
            Ok(lab)
        })?),
        Samba::Without | Samba::NeedsRoot => {
            steps.leave_out("lab: directory");
            None
        }
    };
    if let Some(lab) = &directory {
        shell = shell.with("MUSTER_TEST_SAMBA", &lab.folder().to_string_lossy());
    }
    steps.take("suites", || shell.cargo(&["test", "--workspace", "--locked"]))
}

/// Installs what is missing, or says what to install; then fetches the crates, so that the rest runs offline.
fn set_up(shell: &Shell, samba: Samba) -> Result<()> {
    let wanted = TOOLS.iter().chain(if samba == Samba::Run { SAMBA_TOOLS } else { &[] });
    let missing: Vec<&Tool> = wanted.filter(|tool| !is_installed(tool.program)).collect();
    let packages = packages(&missing);
    if packages.is_empty() {
        eprintln!("every tool is installed");
    } else if is_root() {
        let apt = shell.with("DEBIAN_FRONTEND", "noninteractive");
        apt.run("apt-get", &["update", "--quiet"])?;
        let mut arguments = vec!["install", "--quiet", "--yes", "--no-install-recommends"];
        arguments.extend(&packages);
        apt.run("apt-get", &arguments)?;
    } else {
        bail!("tools are missing: install `{}` as root, or run as root", packages.join(" "));
    }
    shell.cargo(&["fetch", "--locked", "--quiet"])
}

fn packages(missing: &[&Tool]) -> Vec<&'static str> {
    missing.iter().flat_map(|tool| tool.packages.iter().copied()).collect()
}

#[cfg(test)]
mod tests;
