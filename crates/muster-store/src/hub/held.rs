//! What the guard holds for an operator (design D9): read by the index of what is missing, never by counting assets.

use muster_core::clock::Instant;
use muster_core::ledger::LedgerLine;

use super::audit::note;
use super::{AuditLine, Changed, Refusal};
use crate::{Store, StoreError};

/// The most sets that are told.
const SETS: i64 = 1000;

/// The held assets of one scope of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldRow {
    /// Their connector.
    pub connector: i64,
    /// The profile that read the scope last.
    pub profile: Option<i64>,
    /// Their stream.
    pub stream: String,
    /// Their scope.
    pub scope: i64,
    /// The scope's name.
    pub scope_name: String,
    /// How many.
    pub held: u64,
    /// Since when the first of them is missing.
    pub since: Instant,
}

// `gone_at IS NULL`, not `state = 'present'`: that would lead SQLite to the index of present places, which are many.
const SETS_SQL: &str = "SELECT h.connector, s.profile, h.stream, h.scope, s.name, h.held, h.since FROM \
                        (SELECT a.connector, a.stream, a.scope, COUNT(*) AS held, MIN(a.missing_since) AS since \
                        FROM connector c JOIN asset a ON a.connector = c.id WHERE c.tenant = $1 AND c.removed_at IS NULL \
                        AND c.id = COALESCE($2, c.id) AND a.missing_since IS NOT NULL AND a.gone_at IS NULL \
                        GROUP BY a.connector, a.stream, a.scope) h \
                        JOIN scope s ON s.id = h.scope ORDER BY h.connector, h.stream, h.scope LIMIT $3";

impl Store {
    /// What is held in a tenant, or of one connector, by stream and scope.
    pub async fn held_sets(&self, tenant: i64, connector: Option<i64>) -> Result<Vec<HeldRow>, StoreError> {
        let mut reader = self.reader().await?;
        let values = params![tenant, connector, SETS];
        let rows = reader.conn().fetch("reading what is held", SETS_SQL, values).await?;
        rows.iter()
            .map(|row| {
                Ok(HeldRow {
                    connector: row.int(0)?,
                    profile: row.maybe_int(1)?,
                    stream: row.text(2)?,
                    scope: row.int(3)?,
                    scope_name: row.text(4)?,
                    held: crate::inventory::count(row.int(5)?),
                    since: Instant(row.int(6)?),
                })
            })
            .collect()
    }

    /// Why a set is held, as the ledger of the run that began to hold it says.
    pub async fn held_why(&self, tenant: i64, set: &HeldRow) -> Result<Option<String>, StoreError> {
        let mut reader = self.reader().await?;
        let sql = "SELECT r.line FROM run u JOIN run_scope r ON r.run = u.id JOIN scope s ON s.id = r.scope \
                   WHERE u.tenant = $1 AND u.connector = $2 AND u.as_of = $3 AND s.stream = $4 \
                   ORDER BY CASE WHEN s.id = $5 THEN 0 ELSE 1 END, r.position";
        let values = params![tenant, set.connector, set.since.0, set.stream.clone(), set.scope];
        for row in reader.conn().fetch("reading the ledger", sql, values).await? {
            let line: LedgerLine =
                serde_json::from_str(&row.text(0)?).map_err(|error| StoreError::Corrupt(error.to_string()))?;
            let held = line.notes.into_iter().find_map(|note| Some(note.strip_prefix("held: ")?.to_owned()));
            if held.is_some() {
                return Ok(held);
            }
        }
        Ok(None)
    }

    /// The ids of some assets of a set.
    pub async fn held_some(&self, set: &HeldRow, limit: i64) -> Result<Vec<i64>, StoreError> {
        let mut reader = self.reader().await?;
        let sql = "SELECT id FROM asset WHERE connector = $1 AND stream = $2 AND scope = $3 AND missing_since IS NOT NULL \
                   AND state = 'present' ORDER BY id LIMIT $4";
        let values = params![set.connector, set.stream.clone(), set.scope, limit];
        let rows = reader.conn().fetch("reading what is held", sql, values).await?;
        rows.iter().map(|row| row.int(0)).collect()
    }

    /// Keeps what is held of a connector: it counts as present until a reading misses it anew. Gives how many; refused
    /// while a run of the connector is open.
    pub async fn refuse_held(&self, (tenant, connector): (i64, i64), audit: &AuditLine) -> Changed<u64> {
        let mut transaction = self.begin().await?;
        let mut conn = transaction.conn()?;
        let sql = "SELECT id FROM run WHERE tenant = $1 AND connector = $2 AND state <> 'ended' LIMIT 1";
        if conn.fetch_one("looking for runs", sql, params![tenant, connector]).await?.is_some() {
            transaction.rollback().await;
            return Ok(Err(Refusal::Busy));
        }
        let sql = "UPDATE asset SET missing_since = NULL, missed = 0 WHERE tenant = $1 AND connector = $2 \
                   AND missing_since IS NOT NULL AND state = 'present'";
        let kept = conn.execute("keeping what is held", sql, params![tenant, connector]).await?;
        if kept == 0 {
            transaction.rollback().await;
            return Ok(Err(Refusal::Missing));
        }
        note(&mut conn, audit).await?;
        transaction.commit().await?;
        Ok(Ok(kept))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Location;

    #[tokio::test]
    async fn what_is_held_is_found_without_counting_assets() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&Location::Directory(directory.path().to_owned())).await.unwrap();
        let sql = format!("EXPLAIN QUERY PLAN {}", SETS_SQL);
        let mut reader = store.reader().await.unwrap();
        let rows = reader.conn().fetch("explaining", sql, params![1, None::<i64>, SETS]).await.unwrap();
        let plan: Vec<String> = rows.iter().map(|row| row.text(3).unwrap()).collect();
        assert!(plan.iter().any(|step| step.contains("USING INDEX asset_missing")), "{plan:#?}");
    }
}
