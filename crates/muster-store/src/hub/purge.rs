//! Letting go of what is kept for a time only (design D14): some rows at once, so that nobody waits long for the writer.

use muster_core::clock::Instant;

use crate::dialect::Dialect;
use crate::sql::{Bulk, Param};
use crate::{Store, StoreError};

/// How much was let go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Purged {
    /// Records, as they were read, of assets that are gone.
    pub raw: u64,
    /// Entries in the history of assets that are gone.
    pub changes: u64,
    /// Documents that no asset names but such as are gone for long.
    pub blobs: u64,
    /// Dead letters.
    pub letters: u64,
    /// What jobs told.
    pub events: u64,
    /// Jobs that have ended.
    pub jobs: u64,
    /// Sessions that have ended by themselves.
    pub sessions: u64,
}

/// What goes by its age alone: (operation, statement). The statements take tenant, time and the most rows.
const BY_AGE: [(&str, &str); 3] = [
    (
        "purging dead letters",
        "DELETE FROM dead_letter WHERE id IN (SELECT id FROM dead_letter WHERE tenant = $1 AND at < $2 LIMIT $3)",
    ),
    (
        "purging events",
        "DELETE FROM event WHERE id IN (SELECT id FROM event WHERE tenant = $1 AND at < $2 ORDER BY at LIMIT $3)",
    ),
    (
        "purging jobs",
        "DELETE FROM job WHERE id IN (SELECT id FROM job WHERE tenant = $1 AND state = 'ended' AND ended_at < $2 \
         ORDER BY id LIMIT $3)",
    ),
];

impl Store {
    /// Lets go of what a tenant keeps from before a time, at most so many rows of a kind at once; of sessions, those that
    /// are over. An asset that is gone stays, with its document; one that is present loses nothing.
    pub async fn purge(
        &self,
        tenant: i64,
        (before, now): (Instant, Instant),
        at_once: i64,
    ) -> Result<Purged, StoreError> {
        let mut purged = self.purge_gone(tenant, before, at_once).await?;
        purged.blobs = self.purge_blobs(tenant, before, at_once).await?;
        let [letters, events, jobs] = BY_AGE;
        for (count, (operation, sql)) in
            [(&mut purged.letters, letters), (&mut purged.events, events), (&mut purged.jobs, jobs)]
        {
            *count = self.purge_rows(operation, sql, params![tenant, before.0, at_once]).await?;
        }
        let sql = "DELETE FROM session WHERE tenant = $1 AND id IN \
                   (SELECT id FROM session WHERE tenant = $1 AND expires_at < $2 LIMIT $3)";
        purged.sessions = self.purge_rows("purging sessions", sql, params![tenant, now.0, at_once]).await?;
        Ok(purged)
    }

    /// Repeats a statement that deletes some rows until it finds none.
    async fn purge_rows(
        &self,
        operation: &'static str,
        sql: &'static str,
        values: Vec<Param>,
    ) -> Result<u64, StoreError> {
        let mut purged = 0;
        loop {
            // Taken anew each time: whoever waits for the writer has their turn in between.
            let mut writer = self.writer().await?;
            match writer.conn().execute(operation, sql, values.clone()).await? {
                0 => return Ok(purged),
                more => purged += more,
            }
        }
    }

    /// Documents that came before a time and that no asset names: none that is present, none that went since. While a run
    /// is open they stay: it may have put aside a record that names one (D9).
    async fn purge_blobs(&self, tenant: i64, before: Instant, at_once: i64) -> Result<u64, StoreError> {
        let sql = "DELETE FROM blob WHERE tenant = $1 AND name IN (SELECT name FROM blob WHERE tenant = $1 AND at < $2 \
                   AND name NOT IN (SELECT s.masif_location FROM search_api s JOIN asset a ON a.id = s.asset_id \
                   WHERE s.tenant = $1 AND s.masif_location IS NOT NULL AND (a.state = 'present' OR a.gone_at >= $2)) \
                   AND NOT EXISTS (SELECT 1 FROM run WHERE tenant = $1 AND state <> 'ended') LIMIT $3)";
        let mut purged = 0;
        loop {
            let mut transaction = self.begin().await?;
            let mut conn = transaction.conn()?;
            // Whoever brings a document that is kept already writes nothing: they either wait for this, or are waited for.
            if conn.dialect() == Dialect::Postgres {
                let lock = "LOCK TABLE blob IN SHARE ROW EXCLUSIVE MODE";
                conn.execute("locking documents", lock, Vec::new()).await?;
            }
            let more = conn.execute("purging documents", sql, params![tenant, before.0, at_once]).await?;
            transaction.commit().await?;
            if more == 0 {
                return Ok(purged);
            }
            purged += more;
        }
    }

    /// Records and history of what is gone since before a time.
    async fn purge_gone(&self, tenant: i64, before: Instant, at_once: i64) -> Result<Purged, StoreError> {
        let (mut purged, mut last) = (Purged::default(), (i64::MIN, 0));
        loop {
            let mut transaction = self.begin().await?;
            let mut conn = transaction.conn()?;
            let dialect = conn.dialect();
            // Locked, so that none of them is read again meanwhile.
            let lock = if dialect == Dialect::Postgres { " FOR UPDATE" } else { "" };
            let sql = format!(
                "SELECT gone_at, id FROM asset WHERE tenant = $1 AND state = 'gone' AND gone_at < $2 \
                 AND (gone_at > $3 OR (gone_at = $3 AND id > $4)) ORDER BY gone_at, id LIMIT $5{lock}"
            );
            let values = params![tenant, before.0, last.0, last.1, at_once];
            let rows = conn.fetch("finding what is gone for long", sql, values).await?;
            let Some(end) = rows.last() else {
                transaction.rollback().await;
                return Ok(purged);
            };
            last = (end.int(0)?, end.int(1)?);
            let ids = rows.iter().map(|row| row.int(1)).collect::<Result<Vec<_>, _>>()?;
            let (source, values) = Bulk::ids(dialect, &ids).source(dialect, "b", 1);
            let sql = format!(
                "UPDATE document SET raw = NULL WHERE raw IS NOT NULL AND asset IN (SELECT b.id FROM {source})"
            );
            purged.raw += conn.execute("purging records", sql, values.clone()).await?;
            let sql = format!("DELETE FROM change WHERE asset IN (SELECT b.id FROM {source})");
            purged.changes += conn.execute("purging history", sql, values).await?;
            transaction.commit().await?;
        }
    }
}
