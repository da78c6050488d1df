//! P4: a run that ends at any point is gone on with, and comes to what an uninterrupted one comes to.

use std::future::Future;
use std::task::Poll;

use muster_core::connector::Mode;
use muster_store::Location;
use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};

use crate::bench::{Bench, Schema, both};
use crate::world::World;

fn world() -> World {
    let mut world = World::new();
    world.page = 7;
    world.member_page = 9;
    world.put("places", "home", "all", &[("name", "home")]);
    world.people("n", 60, "north");
    world.people("s", 40, "south");
    let members: Vec<String> = (0..40).map(|n| format!("n{n:04}")).collect();
    world.team("t", &members.iter().map(String::as_str).collect::<Vec<_>>());
    world
}

/// What happens to the world before the run of that number.
fn change(world: &mut World, round: usize) {
    for n in 0..10 {
        world.set("people", &format!("n{:04}", 20 + n), "level", &round.to_string());
        world.person(&format!("x{round}-{n}"), if n % 2 == 0 { "north" } else { "south" });
    }
    // Some lose a value: written at the end of their stream, when the guard has seen all of them.
    for n in 0..4 {
        world.set("people", &format!("n{:04}", 30 + (4 * round + n) % 25), "mail", "");
    }
    world.set("people", "s0001", "failures", &round.to_string());
    world.delete("people", &format!("s{:04}", 5 + round % 10));
    world.move_to(&("people", format!("s{:04}", 20 + round % 20)), "north");
    let members: Vec<String> = (round..40 + round).map(|n| format!("n{n:04}")).collect();
    world.team("t", &members.iter().map(String::as_str).collect::<Vec<_>>());
}

fn mode(round: usize) -> Mode {
    [Mode::Full, Mode::Delta, Mode::Sweep][round % 3]
}

/// Runs once in a runtime of its own, polled no more than so often: what is under way then is dropped where it
/// stands. Gives how often it was polled, and the digest where it came to its end.
fn run(location: &Location, world: &World, (mode, polls): (Mode, usize)) -> (usize, Option<String>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut polled = 0;
    let digest = runtime.block_on(async {
        let bench = Bench::open(location.clone(), world.clone()).await;
        let mut work = Box::pin(bench.run(mode));
        let ended = std::future::poll_fn(|context| {
            if polled == polls {
                return Poll::Ready(false);
            }
            polled += 1;
            work.as_mut().poll(context).map(|_| true)
        })
        .await;
        drop(work);
        if ended { Some(bench.store.digest().await.unwrap()) } else { None }
    });
    runtime.shutdown_background();
    (polled, digest)
}

fn interrupt(location: &Location, twin: &Location, (mut world, wanted): (World, usize)) {
    let mut random = SmallRng::seed_from_u64(7);
    let mut interrupted = 0;
    let mut round = 0;
    while interrupted < wanted {
        let (polls, digest) = run(twin, &world, (mode(round), usize::MAX));
        for attempt in 0.. {
            // Early at first, so that a round is interrupted in each of its phases before it comes through.
            let most = (attempt + 1) * polls / 8;
            let (_, found) = run(location, &world, (mode(round), random.random_range(most / 2..=most)));
            if let Some(found) = found {
                assert_eq!(Some(found), digest, "round {round} after {interrupted} interruptions");
                break;
            }
            interrupted += 1;
        }
        change(&mut world, round);
        round += 1;
        assert!(round < 30, "the script is not that long");
    }
}

#[test]
fn a_run_dropped_a_hundred_times_comes_to_the_same() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let at = |directory: &tempfile::TempDir| Location::Directory(directory.path().to_owned());
    interrupt(&at(&first), &at(&second), (world(), 100));
}

#[test]
fn a_run_dropped_over_postgresql_comes_to_the_same() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let schemas = runtime.block_on(async { (Schema::create().await, Schema::create().await) });
    let (Some(first), Some(second)) = schemas else { return };
    interrupt(&first.location(), &second.location(), (world(), 15));
    runtime.block_on(async {
        first.drop().await;
        second.drop().await;
    });
}

#[test]
fn a_run_of_a_source_that_cannot_be_asked_counts_once_however_often_it_is_dropped() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let at = |directory: &tempfile::TempDir| Location::Directory(directory.path().to_owned());
    let silent = || {
        let mut world = world();
        world.confirms = false;
        world.shows_tombstones = false;
        world
    };
    interrupt(&at(&first), &at(&second), (silent(), 60));
}

#[tokio::test]
async fn a_run_dropped_within_a_process_leaves_the_store_usable() {
    both(world, |bench| async move {
        let mut random = SmallRng::seed_from_u64(11);
        for round in 0..3 {
            for attempt in 0..15_usize {
                let mut polls = random.random_range(1..8 + attempt * 4);
                let mut work = Box::pin(bench.try_run(mode(round), false));
                std::future::poll_fn(|context| {
                    if polls == 0 {
                        return Poll::Ready(());
                    }
                    polls -= 1;
                    work.as_mut().poll(context).map(|ended| drop(ended.unwrap()))
                })
                .await;
            }
            // What is still under way has an old claim: it cannot disturb this one.
            bench.run(mode(round)).await;
            change(&mut bench.source.world(), round);
        }
        let report = bench.full().await;
        assert_eq!(report.result, muster_core::run::RunResult::Complete, "{}", crate::bench::words(&report));
        let people = bench.source.world().objects.keys().filter(|(stream, _)| *stream == "people").count();
        assert_eq!(bench.present("people").await, u64::try_from(people).unwrap());
    })
    .await;
}
