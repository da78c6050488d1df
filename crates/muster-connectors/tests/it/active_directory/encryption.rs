//! LDAPS and StartTLS, and every way in which they must fail.

use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use muster_connectors::kit::ldap::Encryption;
use muster_core::connector::{Connector, ErrorKind, StepOutcome};
use serde_json::{Value, json};

use crate::lab::{Lab, OTHER_CA, OwnLab, open};
use crate::sink::{check, run};

fn encrypted(lab: &Lab, encryption: Encryption, certificate: &str) -> Value {
    let mut sections = lab.sections();
    let authentication = &mut sections["authentication"];
    authentication["protocol"] = json!(encryption);
    authentication["port"] = json!(lab.port(encryption));
    authentication["certificate"] = json!(certificate);
    sections
}

const BOTH: [Encryption; 2] = [Encryption::Ldaps, Encryption::StartTls];

fn labs() -> Vec<Lab> {
    [Lab::samba(), Lab::scale()].into_iter().flatten().collect()
}

#[test]
fn the_labs_authority_is_trusted_as_pem_file_der_file_and_pem_text() {
    for lab in labs() {
        let text = std::fs::read_to_string(lab.fact("ca_pem")).unwrap();
        for encryption in BOTH {
            for certificate in [lab.fact("ca_pem"), lab.fact("ca_cer"), &text] {
                let plan = run(open(&encrypted(&lab, encryption, certificate)).plan()).unwrap();
                assert_eq!(plan.scopes.len(), 3);
            }
        }
    }
}

fn failure(connector: &Arc<dyn Connector>) -> (ErrorKind, String, String) {
    let error = run(connector.plan()).unwrap_err();
    (error.kind, error.message, error.remedy.unwrap_or_default())
}

#[test]
fn another_authority_is_refused() {
    for lab in labs() {
        for encryption in BOTH {
            let connector = open(&encrypted(&lab, encryption, OTHER_CA));
            let (kind, message, remedy) = failure(&connector);
            assert_eq!(kind, ErrorKind::Config);
            assert!(message.contains("was not issued by the certificate in `certificate`"), "{message}");
            assert!(remedy.contains("root certificate"), "{remedy}");
            let (passed, steps) = check(&*connector);
            assert!(!passed);
            assert_eq!((steps[2].name.as_str(), steps[2].outcome), ("TLS", StepOutcome::Failed));
        }
    }
}

/// Passes bytes on from an address that the lab's certificate does not name.
fn elsewhere(lab: &Lab, port: u16) -> u16 {
    let listener = TcpListener::bind("127.0.0.2:0").unwrap();
    let target = (lab.fact("host").to_owned(), port);
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

#[test]
fn a_name_that_the_certificate_does_not_hold_is_refused() {
    for lab in labs() {
        for encryption in BOTH {
            let mut sections = encrypted(&lab, encryption, lab.fact("ca_pem"));
            sections["authentication"]["host"] = json!("127.0.0.2");
            sections["authentication"]["port"] = json!(elsewhere(&lab, lab.port(encryption)));
            let (kind, message, remedy) = failure(&open(&sections));
            assert_eq!(kind, ErrorKind::Config);
            assert!(message.contains("is not for the name `127.0.0.2`"), "{message}");
            assert!(remedy.contains("write `host` as the name"), "{remedy}");
        }
    }
}

#[test]
fn ldaps_on_a_clear_text_port_is_explained() {
    for lab in labs() {
        let mut sections = encrypted(&lab, Encryption::Ldaps, lab.fact("ca_pem"));
        sections["authentication"]["port"] = json!(lab.port(Encryption::Ldap));
        let (kind, message, remedy) = failure(&open(&sections));
        assert_eq!(kind, ErrorKind::Config, "{message}");
        assert!(!remedy.is_empty());
    }
}

#[test]
fn a_bind_in_clear_text_is_explained_where_the_server_demands_encryption() {
    let Some(own) = OwnLab::get() else { return };
    let connector = open(&own.lab.sections());
    let (kind, message, remedy) = failure(&connector);
    assert_eq!(kind, ErrorKind::Config);
    assert!(message.contains("the server demands encryption before a password is sent"), "{message}");
    assert!(remedy.contains("`protocol = \"ldaps\"`"), "{remedy}");
    let (_, steps) = check(&*connector);
    assert_eq!((steps[3].name.as_str(), steps[3].outcome), ("bind", StepOutcome::Failed));
    assert_eq!(steps[3].remedy.as_deref(), Some(remedy.as_str()));
}
