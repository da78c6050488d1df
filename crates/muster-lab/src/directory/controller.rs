//! The simulated controller: its contents, its accounts, its faults, and what it says of itself.

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use serde_json::json;

use super::counts::{ChangeCounts, ChangeReport};
use super::faults::{Board, Faults, Moving};
use super::random::{guid, mix};
use super::resolve::Place;
use super::tree;
use super::truth::{TruthCounts, TruthRecord};
use super::world::{ADMINISTRATOR, BUILT_IN, Object, SERVICE_ACCOUNT, World};

/// What the parts of the server share.
#[derive(Debug)]
pub(super) struct Controller {
    world: RwLock<World>,
    pub(super) faults: Board,
    /// Whether the first page of a listing says how many entries there are, as Samba's does.
    pub(super) estimates: bool,
    /// Whether a listing of the whole domain ends with referrals to its other partitions.
    pub(super) referrals: bool,
    password: String,
    administrator_password: String,
}

/// The rights of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Account {
    Nobody,
    Service,
    Administrator,
}

impl Controller {
    pub(super) fn new(world: World, estimates: bool, referrals: bool) -> Self {
        let password = |name: u64| format!("Lab-{:016x}", mix(world.seed ^ name));
        Self {
            password: password(0x5e71ce),
            administrator_password: password(0xad312),
            world: RwLock::new(world),
            faults: Board::default(),
            estimates,
            referrals,
        }
    }

    pub(super) fn world(&self) -> RwLockReadGuard<'_, World> {
        self.world.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn world_mut(&self) -> RwLockWriteGuard<'_, World> {
        self.world.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who a name and a password are; `None` where they are nobody's.
    pub(super) fn authenticate(&self, name: &str, password: &str) -> Option<Account> {
        let world = self.world();
        let object = match name.split_once('\\').filter(|(domain, _)| domain.eq_ignore_ascii_case("MUSTER")) {
            Some((_, account)) => world.user_with_account(account).map(Object::User),
            None if name.contains('=') || name.starts_with('<') => match world.resolve(name) {
                Place::Found(object) => Some(object),
                _ => None,
            },
            None => {
                let (account, domain) = name.split_once('@')?;
                let known = domain.eq_ignore_ascii_case("muster.test");
                world.user_with_account(account).filter(|_| known).map(Object::User)
            }
        };
        match object? {
            Object::User(SERVICE_ACCOUNT) if password == self.password => Some(Account::Service),
            Object::User(ADMINISTRATOR) if password == self.administrator_password => Some(Account::Administrator),
            _ => None,
        }
    }

    pub(super) fn change(&self, seed: u64, counts: &ChangeCounts) -> ChangeReport {
        let back = self.usns_back();
        let mut report = self.world_mut().change(seed, counts);
        report.highest_committed_usn -= back;
        report
    }

    pub(super) fn counts(&self) -> TruthCounts {
        self.world().counts()
    }

    /// Tells of every object.
    pub(super) fn truth(&self) -> Vec<TruthRecord> {
        let back = self.usns_back();
        let world = self.world();
        world.objects().filter_map(|object| world.truth(object, back)).collect()
    }

    /// Tells of some objects, a line of JSON each.
    pub(super) fn truth_lines(&self, objects: &[Object]) -> Vec<u8> {
        let back = self.usns_back();
        let world = self.world();
        let mut lines = Vec::new();
        for record in objects.iter().filter_map(|&object| world.truth(object, back)) {
            // Writing to memory does not fail, and a record holds nothing that JSON has not.
            let _ = serde_json::to_writer(&mut lines, &record);
            lines.push(b'\n');
        }
        lines
    }

    /// How far a restored controller's update sequence numbers lie behind.
    pub(super) fn usns_back(&self) -> i64 {
        self.faults.get().restored.map_or(0, i64::from)
    }

    /// The identity of this copy of the directory; a restored one has another.
    pub(super) fn invocation_id(&self, faults: &Faults) -> [u8; 16] {
        let seed = self.world().seed;
        let restored = faults.restored.map_or(0, |back| mix(u64::from(back) + 1));
        guid(seed ^ mix(restored), 4 << 32)
    }

    /// Moves users while they are listed.
    pub(super) fn move_users(&self, moving: &Moving) {
        let mut world = self.world_mut();
        let container = |world: &World, name: &Option<String>| match world.resolve(name.as_deref()?) {
            Place::Found(Object::Container(number)) => Some(number),
            _ => None,
        };
        let from = container(&world, &moving.from);
        let to = container(&world, &moving.to);
        let below = |world: &World, user: u32| {
            let mut place = world.parent(Object::User(user));
            while let Some(found) = place {
                if Some(found) == from.or(Some(tree::DOMAIN)) {
                    return true;
                }
                place = world.parent(Object::Container(found));
            }
            false
        };
        // The last ones: those that a listing has not come to.
        let mut left = moving.users.max(1);
        for user in (BUILT_IN..world.users).rev() {
            let home = world.user(user).home();
            if left == 0 {
                return;
            }
            if Some(home) == to || world.is_deleted(Object::User(user)) || !below(&world, user) {
                continue;
            }
            let other = world.homes.iter().copied().find(|&other| other != home && Some(other) != from);
            if let Some(to) = to.or(other) {
                world.move_user(user, to);
                left -= 1;
            }
        }
    }

    /// What a client needs to know, and how much there is.
    pub(super) fn banner(&self, ldap: std::net::SocketAddr, control: std::net::SocketAddr) -> serde_json::Value {
        let dn = |number| {
            let mut name = Vec::new();
            self.world().put_dn(Object::User(number), &mut name);
            String::from_utf8_lossy(&name).into_owned()
        };
        let base = self.world().containers[tree::DOMAIN as usize].dn.clone();
        json!({
            "url": format!("http://{control}"),
            "host": ldap.ip().to_string(),
            "port": ldap.port(),
            "bindDn": dn(SERVICE_ACCOUNT),
            "password": self.password,
            "privilegedBindDn": dn(ADMINISTRATOR),
            "privilegedPassword": self.administrator_password,
            "baseContext": base,
            "truth": self.counts(),
        })
    }
}
