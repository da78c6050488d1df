//! Assets for people: lists, their places, memberships, history, dead letters.

use muster_core::clock::Instant;

use crate::inventory::parse_detail;
use crate::runs::ConnectorRow;
use crate::sql::{Bulk, Cell, ColumnKind, Row};
use crate::{Store, StoreError};

/// An asset for lists and documents.
#[derive(Debug, Clone, PartialEq)]
pub struct AssetRow {
    /// The asset.
    pub id: i64,
    /// Its connector.
    pub connector: i64,
    /// Its stream.
    pub stream: String,
    /// Its class.
    pub class: String,
    /// Its source key.
    pub source_key: String,
    /// `present`, `gone` or `held`.
    pub status: &'static str,
    /// Why it is gone.
    pub gone_cause: Option<String>,
    /// When it was first seen.
    pub first_seen: Instant,
    /// When its content last changed.
    pub changed_at: Instant,
    /// When the scope it lies in was last read to its end; of what is held or gone, nothing.
    pub last_seen: Option<Instant>,
    /// When its presence was last proven, by a full reading or a sweep; of what is held or gone, nothing.
    pub proven_at: Option<Instant>,
    /// Since when it is held, or gone.
    pub missing_since: Option<Instant>,
    /// The document: header and detail.
    pub document: serde_json::Value,
    /// The map that made it.
    pub map: i64,
    /// The server its volatile values came from.
    pub origin: Option<String>,
    /// The source key of its container.
    pub container: Option<String>,
    /// Its name in the container.
    pub relative_name: Option<String>,
}

/// An asset for output: its parts as they are stored, the document as text.
#[derive(Debug, Clone)]
pub struct AssetText {
    /// The asset.
    pub id: i64,
    /// Its class.
    pub class: String,
    /// Why it is gone, if it is.
    pub gone: Option<Option<String>>,
    /// Its external id.
    pub external_id: Option<String>,
    /// Its vendor id.
    pub vendor_id: Option<String>,
    /// The `assetDetail` document: JSON.
    pub detail: Box<serde_json::value::RawValue>,
}

/// An entry of an asset's history.
#[derive(Debug, Clone, PartialEq)]
pub struct ChangeRecord {
    /// When, as of the run.
    pub at: Instant,
    /// Why.
    pub cause: String,
    /// Path → the value before.
    pub before: serde_json::Value,
    /// What changed in an API's definition, where it changed: a list.
    pub definition: Option<serde_json::Value>,
}

/// A record that was rejected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetterRow {
    /// Its stream.
    pub stream: String,
    /// Its source key.
    pub source_key: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Instant,
}

impl Store {
    /// Assets by id, for output; in no order.
    pub async fn assets(&self, tenant: i64, ids: &[i64]) -> Result<Vec<AssetRow>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut reader = self.reader().await?;
        let mut conn = reader.conn();
        let dialect = conn.dialect();
        let bulk = Bulk::ids(dialect, ids);
        let (source, params) = bulk.source(dialect, "b", 2);
        let join = dialect.bulk_join();
        let sql = format!(
            "SELECT a.id, a.class, a.source_key, a.state, a.missing_since, a.gone_cause, a.first_seen, a.changed_at, \
             a.external_id, a.vendor_id, d.detail, a.map, a.origin, a.container, a.relative_name, \
             a.connector, a.stream, p.complete_at, p.presence_proven_at, a.gone_at \
             FROM {source} {join} asset a ON a.id = b.id AND a.tenant = $1 {join} document d ON d.asset = b.id \
             LEFT JOIN scope p ON p.id = a.scope"
        );
        let mut all = vec![tenant.into()];
        all.extend(params);
        conn.fetch("reading assets", sql, all).await?.iter().map(asset_row).collect()
    }

    /// The same as they are stored, for output of many.
    pub async fn asset_texts(&self, tenant: i64, ids: &[i64]) -> Result<Vec<AssetText>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut reader = self.reader().await?;
        let mut conn = reader.conn();
        let dialect = conn.dialect();
        let (source, params) = Bulk::ids(dialect, ids).source(dialect, "b", 2);
        let join = dialect.bulk_join();
        let sql = format!(
            "SELECT a.id, a.class, a.state, a.gone_cause, a.external_id, a.vendor_id, d.detail \
             FROM {source} {join} asset a ON a.id = b.id AND a.tenant = $1 {join} document d ON d.asset = b.id"
        );
        let mut all = vec![tenant.into()];
        all.extend(params);
        let rows = conn.fetch("reading assets", sql, all).await?;
        rows.iter()
            .map(|row| {
                let cause = row.maybe_text(3)?;
                let detail = serde_json::value::RawValue::from_string(row.text(6)?);
                Ok(AssetText {
                    id: row.int(0)?,
                    class: row.text(1)?,
                    gone: (row.text(2)? == "gone").then_some(cause),
                    external_id: row.maybe_text(4)?,
                    vendor_id: row.maybe_text(5)?,
                    detail: detail.map_err(|error| StoreError::Corrupt(format!("a document: {error}")))?,
                })
            })
            .collect()
    }

    /// The next ids of a connector's present assets of a stream, after one.
    pub async fn asset_ids(&self, connector: &ConnectorRow, stream: &str, after: i64) -> Result<Vec<i64>, StoreError> {
        let mut reader = self.reader().await?;
        let sql = "SELECT id FROM asset WHERE tenant = $1 AND connector = $2 AND stream = $3 AND id > $4 ORDER BY id LIMIT 1000";
        let params = vec![connector.tenant.into(), connector.id.into(), stream.into(), after.into()];
        let rows = reader.conn().fetch("listing assets", sql, params).await?;
        rows.iter().map(|row| row.int(0)).collect()
    }

    /// The container and the name in it of each of these containers of a connector.
    pub async fn containers(
        &self,
        connector: i64,
        keys: &[String],
    ) -> Result<Vec<(String, Option<String>, Option<String>)>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let mut reader = self.reader().await?;
        let mut conn = reader.conn();
        let dialect = conn.dialect();
        let mut bulk = Bulk::new(dialect, &[("k", ColumnKind::Text)], keys.len());
        keys.iter().for_each(|key| bulk.push(&[Cell::Text(key)]));
        let (source, params) = bulk.source(dialect, "b", 2);
        let join = dialect.bulk_join();
        let sql = format!(
            "SELECT a.source_key, a.container, a.relative_name FROM {source} {join} asset a ON a.tenant = \
             (SELECT tenant FROM connector WHERE id = $1) AND a.connector = $1 AND a.stream = 'containers' AND a.source_key = b.k"
        );
        let mut all = vec![connector.into()];
        all.extend(params);
        let rows = conn.fetch("reading containers", sql, all).await?;
        rows.iter().map(|row| Ok((row.text(0)?, row.maybe_text(1)?, row.maybe_text(2)?))).collect()
    }

    /// What these assets are members of, direct: pairs of member and owner. A user's primary group (by the last number
    /// of its SID) is among them, as no `member` value says it (MS-ADTS 3.1.1.4.5.22).
    pub async fn owners_of(&self, tenant: i64, members: &[i64]) -> Result<Vec<(i64, i64)>, StoreError> {
        let statements = [
            "SELECT b.id, o.id FROM {source} {join} edge e ON e.member = b.id AND e.kind = 'member' \
             {join} asset o ON o.id = e.owner AND o.tenant = $1 AND o.state = 'present'",
            "SELECT b.id, g.id FROM {source} {join} asset u ON u.id = b.id AND u.tenant = $1 AND u.class = 'user' \
             {join} search_user s ON s.asset_id = u.id AND s.primary_group IS NOT NULL \
             {join} asset g ON g.tenant = $1 AND g.connector = u.connector AND g.class = 'group' AND g.state = 'present' \
             AND g.external_id = substr(u.external_id, 1, length(u.external_id) - length({rid})) || CAST(s.primary_group AS TEXT)",
        ];
        self.links_of(tenant, members, statements).await
    }

    /// The direct members of these groups: pairs of owner and member, those by primary group among them.
    pub async fn members_of(&self, tenant: i64, owners: &[i64]) -> Result<Vec<(i64, i64)>, StoreError> {
        let statements = [
            "SELECT b.id, m.id FROM {source} {join} edge e ON e.owner = b.id AND e.kind = 'member' \
             {join} asset m ON m.id = e.member AND m.tenant = $1 AND m.state = 'present'",
            "SELECT b.id, u.id FROM {source} {join} asset g ON g.id = b.id AND g.tenant = $1 AND g.class = 'group' \
             {join} search_user s ON s.tenant = $1 AND s.primary_group = CAST({gid} AS BIGINT) \
             {join} asset u ON u.id = s.asset_id AND u.connector = g.connector AND u.state = 'present' \
             AND substr(u.external_id, 1, length(g.external_id) - length({gid})) = substr(g.external_id, 1, length(g.external_id) - length({gid}))",
        ];
        self.links_of(tenant, owners, statements).await
    }

    /// The pairs that statements find for these assets, sorted; `{rid}` stands for the last number of a user's SID,
    /// `{gid}` for that of a group's.
    async fn links_of(&self, tenant: i64, of: &[i64], statements: [&str; 2]) -> Result<Vec<(i64, i64)>, StoreError> {
        if of.is_empty() {
            return Ok(Vec::new());
        }
        let mut reader = self.reader().await?;
        let mut conn = reader.conn();
        let dialect = conn.dialect();
        let user = dialect.last_number();
        let group = user.replace("u.external_id", "g.external_id");
        let mut found = Vec::new();
        for statement in statements {
            let (source, params) = Bulk::ids(dialect, of).source(dialect, "b", 2);
            let statement = statement.replace("{source}", &source).replace("{join}", dialect.bulk_join());
            let sql = statement.replace("{rid}", user).replace("{gid}", &group);
            let mut all = vec![tenant.into()];
            all.extend(params);
            for row in conn.fetch("reading memberships", sql, all).await? {
                found.push((row.int(0)?, row.int(1)?));
            }
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    /// The history of an asset, newest first.
    pub async fn history(&self, tenant: i64, asset: i64) -> Result<Vec<ChangeRecord>, StoreError> {
        let mut reader = self.reader().await?;
        let sql = "SELECT h.at, h.cause, h.before, h.definition FROM change h JOIN asset a ON a.id = h.asset \
                   WHERE h.asset = $1 AND a.tenant = $2 ORDER BY h.id DESC LIMIT 1000";
        let rows = reader.conn().fetch("reading history", sql, vec![asset.into(), tenant.into()]).await?;
        rows.iter()
            .map(|row| {
                let read =
                    |text: &str| serde_json::from_str(text).map_err(|error| StoreError::Corrupt(error.to_string()));
                let definition = row.maybe_text(3)?.as_deref().map(read).transpose()?;
                Ok(ChangeRecord {
                    at: Instant(row.int(0)?),
                    cause: row.text(1)?,
                    before: read(&row.text(2)?)?,
                    definition,
                })
            })
            .collect()
    }

    /// The dead letters of a connector.
    pub async fn dead_letters(&self, connector: &ConnectorRow, limit: i64) -> Result<Vec<DeadLetterRow>, StoreError> {
        let mut reader = self.reader().await?;
        let sql = "SELECT stream, source_key, reason, at FROM dead_letter WHERE tenant = $1 AND connector = $2 \
                   ORDER BY stream, source_key LIMIT $3";
        let params = vec![connector.tenant.into(), connector.id.into(), limit.into()];
        let rows = reader.conn().fetch("reading dead letters", sql, params).await?;
        rows.iter()
            .map(|row| {
                let (stream, source_key, reason) = (row.text(0)?, row.text(1)?, row.text(2)?);
                Ok(DeadLetterRow { stream, source_key, reason, at: Instant(row.int(3)?) })
            })
            .collect()
    }
}

fn asset_row(row: &Row) -> Result<AssetRow, StoreError> {
    let status = match (row.text(3)?.as_str(), row.maybe_int(4)?) {
        ("gone", _) => "gone",
        (_, Some(_)) => "held",
        _ => "present",
    };
    let (external_id, vendor_id) = (row.maybe_text(8)?, row.maybe_text(9)?);
    let detail = parse_detail(&row.text(10)?)?;
    let here = |column: usize| Ok::<_, StoreError>(row.maybe_int(column)?.filter(|_| status == "present").map(Instant));
    let missing_since = if status == "gone" { row.maybe_int(19)? } else { row.maybe_int(4)? };
    Ok(AssetRow {
        id: row.int(0)?,
        class: row.text(1)?,
        source_key: row.text(2)?,
        status,
        gone_cause: row.maybe_text(5)?,
        first_seen: Instant(row.int(6)?),
        changed_at: Instant(row.int(7)?),
        last_seen: here(17)?,
        proven_at: here(18)?,
        missing_since: missing_since.map(Instant),
        document: muster_core::asset::document(external_id.as_deref(), vendor_id.as_deref(), detail),
        map: row.int(11)?,
        origin: row.maybe_text(12)?,
        container: row.maybe_text(13)?,
        relative_name: row.maybe_text(14)?,
        connector: row.int(15)?,
        stream: row.text(16)?,
    })
}
