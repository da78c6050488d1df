//! An agent in a process of its own, and what stands between it and its hub.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value as Json, json};

use crate::command::Outcome;
use crate::hub::{Hub, PASSWORD, until};

/// Stands before a hub, at an address that stays, and can be cut. It remembers who came.
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    upstream: Arc<Mutex<Option<SocketAddr>>>,
    pub(crate) peers: Arc<Mutex<BTreeSet<IpAddr>>>,
}

impl Relay {
    /// With TLS, it proves itself by these files.
    pub(crate) fn start(tls: Option<&Certificates>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let upstream: Arc<Mutex<Option<SocketAddr>>> = Arc::default();
        let peers: Arc<Mutex<BTreeSet<IpAddr>>> = Arc::default();
        let (to, seen, tls) = (Arc::clone(&upstream), Arc::clone(&peers), tls.map(Certificates::server));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                seen.lock().unwrap().insert(stream.peer_addr().unwrap().ip());
                let Some(to) = *to.lock().unwrap() else { continue };
                let Ok(hub) = TcpStream::connect(to) else { continue };
                let tls = tls.clone();
                std::thread::spawn(move || match tls {
                    None => both_ways(&stream, &hub),
                    Some(tls) => both_ways_over_tls(stream, hub, tls),
                });
            }
        });
        Self { address, upstream, peers }
    }

    /// Leads there from the next connection on; nowhere without an address.
    pub(crate) fn lead_to(&self, hub: Option<&Hub>) {
        *self.upstream.lock().unwrap() = hub.map(|hub| hub.address().parse().unwrap());
    }
}

fn both_ways(client: &TcpStream, hub: &TcpStream) {
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let _ = std::io::copy(&mut &*client, &mut &*hub);
            let _ = hub.shutdown(Shutdown::Both);
        });
        let _ = std::io::copy(&mut &*hub, &mut &*client);
        let _ = client.shutdown(Shutdown::Both);
    });
}

/// One thread looks at both ends in turn: a connection under TLS cannot be read and written by two.
fn both_ways_over_tls(client: TcpStream, mut hub: TcpStream, tls: Arc<ServerConfig>) {
    for stream in [&client, &hub] {
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(2))).unwrap();
    }
    let mut client = StreamOwned::new(ServerConnection::new(tls).unwrap(), client);
    let mut buffer = vec![0; 64 << 10];
    let waits =
        |error: &std::io::Error| matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut);
    loop {
        match client.read(&mut buffer) {
            Ok(0) => return,
            Ok(length) if hub.write_all(&buffer[..length]).is_err() => return,
            Err(error) if !waits(&error) => return,
            _ => {}
        }
        match hub.read(&mut buffer) {
            Ok(0) => return,
            Ok(length) if client.write_all(&buffer[..length]).and_then(|()| client.flush()).is_err() => return,
            Err(error) if !waits(&error) => return,
            _ => {}
        }
    }
}

/// A root certificate and one of a hub at 127.0.0.1.
pub(crate) struct Certificates {
    directory: PathBuf,
}

impl Certificates {
    pub(crate) fn make(directory: &Path) -> Self {
        std::fs::create_dir_all(directory).unwrap();
        let new = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
        let authority = ["-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=Tests"];
        let of_hub = [
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca.key",
            "-keyout",
            "hub.key",
            "-out",
            "hub.pem",
            "-subj",
            "/CN=hub",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
            "-addext",
            "basicConstraints=critical,CA:FALSE",
        ];
        for more in [&authority[..], &of_hub[..]] {
            let done = Command::new("openssl").args(new).args(more).current_dir(directory).output().unwrap();
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        }
        Self { directory: directory.to_path_buf() }
    }

    pub(crate) fn authority(&self) -> String {
        self.directory.join("ca.pem").to_str().unwrap().to_owned()
    }

    fn server(&self) -> Arc<ServerConfig> {
        let chain: Vec<_> =
            CertificateDer::pem_file_iter(self.directory.join("hub.pem")).unwrap().map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_file(self.directory.join("hub.key")).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap())
    }
}

/// A forward proxy at its own address, from which it also goes on; none where it is not installed, which is said aloud.
pub(crate) struct ForwardProxy {
    child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) log: PathBuf,
}

impl ForwardProxy {
    pub(crate) fn start(directory: &Path, host: &str) -> Option<Self> {
        let free = TcpListener::bind((host, 0)).unwrap().local_addr().unwrap();
        let (settings, log) = (directory.join("proxy.conf"), directory.join("proxy.log"));
        let text = format!(
            "Port {}\nListen {host}\nBind {host}\nTimeout 60\nMaxClients 50\nAllow 127.0.0.0/8\nBasicAuth site proxy-canary\nLogLevel Connect\nLogFile \"{}\"\n",
            free.port(),
            log.display()
        );
        std::fs::write(&settings, text).unwrap();
        let started = Command::new("tinyproxy").arg("-d").arg("-c").arg(&settings).stdout(Stdio::null()).spawn();
        let Ok(child) = started else {
            eprintln!("SKIPPED: tinyproxy is not installed, this test needs it");
            return None;
        };
        let proxy = Self { child, address: free, log };
        until("the proxy", || TcpStream::connect(proxy.address).is_ok());
        Some(proxy)
    }
}

impl Drop for ForwardProxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A connector that an agent reads, in a hub, and the settings of that agent.
pub(crate) struct Site {
    pub(crate) connector: String,
    pub(crate) profile: String,
    pub(crate) scratch: PathBuf,
    /// The three UUIDs, as lines of an env file.
    pub(crate) ids: String,
}

impl Site {
    pub(crate) fn make(hub: &Hub, authentication: &Json, scratch: &Path) -> Self {
        std::fs::create_dir_all(scratch).unwrap();
        let body = json!({
            "name": "lab", "type": "active_directory", "execution": "agent",
            "settings": { "authentication": authentication },
        });
        let connector = hub.post("/api/v1/connectors", &body)["id"].as_str().unwrap().to_owned();
        let profile = hub.post(&format!("/api/v1/connectors/{connector}/profiles"), &json!({ "name": "all" }));
        let profile = profile["id"].as_str().unwrap().to_owned();
        let env = hub.get(&format!("/api/v1/profiles/{profile}/agent-env"));
        let lines = env["text"].as_str().unwrap().lines().filter(|line| line.contains("Uuid="));
        let ids = lines.map(|line| format!("{line}\n")).collect();
        Self { connector, profile, scratch: scratch.to_path_buf(), ids }
    }

    /// A token that enrols an agent of it.
    pub(crate) fn enrolment(&self, hub: &Hub) -> String {
        let made = hub.post(&format!("/api/v1/connectors/{}/agent-enrolments", self.connector), &json!({}));
        format!("muster.enrolment.token={}\n", made["token"].as_str().unwrap())
    }

    /// The administrator, bound to it.
    pub(crate) fn administrator(&self, hub: &Hub) -> String {
        let users = hub.get("/api/v1/users");
        let user = users["items"].as_array().unwrap().iter().find(|user| user["username"] == "admin").unwrap();
        hub.post(&format!("/api/v1/connectors/{}/agent-bindings", self.connector), &json!({ "userId": user["id"] }));
        format!("qualys.user.username=admin\nqualys.user.password={PASSWORD}\n")
    }

    /// A client, bound to it.
    pub(crate) fn client(&self, hub: &Hub) -> (String, String) {
        let made = hub.post("/api/v1/clients", &json!({ "name": "site", "role": "viewer" }));
        let id = made["clientId"].as_str().or(made["id"].as_str()).unwrap().to_owned();
        hub.post(&format!("/api/v1/connectors/{}/agent-bindings", self.connector), &json!({ "client": id }));
        (id, made["clientSecret"].as_str().unwrap().to_owned())
    }

    /// Writes an env file and gives its path.
    pub(crate) fn env(&self, url: &str, more: &str) -> String {
        let path = self.scratch.join("adconfig.env");
        let text = format!(
            "connector.api.url={url}\n{}muster.spool.directory={}\n{more}",
            self.ids,
            self.scratch.join("spool").display()
        );
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

/// Runs an agent to its end.
pub(crate) fn agent(env: &str, more: &[&str]) -> Outcome {
    let mut arguments = vec!["agent", "--env-file", env, "--allow-http"];
    arguments.extend(more);
    crate::command::muster(&arguments)
}

/// An agent that runs until it is killed.
pub(crate) struct Daemon {
    pub(crate) child: Child,
}

impl Daemon {
    pub(crate) fn start(env: &str, log: &Path) -> Self {
        let log = std::fs::File::options().create(true).append(true).open(log).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_muster"))
            .args(["agent", "--env-file", env, "--allow-http", "--log", "trace"])
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Self { child }
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
