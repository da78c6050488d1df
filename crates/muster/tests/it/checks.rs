//! `sync --check`: each way in which a connection fails has its sentence, its remedy and its exit code, and `sync` itself
//! says the same.

use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::thread;

use muster_lab::directory::Faults;

use crate::command::{Outcome, muster};
use crate::lab::Lab;
use crate::simulated::{directory, run, settings};

/// An authority that issued nothing here.
const OTHER_CA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../muster-connectors/tests/it/other_ca.pem");

const STEPS: [&str; 7] = ["resolve", "connect", "TLS", "bind", "base context", "read users", "read groups"];

/// All steps before the failed one passed, those after it were skipped, and sentence and remedy are the ones given.
fn assert_fails_at(outcome: &Outcome, name: &str, (sentence, remedy): (&str, &str)) {
    assert_eq!(outcome.code, 1, "{outcome:?}");
    let failed = STEPS.iter().position(|known| *known == name).unwrap();
    let lines: Vec<&str> = outcome.stdout.lines().collect();
    assert_eq!(lines.len(), STEPS.len() + 1, "{}", outcome.stdout);
    for (at, step) in STEPS.iter().enumerate() {
        let (line, word) = match at.cmp(&failed) {
            std::cmp::Ordering::Less => (lines[at], "ok     "),
            std::cmp::Ordering::Equal => (lines[at], "FAILED "),
            std::cmp::Ordering::Greater => (lines[at + 1], "skipped"),
        };
        assert!(line.starts_with(&format!("{word} {step}")), "{step}: {line}");
    }
    assert!(lines[failed].contains(sentence), "{sentence}: {}", lines[failed]);
    let told = lines[failed + 1].trim_start().strip_prefix("remedy: ");
    assert_eq!(told, Some(remedy), "{}", outcome.stdout);
}

/// `sync` ends as the check does: the same sentence, the remedy as its hint, nothing written.
fn assert_sync_says(outcome: &Outcome, directory: &Path, (sentence, remedy): (&str, &str)) {
    assert_eq!(outcome.code, 1, "{outcome:?}");
    assert!(outcome.stderr.starts_with("error: "), "{}", outcome.stderr);
    assert!(outcome.stderr.contains(sentence), "{sentence}: {}", outcome.stderr);
    assert!(outcome.stderr.ends_with(&format!("\n\nhint: {remedy}\n")), "{remedy}: {}", outcome.stderr);
    assert!(outcome.stdout.is_empty() && !directory.join("out.jsonl").exists(), "{outcome:?}");
}

/// What Active Directory's sub-codes mean (MS-ERREF 2.2): code, sentence, remedy.
const SUB_CODES: [(&str, &str, &str); 9] = [
    ("525", "there is no such account", "check `bindDn`: a DN, a user principal name or `DOMAIN\\user`"),
    ("52e", "the name or the password is wrong", "check `bindDn` and `password`"),
    ("530", "the account may not log on at this time", "widen the account's logon hours"),
    ("531", "the account may not log on from this machine", "allow this machine in the account's logon workstations"),
    ("532", "the account's password has expired", "set a new password, and let a service account's never expire"),
    ("533", "the account is disabled", "enable the account"),
    ("701", "the account has expired", "extend the account's expiry date"),
    (
        "773",
        "the account must change its password at the next logon",
        "log on once and change it, or clear `User must change password at next logon`",
    ),
    ("775", "the account is locked out", "unlock the account, and look for who keeps trying its password"),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_bind_says_why_and_what_to_do() {
    let running = directory(20).await;
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("connector.toml");
    std::fs::write(&path, settings(&running, false)).unwrap();
    let (connector, out) = (path.to_str().unwrap(), scratch.path().join("out.jsonl"));
    let sync = ["sync", connector, "--out", out.to_str().unwrap()];
    for (code, meaning, remedy) in SUB_CODES {
        running.set_faults(Faults { bind: Some(code.to_owned()), ..Faults::default() });
        let sentence = format!("{meaning} (49 invalidCredentials, data {code})");
        assert_fails_at(&run(&["sync", connector, "--check"]).await, "bind", (&sentence, remedy));
        assert_sync_says(&run(&sync).await, scratch.path(), (&sentence, remedy));
    }
    running.set_faults(Faults { demands_encryption: true, ..Faults::default() });
    let said = (
        "the server demands encryption before a password is sent",
        "set `protocol = \"ldaps\"` or `\"starttls\"` and give `certificate`",
    );
    assert_fails_at(&run(&["sync", connector, "--check"]).await, "bind", said);
    assert_sync_says(&run(&sync).await, scratch.path(), said);
    running.set_faults(Faults::default());
    let good = run(&["sync", connector, "--check"]).await;
    assert_eq!((good.code, good.stdout.lines().filter(|line| line.starts_with("ok ")).count()), (0, STEPS.len()));
    running.stop().await;
}

/// Passes bytes on from an address that the lab's certificate does not name.
fn elsewhere(lab: &Lab, port: &str) -> u16 {
    let listener = TcpListener::bind("127.0.0.2:0").unwrap();
    let target = format!("{}:{port}", lab.get("host"));
    let here = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for near in listener.incoming().map_while(Result::ok) {
            let far = TcpStream::connect(&target).unwrap();
            for (mut from, mut to) in [(near.try_clone().unwrap(), far.try_clone().unwrap()), (far, near)] {
                thread::spawn(move || {
                    let _ = io::copy(&mut from, &mut to);
                    let _ = to.shutdown(Shutdown::Both);
                });
            }
        }
    });
    here
}

/// A real server's certificate, checked: by another authority, under another name, and as it should be.
#[test]
fn a_certificate_that_does_not_hold_says_why_and_what_to_do() {
    for lab in [Lab::samba(), Lab::scale()].into_iter().flatten() {
        for (protocol, port) in [("ldaps", lab.get("ldaps_port")), ("starttls", lab.get("ldap_port"))] {
            let scratch = tempfile::tempdir().unwrap();
            let path = scratch.path().join("connector.toml");
            let out = scratch.path().join("out.jsonl");
            let write = |host: &str, port: &str, certificate: &str| {
                let text = format!(
                    "type = \"active_directory\"\nname = \"lab\"\n[authentication]\nhost = \"{host}\"\nport = {port}\nprotocol = \"{protocol}\"\nbindDn = \"{}\"\npassword = \"{}\"\ncertificate = '{certificate}'\n",
                    lab.get("bind_dn"),
                    lab.get("password"),
                );
                std::fs::write(&path, text).unwrap();
            };
            let check = || muster(&["sync", path.to_str().unwrap(), "--check"]);
            let sync = || muster(&["sync", path.to_str().unwrap(), "--out", out.to_str().unwrap()]);
            write(lab.get("host"), port, OTHER_CA);
            let said = (
                "was not issued by the certificate in `certificate`",
                "export the root certificate of the directory's authority (Base-64 or DER) and give it as `certificate`",
            );
            assert_fails_at(&check(), "TLS", said);
            assert_sync_says(&sync(), scratch.path(), said);
            write("127.0.0.2", &elsewhere(&lab, port).to_string(), lab.get("ca_pem"));
            let said = (
                "is not for the name `127.0.0.2`",
                "write `host` as the name that stands in the controller's certificate, usually its full DNS name",
            );
            assert_fails_at(&check(), "TLS", said);
            assert_sync_says(&sync(), scratch.path(), said);
            write(lab.get("host"), port, lab.get("ca_pem"));
            assert_eq!(check().code, 0, "{}", check().stdout);
        }
    }
}
