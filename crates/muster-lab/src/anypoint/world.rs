//! What there is on the platform: business groups, environments, assets, and the instances that serve them.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub(super) const CLIENT: &str = "0a1b2c3d4e5f60718293a4b5c6d7e8f9";
pub(super) const SECRET: &str = "Lab-a-client-secret-of-the-platform";
pub(super) const USER: &str = "reader";
pub(super) const PASSWORD: &str = "Lab-a-password-of-the-platform";

/// The platform.
#[derive(Debug)]
pub(super) struct World {
    /// The root first.
    pub(super) groups: Vec<Group>,
    pub(super) environments: Vec<Environment>,
    /// By group and asset.
    pub(super) assets: BTreeMap<(String, String), Asset>,
    pub(super) instances: Vec<Instance>,
    made: u64,
}

#[derive(Debug, Clone)]
pub(super) struct Group {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) parent: Option<String>,
}

#[derive(Debug, Clone)]
pub(super) struct Environment {
    pub(super) id: String,
    pub(super) name: &'static str,
    pub(super) kind: &'static str,
    pub(super) group: String,
}

/// What an asset is written in, and what Exchange makes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    /// OpenAPI 3.0, in a package.
    OpenApi,
    /// RAML 1.0, with the Swagger 2.0 that Exchange generates.
    RamlAndOpenApi,
    /// RAML 1.0 alone: a resource type in a library, an optional method.
    Raml,
    /// WSDL 1.1.
    Wsdl,
    /// An HTTP API: without files.
    Nothing,
}

#[derive(Debug, Clone)]
pub(super) struct Asset {
    pub(super) number: u64,
    pub(super) group: String,
    pub(super) id: String,
    pub(super) name: String,
    pub(super) version: u64,
    pub(super) written: Written,
    pub(super) operations: Vec<(&'static str, String)>,
}

#[derive(Debug, Clone)]
pub(super) struct Instance {
    pub(super) id: u64,
    pub(super) group: String,
    pub(super) environment: String,
    /// Legacy instances have none.
    pub(super) asset: Option<(String, String)>,
    /// The consumers' address, which few give.
    pub(super) consumer: Option<String>,
    pub(super) status: &'static str,
}

/// What is to happen to the platform.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AnypointChange {
    /// What it happens to.
    pub seed: u64,
    /// Instances that are made.
    pub add: u64,
    /// Instances that are deleted.
    pub remove: u64,
    /// Assets that are published anew with an operation more; their instances serve the new version.
    pub publish: u64,
    /// Environments that are deleted with their instances.
    pub remove_environments: u64,
}

const SUBJECTS: [&str; 6] = ["orders", "customers", "inventory", "payments", "größen", "shipping"];
const METHODS: [&str; 4] = ["GET", "POST", "PUT", "DELETE"];
const ENVIRONMENTS: [(&str, &str); 4] =
    [("Design", "design"), ("Sandbox", "sandbox"), ("Staging", "sandbox"), ("Production", "production")];

impl World {
    pub(super) fn new(seed: u64, [groups, environments, apis]: [u64; 3]) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let mut id =
            |kind: u64| format!("{:08x}-{kind:04x}-4000-8000-{:012x}", random.random::<u32>(), random.random::<u32>());
        let mut all = vec![Group { id: id(1), name: "Contoso".to_owned(), parent: None }];
        for n in 0..groups {
            // Every second group lies below the one before.
            let parent = if n % 2 == 1 { all.last() } else { all.first() }.map(|group| group.id.clone());
            all.push(Group { id: id(2), name: format!("Group {n} · Größe"), parent });
        }
        let mut places = Vec::new();
        for group in &all {
            for n in 0..environments {
                let (name, kind) = ENVIRONMENTS[usize::try_from(n).unwrap_or(0) % ENVIRONMENTS.len()];
                places.push(Environment { id: id(3), name, kind, group: group.id.clone() });
            }
        }
        let mut world =
            Self { groups: all, environments: places, assets: BTreeMap::new(), instances: Vec::new(), made: 0 };
        let mut random = StdRng::seed_from_u64(seed ^ 0x5eed);
        for place in world.environments.clone() {
            for _ in 0..apis {
                world.add(&place, &mut random);
            }
        }
        // What nobody serves.
        for group in world.groups.clone() {
            world.asset(&group.id, &mut random);
        }
        world
    }

    /// An instance: of an asset of its group, old or new, or a legacy one.
    fn add(&mut self, place: &Environment, random: &mut StdRng) -> u64 {
        let known: Vec<(String, String)> =
            self.assets.keys().filter(|(group, _)| *group == place.group).cloned().collect();
        let asset = match random.random_range(0..10) {
            0 => None,
            1..4 if !known.is_empty() => Some(known[random.random_range(0..known.len())].clone()),
            _ => Some(self.asset(&place.group, random)),
        };
        self.made += 1;
        let id = 1_000_000 + self.made;
        let consumer = random.random_bool(0.3).then(|| format!("https://api{id}.example.com/v1"));
        let status = ["active", "inactive", "unregistered"][random.random_range(0..3)];
        let (group, environment) = (place.group.clone(), place.id.clone());
        self.instances.push(Instance { id, group, environment, asset, consumer, status });
        id
    }

    fn asset(&mut self, group: &str, random: &mut StdRng) -> (String, String) {
        self.made += 1;
        let number = self.made;
        let subject = SUBJECTS[random.random_range(0..SUBJECTS.len())];
        let written = match random.random_range(0..8) {
            0 => Written::Nothing,
            1 => Written::Wsdl,
            2 | 3 => Written::Raml,
            4 => Written::RamlAndOpenApi,
            _ => Written::OpenApi,
        };
        let id = format!("{}-{number}", if subject.is_ascii() { subject } else { "groessen" });
        let mut asset = Asset {
            number,
            group: group.to_owned(),
            id: id.clone(),
            name: format!("The {subject} API {number}"),
            version: 1,
            written,
            operations: Vec::new(),
        };
        for _ in 0..random.random_range(1..5) {
            asset.grow(random);
        }
        let key = (group.to_owned(), id);
        self.assets.insert(key.clone(), asset);
        key
    }

    pub(super) fn change(&mut self, change: &AnypointChange) -> Value {
        let mut random = StdRng::seed_from_u64(change.seed);
        let (mut added, mut removed, mut published) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..change.add {
            let place = self.environments[random.random_range(0..self.environments.len())].clone();
            let id = self.add(&place, &mut random);
            added.push(format!("{}/{}/{id}", place.group, place.id));
        }
        for _ in 0..change.remove {
            if self.instances.is_empty() {
                break;
            }
            let gone = self.instances.remove(random.random_range(0..self.instances.len()));
            removed.push(gone.key());
        }
        for _ in 0..change.publish {
            let served: Vec<(String, String)> = self.instances.iter().filter_map(|one| one.asset.clone()).collect();
            let written = |key: &&(String, String)| self.assets[*key].written != Written::Nothing;
            let fitting: Vec<_> = served.iter().filter(written).cloned().collect();
            if fitting.is_empty() {
                break;
            }
            let key = fitting[random.random_range(0..fitting.len())].clone();
            if let Some(asset) = self.assets.get_mut(&key) {
                asset.version += 1;
                asset.grow(&mut random);
            }
            published.extend(self.instances.iter().filter(|one| one.asset.as_ref() == Some(&key)).map(Instance::key));
        }
        for _ in 0..change.remove_environments.min(u64::try_from(self.environments.len()).unwrap_or(0)) {
            let gone = self.environments.remove(random.random_range(0..self.environments.len()));
            removed.extend(self.instances.iter().filter(|one| one.environment == gone.id).map(Instance::key));
            self.instances.retain(|one| one.environment != gone.id);
        }
        json!({ "added": added, "removed": removed, "published": published })
    }

    pub(super) fn served(&self, asset: &Asset) -> impl Iterator<Item = &Instance> {
        let key = (asset.group.clone(), asset.id.clone());
        self.instances.iter().filter(move |one| one.asset.as_ref() == Some(&key))
    }

    pub(super) fn banner(&self) -> Value {
        json!({
            "organizationId": self.groups[0].id, "environmentId": self.environments.first().map(|one| &one.id),
            "clientId": CLIENT, "clientSecret": SECRET, "username": USER, "password": PASSWORD,
            "businessGroups": self.groups.len(), "environments": self.environments.len(), "apis": self.instances.len(),
            "assets": self.assets.len(),
        })
    }

    pub(super) fn truth(&self) -> Value {
        let mut all = BTreeMap::new();
        for one in &self.instances {
            let asset = one.asset.as_ref().map(|key| &self.assets[key]);
            let name = asset.map_or_else(|| one.id.to_string(), |asset| asset.name.clone());
            all.insert(one.key(), told(&one.key(), &name, (asset, one.consumer.as_deref())));
        }
        for asset in self.assets.values().filter(|asset| self.served(asset).next().is_none()) {
            let key = format!("{}/exchange/{}/{}", asset.group, asset.group, asset.id);
            all.insert(key.clone(), told(&key, &asset.name, (Some(asset), None)));
        }
        Value::Array(all.into_values().collect())
    }
}

fn told(id: &str, name: &str, (asset, consumer): (Option<&Asset>, Option<&str>)) -> Value {
    let has_file = asset.is_some_and(|asset| asset.written != Written::Nothing);
    let endpoints = asset.filter(|_| has_file).map(Asset::endpoints).unwrap_or_default();
    let own = asset.filter(|_| has_file).and_then(Asset::server);
    json!({
        "id": id, "name": name, "definitionState": if has_file { "stored" } else { "none" }, "endpoints": endpoints,
        "url": consumer.map(str::to_owned).or(own),
    })
}

impl Instance {
    pub(super) fn key(&self) -> String {
        format!("{}/{}/{}", self.group, self.environment, self.id)
    }
}

impl Asset {
    pub(super) fn semver(&self) -> String {
        format!("1.0.{}", self.version)
    }

    fn grow(&mut self, random: &mut StdRng) {
        let n = self.operations.len();
        let method = METHODS[random.random_range(0..METHODS.len())];
        let path = match random.random_range(0..3) {
            0 => format!("/items{n}"),
            1 => format!("/items{n}/{{id}}"),
            _ => format!("/items{n}/{{id}}/parts"),
        };
        self.operations.push((method, path));
    }

    /// Where the definition says it is served; the path of WSDL's address is part of its endpoints.
    pub(super) fn server(&self) -> Option<String> {
        match self.written {
            Written::Nothing => None,
            Written::Wsdl => Some("https://soap.example.com".to_owned()),
            _ => Some(format!("https://{}.example.com/api", self.id)),
        }
    }

    pub(super) fn soap_address(&self) -> String {
        format!("https://soap.example.com/{}", self.id)
    }

    /// `METHOD path` of each.
    fn endpoints(&self) -> Vec<String> {
        let operation = |n: usize| format!("POST /{}#Operation{n}", self.id);
        match self.written {
            Written::Wsdl => (0..self.operations.len()).map(operation).collect(),
            _ => self.operations.iter().map(|(method, path)| format!("{method} {path}")).collect(),
        }
    }
}
