//! Calls of Anypoint's: sign-in, Access Management, API Manager, Exchange, and the storage that files lie in.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use muster_core::connector::{ConnectorError, ErrorKind, Traffic};
use muster_core::secret::Secret;
use reqwest::{Method, Url};
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::config::{Config, Credential, Storage};
use super::refused;
use crate::kit::http::{
    Answer, Bearer, Body, Bucket, Call, Hosts, Http, Limits, Origin, PLANNER, Rate, Reset, Session, SignIn, Throttling,
    Wanted,
};

/// How long a token lasts where the answer does not say: an organization's session, by default.
const SESSION: Duration = Duration::from_secs(3600);
/// No token is kept for longer, whatever an answer says.
const A_DAY: u64 = 86_400;
/// More pages than any business group has.
const MOST_PAGES: usize = 10_000;
/// Environments at once: the most that Access Management gives.
const ENVIRONMENTS_A_PAGE: usize = 500;
/// API Manager's default, and what its clients ask for.
const ASSETS_A_PAGE: usize = 100;
/// The most that Exchange gives.
const RESULTS_A_PAGE: usize = 250;
/// Bytes of an answer of the platform's: the details of an asset were seen to take 450 KiB.
const ANSWER_BYTES: usize = 8 << 20;
/// Bytes of all pages of a list.
const LIST_BYTES: usize = 64 << 20;
/// How often a list is read whose total changes meanwhile.
const READINGS: u32 = 3;
/// Access Management says so with each answer that it counts.
const RESET: Reset = Reset { at: "x-ratelimit-reset", left: "x-ratelimit-remaining" };
/// Anypoint's load balancer says each of these where it wants fewer calls; Access Management says until when.
const THROTTLING: Throttling =
    Throttling { statuses: &[429, 500, 503], reset: Some(RESET), first_wait: Duration::from_secs(2) };
/// Five attempts wait half a minute, where nothing says for how long.
const WAITS: Duration = Duration::from_secs(60);
const TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: Option<Secret>,
    expires_in: Option<u64>,
}

/// A list that was read to its end.
#[derive(Debug, Default)]
pub(super) struct List {
    pub(super) items: Vec<Json>,
    /// How many there are, as the source has it and what came bears out; none where nothing counts.
    pub(super) total: Option<u64>,
    /// Why it did not come to its end.
    pub(super) open: Option<String>,
    /// What an operator should know of it.
    pub(super) note: Option<String>,
}

/// What a list is made of.
struct Listing<'a> {
    operation: String,
    path: String,
    query: Vec<(&'a str, String)>,
    /// Where the items stand in an answer; none where the answer is the list.
    items: Option<&'a str>,
    /// What tells items apart; nothing where an item does not say.
    id: fn(&Json) -> Option<String>,
    page: usize,
}

/// Anypoint, as one connector may ask it.
#[derive(Debug, Clone)]
pub(super) struct Client {
    config: Arc<Config>,
    http: Http,
    session: Session,
    /// Bytes of all pages of a list.
    list_bytes: usize,
}

impl Client {
    pub(super) fn new(config: Arc<Config>) -> Result<Self, ConnectorError> {
        let hosts = Hosts::default().with(&config.base);
        let hosts = match &config.storage {
            Storage::Below(domain) => hosts.with_below(domain),
            Storage::At(base) => hosts.with(base),
        };
        let limits = Limits { waits: WAITS, timeout: TIMEOUT, throttling: THROTTLING, ..Limits::default() };
        let http = Http::new(hosts, limits, Arc::clone(&PLANNER), &rustls::RootCertStore::empty())?;
        Ok(Self { config, http, session: Session::default(), list_bytes: LIST_BYTES })
    }

    /// The same client with an account of its own.
    pub(super) fn metered(&self) -> Self {
        Self { http: self.http.metered(), ..self.clone() }
    }

    pub(super) fn traffic(&self) -> Traffic {
        self.http.traffic()
    }

    /// Signs in, unless a token is at hand that lasts.
    pub(super) async fn sign_in(&self, wanted: Wanted<'_>) -> Result<Bearer, ConnectorError> {
        self.session.bearer(self, wanted).await
    }

    /// Asks the platform; on 401 signs in again, once.
    pub(super) async fn get(&self, operation: &str, url: Url, wanted: Wanted<'_>) -> Result<Answer, ConnectorError> {
        let calls = self.config.calls_per_second;
        let rate = Rate { burst: u32::from(calls), per_second: f64::from(calls) };
        let bucket = Bucket {
            principal: self.config.credential.name().to_owned(),
            host: self.config.base.host_str().unwrap_or_default().to_owned(),
            holder: self.config.organization.clone(),
            kind: "calls",
        };
        let call = Call { bucket: Some((bucket, rate)), most: Some(ANSWER_BYTES), ..Call::get(operation, url) };
        self.session.send((&self.http, self), call, wanted).await
    }

    /// The business groups below one, itself first: their ids and names.
    pub(super) async fn hierarchy(&self, wanted: Wanted<'_>) -> Result<Json, ConnectorError> {
        let organization = &self.config.organization;
        let operation = format!("reading the business groups below `{organization}`");
        self.resource(&operation, &["accounts", "api", "organizations", organization, "hierarchy"], wanted).await
    }

    /// A business group, whatever the answer says of it.
    pub(super) async fn any_organization(&self, id: &str, wanted: Wanted<'_>) -> Result<Answer, ConnectorError> {
        let url = self.at(&path(&["accounts", "api", "organizations", id])?, &[])?;
        self.get(&format!("reading business group `{id}`"), url, wanted).await
    }

    pub(super) async fn organization(&self, wanted: Wanted<'_>) -> Result<Json, ConnectorError> {
        let organization = &self.config.organization;
        let operation = format!("reading business group `{organization}`");
        self.resource(&operation, &["accounts", "api", "organizations", organization], wanted).await
    }

    pub(super) async fn environments(&self, organization: &str, wanted: Wanted<'_>) -> Result<List, ConnectorError> {
        let listing = Listing {
            operation: format!("listing environments of `{organization}`"),
            path: path(&["accounts", "api", "organizations", organization, "environments"])?,
            query: Vec::new(),
            items: Some("data"),
            id: |item| said(&item["id"]),
            page: ENVIRONMENTS_A_PAGE,
        };
        self.list(listing, wanted).await
    }

    /// One environment, whatever the answer says of it.
    pub(super) async fn environment(
        &self,
        (organization, environment): (&str, &str),
        wanted: Wanted<'_>,
    ) -> Result<Answer, ConnectorError> {
        let parts = ["accounts", "api", "organizations", organization, "environments", environment];
        let url = self.at(&path(&parts)?, &[])?;
        self.get(&format!("reading environment `{environment}`"), url, wanted).await
    }

    /// An environment's assets, each with its instances. The platform pages and counts assets.
    pub(super) async fn assets(
        &self,
        (organization, environment): (&str, &str),
        wanted: Wanted<'_>,
    ) -> Result<List, ConnectorError> {
        let parts = ["apimanager", "api", "v1", "organizations", organization, "environments", environment, "apis"];
        let listing = Listing {
            operation: format!("listing APIs of environment `{environment}`"),
            path: path(&parts)?,
            query: vec![("sort", "id".to_owned()), ("ascending", "true".to_owned())],
            items: Some("assets"),
            id: |item| said(&item["id"]),
            page: ASSETS_A_PAGE,
        };
        let mut list = self.list(listing, wanted).await?;
        if list.open.is_none() {
            list.open = list.items.iter().find_map(lacks_instances);
        }
        Ok(list)
    }

    /// One instance, whatever the answer says of it.
    pub(super) async fn instance(
        &self,
        (organization, environment, id): (&str, &str, &str),
        wanted: Wanted<'_>,
    ) -> Result<Answer, ConnectorError> {
        let parts = ["apimanager", "api", "v1", "organizations", organization, "environments", environment, "apis", id];
        let url = self.at(&path(&parts)?, &[])?;
        self.get(&format!("reading API instance `{id}`"), url, wanted).await
    }

    /// The assets of a business group in Exchange that stand for APIs. The search may show more than it was asked for.
    pub(super) async fn published(&self, organization: &str, wanted: Wanted<'_>) -> Result<List, ConnectorError> {
        let listing = Listing {
            operation: format!("listing Exchange assets of `{organization}`"),
            path: path(&["exchange", "api", "v2", "assets", "search"])?,
            query: vec![("organizationId", organization.to_owned())],
            items: None,
            id: |item| Some(format!("{}/{}", said(&item["groupId"])?, said(&item["assetId"])?)),
            page: RESULTS_A_PAGE,
        };
        let mut list = self.list(listing, wanted).await?;
        let is_api = |item: &Json| item["type"].as_str().is_some_and(|kind| kind.ends_with("-api"));
        let owners =
            |item: &Json| [item["organizationId"].clone(), item["organization"]["id"].clone(), item["groupId"].clone()];
        let is_own = |item: &Json| {
            let owners = owners(item);
            let mut named = owners.iter().filter_map(Json::as_str).peekable();
            named.peek().is_none() || named.any(|owner| owner.eq_ignore_ascii_case(organization))
        };
        list.items.retain(|item| is_api(item) && is_own(item));
        Ok(list)
    }

    /// One version of an asset, whatever the answer says of it.
    pub(super) async fn asset(
        &self,
        (group, asset, version): (&str, &str, &str),
        wanted: Wanted<'_>,
    ) -> Result<Answer, ConnectorError> {
        let url = self.at(&path(&["exchange", "api", "v2", "assets", group, asset, version])?, &[])?;
        self.get(&format!("reading Exchange asset `{group}/{asset}/{version}`"), url, wanted).await
    }

    /// Fetches a file by its signed link, which is a credential of its own: at once, without the token, neither told nor
    /// kept. `None`: the storage refuses the link, and a fresh one may do.
    pub(super) async fn file(
        &self,
        operation: &str,
        link: &Secret,
        wanted: Wanted<'_>,
    ) -> Result<Option<Vec<u8>>, ConnectorError> {
        let url = Url::parse(link.reveal())
            .map_err(|_| ConnectorError::new(ErrorKind::Protocol, operation, "the link is no URL"))?;
        let call = Call { accept: Some("*/*"), ..Call::get(operation, url) };
        let answer = self.http.send(&call, wanted).await?;
        match answer.status.as_u16() {
            200 => Ok(Some(answer.body)),
            // S3 answers 400 where the session behind the link ended, and 404 where the file was made anew.
            400 | 401 | 403 | 404 | 410 => Ok(None),
            status => {
                let message = format!("the storage answers with status {status}");
                Err(ConnectorError::new(ErrorKind::Unavailable, operation, message))
            }
        }
    }

    async fn resource(&self, operation: &str, parts: &[&str], wanted: Wanted<'_>) -> Result<Json, ConnectorError> {
        let answer = self.get(operation, self.at(&path(parts)?, &[])?, wanted).await?;
        if answer.status.is_success() { answer.json(operation) } else { Err(refused::call(operation, &answer)) }
    }

    /// Reads a list to its end. What its pages say of the total is a claim: where they differ, it changed meanwhile, and
    /// the list is read again.
    async fn list(&self, listing: Listing<'_>, wanted: Wanted<'_>) -> Result<List, ConnectorError> {
        let operation = listing.operation.as_str();
        for reading in 1.. {
            let (mut list, totals) = self.pages(&listing, wanted).await?;
            let came = u64::try_from(list.items.len()).unwrap_or(u64::MAX);
            match totals.filter(|_| list.open.is_none()) {
                None => {}
                Some((low, high)) if low != high => {
                    if reading < READINGS {
                        continue;
                    }
                    let told = format!("{operation}: the total changes while the list is read, {low} to {high}");
                    list.open = Some(told);
                }
                Some((total, _)) if came < total => {
                    list.open = Some(format!("{operation}: {came} came of {total} that are counted"));
                }
                Some((total, _)) if came > total => {
                    list.note = Some(format!("{operation}: {came} came, though {total} are counted"));
                }
                Some((total, _)) => list.total = Some(total),
            }
            return Ok(list);
        }
        Ok(List::default())
    }

    /// Reads the pages of a list, up to one that is empty, and what they say of the total: the least and the most. A page
    /// that brings nothing new is the end where all that is counted came before it: the server does not look at the
    /// offset. Else it leaves the list open, as does a list that would go on without end.
    async fn pages(
        &self,
        listing: &Listing<'_>,
        wanted: Wanted<'_>,
    ) -> Result<(List, Option<(u64, u64)>), ConnectorError> {
        let operation = listing.operation.as_str();
        let (mut list, mut seen, mut totals) = (List::default(), HashSet::new(), None);
        let (mut offset, mut bytes) = (0, 0);
        for page in 0.. {
            if page == MOST_PAGES || bytes > self.list_bytes {
                let most = self.list_bytes;
                list.open = Some(format!("{operation}: more than {MOST_PAGES} pages, or {most} bytes"));
                break;
            }
            let mut query = listing.query.clone();
            query.extend([("limit", listing.page.to_string()), ("offset", offset.to_string())]);
            let answer = self.get(operation, self.at(&listing.path, &query)?, wanted).await?;
            if !answer.status.is_success() {
                return Err(refused::call(operation, &answer));
            }
            bytes += answer.body.len();
            let mut body: Json = answer.json(operation)?;
            if let Some(total) = body["total"].as_u64() {
                totals = Some(totals.map_or((total, total), |(low, high)| (total.min(low), total.max(high))));
            }
            let items = match listing.items {
                Some(name) => body.get_mut(name).map(Json::take),
                None => Some(body),
            };
            let Some(Json::Array(items)) = items else {
                return Err(ConnectorError::new(ErrorKind::Protocol, operation, "the answer holds no list"));
            };
            if items.is_empty() {
                break;
            }
            let before = seen.len();
            // What does not say what it is called is told apart by all that it says.
            let told = |item: &Json| (listing.id)(item).unwrap_or_else(|| item.to_string());
            offset += items.len();
            list.items.extend(items.into_iter().filter(|item| seen.insert(told(item))));
            if seen.len() == before {
                let is_all = |(_, high)| u64::try_from(before).is_ok_and(|came| came >= high);
                if !totals.is_some_and(is_all) {
                    list.open = Some(format!("{operation}: a page brings nothing new"));
                }
                break;
            }
        }
        Ok((list, totals))
    }

    fn at(&self, path: &str, query: &[(&str, String)]) -> Result<Url, ConnectorError> {
        let failed = || ConnectorError::new(ErrorKind::Protocol, "composing a URL", format!("`{path}` is no path"));
        let mut url = self.config.base.join(path).map_err(|_| failed())?;
        if Origin::of(&url) != Origin::of(&self.config.base) {
            return Err(failed());
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(url)
    }
}

#[async_trait]
impl SignIn for Client {
    async fn new_token(&self, wanted: Wanted<'_>) -> Result<(Bearer, Duration), ConnectorError> {
        let operation = "signing in";
        let (path, body) = match &self.config.credential {
            Credential::App { id, secret } => {
                let fields = vec![
                    ("grant_type", Secret::new("client_credentials".to_owned())),
                    ("client_id", Secret::new(id.clone())),
                    ("client_secret", secret.clone()),
                ];
                ("accounts/api/v2/oauth2/token", fields)
            }
            Credential::User { name, password } => {
                let fields = vec![("username", Secret::new(name.clone())), ("password", password.clone())];
                ("accounts/login", fields)
            }
        };
        let url = self.at(path, &[])?;
        let (body, most) = (Some(Body::Form(body)), Some(ANSWER_BYTES));
        let call = Call { method: Method::POST, body, most, ..Call::get(operation, url) };
        let answer = self.http.send(&call, wanted).await?;
        if !answer.status.is_success() {
            return Err(refused::sign_in(operation, &answer, &self.config.credential));
        }
        let token: TokenAnswer = answer.json(operation)?;
        // A user with a second factor is answered with an address to go on at.
        let Some(access_token) = token.access_token else {
            let message = "the answer holds no token: the account needs a second factor, or single sign-on";
            let remedy = "use a connected app with the client credentials grant";
            return Err(ConnectorError::new(ErrorKind::Auth, operation, message).with_remedy(remedy));
        };
        let lasts = token.expires_in.map_or(SESSION, |seconds| Duration::from_secs(seconds.min(A_DAY))).mul_f64(0.75);
        let origin = Origin::of(&self.config.base)
            .ok_or_else(|| ConnectorError::new(ErrorKind::Config, operation, "`endpoints.base` has no host"))?;
        Ok((Bearer { origin, token: access_token }, lasts))
    }
}

/// Why an asset's instances are not all that it has, whatever the list says of its own total.
fn lacks_instances(entry: &Json) -> Option<String> {
    let name = said(&entry["id"]).unwrap_or_else(|| "without id".to_owned());
    let Some(instances) = entry["apis"].as_array() else {
        return Some(format!("asset {name} is listed without its API instances"));
    };
    let (came, all) = (instances.len(), entry["totalApis"].as_u64()?);
    let is_all = u64::try_from(came) == Ok(all);
    (!is_all).then(|| format!("asset {name} is listed with {came} of its {all} API instances"))
}

/// A value that is there, as it is told apart from others.
fn said(value: &Json) -> Option<String> {
    (!value.is_null()).then(|| value.to_string())
}

/// A path of parts, some of which the source names: none may climb or end it.
fn path(parts: &[&str]) -> Result<String, ConnectorError> {
    let mut url = Url::parse("http://path.invalid/").map_err(|_| unlikely())?;
    if parts.iter().any(|part| part.is_empty() || matches!(*part, "." | "..")) {
        let message = format!("{} is no address of a resource", json!(parts));
        return Err(ConnectorError::new(ErrorKind::Protocol, "composing a URL", message));
    }
    url.path_segments_mut().map_err(|()| unlikely())?.pop_if_empty().extend(parts);
    Ok(url.path().trim_start_matches('/').to_owned())
}

fn unlikely() -> ConnectorError {
    ConnectorError::new(ErrorKind::Protocol, "composing a URL", "no path can be composed")
}

#[cfg(test)]
mod tests;
