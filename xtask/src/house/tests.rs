use super::*;

fn repository(name: &str, files: &[(&str, &str)]) -> PathBuf {
    let root = std::env::temp_dir().join(format!("muster-xtask-house-{}-{name}", std::process::id()));
    for (path, text) in files {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    root
}

#[test]
fn long_files_need_a_reason() {
    let long = "let x = 1;\n".repeat(501);
    assert!(too_long(&long));
    assert!(!too_long(&"let x = 1;\n".repeat(500)));
    assert!(!too_long(&format!("//! Longer than 500 lines: one table.\n{long}")));
    assert!(too_long(&format!("{long}// Longer than 500 lines: said too late.\n")));
    let root = repository(
        "long",
        &[("crates/a/src/lib.rs", &long), ("crates/a/fixtures/b.rs", &long), ("target/c.rs", &long)],
    );
    let error = sizes(&root).unwrap_err().to_string();
    assert!(error.ends_with("\n  `crates/a/src/lib.rs` has 501 lines"), "{error}");
    std::fs::remove_dir_all(root).unwrap();
}

#[test]
fn machine_paths_are_found_and_others_left_alone() {
    let mark = concat!("/", "work/");
    for bad in [format!("see {mark}x"), format!("`{mark}x`"), format!("{mark}x"), format!("path={mark}x")] {
        assert!(names_a_machine_path(&bad), "{bad}");
    }
    for good in
        [format!("/api{mark}x"), format!("https://example.org{mark}x"), format!("{{id}}{mark}"), "work/x".to_owned()]
    {
        assert!(!names_a_machine_path(&good), "{good}");
    }
    let root =
        repository("paths", &[("README.md", &format!("a\nsee {mark}x\n")), ("a/fixtures/x.md", &format!("{mark}x\n"))]);
    let error = paths(&root).unwrap_err().to_string();
    assert_eq!(error, "names a folder of somebody's machine:\n  `README.md:2`");
    std::fs::remove_dir_all(root).unwrap();
}

#[test]
fn fragments_have_a_kind_and_a_sentence() {
    assert_eq!(fragment("sync.added.md", "`muster sync` reads a directory.\n"), None);
    assert!(fragment("sync.md", "text").is_some());
    assert!(fragment(".added.md", "text").is_some());
    assert!(fragment("sync.new.md", "text").unwrap().contains("`new`"));
    assert!(fragment("sync.added.txt", "text").is_some());
    assert!(fragment("sync.added.md", " \n").is_some());
    assert!(fragment("sync.added.md", "# Added\n").is_some());
}

#[test]
fn the_changelog_is_checked_with_its_fragments() {
    let good = [
        ("CHANGELOG.md", "# Changelog\n\n## [Unreleased]\n"),
        ("changelog.d/README.md", "# How\n"),
        ("changelog.d/a.fixed.md", "A.\n"),
    ];
    let root = repository("changelog", &good);
    changelog(&root).unwrap();
    std::fs::write(root.join("changelog.d/b.odd.md"), "B.\n").unwrap();
    assert!(changelog(&root).unwrap_err().to_string().contains("`changelog.d/b.odd.md` has the kind `odd`"));
    std::fs::write(root.join("CHANGELOG.md"), "# Changelog\n").unwrap();
    assert!(changelog(&root).unwrap_err().to_string().contains("[Unreleased]"));
    std::fs::remove_dir_all(root).unwrap();
}
