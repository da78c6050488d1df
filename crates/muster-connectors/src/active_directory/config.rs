//! The connector's settings, under the source document's keys.

use std::time::Duration;

use muster_core::connector::{Area, SettingError};
use muster_core::secret::Secret;
use rustls::pki_types::CertificateDer;
use serde::Deserialize;

use super::names;
use crate::Settings;
use crate::kit::ldap::{ConnectionSettings, Encryption, LDAP_PORT, LDAPS_PORT, Scope, read_certificates};

/// What to read of each identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AssetsChoice {
    /// S3's "Identities Only".
    #[default]
    Identities,
    /// S3's "Identity with security posture": the flat attributes that rules read, too.
    IdentitiesWithPosture,
}

/// The settings, checked.
#[derive(Debug, Clone)]
pub struct Config {
    pub(super) connection: ConnectionSettings,
    pub(super) bind_dn: String,
    pub(super) password: Secret,
    pub(super) bases: Vec<String>,
    pub(super) search_scope: Scope,
    pub(super) assets: AssetsChoice,
    pub(super) computed_attributes: bool,
    pub(super) page_size: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Authentication {
    host: String,
    port: Option<u16>,
    #[serde(alias = "baseDn")]
    bind_dn: String,
    password: Secret,
    certificate: Option<String>,
    protocol: Option<Encryption>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Profile {
    base_context: Option<OneOrMore>,
    search_scope: Option<Scope>,
    assets: AssetsChoice,
    computed_attributes: bool,
    page_size: Option<u32>,
    timeout_seconds: Option<u64>,
    // Read by the engine; here so that the key is known.
    #[serde(rename = "transformMaps")]
    _transform_maps: Option<serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a DN or a list of DNs")]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl Config {
    /// Reads and checks the settings.
    pub fn read(settings: &Settings) -> Result<Self, SettingError> {
        let authentication: Authentication = settings.section("authentication").map_err(with_help)?;
        let profile: Profile = settings.section("profile").map_err(with_help)?;
        let host = check_host(&authentication.host)?;
        require(
            !authentication.bind_dn.trim().is_empty(),
            "authentication.bindDn",
            "it is empty",
            "give a DN, a user principal name or `DOMAIN\\user`",
        )?;
        require(
            !authentication.password.is_empty(),
            "authentication.password",
            "it is empty",
            "give the account's password: an empty one would bind nobody, and many servers call that success",
        )?;
        let encryption = authentication.protocol.unwrap_or_else(|| default_encryption(&authentication));
        let port = authentication.port.unwrap_or(if encryption == Encryption::Ldaps { LDAPS_PORT } else { LDAP_PORT });
        require(port != 0, "authentication.port", "it is 0", "389 for LDAP and StartTLS, 636 for LDAPS")?;
        let certificates = certificates(&authentication, encryption, settings)?;
        let bases = bases(profile.base_context, profile.search_scope.unwrap_or(Scope::Subtree))?;
        let page_size = profile.page_size.unwrap_or(1000);
        require(
            (1..=100_000).contains(&page_size),
            "profile.pageSize",
            "it is out of range",
            "1 to 100000; controllers clamp it to their MaxPageSize, usually 1000",
        )?;
        let patience = profile.timeout_seconds.unwrap_or(120);
        require((1..=3600).contains(&patience), "profile.timeoutSeconds", "it is out of range", "1 to 3600 seconds")?;
        Ok(Self {
            connection: ConnectionSettings {
                host,
                port,
                encryption,
                certificates,
                patience: Duration::from_secs(patience),
            },
            bind_dn: authentication.bind_dn,
            password: authentication.password,
            bases,
            search_scope: profile.search_scope.unwrap_or(Scope::Subtree),
            assets: profile.assets,
            computed_attributes: profile.computed_attributes,
            page_size,
        })
    }
}

/// A key that the form knows is best explained in the form's words.
fn with_help(error: SettingError) -> SettingError {
    let known = super::SPEC.fields.iter().find(|field| error.field == format!("{}.{}", field.section, field.key));
    match known {
        Some(field) => SettingError { remedy: field.help.to_owned(), ..error },
        None => error,
    }
}

fn require(holds: bool, field: &str, problem: &str, remedy: &str) -> Result<(), SettingError> {
    if holds { Ok(()) } else { Err(SettingError::new(field, problem, remedy)) }
}

fn check_host(host: &str) -> Result<String, SettingError> {
    let field = "authentication.host";
    require(!host.contains("]:"), field, "it holds a port", "give the port as `port`")?;
    let bare = host.trim().trim_start_matches('[').trim_end_matches(']');
    require(!bare.is_empty(), field, "it is empty", "give the name or address of a domain controller")?;
    require(
        !host.contains("://"),
        field,
        "it is a URL",
        "give only the name or address; `protocol` and `port` are keys of their own",
    )?;
    let allowed = |c: char| c.is_alphanumeric() || ".-_:%".contains(c);
    require(
        bare.chars().all(allowed),
        field,
        "it has characters that no host name has",
        "give the name or address of a domain controller",
    )?;
    let is_address = bare.parse::<std::net::IpAddr>().is_ok() || bare.contains('%');
    require(is_address || !bare.contains(':'), field, "it holds a port", "give the port as `port`")?;
    Ok(bare.to_owned())
}

/// Absent: `ldaps` when a certificate is given or the port is 636, else `ldap` (design section 7).
fn default_encryption(authentication: &Authentication) -> Encryption {
    if authentication.certificate.is_some() || authentication.port == Some(LDAPS_PORT) {
        Encryption::Ldaps
    } else {
        Encryption::Ldap
    }
}

fn certificates(
    authentication: &Authentication,
    encryption: Encryption,
    settings: &Settings,
) -> Result<Vec<CertificateDer<'static>>, SettingError> {
    let field = "authentication.certificate";
    let Some(given) = &authentication.certificate else {
        require(
            encryption == Encryption::Ldap,
            field,
            "it is missing, and LDAPS and StartTLS need it",
            "give the path or the PEM text of the root certificate of the controller's authority",
        )?;
        return Ok(Vec::new());
    };
    let bytes = settings.file_or_text(field, given)?;
    read_certificates(&bytes).map_err(|error| {
        SettingError::new(
            field,
            &error.to_string(),
            "export the root certificate of the controller's authority as Base-64 (PEM) or DER",
        )
    })
}

fn bases(given: Option<OneOrMore>, scope: Scope) -> Result<Vec<String>, SettingError> {
    let field = "profile.baseContext";
    let bases = match given {
        None => Vec::new(),
        Some(OneOrMore::One(base)) => vec![base],
        Some(OneOrMore::More(bases)) => bases,
    };
    for base in &bases {
        require(
            names::is_dn(base),
            field,
            &format!("`{base}` is not a distinguished name"),
            "write it like `OU=Sales,DC=example,DC=com`",
        )?;
    }
    for (index, base) in bases.iter().enumerate() {
        for other in &bases[index + 1..] {
            let overlaps = names::same(base, other)
                || scope == Scope::Subtree && (names::is_below(base, other) || names::is_below(other, base));
            require(
                !overlaps,
                field,
                &format!("`{base}` and `{other}` overlap"),
                "leave out the lower one: what is read twice cannot be counted",
            )?;
        }
    }
    Ok(bases)
}

/// Where these settings read: each base from its root on; everything, where none is given.
pub(super) fn areas(config: &Config) -> Vec<Area> {
    if config.bases.is_empty() {
        return vec![Vec::new()];
    }
    config.bases.iter().map(|base| names::path(base)).collect()
}

#[cfg(test)]
mod tests;
