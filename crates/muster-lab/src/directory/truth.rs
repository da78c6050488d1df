//! What the directory holds, told without LDAP.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::objects::put_hex;
use super::schema::{Attribute, Syntax};
use super::values::Values;
use super::world::{Object, World};

/// How much there is; what is deleted is counted apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TruthCounts {
    /// Users, built-in ones included.
    pub users: u64,
    /// Groups, built-in ones included.
    pub groups: u64,
    /// Containers, the domain included, the one of deleted objects not.
    pub containers: u64,
    /// Values of `member` of all groups.
    pub memberships: u64,
    /// Tombstones.
    pub deleted: u64,
}

/// What kind of object a record tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TruthClass {
    /// A container.
    Container,
    /// A user.
    User,
    /// A group.
    Group,
}

/// An object as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TruthRecord {
    /// Its kind.
    pub class: TruthClass,
    /// objectGUID as text.
    pub guid: String,
    /// objectSid as text.
    pub sid: Option<String>,
    /// The distinguished name.
    pub dn: String,
    /// objectGUID of the container that it lies in.
    pub parent: Option<String>,
    /// Whether it is a tombstone.
    pub deleted: bool,
    /// Every attribute with its values; those that are no text in hexadecimal digits. `member` is told apart.
    pub attributes: BTreeMap<String, Vec<String>>,
    /// objectGUIDs of a group's members; those by `primaryGroupID` are not among them.
    pub members: Vec<String>,
}

impl World {
    /// Counts what there is.
    pub(super) fn counts(&self) -> TruthCounts {
        let mut counts = TruthCounts { memberships: self.memberships(), ..TruthCounts::default() };
        for object in self.objects() {
            match object {
                _ if self.is_deleted(object) => counts.deleted += u64::from(!matches!(object, Object::Container(_))),
                Object::Container(_) => counts.containers += 1,
                Object::User(_) => counts.users += 1,
                Object::Group(_) => counts.groups += 1,
                Object::Server => {}
            }
        }
        counts
    }

    /// All objects in the order in which they are listed.
    pub(super) fn objects(&self) -> impl Iterator<Item = Object> + use<> {
        let containers = u32::try_from(self.containers.len()).unwrap_or(0);
        let containers = (0..containers).map(Object::Container);
        containers.chain((0..self.users).map(Object::User)).chain((0..self.groups).map(Object::Group))
    }

    /// Tells of one object; update sequence numbers lie `usns_back` behind.
    pub(super) fn truth(&self, object: Object, usns_back: i64) -> Option<TruthRecord> {
        let class = match object {
            Object::Container(_) => TruthClass::Container,
            Object::User(_) => TruthClass::User,
            Object::Group(_) => TruthClass::Group,
            Object::Server => return None,
        };
        let mut dn = Vec::new();
        self.put_dn(object, &mut dn);
        let mut values = Values::default();
        let mut attributes = BTreeMap::new();
        let mut sid = None;
        for &attribute in Attribute::ALL {
            values.clear();
            match attribute {
                Attribute::UsnChanged => values.push_integer(self.usn(object) - usns_back),
                Attribute::UsnCreated => values.push_integer(self.usn_created(object) - usns_back),
                _ => self.write(object, attribute, &mut values),
            }
            if attribute == Attribute::ObjectSid {
                sid = values.iter().next().and_then(|bytes| muster_core::value::sid_text(bytes).ok());
            }
            let texts: Vec<String> = values.iter().map(|value| text(attribute, value)).collect();
            if !texts.is_empty() {
                attributes.insert(attribute.name().to_owned(), texts);
            }
        }
        let mut members = Vec::new();
        if let Object::Group(group) = object {
            self.members(group, |member| members.push(self.guid_text(member)));
        }
        Some(TruthRecord {
            class,
            guid: self.guid_text(object),
            sid,
            dn: String::from_utf8_lossy(&dn).into_owned(),
            parent: self.parent(object).map(|parent| self.guid_text(Object::Container(parent))),
            deleted: self.is_deleted(object),
            attributes,
            members,
        })
    }
}

fn text(attribute: Attribute, value: &[u8]) -> String {
    let mut hexadecimal = Vec::new();
    if attribute.syntax() == Syntax::Octets {
        put_hex(&mut hexadecimal, value);
        return String::from_utf8_lossy(&hexadecimal).into_owned();
    }
    String::from_utf8_lossy(value).into_owned()
}
