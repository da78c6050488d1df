//! Who is in which group, changes included.

use super::{ADMINISTRATOR, ALL_STAFF, BUILT_IN, BUILT_IN_GROUPS, DOMAIN_ADMINS, NESTED, ODD_GROUP, Object, World};

impl World {
    /// The members of a group, in an order that only changes to the group alter.
    pub(in crate::directory) fn members(&self, group: u32, mut give: impl FnMut(Object)) {
        let state = self.state(Object::Group(group));
        if state.is_some_and(|state| state.deleted) {
            return;
        }
        let is_member = |user: u32| !self.is_deleted(Object::User(user));
        self.first_members(group, |user| {
            if is_member(user) && !state.is_some_and(|state| state.left.contains(&user)) {
                give(Object::User(user));
            }
        });
        for user in state.into_iter().flat_map(|state| &state.joined) {
            if is_member(*user) {
                give(Object::User(*user));
            }
        }
        for nested in self.nested_in(group) {
            if !self.is_deleted(Object::Group(nested)) {
                give(Object::Group(nested));
            }
        }
    }

    /// The groups that list a user as a member.
    pub(in crate::directory) fn groups_of(&self, user: u32) -> Vec<u32> {
        let state = self.state(Object::User(user));
        if state.is_some_and(|state| state.deleted) {
            return Vec::new();
        }
        let person = user.checked_sub(BUILT_IN).filter(|&person| person < self.people);
        let mut groups: Vec<u32> = self.first_groups(user).into_iter().flatten().collect();
        groups.extend((user == ADMINISTRATOR).then_some(DOMAIN_ADMINS));
        groups.extend(person.filter(|&person| person < self.staff).map(|_| ALL_STAFF));
        groups.extend(person.filter(|&person| person < 30).map(|_| ODD_GROUP));
        if let Some(state) = state {
            groups.retain(|group| !state.left.contains(group));
            groups.extend(&state.joined);
        }
        groups.retain(|&group| !self.is_deleted(Object::Group(group)));
        groups
    }

    /// How many memberships there are.
    pub(in crate::directory) fn memberships(&self) -> u64 {
        let mut count = 0;
        for group in 0..self.groups {
            self.members(group, |_| count += 1);
        }
        count
    }

    /// The groups that a person is in by its number alone.
    fn first_groups(&self, user: u32) -> [Option<u32>; 3] {
        let own = self.initial_groups - BUILT_IN_GROUPS;
        let Some(person) = user.checked_sub(BUILT_IN).filter(|&person| person < self.people && own > 0) else {
            return [None; 3];
        };
        let draws = self.draws(Object::User(user));
        let mut found = [None; 3];
        for (index, slot) in self.slots.iter().enumerate() {
            if !draws.chance(80 + index as u64, slot.per_mille) {
                continue;
            }
            let people = u64::from(self.people);
            let spread = (u64::from(person) * slot.factor + slot.shift) % people;
            let place = u32::try_from(spread % u64::from(own)).unwrap_or(0);
            let group = BUILT_IN_GROUPS + place;
            if !is_empty_group(place) && !found.contains(&Some(group)) {
                found[index] = Some(group);
            }
        }
        found
    }

    /// The people that are in a group by their numbers alone.
    fn first_members(&self, group: u32, mut give: impl FnMut(u32)) {
        let own = u64::from(self.initial_groups - BUILT_IN_GROUPS);
        let people = u64::from(self.people);
        match group {
            DOMAIN_ADMINS => give(ADMINISTRATOR),
            ALL_STAFF => (BUILT_IN..BUILT_IN + self.staff).for_each(give),
            ODD_GROUP => (BUILT_IN..BUILT_IN + self.people.min(30)).for_each(give),
            BUILT_IN_GROUPS.. if group < self.initial_groups && people > 0 => {
                let place = group - BUILT_IN_GROUPS;
                if is_empty_group(place) {
                    return;
                }
                for (index, slot) in self.slots.iter().enumerate() {
                    let mut spread = u64::from(place);
                    while spread < people {
                        let person = (spread + people - slot.shift) % people * slot.back % people;
                        let user = BUILT_IN + u32::try_from(person).unwrap_or(0);
                        if self.first_groups(user)[index] == Some(group) {
                            give(user);
                        }
                        spread += own;
                    }
                }
            }
            _ => {}
        }
    }

    /// The groups that are members of a group: nested ones, and a cycle among the first forty.
    fn nested_in(&self, group: u32) -> impl Iterator<Item = u32> {
        let top = NESTED.min(self.initial_groups - BUILT_IN_GROUPS);
        let place = group.checked_sub(BUILT_IN_GROUPS).filter(|&place| place < top);
        let children =
            place.into_iter().flat_map(move |place| (3 * place..3 * place + 3).filter(move |&n| n > 0 && n < top));
        let back = place.filter(|&place| top > 1 && place == top - 1).map(|_| 0);
        children.chain(back).map(|place| BUILT_IN_GROUPS + place)
    }

    /// The groups that a group is a member of.
    pub(in crate::directory) fn nesting(&self, group: u32) -> impl Iterator<Item = u32> {
        let top = NESTED.min(self.initial_groups - BUILT_IN_GROUPS);
        let place = group.checked_sub(BUILT_IN_GROUPS).filter(|&place| place < top);
        let parent = place.filter(|&place| place > 0).map(|place| place / 3);
        let back = place.filter(|&place| top > 1 && place == 0).map(|_| top - 1);
        parent.into_iter().chain(back).map(|place| BUILT_IN_GROUPS + place)
    }
}

/// Every 25th group beyond the nested ones has no members.
fn is_empty_group(place: u32) -> bool {
    place.is_multiple_of(25) && place >= NESTED
}
