use super::*;

#[test]
fn check_finds_what_write_repairs() {
    let root = std::env::temp_dir().join(format!("muster-xtask-gen-{}", std::process::id()));
    let generators = [Generator { output: "docs/reference/a.md", arguments: &["reference", "a"] }];
    let mut print = |arguments: &[&str]| Ok(format!("printed by {}\n", arguments.join(" ")));
    let error = all(&root, &generators, Mode::Check, &mut print).unwrap_err().to_string();
    assert_eq!(error, "stale: `docs/reference/a.md`; run `cargo xtask gen`");
    assert!(!root.exists(), "a check writes nothing");
    all(&root, &generators, Mode::Write, &mut print).unwrap();
    all(&root, &generators, Mode::Check, &mut print).unwrap();
    std::fs::write(root.join("docs/reference/a.md"), "edited by hand\n").unwrap();
    assert!(all(&root, &generators, Mode::Check, &mut print).is_err());
    std::fs::remove_dir_all(root).unwrap();
}
