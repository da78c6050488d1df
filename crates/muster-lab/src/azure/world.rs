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

#[derive(Debug, Clone)]
pub(super) struct Service {
    pub(super) subscription: String,
    pub(super) group: String,
    pub(super) name: String,
    pub(super) apis: BTreeMap<String, Api>,
}

#[derive(Debug, Clone)]
pub(super) struct Api {
    pub(super) name: String,
    pub(super) title: String,
    pub(super) path: String,
    pub(super) version: Option<String>,
    pub(super) set: Option<String>,
    /// `http`, `soap`, `graphql`, `websocket`.
    pub(super) kind: &'static str,
    pub(super) revision: u64,
    pub(super) operations: Vec<Operation>,
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
}

const SUBJECTS: [&str; 8] = ["orders", "users", "invoices", "stock", "routes", "claims", "devices", "reports"];
const METHODS: [&str; 5] = ["GET", "POST", "PUT", "DELETE", "PATCH"];

impl Service {
    pub(super) fn id(&self) -> String {
        format!(
            "/subscriptions/{}/resourceGroups/{}/providers/Microsoft.ApiManagement/service/{}",
            self.subscription, self.group, self.name
        )
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
        format!("/{}{version}", self.path)
    }
}

impl World {
    pub(super) fn new(seed: u64, [subscriptions, services, apis]: [u64; 3]) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let ids: Vec<String> =
            (0..subscriptions).map(|n| format!("{:08x}-0000-4000-8000-{n:012x}", random.random::<u32>())).collect();
        let mut world = Self { subscriptions: ids.clone(), services: Vec::new(), made: 0 };
        for (s, subscription) in ids.into_iter().enumerate() {
            for n in 0..services {
                let (group, name) = (format!("Group-{n}"), format!("gate-{s}-{n}"));
                let mut service = Service { subscription: subscription.clone(), group, name, apis: BTreeMap::new() };
                for _ in 0..apis {
                    let api = world.api(&mut random);
                    service.apis.insert(api.name.clone(), api);
                }
                world.services.push(service);
            }
        }
        world
    }

    fn api(&mut self, random: &mut StdRng) -> Api {
        let n = self.made;
        self.made += 1;
        let subject = SUBJECTS[random.random_range(0..SUBJECTS.len())];
        let kind = match random.random_range(0..10) {
            0 => "soap",
            1 => "graphql",
            2 => "websocket",
            _ => "http",
        };
        // Every third HTTP API is a version of a set of three.
        let version = (kind == "http" && !n.is_multiple_of(3)).then(|| format!("v{}", n % 3));
        let set = version.as_ref().map(|_| format!("set-{}", n / 3));
        let mut api = Api {
            name: format!("{subject}-{n}"),
            title: format!("The {subject} API {n}"),
            path: set.clone().unwrap_or_else(|| format!("{subject}/{n}")),
            version,
            set,
            kind,
            revision: 1,
            operations: Vec::new(),
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
        let (mut added, mut removed, mut edited, mut moved) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for _ in 0..change.add {
            let at = random.random_range(0..self.services.len());
            let api = self.api(&mut random);
            let service = &mut self.services[at];
            added.push(format!("{}/apis/{}", service.id(), api.name).to_lowercase());
            service.apis.insert(api.name.clone(), api);
        }
        for _ in 0..change.edit {
            let Some((at, name)) = self.any(&mut random, |api| api.kind == "http") else { break };
            let service = &mut self.services[at];
            edited.push(format!("{}/apis/{name}", service.id()).to_lowercase());
            if let Some(api) = service.apis.get_mut(&name) {
                add_operation(api, &mut random);
            }
        }
        for _ in 0..change.remove {
            let Some((at, name)) = self.any(&mut random, |_| true) else { break };
            let service = &mut self.services[at];
            removed.push(format!("{}/apis/{name}", service.id()).to_lowercase());
            service.apis.remove(&name);
        }
        for _ in 0..change.move_services {
            let at = random.random_range(0..self.services.len());
            moved.push(self.services[at].id().to_lowercase());
            self.services[at].group.push_str("-moved");
        }
        json!({ "added": added, "edited": edited, "removed": removed, "moved": moved })
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
            "tenantId": TENANT, "clientId": CLIENT, "clientSecret": SECRET, "subscriptions": self.subscriptions.len(),
            "services": self.services.len(),
            "apis": self.services.iter().map(|service| service.apis.len()).sum::<usize>(),
        })
    }

    pub(super) fn truth(&self) -> Value {
        let mut apis = BTreeMap::new();
        for service in &self.services {
            for api in service.apis.values() {
                let id = format!("{}/apis/{}", service.id(), api.name).to_lowercase();
                let state = if api.kind == "websocket" { "none" } else { "stored" };
                let endpoints: Vec<String> =
                    api.endpoints().iter().map(|(method, path)| format!("{method} {path}")).collect();
                let protocol = if api.kind == "websocket" { "wss" } else { "https" };
                let url = format!("{protocol}://{}{}", service.host(), api.public_path());
                apis.insert(
                    id.clone(),
                    json!({
                        "id": id, "name": api.title, "type": api.kind, "definitionState": state, "endpoints": endpoints,
                        "url": url, "resourceGroups": service.group, "service": service.name,
                    }),
                );
            }
        }
        Value::Array(apis.into_values().collect())
    }
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
