//! What API Management says of a service and of an API, and what follows from it: names, addresses, records.

use std::collections::{BTreeMap, BTreeSet};

use muster_core::fold::fingerprint;
use muster_definition::normalise_path;
use serde::Deserialize;
use serde_json::{Value as Json, json};

/// An API Management service, or a workspace of one: the id is the workspace's, all else the service's.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Service {
    pub(super) id: String,
    properties: ServiceProperties,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ServiceProperties {
    gateway_url: Option<String>,
    hostname_configurations: Option<Vec<Hostname>>,
    virtual_network_type: Option<String>,
    public_network_access: Option<String>,
    disable_gateway: Option<bool>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Hostname {
    #[serde(rename = "type")]
    kind: String,
    host_name: String,
    default_ssl_binding: Option<bool>,
}

/// An API, as the list has it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Api {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) properties: ApiProperties,
    /// What tells the entry from any other: part of the fingerprint.
    #[serde(skip)]
    pub(super) listed: [u8; 16],
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ApiProperties {
    pub(super) display_name: Option<String>,
    pub(super) description: Option<String>,
    path: String,
    protocols: Option<Vec<String>>,
    pub(super) service_url: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    pub(super) api_version: Option<String>,
    pub(super) api_revision: Option<String>,
    is_current: Option<bool>,
    pub(super) subscription_required: Option<bool>,
    api_version_set_id: Option<String>,
    api_version_set: Option<VersionSet>,
}

/// How the versions of an API are told apart.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct VersionSet {
    versioning_scheme: Option<String>,
    version_query_name: Option<String>,
}

/// Version sets by their ids in lower case.
pub(super) type VersionSets = BTreeMap<String, VersionSet>;

impl Service {
    /// The scope's name: the ARM id in lower case.
    pub(super) fn scope(&self) -> String {
        self.id.to_ascii_lowercase()
    }

    /// A workspace of it, by its own id.
    pub(super) fn workspace(&self, id: &str) -> Self {
        Self { id: id.to_owned(), ..self.clone() }
    }

    pub(super) fn is_workspace(&self) -> bool {
        segment(&self.id, "workspaces").is_some()
    }

    pub(super) fn subscription(&self) -> &str {
        segment(&self.id, "subscriptions").unwrap_or_default()
    }

    /// Whether the gateway answers from the internet.
    fn is_public(&self) -> bool {
        let is = |value: &Option<String>, word: &str| value.as_deref().is_some_and(|v| v.eq_ignore_ascii_case(word));
        let found = &self.properties;
        !is(&found.public_network_access, "Disabled")
            && !is(&found.virtual_network_type, "Internal")
            && found.disable_gateway != Some(true)
    }

    /// The gateway's host names: those of the default binding first, each once.
    fn hosts(&self) -> Vec<String> {
        let found = self.properties.hostname_configurations.iter().flatten();
        let mut named: Vec<&Hostname> = found.filter(|name| name.kind == "Proxy").collect();
        named.sort_by_key(|name| name.default_ssl_binding != Some(true));
        let gateway = self.properties.gateway_url.as_deref().and_then(|url| url.split_once("://"));
        let all = named.into_iter().map(|name| name.host_name.as_str());
        let mut hosts: Vec<String> = Vec::new();
        for host in all.chain(gateway.map(|(_, host)| host.trim_end_matches('/'))) {
            let host = host.to_ascii_lowercase();
            if !host.is_empty() && !hosts.contains(&host) {
                hosts.push(host);
            }
        }
        hosts
    }
}

/// The name behind a type in an ARM id, letter case aside. Types and names take turns: a group may be called `apis`.
pub(super) fn segment<'a>(id: &'a str, word: &str) -> Option<&'a str> {
    let mut parts = id.trim_start_matches('/').split('/');
    while let (Some(kind), Some(name)) = (parts.next(), parts.next()) {
        if kind.eq_ignore_ascii_case(word) {
            return Some(name).filter(|name| !name.is_empty());
        }
    }
    None
}

impl Api {
    /// Reads an entry of the list.
    pub(super) fn of(listed: &Json) -> Result<Self, serde_json::Error> {
        Ok(Self { listed: fingerprint(listed.to_string().as_bytes()), ..Self::deserialize(listed)? })
    }

    /// The source key.
    pub(super) fn key(&self) -> String {
        self.id.to_ascii_lowercase()
    }

    /// Whether it is what callers reach: lists hold other revisions too, as entries of their own.
    pub(super) fn is_current(&self) -> bool {
        self.properties.is_current.unwrap_or(!self.name.contains(";rev="))
    }

    /// The type, `http` where the list does not say.
    pub(super) fn kind(&self) -> &str {
        self.properties.kind.as_deref().unwrap_or("http")
    }

    /// What must not be exported at the same time: the versions of one set, the revisions of one API.
    pub(super) fn family(&self) -> String {
        let set = self.properties.api_version_set_id.as_deref().map(str::to_ascii_lowercase);
        set.unwrap_or_else(|| self.key().split(";rev=").next().unwrap_or_default().to_owned())
    }

    /// Whether its version set is named and not told.
    pub(super) fn lacks_version_set(&self) -> bool {
        self.properties.api_version_set.is_none() && self.properties.api_version_set_id.is_some()
    }

    fn version_set<'a>(&'a self, sets: &'a VersionSets) -> Option<&'a VersionSet> {
        let named = || sets.get(&self.properties.api_version_set_id.as_deref()?.to_ascii_lowercase());
        self.properties.api_version_set.as_ref().or_else(named)
    }

    /// The path on the gateway, without a last slash: `/orders/v2`.
    pub(super) fn path(&self, sets: &VersionSets) -> String {
        let mut path = String::new();
        let own = self.properties.path.trim_matches('/');
        let version = self.properties.api_version.as_deref().filter(|version| !version.is_empty());
        let scheme = self.version_set(sets).and_then(|set| set.versioning_scheme.as_deref());
        let segment = version.filter(|_| scheme == Some("Segment"));
        for part in std::iter::once(own).chain(segment).filter(|part| !part.is_empty()) {
            path.push('/');
            path.push_str(part);
        }
        path
    }

    /// The path with which callers name it: earlier revisions are named behind it.
    pub(super) fn address(&self, sets: &VersionSets) -> String {
        let revision = self.properties.api_revision.as_deref().filter(|_| !self.is_current());
        let revision = revision.map(|revision| format!(";rev={revision}")).unwrap_or_default();
        format!("{}{revision}", self.path(sets))
    }

    /// Its addresses: on each of the gateway's hosts by each protocol, the secure ones first, then the backend's.
    pub(super) fn urls(&self, service: &Service, sets: &VersionSets) -> Vec<Json> {
        let mut protocols: Vec<&str> = self.properties.protocols.iter().flatten().map(String::as_str).collect();
        if protocols.is_empty() {
            protocols.push("https");
        }
        protocols.sort_by_key(|protocol| !protocol.ends_with('s'));
        let set = self.version_set(sets).filter(|set| set.versioning_scheme.as_deref() == Some("Query"));
        let name = set.and_then(|set| set.version_query_name.as_deref());
        let query = name.zip(self.properties.api_version.as_deref());
        let query = query.map(|(name, version)| format!("?{name}={version}")).unwrap_or_default();
        let (kind, path) = (if service.is_public() { "public" } else { "private" }, self.address(sets));
        let mut urls = Vec::new();
        for host in service.hosts() {
            for protocol in &protocols {
                urls.push(json!({ "kind": kind, "url": format!("{protocol}://{host}{path}{query}") }));
            }
        }
        if let Some(backend) = self.properties.service_url.as_deref().filter(|url| !url.is_empty()) {
            urls.push(json!({ "kind": "backend", "url": backend }));
        }
        urls
    }
}

#[derive(Debug, Deserialize)]
struct Operation {
    name: Option<String>,
    properties: OperationProperties,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct OperationProperties {
    method: String,
    url_template: String,
}

/// What the gateway lists: its own endpoints, and what a definition is held against.
#[derive(Debug, Default)]
pub(super) struct Operations {
    pub(super) endpoints: Vec<Json>,
    /// Methods that a definition can hold, and normalised paths.
    pub(super) set: BTreeSet<(String, String)>,
}

/// Methods that every version of OpenAPI and Swagger has.
const METHODS: [&str; 7] = ["GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "PATCH"];

impl Operations {
    /// An operation that cannot be read is an error: nothing could be held against the rest.
    pub(super) fn of(listed: &[Json]) -> Result<Self, serde_json::Error> {
        let mut found = Self::default();
        for item in listed {
            let Operation { name, properties } = Operation::deserialize(item)?;
            let method = properties.method.to_ascii_uppercase();
            // SOAP's templates hold a query; so may others.
            let path = properties.url_template.split('?').next().unwrap_or_default().to_owned();
            if METHODS.contains(&method.as_str()) {
                found.set.insert((method.clone(), normalise_path(&path)));
            }
            found.endpoints.push(json!({ "method": method, "path": properties.url_template, "operationId": name }));
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(properties: Json) -> Service {
        Service::deserialize(json!({ "id": "/subscriptions/S/x", "properties": properties })).unwrap()
    }

    fn api(properties: Json) -> Api {
        Api::of(&json!({ "id": "/subscriptions/S/x/apis/A", "name": "A", "properties": properties })).unwrap()
    }

    fn urls(api: &Api, service: &Service, sets: &VersionSets) -> Vec<String> {
        let one = |url: &Json| format!("{} {}", url["kind"].as_str().unwrap(), url["url"].as_str().unwrap());
        api.urls(service, sets).iter().map(one).collect()
    }

    #[test]
    fn addresses_are_host_path_and_version() {
        let host = |kind: &str, name: &str, default: bool| json!({ "type": kind, "hostName": name, "defaultSslBinding": default });
        let gate = service(json!({
            "gatewayUrl": "https://Gate.azure-api.net", "hostnameConfigurations": [
                host("Proxy", "gate.azure-api.net", false), host("Portal", "portal.contoso.example", false),
                host("Proxy", "apis.contoso.example", true),
            ],
        }));
        let set = |scheme: &str| {
            let set = json!({ "versioningScheme": scheme, "versionQueryName": "api-version" });
            VersionSets::from([("/s/set-1".to_owned(), VersionSet::deserialize(set).unwrap())])
        };
        let orders = api(json!({
            "path": "shop/orders/", "protocols": ["http", "https"], "apiVersion": "v2", "apiVersionSetId": "/S/Set-1",
            "serviceUrl": "https://backend.example/",
        }));
        assert_eq!(
            urls(&orders, &gate, &set("Segment")),
            [
                "public https://apis.contoso.example/shop/orders/v2",
                "public http://apis.contoso.example/shop/orders/v2",
                "public https://gate.azure-api.net/shop/orders/v2",
                "public http://gate.azure-api.net/shop/orders/v2",
                "backend https://backend.example/",
            ]
        );
        let query = urls(&orders, &gate, &set("Query"));
        assert_eq!(query[0], "public https://apis.contoso.example/shop/orders?api-version=v2");
        assert_eq!(urls(&orders, &gate, &set("Header"))[0], "public https://apis.contoso.example/shop/orders");
        // One API of a service may have no path at all.
        let root = api(json!({ "path": "", "protocols": null }));
        let bare = service(json!({ "gatewayUrl": "https://g.example/" }));
        assert_eq!(urls(&root, &bare, &VersionSets::new()), ["public https://g.example"]);
    }

    #[test]
    fn a_gateway_that_the_internet_does_not_reach_is_private() {
        let api = api(json!({ "path": "a" }));
        for (properties, kind) in [
            (json!({ "virtualNetworkType": "External", "publicNetworkAccess": "Enabled" }), "public"),
            (json!({ "virtualNetworkType": "Internal" }), "private"),
            (json!({ "publicNetworkAccess": "Disabled" }), "private"),
            (json!({ "disableGateway": true }), "private"),
            (json!({ "virtualNetworkType": null, "disableGateway": null }), "public"),
        ] {
            let mut properties = properties;
            properties["gatewayUrl"] = "https://g.example".into();
            let urls = urls(&api, &service(properties.clone()), &VersionSets::new());
            assert_eq!(urls, [format!("{kind} https://g.example/a")], "{properties}");
        }
    }

    #[test]
    fn earlier_revisions_are_told_by_name_or_word_and_share_a_family_with_their_api() {
        let entry = |name: &str, current: Json| {
            let properties = json!({ "path": "a", "isCurrent": current });
            Api::of(&json!({ "id": format!("/S/apis/{name}"), "name": name, "properties": properties })).unwrap()
        };
        for (name, current, is_current) in [
            ("a", json!(true), true),
            ("a", Json::Null, true),
            ("a;rev=2", Json::Null, false),
            ("a;rev=2", json!(true), true),
            ("a", json!(false), false),
        ] {
            let entry = entry(name, current.clone());
            assert_eq!((entry.is_current(), entry.family().as_str()), (is_current, "/s/apis/a"), "{name} {current}");
        }
    }

    #[test]
    fn what_the_gateway_lists_is_comparable_with_a_definition() {
        let operation = |method: &str, template: &str| json!({ "name": "o", "properties": { "method": method, "urlTemplate": template } });
        let listed = [
            operation("get", "/a/{id}"),
            operation("GET", "/a/{key}/"),
            operation("POST", "/?soapAction=http://tempuri.org/x"),
            operation("PURGE", "/a"),
        ];
        let found = Operations::of(&listed).unwrap();
        let pair = |method: &str, path: &str| (method.to_owned(), path.to_owned());
        assert_eq!(found.set, BTreeSet::from([pair("GET", "/a/{}"), pair("POST", "/")]));
        assert_eq!((found.endpoints.len(), found.endpoints[3]["method"].as_str()), (4, Some("PURGE")));
        assert!(Operations::of(&[json!({ "properties": {} })]).is_err());
    }
}
