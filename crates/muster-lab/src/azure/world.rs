//! What there is in the tenant.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub(super) const TENANT: &str = "11111111-2222-4333-8444-555555555555";
pub(super) const CLIENT: &str = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee";
pub(super) const SECRET: &str = "Lab8Q~a-client-secret-of-the-simulator";

/// The tenant.
#[derive(Debug)]
pub(super) struct World {
    pub(super) subscriptions: Vec<String>,
    pub(super) services: Vec<Service>,
    made: u64,
}

/// A service, or a workspace in one: what has a list of APIs of its own.
#[derive(Debug, Clone)]
pub(super) struct Service {
    pub(super) subscription: String,
    pub(super) group: String,
    pub(super) name: String,
    pub(super) workspace: Option<String>,
    pub(super) apis: BTreeMap<String, Api>,
}

/// A product, which every service has, and every so many of its APIs are in.
#[derive(Debug)]
pub(super) struct Product {
    pub(super) name: &'static str,
    /// Without it, the product's APIs are called without a key.
    pub(super) subscription_required: bool,
    pub(super) published: bool,
    every: u64,
}

pub(super) const PRODUCTS: [Product; 3] = [
    Product { name: "starter", subscription_required: true, published: true, every: 2 },
    Product { name: "open", subscription_required: false, published: true, every: 5 },
    Product { name: "draft", subscription_required: false, published: false, every: 7 },
];

impl Product {
    pub(super) fn holds(&self, api: &Api) -> bool {
        api.number.is_multiple_of(self.every)
    }

    pub(super) fn title(&self) -> String {
        format!("The {} product", self.name)
    }
}

/// How much of everything there is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    pub(super) subscriptions: u64,
    pub(super) services: u64,
    pub(super) apis: u64,
    /// APIs in each service's workspace; none has one where this is 0.
    pub(super) workspace: u64,
}

#[derive(Debug, Clone)]
pub(super) struct Api {
    number: u64,
    pub(super) name: String,
    pub(super) title: String,
    pub(super) path: String,
    pub(super) version: Option<String>,
    pub(super) set: Option<String>,
    /// `http`, `soap`, `graphql`, `websocket`.
    pub(super) kind: &'static str,
    pub(super) revision: u64,
    pub(super) operations: Vec<Operation>,
    /// Of each earlier revision, how many of the operations it had.
    earlier: Vec<usize>,
    pub(super) current: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Operation {
    pub(super) name: String,
    pub(super) method: &'static str,
    pub(super) template: String,
}

/// What is to happen to the tenant.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AzureChange {
    /// Which APIs it happens to.
    pub seed: u64,
    /// APIs that are made.
    pub add: u64,
    /// APIs that are deleted.
    pub remove: u64,
    /// APIs that get an operation, under an unchanged entry of the list.
    pub edit: u64,
    /// Services that move to another resource group.
    pub move_services: u64,
    /// APIs that become another version of themselves.
    pub version: u64,
    /// APIs that get a revision, with one operation more, that becomes the current one.
    pub revise: u64,
}

const SUBJECTS: [&str; 8] = ["orders", "users", "invoices", "stock", "routes", "claims", "devices", "reports"];
const METHODS: [&str; 5] = ["GET", "POST", "PUT", "DELETE", "PATCH"];

impl Service {
    pub(super) fn id(&self) -> String {
        let workspace = self.workspace.as_ref().map(|name| format!("/workspaces/{name}")).unwrap_or_default();
        format!(
            "/subscriptions/{}/resourceGroups/{}/providers/Microsoft.ApiManagement/service/{}{workspace}",
            self.subscription, self.group, self.name
        )
    }

    /// An API, or one of its earlier revisions, by name.
    pub(super) fn api(&self, name: &str) -> Option<Api> {
        let (base, revision) = name.split_once(";rev=").map_or((name, None), |(base, revision)| (base, Some(revision)));
        let api = self.apis.values().find(|api| api.name.eq_ignore_ascii_case(base))?;
        match revision {
            Some(revision) if revision != api.revision.to_string() => api.earlier_revision(revision.parse().ok()?),
            _ => Some(api.clone()),
        }
    }

    pub(super) fn host(&self) -> String {
        format!("{}.azure-api.net", self.name)
    }
}

impl Api {
    pub(super) fn endpoints(&self) -> Vec<(&'static str, &str)> {
        self.operations.iter().map(|operation| (operation.method, operation.template.as_str())).collect()
    }

    /// The path on the gateway.
    pub(super) fn public_path(&self) -> String {
        let version = self.version.as_ref().map(|version| format!("/{version}")).unwrap_or_default();
        let revision = if self.current { String::new() } else { format!(";rev={}", self.revision) };
        format!("/{}{version}{revision}", self.path)
    }

    /// What must not be exported at the same time.
    pub(super) fn family(&self) -> String {
        self.set.clone().unwrap_or_else(|| self.name.split(";rev=").next().unwrap_or_default().to_owned())
    }

    /// It as it was.
    fn earlier_revision(&self, revision: u64) -> Option<Self> {
        let at = usize::try_from(revision.checked_sub(1)?).ok()?;
        let mut earlier = self.clone();
        earlier.operations.truncate(*self.earlier.get(at)?);
        let name = format!("{};rev={revision}", self.name);
        Some(Self { name, revision, current: false, ..earlier })
    }

    /// Its earlier revisions, the first one first.
    pub(super) fn earlier_revisions(&self) -> impl Iterator<Item = Self> {
        (1..self.revision).filter_map(|revision| self.earlier_revision(revision))
    }
}

impl World {
    pub(super) fn new(seed: u64, sizes: Sizes) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let ids: Vec<String> = (0..sizes.subscriptions)
            .map(|n| format!("{:08x}-0000-4000-8000-{n:012x}", random.random::<u32>()))
            .collect();
        let mut world = Self { subscriptions: ids.clone(), services: Vec::new(), made: 0 };
        for (s, subscription) in ids.into_iter().enumerate() {
            for n in 0..sizes.services {
                let places = [(None, sizes.apis), (Some(format!("team-{s}-{n}")), sizes.workspace)];
                for (workspace, apis) in places.into_iter().filter(|(name, apis)| name.is_none() || *apis > 0) {
                    let (group, name) = (format!("Group-{n}"), format!("gate-{s}-{n}"));
                    let mut service =
                        Service { subscription: subscription.clone(), group, name, workspace, apis: BTreeMap::new() };
                    for _ in 0..apis {
                        let api = world.api(&mut random, service.workspace.is_some());
                        service.apis.insert(api.name.clone(), api);
                    }
                    world.services.push(service);
                }
            }
        }
        world
    }

    fn api(&mut self, random: &mut StdRng, in_workspace: bool) -> Api {
        let n = self.made;
        self.made += 1;
        let subject = SUBJECTS[random.random_range(0..SUBJECTS.len())];
        let kind = match random.random_range(0..10) {
            0 => "soap",
            // The specifications know no schema of a workspace's API.
            1 if !in_workspace => "graphql",
            2 => "websocket",
            _ => "http",
        };
        // Every third HTTP API is a version of a set of three.
        let version = (kind == "http" && !n.is_multiple_of(3)).then(|| format!("v{}", n % 3));
        let set = version.as_ref().map(|_| format!("set-{}", n / 3));
        let mut api = Api {
            number: n,
            name: format!("{subject}-{n}"),
            title: format!("The {subject} API {n}"),
            path: set.clone().unwrap_or_else(|| format!("{subject}/{n}")),
            version,
            set,
            kind,
            revision: 1,
            operations: Vec::new(),
            earlier: Vec::new(),
            current: true,
        };
        if matches!(kind, "http" | "soap") {
            for _ in 0..random.random_range(1..5) {
                add_operation(&mut api, random);
            }
        }
        api
    }

    pub(super) fn service(&self, id: &str) -> Option<&Service> {
        self.services.iter().find(|service| service.id().eq_ignore_ascii_case(id))
    }

    pub(super) fn change(&mut self, change: &AzureChange) -> Value {
        let mut random = StdRng::seed_from_u64(change.seed);
        let (mut added, mut removed, mut moved) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..change.add {
            let at = random.random_range(0..self.services.len());
            let api = self.api(&mut random, self.services[at].workspace.is_some());
            let service = &mut self.services[at];
            added.push(format!("{}/apis/{}", service.id(), api.name).to_lowercase());
            service.apis.insert(api.name.clone(), api);
        }
        let edited = self.each(change.edit, &mut random, add_operation);
        let versioned = self.each(change.version, &mut random, |api, _| {
            api.set.get_or_insert_with(|| format!("set-of-{}", api.number));
            api.version = Some(format!("{}-next", api.version.as_deref().unwrap_or("v1")));
        });
        let revised = self.each(change.revise, &mut random, |api, random| {
            api.earlier.push(api.operations.len());
            api.revision += 1;
            add_operation(api, random);
        });
        for _ in 0..change.remove {
            let Some((at, name)) = self.any(&mut random, |_| true) else { break };
            let service = &mut self.services[at];
            removed.push(format!("{}/apis/{name}", service.id()).to_lowercase());
            service.apis.remove(&name);
        }
        for _ in 0..change.move_services {
            let at = random.random_range(0..self.services.len());
            let found = &self.services[at];
            moved.push(found.id().to_lowercase());
            let (subscription, name) = (found.subscription.clone(), found.name.clone());
            let same = |service: &&mut Service| (&service.subscription, &service.name) == (&subscription, &name);
            self.services.iter_mut().filter(same).for_each(|service| service.group.push_str("-moved"));
        }
        json!({
            "added": added, "edited": edited, "versioned": versioned, "revised": revised, "removed": removed,
            "moved": moved,
        })
    }

    /// Changes so many HTTP APIs; tells their ids.
    fn each(&mut self, times: u64, random: &mut StdRng, change: impl Fn(&mut Api, &mut StdRng)) -> Vec<String> {
        let mut changed = Vec::new();
        for _ in 0..times {
            let Some((at, name)) = self.any(random, |api| api.kind == "http") else { break };
            let service = &mut self.services[at];
            changed.push(format!("{}/apis/{name}", service.id()).to_lowercase());
            if let Some(api) = service.apis.get_mut(&name) {
                change(api, random);
            }
        }
        changed
    }

    fn any(&self, random: &mut StdRng, wanted: impl Fn(&Api) -> bool) -> Option<(usize, String)> {
        let all = self.services.iter().enumerate();
        let all: Vec<(usize, &Api)> =
            all.flat_map(|(at, service)| service.apis.values().map(move |a| (at, a))).collect();
        let fitting: Vec<_> = all.into_iter().filter(|(_, api)| wanted(api)).collect();
        let (at, api) = fitting.get(random.random_range(0..fitting.len().max(1)))?;
        Some((*at, api.name.clone()))
    }

    pub(super) fn banner(&self) -> Value {
        json!({
            "tenantId": TENANT, "clientId": CLIENT, "clientSecret": SECRET, "certificate": super::sign_in::CERTIFICATE,
            "privateKey": super::sign_in::PRIVATE_KEY, "subscriptions": self.subscriptions.len(),
            "services": self.services.iter().filter(|service| service.workspace.is_none()).count(),
            "apis": self.services.iter().map(|service| service.apis.len()).sum::<usize>(),
        })
    }

    /// Every API, and every earlier revision of one.
    pub(super) fn truth(&self) -> Value {
        let mut apis = BTreeMap::new();
        for service in &self.services {
            for api in service.apis.values().flat_map(|api| std::iter::once(api.clone()).chain(api.earlier_revisions()))
            {
                let told = told(service, &api);
                apis.insert(told["id"].as_str().unwrap_or_default().to_owned(), told);
            }
        }
        Value::Array(apis.into_values().collect())
    }
}

fn told(service: &Service, api: &Api) -> Value {
    let endpoints: Vec<String> = api.endpoints().iter().map(|(method, path)| format!("{method} {path}")).collect();
    let protocol = if api.kind == "websocket" { "wss" } else { "https" };
    let holding: Vec<&Product> = PRODUCTS.iter().filter(|product| product.holds(api)).collect();
    let open = holding.iter().any(|product| product.published && !product.subscription_required);
    let mut told = json!({
        "id": format!("{}/apis/{}", service.id(), api.name).to_lowercase(), "name": api.title, "type": api.kind,
        "definitionState": if api.kind == "websocket" { "none" } else { "stored" }, "endpoints": endpoints,
        "url": format!("{protocol}://{}{}", service.host(), api.public_path()), "resourceGroups": service.group,
        "service": service.name, "current": api.current,
    });
    // What products a workspace has is not simulated.
    if service.workspace.is_none() {
        told["products"] = holding.iter().map(|product| product.title()).collect();
        told["access"] = if open { "open" } else { "key" }.into();
    }
    told
}

fn add_operation(api: &mut Api, random: &mut StdRng) {
    let n = api.operations.len();
    let method = METHODS[random.random_range(0..METHODS.len())];
    let template = match random.random_range(0..3) {
        0 => format!("/items{n}"),
        1 => format!("/items{n}/{{id}}"),
        _ => format!("/items{n}/{{id}}/parts/{{part}}"),
    };
    api.operations.push(Operation { name: format!("operation-{n}"), method, template });
}
