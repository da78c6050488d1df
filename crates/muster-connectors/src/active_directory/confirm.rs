//! Asking for keys again (D3).

use std::sync::{Arc, Mutex, PoisonError};

use muster_core::connector::{Batch, BatchSink, ConnectorError, Mode, SinkClosed, Verdict};
use muster_core::model::StreamModel;
use muster_core::value::{guid_bytes, guid_text};

use super::names;
use super::read::{Job, still_wanted, stream_model};
use super::records::filter;
use super::session::{Session, explain, refused};
use crate::kit::ldap::{Filter, LdapError, ResultCode, Scope, Search, SearchControls};

/// How many keys are asked for at once.
const KEYS_A_SEARCH: usize = 100;

/// Asks for keys again: in the plan's bases with the stream's filter, else anywhere in the naming context.
pub(super) fn confirm(
    session: &mut Session,
    stream: &str,
    keys: &[String],
    sink: &dyn BatchSink,
) -> Result<Vec<Verdict>, ConnectorError> {
    let config = session.config.clone();
    let model = stream_model(stream)?;
    let mut verdicts = vec![Verdict::Unknown; keys.len()];
    for (keys, verdicts) in keys.chunks(KEYS_A_SEARCH).zip(verdicts.chunks_mut(KEYS_A_SEARCH)) {
        let mut chunk = Chunk { keys, verdicts };
        chunk.confirm(session, &model, sink).map_err(|error| explain(error, &config))?;
    }
    Ok(verdicts)
}

struct Chunk<'a> {
    keys: &'a [String],
    verdicts: &'a mut [Verdict],
}

impl Chunk<'_> {
    fn confirm(
        &mut self,
        session: &mut Session,
        model: &Arc<StreamModel>,
        sink: &dyn BatchSink,
    ) -> Result<(), LdapError> {
        // What is no GUID is nobody's key: nothing is known of it.
        let guids: Vec<[u8; 16]> = self.keys.iter().filter_map(|key| guid_bytes(key)).collect();
        if guids.is_empty() {
            return Ok(());
        }
        let asked = Filter::Or(guids.iter().map(|guid| Filter::equal("objectGUID", guid)).collect());
        for base in session.bases() {
            let collecting = Collecting { sink, keys: Mutex::default() };
            let mut job = Job { session: &mut *session, model: Arc::clone(model), base: &base, sink: &collecting };
            let mut search = job.search(Filter::And(vec![filter(&model.name), asked.clone()]), Mode::Full);
            let listing = job.list(&mut search, (false, None))?;
            if let Some(operation) = listing.open {
                let code = ResultCode::SIZE_LIMIT_EXCEEDED;
                return Err(LdapError::Refused { operation, code, message: String::new() });
            }
            let seen = collecting.keys.into_inner().unwrap_or_else(PoisonError::into_inner);
            self.mark(&seen, Verdict::Present);
        }
        let elsewhere = anywhere(session, &asked, sink)?;
        self.mark(&elsewhere, Verdict::OutOfScope);
        for (key, verdict) in self.keys.iter().zip(self.verdicts.iter_mut()) {
            if *verdict == Verdict::Unknown && guid_bytes(key).is_some() {
                *verdict = Verdict::Deleted;
            }
        }
        Ok(())
    }

    fn mark(&mut self, seen: &[String], verdict: Verdict) {
        for (key, slot) in self.keys.iter().zip(self.verdicts.iter_mut()) {
            if *slot == Verdict::Unknown && seen.iter().any(|found| found.eq_ignore_ascii_case(key)) {
                *slot = verdict;
            }
        }
    }
}

/// Which of the keys are anywhere in the naming contexts of the bases.
fn anywhere(session: &mut Session, asked: &Filter, sink: &dyn BatchSink) -> Result<Vec<String>, LdapError> {
    let mut heads: Vec<String> = Vec::new();
    for base in session.bases() {
        let head = session.naming_context_of(&base);
        if !heads.iter().any(|known| names::same(known, &head)) {
            heads.push(head);
        }
    }
    let mut found = Vec::new();
    for head in heads {
        let search = Search {
            base: head,
            scope: Scope::Subtree,
            filter: asked.clone(),
            attributes: vec!["objectGUID".to_owned()],
            // At most as many as were asked for: one answer holds them.
            page_size: 0,
            controls: SearchControls::default(),
        };
        let end = session.each(&search, &[], &mut |entry| {
            found.extend(entry.and_then(|entry| entry.first("objectGUID")).and_then(|bytes| guid_text(bytes).ok()));
            still_wanted(sink)
        })?;
        if end.code != ResultCode::SUCCESS {
            return Err(refused(&end, "asking for objects again".to_owned()));
        }
    }
    Ok(found)
}

/// Passes batches on and remembers their keys, those of rejected records too: they are there.
struct Collecting<'a> {
    sink: &'a dyn BatchSink,
    keys: Mutex<Vec<String>>,
}

#[async_trait::async_trait]
impl BatchSink for Collecting<'_> {
    async fn send(&self, batch: Batch) -> Result<(), SinkClosed> {
        let rejected = batch.rejects.iter().filter_map(|reject| reject.key.clone());
        let keys: Vec<String> = batch.records.iter().map(|record| record.key().to_owned()).chain(rejected).collect();
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).extend(keys);
        self.sink.send(batch).await
    }

    fn is_closed(&self) -> bool {
        self.sink.is_closed()
    }
}
