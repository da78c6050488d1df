//! From a name to an object.

use muster_core::fold::fold;
use muster_core::value::guid_bytes;

use super::names::{self, Component};
use super::tree;
use super::world::{BUILT_IN_GROUPS, Object, World};

/// Well-known containers by their GUIDs (MS-ADTS 6.1.1.4).
const WELL_KNOWN: [(&str, u32); 4] = [
    ("a9d1ca15768811d1aded00c04fd8d5cd", tree::USERS),
    ("aa312825768811d1aded00c04fd8d5cd", tree::COMPUTERS),
    ("ab8153b7768811d1aded00c04fd8d5cd", tree::LOST_AND_FOUND),
    ("18e2ea80684f11d2b9aa00c04f79f805", tree::DELETED_OBJECTS),
];

/// What a name leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Found(Object),
    /// No object; the nearest container above it.
    Missing(u32),
    /// Another domain's.
    Elsewhere,
    /// Not a name.
    Malformed,
}

impl World {
    /// Finds the object of a distinguished name, or of `<GUID=…>`, `<SID=…>` or `<WKGUID=…,…>`.
    pub(super) fn resolve(&self, name: &str) -> Place {
        if let Some(inner) = name.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')) {
            return self.resolve_alternative(inner);
        }
        match names::parse(name) {
            Some(components) => self.resolve_components(&components),
            None => Place::Malformed,
        }
    }

    fn resolve_alternative(&self, inner: &str) -> Place {
        let Some((kind, value)) = inner.split_once('=') else { return Place::Malformed };
        let missing = Place::Missing(tree::DOMAIN);
        let found = match kind.to_ascii_uppercase().as_str() {
            "GUID" => plain_or_dashed(value).and_then(|guid| self.by_guid(&guid)),
            "SID" => self.by_sid_text(value),
            "WKGUID" => {
                let Some((guid, domain)) = value.split_once(',') else { return Place::Malformed };
                if self.resolve(domain) != Place::Found(Object::Container(tree::DOMAIN)) {
                    return Place::Elsewhere;
                }
                let known = WELL_KNOWN.iter().find(|(known, _)| known.eq_ignore_ascii_case(guid));
                known.map(|(_, number)| Object::Container(*number))
            }
            _ => return Place::Malformed,
        };
        found.map_or(missing, Place::Found)
    }

    /// The user or group that began with that SID, and has it still.
    fn by_sid_text(&self, text: &str) -> Option<Object> {
        let [a, b, c] = self.domain_sid;
        let rest = text.strip_prefix(&format!("S-1-5-21-{a}-{b}-{c}"))?;
        let rid: u32 = match rest.strip_prefix('-') {
            Some(rid) => rid.parse().ok()?,
            None => return rest.is_empty().then_some(Object::Container(tree::DOMAIN)),
        };
        let user = match rid {
            500..=502 => Some(rid - 500),
            1100 => Some(super::world::SERVICE_ACCOUNT),
            _ => rid.checked_sub(2000).filter(|&number| number < self.users),
        };
        let group = match rid {
            513 => Some(0),
            512 => Some(super::world::DOMAIN_ADMINS),
            _ => rid.checked_sub(500_000_000).filter(|&number| number < self.groups),
        };
        let found = user.map(Object::User).or(group.map(Object::Group))?;
        (self.relative_identifier(found) == Some(Some(rid))).then_some(found)
    }

    fn resolve_components(&self, components: &[Component]) -> Place {
        let head = [("dc", "muster"), ("dc", "test")];
        let Some(below) = components.len().checked_sub(head.len()) else { return Place::Elsewhere };
        let (path, domain) = components.split_at(below);
        if domain.iter().zip(head).any(|(found, (kind, value))| found.kind != kind || found.value != value) {
            return Place::Elsewhere;
        }
        let mut place = tree::DOMAIN;
        for (index, component) in path.iter().enumerate().rev() {
            match self.container_in(place, component) {
                Some(container) => place = container,
                None if index == 0 => {
                    return self.leaf_in(place, component).map_or(Place::Missing(place), Place::Found);
                }
                None => return self.server_or_missing(components, place),
            }
        }
        Place::Found(Object::Container(place))
    }

    fn server_or_missing(&self, components: &[Component], nearest: u32) -> Place {
        let mut server = Vec::new();
        self.put_dn(Object::Server, &mut server);
        let server = names::parse(&String::from_utf8_lossy(&server));
        if server.as_deref() == Some(components) { Place::Found(Object::Server) } else { Place::Missing(nearest) }
    }

    fn container_in(&self, parent: u32, component: &Component) -> Option<u32> {
        let found = self.containers.iter().position(|container| {
            container.parent == Some(parent)
                && container.name_type().eq_ignore_ascii_case(&component.kind)
                && fold(&container.name) == component.value
        });
        found.and_then(|index| u32::try_from(index).ok())
    }

    fn leaf_in(&self, parent: u32, component: &Component) -> Option<Object> {
        if component.kind != "cn" {
            return None;
        }
        if let Some((_, guid)) = component.value.split_once("\ndel:") {
            let object = self.by_guid(&guid_bytes(guid)?)?;
            return (self.is_deleted(object) && self.parent(object) == Some(parent)).then_some(object);
        }
        let users = self.users_named(&component.value).map(Object::User);
        let groups = self.groups_named(&component.value).map(Object::Group);
        users.chain(groups).find(|&object| {
            let mut name = Vec::new();
            self.put_name(object, &mut name);
            !self.is_deleted(object)
                && self.parent(object) == Some(parent)
                && fold(&String::from_utf8_lossy(&name)) == component.value
        })
    }

    fn groups_named(&self, name: &str) -> impl Iterator<Item = u32> {
        let number = name.rsplit(' ').next().and_then(|last| last.parse::<u32>().ok());
        let own = number.and_then(|number| number.checked_add(BUILT_IN_GROUPS));
        let groups = self.groups;
        (0..BUILT_IN_GROUPS).chain(own).filter(move |&number| number < groups)
    }

    /// The users and groups whose sAMAccountName that can be.
    pub(super) fn by_account(&self, account: &str) -> Vec<Object> {
        let group = account.strip_prefix(['g', 'G']).and_then(|digits| digits.parse::<u32>().ok());
        let own = group.and_then(|number| number.checked_add(BUILT_IN_GROUPS)).filter(|&number| number < self.groups);
        let groups = (0..BUILT_IN_GROUPS).chain(own).map(Object::Group);
        self.user_with_account(account).map(Object::User).into_iter().chain(groups).collect()
    }
}

/// A GUID as 32 digits of its bytes in order, or as text with dashes.
fn plain_or_dashed(value: &str) -> Option<[u8; 16]> {
    if value.contains('-') {
        return guid_bytes(value);
    }
    let mut bytes = [0; 16];
    if value.len() != 32 || !value.is_ascii() {
        return None;
    }
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&value[2 * index..2 * index + 2], 16).ok()?;
    }
    Some(bytes)
}
