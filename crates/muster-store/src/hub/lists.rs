//! Lists that pages draw over all connectors of a tenant.

use crate::runs::{RUN_COLUMNS, run_row};
use crate::sql::Param;
use crate::{RunRow, Store, StoreError};

/// What a connector is called, also after it was removed: what it brought still names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectorLabel {
    /// Its id.
    pub id: i64,
    /// Its public id.
    pub uuid: String,
    /// Its name.
    pub name: String,
    /// The name of the kind of source.
    pub source_name: String,
    /// Whether it was removed.
    pub removed: bool,
}

/// Which runs.
#[derive(Debug, Clone, Copy, Default)]
pub struct RunFilter {
    /// Of one connector.
    pub connector: Option<i64>,
    /// Of one profile.
    pub profile: Option<i64>,
    /// That one.
    pub run: Option<i64>,
    /// Only those before this id.
    pub before: Option<i64>,
}

impl Store {
    /// What the connectors of a tenant are called.
    pub async fn connector_labels(&self, tenant: i64) -> Result<Vec<ConnectorLabel>, StoreError> {
        let mut reader = self.reader().await?;
        let sql = "SELECT id, uuid, name, source_name, removed_at FROM connector WHERE tenant = $1 ORDER BY id";
        let rows = reader.conn().fetch("reading connectors", sql, params![tenant]).await?;
        rows.iter()
            .map(|row| {
                Ok(ConnectorLabel {
                    id: row.int(0)?,
                    uuid: row.text(1)?,
                    name: row.text(2)?,
                    source_name: row.text(3)?,
                    removed: row.maybe_int(4)?.is_some(),
                })
            })
            .collect()
    }

    /// Runs of a tenant, newest first.
    pub async fn runs_of(&self, tenant: i64, filter: RunFilter, limit: i64) -> Result<Vec<RunRow>, StoreError> {
        let mut reader = self.reader().await?;
        let mut values = params![tenant, limit];
        let mut sql = format!("SELECT {RUN_COLUMNS} FROM run WHERE tenant = $1");
        let narrow = [
            ("connector =", filter.connector),
            ("profile =", filter.profile),
            ("id =", filter.run),
            ("id <", filter.before),
        ];
        for (column, wanted) in narrow {
            if let Some(wanted) = wanted {
                values.push(wanted.into());
                sql.push_str(&format!(" AND {column} ${}", values.len()));
            }
        }
        sql.push_str(" ORDER BY id DESC LIMIT $2");
        let rows = reader.conn().fetch("reading runs", sql, values).await?;
        rows.iter().map(run_row).collect()
    }

    /// What the source calls the members of a group that are no assets here.
    pub async fn unresolved_members(&self, tenant: i64, owner: i64, limit: i64) -> Result<Vec<String>, StoreError> {
        let mut reader = self.reader().await?;
        let sql = "SELECT COALESCE(e.label, e.member_key) FROM edge e JOIN asset o ON o.id = e.owner AND o.tenant = $1 \
                   WHERE e.owner = $2 AND e.kind = 'member' AND e.member IS NULL ORDER BY 1 LIMIT $3";
        let rows = reader.conn().fetch("reading unresolved members", sql, params![tenant, owner, limit]).await?;
        let labels = rows.iter().map(|row| Ok(row.maybe_text(0)?.unwrap_or_default()));
        labels.collect()
    }

    /// Present groups of these connectors whose external id is one of `whole`, or is of a domain and ends with one of
    /// `last` (both as external ids are written: `S-1-5-…`). Walks the groups, not the assets.
    pub async fn groups_by_sid(
        &self,
        tenant: i64,
        connectors: &[i64],
        (whole, last): (&[&str], &[u32]),
    ) -> Result<Vec<(i64, String)>, StoreError> {
        let mut reader = self.reader().await?;
        let mut values: Vec<Param> = params![tenant];
        let mut bind = |value: Param| {
            values.push(value);
            format!("${}", values.len())
        };
        let connectors: Vec<String> = connectors.iter().map(|&id| bind(id.into())).collect();
        if connectors.is_empty() {
            return Ok(Vec::new());
        }
        let mut tests: Vec<String> =
            whole.iter().map(|sid| format!("a.external_id = {}", bind((*sid).into()))).collect();
        tests.extend(last.iter().map(|rid| format!("a.external_id LIKE {}", bind(format!("S-1-5-21-%-{rid}").into()))));
        let sql = format!(
            "SELECT a.id, a.external_id FROM search_group s JOIN asset a ON a.id = s.asset_id \
             WHERE s.tenant = $1 AND a.tenant = $1 AND a.state = 'present' AND a.connector IN ({}) AND ({}) ORDER BY a.id",
            connectors.join(", "),
            tests.join(" OR ")
        );
        let rows = reader.conn().fetch("finding privileged groups", sql, values).await?;
        rows.iter().map(|row| Ok((row.int(0)?, row.text(1)?))).collect()
    }
}
