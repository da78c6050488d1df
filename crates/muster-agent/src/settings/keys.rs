//! The keys: both sets of the source document as aliases of each other, and ours.

/// A setting under all its names.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    /// Its names; where several are given, the first of them wins.
    pub(super) names: &'static [&'static str],
    /// Whether its value is shown to nobody.
    pub(super) secret: bool,
}

const fn open(names: &'static [&'static str]) -> Key {
    Key { names, secret: false }
}

const fn secret(names: &'static [&'static str]) -> Key {
    Key { names, secret: true }
}

pub(super) const URL: Key = open(&["connector.api.url"]);
pub(super) const CUSTOMER: Key = open(&["qualys.customerUuid"]);
pub(super) const CONNECTION: Key = open(&["qualys.connectionUuid"]);
pub(super) const PROFILE: Key = open(&["qualys.profileUuid"]);
pub(super) const AUTHENTICATION: Key = open(&["authentication.type"]);
pub(super) const USERNAME: Key = open(&["qualys.user.username"]);
pub(super) const PASSWORD: Key = secret(&["qualys.user.password"]);
pub(super) const CLIENT_LEVEL: Key = open(&["qualys.OAuthClientLevel"]);
pub(super) const CLIENT_ID: Key = open(&["qualys.clientId", "oauth.client.id"]);
pub(super) const CLIENT_SECRET: Key = secret(&["qualys.clientSecret", "oauth.client.secret"]);
pub(super) const TOKEN_URL: Key = open(&["oauth.token.url"]);
pub(super) const CRON: Key = open(&["service.cron-expression"]);
pub(super) const TIME_ZONE: Key = open(&["service.timezone"]);
pub(super) const PROXY_ENABLED: Key = open(&["service.http.proxy.enabled", "proxy.enabled"]);
pub(super) const PROXY_HOST: Key = open(&["service.http.proxy.host", "proxy.host"]);
pub(super) const PROXY_SCHEME: Key = open(&["service.http.proxy.scheme", "proxy.scheme"]);
pub(super) const PROXY_PORT: Key = open(&["service.http.proxy.port", "proxy.port"]);
pub(super) const PROXY_USER: Key = open(&["service.http.proxy.username", "proxy.username"]);
pub(super) const PROXY_PASSWORD: Key = secret(&["service.http.proxy.password", "proxy.password"]);
pub(super) const PARALLEL: Key = open(&["service.child-thread-pool", "thread-pool.size"]);
pub(super) const ENROLMENT: Key = secret(&["muster.enrolment.token"]);
pub(super) const SPOOL_DIRECTORY: Key = open(&["muster.spool.directory"]);
pub(super) const SPOOL_LIMIT: Key = open(&["muster.spool.limit"]);
pub(super) const SPOOL_FULL: Key = open(&["muster.spool.when-full"]);

/// All of them, as `--check` tells them.
pub(super) const ALL: &[Key] = &[
    URL,
    CUSTOMER,
    CONNECTION,
    PROFILE,
    AUTHENTICATION,
    USERNAME,
    PASSWORD,
    CLIENT_LEVEL,
    CLIENT_ID,
    CLIENT_SECRET,
    TOKEN_URL,
    CRON,
    TIME_ZONE,
    PROXY_ENABLED,
    PROXY_SCHEME,
    PROXY_HOST,
    PROXY_PORT,
    PROXY_USER,
    PROXY_PASSWORD,
    PARALLEL,
    ENROLMENT,
    SPOOL_DIRECTORY,
    SPOOL_LIMIT,
    SPOOL_FULL,
];

/// What begins the settings of the source that the agent holds itself: `muster.authentication.password` is the
/// connector's `authentication.password`, which the hub then never sees.
pub(super) const HELD: &str = "muster.authentication.";

/// What settings of an agent begin with: a variable of the environment that begins so and is none of them is a slip.
pub(super) const FAMILIES: &[&str] =
    &["connector.", "qualys.", "authentication.", "oauth.", "service.", "proxy.", "thread-pool.", "muster."];

/// The setting of that name.
pub(super) fn named(name: &str) -> Option<Key> {
    ALL.iter().copied().find(|key| key.names.contains(&name))
}
