//! Changing the directory: seeded, so that the same change of the same directory gives the same directory.

use std::collections::HashSet;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::counts::{ChangeCounts, ChangeReport, GroupCounts, Touched, UserCounts};
use super::objects::put_guid;
use super::random::mix;
use super::tree;
use super::world::{BUILT_IN, BUILT_IN_GROUPS, Object, State, World};

/// How often a random choice is tried before what is wanted is taken not to be there.
const ATTEMPTS: u32 = 256;

struct Changer<'w> {
    world: &'w mut World,
    rng: SmallRng,
    touched: HashSet<Object>,
}

impl World {
    /// Changes the directory.
    pub(super) fn change(&mut self, seed: u64, counts: &ChangeCounts) -> ChangeReport {
        let rng = SmallRng::seed_from_u64(mix(self.seed ^ mix(seed)));
        let mut changer = Changer { world: self, rng, touched: HashSet::new() };
        let mut report = ChangeReport {
            users: changer.users(&counts.users),
            groups: changer.groups(&counts.groups),
            ..ChangeReport::default()
        };
        for _ in 0..counts.memberships.add {
            report.memberships_added.extend(changer.join());
        }
        for _ in 0..counts.memberships.remove {
            report.memberships_removed.extend(changer.leave());
        }
        for _ in 0..counts.rename_ou.min(u32::try_from(changer.world.homes.len()).unwrap_or(0)) {
            report.renamed_ous.extend(changer.rename_department());
        }
        report.highest_committed_usn = self.highest_usn();
        report
    }

    /// Moves a user to another container.
    pub(super) fn move_user(&mut self, user: u32, home: u32) {
        self.touch(Object::User(user), |state| state.home = Some(home));
    }

    pub(super) fn guid_text(&self, object: Object) -> String {
        let mut text = Vec::with_capacity(36);
        put_guid(&mut text, &self.guid(object));
        String::from_utf8_lossy(&text).into_owned()
    }
}

impl Changer<'_> {
    /// A live person, or group of the directory's own, that this change has not touched.
    fn untouched(&mut self, first: u32, count: u32, make: fn(u32) -> Object) -> Option<u32> {
        for _ in 0..ATTEMPTS {
            if count <= first {
                return None;
            }
            let number = self.rng.random_range(first..count);
            let object = make(number);
            if !self.world.is_deleted(object) && self.touched.insert(object) {
                return Some(number);
            }
        }
        None
    }

    fn each_user(&mut self, count: u32, change: impl Fn(&mut State)) -> Vec<String> {
        let mut changed = Vec::new();
        for _ in 0..count {
            let Some(user) = self.untouched(BUILT_IN, self.world.users, Object::User) else { break };
            self.world.touch(Object::User(user), &change);
            changed.push(self.world.guid_text(Object::User(user)));
        }
        changed
    }

    fn each_group(&mut self, count: u32, change: impl Fn(&mut State)) -> Vec<String> {
        let mut changed = Vec::new();
        for _ in 0..count {
            let Some(group) = self.untouched(BUILT_IN_GROUPS, self.world.groups, Object::Group) else { break };
            self.world.touch(Object::Group(group), &change);
            changed.push(self.world.guid_text(Object::Group(group)));
        }
        changed
    }

    fn users(&mut self, counts: &UserCounts) -> Touched {
        let mut touched = Touched {
            modified: self.each_user(counts.modify, |state| state.revision += 1),
            disabled: self.each_user(counts.disable, |state| state.disabled = true),
            renamed: self.each_user(counts.rename, |state| state.name_revision += 1),
            deleted: self.each_user(counts.delete, |state| state.deleted = true),
            ..Touched::default()
        };
        for _ in 0..counts.r#move {
            let Some(user) = self.untouched(BUILT_IN, self.world.users, Object::User) else { break };
            let home = self.department(Some(self.world.user(user).home()));
            self.world.move_user(user, home);
            touched.moved.push(self.world.guid_text(Object::User(user)));
        }
        for _ in 0..counts.change_sid {
            let Some(user) = self.untouched(BUILT_IN, self.world.users, Object::User) else { break };
            let rid = self.rng.random_range(900_000_000..1_000_000_000);
            self.world.touch(Object::User(user), |state| state.rid = Some(rid));
            touched.new_sid.push(self.world.guid_text(Object::User(user)));
        }
        for _ in 0..counts.create {
            let home = self.department(None);
            let user = Object::User(self.world.create_user(home));
            self.touched.insert(user);
            touched.created.push(self.world.guid_text(user));
        }
        touched
    }

    fn groups(&mut self, counts: &GroupCounts) -> Touched {
        let mut touched = Touched {
            modified: self.each_group(counts.modify, |state| state.revision += 1),
            renamed: self.each_group(counts.rename, |state| state.name_revision += 1),
            deleted: self.each_group(counts.delete, |state| state.deleted = true),
            ..Touched::default()
        };
        for _ in 0..counts.create {
            let group = Object::Group(self.world.create_group(tree::GROUPS));
            self.touched.insert(group);
            touched.created.push(self.world.guid_text(group));
        }
        touched
    }

    /// A department, other than `not`.
    fn department(&mut self, not: Option<u32>) -> u32 {
        loop {
            let home = self.world.homes[self.rng.random_range(0..self.world.homes.len())];
            if Some(home) != not {
                return home;
            }
        }
    }

    fn live(&mut self, first: u32, count: u32, make: fn(u32) -> Object) -> Option<u32> {
        (0..ATTEMPTS).find_map(|_| {
            let number = (first < count).then(|| self.rng.random_range(first..count))?;
            (!self.world.is_deleted(make(number))).then_some(number)
        })
    }

    fn join(&mut self) -> Option<(String, String)> {
        for _ in 0..ATTEMPTS {
            let group = self.live(BUILT_IN_GROUPS, self.world.groups, Object::Group)?;
            let user = self.live(BUILT_IN, self.world.users, Object::User)?;
            if !self.world.groups_of(user).contains(&group) {
                self.world.touch(Object::Group(group), |state| begin(state, user));
                self.world.link(user, |state| begin(state, group));
                return Some(self.pair(group, user));
            }
        }
        None
    }

    fn leave(&mut self) -> Option<(String, String)> {
        for _ in 0..ATTEMPTS {
            let user = self.live(BUILT_IN, self.world.users, Object::User)?;
            let groups = self.world.groups_of(user);
            if !groups.is_empty() {
                let group = groups[self.rng.random_range(0..groups.len())];
                self.world.touch(Object::Group(group), |state| end(state, user));
                self.world.link(user, |state| end(state, group));
                return Some(self.pair(group, user));
            }
        }
        None
    }

    fn pair(&self, group: u32, user: u32) -> (String, String) {
        (self.world.guid_text(Object::Group(group)), self.world.guid_text(Object::User(user)))
    }

    fn rename_department(&mut self) -> Option<String> {
        let home = self.department(None);
        if !self.touched.insert(Object::Container(home)) {
            return None;
        }
        let usn = self.world.highest_usn();
        let name = format!("{} {usn}", self.world.containers[home as usize].name.split(' ').next().unwrap_or("Unit"));
        self.world.rename_container(home, name);
        Some(self.world.guid_text(Object::Container(home)))
    }
}

/// Begins a membership on one side of it.
fn begin(state: &mut State, other: u32) {
    if !state.left.remove(&other) {
        state.joined.push(other);
    }
}

/// Ends a membership on one side of it.
fn end(state: &mut State, other: u32) {
    match state.joined.iter().position(|known| *known == other) {
        Some(position) => {
            state.joined.remove(position);
        }
        None => {
            state.left.insert(other);
        }
    }
}
