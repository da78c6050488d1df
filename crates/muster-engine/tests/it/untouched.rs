//! P5, by the databases' own word: the same input again writes no row of what is known, not even with the same values,
//! and leaves every table but those that tell of the run as it was.

use std::collections::BTreeMap;

use muster_core::connector::Mode;
use muster_core::link::{Member, locator};
use muster_core::run::RunResult;
use muster_store::Location;
use muster_store::dialect::Dialect;
use sqlx::{Connection as _, Executor as _, Row as _};

use crate::bench::{Bench, both, counters};
use crate::tables::rows;
use crate::world::World;

/// Tables that tell of runs: when, how far, what was met on the way.
const OF_RUNS: [&str; 7] = ["run", "run_scope", "scope", "seen", "parked", "edge_stage", "sequence"];
/// Tables that hold what is known. They must be watched, whatever else there is.
const OF_TRUTH: [&str; 9] = [
    "asset",
    "document",
    "change",
    "edge",
    "link_set",
    "dead_letter",
    "search_user",
    "search_group",
    "search_container",
];

fn world() -> World {
    let mut world = World::new();
    world.people("n", 60, "north");
    world.people("s", 40, "south");
    world.team("t", &["n0000", "s0000"]);
    let members: Vec<String> = (0..40).map(|n| format!("s{n:04}")).collect();
    world.members("t", vec![Member::Key("n0000".to_owned()), Member::Key("nobody".to_owned()), place("nowhere")]);
    world.team("great", &members.iter().map(String::as_str).collect::<Vec<_>>());
    world.put("places", "home", "all", &[("name", "home")]);
    world
}

fn place(name: &str) -> Member {
    Member::Place { locator: locator("home", name), text: format!("CN={name},home") }
}

/// The names of all tables but those of runs, those behind the substring indexes included.
async fn tables(bench: &Bench) -> Vec<String> {
    let sql = match bench.store.dialect() {
        Dialect::Sqlite => {
            "SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY name"
        }
        Dialect::Postgres => {
            "SELECT table_name::text FROM information_schema.tables WHERE table_schema = current_schema() ORDER BY 1"
        }
    };
    let mut reader = bench.store.reader().await.unwrap();
    let found = reader.conn().fetch("listing tables", sql.to_owned(), Vec::new()).await.unwrap();
    let names = found.iter().map(|row| row.text(0).unwrap());
    names
        .filter(|name| !OF_RUNS.contains(&name.as_str()) && !name.starts_with("written") && name != "_sqlx_migrations")
        .collect()
}

/// Every row of every such table. PostgreSQL's tell also by which transaction they were written, and where they lie.
async fn dump(bench: &Bench) -> BTreeMap<String, Vec<String>> {
    let mut all = BTreeMap::new();
    for table in tables(bench).await {
        let found = match bench.store.dialect() {
            Dialect::Sqlite => rows(&bench.store, &table).await,
            Dialect::Postgres => {
                let sql =
                    format!("SELECT t.xmin::text || ' ' || t.ctid::text || ' ' || t::text FROM {table} t ORDER BY 1");
                let mut reader = bench.store.reader().await.unwrap();
                let found = reader.conn().fetch("reading a table", sql, Vec::new()).await.unwrap();
                found.iter().map(|row| row.text(0).unwrap()).collect()
            }
        };
        all.insert(table, found);
    }
    all
}

/// SQLite counts what is written: triggers on every table of the truth.
async fn watch(bench: &Bench) -> Option<sqlx::SqliteConnection> {
    let Location::Directory(directory) = &bench.location else { return None };
    let file = directory.join("muster.db");
    let mut connection = sqlx::SqliteConnection::connect(&format!("sqlite://{}", file.display())).await.unwrap();
    connection.execute("CREATE TABLE written (what TEXT NOT NULL)").await.unwrap();
    for table in OF_TRUTH {
        for event in ["INSERT", "UPDATE", "DELETE"] {
            let sql = format!(
                "CREATE TRIGGER written_{table}_{event} AFTER {event} ON {table} BEGIN INSERT INTO written VALUES ('{table}: {event}'); END"
            );
            connection.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(sql))).await.unwrap();
        }
    }
    Some(connection)
}

async fn written(connection: &mut sqlx::SqliteConnection) -> Vec<String> {
    let found = sqlx::query("SELECT DISTINCT what FROM written ORDER BY 1").fetch_all(connection).await.unwrap();
    found.iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn the_same_again_writes_no_row() {
    both(world, |bench| async move {
        assert_eq!(bench.full().await.result, RunResult::Complete);
        let mut watching = watch(&bench).await;
        let before = dump(&bench).await;
        for table in OF_TRUTH {
            assert!(before.contains_key(table), "`{table}` among {:?}", before.keys());
        }
        for table in ["asset", "document", "edge", "link_set", "search_user", "search_group", "search_container"] {
            assert!(!before[table].is_empty(), "`{table}` has rows");
        }
        for (mode, order, page) in
            [(Mode::Full, 0, 10), (Mode::Full, 7, 10), (Mode::Full, 3, 33), (Mode::Sweep, 5, 7), (Mode::Delta, 1, 1)]
        {
            {
                let mut world = bench.source.world();
                (world.order, world.page, world.member_page) = (order, page, page + 1);
            }
            let report = bench.run(mode).await;
            assert_eq!(report.result, RunResult::Complete);
            let people = counters(&report, "people");
            assert_eq!((people.created, people.updated, people.refreshed, people.gone), (0, 0, 0, 0));
            let after = dump(&bench).await;
            for (table, rows) in &before {
                assert_eq!(rows, &after[table], "`{table}` after {mode:?} in order {order} by pages of {page}");
            }
            if let Some(connection) = &mut watching {
                assert_eq!(
                    written(connection).await,
                    Vec::<String>::new(),
                    "{mode:?} in order {order} by pages of {page}"
                );
            }
        }
        // The evidence works: a change is written, and seen to be.
        bench.source.world().set("people", "n0003", "mail", "other@example.org");
        bench.run(Mode::Delta).await;
        assert_ne!(dump(&bench).await, before);
        if let Some(connection) = &mut watching {
            let found = written(connection).await;
            for what in ["asset: UPDATE", "change: INSERT", "document: UPDATE", "search_user: UPDATE"] {
                assert!(found.iter().any(|known| known == what), "{what} among {found:?}");
            }
        }
    })
    .await;
}
