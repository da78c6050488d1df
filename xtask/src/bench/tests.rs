use super::*;

#[test]
fn options_are_read() {
    let options = read_options(&["ad", "--lab", "all", "--users", "500", "--runs", "2"]).unwrap();
    let sites = vec![SiteKind::Samba, SiteKind::Scale, SiteKind::Simulated];
    assert_eq!(options, Options { sites, users: Some(500), runs: 2, muster: None });
    assert_eq!(read_options(&["ad"]).unwrap().runs, 3);
}

#[test]
fn options_of_azure_are_read() {
    let options = azure::read_options(&["--apis", "3000", "--definition", "10"]).unwrap();
    assert_eq!(options, azure::Options { apis: 3_000, definition: 10, muster: None });
    assert_eq!(azure::read_options(&[]).unwrap().apis, 10_000);
    let error = azure::read_options(&["--runs", "2"]).unwrap_err();
    assert_eq!(error.to_string(), "`bench azure` does not take `--runs 2`; see `cargo xtask help`");
}

#[test]
fn wrong_options_are_named() {
    for (words, expected) in [
        (&[][..], "`bench` measures `ad`, `hub` or `azure`, not `nothing`; see `cargo xtask help`"),
        (&["mulesoft"], "`bench` measures `ad`, `hub` or `azure`, not `mulesoft`; see `cargo xtask help`"),
        (&["ad", "--lab"], "`--lab` needs a value; see `cargo xtask help`"),
        (&["ad", "--lab", "x"], "`--lab` is `samba`, `scale`, `simulated` or `all`, not `x`"),
        (&["ad", "--runs", "0"], "`--runs` takes a number above 0, not `0`"),
        (&["ad", "--users", "many"], "`--users` takes a number above 0, not `many`"),
        (&["ad", "--fast", "1"], "`bench ad` does not take `--fast`; see `cargo xtask help`"),
    ] {
        assert_eq!(read_options(words).unwrap_err().to_string(), expected);
    }
}

#[test]
fn attributes_are_asked_for_once_and_never_secrets() {
    for search in [USERS, GROUPS] {
        let mut sorted = search.attributes.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), search.attributes.len());
        assert!(!sorted.iter().any(|name| name.contains("assword") && *name != "badPasswordTime"));
    }
}

#[test]
fn a_ledger_adds_up_to_traffic_and_changes() {
    let told = "a warning\n{\"ledger\":[{\"bytes\":1048576,\"created\":5,\"updated\":90,\"unchanged\":7},\
                {\"bytes\":524288,\"gone\":5}]}";
    assert_eq!(Ledger::read(told).unwrap(), Ledger { mebibytes: 1.5, touched: 100 });
    assert!(Ledger::read("complete").is_err());
    assert!(Ledger::read("{}").is_err());
}
