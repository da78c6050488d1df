//! Random scripts: whatever happened on the way, a clean full run ends with the inventory equal to the source, on both
//! databases alike, and every run's counters are the difference it made (P6).

use std::collections::{BTreeMap, BTreeSet};

use muster_core::connector::{ErrorKind, Mode};
use muster_core::link::Member;
use muster_core::run::RunResult;
use muster_engine::Report;
use muster_store::Location;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::bench::{Bench, Schema, counters, words};
use crate::tables::{contents, rows};
use crate::world::{Fault, World};

#[derive(Debug, Clone)]
pub(crate) enum Step {
    Create(u8, bool),
    Set(u8, &'static str, u8),
    Delete(u8),
    Move(u8, bool),
    Team(u8, Vec<u8>),
    Run(Mode, u8),
}

fn key(n: u8) -> String {
    format!("r{n:03}")
}

fn scope(south: bool) -> &'static str {
    if south { "south" } else { "north" }
}

pub(crate) fn steps(faults: bool) -> impl Strategy<Value = Vec<Step>> {
    let person = 0..24_u8;
    let attribute =
        prop_oneof![Just("mail"), Just("level"), Just("failures"), Just("name"), Just("badge"), Just("place")];
    let mode = prop_oneof![Just(Mode::Full), Just(Mode::Delta), Just(Mode::Delta), Just(Mode::Sweep)];
    let fault = if faults { 0..12_u8 } else { 20..21_u8 };
    let step = prop_oneof![
        4 => (person.clone(), any::<bool>()).prop_map(|(n, south)| Step::Create(n, south)),
        4 => (person.clone(), attribute, 0..4_u8).prop_map(|(n, name, value)| Step::Set(n, name, value)),
        2 => person.clone().prop_map(Step::Delete),
        2 => (person.clone(), any::<bool>()).prop_map(|(n, south)| Step::Move(n, south)),
        2 => (0..4_u8, prop::collection::vec(person, 0..9)).prop_map(|(n, members)| Step::Team(n, members)),
        3 => (mode, fault).prop_map(|(mode, fault)| Step::Run(mode, fault)),
    ];
    prop::collection::vec(step, 1..60)
}

/// A world in which each scope keeps somebody: a scope that empties is another test's.
pub(crate) fn world() -> World {
    let mut world = World::new();
    world.page = 4;
    world.member_page = 3;
    world.people("anchor-n", 6, "north");
    world.people("anchor-s", 6, "south");
    world
}

/// Changes the world; runs are the caller's.
pub(crate) fn change(world: &mut World, step: &Step) {
    match step {
        Step::Create(n, south) => {
            if !world.objects.contains_key(&("people", key(*n))) {
                world.person(&key(*n), scope(*south));
            }
        }
        Step::Set(n, attribute, value) => {
            if world.objects.contains_key(&("people", key(*n))) {
                // Without a badge the record is rejected; a level that is no number is dropped.
                let text = match (value, *attribute) {
                    (0, "name" | "place" | "failures") => "1".to_owned(),
                    (0, _) => String::new(),
                    (1, "level") => "high".to_owned(),
                    (value, _) => value.to_string(),
                };
                world.set("people", &key(*n), attribute, &text);
            }
        }
        Step::Delete(n) => world.delete("people", &key(*n)),
        Step::Move(n, south) => {
            if world.objects.contains_key(&("people", key(*n))) {
                world.move_to(&("people", key(*n)), scope(*south));
            }
        }
        Step::Team(n, members) => {
            let team = format!("team{n}");
            if !world.objects.contains_key(&("teams", team.clone())) {
                world.put("teams", &team, "all", &[("name", &team)]);
            }
            world.members(&team, members.iter().map(|n| Member::Key(key(*n))).collect());
        }
        Step::Run(..) => {}
    }
}

fn set_fault(world: &mut World, number: u8) {
    let mover = world.objects.keys().find(|(stream, key)| *stream == "people" && key.starts_with('r')).cloned();
    let faults = match (number, mover) {
        (0, _) => vec![Fault::LosePage(1)],
        (1, _) => vec![Fault::LosePage(0), Fault::RepeatPage(1)],
        (2, _) => vec![Fault::RepeatPage(1)],
        (3, _) => vec![Fault::Cut(1)],
        (4, _) => vec![Fault::Fail(1, ErrorKind::Protocol)],
        (5, _) => vec![Fault::Miscount(1)],
        (6, _) => vec![Fault::Empty],
        (7, _) => vec![Fault::Cancel(1)],
        (8, Some(name)) => vec![Fault::Move(0, name, "north")],
        (9, _) => vec![Fault::Keyless(1)],
        _ => Vec::new(),
    };
    world.faults.clear();
    world.fault("people", "south", &faults);
}

/// What the inventory should hold: keys of the present, with mail and level, and members.
fn expected(world: &World) -> BTreeMap<String, String> {
    let of = |stream: &'static str| world.objects.iter().filter(move |((found, _), _)| *found == stream);
    let good: BTreeSet<&String> =
        of("people").filter(|(_, object)| object.values.contains_key("badge")).map(|((_, key), _)| key).collect();
    let text = |value: Option<&Vec<u8>>| value.map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    let mut all = BTreeMap::new();
    for ((_, key), object) in of("people").filter(|((_, key), _)| good.contains(key)) {
        let level = text(object.values.get("level")).and_then(|level| level.parse::<i64>().ok());
        all.insert(key.clone(), format!("{} {:?} {level:?}", object.scope, text(object.values.get("mail"))));
    }
    for ((_, key), object) in of("teams") {
        let mut members: Vec<&str> = object.members.iter().flatten().map(Member::text).collect();
        members.sort_unstable();
        members.dedup();
        all.insert(key.clone(), members.join(" "));
    }
    all
}

async fn found(bench: &Bench, rejected: &BTreeSet<String>, known: &World) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let scopes = bench.store.scopes(&bench.row).await.unwrap();
    for (key, asset) in bench.inventory("people").await {
        if asset.status == "present" && !rejected.contains(&key) {
            let scope = bench.store.documents(&[asset.id]).await.unwrap()[0].scope;
            let name = &scopes.iter().find(|row| row.id == scope).unwrap().name;
            let detail = &asset.document["assetDetail"]["userAssetClass"];
            let mail = detail["email"].as_str().map(str::to_owned);
            all.insert(key, format!("{name} {mail:?} {:?}", detail["primaryGroupId"].as_i64()));
        }
    }
    for (key, _) in bench.inventory("teams").await {
        // A member that is gone is shown by none but those who list it still; those the source names are compared.
        let object = &known.objects[&("teams", key.clone())];
        let gone = |name: &str| !known.objects.contains_key(&("people", name.to_owned()));
        let mut members = bench.members(&key).await;
        let named = object.members.iter().flatten().map(Member::text);
        members.extend(named.filter(|name| gone(name)).map(str::to_owned));
        members.sort();
        members.dedup();
        all.insert(key, members.join(" "));
    }
    all
}

/// Plays a script; every run's counters are checked. Gives the digest after a clean full run.
async fn play(bench: &Bench, script: &[Step]) -> String {
    for step in script {
        change(&mut bench.source.world(), step);
        if let Step::Run(mode, fault) = step {
            set_fault(&mut bench.source.world(), *fault);
            let before = State::of(bench).await;
            let report = bench.run(*mode).await;
            State::of(bench).await.assert_difference(&before, &report);
        }
    }
    bench.source.world().faults.clear();
    let report = bench.full().await;
    assert_eq!(report.result, RunResult::Complete, "{}", words(&report));
    let known = bench.source.world().clone();
    let rejected = known
        .objects
        .iter()
        .filter(|((stream, _), object)| *stream == "people" && !object.values.contains_key("badge"));
    let rejected: BTreeSet<String> = rejected.map(|((_, key), _)| key.clone()).collect();
    assert_eq!(found(bench, &rejected, &known).await, expected(&known));
    let letters = bench.store.dead_letters(&bench.row, 100).await.unwrap();
    let letters: BTreeSet<String> = letters.into_iter().map(|letter| letter.source_key).collect();
    assert!(rejected.is_subset(&letters), "{rejected:?} {letters:?}");
    let before = contents(&bench.store).await;
    bench.source.world().order += 1;
    bench.source.world().page = 3;
    bench.full().await;
    bench.run(Mode::Sweep).await;
    assert_eq!(contents(&bench.store).await, before, "the same again writes nothing");
    bench.store.digest().await.unwrap()
}

/// What the counters are about.
struct State {
    /// Key → state, last change, volatile values.
    people: BTreeMap<String, (bool, i64, Vec<u8>)>,
    edges: BTreeSet<String>,
}

impl State {
    async fn of(bench: &Bench) -> Self {
        let inventory = bench.inventory("people").await;
        let ids: Vec<i64> = inventory.values().map(|asset| asset.id).collect();
        let documents = bench.store.documents(&ids).await.unwrap();
        let volatile: BTreeMap<i64, Vec<u8>> = documents.into_iter().map(|row| (row.id, row.volatile)).collect();
        let people = inventory
            .into_iter()
            .map(|(key, asset)| (key, (asset.status != "gone", asset.changed_at.0, volatile[&asset.id].clone())));
        // Edges without what they are resolved to.
        let edges = rows(&bench.store, "edge_names").await.into_iter().collect();
        Self { people: people.collect(), edges }
    }

    fn assert_difference(&self, before: &Self, report: &Report) {
        let mut found = [0_u64; 5];
        for (key, (present, changed_at, volatile)) in &self.people {
            let slot = match before.people.get(key) {
                None => 0,
                Some((false, ..)) if *present => 1,
                Some((true, ..)) if !present => 2,
                Some((true, was, _)) if was != changed_at => 3,
                Some((true, _, was)) if was != volatile => 4,
                _ => continue,
            };
            found[slot] += 1;
        }
        let people = counters(report, "people");
        let told = [people.created, people.reappeared, people.gone, people.updated, people.refreshed];
        assert_eq!(told, found, "created, reappeared, gone, updated, refreshed; {}", words(report));
        let teams = counters(report, "teams");
        let added = self.edges.difference(&before.edges).count();
        let removed = before.edges.difference(&self.edges).count();
        let links = (u64::try_from(added).unwrap(), u64::try_from(removed).unwrap());
        assert_eq!((teams.links_added, teams.links_removed), links);
    }
}

fn config(cases: u32) -> Config {
    // A longer search for what a few cases do not find.
    let cases = cases * std::env::var("MUSTER_SOAK").map_or(1, |times| times.parse::<u32>().unwrap());
    Config { cases, failure_persistence: None, max_shrink_iters: 200, ..Config::default() }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

#[test]
fn scripts_end_with_the_inventory_equal_to_the_source() {
    let runtime = runtime();
    TestRunner::new(config(30))
        .run(&steps(true), |script| {
            let directory = tempfile::tempdir().unwrap();
            runtime.block_on(async {
                let bench = Bench::open(Location::Directory(directory.path().to_owned()), world()).await;
                play(&bench, &script).await;
            });
            Ok(())
        })
        .unwrap();
}

#[test]
fn both_databases_come_to_the_same_truth() {
    let runtime = runtime();
    TestRunner::new(config(4))
        .run(&steps(true), |script| {
            let directory = tempfile::tempdir().unwrap();
            runtime.block_on(async {
                let Some(schema) = Schema::create().await else { return };
                let bench = Bench::open(Location::Directory(directory.path().to_owned()), world()).await;
                let embedded = play(&bench, &script).await;
                let bench = Bench::open(schema.location(), world()).await;
                assert_eq!(play(&bench, &script).await, embedded);
                schema.drop().await;
            });
            Ok(())
        })
        .unwrap();
}
