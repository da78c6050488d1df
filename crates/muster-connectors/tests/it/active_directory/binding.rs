//! Binding: the forms of a name, and why a bind may fail.

use muster_core::connector::ErrorKind;
use serde_json::json;

use crate::lab::{Lab, OwnLab, open};
use crate::sink::run;

#[test]
fn accounts_bind_by_every_form_of_their_name() {
    let Some(lab) = Lab::samba() else { return };
    for name in [lab.fact("bind_dn"), lab.fact("bind_upn"), "MUSTER\\administrator"] {
        let mut sections = lab.sections();
        sections["authentication"]["bindDn"] = json!(name);
        run(open(&sections).plan()).unwrap();
    }
}

#[test]
fn a_wrong_password_is_explained_and_not_repeated() {
    for lab in [Lab::samba(), Lab::scale()].into_iter().flatten() {
        let mut sections = lab.sections();
        sections["authentication"]["bindDn"] = json!(lab.fact("svc_dn"));
        sections["authentication"]["password"] = json!("canary-7f3a");
        let error = run(open(&sections).plan()).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Auth);
        let text = format!("{error} {error:?}");
        assert!(text.contains("the name or the password is wrong"), "{text}");
        assert!(!text.contains("canary"), "{text}");
        assert!(error.remedy.unwrap().contains("`password`"));
    }
}

#[test]
fn active_directorys_sub_codes_are_explained() {
    let Some(own) = OwnLab::get() else { return };
    let _turn = own.turn.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let password = "Muster-Try-1";
    let bind = |name: &str, password: &str| {
        let mut sections = own.sections();
        sections["authentication"]["bindDn"] = json!(format!("{name}@muster.test"));
        sections["authentication"]["password"] = json!(password);
        run(open(&sections).plan()).map(|_| ())
    };
    let message = |name: &str, password: &str| bind(name, password).unwrap_err().to_string();
    for name in ["try-disabled", "try-expired", "try-change", "try-locked"] {
        own.administer(&["user", "create", name, password]);
        bind(name, password).unwrap();
    }
    own.administer(&["user", "disable", "try-disabled"]);
    own.administer(&["user", "setexpiry", "try-expired", "--days=-1"]);
    own.administer(&[
        "user",
        "setpassword",
        "try-change",
        &format!("--newpassword={password}"),
        "--must-change-at-next-login",
    ]);
    own.administer(&["domain", "passwordsettings", "set", "--account-lockout-threshold=2"]);

    let wrong = message("try-locked", "wrong");
    assert!(wrong.contains("the name or the password is wrong") && wrong.contains("data 52e"), "{wrong}");
    assert!(
        message("try-disabled", password).contains("the account is disabled"),
        "{}",
        message("try-disabled", password)
    );
    assert!(
        message("try-expired", password).contains("the account has expired"),
        "{}",
        message("try-expired", password)
    );
    assert!(
        message("try-change", password).contains("must change its password"),
        "{}",
        message("try-change", password)
    );
    let _ = message("try-locked", "wrong");
    let locked = message("try-locked", password);
    assert!(locked.contains("the account is locked out"), "{locked}");
}
