//! Why an agent cannot do its work: the one list of kinds, each with its exit code, and what the daemon makes of it.

use thiserror::Error;

/// What stands in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The settings, the cron expression among them.
    Settings,
    /// The hub: not there, or not well.
    Hub,
    /// The proxy before it.
    Proxy,
    /// TLS with the hub: its certificate, or this agent's roots.
    Tls,
    /// The hub refuses the credential.
    Credential,
    /// The hub has no such customer, connection or profile for an agent.
    Unknown,
    /// The agent was revoked.
    Revoked,
    /// Another process took this one's place.
    Replaced,
    /// The directory, or whatever the connector reads.
    Directory,
}

/// The table: kind, exit code, whether the daemon ends with it, and what it means.
pub const KINDS: [(Kind, u8, bool, &str); 9] = [
    (Kind::Settings, 2, true, "settings or cron expression"),
    (Kind::Hub, 10, false, "the hub is not there, or not well"),
    (Kind::Proxy, 11, false, "the proxy is not there, or refuses"),
    (Kind::Tls, 12, false, "TLS with the hub"),
    (Kind::Credential, 13, false, "the hub refuses the credential"),
    (Kind::Unknown, 14, true, "the hub has no such customer, connection or profile for an agent"),
    (Kind::Revoked, 15, true, "the agent was revoked"),
    (Kind::Replaced, 16, true, "another process runs this profile now"),
    (Kind::Directory, 20, false, "the directory"),
];

impl Kind {
    fn row(self) -> (Kind, u8, bool, &'static str) {
        KINDS.into_iter().find(|(kind, ..)| *kind == self).unwrap_or(KINDS[1])
    }

    /// The exit code of `--once` and `--check`.
    pub fn exit_code(self) -> u8 {
        self.row().1
    }

    /// Whether trying again later is of no use.
    pub fn ends_the_daemon(self) -> bool {
        self.row().2
    }
}

/// A failure: what was being done, what went wrong, what to do about it. No part of it holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{doing}: {message}")]
pub struct Failure {
    /// What stands in the way.
    pub kind: Kind,
    /// What was being done.
    pub doing: String,
    /// What went wrong.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}

impl Failure {
    /// Names kind, deed, fault and remedy.
    pub fn new(kind: Kind, doing: impl Into<String>, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { kind, doing: doing.into(), message: message.into(), remedy: remedy.into() }
    }

    /// A setting that cannot work.
    pub(crate) fn setting(key: &str, place: &str, problem: &str, remedy: impl Into<String>) -> Self {
        Self::new(Kind::Settings, format!("setting `{key}` ({place})"), problem, remedy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Issue 6 names the codes; scripts and units rely on them.
    #[test]
    fn every_kind_has_its_code() {
        let codes: Vec<(u8, bool)> =
            KINDS.iter().map(|(kind, ..)| (kind.exit_code(), kind.ends_the_daemon())).collect();
        let expected = [
            (2, true),
            (10, false),
            (11, false),
            (12, false),
            (13, false),
            (14, true),
            (15, true),
            (16, true),
            (20, false),
        ];
        assert_eq!(codes, expected);
    }
}
