//! Edges: who is a member of what.
//!
//! A set that fits one page is compared by its hash and written at once; a longer one is staged page by page and
//! compared when its last page is in. Only the difference is written (design D8).

use std::collections::BTreeMap;

use muster_core::ledger::LedgerLine;
use muster_core::link::{LinkPage, Member, set_hash};
use muster_core::reconcile::Cause;
use serde_json::json;

use crate::inventory::{count, member_parts};
use crate::runs::ConnectorRow;
use crate::sql::{Bulk, Cell, ColumnKind, Conn};
use crate::write::{BatchWrite, ChangeWrite};
use crate::{Store, StoreError};

/// The most members that one entry of history names on each side; beyond it says how many more.
const NAMED_IN_HISTORY: usize = 1000;

const MEMBER_COLUMNS: [(&str, ColumnKind); 4] =
    [("h", ColumnKind::Blob), ("k", ColumnKind::Text), ("locator", ColumnKind::Int), ("label", ColumnKind::Text)];

pub(crate) async fn write(
    conn: &mut Conn<'_>,
    run: i64,
    pages: Vec<(i64, LinkPage)>,
    batch: &mut BatchWrite<'_>,
    line: &mut LedgerLine,
) -> Result<(), StoreError> {
    if pages.is_empty() {
        return Ok(());
    }
    let known = known_sets(conn, &pages).await?;
    for (owner, page) in pages {
        let kind = page.kind.clone();
        if page.first && page.last {
            let mut members: BTreeMap<u128, Member> =
                page.members.into_iter().map(|member| (member.hash(), member)).collect();
            let hash = set_hash(members.keys().copied());
            if known.get(&(owner, kind.clone())) == Some(&(hash, members.len()))
                || members.is_empty() && !known.contains_key(&(owner, kind.clone()))
            {
                continue;
            }
            let stored = stored_members(conn, owner, &kind).await?;
            let removed: Vec<(u128, String)> =
                stored.into_iter().filter(|(hash, _)| members.remove(hash).is_none()).collect();
            // What is left in `members` is not stored yet.
            let total = members.len();
            let added: Vec<(u128, Member)> = members.into_iter().collect();
            apply(conn, (owner, &kind), &added, &removed).await?;
            debug_assert!(total == added.len());
            finish(conn, (owner, &kind), Difference { added: &added, removed: &removed, hash }, batch, line).await?;
        } else {
            stage(conn, run, owner, &page).await?;
            if page.last {
                unstage(conn, run, (owner, &kind), batch, line).await?;
            }
        }
    }
    Ok(())
}

async fn known_sets(
    conn: &mut Conn<'_>,
    pages: &[(i64, LinkPage)],
) -> Result<BTreeMap<(i64, String), (u128, usize)>, StoreError> {
    let mut bulk = Bulk::new(conn.dialect(), &[("id", ColumnKind::Int)], pages.len());
    let mut owners: Vec<i64> = pages.iter().map(|(owner, _)| *owner).collect();
    owners.dedup();
    owners.iter().for_each(|&owner| bulk.push(&[Cell::Int(owner)]));
    let (source, params) = bulk.source(conn.dialect(), "b", 1);
    let join = conn.dialect().bulk_join();
    let sql = format!("SELECT l.owner, l.kind, l.hash, l.members FROM {source} {join} link_set l ON l.owner = b.id");
    let mut sets = BTreeMap::new();
    for row in conn.fetch("reading link sets", sql, params).await? {
        let members = usize::try_from(row.int(3)?).unwrap_or(0);
        sets.insert((row.int(0)?, row.text(1)?), (to_hash(&row.blob(2)?), members));
    }
    Ok(sets)
}

fn to_hash(bytes: &[u8]) -> u128 {
    <[u8; 16]>::try_from(bytes).map(u128::from_le_bytes).unwrap_or_default()
}

async fn stored_members(conn: &mut Conn<'_>, owner: i64, kind: &str) -> Result<Vec<(u128, String)>, StoreError> {
    let sql = "SELECT member_hash, COALESCE(member_key, label) FROM edge WHERE owner = $1 AND kind = $2";
    let rows = conn.fetch("reading members", sql, vec![owner.into(), kind.into()]).await?;
    rows.iter().map(|row| Ok((to_hash(&row.blob(0)?), row.maybe_text(1)?.unwrap_or_default()))).collect()
}

async fn apply(
    conn: &mut Conn<'_>,
    (owner, kind): (i64, &str),
    added: &[(u128, Member)],
    removed: &[(u128, String)],
) -> Result<(), StoreError> {
    let dialect = conn.dialect();
    let (int, text) = (dialect.cast_int(), dialect.cast_text());
    if !removed.is_empty() {
        let mut bulk = Bulk::new(dialect, &MEMBER_COLUMNS[..1], removed.len());
        removed.iter().for_each(|(hash, _)| bulk.push(&[Cell::Blob(&hash.to_le_bytes())]));
        let (source, params) = bulk.source(dialect, "b", 3);
        let sql =
            format!("DELETE FROM edge WHERE owner = $1 AND kind = $2 AND member_hash IN (SELECT b.h FROM {source})");
        let mut all = vec![owner.into(), kind.into()];
        all.extend(params);
        conn.execute("removing members", sql, all).await?;
    }
    if !added.is_empty() {
        let mut bulk = Bulk::new(dialect, &MEMBER_COLUMNS, added.len());
        for (hash, member) in added {
            let (key, locator, label) = member_parts(member);
            bulk.push(&[Cell::Blob(&hash.to_le_bytes()), key.into(), locator.into(), label.into()]);
        }
        let (source, params) = bulk.source(dialect, "b", 3);
        let sql = format!(
            "INSERT INTO edge (owner, kind, member_hash, member_key, locator, label) \
             SELECT $1{int}, $2{text}, b.h, b.k, b.locator, b.label FROM {source} WHERE true ON CONFLICT DO NOTHING"
        );
        let mut all = vec![owner.into(), kind.into()];
        all.extend(params);
        conn.execute("adding members", sql, all).await?;
    }
    Ok(())
}

struct Difference<'a> {
    added: &'a [(u128, Member)],
    removed: &'a [(u128, String)],
    hash: u128,
}

/// Keeps the set's hash, counts, and writes history unless the owner is new.
async fn finish(
    conn: &mut Conn<'_>,
    (owner, kind): (i64, &str),
    difference: Difference<'_>,
    batch: &mut BatchWrite<'_>,
    line: &mut LedgerLine,
) -> Result<(), StoreError> {
    let Difference { added, removed, hash } = difference;
    let known = conn
        .fetch_one(
            "reading a link set",
            "SELECT members FROM link_set WHERE owner = $1 AND kind = $2",
            vec![owner.into(), kind.into()],
        )
        .await?;
    let before = known.as_ref().map(|row| row.int(0)).transpose()?;
    let total = before.unwrap_or(0) + signed(added.len()) - signed(removed.len());
    let sql = "INSERT INTO link_set (owner, kind, hash, members) VALUES ($1, $2, $3, $4) \
               ON CONFLICT (owner, kind) DO UPDATE SET hash = excluded.hash, members = excluded.members";
    conn.execute(
        "keeping a link set",
        sql,
        vec![owner.into(), kind.into(), hash.to_le_bytes().to_vec().into(), total.into()],
    )
    .await?;
    line.counters.links_added += count(signed(added.len()));
    line.counters.links_removed += count(signed(removed.len()));
    let created = before.is_none() && batch.changed.contains(&owner)
        || batch.assets.iter().any(|asset| asset.id == owner && asset.first_seen == batch.as_of);
    if created || added.is_empty() && removed.is_empty() {
        return Ok(());
    }
    let side = |all: &mut dyn Iterator<Item = &str>, total: usize| {
        let named: Vec<&str> = all.take(NAMED_IN_HISTORY).collect();
        let more = total.saturating_sub(named.len());
        if more == 0 { json!(named) } else { json!({ "named": named, "more": more }) }
    };
    let mut entry = serde_json::Map::new();
    if !added.is_empty() {
        entry.insert("added".to_owned(), side(&mut added.iter().map(|(_, member)| member.text()), added.len()));
    }
    if !removed.is_empty() {
        entry.insert("removed".to_owned(), side(&mut removed.iter().map(|(_, text)| text.as_str()), removed.len()));
    }
    let before = serde_json::Map::from_iter([(format!("links.{kind}"), serde_json::Value::Object(entry))]);
    batch.changes.push(ChangeWrite { asset: owner, cause: Cause::Source, before });
    batch.changed.push(owner);
    Ok(())
}

fn signed(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

async fn stage(conn: &mut Conn<'_>, run: i64, owner: i64, page: &LinkPage) -> Result<(), StoreError> {
    let dialect = conn.dialect();
    if page.first {
        let sql = "DELETE FROM edge_stage WHERE run = $1 AND owner = $2 AND kind = $3";
        conn.execute("staging members", sql, vec![run.into(), owner.into(), page.kind.clone().into()]).await?;
    }
    if page.members.is_empty() {
        return Ok(());
    }
    let mut bulk = Bulk::new(dialect, &MEMBER_COLUMNS, page.members.len());
    for member in &page.members {
        let (key, locator, label) = member_parts(member);
        bulk.push(&[Cell::Blob(&member.hash().to_le_bytes()), key.into(), locator.into(), label.into()]);
    }
    let (int, text) = (dialect.cast_int(), dialect.cast_text());
    let (source, params) = bulk.source(dialect, "b", 4);
    let sql = format!(
        "INSERT INTO edge_stage (run, owner, kind, member_hash, member_key, locator, label) \
         SELECT $1{int}, $2{int}, $3{text}, b.h, b.k, b.locator, b.label FROM {source} WHERE true ON CONFLICT DO NOTHING"
    );
    let mut all = vec![run.into(), owner.into(), page.kind.clone().into()];
    all.extend(params);
    conn.execute("staging members", sql, all).await?;
    Ok(())
}

/// Compares a staged set with the stored one, entirely in the database, and writes the difference.
async fn unstage(
    conn: &mut Conn<'_>,
    run: i64,
    (owner, kind): (i64, &str),
    batch: &mut BatchWrite<'_>,
    line: &mut LedgerLine,
) -> Result<(), StoreError> {
    let key = || -> Vec<crate::sql::Param> { vec![run.into(), owner.into(), kind.into()] };
    let sql = "SELECT t.member_hash, t.member_key, t.locator, t.label FROM edge_stage t WHERE t.run = $1 AND t.owner = $2 \
               AND t.kind = $3 AND NOT EXISTS (SELECT 1 FROM edge e WHERE e.owner = t.owner AND e.kind = t.kind AND e.member_hash = t.member_hash)";
    let mut added = Vec::new();
    for row in conn.fetch("comparing members", sql, key()).await? {
        let label = row.maybe_text(3)?.unwrap_or_default();
        let member = match (row.maybe_text(1)?, row.maybe_int(2)?) {
            (Some(key), _) => Member::Key(key),
            (None, Some(locator)) => Member::Place { locator, text: label },
            (None, None) => Member::Text(label),
        };
        added.push((to_hash(&row.blob(0)?), member));
    }
    let sql = "SELECT e.member_hash, COALESCE(e.member_key, e.label) FROM edge e WHERE e.owner = $2 AND e.kind = $3 \
               AND NOT EXISTS (SELECT 1 FROM edge_stage t WHERE t.run = $1 AND t.owner = e.owner AND t.kind = e.kind AND t.member_hash = e.member_hash)";
    let rows = conn.fetch("comparing members", sql, key()).await?;
    let removed: Vec<(u128, String)> = rows
        .iter()
        .map(|row| Ok((to_hash(&row.blob(0)?), row.maybe_text(1)?.unwrap_or_default())))
        .collect::<Result<_, StoreError>>()?;
    conn.execute(
        "dropping staged members",
        "DELETE FROM edge_stage WHERE run = $1 AND owner = $2 AND kind = $3",
        key(),
    )
    .await?;
    if added.is_empty() && removed.is_empty() {
        return Ok(());
    }
    apply(conn, (owner, kind), &added, &removed).await?;
    let rows = conn
        .fetch(
            "hashing members",
            "SELECT member_hash FROM edge WHERE owner = $1 AND kind = $2",
            vec![owner.into(), kind.into()],
        )
        .await?;
    let hashes = rows.iter().map(|row| row.blob(0).map(|bytes| to_hash(&bytes))).collect::<Result<Vec<_>, _>>()?;
    finish(conn, (owner, kind), Difference { added: &added, removed: &removed, hash: set_hash(hashes) }, batch, line)
        .await
}

/// A membership.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EdgeRow {
    /// The owner.
    pub owner: i64,
    /// The owner's source key.
    pub owner_key: String,
    /// The kind of link.
    pub kind: String,
    /// The member's source key, or what the source said where no asset answers to it.
    pub member: String,
    /// The member's asset, where there is one.
    pub member_id: Option<i64>,
}

impl Store {
    /// All links of the next 200 present owners of a stream after one, ordered by owner. A member that is gone is none:
    /// directories drop its links without touching the owner (MS-ADTS 3.1.1.5.5), so no delta would say so.
    pub async fn memberships(
        &self,
        connector: &ConnectorRow,
        stream: &str,
        after: i64,
    ) -> Result<Vec<EdgeRow>, StoreError> {
        let mut reader = self.reader().await?;
        let sql = "SELECT e.owner, o.source_key, e.kind, COALESCE(m.source_key, e.member_key, e.label), e.member \
                   FROM (SELECT id, source_key FROM asset WHERE tenant = $1 AND connector = $2 AND stream = $3 \
                         AND state = 'present' AND id > $4 AND EXISTS (SELECT 1 FROM edge x WHERE x.owner = asset.id) \
                         ORDER BY id LIMIT 200) o \
                   JOIN edge e ON e.owner = o.id LEFT JOIN asset m ON m.id = e.member \
                   WHERE m.id IS NULL OR m.state = 'present' ORDER BY e.owner, e.kind, e.member_hash";
        let params = vec![connector.tenant.into(), connector.id.into(), stream.into(), after.into()];
        let rows = reader.conn().fetch("reading memberships", sql, params).await?;
        rows.iter()
            .map(|row| {
                Ok(EdgeRow {
                    owner: row.int(0)?,
                    owner_key: row.text(1)?,
                    kind: row.text(2)?,
                    member: row.maybe_text(3)?.unwrap_or_default(),
                    member_id: row.maybe_int(4)?,
                })
            })
            .collect()
    }

    /// Resolves members to assets: by source key in any stream of the connector, else by place. Gives how many are
    /// still without an asset.
    pub async fn resolve_links(&self, connector: &ConnectorRow) -> Result<u64, StoreError> {
        let mut transaction = self.begin().await?;
        let mut conn = transaction.conn()?;
        for stream in self.streams_of(&mut conn, connector).await? {
            let sql = "UPDATE edge SET member = a.id FROM asset a WHERE edge.member IS NULL AND edge.member_key IS NOT NULL \
                       AND a.tenant = $1 AND a.connector = $2 AND a.stream = $3 AND a.source_key = edge.member_key \
                       AND edge.owner IN (SELECT id FROM asset WHERE connector = $2)";
            let params = vec![connector.tenant.into(), connector.id.into(), stream.into()];
            conn.execute("resolving members by key", sql, params).await?;
        }
        let sql = "UPDATE edge SET member = a.id FROM asset a WHERE edge.member IS NULL AND edge.locator IS NOT NULL \
                   AND a.connector = $1 AND a.locator = edge.locator AND a.state = 'present'";
        conn.execute("resolving members by place", sql, vec![connector.id.into()]).await?;
        let sql =
            "SELECT COUNT(*) FROM edge e JOIN asset o ON o.id = e.owner WHERE e.member IS NULL AND o.connector = $1";
        let row = conn.fetch_one("counting unresolved members", sql, vec![connector.id.into()]).await?;
        let unresolved = row.map_or(Ok(0), |row| row.int(0))?;
        transaction.commit().await?;
        Ok(count(unresolved))
    }

    async fn streams_of(&self, conn: &mut Conn<'_>, connector: &ConnectorRow) -> Result<Vec<String>, StoreError> {
        let sql = "SELECT DISTINCT stream FROM scope WHERE tenant = $1 AND connector = $2";
        let rows = conn.fetch("listing streams", sql, vec![connector.tenant.into(), connector.id.into()]).await?;
        rows.iter().map(|row| row.text(0)).collect()
    }
}
