//! The documents' four states, with what the last run came to beside them (S3, design section 5).

use std::collections::HashMap;

use muster_core::clock::Instant;
use muster_store::hub::{Ended, Standing, Subject};
use serde::Serialize;
use utoipa::ToSchema;

use crate::error::Problem;
use crate::hub::Hub;

/// What a connector or a profile is at.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct State {
    /// `Registered`, `Scheduled`, `Processing` or `Processed`.
    pub(crate) state: &'static str,
    /// What the last run came to: `complete`, `partial`, `held`, `failed` or `cancelled`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_result: Option<String>,
    /// Why, where it did not end well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_error: Option<String>,
    /// When the last run ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_run_at: Option<String>,
}

/// Of each of these profiles or connectors of a tenant.
pub(crate) async fn all(hub: &Hub, tenant: i64, (subject, ids): (Subject, &[i64])) -> Result<States, Problem> {
    Ok(States(hub.store.standings(tenant, subject, ids).await?))
}

/// States by the ids of what they are of.
#[derive(Debug, Default)]
pub(crate) struct States(HashMap<i64, Standing>);

impl States {
    pub(crate) fn of(&self, id: i64) -> State {
        self.0.get(&id).map_or_else(|| state(&Standing::default()), state)
    }

    /// When it is due next.
    pub(crate) fn next_run(&self, id: i64) -> Option<Instant> {
        self.0.get(&id)?.next_at
    }
}

fn state(standing: &Standing) -> State {
    let word = match () {
        () if standing.running => "Processing",
        () if standing.queued => "Scheduled",
        () if standing.run.is_some() => "Processed",
        () if standing.next_at.is_some() => "Scheduled",
        () => "Registered",
    };
    // A run that failed before it had a row is told by its job alone.
    let later = |job: &&Ended| standing.run.as_ref().is_none_or(|run| job.at >= run.at);
    let job = standing.job.as_ref().filter(later);
    State {
        state: word,
        last_result: job.and_then(|job| job.result.clone()).or_else(|| standing.run.as_ref()?.result.clone()),
        last_error: job.and_then(|job| job.message.clone()),
        last_run_at: job.or(standing.run.as_ref()).map(|ended| ended.at.to_rfc3339()),
    }
}
