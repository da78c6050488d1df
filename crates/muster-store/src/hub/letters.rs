//! Dead letters as people look at them.

use muster_core::clock::Instant;

use super::Page;
use crate::sql::Row;
use crate::{Store, StoreError};

/// A record that was rejected, with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LetterRow {
    /// Its id.
    pub id: i64,
    /// Its connector.
    pub connector: i64,
    /// The profile that read its scope last.
    pub profile: Option<i64>,
    /// Its stream.
    pub stream: String,
    /// The name of its scope.
    pub scope: String,
    /// Its source key.
    pub source_key: String,
    /// The run in which it came to be as it is.
    pub run: i64,
    /// Why.
    pub reason: String,
    /// The target that stayed empty.
    pub target: Option<String>,
    /// The map that rejected it, and its version.
    pub map: Option<(String, i64)>,
    /// How often it was replayed and stayed.
    pub replays: i64,
    /// When.
    pub at: Instant,
}

/// Which letters.
#[derive(Debug, Clone, Copy, Default)]
pub struct LetterFilter<'a> {
    /// Of one connector.
    pub connector: Option<i64>,
    /// Of the scopes that one profile reads.
    pub profile: Option<i64>,
    /// Of one run.
    pub run: Option<i64>,
    /// Of one stream.
    pub stream: Option<&'a str>,
    /// That one.
    pub id: Option<i64>,
}

const FROM: &str = "FROM dead_letter d LEFT JOIN scope s ON s.id = d.scope \
                    LEFT JOIN transform_map m ON m.id = d.map WHERE d.tenant = $1";

fn row(row: &Row) -> Result<LetterRow, StoreError> {
    Ok(LetterRow {
        id: row.int(0)?,
        connector: row.int(1)?,
        profile: row.maybe_int(2)?,
        stream: row.text(3)?,
        scope: row.maybe_text(4)?.unwrap_or_default(),
        source_key: row.text(5)?,
        run: row.int(6)?,
        reason: row.text(7)?,
        target: row.maybe_text(8)?,
        map: row.maybe_text(9)?.zip(row.maybe_int(10)?),
        replays: row.int(11)?,
        at: Instant(row.int(12)?),
    })
}

/// The conditions of a filter, with their values.
fn narrowed(filter: LetterFilter<'_>, values: &mut Vec<crate::sql::Param>) -> String {
    let mut sql = String::new();
    let numbers =
        [("d.connector", filter.connector), ("s.profile", filter.profile), ("d.run", filter.run), ("d.id", filter.id)];
    let mut narrow = |column: &str, value: crate::sql::Param| {
        values.push(value);
        sql.push_str(&format!(" AND {column} = ${}", values.len()));
    };
    for (column, wanted) in numbers {
        if let Some(wanted) = wanted {
            narrow(column, wanted.into());
        }
    }
    if let Some(stream) = filter.stream {
        narrow("d.stream", stream.into());
    }
    sql
}

impl Store {
    /// The dead letters of a tenant.
    pub async fn letters(
        &self,
        tenant: i64,
        filter: LetterFilter<'_>,
        page: Page,
    ) -> Result<Vec<LetterRow>, StoreError> {
        let mut reader = self.reader().await?;
        let mut values = params![tenant, page.after, page.limit];
        let narrow = narrowed(filter, &mut values);
        let sql = format!(
            "SELECT d.id, d.connector, s.profile, d.stream, s.name, d.source_key, d.run, d.reason, d.target, m.name, \
             m.version, d.replays, d.at {FROM} AND d.id > $2{narrow} ORDER BY d.id LIMIT $3"
        );
        let rows = reader.conn().fetch("reading dead letters", sql, values).await?;
        rows.iter().map(row).collect()
    }

    /// What is kept of a letter's record, encoded.
    pub async fn letter_record(&self, tenant: i64, id: i64) -> Result<Option<Vec<u8>>, StoreError> {
        let mut reader = self.reader().await?;
        let sql = "SELECT raw FROM dead_letter WHERE tenant = $1 AND id = $2";
        let found = reader.conn().fetch_one("reading a dead letter", sql, params![tenant, id]).await?;
        found.map(|row| row.blob(0)).transpose()
    }

    /// The profiles that read the scopes of such letters, each once; none stands for one that is not there any more.
    pub async fn profiles_of_letters(
        &self,
        tenant: i64,
        filter: LetterFilter<'_>,
    ) -> Result<Vec<Option<i64>>, StoreError> {
        let mut reader = self.reader().await?;
        let mut values = params![tenant];
        let narrow = narrowed(filter, &mut values);
        let sql = format!("SELECT DISTINCT s.profile {FROM}{narrow} ORDER BY 1");
        let rows = reader.conn().fetch("looking for dead letters", sql, values).await?;
        rows.iter().map(|row| row.maybe_int(0)).collect()
    }
}
