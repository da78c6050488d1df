//! The maps that made assets, compiled once: a stored map never changes, and reading one takes longer than all else that
//! an asset's page asks for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use muster_core::map::{self, TransformMap};

use crate::error::Problem;
use crate::hub::Hub;

/// How many compiled maps are kept.
const KEPT: usize = 64;

/// Compiled maps, by tenant and id.
#[derive(Default)]
pub(crate) struct CompiledMaps(Mutex<HashMap<(i64, i64), Arc<TransformMap>>>);

impl CompiledMaps {
    fn get(&self, key: (i64, i64)) -> Option<Arc<TransformMap>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned()
    }

    fn keep(&self, key: (i64, i64), map: &Arc<TransformMap>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(key, Arc::clone(map));
    }
}

/// The map of that id, which made assets; none where no connector type knows its stream any more.
pub(crate) async fn map(hub: &Hub, tenant: i64, id: i64) -> Result<Option<Arc<TransformMap>>, Problem> {
    let key = (tenant, id);
    if let Some(map) = hub.compiled.get(key) {
        return Ok(Some(map));
    }
    let Some((stream, text)) = hub.store.map_text(tenant, id).await? else { return Ok(None) };
    let models = hub.offers.iter().filter_map(|offer| offer.model.stream(&stream));
    let Some(map) = models.filter_map(|model| map::compile(&text, model).ok()).next() else { return Ok(None) };
    let map = Arc::new(map);
    hub.compiled.keep(key, &map);
    Ok(Some(map))
}
