//! Letting go of what is kept for so many days only: a hub does it once a day (design D14).

use muster_core::clock::Instant;
use muster_store::hub::{AuditLine, Purged};
use muster_store::{Store, StoreError};
use serde_json::json;

const DAY: i64 = 86_400_000_000;
/// Rows that go at once.
const AT_ONCE: i64 = 2000;

/// Lets go, in every tenant, of what is older than so many days: records and history of what is gone, documents that
/// nothing names, dead letters, ended jobs and what they told, sessions that are over. Each tenant that lost something
/// finds a line in its audit.
pub async fn purge(store: &Store, days: u32, now: Instant) -> Result<(), StoreError> {
    let before = now.plus(-i64::from(days) * DAY);
    for tenant in store.tenants().await? {
        let purged = store.purge(tenant.id, (before, now), AT_ONCE).await?;
        let Purged { raw, changes, blobs, letters, events, jobs, sessions } = purged;
        if purged == Purged::default() {
            continue;
        }
        tracing::info!(
            tenant = tenant.uuid,
            raw,
            changes,
            blobs,
            letters,
            events,
            jobs,
            sessions,
            "let go of what was kept long"
        );
        let detail = json!({
            "before": before.to_rfc3339(), "rawRecords": raw, "historyEntries": changes, "documents": blobs,
            "deadLetters": letters, "events": events, "jobs": jobs, "sessions": sessions,
        });
        let line = AuditLine {
            tenant: tenant.id,
            at: now,
            actor_kind: "operator",
            actor: "muster".to_owned(),
            action: "retention.purge",
            object_kind: "tenant",
            object: tenant.uuid,
            detail,
            request: String::new(),
        };
        store.audit(&line).await?;
    }
    Ok(())
}
