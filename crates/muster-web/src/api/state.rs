//! The documents' four states, with what the last run came to beside them (S3, design section 5).

use muster_core::connector::Mode;
use muster_store::RunRow;
use muster_store::hub::{ConnectionRow, JobFilter, JobRow, ProfileRow, RunFilter};
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

/// How many jobs are looked at for the latest of a kind.
const LOOKED_AT: i64 = 20;

pub(crate) async fn of_profile(hub: &Hub, profile: &ProfileRow) -> Result<State, Problem> {
    let jobs = JobFilter { profile: Some(profile.id), ..JobFilter::default() };
    let runs = RunFilter { profile: Some(profile.id), ..RunFilter::default() };
    let jobs = hub.store.jobs(profile.tenant, jobs, LOOKED_AT).await?;
    let runs = hub.store.runs_of(profile.tenant, runs, LOOKED_AT).await?;
    Ok(state(&jobs, &runs, profile.active && profile.next_at.is_some()))
}

pub(crate) async fn of_connector(hub: &Hub, connector: &ConnectionRow) -> Result<State, Problem> {
    let jobs = JobFilter { connector: Some(connector.id), ..JobFilter::default() };
    let runs = RunFilter { connector: Some(connector.id), ..RunFilter::default() };
    let jobs = hub.store.jobs(connector.tenant, jobs, LOOKED_AT).await?;
    let runs = hub.store.runs_of(connector.tenant, runs, LOOKED_AT).await?;
    let profiles = hub.store.profiles(connector.tenant, connector.id).await?;
    Ok(state(&jobs, &runs, profiles.iter().any(|profile| profile.active && profile.next_at.is_some())))
}

fn state(jobs: &[JobRow], runs: &[RunRow], scheduled: bool) -> State {
    let of_runs = || jobs.iter().filter(|job| job.kind == "run");
    // A replay reads nothing: what the source was seen to hold is the run before's to say.
    let ended_run = runs.iter().find(|run| run.ended_at.is_some() && run.mode != Mode::Replay);
    let ended_job = of_runs().find(|job| job.state == "ended");
    let word = match () {
        () if of_runs().any(|job| job.state == "running") || runs.iter().any(|run| run.ended_at.is_none()) => {
            "Processing"
        }
        () if of_runs().any(|job| job.state == "queued") => "Scheduled",
        () if ended_run.is_some() => "Processed",
        () if scheduled => "Scheduled",
        () => "Registered",
    };
    // A run that failed before it had a row is told by its job alone.
    let job = ended_job.filter(|job| ended_run.is_none_or(|run| job.ended_at >= run.ended_at));
    let result = job.and_then(|job| job.result.clone());
    State {
        state: word,
        last_result: result.or_else(|| ended_run.and_then(|run| run.result).map(|result| result.word().to_owned())),
        last_error: job.and_then(|job| job.message.clone()),
        last_run_at: job
            .and_then(|job| job.ended_at)
            .or_else(|| ended_run.and_then(|run| run.ended_at))
            .map(|at| at.to_rfc3339()),
    }
}
