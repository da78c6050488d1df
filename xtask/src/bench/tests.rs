use super::*;

#[test]
fn options_are_read() {
    let options = read_options(&["ad", "--lab", "both", "--users", "500", "--runs", "2"]).unwrap();
    let labs = vec![Kind::Directory, Kind::DirectoryScale];
    assert_eq!(options, Options { labs, users: Some(500), runs: 2, muster: None });
    assert_eq!(read_options(&["ad"]).unwrap().runs, 3);
}

#[test]
fn wrong_options_are_named() {
    for (words, expected) in [
        (&[][..], "`bench` measures `ad`, not `nothing`; see `cargo xtask help`"),
        (&["azure"], "`bench` measures `ad`, not `azure`; see `cargo xtask help`"),
        (&["ad", "--lab"], "`--lab` needs a value; see `cargo xtask help`"),
        (&["ad", "--lab", "x"], "`--lab` is `samba`, `scale` or `both`, not `x`"),
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
