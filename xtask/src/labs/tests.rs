use super::*;

#[test]
fn facts_keep_all_after_the_first_equals_sign() {
    let facts = facts("dir=/tmp/x\nbase_dn=DC=muster,DC=test\nnoise\n");
    assert_eq!(facts["base_dn"], "DC=muster,DC=test");
    assert_eq!(facts.len(), 2);
}

/// A repository whose only lab is two scripts that leave marks in the folder they are given.
fn fake(name: &str, up: &str) -> (PathBuf, Shell) {
    let root = std::env::temp_dir().join(format!("muster-xtask-labs-{}-{name}", std::process::id()));
    let scripts = root.join("tests/labs/postgres");
    std::fs::create_dir_all(&scripts).unwrap();
    for (script, text) in [("up", up), ("down", "echo \"$1\" >\"$MUSTER_LAB_DIR.down\"")] {
        let path = scripts.join(script);
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    (root.clone(), Shell::at(&root))
}

#[test]
fn a_lab_is_purged_when_dropped() {
    let (root, shell) = fake("dropped", "echo url=postgres://u:p@h/d?a=b; echo owner=$MUSTER_LAB_OWNER");
    let lab = Lab::start(&shell, Kind::Postgres, &[]).unwrap();
    assert_eq!(lab.fact("url").unwrap(), "postgres://u:p@h/d?a=b");
    assert_eq!(lab.fact("owner").unwrap(), std::process::id().to_string());
    assert!(lab.fact("host").unwrap_err().to_string().contains("`host=`"));
    let mark = lab.folder().with_extension("down");
    drop(lab);
    assert_eq!(std::fs::read_to_string(&mark).unwrap(), "--purge\n");
    std::fs::remove_file(mark).unwrap();
    std::fs::remove_dir_all(root).unwrap();
}

#[test]
fn a_lab_that_fails_to_start_is_purged_too() {
    let (root, shell) = fake("failing", "echo \"$MUSTER_LAB_DIR\" >\"$0.folder\"; exit 3");
    let error = Lab::start(&shell, Kind::Postgres, &[]).unwrap_err().to_string();
    assert!(error.starts_with("the lab `postgres` did not start"), "{error}");
    let folder = std::fs::read_to_string(root.join("tests/labs/postgres/up.folder")).unwrap();
    let mark = PathBuf::from(folder.trim()).with_extension("down");
    assert!(mark.exists());
    std::fs::remove_file(mark).unwrap();
    std::fs::remove_dir_all(root).unwrap();
}
