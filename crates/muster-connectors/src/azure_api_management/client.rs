//! Calls of Azure's: sign-in, lists page by page, single resources.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use muster_core::clock::Clock;
use muster_core::connector::{ConnectorError, ErrorKind, Traffic};
use muster_core::secret::Secret;
use reqwest::Url;
use serde::Deserialize;

use super::arm::{self, Page, TokenAnswer};
use super::config::{Config, Storage, TokenVersion};
use crate::kit::http::{
    Answer, Bearer, Body, Bucket, Call, Hosts, Http, Limits, Origin, PLANNER, Rate, Session, SignIn, Wanted,
};

/// Reads of one principal in one subscription, or in the tenant: Azure's token bucket since 2024.
const READS: Rate = Rate { burst: 250, per_second: 25.0 };
/// Where Azure says how many are left, in the subscription or in the tenant.
const LEFT: [&str; 2] = ["x-ms-ratelimit-remaining-subscription-reads", "x-ms-ratelimit-remaining-tenant-reads"];
/// A token is renewed so long before its end.
const RENEW_BEFORE: Duration = Duration::from_secs(300);
/// More pages than any tenant has: a list that goes on beyond is no list.
const MOST_PAGES: usize = 10_000;

/// An export's answer: the recorded envelope, the specification's, or the link alone.
#[derive(Deserialize)]
struct Export {
    properties: Option<Exported>,
    value: Option<Link>,
    link: Option<Secret>,
}

#[derive(Deserialize)]
struct Exported {
    value: Link,
}

#[derive(Deserialize)]
struct Link {
    link: Secret,
}

impl Export {
    fn link(self) -> Option<Secret> {
        self.properties.map(|exported| exported.value.link).or(self.value.map(|value| value.link)).or(self.link)
    }
}

/// A list that was read to its end.
#[derive(Debug, Default)]
pub(super) struct List {
    pub(super) items: Vec<serde_json::Value>,
    /// What the source itself counts, where it does: the first page's word and the last page's.
    pub(super) counted: Option<(u64, u64)>,
    /// Why it did not come to its end.
    pub(super) open: Option<String>,
}

/// Azure, as one connector may ask it.
#[derive(Clone)]
pub(super) struct Client {
    config: Arc<Config>,
    http: Http,
    clock: Arc<dyn Clock>,
    session: Session,
}

impl Client {
    pub(super) fn new(config: Arc<Config>, clock: Arc<dyn Clock>) -> Result<Self, ConnectorError> {
        let hosts = Hosts::default().with(&config.login).with(&config.management);
        let hosts = match &config.storage {
            Storage::Below(domain) => hosts.with_below(domain),
            Storage::At(base) => hosts.with(base),
        };
        let http = Http::new(hosts, Limits::default(), Arc::clone(&PLANNER), &rustls::RootCertStore::empty())?;
        Ok(Self { config, http, clock, session: Session::default() })
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

    /// Asks ARM; on 401 signs in again, once.
    pub(super) async fn get(
        &self,
        operation: &str,
        (url, holder): (Url, &str),
        wanted: Wanted<'_>,
    ) -> Result<Answer, ConnectorError> {
        let bucket = self.bucket(holder);
        let call = Call { bucket: Some((bucket.clone(), READS)), ..Call::get(operation, url) };
        let answer = self.session.send((&self.http, self), call, wanted).await?;
        if let Some(left) = LEFT.iter().find_map(|name| answer.header(name)?.trim().parse().ok()) {
            PLANNER.left(&bucket, READS, left);
        }
        Ok(answer)
    }

    /// Whose reads are counted together: the app's, in one subscription or in the tenant.
    fn bucket(&self, holder: &str) -> Bucket {
        let principal = format!("{}/{}", self.config.tenant, self.config.client_id);
        let host = self.config.management.host_str().unwrap_or_default().to_owned();
        Bucket { principal, host, holder: holder.to_ascii_lowercase(), kind: "reads" }
    }

    /// The earliest that so many reads in a subscription can have been sent.
    pub(super) fn earliest(&self, subscription: &str, calls: u64) -> Duration {
        PLANNER.earliest(&self.bucket(subscription), READS, u32::try_from(calls).unwrap_or(u32::MAX))
    }

    /// How many entries a service's list of APIs has, where it says so.
    pub(super) async fn count_apis(&self, (service, subscription): (&str, &str), wanted: Wanted<'_>) -> Option<u64> {
        let mut url = self.at(&format!("{service}/apis"), &self.config.service_version).ok()?;
        url.query_pairs_mut().append_pair("$top", "1");
        let operation = "counting APIs";
        let answer = self.get(operation, (url, subscription), wanted).await.ok()?;
        answer.json::<Page>(operation).ok()?.count
    }

    /// Reads a list to its last page. A page that leads to another host, in a circle or on without end leaves it open.
    pub(super) async fn list(
        &self,
        operation: &str,
        (first, holder): (Url, &str),
        wanted: Wanted<'_>,
    ) -> Result<List, ConnectorError> {
        let (mut list, mut seen, mut next) = (List::default(), HashSet::new(), first);
        loop {
            if !seen.insert(next.to_string()) {
                list.open = Some(format!("{operation}: a page leads back to an earlier one"));
                return Ok(list);
            }
            let answer = self.get(operation, (next.clone(), holder), wanted).await?;
            if !answer.status.is_success() {
                return Err(arm::refused(operation, &answer));
            }
            let page: Page = answer.json(operation)?;
            if let Some(count) = page.count {
                list.counted = Some((list.counted.map_or(count, |(first, _)| first), count));
            }
            list.items.extend(page.value);
            let Some(link) = page.next.filter(|link| !link.is_empty()) else { return Ok(list) };
            next = Url::parse(&link).map_err(|_| {
                ConnectorError::new(ErrorKind::Protocol, operation, "the link to the next page is no URL")
            })?;
            if Origin::of(&next) != Origin::of(&self.config.management) {
                let host = Origin::of(&next).map_or_else(|| "nowhere".to_owned(), |origin| origin.to_string());
                list.open = Some(format!("{operation}: the next page lies on `{host}`, where the token must not go"));
                return Ok(list);
            }
            if seen.len() >= MOST_PAGES {
                list.open = Some(format!("{operation}: more than {MOST_PAGES} pages"));
                return Ok(list);
            }
        }
    }

    /// The subscriptions that the app may see.
    pub(super) async fn subscriptions(&self, wanted: Wanted<'_>) -> Result<List, ConnectorError> {
        let url = self.at("subscriptions", &self.config.subscriptions_version)?;
        self.list("listing subscriptions", (url, "tenant"), wanted).await
    }

    /// The API Management services of a subscription.
    pub(super) async fn services(&self, subscription: &str, wanted: Wanted<'_>) -> Result<List, ConnectorError> {
        let path = format!("subscriptions/{subscription}/providers/Microsoft.ApiManagement/service");
        let url = self.at(&path, &self.config.service_version)?;
        self.list(&format!("listing API Management services of `{subscription}`"), (url, subscription), wanted).await
    }

    /// The APIs of a service, by its ARM id; with their version sets, where Azure adds them.
    pub(super) async fn apis(
        &self,
        (service, subscription): (&str, &str),
        wanted: Wanted<'_>,
    ) -> Result<List, ConnectorError> {
        let mut url = self.at(&format!("{service}/apis"), &self.config.service_version)?;
        url.query_pairs_mut().append_pair("expandApiVersionSet", "true");
        self.list(&format!("listing APIs of `{service}`"), (url, subscription), wanted).await
    }

    /// What lies below a resource: `operations`, `revisions`, `schemas`, `apiVersionSets`, `products`, `workspaces`.
    pub(super) async fn below(
        &self,
        (resource, subscription): (&str, &str),
        what: &str,
        wanted: Wanted<'_>,
    ) -> Result<List, ConnectorError> {
        let url = self.at(&format!("{resource}/{what}"), &self.config.service_version)?;
        self.list(&format!("listing {what} of `{resource}`"), (url, subscription), wanted).await
    }

    /// One resource, whatever the answer says of it.
    pub(super) async fn resource(
        &self,
        (id, subscription): (&str, &str),
        wanted: Wanted<'_>,
    ) -> Result<Answer, ConnectorError> {
        let url = self.at(id, &self.config.service_version)?;
        self.get(&format!("reading `{id}`"), (url, subscription), wanted).await
    }

    /// Exports an API's definition and fetches it. The link is a credential of its own: it is fetched at once, without
    /// the token, and neither told nor kept. Where the storage refuses it, another one is asked for, once.
    pub(super) async fn export(
        &self,
        (api, subscription): (&str, &str),
        format: &str,
        wanted: Wanted<'_>,
    ) -> Result<Vec<u8>, ConnectorError> {
        let operation = format!("exporting the definition of `{api}`");
        let mut url = self.at(api, &self.config.service_version)?;
        url.query_pairs_mut().append_pair("export", "true").append_pair("format", format);
        let mut refused = false;
        loop {
            let answer = self.get(&operation, (url.clone(), subscription), wanted).await?;
            if !answer.status.is_success() {
                return Err(arm::refused(&operation, &answer));
            }
            let failed = |message: &str| ConnectorError::new(ErrorKind::Protocol, &operation, message);
            let link = answer.json::<Export>(&operation)?.link().ok_or_else(|| failed("the answer holds no link"))?;
            // Parsing writes the blanks that Azure leaves in the path as `%20`.
            let link = Url::parse(link.reveal()).map_err(|_| failed("the link is no URL"))?;
            let call = Call { accept: Some("*/*"), ..Call::get(format!("fetching the definition of `{api}`"), link) };
            let document = self.http.send(&call, wanted).await?;
            match document.status.as_u16() {
                200 => return Ok(document.body),
                403 if !refused => refused = true,
                status => {
                    let message = format!("the storage answers with status {status}");
                    return Err(ConnectorError::new(ErrorKind::Unavailable, call.operation, message));
                }
            }
        }
    }

    /// A path below the resource manager. Ids come from the source: one that holds a query or climbs is none.
    fn at(&self, path: &str, version: &str) -> Result<Url, ConnectorError> {
        let path = path.trim_start_matches('/');
        if path.contains(['?', '#', '\\']) || path.split('/').any(|part| matches!(part, "." | "..")) {
            let message = format!("`{path}` is no id of a resource");
            return Err(ConnectorError::new(ErrorKind::Protocol, "composing a URL", message));
        }
        // As Azure's own clients write the name of a revision, `a;rev=2`.
        let mut url = join(&self.config.management, &path.replace(';', "%3B"))?;
        url.query_pairs_mut().append_pair("api-version", version);
        Ok(url)
    }
}

#[async_trait]
impl SignIn for Client {
    async fn new_token(&self, wanted: Wanted<'_>) -> Result<(Bearer, Duration), ConnectorError> {
        let config = &self.config;
        let operation = "signing in";
        let path = match config.token_version {
            TokenVersion::V1 => format!("{}/oauth2/token", config.tenant),
            TokenVersion::V2 => format!("{}/oauth2/v2.0/token", config.tenant),
        };
        let asked = match config.token_version {
            TokenVersion::V1 => ("resource", config.audience.clone()),
            TokenVersion::V2 => ("scope", format!("{}.default", config.audience)),
        };
        let url = join(&config.login, &path)?;
        let mut form = vec![
            ("grant_type", Secret::new("client_credentials".to_owned())),
            ("client_id", Secret::new(config.client_id.clone())),
            (asked.0, Secret::new(asked.1)),
        ];
        form.extend(config.credential.proof((&config.client_id, url.as_str()), self.clock.now())?);
        let method = reqwest::Method::POST;
        let call = Call { method, body: Some(Body::Form(form)), ..Call::get(operation, url) };
        let answer = self.http.send(&call, wanted).await?;
        if !answer.status.is_success() {
            return Err(arm::sign_in_refused(operation, &answer));
        }
        let token: TokenAnswer = answer.json(operation)?;
        let lasts = Duration::from_secs(token.lasts().unwrap_or(0)).saturating_sub(RENEW_BEFORE);
        let origin = Origin::of(&config.management)
            .ok_or_else(|| ConnectorError::new(ErrorKind::Config, operation, "`endpoints.management` has no host"))?;
        Ok((Bearer { origin, token: token.access_token }, lasts))
    }
}

fn join(base: &Url, path: &str) -> Result<Url, ConnectorError> {
    // A path of the source's must not become a host or climb out of the base.
    base.join(path).ok().filter(|url| Origin::of(url) == Origin::of(base)).ok_or_else(|| {
        ConnectorError::new(ErrorKind::Protocol, "composing a URL", format!("`{path}` is no path below the endpoint"))
    })
}
