//! The agent's settings: an env file and the process environment, each value with the place it came from.
//!
//! ```text
//! env file ─file.rs→ lines ┐
//! process environment ─────┴ the environment wins → names → keys.rs: aliases, the first wins → Settings, Told
//! ```
//!
//! Both key sets of the source document are read (S3). Unknown keys only warn. Placeholders that nobody filled in are
//! refused with the key's name.

mod check;
mod file;
mod found;
mod keys;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use muster_core::schedule::{Cron, Schedule, Zone};
use muster_core::secret::Secret;
use reqwest::Url;

use crate::failure::Failure;
pub(crate) use check::nothing_to_sign_in_with;
use found::Found;
pub use found::{Place, Told};

/// Parallel scopes and deliveries, where nothing is said.
const PARALLEL: usize = 10;
const MOST_PARALLEL: usize = 256;
/// What the spool may take, where nothing is said.
const SPOOL_LIMIT: u64 = 1 << 30;
const SMALLEST_SPOOL: u64 = 16 << 20;
/// Where the spool is, where nothing is said: in the directory that the process is started in.
const SPOOL_DIRECTORY: &str = "muster-agent";

/// Where settings come from.
#[derive(Debug, Clone, Copy)]
pub struct Sources<'a> {
    /// The env file.
    pub file: Option<&'a Path>,
    /// The process environment.
    pub environment: &'a [(String, String)],
    /// Whether the hub may be spoken to without TLS.
    pub allow_http: bool,
    /// Whether a cron expression must be there.
    pub needs_cron: bool,
}

/// How the agent proves who it is.
#[derive(Debug, Clone)]
pub enum SignIn {
    /// `POST /auth` with name and password.
    Basic {
        /// The name.
        username: String,
        /// The password.
        password: Secret,
    },
    /// A client's credentials: at the token URL, or at the hub's `/auth/oidc`.
    OAuth {
        /// The client.
        id: String,
        /// Its secret.
        secret: Secret,
        /// Where a token is asked for; the hub itself, where absent.
        token_url: Option<Url>,
    },
    /// The credential that was made at enrolment; without one yet, the token that enrols.
    Enrolled(Option<Secret>),
}

/// The proxy before the hub.
#[derive(Debug, Clone)]
pub struct Proxy {
    /// `http` or `https`.
    pub scheme: String,
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Who uses it.
    pub user: Option<(String, Secret)>,
}

/// What happens when the spool is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenFull {
    /// Reading waits.
    Wait,
    /// The oldest goes, and its scope says so.
    DropOldest,
}

/// The spool's settings.
#[derive(Debug, Clone)]
pub struct SpoolSettings {
    /// Where it is.
    pub directory: PathBuf,
    /// How many bytes it may take.
    pub limit: u64,
    /// What happens then.
    pub when_full: WhenFull,
}

/// All settings, checked.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The hub; its path ends with a slash.
    pub hub: Url,
    /// The tenant.
    pub customer: String,
    /// The connector.
    pub connection: String,
    /// The profile.
    pub profile: String,
    /// How to sign in.
    pub sign_in: SignIn,
    /// When to run, where it is said.
    pub cron: Option<Cron>,
    /// The zone that is read in.
    pub zone: Zone,
    /// The proxy before the hub.
    pub proxy: Option<Proxy>,
    /// Parallel scopes and deliveries.
    pub parallel: usize,
    /// The spool.
    pub spool: SpoolSettings,
    /// Settings of the source that the agent holds itself, by field: `authentication.password`.
    pub held: BTreeMap<String, Secret>,
}

/// What was made of the sources: the settings, or why there are none, and what there is to tell either way.
#[derive(Debug)]
pub struct Gathered {
    /// The settings.
    pub settings: Result<Settings, Failure>,
    /// Each value, where it came from and which name won.
    pub told: Vec<Told>,
    /// What should be looked at.
    pub warnings: Vec<String>,
}

/// Reads the settings.
pub fn gather(sources: Sources<'_>) -> Gathered {
    let mut found = match Found::collect(sources) {
        Ok(found) => found,
        Err(failure) => return Gathered { settings: Err(failure), told: Vec::new(), warnings: Vec::new() },
    };
    let settings = read(&mut found, sources);
    let (told, warnings) = found.tell();
    Gathered { settings, told, warnings }
}

impl Settings {
    /// When it runs, where it is said.
    pub fn schedule(&self) -> Option<Schedule> {
        self.cron.clone().map(|cron| Schedule::from_cron(cron, self.zone.clone()))
    }
}

fn read(found: &mut Found, sources: Sources<'_>) -> Result<Settings, Failure> {
    found.refuse_placeholders()?;
    let hub = check::url(found, keys::URL, sources.allow_http)?;
    let zone = check::zone(found)?;
    let cron = check::cron(found, &zone, sources.needs_cron)?;
    Ok(Settings {
        customer: check::uuid(found, keys::CUSTOMER)?,
        connection: check::uuid(found, keys::CONNECTION)?,
        profile: check::uuid(found, keys::PROFILE)?,
        sign_in: check::sign_in(found, sources.allow_http)?,
        proxy: check::proxy(found)?,
        parallel: check::number(found, keys::PARALLEL, PARALLEL, 1..=MOST_PARALLEL)?,
        spool: check::spool(found)?,
        held: check::held(found)?,
        hub,
        cron,
        zone,
    })
}

#[cfg(test)]
mod tests;
