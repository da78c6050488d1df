//! The public ids and names of connectors and profiles, looked up once for an answer.

use std::collections::HashMap;

use muster_store::hub::ConnectorLabel;

use crate::error::Problem;
use crate::hub::Hub;

#[derive(Debug)]
pub(crate) struct Names {
    tenant: i64,
    connectors: HashMap<i64, ConnectorLabel>,
    profiles: HashMap<i64, Option<String>>,
}

impl Names {
    pub(crate) async fn of(hub: &Hub, tenant: i64) -> Result<Self, Problem> {
        let labels = hub.store.connector_labels(tenant).await?;
        let connectors = labels.into_iter().map(|label| (label.id, label)).collect();
        Ok(Self { tenant, connectors, profiles: HashMap::new() })
    }

    /// All connectors, removed ones too, in no order.
    pub(crate) fn labels(&self) -> impl Iterator<Item = &ConnectorLabel> {
        self.connectors.values()
    }

    pub(crate) fn connector(&self, id: i64) -> Option<&ConnectorLabel> {
        self.connectors.get(&id)
    }

    pub(crate) fn connector_id(&self, id: i64) -> String {
        self.connector(id).map(|label| label.uuid.clone()).unwrap_or_default()
    }

    /// The public id of a profile; none where it was removed.
    pub(crate) async fn profile_id(&mut self, hub: &Hub, id: Option<i64>) -> Result<Option<String>, Problem> {
        let Some(id) = id else { return Ok(None) };
        if let Some(known) = self.profiles.get(&id) {
            return Ok(known.clone());
        }
        let found = hub.store.profile_of(self.tenant, id).await?.map(|profile| profile.uuid);
        self.profiles.insert(id, found.clone());
        Ok(found)
    }
}
