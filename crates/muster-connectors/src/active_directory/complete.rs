//! Completing records that one answer did not hold: further ranges, containers that no record has named.

use muster_core::link::Member;
use muster_core::model::AttributeId;

use super::read::{BATCH_BYTES, EXTENDED_DN, Job, still_wanted};
use super::records::{Deferred, MEMBERS_A_PAGE, PageBuilder, Part};
use super::session::refused;
use crate::kit::ldap::{Filter, LdapError, ResultCode, Scope, Search, SearchControls};

impl Job<'_> {
    /// Completes what a page left unfinished. A record's links follow it in one piece.
    pub(super) fn complete(&mut self, builder: &mut PageBuilder) -> Result<(), LdapError> {
        for mut record in builder.take_deferred() {
            for (id, next) in std::mem::take(&mut record.ranges) {
                let mut next = Some(next);
                while let Some(from) = next {
                    let part = self.part(builder, &record, (id, from))?;
                    next = part.next;
                    record.values.extend(part.values.into_iter().map(|value| (id, value)));
                }
            }
            let sink = self.sink;
            let container = match builder.parent_of(&record.dn) {
                Some(parent) => self.session.ask_parent(parent, &|| still_wanted(sink))?,
                None => None,
            };
            builder.finish_deferred(&record, container.as_deref());
            self.links(builder, record)?;
        }
        Ok(())
    }

    fn links(&mut self, builder: &mut PageBuilder, mut record: Deferred) -> Result<(), LdapError> {
        for held in std::mem::take(&mut record.links) {
            let mut next = held.next;
            let mut first = true;
            if next != Some(0) {
                self.push(builder, (&record.key, held.id), held.members, (first, next.is_none()))?;
                first = false;
            }
            while let Some(from) = next {
                let part = self.part(builder, &record, (held.id, from))?;
                next = part.next;
                self.push(builder, (&record.key, held.id), part.members, (first, next.is_none()))?;
                first = false;
            }
        }
        if builder.weight() > BATCH_BYTES { self.hand_over(builder.take()) } else { Ok(()) }
    }

    /// Adds members page by page, and hands over what is full; `ends` says whether they begin and end their set.
    fn push(
        &mut self,
        builder: &mut PageBuilder,
        (owner, id): (&str, AttributeId),
        members: Vec<Member>,
        ends: (bool, bool),
    ) -> Result<(), LdapError> {
        let mut first = ends.0;
        let mut members = members.into_iter().peekable();
        loop {
            let page: Vec<Member> = members.by_ref().take(MEMBERS_A_PAGE).collect();
            let last = members.peek().is_none();
            builder.push_links(owner, id, page, (first, ends.1 && last));
            first = false;
            if builder.weight() > BATCH_BYTES {
                self.hand_over(builder.take())?;
            }
            if last {
                return Ok(());
            }
        }
    }

    /// Asks for an attribute's values from a position on.
    fn part(
        &mut self,
        builder: &PageBuilder,
        record: &Deferred,
        (id, from): (AttributeId, u64),
    ) -> Result<Part, LdapError> {
        let name = builder.name_of(id);
        // Only Active Directory gives ranges, and it finds an object by its GUID, wherever it was moved meanwhile.
        let base = match self.session.root.invocation_id {
            Some(_) => format!("<GUID={}>", record.key),
            None => record.dn.clone(),
        };
        let search = Search {
            base,
            scope: Scope::Base,
            filter: Filter::Present("objectClass".to_owned()),
            attributes: vec![format!("{name};range={from}-*")],
            page_size: 0,
            controls: SearchControls { show_deleted: false, extended_dn: self.session.supports(EXTENDED_DN) },
        };
        let ticket = self.session.ask(&search, &[])?;
        let mut part = None;
        let sink = self.sink;
        let end = self.session.reading(ticket, |knowledge, entry| {
            still_wanted(sink)?;
            if let Some(entry) = entry {
                part = Some(builder.part(knowledge, (id, from), entry)?);
            }
            Ok(())
        })?;
        if end.code != ResultCode::SUCCESS {
            return Err(refused(&end, format!("reading the rest of `{name}` of `{}`", record.dn)));
        }
        part.ok_or_else(|| refused(&end, format!("reading the rest of `{name}` of `{}`: it is gone", record.dn)))
    }
}
