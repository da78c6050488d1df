//! The labs that the test command starts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Held by whoever changes the domain controller or counts on its rest.
pub(crate) static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// A running lab: its `key=value` lines.
pub(crate) struct Lab {
    pub(crate) directory: PathBuf,
    values: BTreeMap<String, String>,
}

impl Lab {
    /// The Samba lab, or none where the test command left it out; that is said aloud.
    pub(crate) fn samba() -> Option<Self> {
        let Ok(directory) = std::env::var("MUSTER_TEST_SAMBA") else {
            eprintln!("SKIPPED: MUSTER_TEST_SAMBA is not set, this test needs the Samba lab");
            return None;
        };
        Some(Self::at(Path::new(&directory)))
    }

    /// The OpenLDAP lab, or none where the test command left it out.
    pub(crate) fn scale() -> Option<Self> {
        let Ok(directory) = std::env::var("MUSTER_TEST_SCALE") else {
            eprintln!("SKIPPED: MUSTER_TEST_SCALE is not set, this test needs the OpenLDAP lab");
            return None;
        };
        Some(Self::at(Path::new(&directory)))
    }

    pub(crate) fn at(directory: &Path) -> Self {
        let text = std::fs::read_to_string(directory.join("lab")).unwrap();
        let values = text.lines().filter_map(|line| line.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned()));
        Self { directory: directory.to_path_buf(), values: values.collect() }
    }

    pub(crate) fn get(&self, key: &str) -> &str {
        &self.values[key]
    }

    /// The settings of a connector that reads this lab over plain LDAP.
    pub(crate) fn connector(&self, bind: &str, password: &str) -> String {
        format!(
            "type = \"active_directory\"\nname = \"lab\"\n\n[authentication]\nhost = \"{}\"\nport = {}\nbindDn = \"{}\"\npassword = \"{}\"\nprotocol = \"ldap\"\n",
            self.get("host"),
            self.get("ldap_port"),
            self.get(bind),
            self.get(password)
        )
    }

    /// Makes the next batch of changes that this lab has not seen, and gives its number.
    pub(crate) fn change(&self) -> u32 {
        let seed = (1..).find(|seed| !self.directory.join(format!("change-{seed}.tsv")).exists()).unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/labs/directory/change");
        let done = Command::new(script).arg(seed.to_string()).env("MUSTER_LAB_DIR", &self.directory).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        seed
    }

    /// Gives an object another name in its place, with another client.
    pub(crate) fn rename(&self, dn: &str, name: &str) {
        let url = format!("ldap://{}:{}", self.get("host"), self.get("ldap_port"));
        let arguments = ["-x", "-r", "-D", self.get("bind_dn"), "-w", self.get("password"), "-H", &url, dn, name];
        let done = Command::new("ldapmodrdn").args(arguments).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    /// Every batch of changes that the lab has seen.
    pub(crate) fn all_changes(&self) -> Vec<[String; 4]> {
        let seen = (1..).take_while(|seed| self.directory.join(format!("change-{seed}.tsv")).exists());
        seen.flat_map(|seed| self.changes(seed)).collect()
    }

    /// What a batch changed: operation, objectGUID, DN, detail.
    pub(crate) fn changes(&self, seed: u32) -> Vec<[String; 4]> {
        let text = std::fs::read_to_string(self.directory.join(format!("change-{seed}.tsv"))).unwrap();
        let row = |line: &str| {
            let mut cells = line.split('\t').map(str::to_owned);
            std::array::from_fn(|_| cells.next().unwrap_or_default())
        };
        text.lines().map(row).collect()
    }

    /// Reads the lab with another client.
    pub(crate) fn ldapsearch(&self, filter: &str, attributes: &[&str]) -> Vec<crate::ldif::Entry> {
        let url = format!("ldap://{}:{}", self.get("host"), self.get("ldap_port"));
        let output = Command::new("ldapsearch")
            .args([
                "-LLL",
                "-x",
                "-o",
                "ldif-wrap=no",
                "-D",
                self.get("bind_dn"),
                "-w",
                self.get("password"),
                "-H",
                &url,
            ])
            .args(["-b", self.get("base_dn"), "-E", "pr=1000/noprompt", filter])
            .args(attributes)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        crate::ldif::parse(&String::from_utf8(output.stdout).unwrap())
    }
}
