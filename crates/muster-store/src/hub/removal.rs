//! What becomes of a removed connector's assets.

use muster_core::asset::GoneCause;
use muster_core::clock::Instant;

use crate::retire::state_history;
use crate::{Store, StoreError};

impl Store {
    /// Marks some assets of a removed connector gone: (tenant, connector). Gives how many; 0 when none is left.
    pub async fn retire_removed(
        &self,
        (tenant, connector): (i64, i64),
        now: Instant,
        limit: i64,
    ) -> Result<usize, StoreError> {
        let mut transaction = self.begin().await?;
        let mut conn = transaction.conn()?;
        let sql = "UPDATE asset SET state = 'gone', gone_cause = $3, gone_at = $4, missing_since = NULL, \
                   recheck_at = NULL, changed_at = $4 WHERE id IN (SELECT a.id FROM asset a \
                   JOIN connector c ON c.id = a.connector WHERE a.tenant = $1 AND a.connector = $2 \
                   AND a.state = 'present' AND c.removed_at IS NOT NULL LIMIT $5) RETURNING id";
        let values = params![tenant, connector, GoneCause::ConnectorRemoved.word(), now.0, limit];
        let rows = conn.fetch("retiring a connector's assets", sql, values).await?;
        let mut ids = rows.iter().map(|row| row.int(0)).collect::<Result<Vec<_>, _>>()?;
        ids.sort_unstable();
        // No run of the engine's did it: history names run 0.
        state_history(&mut conn, (0, now), &ids, "present").await?;
        transaction.commit().await?;
        Ok(ids.len())
    }
}
