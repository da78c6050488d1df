//! What every handler stands on.

use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use muster_core::clock::{Clock, Instant};
use muster_core::connector::Offer;
use muster_core::seal::Keyring;
use muster_store::Store;
use tokio::sync::{Mutex, Semaphore};

use crate::auth::{Attempts, Passwords, SigningKey};
use crate::made_by::CompiledMaps;
use crate::random::Random;

/// How many live streams are open at once.
const STREAMS: usize = 64;

/// How the hub's web behaves.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Whether browsers reach the hub by TLS: cookies are then sent by TLS only.
    pub secure_cookies: bool,
    /// Networks whose machines say truly for whom they ask, in `X-Forwarded-For`.
    pub trusted_proxies: Vec<IpNet>,
    /// How long a body may take to arrive.
    pub body_deadline: Duration,
    /// The work of a password's hash, as (KiB of memory, passes): tests take little.
    pub password_work: (u32, u32),
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            secure_cookies: false,
            trusted_proxies: Vec::new(),
            body_deadline: Duration::from_secs(30),
            password_work: (19 * 1024, 2),
        }
    }
}

/// The hub, as the web sees it.
pub struct Hub {
    /// The truth.
    pub store: Store,
    /// The connector types.
    pub offers: Arc<[Offer]>,
    /// The keys that seal secrets and sign tokens.
    pub keyring: Arc<Keyring>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Random,
    /// How it behaves.
    pub settings: Settings,
    pub(crate) signing: SigningKey,
    pub(crate) passwords: Passwords,
    pub(crate) attempts: Attempts,
    pub(crate) streams: Arc<Semaphore>,
    pub(crate) compiled: CompiledMaps,
    /// Held while a profile is checked against the others and kept: two at once could not see each other.
    pub(crate) profiles: Mutex<()>,
}

impl Hub {
    /// A hub over a store: connector types, keys, clock and randomness are its surroundings'.
    pub fn new(
        (store, offers): (Store, Arc<[Offer]>),
        keyring: Arc<Keyring>,
        clock: Arc<dyn Clock>,
        random: Random,
        settings: Settings,
    ) -> Self {
        let passwords = Passwords::new(settings.password_work);
        let signing = SigningKey::new(Arc::clone(&keyring));
        Self {
            store,
            offers,
            keyring,
            clock,
            random,
            settings,
            signing,
            passwords,
            attempts: Attempts::default(),
            streams: Arc::new(Semaphore::new(STREAMS)),
            compiled: CompiledMaps::default(),
            profiles: Mutex::default(),
        }
    }

    /// The time.
    pub fn now(&self) -> Instant {
        self.clock.now()
    }

    /// The connector type of that name.
    pub fn offer(&self, type_name: &str) -> Option<&Offer> {
        self.offers.iter().find(|offer| offer.spec.type_name == type_name)
    }
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Hub").field("offers", &self.offers.len()).finish_non_exhaustive()
    }
}
