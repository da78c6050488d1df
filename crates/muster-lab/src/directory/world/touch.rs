//! Changing an object: each change takes the next update sequence number.

use super::{Creation, EPOCH, Object, State, World};

impl World {
    /// Lets `change` alter an object's state under the next number.
    pub(in crate::directory) fn touch(&mut self, object: Object, change: impl FnOnce(&mut State)) {
        let before = self.usn(object);
        let usn = self.next_usn();
        let changed_at = self.now();
        let states = match object {
            Object::User(_) => &mut self.users_changed,
            Object::Group(_) => &mut self.groups_changed,
            Object::Container(_) | Object::Server => return,
        };
        let number = match object {
            Object::User(number) | Object::Group(number) => number,
            _ => return,
        };
        let state = states.entry(number).or_default();
        change(state);
        state.usn = usn;
        state.changed_at = changed_at;
        self.changes.remove(&before);
        self.changes.insert(usn, object);
    }

    /// Notes a membership on the user's side: no change of the user, which keeps its number.
    pub(in crate::directory) fn link(&mut self, user: u32, change: impl FnOnce(&mut State)) {
        let object = Object::User(user);
        let (usn, changed_at) = (self.usn(object), self.changed_at(object));
        let state = self.users_changed.entry(user).or_insert_with(|| State { usn, changed_at, ..State::default() });
        change(state);
    }

    /// Makes a user.
    pub(in crate::directory) fn create_user(&mut self, home: u32) -> u32 {
        let number = self.users;
        self.users += 1;
        self.create(Object::User(number), home);
        number
    }

    /// Makes a group.
    pub(in crate::directory) fn create_group(&mut self, home: u32) -> u32 {
        let number = self.groups;
        self.groups += 1;
        self.create(Object::Group(number), home);
        number
    }

    fn create(&mut self, object: Object, home: u32) {
        let (usn, at) = (self.usn + 1, self.now() + 1);
        self.touch(object, |state| {
            state.home = Some(home);
            state.created = Some(Creation { usn, at });
        });
    }

    /// Gives a container another name; what lies in it keeps its number, though its DN changes.
    pub(in crate::directory) fn rename_container(&mut self, number: u32, name: String) {
        let before = self.usn(Object::Container(number));
        let usn = self.next_usn();
        let now = self.now();
        self.changes.remove(&before);
        self.changes.insert(usn, Object::Container(number));
        let container = &mut self.containers[number as usize];
        container.name = name;
        container.usn = Some(usn);
        container.changed_at = Some(now);
        super::tree::compose(&mut self.containers);
    }

    fn next_usn(&mut self) -> i64 {
        self.usn += 1;
        self.usn
    }

    /// The directory's own time: a second for each change, so that the same changes give the same times.
    fn now(&self) -> i64 {
        EPOCH + self.usn - self.first_usn(Object::Group(self.initial_groups))
    }
}
