//! `sync` without a store: read, map, print.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use muster_core::asset::Class;
use muster_core::clock::Instant;
use muster_core::connector::{Batch, BatchSink, Connector, ConnectorError, Mode, ReadRequest, SinkClosed};
use muster_core::ledger::{Counters, LedgerLine};
use muster_core::map::TransformMap;

/// Takes a line of output: class and the asset's document.
pub type OnAsset<'a> = dyn Fn(Class, &serde_json::Value) -> std::io::Result<()> + Send + Sync + 'a;

/// Reads everything once, maps it and hands over every asset.
pub async fn run(
    connector: &dyn Connector,
    maps: &BTreeMap<String, Arc<TransformMap>>,
    as_of: Instant,
    on_asset: &OnAsset<'_>,
) -> Result<Vec<LedgerLine>, ConnectorError> {
    let plan = connector.plan().await?;
    let mut ledger = Vec::new();
    for scope in &plan.scopes {
        let Some(map) = maps.get(&scope.stream) else { continue };
        let sink = Printing { map, as_of, on_asset, state: Mutex::new(State::default()) };
        let request = ReadRequest { scope, mode: Mode::Full, cursor: None };
        let end = connector.read(request, &sink).await?;
        let state = sink.state.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
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
    seen: HashSet<[u8; 16]>,
    counters: Counters,
    keyless: u64,
}

struct Printing<'a> {
    map: &'a TransformMap,
    as_of: Instant,
    on_asset: &'a OnAsset<'a>,
    state: Mutex<State>,
}

#[async_trait]
impl BatchSink for Printing<'_> {
    async fn send(&self, batch: Batch) -> Result<(), SinkClosed> {
        let mut state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        state.keyless += u64::try_from(batch.rejects.iter().filter(|reject| reject.key.is_none()).count()).unwrap_or(0);
        for record in batch.records.iter() {
            state.seen.insert(short(record.key()));
            match self.map.apply(record, self.as_of) {
                Ok(mapped) => {
                    state.counters.dropped_values += u64::try_from(mapped.dropped.len()).unwrap_or(0);
                    let class = self.map.model().class;
                    (self.on_asset)(class, &mapped.asset.to_document()).map_err(|_| SinkClosed)?;
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
