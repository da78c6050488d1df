//! A first load goes without the indexes that it would only slow (docs/adr/0005): what a crash leaves unmade is made at
//! the next opening, and until then every list is the same.

use std::collections::BTreeMap;

use muster_core::asset::Class;
use muster_core::connector::Mode;
use muster_core::query::{Query, tokens};
use muster_store::dialect::Dialect;
use muster_store::search::{Counting, Page, Sort, View};
use muster_store::{Location, Store};

use crate::bench::{Bench, both};
use crate::world::World;

fn world() -> World {
    let mut world = World::new();
    world.page = 7;
    world.put("places", "home", "all", &[("name", "home")]);
    world.people("n", 60, "north");
    world.people("s", 40, "south");
    let members: Vec<String> = (0..40).map(|n| format!("n{n:04}")).collect();
    world.team("t", &members.iter().map(String::as_str).collect::<Vec<_>>());
    world
}

/// Names and statements.
async fn indexes(store: &Store) -> BTreeMap<String, String> {
    let sql = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL";
    let rows = store.reader().await.unwrap().conn().fetch("listing indexes", sql, Vec::new()).await.unwrap();
    rows.iter().map(|row| (row.text(0).unwrap(), row.text(1).unwrap())).collect()
}

/// What people are shown: lists in several orders, counts, memberships.
async fn shown(bench: &Bench) -> Vec<(Vec<i64>, i64)> {
    let mut shown = Vec::new();
    let view = |class| View { dialect: bench.store.dialect(), tenant: bench.row.tenant, class, now: bench.clock_now() };
    for class in [Class::User, Class::Group] {
        for text in ["", "name:n*", "not name:\"n0001\"", "n00"] {
            let query = Query::parse(text, Some(class)).unwrap();
            for by in [None, tokens::all().find(|target| target.token() == format!("{}.name", class.word()))] {
                let page = Page { sort: Sort { by, descending: true }, after: None, limit: 50 };
                let (ids, _) = bench.store.list(&query, &view(class), &page).await.unwrap();
                let count = bench.store.count(&query, &view(class), Counting::Exact).await.unwrap();
                shown.push((ids, count.value));
            }
        }
    }
    let people: Vec<i64> = bench.inventory("people").await.into_values().map(|asset| asset.id).collect();
    let owners = bench.store.owners_of(bench.row.tenant, &people).await.unwrap();
    shown.extend(owners.into_iter().map(|(member, owner)| (vec![member], owner)));
    shown
}

async fn without_indexes(store: &Store) -> usize {
    let dropped = indexes(store).await;
    let deferred = dropped.keys().filter(|name| {
        name.starts_with("search_") || ["asset_external", "asset_locator", "edge_member"].contains(&name.as_str())
    });
    let mut count = 0;
    for name in deferred {
        let mut reader = store.reader().await.unwrap();
        reader.conn().execute("dropping", format!("DROP INDEX {name}"), Vec::new()).await.unwrap();
        count += 1;
    }
    count
}

#[tokio::test]
async fn indexes_that_a_crash_left_unmade_are_made_at_the_next_opening() {
    let directory = tempfile::tempdir().unwrap();
    let location = Location::Directory(directory.path().to_owned());
    let fresh = indexes(&Store::open(&location).await.unwrap()).await;
    let bench = Bench::open(location.clone(), world()).await;
    bench.full().await;
    assert_eq!(indexes(&bench.store).await, fresh, "a run ends with the indexes it began with");
    let (expected, digest) = (shown(&bench).await, bench.store.digest().await.unwrap());
    assert!(without_indexes(&bench.store).await > 10);
    assert!(bench.store.lacks_indexes().await.unwrap());
    assert_eq!(shown(&bench).await, expected, "without them lists are the same");
    bench.store.close().await;

    let beside = Store::open_beside(&location).await.unwrap();
    assert!(beside.lacks_indexes().await.unwrap(), "they are the writer's to make");
    beside.close().await;
    let bench = Bench::open(location, world()).await;
    assert_eq!(indexes(&bench.store).await, fresh);
    assert_eq!((shown(&bench).await, bench.store.digest().await.unwrap()), (expected, digest));
}

#[tokio::test]
async fn a_first_load_goes_without_indexes_and_no_later_one_does() {
    let directory = tempfile::tempdir().unwrap();
    let location = Location::Directory(directory.path().to_owned());
    let bench = Bench::open(location, world()).await;
    let fresh = indexes(&bench.store).await;
    bench.store.begin_load(Class::User, false).await.unwrap();
    let bare = indexes(&bench.store).await;
    assert!(!bare.keys().any(|name| name.starts_with("search_user_")), "{bare:?}");
    assert!(bare.contains_key("search_group_name") && bare.contains_key("asset_key"), "{bare:?}");
    // The run finds them missing, as after a crash, and ends with all of them.
    bench.full().await;
    assert_eq!(indexes(&bench.store).await, fresh);
    bench.store.begin_load(Class::User, false).await.unwrap();
    bench.store.begin_load(Class::Group, true).await.unwrap();
    assert_eq!(indexes(&bench.store).await, fresh, "what is there keeps its indexes");
    bench.run(Mode::Full).await;
    assert_eq!(indexes(&bench.store).await, fresh);
}

#[tokio::test]
async fn after_a_first_load_postgresql_knows_how_much_there_is() {
    both(world, |bench| async move {
        let Dialect::Postgres = bench.store.dialect() else { return };
        bench.full().await;
        // -1 where nobody has looked yet.
        let sql = "SELECT reltuples::bigint FROM pg_class WHERE oid = 'asset'::regclass";
        let mut reader = bench.store.reader().await.unwrap();
        let row = reader.conn().fetch_one("reading statistics", sql, Vec::new()).await.unwrap().unwrap();
        assert!(row.int(0).unwrap() >= 100, "{row:?}");
    })
    .await;
}
