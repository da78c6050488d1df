//! `sync` without a store: read, map, print.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use muster_core::asset::Class;
use muster_core::clock::Instant;
use muster_core::connector::{Batch, BatchSink, Blob, Connector, ConnectorError, Mode, ReadRequest, SinkClosed};
use muster_core::ledger::{Counters, LedgerLine};
use muster_core::map::TransformMap;

/// What is read without a store goes here.
pub trait Output: Send + Sync {
    /// Takes a line of output: class and the asset's document.
    fn asset(&self, class: Class, document: &serde_json::Value) -> std::io::Result<()>;
    /// Takes a document that assets name.
    fn blob(&self, blob: &Blob) -> std::io::Result<()>;
}

/// Reads everything once, maps it and hands over every asset.
pub async fn run(
    connector: &dyn Connector,
    maps: &BTreeMap<String, Arc<TransformMap>>,
    as_of: Instant,
    output: &dyn Output,
) -> Result<Vec<LedgerLine>, ConnectorError> {
    let plan = connector.plan().await?;
    let mut ledger = Vec::new();
    for scope in &plan.scopes {
        let Some(map) = maps.get(&scope.stream) else { continue };
        let sink = Printing { map, as_of, output, state: Mutex::new(State::default()) };
        let request = ReadRequest { scope, mode: Mode::Full, cursor: None };
        let end = connector.read(request, &sink).await?;
        // Of some the listing gave the key alone: with nothing kept, they are asked for.
        let keys = std::mem::take(&mut sink.state().keys);
        if !keys.is_empty() {
            connector.confirm(&scope.stream, &keys, &sink).await?;
        }
        let state = sink.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut counters = state.counters;
        counters.received = u64::try_from(state.seen.len()).unwrap_or(u64::MAX);
        counters.created = counters.received.saturating_sub(counters.rejected);
        counters.calls = end.traffic.calls;
        counters.bytes = end.traffic.bytes;
        let (evidence, expected) = muster_core::run::evidence(&end, counters.received, state.keyless);
        ledger.push(LedgerLine {
            stream: scope.stream.clone(),
            scope: scope.name.to_string(),
            mode: end.mode,
            evidence,
            expected,
            counters,
            notes: end.notes,
        });
    }
    Ok(ledger)
}

#[derive(Default)]
struct State {
    keys: Vec<String>,
    seen: HashSet<[u8; 16]>,
    counters: Counters,
    keyless: u64,
}

struct Printing<'a> {
    map: &'a TransformMap,
    as_of: Instant,
    output: &'a dyn Output,
    state: Mutex<State>,
}

impl Printing<'_> {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl BatchSink for Printing<'_> {
    async fn send(&self, batch: Batch) -> Result<(), SinkClosed> {
        let mut state = self.state();
        state.keyless += u64::try_from(batch.rejects.iter().filter(|reject| reject.key.is_none()).count()).unwrap_or(0);
        for blob in &batch.blobs {
            self.output.blob(blob).map_err(|_| SinkClosed)?;
        }
        if batch.keys_only {
            state.keys.extend(batch.records.iter().map(|record| record.key().to_owned()));
            return Ok(());
        }
        for record in batch.records.iter() {
            state.seen.insert(short(record.key()));
            match self.map.apply(record, self.as_of) {
                Ok(mapped) => {
                    state.counters.dropped_values += u64::try_from(mapped.dropped.len()).unwrap_or(0);
                    let class = self.map.model().class;
                    self.output.asset(class, &mapped.asset.to_document()).map_err(|_| SinkClosed)?;
                }
                Err(_) => state.counters.rejected += 1,
            }
        }
        Ok(())
    }

    fn is_closed(&self) -> bool {
        false
    }
}

fn short(key: &str) -> [u8; 16] {
    muster_core::fold::fingerprint(key.as_bytes())
}
