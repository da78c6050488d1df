//! What jobs tell while they go on: append-only.

use muster_core::clock::Instant;
use serde_json::Value;

use super::value;
use crate::runs::{json, next_id};
use crate::sql::Row;
use crate::{Store, StoreError};

/// Something to tell.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEvent {
    /// When.
    pub at: Instant,
    /// `info`, `warn` or `error`.
    pub level: &'static str,
    /// `log`, `step`, `progress` or `state`.
    pub kind: &'static str,
    /// In words.
    pub message: String,
    /// What a page draws from it.
    pub data: Option<Value>,
}

/// Something told.
#[derive(Debug, Clone, PartialEq)]
pub struct EventRow {
    /// Its id: later ones are greater.
    pub id: i64,
    /// When.
    pub at: Instant,
    /// `info`, `warn` or `error`.
    pub level: String,
    /// `log`, `step`, `progress` or `state`.
    pub kind: String,
    /// In words.
    pub message: String,
    /// What a page draws from it.
    pub data: Option<Value>,
}

impl Store {
    /// Tells some events of a job, in their order.
    pub async fn tell(&self, tenant: i64, job: i64, events: &[NewEvent]) -> Result<(), StoreError> {
        if events.is_empty() {
            return Ok(());
        }
        let mut transaction = self.begin().await?;
        let mut conn = transaction.conn()?;
        // Ids are drawn under the lock that the transaction holds until its end: a reader that saw one saw all before it.
        let first = next_id(&mut conn, i64::try_from(events.len()).unwrap_or(i64::MAX)).await?;
        for (id, event) in (first..).zip(events) {
            let data = event.data.as_ref().map(json).transpose()?;
            let sql = "INSERT INTO event (id, tenant, job, at, level, kind, message, data) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
            let values = params![id, tenant, job, event.at.0, event.level, event.kind, event.message.clone(), data];
            conn.execute("telling an event", sql, values).await?;
        }
        transaction.commit().await
    }

    /// What a job told after an event, oldest first.
    pub async fn events(&self, tenant: i64, job: i64, after: i64, limit: i64) -> Result<Vec<EventRow>, StoreError> {
        let mut reader = self.reader().await?;
        let sql = "SELECT id, at, level, kind, message, data FROM event \
                   WHERE tenant = $1 AND job = $2 AND id > $3 ORDER BY id LIMIT $4";
        let rows = reader.conn().fetch("reading events", sql, params![tenant, job, after, limit]).await?;
        rows.iter().map(row).collect()
    }
}

fn row(row: &Row) -> Result<EventRow, StoreError> {
    Ok(EventRow {
        id: row.int(0)?,
        at: Instant(row.int(1)?),
        level: row.text(2)?,
        kind: row.text(3)?,
        message: row.text(4)?,
        data: row.maybe_text(5)?.as_deref().map(value).transpose()?,
    })
}
