use super::*;

#[test]
fn without_root_samba_is_left_out_only_by_request() {
    assert_eq!(samba(&[], true).unwrap(), Samba::Run);
    assert_eq!(samba(&[], false).unwrap(), Samba::NeedsRoot);
    assert_eq!(samba(&["--without", "samba"], true).unwrap(), Samba::Without);
    assert_eq!(samba(&["--without", "samba"], false).unwrap(), Samba::Without);
    let error = samba(&["--without", "postgres"], true).unwrap_err().to_string();
    assert_eq!(error, "`test` takes `--without samba` or nothing, not `--without postgres`");
}

#[test]
fn packages_of_the_missing_tools_are_listed() {
    let missing: Vec<&Tool> = TOOLS.iter().filter(|tool| tool.program != "openssl").collect();
    assert_eq!(packages(&missing), ["slapd", "ldap-utils", "python3", "postgresql"]);
}
