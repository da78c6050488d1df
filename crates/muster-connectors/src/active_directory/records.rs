//! Entries → records and links: where a directory's answer becomes what the data model says.

use std::sync::Arc;

use muster_core::connector::{Batch, Reject};
use muster_core::link::{LinkPage, Member, locator};
use muster_core::model::{AttributeId, AttributeKind, StreamModel};
use muster_core::value::guid_text;

use super::config::{AssetsChoice, Config};
use super::names;
use super::session::Knowledge;
use crate::kit::ldap::{Entry, Filter, Range};

/// The most members of one link page.
const MEMBERS_A_PAGE: usize = 2000;

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
    key: String,
    values: Vec<(AttributeId, Vec<u8>)>,
    /// Attributes of which the server gave only a part: id, name, the next position.
    pub(super) ranges: Vec<(AttributeId, String, u64)>,
    /// Only links are missing: the record itself is in the batch.
    finished: bool,
}

/// Turns the entries of one page into a batch.
#[derive(Debug)]
pub(super) struct PageBuilder {
    model: Arc<StreamModel>,
    base: String,
    origin: Derived,
    names: Vec<(Box<str>, Option<(AttributeId, AttributeKind)>)>,
    guess: usize,
    pub(super) batch: Batch,
    pub(super) deferred: Vec<Deferred>,
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
    pub(super) fn new(knowledge: &Knowledge, model: &Arc<StreamModel>, base: &str) -> Self {
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
        let batch = Batch::new(Arc::from(model.name.as_str()), Arc::from(base));
        Self {
            model: Arc::clone(model),
            base: base.to_owned(),
            origin,
            names: Vec::new(),
            guess: 0,
            batch,
            deferred: Vec::new(),
        }
    }

    /// Takes the batch that is ready and begins the next.
    pub(super) fn take(&mut self) -> Batch {
        let next = Batch::new(Arc::clone(&self.batch.stream), Arc::clone(&self.batch.scope));
        std::mem::replace(&mut self.batch, next)
    }

    /// The attribute behind a name. Servers repeat the same names in the same order: the next guess is mostly right.
    fn attribute(&mut self, name: &str) -> Option<(AttributeId, AttributeKind)> {
        let count = self.names.len();
        for step in 0..count {
            let index = (self.guess + step) % count;
            if &*self.names[index].0 == name {
                self.guess = index + 1;
                return self.names[index].1;
            }
        }
        let found = self.model.attribute(name).map(|attribute| (attribute.id, attribute.kind));
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
        self.batch.rejects.push(Reject { key: None, reason, raw: Vec::new() });
    }

    /// Takes an entry with its attributes.
    pub(super) fn entry(&mut self, knowledge: &mut Knowledge, entry: &Entry<'_>) {
        let (_, dn) = names::extended(entry.dn);
        let Some(Ok(key)) = entry.first("objectGUID").map(guid_text) else {
            self.reject_without_key(dn);
            return;
        };
        if self.origin.is_container {
            knowledge.learn_parent(dn, Some(Arc::from(key.as_str())));
        }
        let place = self.place(knowledge, dn);
        let mut ranges = Vec::new();
        let mut links: Vec<(AttributeId, Vec<Member>, bool)> = Vec::new();
        for attribute in entry.attributes() {
            let (name, range) = attribute.name_and_range();
            let Some((id, kind)) = self.attribute(name) else { continue };
            let more = match range {
                Some(Range::Until(high)) => Some(high.saturating_add(1)),
                _ => None,
            };
            if let Some(next) = more {
                ranges.push((id, name.to_owned(), next));
            }
            match kind {
                AttributeKind::Secret => {}
                AttributeKind::Link => {
                    let members = attribute.values().map(|value| member(knowledge, value));
                    match links.iter_mut().find(|(known, _, _)| *known == id) {
                        Some((_, known, partial)) => {
                            known.extend(members);
                            *partial |= more.is_some();
                        }
                        None => links.push((id, members.collect(), more.is_some())),
                    }
                }
                _ => attribute.values().for_each(|value| self.batch.records.push(id, value)),
            }
        }
        for attribute in self.model.attributes.iter().filter(|attribute| attribute.kind == AttributeKind::Link) {
            let (members, partial) = links
                .iter_mut()
                .find(|(id, _, _)| *id == attribute.id)
                .map_or((Vec::new(), false), |(_, members, partial)| (std::mem::take(members), *partial));
            push_links(&mut self.batch.links, &key, &attribute.name, members, Position { first: true, last: !partial });
        }
        let whole = ranges.iter().all(|(id, _, _)| links.iter().any(|(link, _, _)| link == id));
        match place {
            Some(place) if whole => {
                self.finish(&key, dn, place.as_deref());
                if !ranges.is_empty() {
                    self.deferred.push(Deferred { dn: dn.to_owned(), key, values: Vec::new(), ranges, finished: true });
                }
            }
            _ => {
                let values = self.batch.records.open_values().map(|(id, value)| (id, value.to_vec())).collect();
                self.batch.records.abandon();
                self.deferred.push(Deferred { dn: dn.to_owned(), key, values, ranges, finished: false });
            }
        }
    }

    /// Where an entry lies: its container's key; inner none for an entry without one; outer none when it must be asked.
    fn place(&self, knowledge: &Knowledge, dn: &str) -> Option<Option<Arc<str>>> {
        if self.origin.parent.is_none() || self.origin.is_container && names::same(dn, &self.base) {
            return Some(None);
        }
        match names::split(dn).1 {
            "" => Some(None),
            parent => knowledge.parent(parent),
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

    /// Adds the values of a further range of a deferred record.
    pub(super) fn add_range(
        &mut self,
        knowledge: &mut Knowledge,
        deferred: &mut Deferred,
        id: AttributeId,
        entry: &Entry<'_>,
    ) -> Option<u64> {
        let is_link = self.model.by_id(id).is_some_and(|attribute| attribute.kind == AttributeKind::Link);
        let name = self.model.by_id(id).map(|attribute| attribute.name.clone()).unwrap_or_default();
        let mut next = None;
        let mut members = Vec::new();
        for attribute in entry.attributes() {
            let (found, range) = attribute.name_and_range();
            if !found.eq_ignore_ascii_case(&name) {
                continue;
            }
            if let Some(Range::Until(high)) = range {
                next = Some(high.saturating_add(1));
            }
            if is_link {
                members.extend(attribute.values().map(|value| member(knowledge, value)));
            } else {
                deferred.values.extend(attribute.values().map(|value| (id, value.to_vec())));
            }
        }
        if is_link {
            push_links(
                &mut self.batch.links,
                &deferred.key,
                &name,
                members,
                Position { first: false, last: next.is_none() },
            );
        }
        next
    }

    /// Ends a deferred record, whose container is known by now.
    pub(super) fn finish_deferred(&mut self, deferred: Deferred, container: Option<&str>) {
        if deferred.finished {
            return;
        }
        for (id, value) in &deferred.values {
            self.batch.records.push(*id, value);
        }
        self.finish(&deferred.key, &deferred.dn, container);
    }

    /// Whether a DN is where the record's container must be asked for.
    pub(super) fn parent_of<'a>(&self, dn: &'a str) -> Option<&'a str> {
        if self.origin.is_container && names::same(dn, &self.base) {
            return None;
        }
        Some(names::split(dn).1).filter(|parent| !parent.is_empty())
    }
}

#[derive(Clone, Copy)]
struct Position {
    first: bool,
    last: bool,
}

fn push_links(pages: &mut Vec<LinkPage>, owner: &str, kind: &str, mut members: Vec<Member>, position: Position) {
    let mut first = position.first;
    loop {
        let rest = if members.len() > MEMBERS_A_PAGE { members.split_off(MEMBERS_A_PAGE) } else { Vec::new() };
        let ends = rest.is_empty();
        pages.push(LinkPage {
            owner: owner.to_owned(),
            kind: kind.to_owned(),
            first,
            last: ends && position.last,
            members,
        });
        if ends {
            return;
        }
        first = false;
        members = rest;
    }
}

/// A member: by GUID where the server gave it, else by its place, else by its name.
fn member(knowledge: &Knowledge, value: &[u8]) -> Member {
    let text = String::from_utf8_lossy(value);
    let (guid, dn) = names::extended(&text);
    if let Some(guid) = guid {
        return Member::Key(guid.to_ascii_lowercase());
    }
    let (rdn, parent) = names::split(dn);
    match knowledge.parent(parent) {
        Some(Some(container)) => Member::Place { locator: locator(&container, rdn), text: dn.to_owned() },
        _ => Member::Text(dn.to_owned()),
    }
}
