//! Profiles: how a connector runs, and when.

use muster_core::clock::Instant;
use muster_core::fold::fold;
use serde_json::Value;

use super::audit::note;
use super::jobs::{self, NewJob};
use super::{AuditLine, Changed, Refusal, value};
use crate::runs::{json, next_id};
use crate::sql::Row;
use crate::{Store, StoreError};

/// A profile.
#[derive(Debug, Clone, PartialEq)]
pub struct ProfileRow {
    /// Its id.
    pub id: i64,
    /// Its tenant.
    pub tenant: i64,
    /// Its connector.
    pub connector: i64,
    /// Its public id.
    pub uuid: String,
    /// Its name.
    pub name: String,
    /// Whether it runs.
    pub active: bool,
    /// Stream → `default` or the public id of a map of one's own.
    pub maps: Value,
    /// The `profile` section of its connector's settings.
    pub parameters: Value,
    /// When it runs; without one only when asked.
    pub schedule: Option<Value>,
    /// When it is due next.
    pub next_at: Option<Instant>,
    /// Counts its changes.
    pub version: i64,
    /// When it was made.
    pub created_at: Instant,
    /// When it was last changed.
    pub updated_at: Instant,
}

/// What a profile is made of, or changed to.
#[derive(Debug, Clone)]
pub struct ProfileChange<'a> {
    /// Its name.
    pub name: &'a str,
    /// Whether it runs.
    pub active: bool,
    /// Stream → map.
    pub maps: &'a Value,
    /// The `profile` section.
    pub parameters: &'a Value,
    /// When it runs.
    pub schedule: Option<&'a Value>,
    /// When it is due next, by that schedule.
    pub next_at: Option<Instant>,
    /// When.
    pub now: Instant,
}

const COLUMNS: &str = "SELECT id, tenant, connector, uuid, name, active, maps, parameters, schedule, next_at, version, \
                       created_at, updated_at FROM profile";

fn row(row: &Row) -> Result<ProfileRow, StoreError> {
    Ok(ProfileRow {
        id: row.int(0)?,
        tenant: row.int(1)?,
        connector: row.int(2)?,
        uuid: row.text(3)?,
        name: row.text(4)?,
        active: row.int(5)? != 0,
        maps: value(&row.text(6)?)?,
        parameters: value(&row.text(7)?)?,
        schedule: row.maybe_text(8)?.as_deref().map(value).transpose()?,
        next_at: row.maybe_int(9)?.map(Instant),
        version: row.int(10)?,
        created_at: Instant(row.int(11)?),
        updated_at: Instant(row.int(12)?),
    })
}

impl Store {
    /// Adds a profile to a connector: (tenant, connector), public id.
    pub async fn add_profile(
        &self,
        (tenant, connector): (i64, i64),
        uuid: &str,
        change: &ProfileChange<'_>,
        audit: &AuditLine,
    ) -> Changed<ProfileRow> {
        let mut transaction = self.begin().await?;
        let mut conn = transaction.conn()?;
        let id = next_id(&mut conn, 1).await?;
        let sql = "INSERT INTO profile (id, tenant, connector, uuid, name, name_folded, active, maps, parameters, schedule, \
                   next_at, version, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 1, $12, $12) \
                   ON CONFLICT (tenant, connector, name_folded) DO NOTHING";
        let values = params![
            id,
            tenant,
            connector,
            uuid,
            change.name,
            fold(change.name),
            i64::from(change.active),
            json(change.maps)?,
            json(change.parameters)?,
            change.schedule.map(json).transpose()?,
            change.next_at.map(|at| at.0),
            change.now.0,
        ];
        if conn.execute("adding a profile", sql, values).await? == 0 {
            transaction.rollback().await;
            return Ok(Err(Refusal::Taken));
        }
        note(&mut conn, audit).await?;
        transaction.commit().await?;
        Ok(self.profile(tenant, uuid).await?.ok_or(Refusal::Missing))
    }

    /// Changes a profile, if it still has the version that the change was made from.
    pub async fn change_profile(
        &self,
        before: &ProfileRow,
        change: &ProfileChange<'_>,
        audit: &AuditLine,
    ) -> Changed<ProfileRow> {
        let mut transaction = self.begin().await?;
        let mut conn = transaction.conn()?;
        let sql = "SELECT id FROM profile WHERE tenant = $1 AND connector = $2 AND name_folded = $3 AND id <> $4";
        let key = params![before.tenant, before.connector, fold(change.name), before.id];
        if conn.fetch_one("looking at names", sql, key).await?.is_some() {
            transaction.rollback().await;
            return Ok(Err(Refusal::Taken));
        }
        let sql = "UPDATE profile SET name = $3, name_folded = $4, active = $5, maps = $6, parameters = $7, schedule = $8, \
                   next_at = $9, version = version + 1, updated_at = $10 WHERE tenant = $1 AND id = $2 AND version = $11";
        let values = params![
            before.tenant,
            before.id,
            change.name,
            fold(change.name),
            i64::from(change.active),
            json(change.maps)?,
            json(change.parameters)?,
            change.schedule.map(json).transpose()?,
            change.next_at.map(|at| at.0),
            change.now.0,
            before.version,
        ];
        if conn.execute("changing a profile", sql, values).await? == 0 {
            transaction.rollback().await;
            return Ok(Err(Refusal::Changed));
        }
        note(&mut conn, audit).await?;
        transaction.commit().await?;
        Ok(self.profile(before.tenant, &before.uuid).await?.ok_or(Refusal::Missing))
    }

    /// Removes a profile, unless a job of it is open. What it brought stays: another full reading retires it.
    pub async fn remove_profile(&self, profile: &ProfileRow, audit: &AuditLine) -> Changed<()> {
        let mut transaction = self.begin().await?;
        let mut conn = transaction.conn()?;
        let sql = "SELECT id FROM job WHERE tenant = $1 AND profile = $2 AND state <> 'ended' LIMIT 1";
        if conn.fetch_one("looking for jobs", sql, params![profile.tenant, profile.id]).await?.is_some() {
            transaction.rollback().await;
            return Ok(Err(Refusal::Busy));
        }
        let sql = "DELETE FROM profile WHERE tenant = $1 AND id = $2";
        if conn.execute("removing a profile", sql, params![profile.tenant, profile.id]).await? == 0 {
            transaction.rollback().await;
            return Ok(Err(Refusal::Missing));
        }
        note(&mut conn, audit).await?;
        transaction.commit().await?;
        Ok(Ok(()))
    }

    /// The profile of that public id.
    pub async fn profile(&self, tenant: i64, uuid: &str) -> Result<Option<ProfileRow>, StoreError> {
        let mut reader = self.reader().await?;
        let sql = format!("{COLUMNS} WHERE tenant = $1 AND uuid = $2");
        let found = reader.conn().fetch_one("reading a profile", sql, params![tenant, uuid]).await?;
        found.as_ref().map(row).transpose()
    }

    /// The profile of that id.
    pub async fn profile_of(&self, tenant: i64, id: i64) -> Result<Option<ProfileRow>, StoreError> {
        let mut reader = self.reader().await?;
        let sql = format!("{COLUMNS} WHERE tenant = $1 AND id = $2");
        let found = reader.conn().fetch_one("reading a profile", sql, params![tenant, id]).await?;
        found.as_ref().map(row).transpose()
    }

    /// The profiles of a connector.
    pub async fn profiles(&self, tenant: i64, connector: i64) -> Result<Vec<ProfileRow>, StoreError> {
        let mut reader = self.reader().await?;
        let sql = format!("{COLUMNS} WHERE tenant = $1 AND connector = $2 ORDER BY id LIMIT 1000");
        let rows = reader.conn().fetch("reading profiles", sql, params![tenant, connector]).await?;
        rows.iter().map(row).collect()
    }

    /// The profiles, of all tenants, that are due.
    pub async fn due_profiles(&self, now: Instant, limit: i64) -> Result<Vec<ProfileRow>, StoreError> {
        let mut reader = self.reader().await?;
        let sql = format!("{COLUMNS} WHERE next_at IS NOT NULL AND next_at <= $1 ORDER BY next_at, id LIMIT $2");
        let rows = reader.conn().fetch("reading due profiles", sql, params![now.0, limit]).await?;
        rows.iter().map(row).collect()
    }

    /// Moves a due profile on and adds its job, in one transaction; false where another hub did so first. A job of the
    /// profile that is still open stands for this one, too: a profile never overlaps itself.
    pub async fn fire(
        &self,
        profile: &ProfileRow,
        next_at: Option<Instant>,
        job: Option<&NewJob<'_>>,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        let mut conn = transaction.conn()?;
        let sql = "UPDATE profile SET next_at = $4 WHERE tenant = $1 AND id = $2 AND next_at = $3";
        let seen = profile.next_at.map(|at| at.0);
        let values = params![profile.tenant, profile.id, seen, next_at.map(|at| at.0)];
        if conn.execute("moving a profile on", sql, values).await? == 0 {
            transaction.rollback().await;
            return Ok(false);
        }
        if let Some(job) = job {
            jobs::add(&mut conn, job).await?;
        }
        transaction.commit().await?;
        Ok(true)
    }
}
