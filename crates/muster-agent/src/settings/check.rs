//! From text to settings, each with a sentence for what cannot work.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use data_encoding::BASE64;
use muster_core::schedule::{Cron, Schedule, Zone};
use muster_core::secret::Secret;
use reqwest::Url;

use super::found::{Found, Value};
use super::keys::{self, Key};
use super::{Proxy, SMALLEST_SPOOL, SPOOL_DIRECTORY, SPOOL_LIMIT, SignIn, SpoolSettings, WhenFull, file};
use crate::failure::Failure;

const WHOLE_URL: &str = "write the gateway's whole address, such as `https://gateway.example.com`";
const PAGE: &str = "the connector's page in the hub shows it, and offers a whole env file";

pub(super) fn url(found: &Found, key: Key, allow_http: bool) -> Result<Url, Failure> {
    let given = found.need(key, WHOLE_URL)?;
    let mut url = checked_url(&given, allow_http)?;
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Ok(url)
}

fn checked_url(given: &Value, allow_http: bool) -> Result<Url, Failure> {
    let text = given.text.trim();
    if text.contains(['<', '>']) {
        return Err(given.refused("it still holds a placeholder of the sample", WHOLE_URL));
    }
    let url = Url::parse(text).map_err(|_| given.refused("it is no URL", WHOLE_URL))?;
    match url.scheme() {
        "https" => {}
        "http" if allow_http => {}
        "http" => {
            let remedy =
                "write `https://…`; for a trial on a network that you trust, start the agent with `--allow-http`";
            return Err(given.refused("it is not HTTPS: passwords would travel in clear", remedy));
        }
        _ => return Err(given.refused("it is not HTTPS", WHOLE_URL)),
    }
    let bare =
        url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
    if url.host_str().is_none_or(str::is_empty) || !bare {
        return Err(given.refused("it is more, or less, than a host with a port and a path", WHOLE_URL));
    }
    Ok(url)
}

pub(super) fn uuid(found: &Found, key: Key) -> Result<String, Failure> {
    let given = found.need(key, PAGE)?;
    let text = given.text.trim().to_ascii_lowercase();
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    let right = lengths == [8, 4, 4, 4, 12] && text.chars().all(|c| c == '-' || c.is_ascii_hexdigit());
    if right { Ok(text) } else { Err(given.refused("it is no UUID", PAGE)) }
}

pub(super) fn number(found: &Found, key: Key, default: usize, range: RangeInclusive<usize>) -> Result<usize, Failure> {
    let Some(given) = found.get(key) else { return Ok(default) };
    let number = given.text.trim().parse().ok().filter(|number| range.contains(number));
    let (low, high) = range.into_inner();
    number.ok_or_else(|| given.refused("it is out of range, or no number", format!("a number from {low} to {high}")))
}

fn switch(found: &Found, key: Key) -> Result<Option<bool>, Failure> {
    let Some(given) = found.get(key) else { return Ok(None) };
    match given.text.trim().to_ascii_lowercase().as_str() {
        "true" => Ok(Some(true)),
        "false" => Ok(Some(false)),
        _ => Err(given.refused("it is neither true nor false", "write `true` or `false`")),
    }
}

pub(super) fn zone(found: &Found) -> Result<Zone, Failure> {
    let Some(given) = found.get(keys::TIME_ZONE) else { return Ok(Zone::utc()) };
    Zone::named(given.text.trim())
        .map_err(|_| given.refused("it names no time zone", "write an IANA name such as `Europe/Berlin` or `UTC`"))
}

pub(super) fn cron(found: &Found, zone: &Zone, needed: bool) -> Result<Option<Cron>, Failure> {
    let remedy = "write when to run, such as `*/10 * * * *` for every ten minutes; or run once with `--once`";
    let given = if needed { Some(found.need(keys::CRON, remedy)?) } else { found.get(keys::CRON) };
    let Some(given) = given else { return Ok(None) };
    let cron = Cron::parse(&given.text).map_err(|error| {
        let field = error.field.map(|field| format!("{field} field, ")).unwrap_or_default();
        given.refused(&format!("{field}character {}: {}", error.position, error.problem), error.remedy)
    })?;
    // Any instant does: a day that no calendar has is never due.
    if Schedule::from_cron(cron.clone(), zone.clone()).next_after(muster_core::clock::Instant(0)).is_none() {
        return Err(given.refused("it fits no day of the calendar", "write a day that its month has"));
    }
    Ok(Some(cron))
}

/// C3: the type that is said; else OAUTH where a client and its secret are given, else BASIC. A token that enrols is said
/// for nothing else, and so goes before both.
pub(super) fn sign_in(found: &Found, allow_http: bool) -> Result<SignIn, Failure> {
    check_level(found)?;
    let said = found.get(keys::AUTHENTICATION);
    let enrolment = found.get(keys::ENROLMENT);
    let client = found.get(keys::CLIENT_ID).is_some() && found.get(keys::CLIENT_SECRET).is_some();
    let user = found.get(keys::USERNAME).is_some() && found.get(keys::PASSWORD).is_some();
    let word = said.as_ref().map(|said| said.text.trim().to_ascii_uppercase());
    match word.as_deref() {
        Some("BASIC") => basic(found),
        Some("OAUTH") => oauth(found, allow_http),
        Some(_) => {
            let refused = |said: Value| said.refused("it is neither BASIC nor OAUTH", "write `BASIC` or `OAUTH`");
            Err(said.map_or_else(nothing_to_sign_in_with, refused))
        }
        None => match enrolment {
            Some(token) => Ok(SignIn::Enrolled(Some(Secret::new(token.text.trim())))),
            None if client => oauth(found, allow_http),
            None if user => basic(found),
            None if found.get(keys::USERNAME).is_some() || found.get(keys::PASSWORD).is_some() => basic(found),
            None if found.get(keys::CLIENT_ID).is_some() || found.get(keys::CLIENT_SECRET).is_some() => {
                oauth(found, allow_http)
            }
            // Whether it was enrolled before, the spool's directory says.
            None => Ok(SignIn::Enrolled(None)),
        },
    }
}

/// The failure that names both ways to sign in, and the third.
pub(crate) fn nothing_to_sign_in_with() -> Failure {
    let remedy = "give `qualys.user.username` and `qualys.user.password` (BASIC), or `qualys.clientId` and \
                  `qualys.clientSecret` (OAUTH), or enrol once with `muster.enrolment.token`";
    Failure::setting("authentication.type", "nowhere", "there is nothing to sign in with", remedy)
}

fn basic(found: &Found) -> Result<SignIn, Failure> {
    let remedy = "BASIC needs `qualys.user.username` and `qualys.user.password`";
    let username = found.need(keys::USERNAME, remedy)?.text;
    let password = Secret::new(found.need(keys::PASSWORD, remedy)?.text);
    Ok(SignIn::Basic { username, password })
}

fn oauth(found: &Found, allow_http: bool) -> Result<SignIn, Failure> {
    let remedy =
        "OAUTH needs `qualys.clientId` and `qualys.clientSecret` (or `oauth.client.id` and `oauth.client.secret`)";
    let id = found.need(keys::CLIENT_ID, remedy)?.text;
    let secret = Secret::new(found.need(keys::CLIENT_SECRET, remedy)?.text);
    let token_url = found.get(keys::TOKEN_URL).map(|given| checked_url(&given, allow_http)).transpose()?;
    Ok(SignIn::OAuth { id, secret, token_url })
}

fn check_level(found: &Found) -> Result<(), Failure> {
    let Some(given) = found.get(keys::CLIENT_LEVEL) else { return Ok(()) };
    match given.text.trim().to_ascii_lowercase().as_str() {
        "user" | "subscription" => Ok(()),
        _ => Err(given.refused("it is no level of clients", "write `user` or `subscription`, or leave it empty")),
    }
}

pub(super) fn proxy(found: &mut Found) -> Result<Option<Proxy>, Failure> {
    let enabled = switch(found, keys::PROXY_ENABLED)?;
    let host = found.get(keys::PROXY_HOST);
    if enabled != Some(true) {
        if let (None, Some(host)) = (enabled, &host) {
            let (name, place) = (&host.name, &host.place);
            found.warnings.push(format!("`{name}` ({place}) is not used: `service.http.proxy.enabled` is not `true`"));
        }
        return Ok(None);
    }
    let remedy = "give the proxy's name or address and its port, or write `service.http.proxy.enabled=false`";
    let host = found.need(keys::PROXY_HOST, remedy)?;
    let name = host.text.trim().to_owned();
    if name.is_empty() || name.contains(['/', '@', ' ', '?', '#']) {
        return Err(
            host.refused("it is no host", "give the name or address alone; scheme and port have their own keys")
        );
    }
    let port = found.need(keys::PROXY_PORT, remedy)?;
    let number = port.text.trim().parse().ok().filter(|number: &u16| *number != 0);
    let number = number.ok_or_else(|| port.refused("it is no port", "a number from 1 to 65535"))?;
    let scheme = match found.get(keys::PROXY_SCHEME) {
        None => "http".to_owned(),
        Some(given) => match given.text.trim().to_ascii_lowercase() {
            known if known == "http" || known == "https" => known,
            _ => {
                return Err(
                    given.refused("it is neither http nor https", "how the proxy itself is spoken to: mostly `http`")
                );
            }
        },
    };
    let user = match (found.get(keys::PROXY_USER), found.get(keys::PROXY_PASSWORD)) {
        (None, None) => None,
        (Some(user), password) => Some((user.text, Secret::new(password.map(|value| value.text).unwrap_or_default()))),
        (None, Some(password)) => {
            return Err(password.refused("there is no user with it", "give `service.http.proxy.username`, too"));
        }
    };
    Ok(Some(Proxy { scheme, host: name, port: number, user }))
}

pub(super) fn spool(found: &Found) -> Result<SpoolSettings, Failure> {
    let directory = found
        .get(keys::SPOOL_DIRECTORY)
        .map_or_else(|| PathBuf::from(SPOOL_DIRECTORY), |given| given.text.trim().into());
    let limit = match found.get(keys::SPOOL_LIMIT) {
        None => SPOOL_LIMIT,
        Some(given) => {
            let remedy = "bytes, or with a unit: `512MiB`, `4GiB`; at least 16MiB";
            bytes(&given.text)
                .filter(|&limit| limit >= SMALLEST_SPOOL)
                .ok_or_else(|| given.refused("it is no size, or too small", remedy))?
        }
    };
    let when_full = match found.get(keys::SPOOL_FULL) {
        None => WhenFull::Wait,
        Some(given) => match given.text.trim() {
            "wait" => WhenFull::Wait,
            "drop-oldest" => WhenFull::DropOldest,
            _ => return Err(given.refused("it is no policy", "`wait` (reading waits) or `drop-oldest`")),
        },
    };
    Ok(SpoolSettings { directory, limit, when_full })
}

fn bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let factor = match text[at..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kib" | "k" => 1 << 10,
        "mib" | "m" => 1 << 20,
        "gib" | "g" => 1 << 30,
        _ => return None,
    };
    text[..at].parse::<u64>().ok()?.checked_mul(factor)
}

/// What the agent holds itself. A certificate is the path of a file of this machine, or PEM text.
pub(super) fn held(found: &Found) -> Result<BTreeMap<String, Secret>, Failure> {
    let mut held = BTreeMap::new();
    for (field, value) in found.held() {
        let text = match field.as_str() {
            "authentication.certificate" => certificate(&value)?,
            _ => value.text,
        };
        held.insert(field, Secret::new(text));
    }
    Ok(held)
}

fn certificate(value: &Value) -> Result<String, Failure> {
    if value.text.contains("-----BEGIN ") {
        return Ok(value.text.clone());
    }
    let remedy = "give the path of a PEM or DER file on the agent's machine";
    let bytes =
        file::read_bytes(Path::new(value.text.trim())).map_err(|failure| value.refused(&failure.message, remedy))?;
    match String::from_utf8(bytes) {
        Ok(text) if text.contains("-----BEGIN ") => Ok(text),
        Ok(text) => Ok(pem(text.as_bytes())),
        Err(error) => Ok(pem(error.as_bytes())),
    }
}

fn pem(der: &[u8]) -> String {
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", BASE64.encode(der))
}
