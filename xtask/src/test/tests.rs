use super::*;

#[test]
fn what_needs_root_is_left_out_only_by_request() {
    let told = |options: &[&str], root, has_browser| plan(options, root, has_browser).unwrap();
    let all = Plan { samba: Suite::Run, browser: Suite::Run };
    assert_eq!(told(&[], true, false), all);
    assert_eq!(told(&[], false, true), Plan { samba: Suite::NeedsRoot, ..all });
    assert_eq!(told(&[], false, false), Plan { samba: Suite::NeedsRoot, browser: Suite::NeedsRoot });
    for root in [true, false] {
        assert_eq!(told(&["--without", "samba"], root, true), Plan { samba: Suite::Without, ..all });
    }
    let both = ["--without", "browser", "--without", "samba"];
    assert_eq!(told(&both, true, true), Plan { samba: Suite::Without, browser: Suite::Without });
    for wrong in [&["--without", "postgres"][..], &["--without"], &["samba"]] {
        let error = plan(wrong, true, true).unwrap_err().to_string();
        let expected = "`test` takes `--without samba`, `--without browser` or nothing, not `";
        assert_eq!(error, format!("{expected}{}`", wrong.join(" ")));
    }
}

#[test]
fn packages_of_the_missing_tools_are_listed() {
    let missing: Vec<&Tool> = TOOLS.iter().filter(|tool| tool.program != "openssl").collect();
    assert_eq!(packages(&missing), ["slapd", "ldap-utils", "python3", "tinyproxy-bin", "postgresql", "nodejs", "npm"]);
}
