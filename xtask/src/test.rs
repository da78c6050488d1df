//! `cargo xtask test`: everything that decides whether a change is good. It fetches tools first, then runs offline.

use std::time::Duration;

use anyhow::{Result, bail};

use crate::labs::{Kind, Lab};
use crate::shell::{Shell, is_installed, is_root};
use crate::steps::Steps;
use crate::{browser, definitions, generate, judges, openapi, quick};

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
    Tool { program: "tinyproxy", packages: &["tinyproxy"] },
    Tool { program: "/usr/lib/postgresql", packages: &["postgresql"] },
    Tool { program: "node", packages: &["nodejs"] },
    Tool { program: "npm", packages: &["npm"] },
];
const BROWSER_TOOLS: &[Tool] = &[Tool { program: browser::CHROMIUM, packages: &["chromium"] }];
const SAMBA_TOOLS: &[Tool] = &[
    Tool {
        program: "samba",
        packages: &["samba", "samba-ad-dc", "samba-dsdb-modules", "samba-vfs-modules", "winbind", "krb5-user"],
    },
    Tool { program: "/usr/share/samba/setup/ad-schema", packages: &["samba-ad-provision"] },
    Tool { program: "samba-tool", packages: &["python3-samba"] },
    Tool { program: "ldbsearch", packages: &["ldb-tools"] },
];

/// What to do about a suite that not every machine can run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Suite {
    Run,
    /// Asked for by `--without`.
    Without,
    /// Not possible, and not asked for: the rest runs, and the end is a failure.
    NeedsRoot,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Plan {
    samba: Suite,
    browser: Suite,
}

pub(crate) fn run(shell: &Shell, options: &[&str]) -> Result<()> {
    let has_browser = BROWSER_TOOLS.iter().all(|tool| is_installed(tool.program));
    let plan = plan(options, is_root(), has_browser)?;
    let mut steps = Steps::default();
    let result = all(shell, plan, &mut steps);
    eprintln!("\n{}", steps.table());
    if steps.total() > BUDGET {
        eprintln!("warning: over the budget of {} minutes", BUDGET.as_secs() / 60);
    }
    result?;
    let suites = [
        ("samba", plan.samba, "the suite on a real domain controller"),
        ("browser", plan.browser, "the console in a real browser"),
    ];
    for (name, _, what) in suites.iter().filter(|(_, suite, _)| *suite == Suite::Without) {
        eprintln!("left out, as asked: {what} ({name})");
    }
    let missing: Vec<&str> =
        suites.iter().filter(|(_, suite, _)| *suite == Suite::NeedsRoot).map(|(name, ..)| *name).collect();
    if missing.is_empty() {
        return Ok(());
    }
    bail!(
        "all that ran passed, but without root these were left out: {}; run as root, or say `--without {}`",
        missing.join(", "),
        missing.join(" --without ")
    )
}

/// Samba needs root; the browser needs it where it is not installed yet.
fn plan(options: &[&str], root: bool, has_browser: bool) -> Result<Plan> {
    let mut without = Vec::new();
    for pair in options.chunks(2) {
        match pair {
            ["--without", suite @ ("samba" | "browser")] => without.push(*suite),
            _ => bail!("`test` takes `--without samba`, `--without browser` or nothing, not `{}`", options.join(" ")),
        }
    }
    let suite = |name: &str, possible: bool| match possible {
        _ if without.contains(&name) => Suite::Without,
        true => Suite::Run,
        false => Suite::NeedsRoot,
    };
    Ok(Plan { samba: suite("samba", root), browser: suite("browser", root || has_browser) })
}

fn all(shell: &Shell, plan: Plan, steps: &mut Steps) -> Result<()> {
    steps.take("set-up", || set_up(shell, plan))?;
    let offline = shell.with("CARGO_NET_OFFLINE", "true");
    // As the README begins the demo: of the programs that the workspace holds, cargo has to choose ours.
    steps.take("build", || offline.cargo(&["run", "--locked", "--", "--version"]))?;
    quick::looks(&offline, steps)?;
    suites(&offline, plan, steps)
}

/// What needs no server of the labs; the API against its description keeps one core busy for as long as it is given.
fn rest(shell: &Shell, plan: Plan, steps: &mut Steps) -> Result<()> {
    let apart = shell.apart();
    steps.beside(
        "openapi",
        || openapi::run(&apart),
        |steps| {
            match plan.browser {
                Suite::Run => steps.take("browser", || browser::run(shell))?,
                Suite::Without | Suite::NeedsRoot => steps.leave_out("browser"),
            }
            steps.take("definitions", || definitions::run(shell))?;
            for judge in judges::ALL {
                let name = judge.name;
                if judge.has_labs(shell) {
                    steps.take(name, || judge.run(shell))?;
                } else {
                    // Told in the table: nobody shall take a run without it for one with it.
                    steps.leave_out(&format!("{name}: no ../shared/labs/{name}"));
                }
            }
            let strict = shell.with("RUSTDOCFLAGS", "-D warnings");
            steps.take("doc", || strict.cargo(&["doc", "--workspace", "--no-deps", "--locked"]))?;
            steps.take("gen", || generate::run(shell, generate::Mode::Check))
        },
    )
}

/// The full suites, with every server there is, and the rest. The labs stop at the end of this function, whatever happens.
fn suites(shell: &Shell, plan: Plan, steps: &mut Steps) -> Result<()> {
    let postgres = steps.take("lab: postgres", || Lab::start(shell, Kind::Postgres, &[]))?;
    let mut shell = shell.with("MUSTER_TEST_POSTGRES", postgres.fact("url")?);
    let scale = steps.take("lab: directory-scale", || Lab::start(&shell, Kind::DirectoryScale, &[SCALE_USERS]))?;
    shell = shell.with("MUSTER_TEST_SCALE", &scale.folder().to_string_lossy());
    let directory = match plan.samba {
        Suite::Run => Some(steps.take("lab: directory", || {
            let lab = Lab::start(&shell, Kind::Directory, &[])?;
            lab.run(&shell, "populate", &[SAMBA_USERS])?;
            Ok(lab)
        })?),
        Suite::Without | Suite::NeedsRoot => {
            steps.leave_out("lab: directory");
            None
        }
    };
    if let Some(lab) = &directory {
        shell = shell.with("MUSTER_TEST_SAMBA", &lab.folder().to_string_lossy());
    }
    steps.take("suites", || shell.cargo(&["test", "--workspace", "--locked"]))?;
    if directory.is_some() && plan.browser == Suite::Run {
        // It waits for schedules, most of the time.
        let apart = shell.apart();
        steps.beside("browser: samba", || browser::run_samba(&apart), |steps| rest(&shell, plan, steps))
    } else {
        steps.leave_out("browser: samba");
        rest(&shell, plan, steps)
    }
}

/// Installs what is missing, or says what to install; then fetches crates and packages, so that the rest runs offline.
fn set_up(shell: &Shell, plan: Plan) -> Result<()> {
    let of = |suite: Suite, tools: &'static [Tool]| if suite == Suite::Run { tools } else { &[] };
    let wanted = TOOLS.iter().chain(of(plan.samba, SAMBA_TOOLS)).chain(of(plan.browser, BROWSER_TOOLS));
    let missing: Vec<&Tool> = wanted.filter(|tool| !is_installed(tool.program)).collect();
    let mut packages = packages(&missing);
    if !openapi::has_environments(shell) {
        packages.push("python3-venv");
    }
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
    if plan.browser == Suite::Run {
        browser::set_up(shell)?;
    }
    openapi::set_up(shell)?;
    definitions::set_up(shell)?;
    for judge in judges::ALL {
        judge.set_up(shell)?;
    }
    shell.cargo(&["fetch", "--locked", "--quiet"])
}

fn packages(missing: &[&Tool]) -> Vec<&'static str> {
    missing.iter().flat_map(|tool| tool.packages.iter().copied()).collect()
}

#[cfg(test)]
mod tests;
