//! Which profiles are due, and their jobs.
//!
//! A profile says in `next_at` when it is due. [`tick`] takes those that are, and for each moves `next_at` to the next slot
//! after now and adds the job, in one transaction: slots missed while no hub ran make one run, a crash makes both or
//! neither, and of two hubs one does it.

use muster_core::clock::Instant;
use muster_core::fold::fingerprint;
use muster_core::schedule::Schedule;
use muster_core::value::guid_text;
use muster_store::hub::{NewJob, ProfileRow};
use muster_store::{Store, StoreError};
use serde_json::json;

/// The most profiles of one look.
const AT_ONCE: i64 = 500;
/// Starts what is due; gives how many profiles it moved on.
pub async fn tick(store: &Store, now: Instant) -> Result<usize, StoreError> {
    let mut fired = 0;
    loop {
        let due = store.due_profiles(now, AT_ONCE).await?;
        let last = due.len() < usize::try_from(AT_ONCE).unwrap_or(usize::MAX);
        let mut moved = 0;
        for profile in &due {
            match fire(store, profile, now).await {
                Ok(fired) => moved += usize::from(fired),
                // One that cannot be moved on keeps nobody else from starting; it is tried again at the next look.
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(profile = profile.uuid, error, "starting what is due");
                }
            }
        }
        fired += moved;
        if last || moved == 0 {
            return Ok(fired);
        }
    }
}

async fn fire(store: &Store, profile: &ProfileRow, now: Instant) -> Result<bool, StoreError> {
    let schedule = profile.schedule.as_ref().and_then(|schedule| match Schedule::from_json(schedule) {
        Ok(schedule) => Some(schedule),
        Err(error) => {
            tracing::error!(profile = profile.uuid, %error, "a stored schedule cannot be read; it does not run");
            None
        }
    });
    let Some(schedule) = schedule.filter(|_| profile.active) else {
        return store.fire(profile, None, None).await;
    };
    let next_at = schedule.next_of(&profile.uuid, now);
    if schedule.end().is_some_and(|end| now >= end) {
        return store.fire(profile, None, None).await;
    }
    let slot = profile.next_at.unwrap_or(now);
    let uuid = guid_text(&fingerprint(format!("job {} {}", profile.uuid, slot.0).as_bytes())).unwrap_or_default();
    let payload = json!({ "mode": "delta", "slot": slot.to_rfc3339() });
    let job = NewJob::run_of(profile, &uuid, &payload, "schedule", now);
    store.fire(profile, next_at, Some(&job)).await
}
