//! A simulated Anypoint Platform: sign-in, Access Management, API Manager, Exchange and the storage that its files lie in.
//!
//! ```text
//! HTTP ─→ server (sign-in, routes, faults) ─→ answers (shapes of recorded answers), package (files) ─→ world (seeded)
//!           └─→ /_lab/: truth, change, faults, calls, banner
//! ```
//!
//! *Not here*: TLS, users and their rights, policies, contracts, writing.

mod answers;
mod faults;
mod hostile;
mod package;
mod server;
mod world;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

pub use faults::{AnypointFaults, WrongTotal};
pub use hostile::HostileFile;
pub use world::AnypointChange;

use crate::LabError;
use crate::serving::{self, Lab as _, Serving};
use server::Shared;
use world::World;

/// How the platform is made and served.
#[derive(Debug, Clone)]
pub struct AnypointOptions {
    /// Where all of it answers; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The same seed and sizes give the same platform.
    pub seed: u64,
    /// Business groups below the root.
    pub groups: u64,
    /// Environments in each business group.
    pub environments: u64,
    /// API instances in each environment.
    pub apis: u64,
    /// The most assets on a page of API Manager's, whatever is asked for.
    pub page: u64,
}

impl Default for AnypointOptions {
    fn default() -> Self {
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self { listen, seed: 1, groups: 2, environments: 3, apis: 8, page: 3 }
    }
}

/// A platform that is being served; it ends when this is dropped.
#[derive(Debug)]
pub struct RunningAnypoint {
    shared: Arc<Shared>,
    serving: Serving,
}

/// Makes the platform and serves it.
pub async fn start(options: AnypointOptions) -> Result<RunningAnypoint, LabError> {
    let sizes = [("groups", options.groups), ("environments", options.environments), ("apis", options.apis)];
    let (listener, address) = serving::listen(options.listen, &sizes).await?;
    let page = usize::try_from(options.page.max(1)).unwrap_or(usize::MAX);
    let world = World::new(options.seed, [options.groups, options.environments, options.apis]);
    let shared = Arc::new(Shared { address, page, world: Mutex::new(world), live: Mutex::default() });
    let serving = Serving::begin(listener, server::router(Arc::clone(&shared)));
    Ok(RunningAnypoint { shared, serving })
}

impl RunningAnypoint {
    /// The platform's base URL.
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

    /// What there is: every instance with its id, name, address, state of its definition and endpoints, and every asset
    /// that no instance serves; sorted by id.
    pub fn truth(&self) -> Value {
        self.shared.truth()
    }

    /// Changes the platform; tells the ids that each change touched.
    pub fn change(&self, change: &AnypointChange) -> Value {
        self.shared.change(change)
    }

    /// Sets the faults, and begins to count calls anew.
    pub fn set_faults(&self, faults: AnypointFaults) {
        self.shared.set_faults(faults);
    }

    /// How often each kind of call was answered since the faults were set: `token`, `list`, `instance`, `asset`, `file`.
    pub fn calls(&self) -> BTreeMap<String, u64> {
        self.shared.calls()
    }

    /// Ends it.
    pub async fn stop(self) {
        self.serving.stop().await;
    }
}
