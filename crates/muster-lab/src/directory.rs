//! A simulated Active Directory domain controller: LDAP as a real one speaks it, and a control port beside it.
//!
//! ```text
//! LDAP ─→ connection ─→ listing ─→ search (filter, resolve) ─→ page ─→ entry ─→ wire
//!                                       └──── world: tree, objects, user; change ────┘
//! HTTP ─→ control: truth, change, faults, banner
//! ```
//!
//! Its contents are computed from a seed, so that a million users weigh next to nothing; only changes are kept.
//! *Adding an attribute*: a line in `schema.rs`, an arm in `user.rs` or `objects.rs`. *Adding a fault*: a field of
//! [`Faults`], its strike in `faults.rs`, its effect in `page.rs` or `listing.rs`.
//!
//! *Not here*: writing by LDAP, SASL, TLS, DirSync, security descriptors, several controllers or domains.

mod change;
mod connection;
mod control;
mod controller;
mod counts;
mod entry;
mod faults;
mod filter;
mod listing;
mod names;
mod objects;
mod page;
mod people;
mod random;
mod resolve;
mod root;
mod schema;
mod search;
mod tree;
mod truth;
mod user;
mod values;
mod wire;
mod world;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

pub use counts::{ChangeCounts, ChangeReport, GroupCounts, MembershipCounts, Touched, UserCounts};
pub use faults::{At, Faults, Moving, Slow, Unreadable};
pub use truth::{TruthClass, TruthCounts, TruthRecord};

use crate::LabError;
use connection::Connection;
use control::Control;
use controller::Controller;
use world::World;

/// The most users and the most groups: their numbers are part of their SIDs.
const MAXIMUM_OBJECTS: u64 = 100_000_000;

/// How the directory is made and served.
#[derive(Debug, Clone)]
pub struct DirectoryOptions {
    /// Where LDAP is spoken; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where truth, change and faults are; port 0 takes a free one.
    pub control: SocketAddr,
    /// The same seed and sizes give the same directory.
    pub seed: u64,
    /// People, beside the four accounts that every directory has.
    pub users: u64,
    /// Groups, beside the four that every directory has; a tenth of the people, at least ten, where absent.
    pub groups: Option<u64>,
    /// Members of the group `All staff`; 6,000, where absent, or as many as there are people.
    pub staff: Option<u64>,
    /// Whether the first page of a listing says how many entries there are, as Samba's does and a Microsoft one's not.
    pub estimates: bool,
    /// Whether a listing of the whole domain ends with referrals to its other partitions.
    pub referrals: bool,
    /// Whether addresses that other machines can reach are allowed.
    pub allow_any: bool,
}

impl Default for DirectoryOptions {
    fn default() -> Self {
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            listen: free,
            control: free,
            seed: 1,
            users: 1000,
            groups: None,
            staff: None,
            estimates: false,
            referrals: true,
            allow_any: false,
        }
    }
}

/// A directory that is being served; it ends when this is dropped.
#[derive(Debug)]
pub struct RunningDirectory {
    control: Control,
    shutdown: watch::Sender<bool>,
    servers: Vec<JoinHandle<()>>,
}

/// Makes the directory and serves it.
pub async fn start(options: DirectoryOptions) -> Result<RunningDirectory, LabError> {
    let people = bounded("users", options.users)?;
    let groups = bounded("groups", options.groups.unwrap_or((options.users / 10).max(10)))?;
    let staff = bounded("staff", options.staff.unwrap_or(6000))?;
    let listener = listen(options.listen, options.allow_any).await?;
    let control_listener = listen(options.control, options.allow_any).await?;
    let address = |listener: &TcpListener, asked| {
        listener.local_addr().map_err(|source| LabError::Listen { address: asked, source })
    };
    let world = World::new(options.seed, people, groups, staff);
    let control = Control {
        controller: Arc::new(Controller::new(world, options.estimates, options.referrals)),
        ldap: address(&listener, options.listen)?,
        control: address(&control_listener, options.control)?,
    };
    let (shutdown, stopped) = watch::channel(false);
    let ldap = tokio::spawn(serve_ldap(listener, Arc::clone(&control.controller), stopped.clone()));
    let http = tokio::spawn(serve_http(control_listener, control.clone(), stopped));
    Ok(RunningDirectory { control, shutdown, servers: vec![ldap, http] })
}

fn bounded(what: &'static str, count: u64) -> Result<u32, LabError> {
    let too_many = LabError::TooMany { what, count, limit: MAXIMUM_OBJECTS };
    u32::try_from(count).ok().filter(|_| count <= MAXIMUM_OBJECTS).ok_or(too_many)
}

async fn listen(address: SocketAddr, allow_any: bool) -> Result<TcpListener, LabError> {
    if !address.ip().is_loopback() && !allow_any {
        return Err(LabError::NotLoopback(address));
    }
    TcpListener::bind(address).await.map_err(|source| LabError::Listen { address, source })
}

async fn serve_ldap(listener: TcpListener, controller: Arc<Controller>, mut stopped: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = stopped.changed() => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    // Small answers must not wait for more.
                    let _ = stream.set_nodelay(true);
                    connections.spawn(Connection::new(Arc::clone(&controller), stream).serve());
                }
                Err(error) => tracing::warn!(%error, "a connection was not accepted"),
            },
            Some(ended) = connections.join_next() => {
                if let Ok(Err(error)) = ended {
                    tracing::debug!(%error, "a connection broke");
                }
            }
        }
    }
}

async fn serve_http(listener: TcpListener, control: Control, mut stopped: watch::Receiver<bool>) {
    let served = axum::serve(listener, control::router(control));
    tokio::select! {
        _ = stopped.changed() => {}
        Err(error) = async { served.await } => tracing::warn!(%error, "the control port ended"),
    }
}

impl RunningDirectory {
    /// Where LDAP is spoken.
    pub fn ldap_address(&self) -> SocketAddr {
        self.control.ldap
    }

    /// Where the control port is.
    pub fn control_address(&self) -> SocketAddr {
        self.control.control
    }

    /// Everything that a client needs to know, and how much there is.
    pub fn banner(&self) -> serde_json::Value {
        self.control.controller.banner(self.control.ldap, self.control.control)
    }

    /// Changes the directory; the same change of the same directory gives the same directory.
    pub fn change(&self, seed: u64, counts: &ChangeCounts) -> ChangeReport {
        self.control.controller.change(seed, counts)
    }

    /// Sets the faults, and begins to count them anew.
    pub fn set_faults(&self, faults: Faults) {
        self.control.controller.faults.set(faults);
    }

    /// How often each fault of listings has struck since the faults were set, by the fault's name.
    pub fn struck(&self) -> BTreeMap<String, u32> {
        self.control.controller.faults.struck()
    }

    /// Every object as it is.
    pub fn truth(&self) -> Vec<TruthRecord> {
        self.control.controller.truth()
    }

    /// How much there is.
    pub fn counts(&self) -> TruthCounts {
        self.control.controller.counts()
    }

    /// Ends all connections and gives the ports back.
    pub async fn stop(self) {
        let Self { shutdown, servers, .. } = self;
        drop(shutdown);
        for server in servers {
            // A server that failed has ended too.
            let _ = server.await;
        }
    }
}
