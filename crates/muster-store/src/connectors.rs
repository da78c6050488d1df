//! Connectors and the maps that made their assets.

use muster_core::clock::Instant;
use muster_core::fold::fold;

use crate::runs::{ConnectorRow, FIRST_TENANT, next_id};
use crate::{Store, StoreError};

/// What makes a connector known to the store.
#[derive(Debug, Clone, Copy)]
pub struct NewConnector<'a> {
    /// Its type.
    pub type_name: &'a str,
    /// Its name, unique in its tenant.
    pub name: &'a str,
    /// The name of the kind of source.
    pub source_name: &'a str,
    /// Its public id.
    pub uuid: &'a str,
}

impl Store {
    /// Finds the connector of that name, or makes it known.
    pub async fn ensure_connector(&self, new: NewConnector<'_>, now: Instant) -> Result<ConnectorRow, StoreError> {
        let mut transaction = self.begin().await?;
        let mut conn = transaction.conn()?;
        let tenant = vec![FIRST_TENANT.into(), new.uuid.into(), now.0.into()];
        let sql = "INSERT INTO tenant (id, uuid, name, created_at) VALUES ($1, $2, 'default', $3) ON CONFLICT (id) DO NOTHING";
        conn.execute("making the first tenant", sql, tenant).await?;
        let found = "SELECT id FROM connector WHERE tenant = $1 AND name_folded = $2 AND removed_at IS NULL";
        let key = vec![FIRST_TENANT.into(), fold(new.name).into()];
        let id = match conn.fetch_one("finding the connector", found, key).await? {
            Some(row) => row.int(0)?,
            None => {
                let id = next_id(&mut conn, 1).await?;
                let sql = "INSERT INTO connector (id, tenant, uuid, type, name, name_folded, source_name, source_folded, \
                           created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)";
                let params = vec![
                    id.into(),
                    FIRST_TENANT.into(),
                    new.uuid.into(),
                    new.type_name.into(),
                    new.name.into(),
                    fold(new.name).into(),
                    new.source_name.into(),
                    fold(new.source_name).into(),
                    now.0.into(),
                ];
                conn.execute("adding the connector", sql, params).await?;
                id
            }
        };
        transaction.commit().await?;
        Ok(ConnectorRow { id, tenant: FIRST_TENANT, name: new.name.to_owned() })
    }

    /// All connectors of the first tenant, by name.
    pub async fn connectors(&self) -> Result<Vec<ConnectorRow>, StoreError> {
        let mut reader = self.reader().await?;
        let sql = "SELECT id, tenant, name FROM connector WHERE tenant = $1 AND removed_at IS NULL ORDER BY name";
        let rows = reader.conn().fetch("reading connectors", sql, vec![FIRST_TENANT.into()]).await?;
        rows.iter().map(|row| Ok(ConnectorRow { id: row.int(0)?, tenant: row.int(1)?, name: row.text(2)? })).collect()
    }

    /// Finds the map with that text, or keeps it: assets refer to it for ever.
    pub async fn ensure_map(
        &self,
        tenant: i64,
        map: &muster_core::map::TransformMap,
        now: Instant,
    ) -> Result<i64, StoreError> {
        let mut transaction = self.begin().await?;
        let mut conn = transaction.conn()?;
        let stream = map.model().name.clone();
        let sql = "SELECT id FROM transform_map WHERE tenant = $1 AND stream = $2 AND fingerprint = $3";
        let key = vec![tenant.into(), stream.clone().into(), map.fingerprint.to_vec().into()];
        let id = match conn.fetch_one("finding the map", sql, key).await? {
            Some(row) => row.int(0)?,
            None => {
                let id = next_id(&mut conn, 1).await?;
                let sql = "INSERT INTO transform_map (id, tenant, stream, name, version, fingerprint, text, created_at) \
                           VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
                let params = vec![
                    id.into(),
                    tenant.into(),
                    stream.into(),
                    map.name.clone().into(),
                    i64::from(map.version).into(),
                    map.fingerprint.to_vec().into(),
                    map.text.to_string().into(),
                    now.0.into(),
                ];
                conn.execute("keeping the map", sql, params).await?;
                id
            }
        };
        transaction.commit().await?;
        Ok(id)
    }

    /// The name, version and text of a map, by the id that assets carry.
    pub async fn map_text(&self, tenant: i64, id: i64) -> Result<Option<(String, String)>, StoreError> {
        let mut reader = self.reader().await?;
        let sql = "SELECT stream, text FROM transform_map WHERE tenant = $1 AND id = $2";
        let row = reader.conn().fetch_one("reading a map", sql, vec![tenant.into(), id.into()]).await?;
        row.map(|row| Ok((row.text(0)?, row.text(1)?))).transpose()
    }
}
