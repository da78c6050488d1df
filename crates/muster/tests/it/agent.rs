//! The agent end to end: hub, agent and directory, each a process or a server of its own.

use std::net::TcpListener;

use muster_lab::directory::Faults;
use serde_json::json;

use crate::agents::{Certificates, ForwardProxy, Relay, Site, agent};
use crate::command::Installation;
use crate::hub::{Hub, Place, digest, until};
use crate::lab::{Lab, TURN};
use crate::simulated::{authentication, directory, settings};

/// The sample of the source document, filled in, through a real proxy: what arrives is what a direct sync reads, and the
/// hub is reached from the proxy's address alone.
#[tokio::test(flavor = "multi_thread")]
async fn the_documents_sample_reads_through_a_proxy_what_a_sync_reads() {
    let lab = directory(120).await;
    let scratch = tempfile::tempdir().unwrap();
    tokio::task::block_in_place(|| {
        let Some(proxy) = ForwardProxy::start(scratch.path(), "127.77.0.9") else { return };
        let certificates = Certificates::make(&scratch.path().join("tls"));
        let data = scratch.path().join("hub");
        let hub = Hub::start(&Place::Directory(data.clone()));
        let relay = Relay::start(Some(&certificates));
        relay.lead_to(Some(&hub));
        let site = Site::make(&hub, &authentication(&lab), &scratch.path().join("site"));
        let (id, secret) = site.client(&hub);
        let url = format!("https://{}", relay.address);
        let sample = format!(
            "qualys.user.username=quays_rb\nqualys.user.password=unused-canary\nqualys.OAuthClientLevel=\n\
             qualys.clientId={id}\nqualys.clientSecret={secret}\nservice.cron-expression=0 0/10 * * * *\n\
             service.http.proxy.enabled=true\nservice.http.proxy.host=127.77.0.9\nservice.http.proxy.scheme=http\n\
             service.http.proxy.port={}\nservice.child-thread-pool=25\n",
            proxy.address.port()
        );
        let user = "service.http.proxy.username=site\nservice.http.proxy.password=proxy-canary\n";
        let ca = certificates.authority();
        let refused = agent(&site.env(&url, &sample), &["--once", "--hub-ca", &ca]);
        assert_eq!(refused.code, 11, "{}", refused.stderr);
        assert!(refused.stderr.contains("the proxy refuses its user (407)"), "{}", refused.stderr);
        let env = site.env(&url, &format!("{sample}{user}"));
        let checked = agent(&env, &["--check", "--hub-ca", &ca]);
        assert_eq!(checked.code, 0, "{}{}", checked.stdout, checked.stderr);
        for told in ["ok      proxy", "ok      tls", "ok      sign-in", "ok      configuration", "ok      bind"] {
            assert!(checked.stdout.contains(told), "{told}: {}", checked.stdout);
        }
        let ran = agent(&env, &["--once", "--hub-ca", &ca, "--log", "trace"]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let again = agent(&env, &["--once", "--hub-ca", &ca, "--json"]);
        let ledger: serde_json::Value = serde_json::from_str(again.stderr.lines().last().unwrap()).unwrap();
        assert!(ledger["ledger"].as_array().unwrap().iter().all(|line| line["received"] == 0), "{ledger}");
        let wrong = agent(&env, &["--once"]);
        assert_eq!(wrong.code, 12, "{}", wrong.stderr);
        assert_eq!(relay.peers.lock().unwrap().iter().map(ToString::to_string).collect::<Vec<_>>(), ["127.77.0.9"]);
        assert!(std::fs::read_to_string(&proxy.log).unwrap().contains(&relay.address.to_string()));
        let password = lab.banner()["password"].as_str().unwrap().to_owned();
        for told in [&refused, &checked, &ran, &again, &wrong] {
            for secret in [secret.as_str(), "proxy-canary", "unused-canary", &password] {
                assert!(!told.stdout.contains(secret) && !told.stderr.contains(secret), "a secret is told");
            }
        }
        drop(hub);
        let twin = Installation::new(&scratch.path().join("twin"), &settings(&lab, false));
        assert_eq!(twin.sync(&[]).0, 0);
        assert_eq!(digest(&data), twin.digest());
    });
    lab.stop().await;
}

/// Each thing that can be wrong has its exit code and its sentence.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_told_apart() {
    let lab = directory(20).await;
    let scratch = tempfile::tempdir().unwrap();
    tokio::task::block_in_place(|| {
        let hub = Hub::start(&Place::Directory(scratch.path().join("hub")));
        let site = Site::make(&hub, &authentication(&lab), &scratch.path().join("site"));
        let url = format!("http://{}", hub.address());
        let enrolled = site.enrolment(&hub);
        let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let fails = |env: &str, code: i32, sentence: &str| {
            let told = agent(env, &["--once"]);
            assert_eq!(told.code, code, "{}", told.stderr);
            assert!(told.stderr.contains(sentence) && told.stderr.contains("\nhint: "), "{sentence}: {}", told.stderr);
        };
        fails(&site.env(&url, &format!("{enrolled}service.cron-expression=61 * * * *\n")), 2, "minute field");
        fails(&site.env(&url, ""), 2, "there is nothing to sign in with");
        fails(&site.env(&format!("http://{nobody}"), &enrolled), 10, "Connection refused");
        let proxy = format!("proxy.enabled=true\nproxy.host=127.0.0.1\nproxy.port={}\n", nobody.port());
        fails(&site.env(&url, &format!("{enrolled}{proxy}")), 11, "the proxy `http://127.0.0.1");
        let wrong = "qualys.user.username=admin\nqualys.user.password=not-it-canary\n";
        fails(&site.env(&url, wrong), 13, "signing in by BASIC");
        fails(&site.env(&url, "muster.enrolment.token=never-made\n"), 13, "enrolling");
        let unbound = format!("qualys.user.username=admin\nqualys.user.password={}\n", crate::hub::PASSWORD);
        fails(&site.env(&url, &unbound), 13, "beginning a session");
        let strange = |key: &str| {
            let path = site.env(&url, &enrolled);
            let text = std::fs::read_to_string(&path).unwrap();
            let swap = |line: &str| match line.starts_with(key) {
                true => format!("{key}=00000000-0000-4000-8000-000000000000\n"),
                false => format!("{line}\n"),
            };
            std::fs::write(&path, text.lines().map(swap).collect::<String>()).unwrap();
            path
        };
        let ran = agent(&site.env(&url, &enrolled), &["--once"]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        fails(&strange("qualys.profileUuid"), 14, "beginning a session");
        lab.set_faults(Faults { bind: Some("52e".to_owned()), ..Faults::default() });
        fails(&site.env(&url, &enrolled), 20, "the name or the password is wrong");
        lab.set_faults(Faults::default());
        hub.ask(("DELETE", &format!("/api/v1/agents/{}", site.profile)), &[], None);
        fails(&site.env(&url, &enrolled), 15, "hint: ");
    });
    lab.stop().await;
}

/// The agent in front of a real domain controller, over LDAPS.
#[tokio::test(flavor = "multi_thread")]
async fn a_domain_controller_is_read_over_ldaps() {
    let Some(lab) = Lab::samba() else { return };
    let _turn = TURN.lock().await;
    let scratch = tempfile::tempdir().unwrap();
    tokio::task::block_in_place(|| {
        let data = scratch.path().join("hub");
        let hub = Hub::start(&Place::Directory(data.clone()));
        let certificate = std::fs::read_to_string(lab.get("ca_pem")).unwrap();
        let authentication = json!({
            "host": lab.get("host"), "port": lab.get("ldaps_port").parse::<u16>().unwrap(),
            "bindDn": lab.get("bind_dn"), "password": lab.get("password"), "certificate": certificate,
        });
        let site = Site::make(&hub, &authentication, &scratch.path().join("site"));
        let env = site.env(&format!("http://{}", hub.address()), &site.enrolment(&hub));
        let ran = agent(&env, &["--once"]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let twin = Installation::new(&scratch.path().join("twin"), &lab.connector("bind_dn", "password"));
        // The account that reads leaves its own traces, so both are asked again until they saw the same.
        until("the same truth", || {
            assert_eq!(twin.sync(&[]).0, 0);
            assert_eq!(agent(&env, &["--once"]).code, 0);
            digest(&data) == twin.digest()
        });
    });
}
