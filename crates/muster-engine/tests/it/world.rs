//! What the scripted source holds, and the faults it shows.

use std::collections::{BTreeMap, VecDeque};

use muster_core::connector::{ErrorKind, Verdict};
use muster_core::link::Member;

/// Stream and key.
pub(crate) type Name = (&'static str, String);

/// One object at the source.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Object {
    pub(crate) scope: String,
    pub(crate) values: BTreeMap<&'static str, Vec<u8>>,
    pub(crate) members: Option<Vec<Member>>,
    /// The change counter when it was last changed.
    pub(crate) usn: u64,
}

/// What goes wrong while a scope is read. Faults of a scope are used up by one reading, but for `Always`.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// The page of that number is not handed over.
    LosePage(usize),
    /// The page of that number comes twice.
    RepeatPage(usize),
    /// The reading ends after so many pages, and the source says so.
    Cut(usize),
    /// The reading ends after so many pages with an error.
    Fail(usize, ErrorKind),
    /// The source's own count is off by that.
    Miscount(i64),
    /// The listing is empty and a success.
    Empty,
    /// Before that page the object moves to another scope.
    Move(usize, Name, &'static str),
    /// Before that page the run is cancelled.
    Cancel(usize),
    /// So many records have no readable key.
    Keyless(usize),
    /// This record gets its badge back after its page, and is listed again.
    Mend(String),
    /// This record cannot be read but for its key.
    Unreadable(String),
}

/// The source's whole state.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) objects: BTreeMap<Name, Object>,
    /// Key, scope and change counter of what was deleted.
    pub(crate) tombstones: Vec<(Name, String, u64)>,
    pub(crate) usn: u64,
    pub(crate) scopes: BTreeMap<&'static str, Vec<&'static str>>,
    pub(crate) page: usize,
    pub(crate) member_page: usize,
    /// Whether the source counts, shows tombstones, answers by key, reads deltas.
    pub(crate) counts: bool,
    pub(crate) shows_tombstones: bool,
    pub(crate) confirms: bool,
    /// Whether its cursors speak of each record by itself.
    pub(crate) marks: bool,
    /// Asking for keys again fails, each time.
    pub(crate) confirming_fails: Option<ErrorKind>,
    /// What is answered for these keys, whatever is true.
    pub(crate) verdicts: BTreeMap<String, Verdict>,
    pub(crate) faults: BTreeMap<(&'static str, &'static str), VecDeque<Vec<Fault>>>,
    /// An attribute that nobody may read any more, of so many objects of a stream.
    pub(crate) hidden: Option<(&'static str, &'static str, usize)>,
    /// Asked what there is to read, the source is not there.
    pub(crate) away: bool,
    /// Objects are listed in an order made of this number.
    pub(crate) order: u64,
}

impl World {
    pub(crate) fn new() -> Self {
        let scopes = [("places", vec!["all"]), ("people", vec!["north", "south"]), ("teams", vec!["all"])];
        Self {
            objects: BTreeMap::new(),
            tombstones: Vec::new(),
            usn: 1,
            scopes: scopes.into(),
            page: 10,
            member_page: 1500,
            counts: true,
            shows_tombstones: true,
            confirms: true,
            marks: false,
            confirming_fails: None,
            verdicts: BTreeMap::new(),
            faults: BTreeMap::new(),
            hidden: None,
            away: false,
            order: 0,
        }
    }

    /// A change of the world; gives its number.
    fn tick(&mut self) -> u64 {
        self.usn += 1;
        self.usn
    }

    pub(crate) fn put(&mut self, stream: &'static str, key: &str, scope: &str, values: &[(&'static str, &str)]) {
        let usn = self.tick();
        let mut all = BTreeMap::from([("key", key.as_bytes().to_vec())]);
        if stream != "places" {
            all.insert("badge", format!("B-{key}").into_bytes());
        }
        all.extend(values.iter().map(|(name, value)| (*name, value.as_bytes().to_vec())));
        let members = (stream == "teams").then(Vec::new);
        let object = Object { scope: scope.to_owned(), values: all, members, usn };
        self.objects.insert((stream, key.to_owned()), object);
    }

    /// A person with a name, a mail address and a time of logon.
    pub(crate) fn person(&mut self, key: &str, scope: &str) {
        let mail = format!("{key}@example.org");
        let values = [("name", key), ("mail", mail.as_str()), ("logon", "133000000000000000"), ("place", "home")];
        self.put("people", key, scope, &values);
    }

    /// People `p000`… in a scope.
    pub(crate) fn people(&mut self, prefix: &str, count: usize, scope: &str) {
        (0..count).for_each(|n| self.person(&format!("{prefix}{n:04}"), scope));
    }

    pub(crate) fn team(&mut self, key: &str, members: &[&str]) {
        self.put("teams", key, "all", &[("name", key)]);
        self.members(key, members.iter().map(|member| Member::Key((*member).to_owned())).collect());
    }

    pub(crate) fn members(&mut self, team: &str, members: Vec<Member>) {
        let usn = self.tick();
        let object = self.objects.get_mut(&("teams", team.to_owned())).unwrap();
        object.members = Some(members);
        object.usn = usn;
    }

    /// Sets a value; empty takes it away.
    pub(crate) fn set(&mut self, stream: &'static str, key: &str, attribute: &'static str, value: &str) {
        let usn = self.tick();
        let object = self.objects.get_mut(&(stream, key.to_owned())).unwrap();
        object.usn = usn;
        if value.is_empty() {
            object.values.remove(attribute);
        } else {
            object.values.insert(attribute, value.as_bytes().to_vec());
        }
    }

    pub(crate) fn move_to(&mut self, name: &Name, scope: &str) {
        let usn = self.tick();
        let object = self.objects.get_mut(name).unwrap();
        object.usn = usn;
        scope.clone_into(&mut object.scope);
    }

    pub(crate) fn delete(&mut self, stream: &'static str, key: &str) {
        let usn = self.tick();
        if let Some(object) = self.objects.remove(&(stream, key.to_owned())) {
            self.tombstones.push(((stream, key.to_owned()), object.scope, usn));
        }
    }

    /// Deletes the people `prefix0000` to `prefix<count - 1>`.
    pub(crate) fn delete_people(&mut self, prefix: &str, count: usize) {
        (0..count).for_each(|n| self.delete("people", &format!("{prefix}{n:04}")));
    }

    /// Faults of the next reading of a scope, after those that are set already.
    pub(crate) fn fault(&mut self, stream: &'static str, scope: &'static str, faults: &[Fault]) {
        self.faults.entry((stream, scope)).or_default().push_back(faults.to_vec());
    }

    /// The keys of a scope in the order in which they are listed.
    pub(crate) fn listed(&self, stream: &str, scope: &str) -> Vec<String> {
        let here = self.objects.iter().filter(|((of, _), object)| *of == stream && object.scope == scope);
        let mut keys: Vec<String> = here.map(|((_, key), _)| key.clone()).collect();
        if self.order != 0 {
            keys.sort_by_key(|key| blake(self.order, key));
        }
        keys
    }

    /// The values that may be read of an object.
    pub(crate) fn readable(&self, name: &Name) -> Vec<(&'static str, &[u8])> {
        let Some(object) = self.objects.get(name) else { return Vec::new() };
        let hidden = self.hidden.filter(|(stream, _, count)| {
            let same = self.objects.keys().filter(|(of, _)| of == stream);
            *stream == name.0 && same.take(*count).any(|other| other == name)
        });
        let visible =
            object.values.iter().filter(|(attribute, _)| hidden.is_none_or(|(_, gone, _)| gone != **attribute));
        visible.map(|(attribute, value)| (*attribute, value.as_slice())).collect()
    }
}

fn blake(seed: u64, key: &str) -> [u8; 16] {
    muster_core::fold::fingerprint(format!("{seed}/{key}").as_bytes())
}
