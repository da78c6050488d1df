use super::*;

#[test]
fn the_effective_uid_is_the_second() {
    assert_eq!(effective_uid("Name:\tx\nUid:\t1000\t0\t0\t0\n"), Some(0));
    assert_eq!(effective_uid("Name:\tx\n"), None);
}

#[test]
fn children_do_not_inherit_what_cargo_said_of_this_process() {
    assert!(told_by_cargo("CARGO_MANIFEST_DIR"));
    assert!(told_by_cargo("MUSTER_TEST_POSTGRES"), "a suite without servers must not find one by accident");
    assert!(!told_by_cargo("CARGO_TARGET_DIR"));
    assert!(!told_by_cargo("CARGO_HOME"));
}

#[test]
fn a_failing_command_is_named() {
    let shell = Shell::new().unwrap();
    let error = shell.run("false", &["--really"]).unwrap_err().to_string();
    assert!(error.starts_with("`false --really` ended with"), "{error}");
    let error = shell.run("no-such-program", &[]).unwrap_err().to_string();
    assert_eq!(error, "starting `no-such-program`");
}

#[test]
fn variables_reach_children() {
    let shell = Shell::new().unwrap().with("MUSTER_TEST_X", "here");
    assert_eq!(shell.capture("sh", &["-c", "printf %s \"$MUSTER_TEST_X\""]).unwrap(), "here");
}

#[test]
fn programs_are_found() {
    assert!(is_installed("sh"));
    assert!(is_installed("/bin/sh"));
    assert!(!is_installed("no-such-program"));
}

#[test]
fn a_program_that_runs_apart_fails_by_name_too() {
    let shell = Shell::at(Path::new("/")).apart().with("CODE", "3");
    let error = shell.run("sh", &["-c", "exit $CODE"]).unwrap_err();
    assert_eq!(error.to_string(), "`sh -c exit $CODE` ended with exit status: 3");
    shell.run("sh", &["-c", "test $CODE = 3"]).unwrap();
}
