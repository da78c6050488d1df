//! What any object says of itself: names, identifiers, times; and what groups, containers and tombstones say.

use std::io::Write;

use super::names;
use super::schema::Attribute;
use super::tree::{self, DEPARTMENTS};
use super::values::{Values, put_padded};
use super::world::{ALL_STAFF, BUILT_IN_GROUPS, DOMAIN_ADMINS, Object, World};

pub(super) const USER_CLASSES: &[&str] = &["top", "person", "organizationalPerson", "user"];
pub(super) const GROUP_CLASSES: &[&str] = &["top", "group"];
const SERVER_CLASSES: &[&str] = &["top", "applicationSettings", "nTDSDSA"];
const SITE: &str = "CN=DC1,CN=Servers,CN=Default-First-Site-Name,CN=Sites,CN=Configuration";
/// Global, domain local, universal security groups, and distribution groups.
const GROUP_TYPES: [i64; 6] = [-2_147_483_646, -2_147_483_646, -2_147_483_644, -2_147_483_640, 2, 8];
const BUILT_IN_GROUP_NAMES: [(&str, &str); 4] = [
    ("Domain Users", "Domain Users"),
    ("Domain Admins", "Domain Admins"),
    ("All staff", "all-staff"),
    ("Vertrieb, \"EMEA\" + mehr", "vertrieb"),
];
/// What a group is called; each renaming takes the next.
const GROUP_WORDS: [&str; 4] = ["group", "team", "circle", "crew"];
/// Identifiers of groups lie above those of users.
const FIRST_GROUP_RID: u32 = 500_000_000;

/// Appends a SID of the domain `authority`, or the domain's own (MS-DTYP 2.4.2.2).
pub(super) fn put_sid(out: &mut Vec<u8>, authority: [u32; 3], rid: Option<u32>) {
    let count = 4 + u8::from(rid.is_some());
    out.extend_from_slice(&[1, count, 0, 0, 0, 0, 0, 5]);
    for part in std::iter::once(21).chain(authority).chain(rid) {
        out.extend_from_slice(&part.to_le_bytes());
    }
}

impl World {
    /// The classes of an object, the most general first.
    pub(super) fn classes(&self, object: Object) -> &'static [&'static str] {
        match object {
            Object::User(_) => USER_CLASSES,
            Object::Group(_) => GROUP_CLASSES,
            Object::Container(number) => self.containers[number as usize].class.names(),
            Object::Server => SERVER_CLASSES,
        }
    }

    /// The short name of its category, and the name of that in the schema.
    pub(super) fn category(&self, object: Object) -> (&'static str, &'static str) {
        match object {
            Object::User(_) => ("person", "Person"),
            Object::Group(_) => ("group", "Group"),
            Object::Container(number) => self.containers[number as usize].class.category(),
            Object::Server => ("ntdsdsa", "NTDS-DSA"),
        }
    }

    /// Where an object lies, or lay before it was deleted.
    pub(super) fn home(&self, object: Object) -> Option<u32> {
        match object {
            Object::User(number) => Some(self.user(number).home()),
            Object::Group(number) if number < ALL_STAFF => Some(tree::USERS),
            Object::Group(_) => Some(self.state(object).and_then(|state| state.home).unwrap_or(tree::GROUPS)),
            Object::Container(number) => self.containers[number as usize].parent,
            Object::Server => None,
        }
    }

    /// Where an object lies now.
    pub(super) fn parent(&self, object: Object) -> Option<u32> {
        let tombstone = self.state(object).is_some_and(|state| state.deleted);
        if tombstone { Some(tree::DELETED_OBJECTS) } else { self.home(object) }
    }

    /// The name, without what a deletion adds to it.
    pub(super) fn put_name(&self, object: Object, out: &mut Vec<u8>) {
        match object {
            Object::User(number) => self.user(number).put_name(out),
            Object::Group(number) => self.put_group_name(number, out),
            Object::Container(number) => out.extend_from_slice(self.containers[number as usize].name.as_bytes()),
            Object::Server => out.extend_from_slice(b"NTDS Settings"),
        }
    }

    fn put_group_name(&self, number: u32, out: &mut Vec<u8>) {
        let renamed = self.state(Object::Group(number)).map_or(0, |state| state.name_revision);
        let place = match number.checked_sub(BUILT_IN_GROUPS) {
            Some(place) => place,
            None => return out.extend_from_slice(BUILT_IN_GROUP_NAMES[number as usize].0.as_bytes()),
        };
        let department = self.draws(Object::Group(number)).pick(1, &DEPARTMENTS);
        for part in [department, " ", GROUP_WORDS[renamed as usize % GROUP_WORDS.len()], " "] {
            out.extend_from_slice(part.as_bytes());
        }
        put_padded(out, i64::from(place), 6);
    }

    /// The name with what a deletion adds to it.
    fn put_present_name(&self, object: Object, out: &mut Vec<u8>) {
        self.put_name(object, out);
        if self.state(object).is_some_and(|state| state.deleted) {
            out.extend_from_slice(b"\nDEL:");
            put_guid(out, &self.guid(object));
        }
    }

    /// The distinguished name.
    pub(super) fn put_dn(&self, object: Object, out: &mut Vec<u8>) {
        match object {
            Object::Container(number) => out.extend_from_slice(self.containers[number as usize].dn.as_bytes()),
            Object::Server => {
                out.extend_from_slice(b"CN=NTDS Settings,");
                out.extend_from_slice(self.server_dn().as_bytes());
            }
            Object::User(_) | Object::Group(_) => {
                out.extend_from_slice(b"CN=");
                let start = out.len();
                self.put_present_name(object, out);
                names::escape_from(out, start);
                out.push(b',');
                let parent = self.parent(object).unwrap_or(tree::DOMAIN);
                out.extend_from_slice(self.containers[parent as usize].dn.as_bytes());
            }
        }
    }

    /// The distinguished name as `<GUID=…>;<SID=…>;DN` (MS-ADTS 3.1.1.3.4.1.5); `text` is flag 1, else hexadecimal.
    pub(super) fn put_extended_dn(&self, object: Object, text: bool, out: &mut Vec<u8>) {
        let mut sid = Vec::new();
        if let Some(rid) = self.relative_identifier(object) {
            put_sid(&mut sid, self.domain_sid, rid);
        }
        out.extend_from_slice(b"<GUID=");
        let guid = self.guid(object);
        if text {
            put_guid(out, &guid)
        } else {
            put_hex(out, &guid)
        }
        out.extend_from_slice(b">;");
        if !sid.is_empty() {
            out.extend_from_slice(b"<SID=");
            match muster_core::value::sid_text(&sid).ok().filter(|_| text) {
                Some(sid) => out.extend_from_slice(sid.as_bytes()),
                None => put_hex(out, &sid),
            }
            out.extend_from_slice(b">;");
        }
        self.put_dn(object, out);
    }

    /// Outer none: no SID. Inner none: the domain's own.
    pub(super) fn relative_identifier(&self, object: Object) -> Option<Option<u32>> {
        match object {
            Object::User(number) => Some(Some(self.user(number).relative_identifier())),
            Object::Group(number) => {
                let first = match number {
                    0 => 513,
                    DOMAIN_ADMINS => 512,
                    _ => FIRST_GROUP_RID + number,
                };
                Some(Some(self.state(object).and_then(|state| state.rid).unwrap_or(first)))
            }
            Object::Container(tree::DOMAIN) => Some(None),
            Object::Container(_) | Object::Server => None,
        }
    }

    pub(super) fn server_dn(&self) -> String {
        format!("{SITE},{}", self.containers[tree::DOMAIN as usize].dn)
    }

    /// Writes the values of an attribute, links to members aside.
    pub(super) fn write(&self, object: Object, attribute: Attribute, out: &mut Values) {
        let tombstone = self.state(object).is_some_and(|state| state.deleted);
        if tombstone && !survives(attribute) || self.write_any(object, attribute, out) {
            return;
        }
        match object {
            Object::User(number) => {
                self.user(number).write(attribute, out);
            }
            Object::Group(number) => self.write_group(number, attribute, out),
            Object::Container(number) => self.write_container(number, attribute, out),
            Object::Server => {}
        }
    }

    fn write_any(&self, object: Object, attribute: Attribute, out: &mut Values) -> bool {
        match attribute {
            Attribute::ObjectGuid => out.push(self.guid(object)),
            Attribute::ObjectSid => {
                if let Some(rid) = self.relative_identifier(object) {
                    out.push_with(|out| put_sid(out, self.domain_sid, rid));
                }
            }
            Attribute::Name => out.push_with(|out| self.put_present_name(object, out)),
            Attribute::Cn if !matches!(object, Object::Container(number) if self.containers[number as usize].name_type() != "CN") =>
            {
                out.push_with(|out| self.put_present_name(object, out));
            }
            Attribute::DistinguishedName => out.push_with(|out| self.put_dn(object, out)),
            Attribute::ObjectClass => self.classes(object).iter().for_each(|class| out.push(class)),
            Attribute::ObjectCategory => out.push_format(format_args!(
                "CN={},CN=Schema,CN=Configuration,{}",
                self.category(object).1,
                self.containers[tree::DOMAIN as usize].dn
            )),
            Attribute::UsnChanged => out.push_integer(self.usn(object)),
            Attribute::UsnCreated => out.push_integer(self.usn_created(object)),
            Attribute::WhenChanged => out.push_time(self.changed_at(object)),
            Attribute::WhenCreated => out.push_time(self.created_at(object)),
            Attribute::InstanceType => out.push("4"),
            Attribute::IsDeleted if self.is_deleted(object) => out.push("TRUE"),
            Attribute::IsRecycled if self.state(object).is_some_and(|state| state.deleted) => out.push("TRUE"),
            Attribute::LastKnownParent if self.state(object).is_some_and(|state| state.deleted) => {
                let home = self.home(object).unwrap_or(tree::DOMAIN);
                out.push(&self.containers[home as usize].dn);
            }
            _ => return false,
        }
        true
    }

    fn write_group(&self, number: u32, attribute: Attribute, out: &mut Values) {
        let draws = self.draws(Object::Group(number));
        let revision = self.state(Object::Group(number)).map_or(0, |state| state.revision);
        let own = number.checked_sub(BUILT_IN_GROUPS);
        let kind = match own {
            None if number == 0 || number == DOMAIN_ADMINS => GROUP_TYPES[0],
            None => GROUP_TYPES[3],
            Some(place) if place < super::world::NESTED => GROUP_TYPES[3],
            Some(_) => draws.pick(2, &GROUP_TYPES),
        };
        match attribute {
            Attribute::SamAccountName => match own {
                None => out.push(BUILT_IN_GROUP_NAMES[number as usize].1),
                Some(place) => out.push_format(format_args!("g{place:06}")),
            },
            Attribute::GroupType => out.push_integer(kind),
            Attribute::SamAccountType => out.push(if kind < 0 { "268435456" } else { "268435457" }),
            Attribute::Description if draws.chance(3, 700) => {
                out.push_format(format_args!("Lab group {number}.{revision}"))
            }
            Attribute::DisplayName if draws.chance(4, 750) => {
                out.push_format(format_args!("Group {number} of the lab"))
            }
            Attribute::Mail if kind > 0 => out.push_format(format_args!("g{number:06}@mail.muster.test")),
            Attribute::AdminCount if number == DOMAIN_ADMINS => out.push("1"),
            Attribute::SidHistory if draws.chance(5, 5) => out.push_with(|out| put_sid(out, [1, 2, 3], Some(number))),
            Attribute::MemberOf => {
                for parent in self.nesting(number).filter(|&parent| !self.is_deleted(Object::Group(parent))) {
                    out.push_with(|out| self.put_dn(Object::Group(parent), out));
                }
            }
            _ => {}
        }
    }

    fn write_container(&self, number: u32, attribute: Attribute, out: &mut Values) {
        let container = &self.containers[number as usize];
        match attribute {
            Attribute::Ou if container.name_type() == "OU" => out.push(&container.name),
            Attribute::Dc if container.name_type() == "DC" => out.push(&container.name),
            _ if number != tree::DOMAIN => {}
            // Half an hour, and 42 days.
            Attribute::LockoutDuration => out.push("-18000000000"),
            Attribute::MaxPwdAge => out.push("-36288000000000"),
            Attribute::LockoutThreshold => out.push("5"),
            Attribute::MinPwdLength => out.push("7"),
            _ => {}
        }
    }
}

/// Whether a tombstone keeps an attribute (MS-ADTS 3.1.1.5.5.1.1).
fn survives(attribute: Attribute) -> bool {
    use Attribute as A;
    matches!(
        attribute,
        A::ObjectClass
            | A::Cn
            | A::Name
            | A::DistinguishedName
            | A::InstanceType
            | A::WhenCreated
            | A::WhenChanged
            | A::UsnCreated
            | A::UsnChanged
            | A::IsDeleted
            | A::IsRecycled
            | A::LastKnownParent
            | A::ObjectGuid
            | A::ObjectSid
            | A::SidHistory
            | A::SamAccountName
            | A::UserAccountControl
            | A::GroupType
    )
}

/// Appends a GUID as text.
pub(super) fn put_guid(out: &mut Vec<u8>, guid: &[u8; 16]) {
    if let Ok(text) = muster_core::value::guid_text(guid) {
        out.extend_from_slice(text.as_bytes());
    }
}

pub(super) fn put_hex(out: &mut Vec<u8>, bytes: &[u8]) {
    for byte in bytes {
        // Writing to memory does not fail.
        let _ = write!(out, "{byte:02x}");
    }
}
