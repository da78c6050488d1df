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
mod package;
mod server;
mod world;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use faults::AnypointFaults;
pub use world::AnypointChange;

use crate::LabError;
use server::Shared;
use world::World;

/// The most of anything.
const MAXIMUM: u64 = 100_000;

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
    shutdown: watch::Sender<bool>,
    server: JoinHandle<()>,
}

/// Makes the platform and serves it.
pub async fn start(options: AnypointOptions) -> Result<RunningAnypoint, LabError> {
    let sizes = [("groups", options.groups), ("environments", options.environments), ("apis", options.apis)];
    for (what, count) in sizes {
        if count > MAXIMUM {
            return Err(LabError::TooMany { what, count, limit: MAXIMUM });
        }
    }
    if !options.listen.ip().is_loopback() {
        return Err(LabError::NotLoopback(options.listen));
    }
    let failed = |source| LabError::Listen { address: options.listen, source };
    let listener = TcpListener::bind(options.listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let page = usize::try_from(options.page.max(1)).unwrap_or(usize::MAX);
    let world = World::new(options.seed, [options.groups, options.environments, options.apis]);
    let shared = Arc::new(Shared { address, page, world: Mutex::new(world), live: Mutex::default() });
    let (shutdown, mut stopped) = watch::channel(false);
    let router = server::router(Arc::clone(&shared));
    let server = tokio::spawn(async move {
        tokio::select! {
            _ = stopped.changed() => {}
            Err(error) = async { axum::serve(listener, router).await } => tracing::warn!(%error, "the platform ended"),
        }
    });
    Ok(RunningAnypoint { shared, shutdown, server })
}

impl RunningAnypoint {
    /// The platform's base URL.
    pub fn url(&self) -> String {
        self.shared.url()
    }

    /// Everything that a client needs to know, and how much there is.
    pub fn banner(&self) -> Value {
        let mut banner = json!({ "url": self.url(), "storage": self.shared.storage() });
        if let (Some(banner), Value::Object(told)) = (banner.as_object_mut(), self.shared.world().banner()) {
            banner.extend(told);
        }
        banner
    }

    /// What there is: every instance with its id, name, address, state of its definition and endpoints, and every asset
    /// that no instance serves; sorted by id.
    pub fn truth(&self) -> Value {
        self.shared.world().truth()
    }

    /// Changes the platform; tells the ids that each change touched.
    pub fn change(&self, change: &AnypointChange) -> Value {
        self.shared.world().change(change)
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
        let _ = self.shutdown.send(true);
        let _ = self.server.await;
    }
}
