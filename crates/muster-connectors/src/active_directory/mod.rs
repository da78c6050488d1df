//! Microsoft Active Directory over LDAP: containers, users, groups and who is in them.
//!
//! ```text
//! config ─open→ ActiveDirectory ─plan→ scopes (stream × base context)
//!   read: session (one pinned controller) ─pages→ records.rs (entry → record, links) ─batches→ sink
//! ```
//!
//! Facts: S3 (streams, map tables, permissions), MS-ADTS (controls, ranges, USNs), facts measured in docs/adr/0001.
//! Deltas follow D15: `uSNChanged` per controller and invocationId, tombstones where rights allow, all else by sweep.
//! A server without `highestCommittedUSN` (OpenLDAP) is read fully each time, and the ledger says so.

mod check;
mod complete;
mod config;
mod confirm;
mod count;
mod names;
mod read;
mod records;
mod session;

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use muster_core::connector::{
    Area, BatchSink, Connector, ConnectorError, ConnectorSpec, FieldSpec, PermissionSpec, Plan, ReadRequest, ScopeEnd,
    ScopePlan, Sections, SettingError, StepSink, Verdict,
};
use muster_core::model::DataModel;

use crate::kit::ldap::{BindFailure, Filter, ResultCode};
use crate::{ConnectorType, Refusal, Settings};
pub use config::{AssetsChoice, Config};
use session::Session;

/// The connector type.
pub static CONNECTOR: ConnectorType = ConnectorType {
    spec: &SPEC,
    model: || Arc::clone(&MODEL),
    default_maps: DEFAULT_MAPS,
    refusals,
    open,
    check: check_settings,
};

static DEFAULT_MAPS: &[(&str, &str)] = &[
    ("containers", include_str!("maps/containers.yaml")),
    ("users", include_str!("maps/users.yaml")),
    ("groups", include_str!("maps/groups.yaml")),
];

#[expect(clippy::expect_used, reason = "the file is part of the program, and a test parses it")]
static MODEL: LazyLock<Arc<DataModel>> = LazyLock::new(|| {
    Arc::new(DataModel::parse(include_str!("data_model.yaml")).expect("the data model is part of the program"))
});

static SPEC: ConnectorSpec = ConnectorSpec {
    type_name: "active_directory",
    source_name: "Microsoft Active Directory",
    vendor: "Microsoft",
    product: "Active Directory",
    category: "Assets (Identity)",
    assets: "Groups and Users Identity",
    findings: "NA",
    version: "1.0.0",
    integration_type: "On-Prem",
    direction: "Unidirectional (AD to Muster)",
    delta_support: "Supported",
    permissions: &[
        PermissionSpec { entity: "Users Assets", permission: "Read Property (ADS_RIGHT_DS_READ_PROP)" },
        PermissionSpec { entity: "Groups Assets", permission: "Read Property (ADS_RIGHT_DS_READ_PROP)" },
    ],
    fields: &[
        FieldSpec {
            key: "host",
            label: "Host",
            choices: &[],
            section: "authentication",
            kind: "text",
            required: true,
            help: "Name or address of a domain controller.",
        },
        FieldSpec {
            key: "port",
            label: "Port",
            choices: &[],
            section: "authentication",
            kind: "integer",
            required: false,
            help: "389 for LDAP and StartTLS, 636 for LDAPS.",
        },
        FieldSpec {
            key: "bindDn",
            label: "Bind DN",
            choices: &[],
            section: "authentication",
            kind: "text",
            required: true,
            help: "The account that reads: a DN, a user principal name or DOMAIN\\user.",
        },
        FieldSpec {
            key: "password",
            label: "Password",
            choices: &[],
            section: "authentication",
            kind: "secret",
            required: true,
            help: "The account's password.",
        },
        FieldSpec {
            key: "certificate",
            label: "Certificate",
            choices: &[],
            section: "authentication",
            kind: "certificate",
            required: false,
            help: "Required for LDAPS and StartTLS: the root certificate of the controller's authority, PEM or DER.",
        },
        FieldSpec {
            key: "protocol",
            label: "Protocol",
            choices: &["ldap", "ldaps", "starttls"],
            section: "authentication",
            kind: "choice",
            required: false,
            help: "ldap, ldaps or starttls; without it a certificate or port 636 means LDAPS.",
        },
        FieldSpec {
            key: "baseContext",
            label: "Base Context",
            choices: &[],
            section: "profile",
            kind: "list",
            required: false,
            help: "Root DNs of the search; the domain, where absent.",
        },
        FieldSpec {
            key: "searchScope",
            label: "Search Scope",
            choices: &["base", "one", "subtree"],
            section: "profile",
            kind: "choice",
            required: false,
            help: "base, one or subtree; the whole subtree, where absent.",
        },
        FieldSpec {
            key: "assets",
            label: "Assets",
            choices: &["identities", "identities_with_posture"],
            section: "profile",
            kind: "choice",
            required: false,
            help: "identities, or identities_with_posture: also the attributes that posture rules read.",
        },
        FieldSpec {
            key: "computedAttributes",
            label: "Computed attributes",
            choices: &[],
            section: "profile",
            kind: "boolean",
            required: false,
            help: "Ask for msDS-User-Account-Control-Computed: exact status under fine-grained password policies, much slower.",
        },
        FieldSpec {
            key: "pageSize",
            label: "Page size",
            choices: &[],
            section: "profile",
            kind: "integer",
            required: false,
            help: "Entries a page, 1 to 100000; 1000, where absent. A controller clamps it to its own limit.",
        },
        FieldSpec {
            key: "timeoutSeconds",
            label: "Timeout",
            choices: &[],
            section: "profile",
            kind: "integer",
            required: false,
            help: "How long an answer is waited for, 1 to 3600 seconds; 120, where absent.",
        },
    ],
};

fn check_settings(sections: &Sections) -> Result<Vec<Area>, SettingError> {
    let settings = Settings { sections: sections.clone(), base_directory: None };
    Config::read(&settings).map(|config| config::areas(&config))
}

/// The codes with which a bind may be refused, explained by the one table there is.
fn refusals() -> Vec<Refusal> {
    let sub_codes = ["52e", "525", "530", "531", "532", "533", "701", "773", "775"].map(Some);
    let all = sub_codes.map(|sub_code| (49, sub_code)).into_iter().chain([8, 34, 48, 53].map(|code| (code, None)));
    all.map(|(code, sub_code)| {
        let failure =
            BindFailure { code: ResultCode(code), sub_code: sub_code.map(str::to_owned), message: String::new() };
        let (meaning, remedy) = failure.explain();
        let data = sub_code.map(|sub_code| format!(", data {sub_code}")).unwrap_or_default();
        Refusal { code: format!("{}{data}", failure.code), meaning, remedy }
    })
    .collect()
}

fn open(settings: &Settings) -> Result<Arc<dyn Connector>, SettingError> {
    let config = Config::read(settings)?;
    Ok(Arc::new(ActiveDirectory { config, run: Mutex::default() }))
}

/// What is asked of the directory for a stream: filter and attributes; nothing for a stream that there is not.
pub fn asked(config: &Config, stream: &str) -> Option<(Filter, Vec<String>)> {
    let model = MODEL.stream(stream)?;
    Some((records::filter(stream), records::attributes(model, config)))
}

/// An Active Directory, opened with one connector's settings.
#[derive(Debug)]
pub struct ActiveDirectory {
    config: Config,
    run: Mutex<Run>,
}

/// What the reading of one scope leaves for the next.
#[derive(Debug, Default)]
struct Run {
    /// The connection; taken while a scope is read, put back when it ended well.
    session: Option<Session>,
    /// The one controller of this run: a domain's name may stand for several.
    controller: Option<SocketAddr>,
}

impl ActiveDirectory {
    fn run(&self) -> MutexGuard<'_, Run> {
        self.run.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The run's session: the one there is, or a new one to the same controller.
    fn session(&self) -> Result<Session, ConnectorError> {
        let (kept, controller) = {
            let mut run = self.run();
            (run.session.take(), run.controller)
        };
        match (kept, controller) {
            (Some(session), _) => Ok(session),
            (None, Some(controller)) => Session::open_at(&self.config, &[controller]),
            (None, None) => Session::open(&self.config, None),
        }
    }

    /// Lends the session to `work` on this thread; the socket is read without a runtime in between.
    fn with_session<T>(
        &self,
        work: impl FnOnce(&mut Session) -> Result<T, ConnectorError>,
    ) -> Result<T, ConnectorError> {
        tokio::task::block_in_place(|| {
            let mut session = self.session()?;
            let done = work(&mut session)?;
            let mut run = self.run();
            run.controller = Some(session.address());
            run.session = Some(session);
            Ok(done)
        })
    }

    /// Begins a run: a new connection, and nothing remembered of the directory but which controller answered before.
    fn begin_run(&self) -> Result<(), ConnectorError> {
        let before = std::mem::take(&mut *self.run()).controller;
        let session = tokio::task::block_in_place(|| Session::open(&self.config, before))?;
        *self.run() = Run { controller: Some(session.address()), session: Some(session) };
        Ok(())
    }
}

#[async_trait]
impl Connector for ActiveDirectory {
    fn model(&self) -> &Arc<DataModel> {
        &MODEL
    }

    fn can_confirm(&self) -> bool {
        true
    }

    async fn plan(&self) -> Result<Plan, ConnectorError> {
        self.begin_run()?;
        self.with_session(|session| {
            let bases = session.check_bases()?;
            let mut scopes = Vec::new();
            for stream in &MODEL.streams {
                for base in &bases {
                    scopes.push(ScopePlan { stream: stream.name.clone(), name: Arc::from(base.as_str()) });
                }
            }
            Ok(Plan { scopes, notes: session.notes(), origin: session.origin() })
        })
    }

    async fn read(&self, request: ReadRequest<'_>, sink: &dyn BatchSink) -> Result<ScopeEnd, ConnectorError> {
        self.with_session(|session| read::read(session, &request, sink))
    }

    async fn confirm(
        &self,
        stream: &str,
        keys: &[String],
        sink: &dyn BatchSink,
    ) -> Result<Vec<Verdict>, ConnectorError> {
        self.with_session(|session| confirm::confirm(session, stream, keys, sink))
    }

    async fn check(&self, sink: &dyn StepSink) -> bool {
        tokio::task::block_in_place(|| check::check(&self.config, sink))
    }
}

#[cfg(test)]
mod tests;
