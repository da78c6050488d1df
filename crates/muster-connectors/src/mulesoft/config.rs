//! The connector's settings, under the source document's keys (S2).

use muster_core::connector::{Area, SettingError};
use muster_core::secret::Secret;
use reqwest::Url;
use serde::Deserialize;

use super::plan::EXCHANGE;
use crate::Settings;

/// The US control plane.
const BASE: &str = "https://anypoint.mulesoft.com";
/// Anypoint tells no limit; clients in the field live with this.
const CALLS_PER_SECOND: u16 = 10;
/// Where Exchange keeps files, in every region that was seen.
const STORAGE: &str = "amazonaws.com";

/// Who signs in.
#[derive(Debug, Clone)]
pub(super) enum Credential {
    /// A connected app that acts on its own behalf.
    App { id: String, secret: Secret },
    /// A user without single sign-on and second factor.
    User { name: String, password: Secret },
}

impl Credential {
    /// The name that calls are counted for.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::App { id, .. } => id,
            Self::User { name, .. } => name,
        }
    }
}

/// Where files lie.
#[derive(Debug, Clone)]
pub(super) enum Storage {
    Below(String),
    At(Url),
}

/// The settings, checked.
#[derive(Debug, Clone)]
pub(super) struct Config {
    pub(super) organization: String,
    /// The one environment to read; none reads all.
    pub(super) environment: Option<String>,
    pub(super) credential: Credential,
    pub(super) base: Url,
    pub(super) storage: Storage,
    /// Whether the business groups below are read too.
    pub(super) below: bool,
    /// Whether Exchange's assets without an instance are read too.
    pub(super) unmanaged: bool,
    /// A file is fetched afresh after so many days, changed or not.
    pub(super) fetch_after_days: u16,
    /// The most calls a second.
    pub(super) calls_per_second: u16,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Authentication {
    organization_id: String,
    environment_id: Option<String>,
    client_id: Option<String>,
    client_secret: Option<Secret>,
    username: Option<String>,
    password: Option<Secret>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Endpoints {
    base: Option<String>,
    storage: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Profile {
    business_groups: BusinessGroups,
    all_environments: bool,
    unmanaged_assets: bool,
    fetch_after_days: Option<u16>,
    calls_per_second: Option<std::num::NonZeroU16>,
    // Read by the engine; here so that the key is known.
    #[serde(rename = "transformMaps")]
    _transform_maps: Option<serde_json::Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum BusinessGroups {
    #[default]
    Own,
    Below,
}

impl Config {
    /// Whether an environment of a business group is one that these settings read, where it is visible.
    pub(super) fn reads(&self, organization: &str, environment: &str) -> bool {
        let is = |one: &String, other: &str| one.eq_ignore_ascii_case(other);
        let is_environment =
            environment == EXCHANGE || self.environment.as_ref().is_none_or(|one| is(one, environment));
        is_environment && (self.below || is(&self.organization, organization))
    }

    /// Reads and checks the settings.
    pub(super) fn read(settings: &Settings) -> Result<Self, SettingError> {
        let authentication: Authentication = settings.section("authentication")?;
        let endpoints: Endpoints = settings.section("endpoints")?;
        let profile: Profile = settings.section("profile")?;
        let organization = identifier(&authentication.organization_id, "authentication.organizationId", GROUP_REMEDY)?;
        let given = authentication.environment_id.as_deref().map(str::trim).filter(|id| !id.is_empty());
        let environment = match given {
            _ if profile.all_environments => None,
            Some(id) => Some(identifier(id, "authentication.environmentId", ENVIRONMENT_REMEDY)?),
            None => {
                let problem = "it is missing, and the profile does not ask for all environments";
                return Err(SettingError::new("authentication.environmentId", problem, ENVIRONMENT_REMEDY));
            }
        };
        let below = profile.business_groups == BusinessGroups::Below;
        if below && environment.is_some() {
            let problem = "one environment is given, and an environment belongs to one business group";
            let remedy = "set `allEnvironments = true`, or leave `businessGroups` at `own`";
            return Err(SettingError::new("profile.businessGroups", problem, remedy));
        }
        Ok(Self {
            organization,
            environment,
            credential: credential(authentication)?,
            base: base(endpoints.base.as_deref().unwrap_or(BASE), "endpoints.base")?,
            storage: storage(endpoints.storage.as_deref())?,
            below,
            unmanaged: profile.unmanaged_assets,
            fetch_after_days: profile.fetch_after_days.unwrap_or(7),
            calls_per_second: profile.calls_per_second.map_or(CALLS_PER_SECOND, std::num::NonZeroU16::get),
        })
    }
}

const GROUP_REMEDY: &str = "give the business group id, a UUID: API Manager shows it beside the environment";
const ENVIRONMENT_REMEDY: &str =
    "give the environment id, a UUID: API Manager shows it; or set `allEnvironments = true`";
const SECRET_REMEDY: &str = "give the client secret of the connected app, from Access Management > Connected Apps";

fn credential(given: Authentication) -> Result<Credential, SettingError> {
    let text = |text: Option<String>| text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    let secret = |secret: Option<Secret>| secret.filter(|secret| !secret.is_empty());
    match (text(given.client_id), text(given.username)) {
        (Some(id), None) => {
            let id = identifier(&id, "authentication.clientId", "give the client id of the connected app")?;
            let missing = || SettingError::new("authentication.clientSecret", "it is missing", SECRET_REMEDY);
            Ok(Credential::App { id, secret: secret(given.client_secret).ok_or_else(missing)? })
        }
        (None, Some(name)) => {
            let missing = || SettingError::new("authentication.password", "it is missing", "give the user's password");
            Ok(Credential::User { name, password: secret(given.password).ok_or_else(missing)? })
        }
        (Some(_), Some(_)) => {
            let problem = "a connected app is given, too";
            Err(SettingError::new("authentication.username", problem, "give either `clientId` or `username`"))
        }
        (None, None) => {
            let remedy = "give the client id of a connected app with the client credentials grant";
            Err(SettingError::new("authentication.clientId", "it is missing", remedy))
        }
    }
}

/// What stands in a path: letters, digits and dashes.
fn identifier(given: &str, field: &str, remedy: &str) -> Result<String, SettingError> {
    let given = given.trim();
    if given.is_empty() {
        return Err(SettingError::new(field, "it is empty", remedy));
    }
    let fits = given.len() <= 128 && given.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    // UUIDs are the same in either case, and keys are made of them.
    let is_uuid = given.len() == 36 && given.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
    let given = if is_uuid { given.to_ascii_lowercase() } else { given.to_owned() };
    if fits { Ok(given) } else { Err(SettingError::new(field, "it is no id", remedy)) }
}

/// A domain below which files lie, or one base URL.
fn storage(given: Option<&str>) -> Result<Storage, SettingError> {
    match given.map(str::trim).filter(|given| !given.is_empty()) {
        None => Ok(Storage::Below(STORAGE.to_owned())),
        Some(given) if given.contains("://") => Ok(Storage::At(base(given, "endpoints.storage")?)),
        Some(domain) => {
            let fits =
                domain.contains('.') && domain.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.'));
            let problem = || {
                let remedy = "give a domain such as `amazonaws.com`, or an `https://` URL";
                SettingError::new("endpoints.storage", "it is neither a domain nor a URL", remedy)
            };
            fits.then(|| Storage::Below(domain.to_ascii_lowercase())).ok_or_else(problem)
        }
    }
}

fn base(given: &str, field: &str) -> Result<Url, SettingError> {
    crate::kit::http::base_url(given)
        .map_err(|problem| SettingError::new(field, problem, "give an `https://` URL without user, query or fragment"))
}

/// Where these settings read: a business group, and of it the environment that is named. Groups below one another are
/// not told apart by their ids: who reads them all overlaps with everyone of the same root.
pub(super) fn areas(config: &Config) -> Vec<Area> {
    match &config.environment {
        Some(environment) => vec![vec![config.organization.clone(), environment.clone()]],
        None => vec![vec![config.organization.clone()]],
    }
}
