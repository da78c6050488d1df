//! Maps of one's own: a locked default, cloned, with its versions.

use muster_core::clock::Instant;
use muster_core::fold::fold;

use super::audit::note;
use super::{AuditLine, Changed, Page, Refusal};
use crate::runs::next_id;
use crate::sql::{Conn, Row};
use crate::{Store, StoreError};

/// A map of one's own, in its latest version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnMapRow {
    /// Its id.
    pub id: i64,
    /// Its tenant.
    pub tenant: i64,
    /// Its public id.
    pub uuid: String,
    /// The connector type.
    pub type_name: String,
    /// The stream.
    pub stream: String,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: i64,
    /// The text of that version.
    pub text: String,
    /// When it was made.
    pub created_at: Instant,
    /// When that version was made.
    pub updated_at: Instant,
}

/// What makes a map.
#[derive(Debug, Clone, Copy)]
pub struct NewMap<'a> {
    /// Its tenant.
    pub tenant: i64,
    /// Its public id.
    pub uuid: &'a str,
    /// The connector type.
    pub type_name: &'a str,
    /// The stream.
    pub stream: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Its text.
    pub text: &'a str,
}

/// A version of a map, without its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MapVersionRow {
    /// Its number.
    pub version: i64,
    /// When it was made.
    pub at: Instant,
    /// By whom.
    pub author: String,
}

const COLUMNS: &str = "SELECT m.id, m.tenant, m.uuid, m.type, m.stream, m.name, m.version, v.text, m.created_at, \
                       m.updated_at FROM own_map m JOIN own_map_version v ON v.map = m.id AND v.version = m.version";

fn row(row: &Row) -> Result<OwnMapRow, StoreError> {
    Ok(OwnMapRow {
        id: row.int(0)?,
        tenant: row.int(1)?,
        uuid: row.text(2)?,
        type_name: row.text(3)?,
        stream: row.text(4)?,
        name: row.text(5)?,
        version: row.int(6)?,
        text: row.text(7)?,
        created_at: Instant(row.int(8)?),
        updated_at: Instant(row.int(9)?),
    })
}

async fn add_version(
    conn: &mut Conn<'_>,
    (map, version): (i64, i64),
    text: &str,
    audit: &AuditLine,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO own_map_version (map, version, text, at, author) VALUES ($1, $2, $3, $4, $5)";
    conn.execute("adding a map's version", sql, params![map, version, text, audit.at.0, audit.actor.clone()]).await?;
    note(conn, audit).await
}

impl Store {
    /// Adds a map.
    pub async fn add_map(&self, new: NewMap<'_>, audit: &AuditLine) -> Changed<OwnMapRow> {
        let mut transaction = self.begin().await?;
        let mut conn = transaction.conn()?;
        let id = next_id(&mut conn, 1).await?;
        let sql = "INSERT INTO own_map (id, tenant, uuid, type, stream, name, name_folded, version, created_at, updated_at) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7, 1, $8, $8) ON CONFLICT (tenant, type, stream, name_folded) DO NOTHING";
        let values = params![id, new.tenant, new.uuid, new.type_name, new.stream, new.name, fold(new.name), audit.at.0];
        if conn.execute("adding a map", sql, values).await? == 0 {
            transaction.rollback().await;
            return Ok(Err(Refusal::Taken));
        }
        add_version(&mut conn, (id, 1), new.text, audit).await?;
        transaction.commit().await?;
        Ok(self.own_map(new.tenant, new.uuid).await?.ok_or(Refusal::Missing))
    }

    /// Gives a map another text: a new version, if `map` is still the latest.
    pub async fn change_map(&self, map: &OwnMapRow, text: &str, audit: &AuditLine) -> Changed<OwnMapRow> {
        let mut transaction = self.begin().await?;
        let mut conn = transaction.conn()?;
        let sql =
            "UPDATE own_map SET version = version + 1, updated_at = $4 WHERE tenant = $1 AND id = $2 AND version = $3";
        let values = params![map.tenant, map.id, map.version, audit.at.0];
        if conn.execute("changing a map", sql, values).await? == 0 {
            transaction.rollback().await;
            return Ok(Err(Refusal::Changed));
        }
        add_version(&mut conn, (map.id, map.version + 1), text, audit).await?;
        transaction.commit().await?;
        Ok(self.own_map(map.tenant, &map.uuid).await?.ok_or(Refusal::Missing))
    }

    /// Removes a map that no profile chooses.
    pub async fn remove_map(&self, map: &OwnMapRow, audit: &AuditLine) -> Changed<()> {
        let mut transaction = self.begin().await?;
        let mut conn = transaction.conn()?;
        // A public id is found in no other value of `maps`.
        let sql = "SELECT id FROM profile WHERE tenant = $1 AND maps LIKE $2 LIMIT 1";
        let chosen =
            conn.fetch_one("looking for profiles", sql, params![map.tenant, format!("%{}%", map.uuid)]).await?;
        if chosen.is_some() {
            transaction.rollback().await;
            return Ok(Err(Refusal::Busy));
        }
        conn.execute("removing a map", "DELETE FROM own_map_version WHERE map = $1", params![map.id]).await?;
        let sql = "DELETE FROM own_map WHERE tenant = $1 AND id = $2";
        conn.execute("removing a map", sql, params![map.tenant, map.id]).await?;
        note(&mut conn, audit).await?;
        transaction.commit().await?;
        Ok(Ok(()))
    }

    /// The map of that public id.
    pub async fn own_map(&self, tenant: i64, uuid: &str) -> Result<Option<OwnMapRow>, StoreError> {
        let mut reader = self.reader().await?;
        let sql = format!("{COLUMNS} WHERE m.tenant = $1 AND m.uuid = $2");
        let found = reader.conn().fetch_one("reading a map", sql, params![tenant, uuid]).await?;
        found.as_ref().map(row).transpose()
    }

    /// The maps of a tenant.
    pub async fn own_maps(&self, tenant: i64, page: Page) -> Result<Vec<OwnMapRow>, StoreError> {
        let mut reader = self.reader().await?;
        let sql = format!("{COLUMNS} WHERE m.tenant = $1 AND m.id > $2 ORDER BY m.id LIMIT $3");
        let rows = reader.conn().fetch("reading maps", sql, params![tenant, page.after, page.limit]).await?;
        rows.iter().map(row).collect()
    }

    /// The versions of a map, latest first.
    pub async fn map_versions(&self, map: &OwnMapRow, limit: i64) -> Result<Vec<MapVersionRow>, StoreError> {
        let mut reader = self.reader().await?;
        let sql = "SELECT v.version, v.at, v.author FROM own_map m JOIN own_map_version v ON v.map = m.id \
                   WHERE m.tenant = $1 AND m.id = $2 ORDER BY v.version DESC LIMIT $3";
        let rows = reader.conn().fetch("reading a map's versions", sql, params![map.tenant, map.id, limit]).await?;
        rows.iter()
            .map(|row| Ok(MapVersionRow { version: row.int(0)?, at: Instant(row.int(1)?), author: row.text(2)? }))
            .collect()
    }

    /// Some present assets of a stream of a connector type: what a map is tried on.
    pub async fn assets_of_stream(
        &self,
        tenant: i64,
        (type_name, stream): (&str, &str),
        limit: i64,
    ) -> Result<Vec<i64>, StoreError> {
        let mut reader = self.reader().await?;
        let sql = "SELECT a.id FROM connector c JOIN asset a ON a.connector = c.id WHERE c.tenant = $1 AND c.type = $2 \
                   AND c.removed_at IS NULL AND a.stream = $3 AND a.state = 'present' LIMIT $4";
        let rows = reader.conn().fetch("reading assets", sql, params![tenant, type_name, stream, limit]).await?;
        rows.iter().map(|row| row.int(0)).collect()
    }

    /// An earlier version of a map.
    pub async fn map_version(&self, map: &OwnMapRow, version: i64) -> Result<Option<String>, StoreError> {
        let mut reader = self.reader().await?;
        let sql = "SELECT v.text FROM own_map_version v JOIN own_map m ON m.id = v.map \
                   WHERE m.tenant = $1 AND m.id = $2 AND v.version = $3";
        let row = reader.conn().fetch_one("reading a map", sql, params![map.tenant, map.id, version]).await?;
        row.map(|row| row.text(0)).transpose()
    }
}
