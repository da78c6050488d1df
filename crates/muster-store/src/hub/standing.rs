//! What connectors and profiles are at, and what they came to last: one statement for all of a page.

use std::collections::HashMap;

use muster_core::clock::Instant;

use crate::dialect::Dialect;
use crate::sql::{Bulk, Param};
use crate::{Store, StoreError};

/// Whose standing is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// Connectors'.
    Connector,
    /// Profiles'.
    Profile,
}

/// What a connector or a profile is at.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Standing {
    /// Whether a run of it goes on.
    pub running: bool,
    /// Whether a run of it waits for a worker.
    pub queued: bool,
    /// When an active profile of it is due next.
    pub next_at: Option<Instant>,
    /// The last job that was to run it.
    pub job: Option<Ended>,
    /// The last reading of its source; a replay reads nothing.
    pub run: Option<Ended>,
}

/// How something ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// What it came to.
    pub result: Option<String>,
    /// Why, in a sentence.
    pub message: Option<String>,
    /// When.
    pub at: Instant,
}

/// What is open is little and read once; what ended is walked backwards from its end, until the first that fits.
fn statement(dialect: Dialect, tenant: i64, (subject, ids): (Subject, &[i64])) -> (String, Vec<Param>) {
    let (source, ids) = Bulk::ids(dialect, ids).source(dialect, "b", 2);
    let (owner, key) = match subject {
        Subject::Connector => ("connector", "connector"),
        Subject::Profile => ("profile", "id"),
    };
    let join = dialect.bulk_join();
    let sql = format!(
        "WITH open_job AS MATERIALIZED (SELECT {owner} AS owner, state FROM job \
           WHERE tenant = $1 AND exclusive IS NOT NULL AND state <> 'ended' AND kind = 'run'), \
         open_run AS MATERIALIZED (SELECT {owner} AS owner FROM run WHERE tenant = $1 AND state <> 'ended'), \
         due AS MATERIALIZED (SELECT p.{key} AS owner, MIN(p.next_at) AS next_at FROM {source} {join} profile p \
           ON p.{key} = b.id WHERE p.tenant = $1 AND p.active = 1 AND p.next_at IS NOT NULL GROUP BY p.{key}) \
         SELECT b.id, (SELECT COUNT(*) FROM open_job o WHERE o.owner = b.id AND o.state = 'running') \
           + (SELECT COUNT(*) FROM open_run o WHERE o.owner = b.id), \
           (SELECT COUNT(*) FROM open_job o WHERE o.owner = b.id AND o.state = 'queued'), \
           (SELECT d.next_at FROM due d WHERE d.owner = b.id), j.result, j.message, j.ended_at, r.result, r.ended_at \
         FROM {source} \
         LEFT JOIN job j ON j.id = (SELECT l.id FROM job l WHERE l.tenant = $1 AND l.{owner} = b.id \
           AND l.kind = 'run' AND l.state = 'ended' ORDER BY l.id DESC LIMIT 1) \
         LEFT JOIN run r ON r.id = (SELECT l.id FROM run l WHERE l.tenant = $1 AND l.{owner} = b.id \
           AND l.state = 'ended' AND l.mode <> 'replay' ORDER BY l.id DESC LIMIT 1)"
    );
    let mut values = params![tenant];
    values.extend(ids);
    (sql, values)
}

impl Store {
    /// What these connectors or profiles of a tenant are at.
    pub async fn standings(
        &self,
        tenant: i64,
        subject: Subject,
        ids: &[i64],
    ) -> Result<HashMap<i64, Standing>, StoreError> {
        let mut reader = self.reader().await?;
        let (sql, values) = statement(self.dialect(), tenant, (subject, ids));
        let rows = reader.conn().fetch("reading what is at work", sql, values).await?;
        let mut found = HashMap::with_capacity(rows.len());
        for row in &rows {
            let job = match row.maybe_int(6)? {
                Some(at) => Some(Ended { result: row.maybe_text(4)?, message: row.maybe_text(5)?, at: Instant(at) }),
                None => None,
            };
            let run = match row.maybe_int(8)? {
                Some(at) => Some(Ended { result: row.maybe_text(7)?, message: None, at: Instant(at) }),
                None => None,
            };
            let standing = Standing {
                running: row.int(1)? > 0,
                queued: row.int(2)? > 0,
                next_at: row.maybe_int(3)?.map(Instant),
                job,
                run,
            };
            found.insert(row.int(0)?, standing);
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Location;

    #[tokio::test]
    async fn no_history_is_walked_from_its_beginning() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&Location::Directory(directory.path().to_owned())).await.unwrap();
        for (subject, jobs, runs, profiles) in [
            (Subject::Connector, "job_of_connector (tenant=? AND connector=?)", "run_of_connector", "profile_name"),
            (Subject::Profile, "job_of_profile (tenant=? AND profile=?)", "run_of_profile", "INTEGER PRIMARY KEY"),
        ] {
            let (sql, values) = statement(store.dialect(), 1, (subject, &[1, 2]));
            let mut reader = store.reader().await.unwrap();
            let rows = reader.conn().fetch("explaining", format!("EXPLAIN QUERY PLAN {sql}"), values).await.unwrap();
            let plan: Vec<String> = rows.iter().map(|row| row.text(3).unwrap()).collect();
            for wanted in ["job_exclusive (tenant=?", "run_open (tenant=?)", jobs, runs, profiles] {
                assert!(plan.iter().any(|step| step.contains(wanted)), "{wanted}: {plan:#?}");
            }
            let sorted = plan.iter().any(|step| step.contains("FOR ORDER BY") || step.starts_with("SCAN l"));
            assert!(!sorted, "{plan:#?}");
        }
    }
}
