//! Search filters, evaluated: true, false or undefined (RFC 4511 section 4.5.1.7).

use ldap3_proto::proto::{LdapFilter, LdapSubstringFilter};
use muster_core::fold::fold;

use super::objects::{GROUP_CLASSES, USER_CLASSES};
use super::schema::{Attribute, Syntax};
use super::values::Values;
use super::wire::unescape;
use super::world::{Object, World};

const BIT_AND: &str = "1.2.840.113556.1.4.803";
const BIT_OR: &str = "1.2.840.113556.1.4.804";

/// A filter, its values made ready to compare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Filter {
    And(Vec<Filter>),
    Or(Vec<Filter>),
    Not(Box<Filter>),
    Present(Attribute),
    Equal(Attribute, Vec<u8>),
    AtLeast(Attribute, Vec<u8>),
    AtMost(Attribute, Vec<u8>),
    Substrings(Attribute, Pieces),
    /// Attribute, mask, and whether all of its bits must be set.
    Bits(Attribute, i64, bool),
    /// An attribute or a rule that the directory does not know.
    Undefined,
}

/// What a substring filter looks for, folded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pieces {
    first: Option<String>,
    between: Vec<String>,
    last: Option<String>,
}

impl Filter {
    /// Makes a filter of what the decoder found.
    pub(super) fn compile(filter: &LdapFilter, world: &World) -> Self {
        let known = |name: &str, make: &dyn Fn(Attribute) -> Self| Attribute::find(name).map_or(Self::Undefined, make);
        let assertion = |attribute: Attribute, value: &str| prepare(world, attribute, unescape(value));
        match filter {
            LdapFilter::And(parts) => Self::And(parts.iter().map(|part| Self::compile(part, world)).collect()),
            LdapFilter::Or(parts) => Self::Or(parts.iter().map(|part| Self::compile(part, world)).collect()),
            LdapFilter::Not(part) => Self::Not(Box::new(Self::compile(part, world))),
            LdapFilter::Present(name) => known(name, &Self::Present),
            LdapFilter::Equality(name, value) | LdapFilter::Approx(name, value) => {
                known(name, &|attribute| Self::Equal(attribute, assertion(attribute, value)))
            }
            LdapFilter::GreaterOrEqual(name, value) => {
                known(name, &|attribute| Self::AtLeast(attribute, assertion(attribute, value)))
            }
            LdapFilter::LessOrEqual(name, value) => {
                known(name, &|attribute| Self::AtMost(attribute, assertion(attribute, value)))
            }
            LdapFilter::Substring(name, pieces) => {
                known(name, &|attribute| Self::Substrings(attribute, Pieces::new(pieces)))
            }
            LdapFilter::Extensible(rule) => {
                let all = match rule.matching_rule.as_deref() {
                    Some(BIT_AND) => true,
                    Some(BIT_OR) => false,
                    _ => return Self::Undefined,
                };
                let mask = String::from_utf8(unescape(&rule.match_value)).ok().and_then(|text| text.parse().ok());
                match (rule.type_.as_deref().and_then(Attribute::find), mask) {
                    (Some(attribute), Some(mask)) => Self::Bits(attribute, mask, all),
                    _ => Self::Undefined,
                }
            }
        }
    }

    /// What can be said for all users, or all groups, at once: whole kinds need not be walked.
    pub(super) fn decide(&self, kind: Object) -> Option<bool> {
        match self {
            Self::And(parts) => {
                let mut all = Some(true);
                for part in parts {
                    match part.decide(kind) {
                        Some(false) => return Some(false),
                        None => all = None,
                        Some(true) => {}
                    }
                }
                all
            }
            Self::Or(parts) => {
                let mut none = Some(false);
                for part in parts {
                    match part.decide(kind) {
                        Some(true) => return Some(true),
                        None => none = None,
                        Some(false) => {}
                    }
                }
                none
            }
            Self::Present(Attribute::ObjectClass | Attribute::ObjectGuid) => Some(true),
            Self::Equal(Attribute::ObjectClass, value) => {
                let classes = match kind {
                    Object::User(_) => USER_CLASSES,
                    Object::Group(_) => GROUP_CLASSES,
                    _ => return None,
                };
                Some(is_class(classes, value))
            }
            // A tombstone has no category: only a mismatch is certain.
            Self::Equal(Attribute::ObjectCategory, value) => match kind {
                Object::User(_) if value != b"person" => Some(false),
                Object::Group(_) if value != b"group" => Some(false),
                _ => None,
            },
            _ => None,
        }
    }

    /// Evaluates the filter; none is undefined.
    pub(super) fn matches(&self, world: &World, object: Object, scratch: &mut Values) -> Option<bool> {
        match self {
            Self::And(parts) => {
                let mut all = Some(true);
                for part in parts {
                    match part.matches(world, object, scratch) {
                        Some(false) => return Some(false),
                        None => all = None,
                        Some(true) => {}
                    }
                }
                all
            }
            Self::Or(parts) => {
                let mut none = Some(false);
                for part in parts {
                    match part.matches(world, object, scratch) {
                        Some(true) => return Some(true),
                        None => none = None,
                        Some(false) => {}
                    }
                }
                none
            }
            Self::Not(part) => part.matches(world, object, scratch).map(|found| !found),
            Self::Undefined => None,
            Self::Equal(Attribute::ObjectClass, value) => Some(is_class(world.classes(object), value)),
            Self::Equal(Attribute::ObjectCategory, value) => {
                let tombstone = world.state(object).is_some_and(|state| state.deleted);
                Some(!tombstone && world.category(object).0.as_bytes() == value.as_slice())
            }
            Self::Equal(Attribute::UsnChanged, value) => Some(number(value) == Some(world.usn(object))),
            Self::AtLeast(Attribute::UsnChanged, value) => Some(world.usn(object) >= number(value)?),
            Self::AtMost(Attribute::UsnChanged, value) => Some(world.usn(object) <= number(value)?),
            Self::Present(attribute) => any(world, object, *attribute, scratch, &mut |_| true),
            Self::Equal(attribute, value) => any(world, object, *attribute, scratch, &mut |found| {
                &prepare(world, *attribute, found.to_vec()) == value
            }),
            Self::AtLeast(attribute, value) => compare(world, object, *attribute, scratch, (value, false)),
            Self::AtMost(attribute, value) => compare(world, object, *attribute, scratch, (value, true)),
            Self::Substrings(attribute, pieces) => {
                any(world, object, *attribute, scratch, &mut |found| pieces.found_in(&String::from_utf8_lossy(found)))
            }
            Self::Bits(attribute, mask, all) => any(world, object, *attribute, scratch, &mut |found| {
                number(found).is_some_and(|found| if *all { found & mask == *mask } else { found & mask != 0 })
            }),
        }
    }
}

/// A filter as text (RFC 4515); values that are no text as the decoder escaped them.
pub(super) fn filter_text(filter: &LdapFilter) -> String {
    let list = |parts: &[LdapFilter]| parts.iter().map(filter_text).collect::<String>();
    match filter {
        LdapFilter::And(parts) => format!("(&{})", list(parts)),
        LdapFilter::Or(parts) => format!("(|{})", list(parts)),
        LdapFilter::Not(part) => format!("(!{})", filter_text(part)),
        LdapFilter::Present(name) => format!("({name}=*)"),
        LdapFilter::Equality(name, value) | LdapFilter::Approx(name, value) => format!("({name}={value})"),
        LdapFilter::GreaterOrEqual(name, value) => format!("({name}>={value})"),
        LdapFilter::LessOrEqual(name, value) => format!("({name}<={value})"),
        LdapFilter::Substring(name, pieces) => {
            let any: String = pieces.any.iter().map(|piece| format!("{piece}*")).collect();
            let (first, last) = (pieces.initial.as_deref().unwrap_or(""), pieces.final_.as_deref().unwrap_or(""));
            format!("({name}={first}*{any}{last})")
        }
        LdapFilter::Extensible(rule) => {
            let (name, oid) = (rule.type_.as_deref().unwrap_or(""), rule.matching_rule.as_deref().unwrap_or(""));
            format!("({name}:{oid}:={})", rule.match_value)
        }
    }
}

fn any(
    world: &World,
    object: Object,
    attribute: Attribute,
    scratch: &mut Values,
    test: &mut dyn FnMut(&[u8]) -> bool,
) -> Option<bool> {
    scratch.clear();
    if let (Attribute::Member, Object::Group(group)) = (attribute, object) {
        let mut found = false;
        let mut name = Vec::new();
        world.members(group, |member| {
            name.clear();
            world.put_dn(member, &mut name);
            found |= test(&name);
        });
        return Some(found);
    }
    world.write(object, attribute, scratch);
    Some(scratch.iter().any(test))
}

fn compare(
    world: &World,
    object: Object,
    attribute: Attribute,
    scratch: &mut Values,
    (value, at_most): (&[u8], bool),
) -> Option<bool> {
    any(world, object, attribute, scratch, &mut |found| {
        let order = match attribute.syntax() {
            Syntax::Integer => number(found).cmp(&number(value)),
            _ => prepare(world, attribute, found.to_vec()).as_slice().cmp(value),
        };
        if at_most { order.is_le() } else { order.is_ge() }
    })
}

fn number(value: &[u8]) -> Option<i64> {
    std::str::from_utf8(value).ok()?.trim().parse().ok()
}

fn is_class(classes: &[&str], value: &[u8]) -> bool {
    classes.iter().any(|class| class.as_bytes().eq_ignore_ascii_case(value))
}

/// A value in the form in which values of its syntax are compared.
fn prepare(world: &World, attribute: Attribute, value: Vec<u8>) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(&value) else { return value };
    match attribute.syntax() {
        Syntax::Octets | Syntax::Integer | Syntax::Time => value,
        Syntax::Text => fold(text).into_bytes(),
        // Active Directory takes a class's short name for its category's.
        Syntax::Name if attribute == Attribute::ObjectCategory => {
            let short =
                text.split_once(',').map_or(text, |(first, _)| first.split_once('=').map_or(first, |(_, name)| name));
            short.replace('-', "").to_ascii_lowercase().into_bytes()
        }
        Syntax::Name => match world.resolve(text) {
            super::resolve::Place::Found(object) => object.identity().to_be_bytes().to_vec(),
            _ => fold(text).into_bytes(),
        },
    }
}

impl Pieces {
    fn new(pieces: &LdapSubstringFilter) -> Self {
        let text = |piece: &String| fold(&String::from_utf8_lossy(&unescape(piece)));
        Self {
            first: pieces.initial.as_ref().map(text),
            between: pieces.any.iter().map(text).collect(),
            last: pieces.final_.as_ref().map(text),
        }
    }

    fn found_in(&self, value: &str) -> bool {
        let value = fold(value);
        let mut rest = value.as_str();
        if let Some(first) = &self.first {
            let Some(after) = rest.strip_prefix(first.as_str()) else { return false };
            rest = after;
        }
        for piece in &self.between {
            let Some(at) = rest.find(piece.as_str()) else { return false };
            rest = &rest[at + piece.len()..];
        }
        self.last.as_ref().is_none_or(|last| rest.ends_with(last.as_str()))
    }
}
