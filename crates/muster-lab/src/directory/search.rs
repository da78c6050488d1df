//! What a search finds: the objects in the order of their numbers, from any of them on.

use ldap3_proto::proto::{LdapResult, LdapResultCode, LdapSearchRequest, LdapSearchScope};

use super::entry::Selection;
use super::filter::Filter;
use super::resolve::Place;
use super::schema::Attribute;
use super::tree;
use super::values::Values;
use super::wire::{result, unescape};
use super::world::{Object, World};

/// Who asks, and with which rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rights {
    /// The control that shows deleted objects was sent.
    pub(super) show_deleted: bool,
    /// The account may see tombstones.
    pub(super) privileged: bool,
}

impl Rights {
    /// Tombstones are seen by privileged accounts that ask for them; the container of tombstones by all that ask.
    fn may_see(self, world: &World, object: Object) -> bool {
        !world.is_deleted(object) || self.show_deleted && (self.privileged || matches!(object, Object::Container(_)))
    }
}

/// A search, ready to walk.
#[derive(Debug, Clone)]
pub(super) struct Search {
    base: Object,
    scope: LdapSearchScope,
    filter: Filter,
    pub(super) selection: Selection,
    rights: Rights,
    /// Objects to look at, where the filter names them or only changed ones can match; all, where absent.
    candidates: Option<Vec<Object>>,
    /// Whether the whole domain is read: the referrals to its other partitions belong to that.
    pub(super) whole_domain: bool,
}

/// A point in the walk: what comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Position {
    kind: u32,
    number: u32,
}

impl Search {
    /// Reads a request. `usns_back` is how far the numbers that clients see lie behind.
    pub(super) fn new(
        world: &World,
        request: &LdapSearchRequest,
        rights: Rights,
        usns_back: i64,
    ) -> Result<Self, LdapResult> {
        let base = match world.resolve(&request.base) {
            Place::Found(object) if rights.may_see(world, object) => object,
            Place::Found(_) => return Err(no_such_object(world, tree::DOMAIN)),
            Place::Missing(nearest) => return Err(no_such_object(world, nearest)),
            Place::Malformed => {
                let words = "0000208F: NameErr: DSID-03100231, problem 2006 (BAD_NAME), data 8350, best match of:";
                return Err(result(LdapResultCode::InvalidDNSyntax, words));
            }
            Place::Elsewhere => return Err(referral(&request.base)),
        };
        let mut filter = Filter::compile(&request.filter, world);
        move_usns(&mut filter, usns_back);
        let candidates = match request.scope {
            LdapSearchScope::Base => Some(vec![base]),
            _ => candidates(world, &filter),
        };
        let whole_domain = base == Object::Container(tree::DOMAIN) && matches!(request.scope, LdapSearchScope::Subtree);
        Ok(Self {
            base,
            scope: request.scope.clone(),
            filter,
            selection: Selection::new(&request.attrs),
            rights,
            candidates,
            whole_domain,
        })
    }

    fn in_scope(&self, world: &World, object: Object) -> bool {
        match self.scope {
            LdapSearchScope::Base => object == self.base,
            LdapSearchScope::OneLevel => world.parent(object).map(Object::Container) == Some(self.base),
            LdapSearchScope::Subtree | LdapSearchScope::Children => {
                if self.whole_domain {
                    return object != Object::Server;
                }
                let mut place = Some(object);
                let below = matches!(self.scope, LdapSearchScope::Subtree);
                while let Some(found) = place {
                    if found == self.base && (below || found != object) {
                        return true;
                    }
                    place = world.parent(found).map(Object::Container);
                }
                false
            }
        }
    }

    fn finds(&self, world: &World, object: Object, scratch: &mut Values) -> bool {
        self.rights.may_see(world, object)
            && self.in_scope(world, object)
            && self.filter.matches(world, object, scratch) == Some(true)
    }

    /// The next object from a position on; the position moves to it.
    pub(super) fn next(&self, world: &World, position: &mut Position, scratch: &mut Values) -> Option<Object> {
        if let Some(candidates) = &self.candidates {
            while let Some(&object) = candidates.get(position.number as usize) {
                if self.finds(world, object, scratch) {
                    return Some(object);
                }
                position.number += 1;
            }
            return None;
        }
        loop {
            let (make, count): (fn(u32) -> Object, u32) = match position.kind {
                0 => (Object::Container, u32::try_from(world.containers.len()).unwrap_or(0)),
                1 => (Object::User, world.users),
                2 => (Object::Group, world.groups),
                _ => return None,
            };
            if position.number < count && self.filter.decide(make(0)) != Some(false) {
                while position.number < count {
                    let object = make(position.number);
                    if self.finds(world, object, scratch) {
                        return Some(object);
                    }
                    position.number += 1;
                }
            }
            *position = Position { kind: position.kind + 1, number: 0 };
        }
    }

    /// How many objects there are in all.
    pub(super) fn count(&self, world: &World) -> u64 {
        let (mut position, mut scratch, mut count) = (Position::default(), Values::default(), 0);
        while self.next(world, &mut position, &mut scratch).is_some() {
            position.advance();
            count += 1;
        }
        count
    }
}

impl Position {
    pub(super) fn advance(&mut self) {
        self.number += 1;
    }
}

/// Numbers in a filter are those that clients see.
fn move_usns(filter: &mut Filter, back: i64) {
    match filter {
        Filter::And(parts) | Filter::Or(parts) => parts.iter_mut().for_each(|part| move_usns(part, back)),
        Filter::Not(part) => move_usns(part, back),
        Filter::Equal(Attribute::UsnChanged, value)
        | Filter::AtLeast(Attribute::UsnChanged, value)
        | Filter::AtMost(Attribute::UsnChanged, value) => {
            let number = std::str::from_utf8(value).ok().and_then(|text| text.trim().parse::<i64>().ok());
            if let Some(number) = number {
                *value = number.saturating_add(back).to_string().into_bytes();
            }
        }
        _ => {}
    }
}

/// The few objects that can match, where the filter lets them be told without a walk.
fn candidates(world: &World, filter: &Filter) -> Option<Vec<Object>> {
    match filter {
        Filter::And(parts) => parts.iter().filter_map(|part| candidates(world, part)).min_by_key(|found| found.len()),
        Filter::Or(parts) => {
            let mut found = Vec::new();
            for part in parts {
                found.extend(candidates(world, part)?);
            }
            found.sort_unstable();
            found.dedup();
            Some(found)
        }
        Filter::Equal(Attribute::ObjectGuid, guid) => Some(world.by_guid(guid).into_iter().collect()),
        Filter::Equal(Attribute::SamAccountName, name) => Some(world.by_account(std::str::from_utf8(name).ok()?)),
        Filter::AtLeast(Attribute::UsnChanged, usn) => {
            world.changed_since(std::str::from_utf8(usn).ok()?.parse().ok()?)
        }
        _ => None,
    }
}

pub(super) fn no_such_object(world: &World, nearest: u32) -> LdapResult {
    let matched = world.containers[nearest as usize].dn.clone();
    let words =
        format!("0000208D: NameErr: DSID-0310028B, problem 2001 (NO_OBJECT), data 0, best match of:\n\t'{matched}'\n");
    LdapResult { matcheddn: matched, ..result(LdapResultCode::NoSuchObject, &words) }
}

fn referral(base: &str) -> LdapResult {
    let words = "0000202B: RefErr: DSID-0310082F, data 0, 1 access points\n\tref 1: 'elsewhere.test'\n";
    let referral = vec![format!("ldap://elsewhere.test/{}", String::from_utf8_lossy(&unescape(base)))];
    LdapResult { referral, ..result(LdapResultCode::Referral, words) }
}
