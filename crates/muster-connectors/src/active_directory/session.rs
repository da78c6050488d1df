//! A run's connection to one controller, and what is asked of it once.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use muster_core::connector::{ConnectorError, ErrorKind};
use muster_core::value::guid_text;

use super::{AssetsChoice, Config, names};
use crate::kit::ldap::{
    Connection, ConnectionSettings, DirectoryReader, Entry, Filter, LdapError, PageEnd, ResultCode, Scope, Search,
    SearchControls, Ticket,
};

/// What the server says of itself (RFC 4512 section 5.1; MS-ADTS 3.1.1.3.2).
#[derive(Debug, Clone, Default)]
pub(super) struct RootDse {
    pub(super) default_naming_context: Option<String>,
    pub(super) naming_contexts: Vec<String>,
    pub(super) dns_host_name: Option<String>,
    /// Whether it counts its changes, as Active Directory does.
    counts_changes: bool,
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
    /// Entries a page: the profile's, or what the server allows.
    pub(super) page_size: u32,
    /// Whether the server's estimates are counts; nothing while no count has told.
    pub(super) estimates: Option<bool>,
    pub(super) calls: u64,
    /// What came over a second connection.
    pub(super) received_beside: u64,
    second: Second,
    /// Why there is no second connection, to be told once.
    pub(super) why_alone: Option<String>,
}

/// A second connection to the same controller.
#[derive(Debug)]
enum Second {
    NotTried,
    Open(Connection),
    /// The server refuses it: nobody asks again in this run.
    Refused,
}

/// Asked while the server is silent; an error ends the waiting.
pub(super) type Waiting<'a> = &'a dyn Fn() -> Result<(), LdapError>;

/// What the run has learned of the directory and every record may need.
#[derive(Debug, Default)]
pub(super) struct Knowledge {
    /// What the domain head says for all its users: attribute and value, as it came.
    pub(super) policy: Vec<(&'static str, Vec<u8>)>,
    /// Bases whose containers were all listed on this connection.
    pub(super) listed: HashSet<String>,
    /// Parent DN as the server writes it → source key; `None` for a parent that is no container of the plan's.
    parents: HashMap<String, Option<Arc<str>>>,
    /// The same by the name as it is compared: values may spell a name otherwise than entries do.
    by_name: HashMap<String, Option<Arc<str>>>,
    /// Other spellings met, so that each is taken apart once.
    spellings: RefCell<HashMap<String, Option<Arc<str>>>>,
}

/// How long a second connection is waited for: without it the reading only takes longer.
const SECOND_PATIENCE: Duration = Duration::from_secs(5);
/// The most spellings that are remembered.
const SPELLINGS: usize = 100_000;

impl Knowledge {
    /// What is known of a parent: not asked yet (outer none), no container of ours (inner none), or its key.
    pub(super) fn parent(&self, dn: &str) -> Option<Option<Arc<str>>> {
        if let Some(known) = self.parents.get(dn) {
            return Some(known.clone());
        }
        if let Some(known) = self.spellings.borrow().get(dn) {
            return Some(known.clone());
        }
        let known = self.by_name.get(&names::key(dn))?.clone();
        let mut spellings = self.spellings.borrow_mut();
        if spellings.len() < SPELLINGS {
            spellings.insert(dn.to_owned(), known.clone());
        }
        Some(known)
    }

    pub(super) fn learn_parent(&mut self, dn: &str, key: Option<Arc<str>>) {
        self.by_name.insert(names::key(dn), key.clone());
        self.parents.insert(dn.to_owned(), key);
        self.spellings.borrow_mut().clear();
    }
}

impl Session {
    /// Connects to the host of the settings, where it can be to the controller of the run before.
    pub(super) fn open(config: &Config, preferred: Option<SocketAddr>) -> Result<Self, ConnectorError> {
        let mut addresses = Connection::resolve(&config.connection).map_err(|error| explain(error, config))?;
        addresses.sort_by_key(|address| Some(*address) != preferred);
        Self::open_at(config, &addresses)
    }

    /// Connects to the first of these addresses that answers.
    pub(super) fn open_at(config: &Config, addresses: &[SocketAddr]) -> Result<Self, ConnectorError> {
        let connection = bound(config, &config.connection, addresses).map_err(|error| explain(error, config))?;
        Self::begin(config, connection)
    }

    /// A second connection to the same controller, to be given back; nothing where the server refuses one.
    pub(super) fn second_connection(&mut self) -> Option<Connection> {
        // Until it is given back there is none: a connection that failed is not tried again.
        match std::mem::replace(&mut self.second, Second::Refused) {
            Second::Open(connection) => return Some(connection),
            Second::Refused => return None,
            Second::NotTried => {}
        }
        let mut settings = self.config.connection.clone();
        settings.patience = settings.patience.min(SECOND_PATIENCE);
        match bound(&self.config, &settings, &[self.address]) {
            Ok(mut connection) => {
                connection.set_patience(self.config.connection.patience);
                self.calls += 1;
                Some(connection)
            }
            Err(error) => {
                self.why_alone =
                    Some(format!("counted before the reading, not beside it: no second connection ({error})"));
                None
            }
        }
    }

    /// Gives the second connection back, for the next scope.
    pub(super) fn keep_second_connection(&mut self, connection: Connection) {
        self.second = Second::Open(connection);
    }

    /// What came over all connections.
    pub(super) fn bytes_received(&self) -> u64 {
        self.connection.bytes_received() + self.received_beside
    }

    /// Asks what every reading needs, on a connection that is bound.
    pub(super) fn begin(config: &Config, connection: Connection) -> Result<Self, ConnectorError> {
        let address = connection.peer().map_err(|error| explain(error, config))?;
        let mut session = Self {
            config: config.clone(),
            connection,
            address,
            root: RootDse::default(),
            knowledge: Knowledge::default(),
            page_size: config.page_size,
            estimates: None,
            calls: 1,
            received_beside: 0,
            second: Second::NotTried,
            why_alone: None,
        };
        session.read_root().map_err(|error| explain(error, config))?;
        Ok(session)
    }

    /// The controller's address.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
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
        self.base("", &wanted, &|| Ok(()), |entry| {
            let all = |name: &str| {
                let texts =
                    entry.values(name).into_iter().flatten().map(|value| String::from_utf8_lossy(value).into_owned());
                texts.collect::<Vec<_>>()
            };
            root.default_naming_context = entry.text("defaultNamingContext").map(str::to_owned);
            root.naming_contexts = all("namingContexts");
            root.controls = all("supportedControl");
            root.dns_host_name = entry.text("dnsHostName").map(str::to_owned);
            root.counts_changes = entry.text("highestCommittedUSN").is_some();
            service = entry.text("dsServiceName").map(str::to_owned);
        })?;
        if let Some(service) = service.filter(|_| root.counts_changes) {
            self.base(&service, &["invocationId"], &|| Ok(()), |entry| {
                root.invocation_id = entry.first("invocationId").and_then(|bytes| guid_text(bytes).ok());
            })?;
        }
        self.root = root;
        if let Some(head) = self.naming_context().map(str::to_owned) {
            // A head that says nothing, or refuses to, leaves the policy unknown; the records are still worth reading.
            let wanted = ["lockoutDuration", "maxPwdAge"];
            let mut policy = Vec::new();
            self.base(&head, &wanted, &|| Ok(()), |entry| {
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
            let end = self.base(base, &["1.1"], &|| Ok(()), |_| found = true);
            let end = end.map_err(|error| explain(error, &self.config))?;
            if end.is_busy() {
                let busy = refused(&end, format!("looking at base context `{base}`"));
                return Err(explain(busy, &self.config));
            }
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
        let mut notes = vec![match (&self.root.invocation_id, self.root.counts_changes) {
            (Some(id), _) => format!("read from {} (invocationId {id})", self.origin().unwrap_or_default()),
            (None, true) => "the controller's invocationId cannot be read: every run reads everything".to_owned(),
            (None, false) => "the server has no highestCommittedUSN: every run reads everything".to_owned(),
        }];
        if self.config.assets == AssetsChoice::IdentitiesWithPosture {
            notes.push("posture: the flat attributes are collected, rules are not evaluated yet".to_owned());
        }
        notes
    }

    /// The controller's highest USN now; a cursor must be read before the reading it stands for (D15).
    pub(super) fn highest_committed_usn(&mut self, waiting: Waiting<'_>) -> Result<Option<i64>, LdapError> {
        if self.root.invocation_id.is_none() {
            return Ok(None);
        }
        let mut usn = None;
        self.base("", &["highestCommittedUSN"], waiting, |entry| {
            usn = entry.text("highestCommittedUSN").and_then(|text| text.parse().ok())
        })?;
        Ok(usn)
    }

    /// Reads one entry by name.
    fn base(
        &mut self,
        dn: &str,
        attributes: &[&str],
        waiting: Waiting<'_>,
        mut on_entry: impl FnMut(&Entry<'_>),
    ) -> Result<PageEnd, LdapError> {
        let search = base_search(dn, Filter::Present("objectClass".to_owned()), attributes);
        self.each(&search, &[], &mut |entry| match entry {
            None => waiting(),
            Some(entry) => {
                on_entry(entry);
                Ok(())
            }
        })
    }

    /// Sends a search; the answer is read by [`Session::reading`].
    pub(super) fn ask(&mut self, search: &Search, cookie: &[u8]) -> Result<Ticket, LdapError> {
        self.calls += 1;
        self.connection.begin(search, cookie)
    }

    /// Sends a search and reads its answer.
    pub(super) fn each(
        &mut self,
        search: &Search,
        cookie: &[u8],
        on_entry: &mut dyn FnMut(Option<&Entry<'_>>) -> Result<(), LdapError>,
    ) -> Result<PageEnd, LdapError> {
        let ticket = self.ask(search, cookie)?;
        self.connection.receive(ticket, on_entry)
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
    pub(super) fn ask_parent(&mut self, dn: &str, waiting: Waiting<'_>) -> Result<Option<Arc<str>>, LdapError> {
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
            let search = base_search(dn, super::records::container_filter(), &["objectGUID"]);
            let end = self.each(&search, &[], &mut |entry| {
                let Some(entry) = entry else { return waiting() };
                key = entry.first("objectGUID").and_then(|bytes| guid_text(bytes).ok()).map(Arc::from);
                Ok(())
            })?;
            if end.is_busy() {
                return Err(refused(&end, format!("looking at container `{dn}`")));
            }
        }
        self.knowledge.learn_parent(dn, key.clone());
        Ok(key)
    }
}

/// An encrypted and bound connection.
fn bound(config: &Config, settings: &ConnectionSettings, addresses: &[SocketAddr]) -> Result<Connection, LdapError> {
    let mut connection = Connection::connect(settings, addresses)?;
    connection.encrypt()?;
    connection.bind(&config.bind_dn, &config.password)?;
    Ok(connection)
}

fn base_search(dn: &str, filter: Filter, attributes: &[&str]) -> Search {
    Search {
        base: dn.to_owned(),
        scope: Scope::Base,
        filter,
        attributes: attributes.iter().map(|&name| name.to_owned()).collect(),
        page_size: 0,
        controls: SearchControls::default(),
    }
}

/// A refusal as a failure of what was being done.
pub(super) fn refused(end: &PageEnd, operation: String) -> LdapError {
    LdapError::Refused { operation, code: end.code, message: end.message.clone() }
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
        LdapError::EmptyPassword { .. } => (ErrorKind::Config, Some("give the account's password as `password`")),
        LdapError::Bind { failure, .. } if failure.code.is_busy() => (ErrorKind::Unavailable, None),
        LdapError::Bind { failure, .. } if failure.code.0 == 8 => (ErrorKind::Config, Some(failure.explain().1)),
        LdapError::Bind { failure, .. } => (ErrorKind::Auth, Some(failure.explain().1)),
        LdapError::Io(_) | LdapError::Closed | LdapError::Silent { .. } | LdapError::Disconnected { .. } => {
            (ErrorKind::Unavailable, None)
        }
        LdapError::Malformed(_) | LdapError::TooLarge { .. } => (ErrorKind::Protocol, None),
        LdapError::Refused { code, .. } if *code == ResultCode::INSUFFICIENT_ACCESS => (
            ErrorKind::Forbidden { permission: "Read Property".to_owned() },
            Some("grant the account Read Property on what it shall read"),
        ),
        LdapError::Refused { code, .. } if code.is_busy() => (ErrorKind::Unavailable, None),
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
