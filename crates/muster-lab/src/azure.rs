//! A simulated Azure tenant: sign-in, Resource Manager, API Management and the storage that exports lead to, over HTTP.
//!
//! ```text
//! HTTP ─→ server (sign-in, routes, faults) ─→ answers (shapes of Microsoft's specifications) ─→ world (seeded; change)
//!           └─→ /_lab/: truth, change, faults, banner
//! ```
//!
//! *Not here*: TLS, more than one principal, writing through Resource Manager, other resource providers.

mod answers;
mod faults;
mod limits;
mod server;
mod sign_in;
mod world;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

pub use faults::AzureFaults;
pub use world::AzureChange;

use crate::LabError;
use crate::serving::{self, Lab as _, Serving};
use server::Shared;
use world::{Sizes, World};

/// How the tenant is made and served.
#[derive(Debug, Clone)]
pub struct AzureOptions {
    /// Where all of it answers; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The same seed and sizes give the same tenant.
    pub seed: u64,
    /// Subscriptions.
    pub subscriptions: u64,
    /// API Management services in each subscription.
    pub services: u64,
    /// APIs in each service.
    pub apis: u64,
    /// APIs in a workspace of each service; no workspace where it is 0.
    pub workspace: u64,
    /// Entries on a page of a list.
    pub page: u64,
    /// Bytes of each definition, about.
    pub definition: u64,
    /// Whether reads are limited as Azure's are: 250 at once, 25 a second, in each subscription.
    pub limited: bool,
}

impl Default for AzureOptions {
    fn default() -> Self {
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            listen,
            seed: 1,
            subscriptions: 2,
            services: 2,
            apis: 10,
            workspace: 0,
            page: 4,
            definition: 0,
            limited: false,
        }
    }
}

/// A tenant that is being served; it ends when this is dropped.
#[derive(Debug)]
pub struct RunningAzure {
    shared: Arc<Shared>,
    serving: Serving,
}

/// Makes the tenant and serves it.
pub async fn start(options: AzureOptions) -> Result<RunningAzure, LabError> {
    let sizes = [
        ("subscriptions", options.subscriptions),
        ("services", options.services),
        ("apis", options.apis),
        ("workspace", options.workspace),
    ];
    let (listener, address) = serving::listen(options.listen, &sizes).await?;
    let page = usize::try_from(options.page.max(1)).unwrap_or(usize::MAX);
    let AzureOptions { subscriptions, services, apis, workspace, .. } = options;
    let world = World::new(options.seed, Sizes { subscriptions, services, apis, workspace });
    let shared = Arc::new(Shared {
        address,
        page,
        definition: usize::try_from(options.definition).unwrap_or(usize::MAX),
        limits: options.limited.then(Mutex::default),
        world: Mutex::new(world),
        state: Mutex::default(),
    });
    let serving = Serving::begin(listener, server::router(Arc::clone(&shared)));
    Ok(RunningAzure { shared, serving })
}

impl RunningAzure {
    /// The base URL of sign-in and Resource Manager.
    pub fn url(&self) -> String {
        self.shared.url()
    }

    /// Everything that a client needs to know, and how much there is.
    pub fn banner(&self) -> Value {
        let mut banner = json!({ "url": self.url(), "storage": self.shared.storage() });
        if let (Some(banner), Value::Object(told)) = (banner.as_object_mut(), self.shared.banner()) {
            banner.extend(told);
        }
        banner
    }

    /// What there is: every API and earlier revision with its id, name, endpoints and kind, sorted by id in lower case.
    pub fn truth(&self) -> Value {
        self.shared.truth()
    }

    /// Changes the tenant; tells the ids that each change touched.
    pub fn change(&self, change: &AzureChange) -> Value {
        self.shared.change(change)
    }

    /// Sets the faults, and begins to count calls anew.
    pub fn set_faults(&self, faults: AzureFaults) {
        self.shared.set_faults(faults);
    }

    /// How often each kind of call was answered since the faults were set: `list`, `export`, `download`, …
    pub fn calls(&self) -> std::collections::BTreeMap<String, u64> {
        self.shared.calls()
    }

    /// Ends it.
    pub async fn stop(self) {
        self.serving.stop().await;
    }
}
