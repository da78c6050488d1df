//! The directory's contents: a few numbers, the tree, and what has changed since the beginning.
//!
//! An object is a kind and a number. Whatever it says is computed from the seed, its number and its revision when it is
//! asked for; only objects that a change has touched are kept. So a million users weigh what their changes weigh.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::random::{self, Draws};
use super::tree::{self, Container};

/// The instant at which the directory begins to change: 2026-06-01T00:00:00Z in Unix seconds.
pub(super) const EPOCH: i64 = 1_780_272_000;
pub(super) const DAY: i64 = 86_400;
/// The first update sequence number; well above what a restored controller goes back by.
const FIRST_USN: i64 = 1_000_000;
/// Numbers of containers lie below this.
const CONTAINERS: i64 = 4096;
/// The accounts that every directory has, before its people: Administrator, Guest, krbtgt, the service account.
pub(super) const BUILT_IN: u32 = 4;
pub(super) const ADMINISTRATOR: u32 = 0;
pub(super) const SERVICE_ACCOUNT: u32 = 3;
/// The groups that every directory has, before its own: Domain Users, Domain Admins, All staff, one with an odd name.
pub(super) const BUILT_IN_GROUPS: u32 = 4;
pub(super) const DOMAIN_ADMINS: u32 = 1;
pub(super) const ALL_STAFF: u32 = 2;
pub(super) const ODD_GROUP: u32 = 3;
/// How many groups of its own are nested into each other.
pub(super) const NESTED: u32 = 40;

/// An object of the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Object {
    Container(u32),
    User(u32),
    Group(u32),
    /// The server's own settings object, which knows its invocationId.
    Server,
}

impl Object {
    /// Kind and number in one.
    pub(super) fn identity(self) -> u64 {
        match self {
            Self::Container(number) => u64::from(number),
            Self::User(number) => 1 << 32 | u64::from(number),
            Self::Group(number) => 2 << 32 | u64::from(number),
            Self::Server => 3 << 32,
        }
    }
}

/// What changes have made of an object.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    /// How often its attributes were modified.
    pub(super) revision: u32,
    /// How often it was renamed.
    pub(super) name_revision: u32,
    /// Disabled by a change (users).
    pub(super) disabled: bool,
    pub(super) deleted: bool,
    /// Where it was moved to.
    pub(super) home: Option<u32>,
    /// The relative identifier that replaced its first one.
    pub(super) rid: Option<u32>,
    pub(super) usn: i64,
    /// Of objects made after the beginning.
    pub(super) created: Option<Creation>,
    pub(super) changed_at: i64,
    /// Users: groups joined. Groups: users that joined.
    pub(super) joined: Vec<u32>,
    /// Users: groups left. Groups: users that left.
    pub(super) left: HashSet<u32>,
}

/// When an object was made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Creation {
    pub(super) usn: i64,
    pub(super) at: i64,
}

/// One of the ways in which people are spread over groups.
#[derive(Debug, Clone, Copy)]
struct Slot {
    factor: u64,
    back: u64,
    shift: u64,
    per_mille: u64,
}

/// The directory's contents.
#[derive(Debug)]
pub(super) struct World {
    pub(super) seed: u64,
    pub(super) domain_sid: [u32; 3],
    pub(super) containers: Vec<Container>,
    /// The departments' numbers.
    pub(super) homes: Vec<u32>,
    /// People at the beginning, without the built-in accounts.
    pub(super) people: u32,
    /// Members of All staff at the beginning.
    pub(super) staff: u32,
    initial_groups: u32,
    /// All users ever, the built-in ones and the deleted ones included.
    pub(super) users: u32,
    /// All groups ever.
    pub(super) groups: u32,
    users_changed: HashMap<u32, State>,
    groups_changed: HashMap<u32, State>,
    /// The last change of each object that changed.
    changes: BTreeMap<i64, Object>,
    usn: i64,
    slots: [Slot; 3],
}

impl World {
    /// A directory of that many people and groups.
    pub(super) fn new(seed: u64, people: u32, groups: u32, staff: u32) -> Self {
        let draws = Draws::new(seed, u64::MAX);
        let sid = |name| u32::try_from(1_000_000_000 + draws.below(name, 3_000_000_000)).unwrap_or(0);
        let slot = |name, per_mille| {
            let (factor, back) = random::multiplier(draws.draw(name), u64::from(people));
            Slot { factor, back, shift: draws.below(name + 10, u64::from(people)), per_mille }
        };
        let (containers, homes) = tree::grow();
        let users = BUILT_IN + people;
        let groups = BUILT_IN_GROUPS + groups;
        Self {
            seed,
            domain_sid: [sid(1), sid(2), sid(3)],
            containers,
            homes,
            people,
            staff: staff.min(people),
            initial_groups: groups,
            users,
            groups,
            users_changed: HashMap::new(),
            groups_changed: HashMap::new(),
            changes: BTreeMap::new(),
            usn: FIRST_USN + CONTAINERS + i64::from(users) + i64::from(groups),
            slots: [slot(4, 1000), slot(5, 500), slot(6, 250)],
        }
    }

    pub(super) fn draws(&self, object: Object) -> Draws {
        Draws::new(self.seed, object.identity())
    }

    /// The highest update sequence number in use.
    pub(super) fn highest_usn(&self) -> i64 {
        self.usn
    }

    pub(super) fn guid(&self, object: Object) -> [u8; 16] {
        random::guid(self.seed, object.identity())
    }

    /// The object of that GUID.
    pub(super) fn by_guid(&self, bytes: &[u8]) -> Option<Object> {
        let identity = random::identity(self.seed, bytes)?;
        let number = u32::try_from(identity & u64::from(u32::MAX)).ok()?;
        match identity >> 32 {
            0 => ((number as usize) < self.containers.len()).then_some(Object::Container(number)),
            1 => (number < self.users).then_some(Object::User(number)),
            2 => (number < self.groups).then_some(Object::Group(number)),
            3 => Some(Object::Server),
            _ => None,
        }
    }

    /// What changes have made of an object, if one has touched it.
    pub(super) fn state(&self, object: Object) -> Option<&State> {
        match object {
            Object::User(number) if !self.users_changed.is_empty() => self.users_changed.get(&number),
            Object::Group(number) if !self.groups_changed.is_empty() => self.groups_changed.get(&number),
            _ => None,
        }
    }

    pub(super) fn is_deleted(&self, object: Object) -> bool {
        self.state(object).is_some_and(|state| state.deleted) || object == Object::Container(tree::DELETED_OBJECTS)
    }

    /// The update sequence number that an object began with.
    fn first_usn(&self, object: Object) -> i64 {
        match object {
            Object::Container(number) => FIRST_USN + i64::from(number),
            Object::User(number) => FIRST_USN + CONTAINERS + i64::from(number),
            Object::Group(number) => FIRST_USN + CONTAINERS + i64::from(BUILT_IN + self.people) + i64::from(number),
            Object::Server => FIRST_USN,
        }
    }

    pub(super) fn usn(&self, object: Object) -> i64 {
        match object {
            Object::Container(number) => self.containers[number as usize].usn.unwrap_or(self.first_usn(object)),
            _ => self.state(object).map_or_else(|| self.first_usn(object), |state| state.usn),
        }
    }

    pub(super) fn usn_created(&self, object: Object) -> i64 {
        let created = self.state(object).and_then(|state| state.created);
        created.map_or_else(|| self.first_usn(object), |created| created.usn)
    }

    pub(super) fn created_at(&self, object: Object) -> i64 {
        let created = self.state(object).and_then(|state| state.created);
        let ago = || i64::try_from(self.draws(object).below(90, 5100)).unwrap_or(0) * DAY;
        created.map_or_else(|| EPOCH - 30 * DAY - ago(), |created| created.at)
    }

    pub(super) fn changed_at(&self, object: Object) -> i64 {
        let changed = match object {
            Object::Container(number) => self.containers[number as usize].changed_at,
            _ => self.state(object).map(|state| state.changed_at),
        };
        changed.unwrap_or_else(|| {
            let seconds = i64::try_from(self.draws(object).below(91, 30 * 86_400)).unwrap_or(0);
            EPOCH - seconds - 1
        })
    }

    /// The objects whose number is `from` or more, where only changed ones can be; `None` where the directory's
    /// first objects can be among them.
    pub(super) fn changed_since(&self, from: i64) -> Option<Vec<Object>> {
        let first = self.first_usn(Object::Group(self.initial_groups));
        (from >= first).then(|| self.changes.range(from..).map(|(_, &object)| object).collect())
    }
}

mod members;
mod touch;
