//! Edges: who is a member of what.
//!
//! A set that fits one page is compared by its hash and written at once; a longer one is staged page by page and
//! compared when its last page is in. Only the difference is written (design D8).

use std::collections::{BTreeMap, BTreeSet};

use muster_core::ledger::LedgerLine;
use muster_core::link::{LinkPage, Member, set_hash};
use muster_core::reconcile::Cause;
use roaring::RoaringTreemap;
use serde_json::json;

use crate::inventory::{count, member_parts};
use crate::runs::ConnectorRow;
use crate::sql::{Bulk, Cell, ColumnKind, Conn};
use crate::write::{BatchWrite, ChangeWrite, PackedBatch};
use crate::{Store, StoreError};

/// The most members that one entry of history names on each side; beyond it says how many more.
const NAMED_IN_HISTORY: usize = 1000;

/// How many members of a long set are compared at once.
const MEMBERS_A_PART: usize = 2000;

const MEMBER_COLUMNS: [(&str, ColumnKind); 4] =
    [("h", ColumnKind::Blob), ("k", ColumnKind::Text), ("locator", ColumnKind::Int), ("label", ColumnKind::Text)];

/// A set as a batch's pages give it.
struct Set {
    owner: i64,
    kind: String,
    hash: u128,
    members: BTreeMap<u128, Member>,
}

/// What changes in a set.
struct Difference {
    owner: i64,
    kind: String,
    hash: u128,
    added: Vec<(u128, Member)>,
    removed: Vec<(u128, String)>,
    /// How many members the set had; none for a set that was not known.
    before: Option<i64>,
}

pub(crate) async fn write(
    conn: &mut Conn<'_>,
    run: i64,
    packed: &mut PackedBatch,
    line: &mut LedgerLine,
) -> Result<(), StoreError> {
    let pages = std::mem::take(&mut packed.batch.links);
    if pages.is_empty() {
        return Ok(());
    }
    let known = known_sets(conn, &pages).await?;
    // By owner and kind: of a set that comes twice in a batch the later one counts.
    let mut sets = BTreeMap::new();
    let mut staged = BTreeSet::new();
    for (owner, page) in pages {
        if !(page.first && page.last) {
            stage(conn, run, owner, &page).await?;
            if page.last {
                staged.insert((owner, page.kind));
            }
            continue;
        }
        let members: BTreeMap<u128, Member> = page.members.into_iter().map(|member| (member.hash(), member)).collect();
        let hash = set_hash(members.keys().copied());
        let same = match known.get(&(owner, page.kind.clone())) {
            Some((stored, count)) => *stored == hash && *count == members.len(),
            None => members.is_empty(),
        };
        let key = (owner, page.kind.clone());
        if same {
            sets.remove(&key);
        } else {
            sets.insert(key, Set { owner, kind: page.kind, hash, members });
        }
    }
    let mut differences = compare(conn, sets.into_values().collect(), &known).await?;
    for (owner, kind) in staged {
        differences.extend(unstage(conn, run, (owner, kind), &known).await?);
    }
    apply(conn, &differences, &packed.batch).await?;
    let new = new_owners(conn, &differences, packed).await?;
    note(differences, &new, &mut packed.batch, line);
    Ok(())
}

type KnownSets = BTreeMap<(i64, String), (u128, usize)>;

async fn known_sets(conn: &mut Conn<'_>, pages: &[(i64, LinkPage)]) -> Result<KnownSets, StoreError> {
    let mut owners: Vec<i64> = pages.iter().map(|(owner, _)| *owner).collect();
    owners.sort_unstable();
    owners.dedup();
    let bulk = Bulk::ids(conn.dialect(), &owners);
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

/// Compares sets with what is stored: one query for all that are known.
async fn compare(conn: &mut Conn<'_>, sets: Vec<Set>, known: &KnownSets) -> Result<Vec<Difference>, StoreError> {
    let mut stored: BTreeMap<(i64, String), Vec<(u128, String)>> = BTreeMap::new();
    let asked: Vec<i64> =
        sets.iter().filter(|set| known.contains_key(&(set.owner, set.kind.clone()))).map(|set| set.owner).collect();
    if !asked.is_empty() {
        let bulk = Bulk::ids(conn.dialect(), &asked);
        let (source, params) = bulk.source(conn.dialect(), "b", 1);
        let join = conn.dialect().bulk_join();
        let sql = format!(
            "SELECT e.owner, e.kind, e.member_hash, COALESCE(e.member_key, e.label) FROM {source} {join} edge e ON e.owner = b.id"
        );
        for row in conn.fetch("reading members", sql, params).await? {
            let member = (to_hash(&row.blob(2)?), row.maybe_text(3)?.unwrap_or_default());
            stored.entry((row.int(0)?, row.text(1)?)).or_default().push(member);
        }
    }
    let differences = sets.into_iter().map(|mut set| {
        let key = (set.owner, set.kind.clone());
        let before = known.get(&key).map(|(_, count)| signed(*count));
        let stored = stored.remove(&key).unwrap_or_default();
        let removed = stored.into_iter().filter(|(hash, _)| set.members.remove(hash).is_none()).collect();
        // What is left is not stored yet.
        Difference {
            owner: set.owner,
            kind: set.kind,
            hash: set.hash,
            added: set.members.into_iter().collect(),
            removed,
            before,
        }
    });
    Ok(differences.collect())
}

/// Writes all differences: one statement removes, one adds, one keeps the sets' hashes.
async fn apply(conn: &mut Conn<'_>, differences: &[Difference], batch: &BatchWrite) -> Result<(), StoreError> {
    let dialect = conn.dialect();
    let removed: usize = differences.iter().map(|difference| difference.removed.len()).sum();
    if removed > 0 {
        let columns = [("owner", ColumnKind::Int), ("kind", ColumnKind::Text), ("h", ColumnKind::Blob)];
        let mut bulk = Bulk::new(dialect, &columns, removed);
        for difference in differences {
            for (hash, _) in &difference.removed {
                bulk.push(&[
                    Cell::Int(difference.owner),
                    Cell::Text(&difference.kind),
                    Cell::Blob(&hash.to_le_bytes()),
                ]);
            }
        }
        let (source, params) = bulk.source(dialect, "b", 1);
        let sql =
            format!("DELETE FROM edge WHERE (owner, kind, member_hash) IN (SELECT b.owner, b.kind, b.h FROM {source})");
        conn.execute("removing members", sql, params).await?;
    }
    add(conn, differences, batch).await?;
    if differences.is_empty() {
        return Ok(());
    }
    let columns = [
        ("owner", ColumnKind::Int),
        ("kind", ColumnKind::Text),
        ("hash", ColumnKind::Blob),
        ("members", ColumnKind::Int),
    ];
    let mut bulk = Bulk::new(dialect, &columns, differences.len());
    for difference in differences {
        let members =
            difference.before.unwrap_or(0) + signed(difference.added.len()) - signed(difference.removed.len());
        bulk.push(&[
            Cell::Int(difference.owner),
            Cell::Text(&difference.kind),
            Cell::Blob(&difference.hash.to_le_bytes()),
            Cell::Int(members),
        ]);
    }
    let (source, params) = bulk.source(dialect, "b", 1);
    let sql = format!(
        "INSERT INTO link_set (owner, kind, hash, members) SELECT owner, kind, hash, members FROM {source} WHERE true \
         ON CONFLICT (owner, kind) DO UPDATE SET hash = excluded.hash, members = excluded.members"
    );
    conn.execute("keeping link sets", sql, params).await?;
    Ok(())
}

/// Adds members, resolved at once where their assets are known: by key in any stream of the connector, else by place.
async fn add(conn: &mut Conn<'_>, differences: &[Difference], batch: &BatchWrite) -> Result<(), StoreError> {
    let dialect = conn.dialect();
    let added: usize = differences.iter().map(|difference| difference.added.len()).sum();
    if added == 0 {
        return Ok(());
    }
    let mut columns = vec![("owner", ColumnKind::Int), ("kind", ColumnKind::Text)];
    columns.extend(MEMBER_COLUMNS);
    let mut bulk = Bulk::new(dialect, &columns, added);
    for difference in differences {
        for (hash, member) in &difference.added {
            let (key, locator, label) = member_parts(member);
            let place = [Cell::Int(difference.owner), Cell::Text(&difference.kind), Cell::Blob(&hash.to_le_bytes())];
            bulk.push(&[place[0], place[1], place[2], key.into(), locator.into(), label.into()]);
        }
    }
    let streams = streams_of(conn, &batch.connector).await?;
    let by_key: Vec<String> = (0..streams.len())
        .map(|at| {
            let stream = at + 3;
            format!("(SELECT id FROM asset WHERE tenant = $1 AND connector = $2 AND stream = ${stream} AND source_key = b.k)")
        })
        .collect();
    let first = streams.len() + 3;
    let (source, params) = bulk.source(dialect, "b", first);
    let sql = format!(
        "INSERT INTO edge (owner, kind, member_hash, member, member_key, locator, label) SELECT b.owner, b.kind, b.h, \
         CASE WHEN b.k IS NOT NULL THEN COALESCE({}, NULL) WHEN b.locator IS NOT NULL THEN \
         (SELECT MIN(id) FROM asset WHERE connector = $2 AND locator = b.locator AND state = 'present') END, \
         b.k, b.locator, b.label FROM {source} WHERE true ON CONFLICT DO NOTHING",
        by_key.join(", ")
    );
    let mut all = vec![batch.connector.tenant.into(), batch.connector.id.into()];
    all.extend(streams.into_iter().map(Into::into));
    all.extend(params);
    conn.execute("adding members", sql, all).await?;
    Ok(())
}

/// The owners of first sets that this run itself made, in this batch or in one before it.
async fn new_owners(
    conn: &mut Conn<'_>,
    differences: &[Difference],
    packed: &PackedBatch,
) -> Result<BTreeSet<i64>, StoreError> {
    let mut new = packed.created.clone();
    let first_sets = differences.iter().filter(|difference| difference.before.is_none());
    let unknown: Vec<i64> = first_sets.map(|set| set.owner).filter(|owner| !new.contains(owner)).collect();
    if !unknown.is_empty() {
        let bulk = Bulk::ids(conn.dialect(), &unknown);
        let (source, params) = bulk.source(conn.dialect(), "b", 2);
        let join = conn.dialect().bulk_join();
        let sql = format!("SELECT a.id FROM {source} {join} asset a ON a.id = b.id WHERE a.first_seen = $1");
        let mut all = vec![packed.batch.as_of.0.into()];
        all.extend(params);
        for row in conn.fetch("looking for new owners", sql, all).await? {
            new.insert(row.int(0)?);
        }
    }
    Ok(new)
}

/// Counts, and writes history unless the owner is new.
fn note(differences: Vec<Difference>, new: &BTreeSet<i64>, batch: &mut BatchWrite, line: &mut LedgerLine) {
    for difference in differences {
        let Difference { owner, kind, added, removed, before, .. } = difference;
        line.counters.links_added += count(signed(added.len()));
        line.counters.links_removed += count(signed(removed.len()));
        let created = before.is_none() && new.contains(&owner);
        if created || added.is_empty() && removed.is_empty() {
            continue;
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
        batch.changes.push(ChangeWrite { asset: owner, cause: Cause::Source, before, definition: None });
        batch.changed.push(owner);
    }
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

/// Compares a staged set with the stored one, part by part in the order of their hashes. A join would do it, too; but
/// nothing tells PostgreSQL how many members are staged, and it would walk the stored set anew for each of them.
async fn unstage(
    conn: &mut Conn<'_>,
    run: i64,
    (owner, kind): (i64, String),
    known: &KnownSets,
) -> Result<Option<Difference>, StoreError> {
    let key = || -> Vec<crate::sql::Param> { vec![run.into(), owner.into(), kind.clone().into()] };
    let sql = "SELECT member_hash FROM edge_stage WHERE run = $1 AND owner = $2 AND kind = $3";
    let rows = conn.fetch("hashing members", sql, key()).await?;
    let hashes = rows.iter().map(|row| row.blob(0).map(|bytes| to_hash(&bytes))).collect::<Result<Vec<_>, _>>()?;
    let hash = set_hash(hashes.iter().copied());
    let stored = known.get(&(owner, kind.clone()));
    let mut found = None;
    if stored != Some(&(hash, hashes.len())) {
        let before = stored.map(|(_, count)| signed(*count));
        let mut difference =
            Difference { owner, kind: kind.clone(), hash, added: Vec::new(), removed: Vec::new(), before };
        let mut after = Vec::new();
        while let Some(last) = compare_part(conn, run, &mut difference, after).await? {
            after = last;
        }
        found = Some(difference);
    }
    let sql = "DELETE FROM edge_stage WHERE run = $1 AND owner = $2 AND kind = $3";
    conn.execute("dropping staged members", sql, key()).await?;
    Ok(found)
}

/// Compares the next staged members after a hash with those stored in their place; gives the last hash if more follow.
async fn compare_part(
    conn: &mut Conn<'_>,
    run: i64,
    difference: &mut Difference,
    after: Vec<u8>,
) -> Result<Option<Vec<u8>>, StoreError> {
    let (owner, kind) = (difference.owner, difference.kind.clone());
    let sql = format!(
        "SELECT member_hash, member_key, locator, label FROM edge_stage WHERE run = $1 AND owner = $2 AND kind = $3 \
         AND member_hash > $4 ORDER BY member_hash LIMIT {MEMBERS_A_PART}"
    );
    let params = vec![run.into(), owner.into(), kind.clone().into(), after.clone().into()];
    let staged = conn.fetch("comparing members", sql, params).await?;
    let last = if staged.len() < MEMBERS_A_PART { None } else { staged.last().map(|row| row.blob(0)).transpose()? };
    let sql = "SELECT member_hash, COALESCE(member_key, label) FROM edge WHERE owner = $1 AND kind = $2 \
               AND member_hash > $3 AND member_hash <= $4";
    let end = last.clone().unwrap_or_else(|| vec![0xff; 17]);
    let params = vec![owner.into(), kind.into(), after.into(), end.into()];
    let mut stored = BTreeMap::new();
    for row in conn.fetch("comparing members", sql, params).await? {
        stored.insert(to_hash(&row.blob(0)?), row.maybe_text(1)?.unwrap_or_default());
    }
    for row in &staged {
        let hash = to_hash(&row.blob(0)?);
        if stored.remove(&hash).is_some() {
            continue;
        }
        let label = row.maybe_text(3)?.unwrap_or_default();
        let member = match (row.maybe_text(1)?, row.maybe_int(2)?) {
            (Some(key), _) => Member::Key(key),
            (None, Some(locator)) => Member::Place { locator, text: label },
            (None, None) => Member::Text(label),
        };
        difference.added.push((hash, member));
    }
    difference.removed.extend(stored);
    Ok(last)
}

async fn streams_of(conn: &mut Conn<'_>, connector: &ConnectorRow) -> Result<Vec<String>, StoreError> {
    let sql = "SELECT DISTINCT stream FROM scope WHERE tenant = $1 AND connector = $2 ORDER BY stream";
    let rows = conn.fetch("listing streams", sql, vec![connector.tenant.into(), connector.id.into()]).await?;
    rows.iter().map(|row| row.text(0)).collect()
}

/// Members whose asset is gone while another lies at its place now: a set that was read in this run means that one.
async fn replace_members(
    conn: &mut Conn<'_>,
    connector: &ConnectorRow,
    read: &RoaringTreemap,
) -> Result<(), StoreError> {
    let sql = "SELECT e.owner, e.kind, e.member_hash, MIN(n.id) FROM asset g \
               JOIN asset n ON n.connector = g.connector AND n.locator = g.locator AND n.state = 'present' \
               JOIN edge e ON e.member = g.id AND e.locator = g.locator \
               WHERE g.connector = $1 AND g.gone_at IS NOT NULL AND g.locator IS NOT NULL \
               GROUP BY e.owner, e.kind, e.member_hash";
    let rows = conn.fetch("looking for replaced members", sql, vec![connector.id.into()]).await?;
    for row in &rows {
        let owner = row.int(0)?;
        if read.contains(owner.cast_unsigned()) {
            let sql = "UPDATE edge SET member = $4 WHERE owner = $1 AND kind = $2 AND member_hash = $3";
            let params = vec![owner.into(), row.text(1)?.into(), row.blob(2)?.into(), row.int(3)?.into()];
            conn.execute("replacing members", sql, params).await?;
        }
    }
    Ok(())
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
    /// still without an asset. `read` are the owners whose members were read in this run.
    pub async fn resolve_links(&self, connector: &ConnectorRow, read: &RoaringTreemap) -> Result<u64, StoreError> {
        let mut transaction = self.begin().await?;
        let mut conn = transaction.conn()?;
        replace_members(&mut conn, connector, read).await?;
        // Correlated sub-selects keep the unresolved edges, which are few, the outer side on both databases. Those that
        // stay unresolved are not written.
        let of_connector = "EXISTS (SELECT 1 FROM asset o WHERE o.id = edge.owner AND o.connector = $2)";
        for stream in streams_of(&mut conn, connector).await? {
            let by_key = "(SELECT a.id FROM asset a WHERE a.tenant = $1 AND a.connector = $2 AND a.stream = $3 \
                          AND a.source_key = edge.member_key)";
            let sql = format!(
                "UPDATE edge SET member = {by_key} WHERE member IS NULL AND member_key IS NOT NULL AND {of_connector} \
                 AND {by_key} IS NOT NULL"
            );
            let params = vec![connector.tenant.into(), connector.id.into(), stream.into()];
            conn.execute("resolving members by key", sql, params).await?;
        }
        let by_place = "(SELECT MIN(a.id) FROM asset a WHERE a.tenant = $1 AND a.connector = $2 \
                        AND a.locator = edge.locator AND a.state = 'present')";
        let sql = format!(
            "UPDATE edge SET member = {by_place} WHERE member IS NULL AND locator IS NOT NULL AND {of_connector} \
             AND {by_place} IS NOT NULL"
        );
        conn.execute("resolving members by place", sql, vec![connector.tenant.into(), connector.id.into()]).await?;
        let sql =
            "SELECT COUNT(*) FROM edge e JOIN asset o ON o.id = e.owner WHERE e.member IS NULL AND o.connector = $1";
        let row = conn.fetch_one("counting unresolved members", sql, vec![connector.id.into()]).await?;
        let unresolved = row.map_or(Ok(0), |row| row.int(0))?;
        transaction.commit().await?;
        Ok(count(unresolved))
    }
}
