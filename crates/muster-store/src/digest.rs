//! The digest of the truth: equal digests, same truth (design section 7).

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::inventory::parse_detail;
use crate::sql::{Bulk, Conn, Row};
use crate::{Store, StoreError};

impl Store {
    /// SHA-256 over class, keys, normalized document, state, memberships and cursors, sorted; nothing of surrogate
    /// ids, run ids, attempts or times of observation.
    pub async fn digest(&self) -> Result<String, StoreError> {
        let mut hasher = Sha256::new();
        let mut reader = self.reader().await?;
        let mut conn = reader.conn();
        let connectors = conn
            .fetch("reading connectors", "SELECT tenant, id, name FROM connector ORDER BY tenant, name", Vec::new())
            .await?;
        for row in &connectors {
            let (tenant, connector) = (row.int(0)?, row.int(1)?);
            put(&mut hasher, &["connector", &row.text(2)?]);
            let sql =
                "SELECT stream, name, cursor FROM scope WHERE tenant = $1 AND connector = $2 ORDER BY stream, name";
            for scope in conn.fetch("reading cursors", sql, vec![tenant.into(), connector.into()]).await? {
                put(
                    &mut hasher,
                    &["scope", &scope.text(0)?, &scope.text(1)?, &scope.maybe_text(2)?.unwrap_or_default()],
                );
            }
            let (mut stream, mut key) = (String::new(), String::new());
            loop {
                let sql = "SELECT a.stream, a.source_key, a.id, a.class, a.state, a.gone_cause, a.external_id, a.vendor_id, \
                           a.container, a.relative_name, d.detail, a.missing_since FROM asset a JOIN document d ON d.asset = a.id \
                           WHERE a.tenant = $1 AND a.connector = $2 AND (a.stream > $3 OR (a.stream = $3 AND a.source_key > $4)) \
                           ORDER BY a.stream, a.source_key LIMIT 1000";
                let params = vec![tenant.into(), connector.into(), stream.clone().into(), key.clone().into()];
                let rows = conn.fetch("reading assets", sql, params).await?;
                let Some(last) = rows.last() else { break };
                (stream, key) = (last.text(0)?, last.text(1)?);
                let ids: Vec<i64> = rows.iter().map(|row| row.int(2)).collect::<Result<_, _>>()?;
                let members = members(&mut conn, &ids).await?;
                for asset in &rows {
                    put_asset(&mut hasher, asset)?;
                    for (kind, member) in members.get(&asset.int(2)?).into_iter().flatten() {
                        put(&mut hasher, &["member", kind, member]);
                    }
                }
            }
        }
        Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

fn put_asset(hasher: &mut Sha256, asset: &Row) -> Result<(), StoreError> {
    let detail = serde_json::Value::Object(parse_detail(&asset.text(10)?)?);
    let held = asset.maybe_int(11)?.is_some();
    let mut parts = vec!["asset".to_owned(), asset.text(0)?, asset.text(1)?];
    for column in [3, 4, 5, 6, 7, 8, 9] {
        parts.push(asset.maybe_text(column)?.unwrap_or_default());
    }
    parts.extend([canonical(&detail), held.to_string()]);
    put(hasher, &parts.iter().map(String::as_str).collect::<Vec<_>>());
    Ok(())
}

/// Kinds and members of these owners, sorted; a member that is gone is none.
async fn members(conn: &mut Conn<'_>, owners: &[i64]) -> Result<BTreeMap<i64, Vec<(String, String)>>, StoreError> {
    let dialect = conn.dialect();
    let bulk = Bulk::ids(dialect, owners);
    let (source, params) = bulk.source(dialect, "b", 1);
    let join = dialect.bulk_join();
    let sql = format!(
        "SELECT e.owner, e.kind, COALESCE(m.source_key, e.member_key, e.label) FROM {source} {join} edge e ON e.owner = b.id \
         LEFT JOIN asset m ON m.id = e.member WHERE m.id IS NULL OR m.state = 'present'"
    );
    let mut found: BTreeMap<i64, Vec<(String, String)>> = BTreeMap::new();
    for row in conn.fetch("reading members", sql, params).await? {
        let member = (row.text(1)?, row.maybe_text(2)?.unwrap_or_default());
        found.entry(row.int(0)?).or_default().push(member);
    }
    found.values_mut().for_each(|members| members.sort_unstable());
    Ok(found)
}

/// Each part with its length, so that no two lists of parts read alike.
fn put(hasher: &mut Sha256, parts: &[&str]) {
    for part in parts {
        hasher.update(part.len().to_le_bytes());
        hasher.update(part.as_bytes());
    }
}

/// JSON with sorted keys; `serde_json` keeps them sorted unless another crate turned that off.
fn canonical(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by(|left, right| left.0.cmp(right.0));
            let inner: Vec<_> = entries.iter().map(|(key, value)| format!("{key:?}:{}", canonical(value))).collect();
            format!("{{{}}}", inner.join(","))
        }
        other => other.to_string(),
    }
}
