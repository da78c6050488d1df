//! Entries → records and links: where a directory's answer becomes what the data model says.

use std::sync::Arc;

use muster_core::connector::{Batch, Reject};
use muster_core::link::{LinkPage, Member, locator};
use muster_core::model::{AttributeId, AttributeKind, StreamModel};
use muster_core::value::{guid_bytes, guid_text};

use super::config::{AssetsChoice, Config};
use super::names;
use super::read::BATCH_BYTES;
use super::session::Knowledge;
use crate::kit::ldap::{Entry, Filter, LdapError, Range};

/// The most members of one link page.
pub(super) const MEMBERS_A_PAGE: usize = 2000;

/// Which entries are containers: what can hold users, groups and each other, and has a name worth a history.
pub(super) fn container_filter() -> Filter {
    let classes = [
        "organizationalUnit",
        "container",
        "domain",
        "builtinDomain",
        "lostAndFound",
        "organization",
        "country",
        "locality",
    ];
    Filter::Or(classes.iter().map(|class| Filter::equal("objectClass", class)).collect())
}

/// The filter of a stream (S3; platform.md).
pub(super) fn filter(stream: &str) -> Filter {
    match stream {
        "users" => Filter::And(vec![Filter::equal("objectCategory", "person"), Filter::equal("objectClass", "user")]),
        "groups" => Filter::equal("objectClass", "group"),
        _ => container_filter(),
    }
}

/// What to ask for: the model's closed list, never `*` (design D14).
pub(super) fn attributes(model: &StreamModel, config: &Config) -> Vec<String> {
    let asked = model.attributes.iter().filter(|attribute| {
        let chosen = match attribute.only_with.as_deref() {
            None => true,
            Some("computed_attributes") => config.computed_attributes,
            Some(_) => config.assets == AssetsChoice::IdentitiesWithPosture,
        };
        !attribute.derived && attribute.kind != AttributeKind::Secret && chosen
    });
    asked.map(|attribute| attribute.name.clone()).collect()
}

/// A record that needs more calls before it is whole.
#[derive(Debug)]
pub(super) struct Deferred {
    pub(super) dn: String,
    pub(super) key: String,
    pub(super) values: Vec<(AttributeId, Vec<u8>)>,
    /// Attributes of which the server gave only a part, and where the next part begins.
    pub(super) ranges: Vec<(AttributeId, u64)>,
    pub(super) links: Vec<HeldLinks>,
}

/// The members that came with a record that is not whole yet.
#[derive(Debug)]
pub(super) struct HeldLinks {
    pub(super) id: AttributeId,
    pub(super) members: Vec<Member>,
    /// Where the next part begins; 0 when the first was not kept.
    pub(super) next: Option<u64>,
}

/// A part of an attribute's values.
#[derive(Debug, Default)]
pub(super) struct Part {
    pub(super) members: Vec<Member>,
    pub(super) values: Vec<Vec<u8>>,
    pub(super) next: Option<u64>,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    id: AttributeId,
    is_link: bool,
}

/// Turns the entries of one page into a batch.
#[derive(Debug)]
pub(super) struct PageBuilder {
    model: Arc<StreamModel>,
    base: String,
    origin: Derived,
    /// What was asked for: servers send subtypes of it too, and nobody asked for those.
    asked: Vec<String>,
    names: Vec<(Box<str>, Option<Known>)>,
    guess: usize,
    link_ids: Vec<AttributeId>,
    batch: Batch,
    /// What the batch holds beside its records' values, in bytes, about.
    beside: usize,
    deferred: Vec<Deferred>,
    /// What the members held by deferred records take, in bytes, about.
    held: usize,
}

/// The attributes that the connector derives, where the stream has them.
#[derive(Debug)]
struct Derived {
    parent: Option<AttributeId>,
    rdn: Option<AttributeId>,
    policy: Vec<(AttributeId, Vec<u8>)>,
    is_container: bool,
}

impl PageBuilder {
    pub(super) fn new(knowledge: &Knowledge, model: &Arc<StreamModel>, (base, config): (&str, &Config)) -> Self {
        let policy = knowledge.policy.iter().filter_map(|(name, value)| {
            let attribute = model.attribute(name).filter(|attribute| attribute.derived)?;
            Some((attribute.id, value.clone()))
        });
        let origin = Derived {
            parent: model.container,
            rdn: model.relative_name,
            policy: policy.collect(),
            is_container: model.name == "containers",
        };
        let links = model.attributes.iter().filter(|attribute| attribute.kind == AttributeKind::Link);
        Self {
            model: Arc::clone(model),
            base: base.to_owned(),
            origin,
            asked: attributes(model, config),
            names: Vec::new(),
            guess: 0,
            link_ids: links.map(|attribute| attribute.id).collect(),
            batch: Batch::new(Arc::from(model.name.as_str()), Arc::from(base)),
            beside: 0,
            deferred: Vec::new(),
            held: 0,
        }
    }

    /// How many records are ready.
    pub(super) fn records(&self) -> usize {
        self.batch.records.len()
    }

    /// Takes the batch that is ready and begins the next.
    pub(super) fn take(&mut self) -> Batch {
        let next = Batch::new(Arc::clone(&self.batch.stream), Arc::clone(&self.batch.scope));
        self.beside = 0;
        if self.batch.keys_only {
            self.batch.records.sort_by_key();
        }
        std::mem::replace(&mut self.batch, next)
    }

    /// Takes the records that wait for more.
    pub(super) fn take_deferred(&mut self) -> Vec<Deferred> {
        self.held = 0;
        std::mem::take(&mut self.deferred)
    }

    /// How many bytes the batch holds, about.
    pub(super) fn weight(&self) -> usize {
        self.batch.records.byte_len() + self.beside
    }

    /// The attribute behind a name. Servers repeat the same names in the same order: the next guess is mostly right.
    fn attribute(&mut self, name: &str) -> Option<Known> {
        let count = self.names.len();
        for index in (self.guess..count).chain(0..self.guess.min(count)) {
            if &*self.names[index].0 == name {
                self.guess = index + 1;
                return self.names[index].1;
            }
        }
        let asked = self.asked.iter().any(|asked| asked.eq_ignore_ascii_case(name));
        let found = self.model.attribute(name).filter(|_| asked);
        let found = found.map(|found| Known { id: found.id, is_link: found.kind == AttributeKind::Link });
        // A hostile server may invent names without end.
        if count < 512 {
            self.names.push((name.into(), found));
        }
        found
    }

    /// Takes an entry of a sweep.
    pub(super) fn key_only(&mut self, entry: &Entry<'_>) {
        self.batch.keys_only = true;
        match entry.first("objectGUID").map(guid_text) {
            Some(Ok(key)) => self.batch.records.push_key(&key),
            _ => self.reject_without_key(entry.dn),
        }
    }

    fn reject_without_key(&mut self, dn: &str) {
        let reason = format!("`{dn}` has no readable objectGUID");
        self.beside += reason.len();
        self.batch.rejects.push(Reject { key: None, reason, raw: Vec::new() });
    }

    /// Takes an entry with its attributes; a batch that its links fill is flushed in between.
    pub(super) fn entry(
        &mut self,
        knowledge: &mut Knowledge,
        entry: &Entry<'_>,
        flush: &mut dyn FnMut(Batch) -> Result<(), LdapError>,
    ) -> Result<(), LdapError> {
        // With the extended-DN control the entry's own name is extended, too.
        let (_, dn) = names::extended(entry.dn);
        let mut ranges = Vec::new();
        let mut partial_links = false;
        for attribute in entry.attributes() {
            let (name, range) = attribute.name_and_range();
            let Some(known) = self.attribute(name) else { continue };
            if let Some(range) = range {
                starts_at(range, 0)?;
                match range.next() {
                    Some(_) if known.is_link => partial_links = true,
                    Some(next) => ranges.push((known.id, next)),
                    None => {}
                }
            }
            if !known.is_link {
                attribute.values().for_each(|value| self.batch.records.push(known.id, value));
            }
        }
        let source_key = self.model.source_key;
        let found = self.batch.records.open_values().find(|(id, _)| *id == source_key);
        let Some(Ok(key)) = found.map(|(_, value)| guid_text(value)) else {
            self.batch.records.abandon();
            self.reject_without_key(dn);
            return Ok(());
        };
        if self.origin.is_container {
            knowledge.learn_parent(dn, Some(Arc::from(key.as_str())));
        }
        match self.place(knowledge, dn) {
            Some(place) if ranges.is_empty() && !partial_links => {
                self.finish(&key, dn, place.as_deref());
                self.whole_links(knowledge, (&key, entry), flush)
            }
            _ => {
                let values = self.batch.records.open_values().map(|(id, value)| (id, value.to_vec())).collect();
                self.batch.records.abandon();
                let links = self.hold_links(knowledge, entry);
                self.deferred.push(Deferred { dn: dn.to_owned(), key, values, ranges, links });
                Ok(())
            }
        }
    }

    fn whole_links(
        &mut self,
        knowledge: &Knowledge,
        (owner, entry): (&str, &Entry<'_>),
        flush: &mut dyn FnMut(Batch) -> Result<(), LdapError>,
    ) -> Result<(), LdapError> {
        for index in 0..self.link_ids.len() {
            let id = self.link_ids[index];
            let mut members = Vec::new();
            let mut first = true;
            for attribute in entry.attributes() {
                if self.attribute(attribute.name_and_range().0).is_none_or(|known| known.id != id) {
                    continue;
                }
                for value in attribute.values() {
                    if members.len() == MEMBERS_A_PAGE {
                        self.push_links(owner, id, std::mem::take(&mut members), (first, false));
                        first = false;
                        if self.weight() > BATCH_BYTES {
                            flush(self.take())?;
                        }
                    }
                    members.push(member(knowledge, value));
                }
            }
            self.push_links(owner, id, members, (first, true));
        }
        Ok(())
    }

    /// Keeps the members of an entry that is not whole, as long as there is room; ranges can be asked for again.
    fn hold_links(&mut self, knowledge: &Knowledge, entry: &Entry<'_>) -> Vec<HeldLinks> {
        let mut links: Vec<HeldLinks> =
            self.link_ids.iter().map(|&id| HeldLinks { id, members: Vec::new(), next: None }).collect();
        for attribute in entry.attributes() {
            let (name, range) = attribute.name_and_range();
            let Some(known) = self.attribute(name) else { continue };
            let Some(held) = links.iter_mut().find(|held| held.id == known.id) else { continue };
            held.next = held.next.or(range.and_then(|range| range.next()));
            if held.next.is_some() && self.held > BATCH_BYTES {
                held.next = Some(0);
                continue;
            }
            let before = held.members.len();
            held.members.extend(attribute.values().map(|value| member(knowledge, value)));
            self.held += weigh(&held.members[before..]);
        }
        links
    }

    /// Where an entry lies: its container's key; inner none for an entry without one; outer none when it must be asked.
    fn place(&self, knowledge: &Knowledge, dn: &str) -> Option<Option<Arc<str>>> {
        if self.origin.parent.is_none() {
            return Some(None);
        }
        match self.parent_of(dn) {
            None => Some(None),
            Some(parent) => knowledge.parent(parent),
        }
    }

    fn finish(&mut self, key: &str, dn: &str, container: Option<&str>) {
        let records = &mut self.batch.records;
        if let (Some(parent), Some(container)) = (self.origin.parent, container) {
            records.push(parent, container.as_bytes());
        }
        if let Some(rdn) = self.origin.rdn {
            // Without a container of ours the whole name is kept: it is all that says where the entry lies.
            let name = if container.is_some() { names::split(dn).0 } else { dn };
            records.push(rdn, name.as_bytes());
        }
        for (id, value) in &self.origin.policy {
            records.push(*id, value);
        }
        records.finish(&self.model, key);
    }

    /// Reads a further part of an attribute.
    pub(super) fn part(
        &self,
        knowledge: &Knowledge,
        (id, from): (AttributeId, u64),
        entry: &Entry<'_>,
    ) -> Result<Part, LdapError> {
        let wanted = self.name_of(id);
        let mut part = Part::default();
        for attribute in entry.attributes() {
            let (name, range) = attribute.name_and_range();
            if !name.eq_ignore_ascii_case(wanted) {
                continue;
            }
            match range {
                Some(range) => {
                    starts_at(range, from)?;
                    part.next = range.next();
                }
                // An empty attribute beside its range is Active Directory's way; one with values is not.
                None if attribute.values().next().is_none() => continue,
                None => return Err(LdapError::Malformed("an attribute without the range that was asked for")),
            }
            if self.link_ids.contains(&id) {
                part.members.extend(attribute.values().map(|value| member(knowledge, value)));
            } else {
                part.values.extend(attribute.values().map(<[u8]>::to_vec));
            }
        }
        Ok(part)
    }

    /// Ends a deferred record, whose container is known by now.
    pub(super) fn finish_deferred(&mut self, deferred: &Deferred, container: Option<&str>) {
        for (id, value) in &deferred.values {
            self.batch.records.push(*id, value);
        }
        self.finish(&deferred.key, &deferred.dn, container);
    }

    /// The name of the container of an entry; none for what has none here.
    pub(super) fn parent_of<'a>(&self, dn: &'a str) -> Option<&'a str> {
        if self.origin.parent.is_none() || self.origin.is_container && names::same(dn, &self.base) {
            return None;
        }
        Some(names::split(dn).1).filter(|parent| !parent.is_empty())
    }

    /// An attribute's name.
    pub(super) fn name_of(&self, id: AttributeId) -> &str {
        self.model.by_id(id).map(|attribute| attribute.name.as_str()).unwrap_or_default()
    }

    /// Adds a page of an owner's members to the batch; `ends` says whether it begins and whether it ends the set.
    pub(super) fn push_links(&mut self, owner: &str, id: AttributeId, members: Vec<Member>, ends: (bool, bool)) {
        self.beside += weigh(&members) + owner.len();
        let kind = self.name_of(id).to_owned();
        let (first, last) = ends;
        self.batch.links.push(LinkPage { owner: owner.to_owned(), kind, first, last, members });
    }
}

fn starts_at(range: Range, position: u64) -> Result<(), LdapError> {
    if range.low == position { Ok(()) } else { Err(LdapError::Malformed("a range that is not the one asked for")) }
}

fn weigh(members: &[Member]) -> usize {
    members.iter().map(|member| size_of::<Member>() + member.text().len()).sum()
}

/// A member: by GUID where the server gave it, else by its place, else by its name.
fn member(knowledge: &Knowledge, value: &[u8]) -> Member {
    let text = String::from_utf8_lossy(value);
    let (guid, dn) = names::extended(&text);
    if let Some(guid) = guid.and_then(guid_bytes).and_then(|bytes| guid_text(&bytes).ok()) {
        return Member::Key(guid);
    }
    let (rdn, parent) = names::split(dn);
    match knowledge.parent(parent) {
        Some(Some(container)) => Member::Place { locator: locator(&container, rdn), text: dn.to_owned() },
        _ => Member::Text(dn.to_owned()),
    }
}
