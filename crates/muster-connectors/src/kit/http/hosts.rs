//! Where a connector's requests may go (design P10).

use reqwest::Url;
use thiserror::Error;

/// Scheme, host and port: what a credential belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    scheme: String,
    host: String,
    port: u16,
}

impl Origin {
    /// The origin of a URL; none for one without a host, such as `data:`.
    pub fn of(url: &Url) -> Option<Self> {
        let (host, port) = (url.host_str()?, url.port_or_known_default()?);
        Some(Self { scheme: url.scheme().to_owned(), host: host.to_ascii_lowercase(), port })
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}://{}:{}", self.scheme, self.host, self.port)
    }
}

/// A URL that leads where this connector has no business. It tells the host alone: paths and queries may be secrets.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{origin}` is none of the hosts that this connector's settings allow")]
pub struct HostRefused {
    /// Where it leads; `?` for a URL without a host.
    pub origin: String,
}

/// Reads a base URL of the settings: HTTPS, or HTTP to this very machine, for a simulator. Its path ends with a slash.
/// Without one, it is told what is wrong with it.
pub fn base_url(given: &str) -> Result<Url, &'static str> {
    let mut url = Url::parse(given.trim()).map_err(|_| "it is no URL")?;
    let local = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    if !(url.scheme() == "https" || url.scheme() == "http" && local) {
        return Err("it is not HTTPS");
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        return Err("it holds more than a host and a path");
    }
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Ok(url)
}

/// The hosts that a connector's type and settings allow.
#[derive(Debug, Clone, Default)]
pub struct Hosts {
    exact: Vec<Origin>,
    /// Without the dot: `blob.core.windows.net`.
    below: Vec<String>,
}

impl Hosts {
    /// Allows the origin of a base URL that the settings name, plain HTTP included: whoever writes it there means it.
    #[must_use]
    pub fn with(mut self, base: &Url) -> Self {
        self.exact.extend(Origin::of(base));
        self
    }

    /// Allows every host below a domain, by HTTPS on its own port.
    #[must_use]
    pub fn with_below(mut self, domain: &str) -> Self {
        self.below.push(domain.to_ascii_lowercase());
        self
    }

    /// Whether a request may go there.
    pub fn check(&self, url: &Url) -> Result<(), HostRefused> {
        let Some(origin) = Origin::of(url) else { return Err(HostRefused { origin: "?".to_owned() }) };
        // A user name in a URL is a credential that was not given for this.
        let plain = url.username().is_empty() && url.password().is_none();
        let below = |domain: &String| origin.host.strip_suffix(domain.as_str()).is_some_and(|rest| rest.ends_with('.'));
        let https = origin.scheme == "https" && origin.port == 443;
        let allowed = self.exact.contains(&origin) || https && self.below.iter().any(below);
        if plain && allowed { Ok(()) } else { Err(HostRefused { origin: origin.to_string() }) }
    }
}
