//! The labs: where they are, and labs of a test's own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use muster_connectors::Settings;
use muster_connectors::active_directory::{CONNECTOR, Config};
use muster_connectors::kit::ldap::{Connection, ConnectionSettings, Encryption};
use muster_core::connector::Connector;
use muster_core::secret::Secret;
use serde_json::{Value, json};

/// The certificate of an authority that issued nothing here.
pub(crate) const OTHER_CA: &str = include_str!("other_ca.pem");

/// A running lab.
#[derive(Debug, Clone)]
pub(crate) struct Lab {
    facts: BTreeMap<String, String>,
}

impl Lab {
    fn at(folder: &Path) -> Self {
        let text = std::fs::read_to_string(folder.join("lab")).unwrap();
        let pairs = text.lines().filter_map(|line| line.split_once('='));
        Self { facts: pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect() }
    }

    /// The domain controller with 6,000 users; nothing may be changed there.
    pub(crate) fn samba() -> Option<Self> {
        from_environment("MUSTER_TEST_SAMBA")
    }

    /// The OpenLDAP server with 5,000 users.
    pub(crate) fn scale() -> Option<Self> {
        from_environment("MUSTER_TEST_SCALE")
    }

    pub(crate) fn fact(&self, name: &str) -> &str {
        self.facts.get(name).unwrap_or_else(|| panic!("the lab has no fact `{name}`"))
    }

    pub(crate) fn port(&self, encryption: Encryption) -> u16 {
        let name = if encryption == Encryption::Ldaps { "ldaps_port" } else { "ldap_port" };
        self.fact(name).parse().unwrap()
    }

    /// The sections of a CONNECTOR.toml, in clear text as the administrator.
    pub(crate) fn sections(&self) -> Value {
        json!({
            "authentication": {
                "host": self.fact("host"), "port": self.port(Encryption::Ldap), "protocol": "ldap",
                "bindDn": self.fact("bind_dn"), "password": self.fact("password"),
            },
            "profile": {},
        })
    }

    /// A bound connection as the administrator.
    pub(crate) fn connection(&self) -> Connection {
        let settings = ConnectionSettings {
            host: self.fact("host").to_owned(),
            port: self.port(Encryption::Ldap),
            encryption: Encryption::Ldap,
            certificates: Vec::new(),
            patience: Duration::from_secs(60),
        };
        let mut connection = Connection::connect(&settings, &Connection::resolve(&settings).unwrap()).unwrap();
        connection.bind(self.fact("bind_dn"), &Secret::new(self.fact("password"))).unwrap();
        connection
    }

    pub(crate) fn url(&self) -> String {
        format!("ldap://{}:{}", self.fact("host"), self.port(Encryption::Ldap))
    }
}

fn from_environment(variable: &str) -> Option<Lab> {
    let Some(folder) = std::env::var_os(variable) else {
        eprintln!("SKIPPED: {variable} is not set, so there is no lab to test against");
        return None;
    };
    Some(Lab::at(Path::new(&folder)))
}

pub(crate) fn settings(sections: &Value) -> Settings {
    Settings { sections: sections.as_object().unwrap().clone(), base_directory: Some(PathBuf::from(".")) }
}

pub(crate) fn config(sections: &Value) -> Config {
    Config::read(&settings(sections)).unwrap()
}

pub(crate) fn open(sections: &Value) -> Arc<dyn Connector> {
    (CONNECTOR.open)(&settings(sections)).unwrap()
}

/// A domain controller of the tests' own with 1,000 users, which demands encryption. It goes when the tests end.
pub(crate) struct OwnLab {
    pub(crate) lab: Lab,
    /// Held by whoever changes the lab or counts on its rest.
    pub(crate) turn: Mutex<()>,
}

static OWN: OnceLock<OwnLab> = OnceLock::new();

impl OwnLab {
    /// Starts it, where domain controllers can run.
    pub(crate) fn get() -> Option<&'static Self> {
        Lab::samba()?;
        Some(OWN.get_or_init(|| {
            let folder = tempfile::Builder::new().prefix("muster-own-").tempdir().unwrap().keep();
            script(&folder, "up", &[]);
            script(&folder, "populate", &["1000"]);
            Self { lab: Lab::at(&folder), turn: Mutex::new(()) }
        }))
    }

    pub(crate) fn run(&self, name: &str, arguments: &[&str]) {
        script(Path::new(self.lab.fact("dir")), name, arguments);
    }

    /// Runs Samba's own administration tool on the lab.
    pub(crate) fn administer(&self, arguments: &[&str]) {
        let folder = Path::new(self.lab.fact("dir"));
        let mut command = Command::new("samba-tool");
        command.args(arguments).arg("-s").arg(folder.join("smb.conf"));
        command.arg("-H").arg(folder.join("private/sam.ldb"));
        complete(command);
    }

    /// The sections of a CONNECTOR.toml over LDAPS as the administrator.
    pub(crate) fn sections(&self) -> Value {
        let mut sections = self.lab.sections();
        sections["authentication"]["protocol"] = json!("ldaps");
        sections["authentication"]["port"] = json!(self.lab.port(Encryption::Ldaps));
        sections["authentication"]["certificate"] = json!(self.lab.fact("ca_pem"));
        sections
    }
}

fn script(folder: &Path, name: &str, arguments: &[&str]) {
    let labs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/labs/directory");
    let mut command = Command::new(labs.join(name));
    command.args(arguments).env("MUSTER_LAB_DIR", folder).env("MUSTER_LAB_STRONG", "yes");
    command.env("MUSTER_LAB_OWNER", std::process::id().to_string());
    complete(command);
}

fn complete(mut command: Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
