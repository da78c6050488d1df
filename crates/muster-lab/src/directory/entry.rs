//! Entries as a client gets them.

use super::schema::{Attribute, Syntax};
use super::values::Values;
use super::wire::{SEQUENCE, SET, put_entry, put_string, put_with};
use super::world::{Object, World};

/// The most values of an attribute in one answer (MS-ADTS 3.1.1.4.6, MaxValRange).
pub(super) const MAXIMUM_VALUES: usize = 1500;

/// Which attributes a client asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Selection {
    pub(super) all: bool,
    pub(super) listed: Vec<Selected>,
}

/// An attribute asked for, with its range where it has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Selected {
    pub(super) attribute: Attribute,
    range: Option<(usize, Option<usize>)>,
}

impl Selection {
    /// Reads the list of a request (RFC 4511 section 4.5.1.8): nothing or `*` is all, `1.1` none.
    pub(super) fn new(names: &[String]) -> Self {
        let all = names.is_empty() || names.iter().any(|name| name == "*");
        let mut listed: Vec<Selected> = Vec::new();
        for name in names {
            let (name, options) = name.split_once(';').unwrap_or((name, ""));
            let Some(attribute) = Attribute::find(name) else { continue };
            if listed.iter().any(|known| known.attribute == attribute) || all && !attribute.is_constructed() {
                continue;
            }
            listed.push(Selected { attribute, range: options.split(';').find_map(range) });
        }
        Self { all, listed }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Selected> + '_ {
        let all = Attribute::ALL.iter().filter(|attribute| self.all && !attribute.is_constructed());
        all.map(|&attribute| Selected { attribute, range: None }).chain(self.listed.iter().cloned())
    }
}

/// `range=0-1499` or `range=0-*`.
fn range(option: &str) -> Option<(usize, Option<usize>)> {
    let bounds = option.get(..6).filter(|word| word.eq_ignore_ascii_case("range=")).and_then(|_| option.get(6..))?;
    let (low, high) = bounds.split_once('-')?;
    let low = low.parse().ok()?;
    if high == "*" { Some((low, None)) } else { Some((low, Some(high.parse().ok().filter(|&high| high >= low)?))) }
}

/// How entries are written for one search.
#[derive(Debug, Clone)]
pub(super) struct Style {
    pub(super) message_id: i32,
    pub(super) types_only: bool,
    /// Names with their GUIDs and SIDs: as text, or in hexadecimal.
    pub(super) extended: Option<bool>,
    /// Attributes that cannot be read, and of how many objects in a hundred.
    pub(super) unreadable: Vec<(Attribute, u64)>,
    /// How far a restored controller's update sequence numbers lie behind.
    pub(super) usns_back: i64,
}

impl Style {
    fn put_dn(&self, world: &World, object: Object, out: &mut Vec<u8>) {
        match self.extended {
            None => world.put_dn(object, out),
            Some(text) => world.put_extended_dn(object, text, out),
        }
    }

    fn hides(&self, world: &World, object: Object, attribute: Attribute) -> bool {
        let hidden = self.unreadable.iter().find(|(hidden, _)| *hidden == attribute);
        hidden.is_some_and(|(_, percent)| world.draws(object).below(92, 100) < *percent)
    }
}

/// Appends an object's entry.
pub(super) fn put(
    world: &World,
    object: Object,
    selection: &Selection,
    style: &Style,
    (out, values): (&mut Vec<u8>, &mut Values),
) {
    put_entry(out, style.message_id, |out| {
        let mut dn = Vec::with_capacity(160);
        style.put_dn(world, object, &mut dn);
        put_string(out, &dn);
        put_with(out, SEQUENCE, |out| {
            for selected in selection.iter() {
                if style.hides(world, object, selected.attribute) {
                    continue;
                }
                match (selected.attribute, object) {
                    (Attribute::Member, Object::Group(group)) => put_members(world, group, &selected, style, out),
                    (Attribute::Member, _) => {}
                    _ => put_plain(world, object, selected.attribute, style, (out, values)),
                }
            }
        });
    });
}

fn put_plain(
    world: &World,
    object: Object,
    attribute: Attribute,
    style: &Style,
    (out, values): (&mut Vec<u8>, &mut Values),
) {
    values.clear();
    match attribute {
        Attribute::UsnChanged => values.push_integer(world.usn(object) - style.usns_back),
        Attribute::UsnCreated => values.push_integer(world.usn_created(object) - style.usns_back),
        _ => world.write(object, attribute, values),
    }
    if values.is_empty() {
        return;
    }
    put_with(out, SEQUENCE, |out| {
        put_string(out, attribute.name().as_bytes());
        put_with(out, SET, |out| {
            let names = style.extended.is_some() && attribute.syntax() == Syntax::Name;
            for value in values.iter().filter(|_| !style.types_only) {
                match std::str::from_utf8(value).ok().filter(|_| names).map(|name| world.resolve(name)) {
                    Some(super::resolve::Place::Found(object)) => {
                        let mut name = Vec::new();
                        style.put_dn(world, object, &mut name);
                        put_string(out, &name);
                    }
                    _ => put_string(out, value),
                }
            }
        });
    });
}

fn put_members(world: &World, group: u32, selected: &Selected, style: &Style, out: &mut Vec<u8>) {
    let (low, high) = selected.range.unwrap_or((0, None));
    let end = high.map_or(usize::MAX, |high| high.saturating_add(1)).min(low.saturating_add(MAXIMUM_VALUES));
    let (mut window, mut count) = (Vec::new(), 0);
    world.members(group, |member| {
        if (low..end).contains(&count) {
            window.push(member);
        }
        count += 1;
    });
    if count == 0 {
        return;
    }
    let whole = selected.range.is_none() && count <= MAXIMUM_VALUES;
    let mut put = |description: &str, members: &[Object]| {
        put_with(out, SEQUENCE, |out| {
            put_string(out, description.as_bytes());
            put_with(out, SET, |out| {
                let mut name = Vec::with_capacity(240);
                for &member in members.iter().filter(|_| !style.types_only) {
                    name.clear();
                    style.put_dn(world, member, &mut name);
                    put_string(out, &name);
                }
            });
        });
    };
    if whole {
        return put("member", &window);
    }
    if selected.range.is_none() {
        // Who did not ask for a range gets the attribute without values, and its first range beside it.
        put("member", &[]);
    }
    let last = low + window.len() >= count;
    let description = match window.len().checked_sub(1) {
        Some(more) if !last => format!("member;range={low}-{}", low + more),
        _ => format!("member;range={low}-*"),
    };
    put(&description, &window);
}

/// Appends an entry that is no object of the directory's.
pub(super) fn put_raw(out: &mut Vec<u8>, message_id: i32, dn: &str, attributes: &[(&str, Vec<Vec<u8>>)]) {
    put_entry(out, message_id, |out| {
        put_string(out, dn.as_bytes());
        put_with(out, SEQUENCE, |out| {
            for (name, values) in attributes {
                put_with(out, SEQUENCE, |out| {
                    put_string(out, name.as_bytes());
                    put_with(out, SET, |out| values.iter().for_each(|value| put_string(out, value)));
                });
            }
        });
    });
}
