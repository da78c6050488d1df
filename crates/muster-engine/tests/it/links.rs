//! D8: memberships are diffed, whatever their size and order, and resolved as their members come.

use muster_core::connector::Mode;
use muster_core::link::{Member, locator};

use crate::bench::{both, counters};
use crate::tables::contents;
use crate::world::World;

fn world() -> World {
    let mut world = World::new();
    world.put("places", "home", "all", &[("name", "home")]);
    world.people("n", 20, "north");
    world.team("t", &["n0000", "n0001", "n0002"]);
    world
}

fn keys(range: std::ops::Range<usize>) -> Vec<Member> {
    range.map(|n| Member::Key(format!("m{n:04}"))).collect()
}

fn place(name: &str) -> Member {
    Member::Place { locator: locator("home", name), text: format!("CN={name},home") }
}

#[tokio::test]
async fn only_the_difference_is_written_and_told() {
    both(world, |bench| async move {
        let report = bench.full().await;
        assert_eq!(counters(&report, "teams").links_added, 3);
        assert_eq!(bench.history("teams", "t").await, [], "creation is no history");
        let members = ["n0002", "n0001", "n0005"].map(|key| Member::Key(key.to_owned()));
        bench.source.world().members("t", members.to_vec());
        let report = bench.run(Mode::Delta).await;
        let teams = counters(&report, "teams");
        assert_eq!((teams.links_added, teams.links_removed), (1, 1));
        assert_eq!(bench.members("t").await, ["n0001", "n0002", "n0005"]);
        let expected = serde_json::json!({ "links.member": { "added": ["n0005"], "removed": ["n0000"] } });
        assert_eq!(bench.history("teams", "t").await, [("source".to_owned(), expected)]);
        let before = contents(&bench.store).await;
        let members = ["n0005", "n0002", "n0001", "n0001"].map(|key| Member::Key(key.to_owned()));
        bench.source.world().members("t", members.to_vec());
        bench.run(Mode::Delta).await;
        assert_eq!(contents(&bench.store).await, before, "another order, one of them twice: nothing is written");
    })
    .await;
}

#[tokio::test]
async fn sets_of_many_pages_are_as_those_of_one() {
    both(world, |bench| async move {
        bench.source.world().members("t", keys(0..4000));
        let report = bench.full().await;
        assert_eq!(counters(&report, "teams").links_added, 4000);
        assert_eq!(bench.history("teams", "t").await, []);
        let before = contents(&bench.store).await;
        let mut turned = keys(0..4000);
        turned.reverse();
        bench.source.world().members("t", turned);
        bench.source.world().member_page = 1999;
        bench.full().await;
        assert_eq!(contents(&bench.store).await, before);
        bench.source.world().members("t", keys(10..4005));
        let report = bench.run(Mode::Delta).await;
        let teams = counters(&report, "teams");
        assert_eq!((teams.links_added, teams.links_removed), (5, 10));
        assert_eq!(bench.members("t").await.len(), 3995);
        bench.source.world().members("t", Vec::new());
        bench.run(Mode::Delta).await;
        assert_eq!(bench.members("t").await, [""; 0]);
        let history = bench.history("teams", "t").await;
        assert_eq!(history[0].1["links.member"]["removed"]["more"], 2995);
        let before = contents(&bench.store).await;
        bench.full().await;
        assert_eq!(contents(&bench.store).await, before, "emptied stays emptied");
    })
    .await;
}

#[tokio::test]
async fn a_group_that_is_renamed_and_gets_its_first_members_at_once_tells_both() {
    both(world, |bench| async move {
        bench.source.world().members("t", Vec::new());
        bench.full().await;
        bench.source.world().set("teams", "t", "name", "renamed");
        bench.source.world().members("t", vec![Member::Key("n0000".to_owned())]);
        bench.run(Mode::Delta).await;
        let told: Vec<_> = bench.history("teams", "t").await.into_iter().map(|(_, before)| before).collect();
        assert!(told.iter().any(|before| before.get("links.member").is_some()), "{told:?}");
        assert!(told.iter().any(|before| before.get("assetDetail.name").is_some()), "{told:?}");
    })
    .await;
}

#[tokio::test]
async fn members_are_visible_before_they_are_known_and_resolved_later() {
    both(world, |bench| async move {
        let members = vec![Member::Key("x0001".to_owned()), place("x0002"), Member::Text("S-1-5-11".to_owned())];
        bench.source.world().members("t", members);
        assert_eq!(bench.full().await.unresolved, 3);
        assert_eq!(bench.members("t").await, ["CN=x0002,home", "S-1-5-11", "x0001"]);
        for key in ["x0001", "x0002"] {
            bench.source.world().person(key, "south");
        }
        assert_eq!(bench.run(Mode::Delta).await.unresolved, 1);
        assert_eq!(bench.members("t").await, ["S-1-5-11", "x0001", "x0002"]);
        // Gone, they are no members, though nobody touched the team.
        bench.source.world().delete("people", "x0002");
        bench.run(Mode::Delta).await;
        assert_eq!(bench.members("t").await, ["S-1-5-11", "x0001"]);
    })
    .await;
}

#[tokio::test]
async fn a_member_made_anew_at_its_old_place_is_the_new_one() {
    both(world, |bench| async move {
        bench.source.world().members("t", vec![place("n0000")]);
        bench.full().await;
        assert_eq!(bench.members("t").await, ["n0000"]);
        for mode in [Mode::Full, Mode::Delta] {
            let (old, new) = if mode == Mode::Full { ("n0000", "y1") } else { ("y1", "y2") };
            bench.source.world().delete("people", old);
            bench.source.world().put("people", new, "north", &[("name", "n0000"), ("place", "home")]);
            bench.source.world().members("t", vec![place("n0000")]);
            bench.run(mode).await;
            assert_eq!(bench.members("t").await, [new], "{mode:?}");
        }
        // Made anew, but nobody made it a member: the team was not touched.
        bench.source.world().delete("people", "y2");
        bench.source.world().put("people", "y3", "north", &[("name", "n0000"), ("place", "home")]);
        bench.run(Mode::Delta).await;
        assert_eq!(bench.members("t").await, [""; 0]);
    })
    .await;
}

#[tokio::test]
async fn groups_in_a_circle_do_no_harm() {
    both(world, |bench| async move {
        bench.source.world().team("u", &["t", "u"]);
        bench.source.world().team("t", &["u"]);
        let report = bench.full().await;
        assert_eq!(report.unresolved, 0);
        assert_eq!(
            (bench.members("t").await, bench.members("u").await),
            (vec!["u".into()], vec!["t".into(), "u".into()])
        );
        let before = contents(&bench.store).await;
        bench.full().await;
        assert_eq!(contents(&bench.store).await, before);
    })
    .await;
}
