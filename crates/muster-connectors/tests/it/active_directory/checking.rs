//! `check`: named steps with remedies.

use std::net::TcpListener;

use muster_core::connector::{Step, StepOutcome};
use serde_json::{Value, json};

use crate::lab::{Lab, open};
use crate::sink::check;

const NAMES: [&str; 7] = ["resolve", "connect", "TLS", "bind", "base context", "read users", "read groups"];

fn steps(sections: &Value) -> (bool, Vec<Step>) {
    let (passed, steps) = check(&*open(sections));
    assert_eq!(steps.iter().map(|step| step.name.as_str()).collect::<Vec<_>>(), NAMES);
    (passed, steps)
}

/// All before it passed, it failed with a remedy, all after it were skipped.
fn fails_at(sections: &Value, name: &str) -> Step {
    let (passed, steps) = steps(sections);
    assert!(!passed);
    let failed = NAMES.iter().position(|known| *known == name).unwrap();
    for (index, step) in steps.iter().enumerate() {
        let expected = match index.cmp(&failed) {
            std::cmp::Ordering::Less => StepOutcome::Passed,
            std::cmp::Ordering::Equal => StepOutcome::Failed,
            std::cmp::Ordering::Greater => StepOutcome::Skipped,
        };
        assert_eq!(step.outcome, expected, "{step:?}");
    }
    assert!(steps[failed].remedy.is_some(), "{:?}", steps[failed]);
    steps[failed].clone()
}

#[test]
fn a_good_connection_passes_every_step() {
    for lab in [Lab::samba(), Lab::scale()].into_iter().flatten() {
        let (passed, steps) = steps(&lab.sections());
        assert!(passed, "{steps:?}");
        assert!(steps.iter().all(|step| step.outcome == StepOutcome::Passed));
        assert!(steps[4].message.eq_ignore_ascii_case(&format!("`{}`", lab.fact("base_dn"))), "{}", steps[4].message);
        assert_eq!(steps[5].message, "100 or more users");
        assert_eq!(steps[6].message, "100 or more groups");
    }
}

#[test]
fn a_host_without_an_address_fails_to_resolve() {
    let sections = json!({"authentication": {"host": "nowhere.invalid", "bindDn": "u", "password": "p"}});
    let step = fails_at(&sections, "resolve");
    assert!(step.message.contains("`nowhere.invalid`"), "{step:?}");
}

#[test]
fn a_port_that_nobody_listens_on_fails_to_connect() {
    // A port that was free a moment ago, on an address that nobody else uses.
    let port = TcpListener::bind("127.0.0.3:0").unwrap().local_addr().unwrap().port();
    let sections = json!({"authentication": {"host": "127.0.0.3", "port": port, "bindDn": "u", "password": "p"}});
    let step = fails_at(&sections, "connect");
    assert!(step.message.contains(&format!("127.0.0.3:{port}")), "{step:?}");
}

#[test]
fn each_later_step_can_fail_on_a_real_server() {
    for lab in [Lab::samba(), Lab::scale()].into_iter().flatten() {
        let with = |section: &str, key: &str, value: Value| {
            let mut sections = lab.sections();
            sections[section][key] = value;
            sections
        };
        fails_at(&with("authentication", "password", json!("wrong")), "bind");
        let step = fails_at(&with("profile", "baseContext", json!("OU=Nowhere,DC=muster,DC=test")), "base context");
        assert!(step.message.contains("32 noSuchObject"), "{step:?}");
        let step = fails_at(&with("profile", "baseContext", json!("DC=elsewhere,DC=test")), "base context");
        assert!(step.remedy.unwrap().contains("`profile.baseContext`"));
    }
}

#[test]
fn an_empty_base_passes_and_says_what_to_look_at() {
    let Some(lab) = Lab::samba() else { return };
    let mut sections = lab.sections();
    sections["profile"]["baseContext"] = json!("OU=Computers,OU=Muster,DC=muster,DC=test");
    let (passed, steps) = steps(&sections);
    assert!(passed);
    assert_eq!(steps[5].message, "no users below the base context");
    assert!(steps[5].remedy.as_ref().unwrap().contains("`profile.baseContext`"));
}
