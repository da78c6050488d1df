//! A run's connection to one controller, and what is asked of it once.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use muster_core::connector::{ConnectorError, ErrorKind};
use muster_core::value::guid_text;

use super::{Config, names};
use crate::kit::ldap::{
    Connection, DirectoryReader, Entry, Filter, LdapError, PageEnd, ResultCode, Scope, Search, SearchControls, Ticket,
};

/// What the server says of itself (RFC 4512 section 5.1; MS-ADTS 3.1.1.3.2).
#[derive(Debug, Clone, Default)]
pub(super) struct RootDse {
    pub(super) default_naming_context: Option<String>,
    pub(super) naming_contexts: Vec<String>,
    pub(super) dns_host_name: Option<String>,
    pub(super) invocation_id: Option<String>,
    pub(super) controls: Vec<String>,
}

/// An open, bound connection.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) config: Config,
    pub(super) connection: Connection,
    /// The one controller of this run: a domain's name may stand for several.
    address: SocketAddr,
    pub(super) root: RootDse,
    pub(super) knowledge: Knowledge,
    pub(super) calls: u64,
}

/// What the run has learned of the directory and every record may need.
#[derive(Debug, Default)]
pub(super) struct Knowledge {
    /// What the domain head says for all its users: attribute and value, as it came.
    pub(super) policy: Vec<(&'static str, Vec<u8>)>,
    /// Parent DN as the server writes it → source key; `None` for a parent that is no container of the plan's.
    parents: HashMap<String, Option<Arc<str>>>,
}

impl Knowledge {
    /// What is known of a parent: not asked yet (outer none), no container of ours (inner none), or its key.
    pub(super) fn parent(&self, dn: &str) -> Option<Option<Arc<str>>> {
        self.parents.get(dn).cloned()
    }

    pub(super) fn learn_parent(&mut self, dn: &str, key: Option<Arc<str>>) {
        self.parents.insert(dn.to_owned(), key);
    }
}

impl Session {
    pub(super) fn open(config: &Config) -> Result<Self, ConnectorError> {
        let addresses = Connection::resolve(&config.connection).map_err(|error| explain(error, config))?;
        Self::open_at(config, &addresses)
    }

    /// A second connection to the same controller.
    pub(super) fn another(&self) -> Result<Self, ConnectorError> {
        Self::open_at(&self.config, &[self.address])
    }

    fn open_at(config: &Config, addresses: &[SocketAddr]) -> Result<Self, ConnectorError> {
        let fail = |error| explain(error, config);
        let mut connection = Connection::connect(&config.connection, addresses).map_err(fail)?;
        connection.encrypt().map_err(fail)?;
        connection.bind(&config.bind_dn, &config.password).map_err(fail)?;
        let address = connection.peer().map_err(fail)?;
        let mut session = Self {
            config: config.clone(),
            connection,
            address,
            root: RootDse::default(),
            knowledge: Knowledge::default(),
            calls: 1,
        };
        session.read_root().map_err(fail)?;
        Ok(session)
    }

    fn read_root(&mut self) -> Result<(), LdapError> {
        let wanted = [
            "defaultNamingContext",
            "namingContexts",
            "dnsHostName",
            "dsServiceName",
            "highestCommittedUSN",
            "supportedControl",
        ];
        let mut root = RootDse::default();
        let mut service = None;
        self.base("", &wanted, |entry| {
            let all = |name: &str| {
                let texts =
                    entry.values(name).into_iter().flatten().map(|value| String::from_utf8_lossy(value).into_owned());
                texts.collect::<Vec<_>>()
            };
            root.default_naming_context = entry.text("defaultNamingContext").map(str::to_owned);
            root.naming_contexts = all("namingContexts");
            root.controls = all("supportedControl");
            root.dns_host_name = entry.text("dnsHostName").map(str::to_owned);
            service = entry.text("highestCommittedUSN").and(entry.text("dsServiceName")).map(str::to_owned);
        })?;
        if let Some(service) = service {
            self.base(&service, &["invocationId"], |entry| {
                root.invocation_id = entry.first("invocationId").and_then(|bytes| guid_text(bytes).ok());
            })?;
        }
        self.root = root;
        if let Some(head) = self.naming_context().map(str::to_owned) {
            let wanted = ["lockoutDuration", "maxPwdAge"];
            let mut policy = Vec::new();
            self.base(&head, &wanted, |entry| {
                policy = wanted.iter().filter_map(|&name| Some((name, entry.first(name)?.to_vec()))).collect();
            })?;
            self.knowledge.policy = policy;
        }
        Ok(())
    }

    /// The naming context that is read by default.
    pub(super) fn naming_context(&self) -> Option<&str> {
        self.root.default_naming_context.as_deref().or_else(|| self.root.naming_contexts.first().map(String::as_str))
    }

    /// The naming context in which a base lies.
    pub(super) fn naming_context_of(&self, base: &str) -> String {
        let known =
            self.root.naming_contexts.iter().filter(|known| names::same(base, known) || names::is_below(base, known));
        known.max_by_key(|known| known.len()).cloned().unwrap_or_else(|| base.to_owned())
    }

    /// The bases to read from: the profile's, or the domain.
    pub(super) fn bases(&self) -> Vec<String> {
        if self.config.bases.is_empty() {
            self.naming_context().map(str::to_owned).into_iter().collect()
        } else {
            self.config.bases.clone()
        }
    }

    /// The bases, each looked at.
    pub(super) fn check_bases(&mut self) -> Result<Vec<String>, ConnectorError> {
        let bases = self.bases();
        if bases.is_empty() {
            let message = "the server names no naming context";
            return Err(ConnectorError::new(ErrorKind::Config, "looking for the base context", message)
                .with_remedy("set `profile.baseContext`"));
        }
        for base in &bases {
            let mut found = false;
            let end = self.base(base, &["1.1"], |_| found = true).map_err(|error| explain(error, &self.config))?;
            if end.code != ResultCode::SUCCESS || !found {
                let what = if end.code == ResultCode::SUCCESS { "it cannot be seen".to_owned() } else { refusal(&end) };
                return Err(ConnectorError::new(ErrorKind::Config, format!("looking at base context `{base}`"), what)
                    .with_remedy("check `profile.baseContext`, and that the account may read it"));
            }
        }
        Ok(bases)
    }

    pub(super) fn supports(&self, control: &str) -> bool {
        self.root.controls.iter().any(|known| known == control)
    }

    /// Who answers, for the ledger.
    pub(super) fn origin(&self) -> Option<String> {
        self.root.dns_host_name.clone().or_else(|| Some(self.address.to_string()))
    }

    pub(super) fn notes(&self) -> Vec<String> {
        match &self.root.invocation_id {
            Some(id) => vec![format!("read from {} (invocationId {id})", self.origin().unwrap_or_default())],
            None => vec!["the server has no highestCommittedUSN: every run reads everything".to_owned()],
        }
    }

    /// The controller's highest USN now; a cursor must be read before the reading it stands for (D15).
    pub(super) fn highest_committed_usn(&mut self) -> Result<Option<i64>, LdapError> {
        if self.root.invocation_id.is_none() {
            return Ok(None);
        }
        let mut usn = None;
        self.base("", &["highestCommittedUSN"], |entry| {
            usn = entry.text("highestCommittedUSN").and_then(|text| text.parse().ok())
        })?;
        Ok(usn)
    }

    /// Reads one entry by name.
    pub(super) fn base(
        &mut self,
        dn: &str,
        attributes: &[&str],
        mut on_entry: impl FnMut(&Entry<'_>),
    ) -> Result<PageEnd, LdapError> {
        self.base_filtered(dn, Filter::Present("objectClass".to_owned()), attributes, &mut on_entry)
    }

    fn base_filtered(
        &mut self,
        dn: &str,
        filter: Filter,
        attributes: &[&str],
        on_entry: &mut dyn FnMut(&Entry<'_>),
    ) -> Result<PageEnd, LdapError> {
        let search = Search {
            base: dn.to_owned(),
            scope: Scope::Base,
            filter,
            attributes: attributes.iter().map(|&name| name.to_owned()).collect(),
            page_size: 0,
            controls: SearchControls::default(),
        };
        self.calls += 1;
        let ticket = self.connection.begin(&search, &[])?;
        self.connection.receive(ticket, &mut |entry| {
            if let Some(entry) = entry {
                on_entry(entry);
            }
            Ok(())
        })
    }

    /// Receives a page while `on_entry` may look at the session: connection and knowledge are parted for that time.
    pub(super) fn reading(
        &mut self,
        ticket: Ticket,
        mut on_entry: impl FnMut(&mut Knowledge, Option<&Entry<'_>>) -> Result<(), LdapError>,
    ) -> Result<PageEnd, LdapError> {
        let Self { connection, knowledge, .. } = self;
        connection.receive(ticket, &mut |entry| on_entry(knowledge, entry))
    }

    /// Asks for a parent that no container record has named yet.
    pub(super) fn ask_parent(&mut self, dn: &str) -> Result<Option<Arc<str>>, LdapError> {
        if let Some(known) = self.knowledge.parent(dn) {
            return Ok(known);
        }
        let covered = self.bases().iter().any(|base| match self.config.search_scope {
            Scope::Base => names::same(dn, base),
            Scope::One => names::same(names::split(dn).1, base),
            Scope::Subtree => names::same(dn, base) || names::is_below(dn, base),
        });
        let mut key = None;
        if covered {
            self.base_filtered(dn, super::records::container_filter(), &["objectGUID"], &mut |entry| {
                key = entry.first("objectGUID").and_then(|bytes| guid_text(bytes).ok()).map(Arc::from);
            })?;
        }
        self.knowledge.learn_parent(dn, key.clone());
        Ok(key)
    }
}

/// A refusal in words.
pub(super) fn refusal(end: &PageEnd) -> String {
    if end.message.is_empty() { end.code.to_string() } else { format!("{} ({})", end.code, end.message) }
}

/// A failure as the engine and the operator need it: its kind, and what to do about it.
pub(super) fn explain(error: LdapError, config: &Config) -> ConnectorError {
    let place = format!("reading the directory at `{}:{}`", config.connection.host, config.connection.port);
    let (kind, remedy): (ErrorKind, Option<&str>) = match &error {
        LdapError::Resolve { .. } => {
            (ErrorKind::Unavailable, Some("check `authentication.host` and this machine's DNS"))
        }
        LdapError::Connect { .. } => {
            (ErrorKind::Unavailable, Some("check `authentication.host` and `port`, and the firewall between"))
        }
        LdapError::Tls { remedy, .. } => (ErrorKind::Config, Some(remedy)),
        LdapError::Certificate(_) => (
            ErrorKind::Config,
            Some("export the root certificate of the controller's authority as Base-64 (PEM) or DER"),
        ),
        LdapError::Bind { failure, .. } => (ErrorKind::Auth, Some(failure.explain().1)),
        LdapError::Io(_) | LdapError::Closed | LdapError::Silent { .. } | LdapError::Disconnected { .. } => {
            (ErrorKind::Unavailable, None)
        }
        LdapError::Malformed(_) | LdapError::TooLarge { .. } => (ErrorKind::Protocol, None),
        LdapError::Refused { code, .. } if *code == ResultCode::INSUFFICIENT_ACCESS => (
            ErrorKind::Forbidden { permission: "Read Property".to_owned() },
            Some("grant the account Read Property on what it shall read"),
        ),
        LdapError::Refused { code, .. } if matches!(code.0, 51 | 52) => (ErrorKind::Unavailable, None),
        LdapError::Refused { .. } => (ErrorKind::Protocol, None),
        LdapError::Cancelled => (ErrorKind::Cancelled, None),
    };
    let mut message = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(inner) = source {
        message = format!("{message}: {inner}");
        source = inner.source();
    }
    let failure = ConnectorError::new(kind, place, message);
    match remedy {
        Some(remedy) => failure.with_remedy(remedy),
        None => failure,
    }
}
