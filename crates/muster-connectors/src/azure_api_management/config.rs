//! The connector's settings, under the source document's keys (S0), and the clouds they may mean.

use muster_core::connector::{Area, SettingError};
use muster_core::secret::Secret;
use reqwest::Url;
use serde::Deserialize;

use super::credential::Credential;
use crate::Settings;

/// A cloud of Azure's: where to sign in, where the resource manager answers, which domain definitions are stored in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Cloud {
    /// Azure itself.
    #[default]
    Public,
    /// US Government.
    UsGovernment,
    /// China, operated by 21Vianet.
    China,
}

impl Cloud {
    /// Authority, resource manager, storage domain (facts: Azure CLI's cloud table).
    fn places(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Public => {
                ("https://login.microsoftonline.com/", "https://management.azure.com/", "blob.core.windows.net")
            }
            Self::UsGovernment => (
                "https://login.microsoftonline.us/",
                "https://management.usgovcloudapi.net/",
                "blob.core.usgovcloudapi.net",
            ),
            Self::China => (
                "https://login.chinacloudapi.cn/",
                "https://management.chinacloudapi.cn/",
                "blob.core.chinacloudapi.cn",
            ),
        }
    }
}

/// Which token endpoint is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum TokenVersion {
    /// `/oauth2/token` with `resource`, as S0 has it.
    #[default]
    V1,
    /// `/oauth2/v2.0/token` with `scope`.
    V2,
}

/// The settings, checked.
#[derive(Debug, Clone)]
pub(super) struct Config {
    pub(super) tenant: String,
    pub(super) client_id: String,
    pub(super) credential: Credential,
    pub(super) login: Url,
    pub(super) management: Url,
    /// Where an export's link may lead: below this domain by HTTPS, or to this very host.
    pub(super) storage: Storage,
    /// What a token is asked for.
    pub(super) audience: String,
    pub(super) token_version: TokenVersion,
    pub(super) subscriptions_version: String,
    pub(super) service_version: String,
    /// Only these subscriptions; all that are visible where empty.
    pub(super) subscriptions: Vec<String>,
    /// A definition is exported afresh after so many days, changed or not.
    pub(super) export_after_days: u16,
    pub(super) revisions: Revisions,
}

/// Which revisions of an API are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Revisions {
    /// What callers reach without naming one.
    #[default]
    Current,
    /// Earlier ones too, each an API of its own.
    All,
}

/// Where definitions are stored.
#[derive(Debug, Clone)]
pub(super) enum Storage {
    Below(String),
    At(Url),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Authentication {
    tenant_id: String,
    client_id: String,
    client_secret: Option<Secret>,
    certificate: Option<String>,
    private_key: Option<Secret>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Endpoints {
    cloud: Cloud,
    login: Option<String>,
    management: Option<String>,
    storage: Option<String>,
    token_version: TokenVersion,
    subscriptions_api_version: Option<String>,
    api_management_api_version: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Profile {
    subscriptions: Vec<String>,
    export_after_days: Option<u16>,
    revisions: Revisions,
    // Read by the engine; here so that the key is known.
    #[serde(rename = "transformMaps")]
    _transform_maps: Option<serde_json::Value>,
}

impl Config {
    /// Reads and checks the settings.
    pub(super) fn read(settings: &Settings) -> Result<Self, SettingError> {
        let authentication: Authentication = settings.section("authentication")?;
        let endpoints: Endpoints = settings.section("endpoints")?;
        let profile: Profile = settings.section("profile")?;
        let tenant = identifier(&authentication.tenant_id, "authentication.tenantId", TENANT_REMEDY)?;
        let client_id = identifier(&authentication.client_id, "authentication.clientId", CLIENT_REMEDY)?;
        let certificate = (authentication.certificate.as_deref(), authentication.private_key);
        let credential = Credential::read(authentication.client_secret, certificate, settings)?;
        let (login, management, storage) = endpoints.cloud.places();
        let storage = match &endpoints.storage {
            None => Storage::Below(storage.to_owned()),
            Some(given) => Storage::At(base(given, "endpoints.storage")?),
        };
        let subscriptions: Result<Vec<String>, SettingError> = profile
            .subscriptions
            .iter()
            .map(|id| identifier(id, "profile.subscriptions", "give subscription ids, as `az account list` shows them"))
            .collect();
        Ok(Self {
            tenant,
            client_id,
            credential,
            login: base(endpoints.login.as_deref().unwrap_or(login), "endpoints.login")?,
            management: base(endpoints.management.as_deref().unwrap_or(management), "endpoints.management")?,
            storage,
            audience: management.to_owned(),
            token_version: endpoints.token_version,
            subscriptions_version: endpoints.subscriptions_api_version.unwrap_or_else(|| "2022-12-01".to_owned()),
            service_version: endpoints.api_management_api_version.unwrap_or_else(|| "2024-05-01".to_owned()),
            subscriptions: subscriptions?,
            export_after_days: profile.export_after_days.unwrap_or(7),
            revisions: profile.revisions,
        })
    }
}

const TENANT_REMEDY: &str = "give the directory (tenant) id, a UUID, or one of the tenant's domain names";
const CLIENT_REMEDY: &str = "give the application (client) id of the app registration, a UUID";

/// What stands in a path or a form: letters, digits, dots and dashes.
fn identifier(given: &str, field: &str, remedy: &str) -> Result<String, SettingError> {
    let given = given.trim();
    if given.is_empty() {
        return Err(SettingError::new(field, "it is empty", remedy));
    }
    let fits = given.len() <= 253 && given.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.');
    if fits { Ok(given.to_ascii_lowercase()) } else { Err(SettingError::new(field, "it is no id", remedy)) }
}

fn base(given: &str, field: &str) -> Result<Url, SettingError> {
    let remedy = "give an `https://` URL without user, query or fragment";
    crate::kit::http::base_url(given).map_err(|problem| SettingError::new(field, problem, remedy))
}

/// Where these settings read: the tenant, and of it the subscriptions that are named.
pub(super) fn areas(config: &Config) -> Vec<Area> {
    if config.subscriptions.is_empty() {
        return vec![vec![config.tenant.clone()]];
    }
    config.subscriptions.iter().map(|id| vec![config.tenant.clone(), id.clone()]).collect()
}
