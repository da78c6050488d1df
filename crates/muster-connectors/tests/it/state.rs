//! What a reader of batches knows in the end: the smallest thing that is right, to compare a directory with.

use std::collections::{BTreeMap, BTreeSet};

use muster_connectors::active_directory::CONNECTOR;
use muster_core::connector::{Batch, Connector, Cursor, Mode, ReadRequest, ScopeEnd};
use muster_core::link::Member;

use crate::sink::{Keeping, run};

/// Attribute name → values, sorted.
pub(crate) type Values = BTreeMap<String, Vec<Vec<u8>>>;

#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct State {
    /// Stream → key → values.
    pub(crate) records: BTreeMap<String, BTreeMap<String, Values>>,
    /// Owner → members' keys or texts.
    pub(crate) members: BTreeMap<String, BTreeSet<String>>,
    /// Stream → where the next delta starts.
    pub(crate) cursors: BTreeMap<String, Cursor>,
    /// Keys that tombstones named.
    pub(crate) gone: BTreeSet<String>,
}

impl State {
    /// Reads all streams; gives how each ended.
    pub(crate) fn read(&mut self, connector: &dyn Connector, mode: Mode) -> Vec<ScopeEnd> {
        let plan = run(connector.plan()).unwrap();
        let mut ends = Vec::new();
        for scope in &plan.scopes {
            let sink = Keeping::default();
            let cursor = self.cursors.get(&scope.stream).cloned();
            let request = ReadRequest { scope, mode, cursor: cursor.as_ref() };
            let end = run(connector.read(request, &sink)).unwrap();
            if let Some(cursor) = &end.cursor {
                self.cursors.insert(scope.stream.clone(), cursor.clone());
            }
            self.take(&sink.into_batches());
            ends.push(end);
        }
        ends
    }

    pub(crate) fn take(&mut self, batches: &[Batch]) {
        let model = (CONNECTOR.model)();
        let mut open: Option<String> = None;
        for batch in batches {
            let stream = model.stream(&batch.stream).unwrap();
            assert!(batch.rejects.is_empty(), "{:?}", batch.rejects);
            let records = self.records.entry(batch.stream.to_string()).or_default();
            for record in batch.records.iter() {
                let mut values = Values::new();
                for (id, value) in record.all() {
                    let name = stream.by_id(id).unwrap().name.clone();
                    values.entry(name).or_default().push(value.to_vec());
                }
                records.insert(record.key().to_owned(), values);
            }
            for page in &batch.links {
                // An owner's pages follow each other, the first one first, and the owner is known by then.
                assert_eq!(page.first, open.is_none(), "{page:?}");
                assert!(open.as_ref().is_none_or(|owner| *owner == page.owner), "{page:?}");
                assert!(records.contains_key(&page.owner), "links before their record");
                let members = self.members.entry(page.owner.clone()).or_default();
                if page.first {
                    members.clear();
                }
                members.extend(page.members.iter().map(|member| match member {
                    Member::Key(key) => key.clone(),
                    Member::Place { text, .. } | Member::Text(text) => text.clone(),
                }));
                open = (!page.last).then(|| page.owner.clone());
            }
            for key in &batch.tombstones {
                self.gone.insert(key.clone());
                records.remove(key);
                self.members.remove(key);
            }
        }
        assert_eq!(open, None, "a set of members without end");
    }

    /// The DN that container and name compose (design D8).
    pub(crate) fn dn(&self, stream: &str, key: &str) -> String {
        let record = &self.records[stream][key];
        let text = |name: &str| record.get(name).map(|values| String::from_utf8(values[0].clone()).unwrap());
        let name = text("rdn").unwrap();
        match text("parent") {
            Some(parent) => format!("{name},{}", self.dn("containers", &parent)),
            None => name,
        }
    }
}
