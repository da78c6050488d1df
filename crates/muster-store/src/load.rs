//! The first load of a class: its secondary indexes are made sorted at the end, not page by page in random order
//! (docs/adr/0005).
//!
//! Without them every statement gives the same, and slower. They are missing only while a first load runs, or after a
//! crash in one until the store is opened again.

use muster_core::asset::Class;

use crate::dialect::Dialect;
use crate::sql::Conn;
use crate::store::{SQLITE_BUILD_CACHE_KIB, SQLITE_WRITER_CACHE_KIB};
use crate::{Store, StoreError, schema, search};

/// Indexes of the inventory whose keys come in random order. `asset_locator` resolves members by place: it is dropped
/// only before streams without links.
const OF_ASSETS: [&str; 2] = ["asset_external", "asset_locator"];
const OF_LINKS: &str = "edge_member";
/// Up to so many assets of other classes their indexes are made again in no time.
const FEW_ASSETS: i64 = 10_000;

impl Store {
    /// Before a stream is read: where nothing of its class is stored yet, the indexes that its load would keep are
    /// dropped until [`Store::end_load`]. SQLite alone: it has one writer, which knows that nobody else needs them.
    pub async fn begin_load(&self, class: Class, links: bool) -> Result<(), StoreError> {
        if self.dialect() != Dialect::Sqlite {
            return Ok(());
        }
        let mut transaction = self.begin().await?;
        let mut conn = transaction.conn()?;
        let mut dropped = Vec::new();
        if is_below(&mut conn, &search::table(class), 1).await? {
            dropped.extend(search::indexes(Dialect::Sqlite, class).into_iter().map(|(name, _)| name));
            if !links && is_below(&mut conn, "asset", FEW_ASSETS).await? {
                dropped.extend(OF_ASSETS.map(str::to_owned));
            }
            if links && is_below(&mut conn, "edge", 1).await? {
                dropped.push(OF_LINKS.to_owned());
            }
        }
        for name in dropped {
            conn.execute("deferring an index", format!("DROP INDEX IF EXISTS {name}"), Vec::new()).await?;
        }
        transaction.commit().await
    }

    /// Whether a load that is under way, or that a crash ended, goes without indexes.
    pub async fn lacks_indexes(&self) -> Result<bool, StoreError> {
        if self.dialect() != Dialect::Sqlite {
            return Ok(false);
        }
        Ok(!missing(&mut self.reader().await?.conn()).await?.is_empty())
    }

    /// After a stream that was read for the first time: PostgreSQL looks at what is there now. It would do so by itself,
    /// but minutes later, and until then takes each member's asset for one that any index finds.
    pub async fn gather_statistics(&self) -> Result<(), StoreError> {
        if self.dialect() != Dialect::Postgres {
            return Ok(());
        }
        let mut writer = self.writer().await?;
        let mut conn = writer.conn();
        for table in ["asset", "document", "edge", "link_set"] {
            conn.execute("gathering statistics", format!("ANALYZE {table}"), Vec::new()).await?;
        }
        Ok(())
    }

    /// Makes the indexes that are missing. Each has a transaction and a turn of the writer of its own: others write in
    /// between, and a crash leaves whole ones; the next opening makes the rest.
    pub async fn end_load(&self) -> Result<(), StoreError> {
        if self.dialect() != Dialect::Sqlite {
            return Ok(());
        }
        loop {
            let mut writer = self.writer().await?;
            let mut conn = writer.conn();
            let Some(statement) = missing(&mut conn).await?.into_iter().next() else { return Ok(()) };
            // The sorter takes as much memory as the cache may: half of it each.
            cache(&mut conn, SQLITE_BUILD_CACHE_KIB).await?;
            let made = conn.execute("making an index", statement, Vec::new()).await;
            cache(&mut conn, SQLITE_WRITER_CACHE_KIB).await?;
            made?;
        }
    }

    /// Gives back what the writer's connection keeps in memory: after a run nobody needs it soon.
    pub async fn rest(&self) -> Result<(), StoreError> {
        if self.dialect() != Dialect::Sqlite || self.is_read_only() {
            return Ok(());
        }
        let mut writer = self.writer().await?;
        writer.conn().execute("giving memory back", "PRAGMA shrink_memory", Vec::new()).await?;
        Ok(())
    }
}

async fn cache(conn: &mut Conn<'_>, kib: u32) -> Result<(), StoreError> {
    conn.execute("setting the cache", format!("PRAGMA cache_size = -{kib}"), Vec::new()).await?;
    Ok(())
}

/// The statements that make the indexes which are not there.
async fn missing(conn: &mut Conn<'_>) -> Result<Vec<String>, StoreError> {
    let rows = conn.fetch("listing indexes", "SELECT name FROM sqlite_master WHERE type = 'index'", Vec::new()).await?;
    let found = rows.iter().map(|row| row.text(0)).collect::<Result<Vec<_>, _>>()?;
    let mut wanted: Vec<(String, String)> = OF_ASSETS
        .into_iter()
        .chain([OF_LINKS])
        .filter_map(|name| Some((name.to_owned(), schema::index_statement(name)?)))
        .collect();
    wanted.extend(Class::ALL.into_iter().flat_map(|class| search::indexes(Dialect::Sqlite, class)));
    Ok(wanted.into_iter().filter(|(name, _)| !found.contains(name)).map(|(_, statement)| statement).collect())
}

async fn is_below(conn: &mut Conn<'_>, table: &str, limit: i64) -> Result<bool, StoreError> {
    let there = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = $1";
    if conn.fetch_one("looking for a table", there, vec![table.into()]).await?.is_none() {
        return Ok(false);
    }
    let sql = format!("SELECT COUNT(*) FROM (SELECT 1 FROM {table} LIMIT $1)");
    let row = conn.fetch_one("looking for rows", sql, vec![limit.into()]).await?;
    Ok(row.map_or(Ok(0), |row| row.int(0))? < limit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Location;

    async fn lacking(store: &Store) -> usize {
        missing(&mut store.reader().await.unwrap().conn()).await.unwrap().len()
    }

    #[tokio::test]
    async fn whoever_writes_waits_for_one_index_at_most() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&Location::Directory(directory.path().to_owned())).await.unwrap();
        store.begin_load(Class::User, false).await.unwrap();
        let all = lacking(&store).await;
        assert!(all > 2, "{all}");
        let held = store.writer().await.unwrap();
        let making = tokio::spawn({
            let store = store.clone();
            async move { store.end_load().await }
        });
        tokio::task::yield_now().await;
        let writing = tokio::spawn({
            let store = store.clone();
            async move {
                let transaction = store.begin().await.unwrap();
                let lacking = lacking(&store).await;
                transaction.commit().await.unwrap();
                lacking
            }
        });
        tokio::task::yield_now().await;
        drop(held);
        assert_eq!(writing.await.unwrap(), all - 1);
        making.await.unwrap().unwrap();
        assert_eq!(lacking(&store).await, 0);
    }
}
